"""Colours taken from a picture, for runs that paint with a palette."""

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
from jaxtyping import Float, Float32

from wyh.errors import WyhError
from wyh.media.decode import open_video
from wyh.media.ffmpeg import shown
from wyh.specs import LUMA, VideoSpec
from wyh.transducers.kinds import Player

_LOOK = VideoSpec(Fraction(25), 96, 96, 3, "stretch")  # colours need no sharp picture
_ROUNDS = 30
_HUE = 2.0  # how much more a difference of hue counts than one of light
_GREY = 0.05  # the weight of a grey pixel; that of pure red is 0.6


def with_palette(player: Player, picture: Path) -> Player:
    """A player that paints in the colours of a picture.

    The darkest of them takes the place of the darkest of its own, and so on, so that what was
    bright stays bright.

    Args:
      player: of a run whose generator has a palette.
      picture: any image, or a film, of which the first picture counts.

    Raises:
      WyhError: the run has no palette, or the picture cannot be read or has too few colours.
    """
    generator = player.variables.get("params", {}).get("generator", {})
    if player.transducer.spec.direction != "hear-see" or "palette" not in generator:
        raise WyhError(f"{player.run.directory} paints without a palette: leave --palette out")
    own = np.asarray(generator["palette"])
    palette = np.empty_like(own, np.float32)
    palette[np.argsort(own @ LUMA, kind="stable")] = palette_of(picture, len(own))
    return replace(player, variables=player.variables | {"palette": palette})


def palette_of(picture: Path, colours: int) -> Float32[np.ndarray, "colours 3"]:
    """The colours that stand for a picture, in [0, 1], the darkest first.

    Raises:
      WyhError: it cannot be read, or has a single colour.
    """
    with open_video(picture, _LOOK, chunk=1, strict=False) as reader:
        pixels = next(iter(reader)).pixels.reshape(-1, 3)
    if (np.ptp(pixels, axis=0) < 8).all():
        raise WyhError(f"{shown(picture)} has a single colour, wanted a picture with several")
    return chosen_colours(pixels / 255, colours)


def chosen_colours(
    pixels: Float[np.ndarray, "pixels 3"], colours: int
) -> Float32[np.ndarray, "colours 3"]:
    """Colours that are far apart and near to all pixels, by k-means; the darkest first.

    Distances are taken in Oklab (Ottosson 2020, https://bottosson.github.io/posts/oklab), where
    they are about as large as they look; hue counts more than light, and strong colours more than
    greys, so that small spots of colour are not lost. It begins with the middle of all colours and
    then with those farthest from any chosen before.

    Args:
      pixels: sRGB in [0, 1].
      colours: how many.
    """
    points = _oklab(pixels) * [1, _HUE, _HUE]
    weights = _GREY + np.hypot(points[:, 1], points[:, 2])
    middle = np.median(points, axis=0)
    chosen = [points[np.argmin(_square(points - middle))]]
    nearest = _square(points - chosen[0])
    for _ in range(colours - 1):
        chosen.append(points[np.argmax(nearest)])
        nearest = np.minimum(nearest, _square(points - chosen[-1]))
    centres = np.stack(chosen)
    for _ in range(_ROUNDS):
        distance = _square(points[:, None] - centres[None])
        member = np.argmin(distance, axis=1)[:, None] == np.arange(colours)[None]
        share = member * weights[:, None]
        total = share.sum(axis=0)[:, None]
        centres = np.where(total > 0, share.T @ points / np.maximum(total, 1e-9), centres)
    found = _srgb(centres / [1, _HUE, _HUE])
    return found[np.argsort(found @ LUMA, kind="stable")].astype(np.float32)


_TO_CONES = np.array(
    [
        [0.4122214708, 0.5363325363, 0.0514459929],
        [0.2119034982, 0.6806995451, 0.1073969566],
        [0.0883024619, 0.2817188376, 0.6299787005],
    ]
)
_TO_LAB = np.array(
    [
        [0.2104542553, 0.7936177850, -0.0040720468],
        [1.9779984951, -2.4285922050, 0.4505937099],
        [0.0259040371, 0.7827717662, -0.8086757660],
    ]
)


def _oklab(srgb: np.ndarray) -> np.ndarray:
    linear = np.where(srgb > 0.04045, ((srgb + 0.055) / 1.055) ** 2.4, srgb / 12.92)
    return np.cbrt(linear @ _TO_CONES.T) @ _TO_LAB.T


def _srgb(oklab: np.ndarray) -> np.ndarray:
    linear = (oklab @ np.linalg.inv(_TO_LAB).T) ** 3 @ np.linalg.inv(_TO_CONES).T
    linear = np.clip(linear, 0, 1)
    curved = 1.055 * linear ** (1 / 2.4) - 0.055
    return np.where(linear > 0.0031308, curved, 12.92 * linear)


def _square(difference: np.ndarray) -> np.ndarray:
    return np.asarray((difference**2).sum(axis=-1))
