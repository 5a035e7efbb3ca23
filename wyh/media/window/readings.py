"""What the window reads out beside the pictures: level, latency, gaps, and what is turned."""

import math

from wyh.knobs import ALL, PLAYING
from wyh.media.view import View
from wyh.media.window.drawing import AMBER, CARD, INK, RED, SOFT, Box, Canvas
from wyh.media.window.spectrum import LEAST_DB, Level, Levels

NAMES = {
    "gain_db": "volume",
    "negative": "inverted",
    "timbre": "oscillators",
    "black": "black is silent",
    "still": "stillness fades",
    "width": "stereo width",
    "auto_gain": "automatic gain",
}
"""How knobs are called on the window where their own name does not say enough."""

_GAP_SECS = 4.0  # how long a new gap in the sound is shown in red


class Readings:
    """Paints the readings of one View after another."""

    def __init__(self, canvas: Canvas):
        """Paint on `canvas`."""
        self.canvas = canvas
        self._levels = Levels()
        self._underruns, self._underrun_age = 0, math.inf

    def follow(self, view: View, secs: float) -> None:
        """Look at a view, `secs` after the last one."""
        self._levels.update(view.sound, view.sample_rate, secs)
        if view.underruns > self._underruns:
            self._underrun_age = 0.0
        self._underruns = view.underruns
        self._underrun_age += secs

    def paint(self, side: Box, view: View) -> None:
        """Level, latency and what is turned: one under the other, or side by side."""
        canvas = self.canvas
        if side.w > 3.2 * side.h:
            third, gap = side.w // 3, canvas.px(28)
            self._level(Box(side.x, side.y, third - gap, side.h))
            self._timing(Box(side.x + third, side.y, third - gap, side.h), view)
            self._turned(Box(side.x + 2 * third, side.y, third, side.h), view)
            return
        level, timing = canvas.px(92), canvas.px(100)
        self._level(side._replace(h=level))
        self._timing(side._replace(y=side.y + level, h=timing), view)
        used = level + timing
        self._turned(side._replace(y=side.y + used, h=side.h - used), view)

    def _level(self, box: Box) -> None:
        canvas, channels = self.canvas, self._levels.channels
        loudest = max(channels, key=lambda level: level.rms_db)
        self._caption("level", box)
        words = "silent" if loudest.rms_db <= LEAST_DB else f"{_minus(loudest.rms_db)} dB"
        canvas.text(words, box.right, box.y + canvas.px(11), 17, INK, across=1.0)
        h, gap = canvas.px(22) // len(channels), canvas.px(4)
        y = box.y + canvas.px(30)
        for level in channels:
            self._meter(Box(box.x, y, box.w, h), level)
            y += h + gap

    def _meter(self, box: Box, level: Level) -> None:
        canvas = self.canvas
        canvas.fill(box, CARD, 3)
        lit = round(_along(level.rms_db) * box.w)
        if lit:
            canvas.fill(box._replace(w=lit), AMBER, 3)
        if level.peak_db > LEAST_DB:
            thin = max(2, canvas.px(3))
            x = box.x + min(box.w - thin, round(_along(level.peak_db) * box.w))
            canvas.fill(Box(x, box.y, thin, box.h), RED if level.peak_db > -1 else INK)

    def _timing(self, box: Box, view: View) -> None:
        canvas, half = self.canvas, box.w * 58 // 100
        self._caption("latency", box._replace(w=half))
        y = box.y + canvas.px(48)
        latency = view.latency_ms
        at = canvas.text("-" if latency is None else f"{latency:.0f}", box.x, y, 40, INK)
        if latency is not None:
            canvas.text("ms", at.right + canvas.px(7), y + canvas.px(7), 19, SOFT)
        late = self._underrun_age < _GAP_SECS
        right = box._replace(x=box.x + half, w=box.w - half)
        self._caption("gaps", right)
        canvas.text(str(view.underruns), right.x, y, 40, RED if late else INK)

    def _turned(self, box: Box, view: View) -> None:
        """Knobs that are not where they are by themselves; those with a badge are left out."""
        canvas, line = self.canvas, self.canvas.px(30)
        turned = [
            (NAMES.get(name, name), worth(name, value))
            for name, value in view.knobs.items()
            if name in ALL and name not in PLAYING and name != "mute"
            if abs(value - ALL[name].default) > 1e-6
        ]
        fits = (box.h - canvas.px(24)) // line
        if not turned or fits < 1:
            return
        self._caption("turned", box)
        if len(turned) > fits:
            more = len(turned) - fits + 1
            turned = [*turned[: fits - 1], (f"and {more} more", "")]
        y = box.y + canvas.px(24) + line // 2
        for name, value in turned:
            end = canvas.text(value, box.right, y, 18, AMBER, across=1.0).x
            canvas.text(name, box.x, y, 18, INK, width=end - box.x - canvas.px(10))
            y += line

    def _caption(self, words: str, box: Box) -> None:
        self.canvas.text(words, box.x, box.y + self.canvas.px(11), 16, SOFT, width=box.w)


def worth(name: str, value: float) -> str:
    """A knob's value in words."""
    knob = ALL[name]
    if knob.choices:
        return knob.choices[min(len(knob.choices) - 1, max(0, round(value)))]
    if knob.unit == "dB":
        return f"{'+' if value > 0 else ''}{_minus(value, 1)} dB"
    if knob.unit:
        return f"{value:.2g} {knob.unit}"
    if knob.whole:
        return f"{value:.3g}"
    if value == 1.0 and name in ("negative", "black", "still", "auto_gain"):
        return "on"
    return f"{100 * value:.0f} %"


def _minus(value: float, most: int = 0) -> str:
    text = f"{value:.{most}f}".removesuffix(".0")
    return ("0" if text == "-0" else text).replace("-", "\N{MINUS SIGN}")


def _along(level_db: float) -> float:
    return min(1.0, max(0.0, 1 - level_db / LEAST_DB))
