"""Paints a View whose picture is the show: as large as the window, and little else.

A strip tells what is heard and how it is played. Some seconds after the last key or movement of the
mouse it fades away; a message comes up without it.
"""

from typing import TYPE_CHECKING

import numpy as np

from wyh.knobs import ALL
from wyh.media.view import View
from wyh.media.window.drawing import (
    AMBER,
    FAINT,
    ICE,
    INK,
    PAPER,
    RED,
    SOFT,
    Box,
    Canvas,
    Colour,
)
from wyh.media.window.keys import SHOW_HINTS
from wyh.media.window.painter import clock
from wyh.media.window.readings import NAMES, worth
from wyh.media.window.spectrum import Level, Levels, Spectrum

if TYPE_CHECKING:
    from pygame import Surface

STAYS_SECS, FADES_SECS = 4.0, 1.0  # of the strip, since something was touched
_STRIP = 92  # units
_SOLID = 205  # of 255: how much of the picture the strip hides
_COLUMNS = 96
_BODY, _EDGE = (38, 52, 74), (112, 152, 200)
_NIGHT: Colour = (0, 0, 0)  # beside the picture: a projector's own black
_SILENT_DB = -60.0


class ShowPainter:
    """Paints one View after another.

    Attributes:
      canvas: of the whole window, for what lies over it.
      faded: nothing but the picture is there.
    """

    def __init__(self, title: str):
        """Make ready; `title` is of the stream."""
        self.canvas, self._strip = Canvas(), Canvas()
        # Of a path its end says most.
        self._title = title.removeprefix("wyh ").rpartition("/")[2]
        self.faded = False
        self._levels = Levels()
        self._spectrum: Spectrum | None = None
        self._rate = 0
        self._record_since: float | None = None

    def paint(
        self, surface: "Surface", view: View, message: str, secs: float, idle_secs: float
    ) -> None:
        """Paint a view.

        Args:
          surface: to paint on, of any size.
          view: to paint.
          message: to be read; "" for none.
          secs: since the last one.
          idle_secs: since a key or the mouse was touched.
        """
        self._follow(view, secs)
        width, height = surface.get_size()
        self.canvas.begin(surface, max(0.6, min(width / 1280, height / 720)))
        self.canvas.fill(Box(0, 0, width, height), _NIGHT)
        if view.picture is None:
            self.canvas.text(
                "waiting for the first sound", width / 2, height / 2, 20, SOFT, across=0.5
            )
        else:
            self.canvas.picture(view.picture, Box(0, 0, width, height), hard=False)
        left = 1 - max(0.0, idle_secs - STAYS_SECS) / FADES_SECS
        self.faded = left <= 0 and not message
        strip = self._overlay(surface, view, left) if left > 0 else 0
        if message:
            self._message(surface, message, strip)

    def _follow(self, view: View, secs: float) -> None:
        if self._spectrum is None or view.sample_rate != self._rate:
            self._rate = view.sample_rate
            self._spectrum = Spectrum(_COLUMNS, self._rate)
        newest = view.sound[-view.sample_rate // 4 :]
        sound = np.nan_to_num(newest, nan=0.0, posinf=0.0, neginf=0.0)
        self._spectrum.update(sound, secs)
        self._levels.update(sound, view.sample_rate, secs)
        if view.knobs.get("record", 0.0) < 0.5:
            self._record_since = None
        elif self._record_since is None:
            self._record_since = view.secs

    def _overlay(self, surface: "Surface", view: View, left: float) -> int:
        """The strip at the foot, more or less to be seen; its height."""
        width, height = surface.get_size()
        strip, box = self._layer(width, round(_STRIP * self.canvas.unit))
        pad = self._strip.px(24)
        x = self._heard(Box(pad, 0, box.w - 2 * pad, box.h))
        right = self._badges(view, box.right - pad, box.h)
        self._words(view, Box(x, 0, right - x, box.h))
        strip.set_alpha(round(_SOLID * min(1.0, left)))
        surface.blit(strip, (0, height - box.h))
        return box.h

    def _layer(self, width: int, height: int) -> tuple["Surface", Box]:
        import pygame

        layer = pygame.Surface((width, height))
        self._strip.begin(layer, self.canvas.unit)
        return layer, Box(0, 0, width, height)

    def _heard(self, box: Box) -> int:
        """Spectrum and level of what is heard, from the left; where they end."""
        canvas, spectrum = self._strip, self._spectrum
        assert spectrum is not None
        high = box.h - canvas.px(40)
        curve = Box(box.x, canvas.px(14), canvas.px(200), high)
        canvas.curve(curve, spectrum.heights, _BODY, _EDGE)
        loudest: Level = max(self._levels.channels, key=lambda level: level.rms_db)
        meter = Box(curve.x, curve.bottom + canvas.px(8), curve.w, canvas.px(5))
        canvas.fill(meter, _BODY)
        along = min(1.0, max(0.0, 1 - loudest.rms_db / _SILENT_DB))
        if lit := round(along * meter.w):
            colour = RED if loudest.peak_db > -0.5 else AMBER
            canvas.fill(meter._replace(w=lit), colour)
        return curve.right + canvas.px(28)

    def _words(self, view: View, box: Box) -> None:
        """What plays, and under it what is turned, and what can be pressed."""
        canvas = self._strip
        upper, lower = box.h * 0.34, box.h * 0.70
        x = canvas.text("wyh", box.x, upper, 21, AMBER, bold=True).right + canvas.px(12)
        facts = [clock(view.secs)]
        if view.latency_ms is not None:
            facts.append(f"picture {view.latency_ms:.0f} ms behind the sound")
        if view.underruns:
            facts.append(f"{view.underruns} gaps")
        told = "   ".join(facts)
        room = box.right - x - canvas.width(told, 16) - canvas.px(24)
        if room > canvas.px(60):
            x = canvas.text(self._title, x, upper, 17, INK, width=room).right + canvas.px(24)
        canvas.text(told, x, upper, 16, SOFT, width=max(1, box.right - x))
        x = box.x
        if turned := _turned(view):
            x = canvas.text(turned, x, lower, 16, INK, width=box.w).right + canvas.px(28)
        self._hints(x, box, lower)

    def _hints(self, x: int, box: Box, middle: float) -> None:
        canvas = self._strip
        for key, does in SHOW_HINTS:
            wide = canvas.width(key, 16) + canvas.width(does, 16) + canvas.px(8)
            if x + wide > box.right:
                return
            x = canvas.text(key, x, middle, 16, SOFT).right + canvas.px(8)
            x = canvas.text(does, x, middle, 16, FAINT).right + canvas.px(24)

    def _badges(self, view: View, right: int, height: int) -> int:
        """What is on that a player must not forget, up to `right`; where they begin."""
        knobs, canvas = view.knobs, self._strip
        if self._record_since is not None:
            words = f"REC {clock(view.secs - self._record_since)}"
            right = self._badge(right, height, words, INK, RED)
        if knobs.get("freeze", 0.0) >= 0.5:
            right = self._badge(right, height, "FROZEN", PAPER, ICE)
        if knobs.get("mute", 0.0) >= 0.5:
            right = self._badge(right, height, "MUTED", PAPER, SOFT)
        return right - canvas.px(16)

    def _badge(self, right: int, height: int, words: str, ink: Colour, ground: Colour) -> int:
        canvas = self._strip
        pad, h = canvas.px(12), canvas.px(32)
        w = canvas.width(words, 17, bold=True) + 2 * pad
        box = Box(right - w, (height - h) // 2, w, h)
        canvas.fill(box, ground, 8)
        canvas.text(words, box.x + pad, height / 2, 17, ink, bold=True)
        return box.x - canvas.px(10)

    def _message(self, surface: "Surface", message: str, above: int) -> None:
        """A line at the foot, or two, `above` what else is there."""
        width, height = surface.get_size()
        pad = self.canvas.px(24)
        lines = self.canvas.lines(message, 17, width - 2 * pad, 2)
        each = self.canvas.px(26)
        layer, box = self._layer(width, each * len(lines) + self.canvas.px(16))
        for n, line in enumerate(lines):
            middle = box.h / 2 + each * (n - (len(lines) - 1) / 2)
            self._strip.text(line, pad, middle, 17, AMBER, width=box.w - 2 * pad)
        layer.set_alpha(_SOLID)
        surface.blit(layer, (0, height - above - box.h))


def _turned(view: View) -> str:
    """Knobs that are not where they are by themselves, but for those with a badge."""
    return "   ".join(
        f"{NAMES.get(name, name.replace('_', ' '))} {worth(name, value)}"
        for name, value in view.knobs.items()
        if name in ALL and name not in ("mute", "freeze", "record")
        if abs(value - ALL[name].default) > 1e-6
    )
