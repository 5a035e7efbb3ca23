"""Where everything is in a window of any size."""

from typing import NamedTuple

from wyh.media.window.drawing import Box

TALL = 1.2  # a window that is no wider than so many heights is laid out from top to bottom


class Layout(NamedTuple):
    """Boxes, in pixels.

    Attributes:
      unit: in pixels.
      top: the line above all.
      pictures: one or two; under each there is room for its name.
      side: level, latency and what is turned.
      code: the bars; None without any.
      spectrum: under them, with room for its Hz.
      foot: messages, or hints.
    """

    unit: float
    top: Box
    pictures: tuple[Box, ...]
    side: Box
    code: Box | None
    spectrum: Box
    foot: Box


NAME = 34  # units under a picture
HERTZ = 24  # units under the spectrum
_SIDE = 236  # units, at least
_GAP = 28
_PAD = 30


def lay_out(width: int, height: int, *, pictures: int, aspect: float, code: bool) -> Layout:
    """Lay out a window.

    Args:
      width: of the window, pixels.
      height: of the window, pixels.
      pictures: 1 or 2, side by side.
      aspect: width over height of each.
      code: whether there are bars.
    """
    tall = width < TALL * height
    unit = max(0.5, min(width / (760 if tall else 1120), height / (1000 if tall else 720)))
    pad, gap = round(_PAD * unit), round(_GAP * unit)
    top_h, foot_h, name = round(64 * unit), round(56 * unit), round(NAME * unit)
    inner = width - 2 * pad
    top = Box(pad, 0, inner, top_h)
    foot = Box(pad, height - foot_h, inner, foot_h)
    body = height - top_h - foot_h
    between = gap // 2 * (pictures - 1)
    strip = round((0.29 if code else 0.2) * body)
    side_least = 0 if tall else round(_SIDE * unit) + gap
    row = round(112 * unit) if tall else 0

    if pictures == 1 and not tall:
        # One picture takes the whole height, all else stands beside it.
        picture_w = min(round((body - name) * aspect), inner - round(1.9 * _SIDE * unit) - gap)
        picture_h = min(body - name, round(picture_w / aspect))
        x = pad + picture_w + gap
        right = Box(x, top_h, pad + inner - x, picture_h + name)
        side = right._replace(h=round(right.h * 0.46))
        below = right._replace(y=side.bottom + gap // 2, h=right.bottom - side.bottom - gap // 2)
        code_box, spectrum = _split(below, code, unit)
        return Layout(
            unit, top, (Box(pad, top_h, picture_w, picture_h),), side, code_box, spectrum, foot
        )

    room_w = (inner - side_least - between) // pictures
    room_h = body - strip - name - (row + gap if tall else 0)
    picture_h = max(1, min(room_h, round(room_w / aspect)))
    picture_w = max(1, round(picture_h * aspect))
    if tall:
        first = pad + (inner - pictures * picture_w - between) // 2
        under = top_h + picture_h + name
        side = Box(pad, under + gap // 2, inner, row)
        rest_y = side.bottom + gap // 2
    else:
        first = pad
        x = pad + pictures * picture_w + between + gap
        side = Box(x, top_h, pad + inner - x, picture_h + name)
        rest_y = side.bottom + gap // 4
    boxes = tuple(
        Box(first + n * (picture_w + gap // 2), top_h, picture_w, picture_h)
        for n in range(pictures)
    )
    rest = Box(pad, rest_y, inner, max(1, top_h + body - rest_y))
    code_box, spectrum = _split(rest, code, unit)
    return Layout(unit, top, boxes, side, code_box, spectrum, foot)


def _split(box: Box, code: bool, unit: float) -> tuple[Box | None, Box]:
    """Bars above the spectrum, and its Hz under it."""
    h = max(2, box.h - round(HERTZ * unit))
    if not code:
        return None, box._replace(h=h)
    upper = h * 5 // 10
    return box._replace(h=upper), box._replace(y=box.y + upper, h=h - upper)
