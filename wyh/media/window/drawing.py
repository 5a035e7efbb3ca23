"""Pens for a window: boxes, letters, pictures, curves. The only place that draws with pygame.

Positions and boxes are in pixels. Sizes of letters are in units, of which a window of 1280x720
has one to the pixel: what is drawn looks alike at every size.
"""

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from jaxtyping import Float, UInt8

if TYPE_CHECKING:
    from pygame import Surface
    from pygame.font import Font

Colour = tuple[int, int, int]

PAPER: Colour = (13, 15, 20)
CARD: Colour = (23, 26, 34)
LINE: Colour = (42, 47, 60)
FAINT: Colour = (120, 128, 146)
SOFT: Colour = (158, 165, 182)
INK: Colour = (238, 237, 232)
AMBER: Colour = (255, 179, 71)
ICE: Colour = (126, 188, 255)
RED: Colour = (255, 72, 72)

_LEAST_LETTERS = 11  # pixels
_KEPT_TEXTS = 600
_OWN_SCALE = 1.4  # pygame makes its own letters smaller than asked for


class Box(NamedTuple):
    """A rectangle in pixels."""

    x: int
    y: int
    w: int
    h: int

    @property
    def right(self) -> int:
        """The first pixel to its right."""
        return self.x + self.w

    @property
    def bottom(self) -> int:
        """The first pixel under it."""
        return self.y + self.h


class Canvas:
    """A surface to draw on.

    Attributes:
      unit: pixels.
    """

    def __init__(self) -> None:
        self._files = tuple(_font_files())
        self._fonts: dict[tuple[int, bool], Font] = {}
        self._texts: dict[tuple[str, int, bool, Colour], Surface] = {}
        self.unit = 1.0

    def begin(self, surface: "Surface", unit: float) -> None:
        """Draw on `surface` from now on, over nothing."""
        if unit != self.unit:
            self._fonts.clear()
            self._texts.clear()
        self._surface, self.unit = surface, unit
        surface.fill(PAPER)

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the whole, in pixels."""
        return self._surface.get_size()

    def px(self, units: float) -> int:
        """So many units in pixels."""
        return round(units * self.unit)

    def fill(self, box: Box, colour: Colour, radius: float = 0.0) -> None:
        """A box, its corners rounded by `radius` units."""
        import pygame

        r = min(self.px(radius), box.w // 2, box.h // 2)
        if r < 1:
            self._surface.fill(colour, box)
            return
        x, y, w, h = box
        self._surface.fill(colour, (x + r, y, w - 2 * r, h))
        self._surface.fill(colour, (x, y + r, w, h - 2 * r))
        for centre in ((x + r, y + r), (x + w - 1 - r, y + r)):  # smooth, unlike draw.rect's
            pygame.draw.aacircle(self._surface, colour, centre, r)
        for centre in ((x + r, y + h - 1 - r), (x + w - 1 - r, y + h - 1 - r)):
            pygame.draw.aacircle(self._surface, colour, centre, r)

    def dot(self, x: int, y: int, radius: float, colour: Colour) -> None:
        """A disc around a point, `radius` in units."""
        import pygame

        pygame.draw.aacircle(self._surface, colour, (x, y), max(2, self.px(radius)))

    def text(
        self,
        words: str,
        x: float,
        y: float,
        size: float,
        colour: Colour = INK,
        *,
        bold: bool = False,
        across: float = 0.0,
        width: int | None = None,
    ) -> Box:
        """One line of words; the box that it takes.

        Args:
          words: to write.
          x: where, in pixels.
          y: its middle.
          size: of the letters, in units.
          colour: of the letters.
          bold: heavier letters.
          across: 0 begins at `x`, 0.5 is centred there, 1 ends there.
          width: pixels that there are; what is longer ends in dots.
        """
        if width is not None:
            words = self._cut(words, size, bold, width)
        drawn = self._rendered(words, size, bold, colour)
        w, h = drawn.get_size()
        box = Box(round(x - across * w), round(y - h / 2), w, h)
        self._surface.blit(drawn, box[:2])
        return box

    def width(self, words: str, size: float, *, bold: bool = False) -> int:
        """How wide a line is, in pixels."""
        return self._font(size, bold).size(words)[0]

    def lines(self, words: str, size: float, width: int, most: int) -> list[str]:
        """Words in lines that fit, `most` at most; what is longer ends in dots."""
        lines = [""]
        for word in words.split():
            longer = f"{lines[-1]} {word}".strip()
            if not lines[-1] or self.width(longer, size) <= width:
                lines[-1] = longer
            else:
                lines.append(word)
        kept = lines[:most]
        if len(lines) > most:
            kept[-1] = " ".join(lines[most - 1 :])
        return [self._cut(line, size, False, width) for line in kept]

    def picture(
        self, pixels: UInt8[np.ndarray, "height width channels"], box: Box, *, hard: bool = True
    ) -> Box:
        """A picture, as large as fits into a box, its pixels hard or smooth; where it lies."""
        import pygame

        height, width, channels = pixels.shape
        if channels == 1:
            pixels = np.repeat(pixels, 3, axis=2)
        scale = min(box.w / width, box.h / height)
        w, h = max(1, round(width * scale)), max(1, round(height * scale))
        at = Box(box.x + (box.w - w) // 2, box.y + (box.h - h) // 2, w, h)
        small = pygame.image.frombuffer(pixels.tobytes(), (width, height), "RGB")
        small = small.convert(self._surface)
        whole = int(scale)
        if (
            hard and whole >= 2
        ):  # hard pixels; the rest of the way smoothly, so that all are as large
            small = pygame.transform.scale_by(small, whole)
        while not hard and small.get_width() * 4 < w:  # by and by: no corners are left
            small = pygame.transform.smoothscale_by(small, 2)
        if small.get_size() != (w, h):
            small = pygame.transform.smoothscale(small, (w, h))
        self._surface.blit(small, at[:2])
        return at

    def bars(self, box: Box, heights: Float[np.ndarray, " bars"], dim: Colour, lit: Colour) -> None:
        """Bars side by side that grow from the bottom, the taller the brighter."""
        edges = (box.x + np.arange(len(heights) + 1) * box.w / max(1, len(heights))).round()
        values = np.clip(np.nan_to_num(heights), 0.0, 1.0)
        tall = np.maximum(1, (values * box.h).round()).astype(int).tolist()
        mixed = np.asarray(dim) + values[:, None] * (np.asarray(lit) - np.asarray(dim))
        colours = mixed.astype(int).tolist()
        lefts = edges.astype(int).tolist()
        gap = 1 if box.w >= 3 * len(heights) else 0
        fill = self._surface.fill
        for left, right, h, colour in zip(lefts, lefts[1:], tall, colours, strict=False):
            fill(colour, (left, box.bottom - h, max(1, right - left - gap), h))

    def curve(
        self, box: Box, heights: Float[np.ndarray, " columns"], body: Colour, edge: Colour
    ) -> None:
        """A filled curve over the bottom of a box."""
        import pygame

        xs = np.linspace(box.x, box.right - 1, len(heights))
        ys = box.bottom - 1 - heights * (box.h - 1)
        points = np.stack([xs, ys], axis=1).tolist()
        ends = [(box.right - 1, box.bottom - 1), (box.x, box.bottom - 1)]
        pygame.draw.polygon(self._surface, body, [*points, *ends])
        pygame.draw.aalines(self._surface, edge, False, points)

    def _cut(self, words: str, size: float, bold: bool, width: int) -> str:
        if self.width(words, size, bold=bold) <= width:
            return words
        while words and self.width(f"{words}…", size, bold=bold) > width:
            words = words[: -max(1, len(words) // 16)]
        return f"{words.rstrip()}…"

    def _rendered(self, words: str, size: float, bold: bool, colour: Colour) -> "Surface":
        key = words, self._letters(size), bold, colour
        if key not in self._texts:
            if len(self._texts) >= _KEPT_TEXTS:
                self._texts.clear()
            self._texts[key] = self._font(size, bold).render(words, True, colour)
        return self._texts[key]

    def _letters(self, size: float) -> int:
        return max(_LEAST_LETTERS, self.px(size))

    def _font(self, size: float, bold: bool) -> "Font":
        import pygame

        key = self._letters(size), bold
        if key not in self._fonts:
            if self._files:
                self._fonts[key] = pygame.font.Font(self._files[bold], key[0])
            else:
                self._fonts[key] = pygame.font.Font(None, round(_OWN_SCALE * key[0]))
        return self._fonts[key]


def _font_files() -> list[Path]:
    """Plain and bold letters; none where only pygame's own are there.

    Matplotlib brings a face with it that is the same on every machine; it is not imported.
    """
    found = find_spec("matplotlib")
    places = found.submodule_search_locations if found else None
    folder = Path(places[0]) / "mpl-data" / "fonts" / "ttf" if places else Path()
    files = [folder / "DejaVuSans.ttf", folder / "DejaVuSans-Bold.ttf"]
    return files if all(file.is_file() for file in files) else []
