"""Where a marimba is filmed from, and in which light and colours: drawn for each recording."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from data_prep.marimba_score import BARS_M
from wyh.specs import LUMA

_MARGIN_M = 0.1  # beside the bars, in sight

_Triple = tuple[float, float, float]


@dataclass(frozen=True)
class Camera:
    """What stands over the instrument and looks straight down."""

    width: int  # pixels
    height: int  # pixels
    pixels_per_m: float  # at the height of the bars
    turn_rad: float
    middle_m: tuple[float, float]  # what is in the middle of the picture, along and across
    height_m: float  # over the bars: what is lifted is seen larger and farther out
    shutter: float  # part of a frame's time in which it is open
    noise: float  # standard deviation of the sensor's noise at half brightness, of 1

    def to_pixels(self, points_m: Float[np.ndarray, "*points 3"]) -> Float[np.ndarray, "*points 2"]:
        """Where points are seen: pixels to the right and down, 0.5 in the middle of the first."""
        nearer = self.height_m / (self.height_m - points_m[..., 2:])
        flat = (points_m[..., :2] - _like(np.array(self.middle_m), points_m)) * nearer
        turned = flat @ _rotation(self.turn_rad).T * self.pixels_per_m
        return np.asarray(turned + _like(np.array([self.width, self.height]) / 2, turned))

    def to_bars(self, pixels: Float[np.ndarray, "*points 2"]) -> Float[np.ndarray, "*points 2"]:
        """Which point at the height of the bars is seen at a pixel: metres along and across."""
        flat = pixels - _like(np.array([self.width, self.height]) / 2, pixels)
        turned = flat / self.pixels_per_m @ _rotation(self.turn_rad)
        return np.asarray(turned + _like(np.array(self.middle_m), turned))


def draw_camera(rng: np.random.Generator, width: int, height: int) -> Camera:
    """A camera that has all bars in sight.

    Args:
      rng: its place, turn, zoom, shutter and noise.
      width: of the picture in pixels.
      height: of the picture in pixels.
    """
    turn = float(rng.uniform(-0.06, 0.06))
    span = float(BARS_M[-1]) + 2 * _MARGIN_M
    zoom = rng.uniform(0.88, 1.06)
    pixels_per_m = float(min(width / span, height / 0.56) * zoom)
    # Offsets leave the ends of the outer bars in the picture.
    slack_x = max(0.0, width / pixels_per_m / 2 - float(BARS_M[-1]) / 2 - 0.045)
    slack_y = max(0.0, height / pixels_per_m / 2 - 0.24)
    middle = (
        float(BARS_M[-1] / 2 + rng.uniform(-1, 1) * min(0.05, slack_x)),
        float(0.04 + rng.uniform(-1, 1) * min(0.08, slack_y)),
    )
    return Camera(
        width,
        height,
        pixels_per_m,
        turn,
        middle,
        height_m=float(rng.uniform(1.4, 2.6)),
        shutter=float(rng.uniform(0.15, 0.8)),
        noise=float(0.004 * 6 ** rng.uniform()),
    )


@dataclass(frozen=True)
class Look:
    """Colours and light of one recording; colours are red, green and blue from 0 to 1."""

    floor: _Triple
    frame: _Triple  # what the bars lie on
    bars: _Triple
    heads: _Triple
    sticks: _Triple
    hands: _Triple
    sleeves: _Triple
    grain: float  # contrast of the bars' texture
    fan_rad: float  # by how much the outermost bars are turned
    light_m: tuple[float, float]  # how far a shadow is moved by a metre of height
    shadow: float  # how dark a shadow is, 0 to 1
    warmth: float  # of the light: more red and less blue
    brightness: float
    sway: float  # by how much the light changes slowly
    sway_secs: tuple[float, float]
    vignette: float  # how much darker the corners are
    shade: float  # darkness of a large shadow over a part of the scene
    shade_rad: float  # where it comes from


def draw_look(rng: np.random.Generator) -> Look:
    """Colours and light; the heads of the mallets differ from the bars in brightness."""
    bars = _varied(rng, [(0.45, 0.22, 0.15), (0.55, 0.33, 0.2), (0.66, 0.42, 0.25)], 0.06)
    heads = bars
    while abs(float(np.dot(LUMA, heads)) - float(np.dot(LUMA, bars))) < 0.25:
        heads = _varied(
            rng,
            [(0.85, 0.15, 0.15), (0.2, 0.3, 0.75), (0.9, 0.85, 0.7), (0.1, 0.4, 0.25), (0.1,) * 3],
            0.1,
        )
    angle, slope = rng.uniform(0, 2 * np.pi), rng.uniform(0.35, 0.9)
    return Look(
        floor=_varied(rng, [(0.35, 0.33, 0.3), (0.6, 0.57, 0.5), (0.2, 0.22, 0.28)], 0.08),
        frame=_varied(rng, [(0.15, 0.12, 0.1), (0.4, 0.3, 0.2), (0.1, 0.1, 0.12)], 0.04),
        bars=bars,
        heads=heads,
        sticks=_varied(rng, [(0.85, 0.72, 0.5), (0.6, 0.4, 0.25), (0.9, 0.88, 0.8)], 0.06),
        hands=_varied(rng, [(0.88, 0.68, 0.56), (0.55, 0.37, 0.28), (0.36, 0.24, 0.18)], 0.05),
        sleeves=_varied(rng, [(0.1, 0.1, 0.12), (0.75, 0.75, 0.78), (0.3, 0.15, 0.35)], 0.1),
        grain=float(rng.uniform(0.05, 0.25)),
        fan_rad=float(rng.uniform(0, 0.04)),
        light_m=(float(slope * np.cos(angle)), float(slope * np.sin(angle))),
        shadow=float(rng.uniform(0.3, 0.65)),
        warmth=float(rng.uniform(-0.06, 0.1)),
        brightness=float(rng.uniform(0.75, 1.15)),
        sway=float(rng.uniform(0.0, 0.08)),
        sway_secs=(float(rng.uniform(7, 20)), float(rng.uniform(20, 60))),
        vignette=float(rng.uniform(0, 0.35)),
        shade=float(max(0.0, rng.uniform(-0.2, 0.35))),
        shade_rad=float(rng.uniform(0, 2 * np.pi)),
    )


def _varied(rng: np.random.Generator, colours: list[_Triple], spread: float) -> _Triple:
    """One of some colours, or near it."""
    colour = np.array(colours[rng.integers(len(colours))]) * np.exp(rng.normal(0, 0.15))
    colour = colour + rng.normal(0, 0.5 * spread, 3)
    red, green, blue = map(float, np.clip(colour, 0.03, 0.97))
    return red, green, blue


def _rotation(rad: float) -> Float[np.ndarray, "2 2"]:
    return np.array([[np.cos(rad), -np.sin(rad)], [np.sin(rad), np.cos(rad)]])


def _like(pair: np.ndarray, points: np.ndarray) -> np.ndarray:
    """A pair with as many axes as points have."""
    return pair.reshape((1,) * (points.ndim - 1) + (2,))
