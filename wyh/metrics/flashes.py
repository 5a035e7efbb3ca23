"""How often pictures flash, as a screen shows them.

From the definition: a flash is a pair of opposing changes of relative luminance, each by a tenth of
the full range or more, with the darker end below 0.8; it is general where it takes place over more
than a quarter of the picture at once. Three in a second are the most that is safe (WCAG 2.2,
criterion 2.3.1; Recommendation ITU-R BT.1702).
"""

from collections.abc import Iterable, Iterator
from fractions import Fraction
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int, UInt8

from wyh.specs import LUMA

SAFE = 3  # general flashes a second
_CHANGE, _BRIGHT, _AREA = 0.1, 0.8, 0.25
_VALUES = np.arange(256) / 255
_LINEAR = np.where(_VALUES <= 0.04045, _VALUES / 12.92, ((_VALUES + 0.055) / 1.055) ** 2.4)


class Flashes(NamedTuple):
    """How often some pictures flash."""

    most: int  # general flashes in the worst second
    worst_secs: float  # when that second ended, the first such; 0 where nothing flashes
    in_second: Int[np.ndarray, " n"]  # general flashes in the second that ends with each picture


def general_flashes(
    pictures: Iterable[UInt8[np.ndarray, "height width 3"]], frame_rate: Fraction | float
) -> Flashes:
    """The largest number of general flashes in any second.

    Two ways of being general count, and the larger number is given: changes one after the other,
    each of more than a quarter of the picture in the same picture, wherever that is; and flashes
    of more than a quarter of the pixels in the same second, each at a time of its own, as where
    stripes go past.

    Args:
      pictures: sRGB, `[n, height, width, 3]` or one after the other.
      frame_rate: in Hz.
    """
    second = int(np.ceil(float(frame_rate) - 1e-6))  # pictures that begin within one
    recent: list[np.ndarray] = []  # which pixels changed
    general: list[tuple[bool, bool]] = []  # whether enough went up, and down
    count: np.ndarray | None = None
    found = []
    for up, down in changes(pictures):
        changed = up | down
        recent.append(changed)
        general.append((bool(up.mean() > _AREA), bool(down.mean() > _AREA)))
        count = changed.astype(np.int32) if count is None else count + changed
        if len(recent) > second:
            count = count - recent.pop(0)
            general.pop(0)
        found.append(max(in_turn(general) // 2, _pixelwise(count)))
    in_second = np.array(found, int)
    most = int(in_second.max(initial=0))
    worst = int(in_second.argmax()) if most else 0
    return Flashes(most, worst / float(frame_rate), in_second)


def changes(
    pictures: Iterable[UInt8[np.ndarray, "height width 3"]],
) -> Iterator[tuple[Bool[np.ndarray, "height width"], Bool[np.ndarray, "height width"]]]:
    """Which pixels have become brighter in each picture, by so much as counts, and which darker.

    A pixel's changes go up and down in turn: from where it last turned round, however many pictures
    that takes. It is said once, in the picture in which it has gone far enough.
    """
    darkest: np.ndarray | None = None  # since the last change down; infinite where that was up
    brightest: np.ndarray | None = None
    for picture in pictures:
        light = luminance(picture)
        if darkest is None or brightest is None:
            darkest = brightest = light
        up = (light - darkest >= _CHANGE) & (darkest < _BRIGHT)
        down = (brightest - light >= _CHANGE) & (light < _BRIGHT)
        yield up, down
        was_up, was_down = np.isinf(darkest), np.isinf(brightest)
        darkest = np.where(up | (was_up & ~down), np.inf, np.minimum(darkest, light))
        brightest = np.where(down | (was_down & ~up), -np.inf, np.maximum(brightest, light))
        darkest, brightest = np.where(down, light, darkest), np.where(up, light, brightest)


def luminance(picture: UInt8[np.ndarray, "*lead 3"]) -> Float[np.ndarray, "*lead"]:
    """Relative luminance, 0 to 1, of sRGB."""
    return np.asarray(_LINEAR[picture] @ np.array(LUMA))


def in_turn(general: Iterable[tuple[bool, bool]]) -> int:
    """The longest series of changes up and down in turn, of those that each picture has."""
    ends_up = ends_down = 0
    for up, down in general:
        after_up, after_down = ends_down + 1, ends_up + 1
        if up:
            ends_up = max(ends_up, after_up)
        if down:
            ends_down = max(ends_down, after_down)
    return max(ends_up, ends_down)


def _pixelwise(count: np.ndarray) -> int:
    """How many flashes more than a quarter of the pixels have made, at least."""
    ordered = np.sort(count, axis=None)[::-1]
    return int(ordered[int(_AREA * ordered.size)]) // 2
