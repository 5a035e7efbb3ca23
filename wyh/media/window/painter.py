"""Paints a View: what the window shows, but for what lies over it."""

from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import UInt8

from wyh.media.view import View
from wyh.media.window.drawing import (
    AMBER,
    CARD,
    FAINT,
    ICE,
    INK,
    LINE,
    PAPER,
    RED,
    SOFT,
    Box,
    Canvas,
)
from wyh.media.window.keys import HINTS
from wyh.media.window.layout import HERTZ, NAME, Layout, lay_out
from wyh.media.window.readings import Readings
from wyh.media.window.spectrum import Spectrum

if TYPE_CHECKING:
    from pygame import Surface

_COLUMNS = 240
_BODY, _EDGE = (38, 52, 74), (112, 152, 200)
_DIM = (92, 62, 26)


class Painter:
    """Paints one View after another. Remembers what rises and falls between them."""

    def __init__(self, title: str, scenes: int):
        """Make ready.

        Args:
          title: of the stream.
          scenes: how many there are to choose from.
        """
        self.canvas = Canvas()
        self._title, self._scenes = title, scenes
        self._spectrum: Spectrum | None = None
        self._rate = 0
        self._readings = Readings(self.canvas)
        self._record_since: float | None = None

    def paint(self, surface: "Surface", view: View, message: str, secs: float) -> None:
        """Paint a view.

        Args:
          surface: to paint on, of any size.
          view: to paint.
          message: to be read; "" for none.
          secs: since the last one.
        """
        self._follow(view, secs)
        large = view.picture is None and view.known is not None
        shown = [p for p in (view.picture, view.known) if p is not None]
        aspect = shown[0].shape[1] / shown[0].shape[0] if shown else 1.0
        layout = lay_out(
            *surface.get_size(),
            pictures=max(1, len(shown)),
            aspect=min(4.0, max(0.25, aspect)),
            code=view.code is not None and len(view.code) > 0,
        )
        self.canvas.begin(surface, layout.unit)
        if large:
            assert view.known is not None
            self.canvas.picture(view.known, Box(0, 0, *self.canvas.size), hard=False)
            self._badges(layout, view, layout.top.right)
            self._message(layout, view, message, over=True)
            return
        self._top(layout, view)
        self._pictures(layout, view)
        self._code(layout, view)
        self._sound(layout)
        self._readings.paint(layout.side, view)
        self._message(layout, view, message)

    def _follow(self, view: View, secs: float) -> None:
        if self._spectrum is None or view.sample_rate != self._rate:
            self._rate = view.sample_rate
            self._spectrum = Spectrum(_COLUMNS, self._rate)
        newest = view.sound[-view.sample_rate // 4 :]
        sound = np.nan_to_num(newest, nan=0.0, posinf=0.0, neginf=0.0)
        self._spectrum.update(sound, secs)
        self._readings.follow(view._replace(sound=sound), secs)
        if view.knobs.get("record", 0.0) < 0.5:
            self._record_since = None
        elif self._record_since is None:
            self._record_since = view.secs

    def _top(self, layout: Layout, view: View) -> None:
        canvas, top = self.canvas, layout.top
        middle = top.y + top.h / 2
        name = canvas.text("wyh", top.x, middle, 25, AMBER, bold=True)
        time = canvas.text(clock(view.secs), top.right, middle, 19, SOFT, across=1.0)
        right = self._badges(layout, view, time.x - canvas.px(18))
        x = name.right + canvas.px(16)
        canvas.text(self._title, x, middle, 17, FAINT, width=right - x - canvas.px(20))

    def _badges(self, layout: Layout, view: View, right: int) -> int:
        """What is on that a player must not forget, up to `right`; where they begin."""
        middle, knobs = layout.top.y + layout.top.h // 2, view.knobs
        if self._scenes > 1:
            right = self._scene(right, middle, knobs.get("scene", 1.0))
        if knobs.get("mute", 0.0) >= 0.5:
            right = self._badge(right, middle, "MUTED", PAPER, SOFT)
        if knobs.get("freeze", 0.0) >= 0.5:
            right = self._badge(right, middle, "FROZEN", PAPER, ICE)
        if self._record_since is not None:
            words = f"REC {clock(view.secs - self._record_since)}"
            right = self._badge(right, middle, words, (255, 255, 255), RED, dot=True)
        return right

    def _badge(
        self,
        right: int,
        middle: int,
        words: str,
        ink: tuple[int, int, int],
        ground: tuple[int, int, int],
        dot: bool = False,
    ) -> int:
        canvas = self.canvas
        pad, h = canvas.px(12), canvas.px(32)
        lead = canvas.px(20) if dot else 0
        w = canvas.width(words, 17, bold=True) + 2 * pad + lead
        box = Box(right - w, middle - h // 2, w, h)
        canvas.fill(box, ground, 8)
        if dot:
            canvas.dot(box.x + pad + canvas.px(6), middle, 6, ink)
        canvas.text(words, box.x + pad + lead, middle, 17, ink, bold=True)
        return box.x - canvas.px(10)

    def _scene(self, right: int, middle: int, scene: float) -> int:
        """A number for each scene; between two, both are lit."""
        canvas, side = self.canvas, self.canvas.px(30)
        for number in range(self._scenes, 0, -1):
            box = Box(right - side, middle - side // 2, side, side)
            on = abs(scene - number) < 1
            canvas.fill(box, AMBER if on else CARD, 8)
            canvas.text(
                str(number),
                box.x + side / 2,
                middle,
                17,
                PAPER if on else SOFT,
                bold=on,
                across=0.5,
            )
            right = box.x - canvas.px(6)
        return right - canvas.px(6)

    def _pictures(self, layout: Layout, view: View) -> None:
        shown = [("seen", view.picture), ("still in the sound", view.known)]
        present = [(name, pixels) for name, pixels in shown if pixels is not None]
        for box, (name, pixels) in zip(layout.pictures, present, strict=False):
            self._picture(box, name, pixels)
        if not present:
            box = layout.pictures[0]
            self.canvas.fill(box, CARD, 6)
            self.canvas.text(
                "waiting for the first picture",
                box.x + box.w / 2,
                box.y + box.h / 2,
                18,
                SOFT,
                across=0.5,
                width=box.w,
            )

    def _picture(
        self, box: Box, name: str, pixels: UInt8[np.ndarray, "height width channels"]
    ) -> None:
        canvas = self.canvas
        at = canvas.picture(pixels, box)
        canvas.text(name, at.x, at.bottom + canvas.px(NAME) / 2, 19, INK, width=at.w)

    def _code(self, layout: Layout, view: View) -> None:
        if layout.code is not None and view.code is not None:
            self.canvas.bars(layout.code, view.code, _DIM, AMBER)

    def _sound(self, layout: Layout) -> None:
        canvas, box, spectrum = self.canvas, layout.spectrum, self._spectrum
        assert spectrum is not None
        bottom = box.bottom + canvas.px(HERTZ) / 2 + canvas.px(2)
        for hz in spectrum.marks():
            x = box.x + round(hz / spectrum.end_hz * (box.w - 1))
            canvas.fill(Box(x, box.y, 1, box.h), LINE)
            words = f"{hz / 1000:g} kHz" if hz >= 1000 else f"{hz:g} Hz"
            if x + canvas.width(words, 15) / 2 <= box.right:
                canvas.text(words, x, bottom, 15, FAINT, across=0.5)
        canvas.curve(box, spectrum.heights, _BODY, _EDGE)
        canvas.fill(Box(box.x, box.bottom, box.w, max(1, canvas.px(1))), LINE)

    def _message(self, layout: Layout, view: View, message: str, over: bool = False) -> None:
        """At the foot: a message in one line or two, else which keys there are."""
        canvas, foot = self.canvas, layout.foot
        middle = foot.y + foot.h / 2
        if not message:
            if not over:
                self._hints(foot, view)
            return
        if over:
            canvas.fill(Box(0, foot.y, canvas.size[0], foot.h), PAPER)
        bar = Box(foot.x, foot.y + canvas.px(8), max(3, canvas.px(4)), foot.h - canvas.px(16))
        canvas.fill(bar, AMBER)
        x, width = foot.x + canvas.px(16), foot.w - canvas.px(16)
        if canvas.width(message, 19) <= width:
            canvas.text(message, x, middle, 19)
            return
        lines = canvas.lines(message, 16, width, 2)
        for n, line in enumerate(lines):
            canvas.text(line, x, middle + canvas.px(22) * (n - (len(lines) - 1) / 2), 16)

    def _hints(self, foot: Box, view: View) -> None:
        """What the colours mean, from the right; and keys, from the left."""
        canvas, x, middle = self.canvas, foot.x, foot.y + foot.h // 2
        right, side = foot.right, canvas.px(12)
        legend = [("spectrum", _EDGE), ("code", AMBER)]
        for words, colour in legend if view.code is not None else legend[:1]:
            left = canvas.text(words, right, middle, 16, FAINT, across=1.0).x - canvas.px(8)
            canvas.fill(Box(left - side, middle - side // 2, side, side), colour, 3)
            right = left - side - canvas.px(22)
        for key, does in HINTS:
            wide = canvas.width(key, 16) + canvas.width(does, 16) + canvas.px(8)
            if x + wide > right:
                return
            x = canvas.text(key, x, middle, 16, SOFT).right + canvas.px(8)
            x = canvas.text(does, x, middle, 16, FAINT).right + canvas.px(26)


def clock(secs: float) -> str:
    """Minutes and seconds, and hours where there are some."""
    minutes, rest = divmod(int(max(0.0, secs)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
