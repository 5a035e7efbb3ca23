"""How much of a sound its pictures keep, and how they look. Pictures are uint8 unless said."""

from typing import NamedTuple

import numpy as np
import scipy.fft
from jaxtyping import Bool, Float, Int, UInt8

HUES = 12
"""Parts of the colour circle; red is in the middle of the first."""

USED = 1 / (2 * HUES)
"""The share of all colour that a part in use has at least: half of an equal one."""

LOW = 1 / 8
"""Of the highest frequency across or down a picture: what is below makes large forms."""

Pictures = UInt8[np.ndarray, "n height width 3"]


class Kept(NamedTuple):
    """How much of each feature, and of all together, is known."""

    r2: float  # 1 - squared errors / squared distances from the mean, over all features
    worst: float  # of the feature that is known worst
    each: Float[np.ndarray, " features"]


def kept(read: Float[np.ndarray, "n features"], true: Float[np.ndarray, "n features"]) -> Kept:
    """R2 of features that were read, normalised alike: 0 knows the mean alone, 1 all.

    Features that stand still have none of their own: 1 where they are read exactly, else 0.
    """
    wanted = true.astype(np.float64)
    errors = np.square(read - wanted).sum(axis=0)
    whole = np.square(wanted - wanted.mean(axis=0)).sum(axis=0)
    moves = whole > 1e-12 * len(wanted)
    each = np.where(moves, 1 - errors / np.where(moves, whole, 1), (errors <= 1e-12).astype(float))
    total = whole.sum()
    r2 = 1 - errors.sum() / total if total > 0 else float(errors.sum() == 0)
    return Kept(float(r2), float(each.min()), each)


def identified(read: Float[np.ndarray, "n values"], true: Float[np.ndarray, "n values"]) -> float:
    """R@1: the share whose nearest among all true ones is their own; by chance 1 / n."""
    return float(nearest_is_own(read, true).mean())


def nearest_is_own(
    read: Float[np.ndarray, "n values"], true: Float[np.ndarray, "n values"]
) -> Bool[np.ndarray, " n"]:
    """Of each that was read: whether none of the true ones is as near as its own.

    Those identical to one's own are not others.
    """
    wanted, got = true.astype(np.float64), read.astype(np.float64)
    distance = np.square(wanted).sum(axis=1) - 2 * got @ wanted.T
    names: dict[bytes, int] = {}
    alike = np.array([names.setdefault(row.tobytes(), len(names)) for row in wanted])
    others = alike[:, None] != alike
    nearer = others & ~(distance > np.diagonal(distance)[:, None])
    return ~nearer.any(axis=1)


def changes(pictures: Pictures) -> Float[np.ndarray, " m"]:
    """Mean absolute change from each picture to the next, in 1/255: one fewer than pictures."""
    later, earlier = pictures[1:].astype(np.int16), pictures[:-1]
    return np.abs(later - earlier).mean(axis=(1, 2, 3), dtype=np.float64)


def spread(pictures: Pictures) -> Float[np.ndarray, " n"]:
    """Standard deviation over the places of each picture, in 1/255: the mean of its channels.

    A picture of one flat colour has none.
    """
    return pictures.std(axis=(1, 2), dtype=np.float64).mean(axis=1)


def clipped(pictures: Pictures) -> float:
    """The share of values at an end of the scale, 0 or 255."""
    return float(np.mean((pictures == 0) | (pictures == 255)))


def hue_amounts(pictures: Pictures) -> Float[np.ndarray, " hues"]:
    """How much colour there is in each of `HUES` parts of the colour circle.

    Each pixel counts by its chroma, its distance from the axis of greys. Amounts of several runs of
    pictures are added up.
    """
    red, green, blue = np.moveaxis(pictures.astype(np.float64), -1, 0)
    across = red - (green + blue) / 2
    along = np.sqrt(0.75) * (green - blue)
    turn = np.arctan2(along, across) / (2 * np.pi)
    part = np.rint(turn * HUES).astype(int) % HUES
    chroma = np.hypot(across, along)
    return np.bincount(part.ravel(), chroma.ravel(), minlength=HUES)


def hues_used(amounts: Float[np.ndarray, " hues"]) -> int:
    """How many parts of the colour circle have at least `USED` of all colour."""
    total = amounts.sum()
    return int(np.sum(amounts >= USED * total)) if total > 0 else 0


class Spectrum(NamedTuple):
    """How the energy of a picture is spread over frequencies, by distance from its mean."""

    low_share: float  # of the energy below `LOW` of the highest frequency
    slope: float  # of log power over log frequency: about -2 in photographs


def spectrum(picture: UInt8[np.ndarray, "height width channel"]) -> Spectrum:
    """Of the cosine transform, which knows no edges where a picture ends; channels together.

    Frequencies are radial, as shares of the highest along a side. The slope is fitted by least
    squares to the mean power in rings of a third of an octave, from the longest waves up to the
    highest along a side.
    """
    height, width, _ = picture.shape
    power = np.square(scipy.fft.dctn(picture / 255.0, axes=(0, 1), norm="ortho")).sum(axis=-1)
    down, right = np.arange(height) / height, np.arange(width) / width
    radius = np.hypot(down[:, None], right[None])
    power[0, 0] = 0
    total = power.sum()
    if total <= 1e-9 * power.size:
        return Spectrum(1.0, 0.0)  # flat: nothing is hidden in it
    rings = 2 ** np.arange(np.log2(2 / min(height, width)), 1e-9, 1 / 3)
    number = np.digitize(radius, rings)
    inside = (number > 0) & (number < len(rings))
    count = np.bincount(number[inside], minlength=len(rings))
    sums = np.bincount(number[inside], power[inside], minlength=len(rings))
    sums_of_radius = np.bincount(number[inside], radius[inside], minlength=len(rings))
    there = count > 0
    mean, at = sums[there] / count[there], sums_of_radius[there] / count[there]
    slope = np.polyfit(np.log(at), np.log(mean + 1e-12), 1)[0] if there.sum() > 1 else 0.0
    return Spectrum(float(power[radius < LOW].sum() / total), float(slope))


def half_seconds(
    held_out: Int[np.ndarray, " n"], frame_rate: float
) -> Int[np.ndarray, "halves pictures"]:
    """The pictures of each half second of which all are held out, as many of each.

    Args:
      held_out: numbers of held-out pictures of a recording, in order; picture k is seen from
        `k / frame_rate` on.
      frame_rate: in Hz.
    """
    each = max(1, int(frame_rate / 2))
    half = np.floor((held_out + 0.5) / frame_rate * 2 + 1e-9).astype(int)
    found = [held_out[half == name][:each] for name in np.unique(half)]
    whole = [some for some in found if len(some) == each]
    return np.stack(whole) if whole else np.zeros((0, each), int)
