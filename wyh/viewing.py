"""What happens to a picture on its way to an eye, while training: blur, crop, colour, noise.

A decoder that sees pictures so makes a generator put the sound where it can be *seen*: into large
forms, not into a texture that a projector, an encoder or a step back would take away.
"""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from wyh.errors import check_range
from wyh.specs import LUMA


@dataclass(frozen=True)
class ViewConfig:
    """How bad the view is, at worst."""

    blur: float = 0.08  # of the picture's short side, the spread of a soft focus: 0 to 0.5
    crop: float = 0.95  # the smallest part of each side that is seen, 0.5 to 1
    light: float = 0.12  # brighter or darker by up to this factor, 0 to 0.9
    hue: float = 0.04  # turns of the colour circle, either way: 0 to 0.5
    noise: float = 0.05  # of each pixel, standard deviation: 0 to 1
    fewer_colours: float = 0.3  # share of pictures that lose half of their colour, 0 to 1

    def __post_init__(self) -> None:
        check_range("blur", self.blur, 0, 0.5)
        check_range("crop", self.crop, 0.5, 1)
        check_range("light", self.light, 0, 0.9)
        check_range("hue", self.hue, 0, 0.5)
        check_range("noise", self.noise, 0, 1)
        check_range("fewer_colours", self.fewer_colours, 0, 1)


CLEAR = ViewConfig(blur=0, crop=1, light=0, hue=0, noise=0.01, fewer_colours=0)
"""8 bits and a good encoder: a pixel keeps 93 % of itself, the rest comes from its neighbours."""


def viewed(
    pictures: Float[Array, "n height width 3"],
    key: PRNGKeyArray,
    config: ViewConfig,
    along: Float[Array, ""] | float = 1.0,
) -> Float[Array, "n height width 3"]:
    """Pictures as they are seen, each in its own way.

    Args:
      pictures: in [0, 1].
      key: of all chances.
      config: how bad the view may be.
      along: 0 at the start of training, 1 at its end: crops get smaller on the way.
    """
    n, height, width, _ = pictures.shape
    keys = jax.random.split(key, 6)
    least = 1 - (1 - config.crop) * along
    part, across, down, spread = jax.random.uniform(keys[0], (4, n))
    part = least + (1 - least) * part
    sigma = config.blur * spread**2  # mostly little
    rows = _resampling(height, part, down, sigma * min(height, width) / height)
    columns = _resampling(width, part, across, sigma * min(height, width) / width)
    seen = jnp.einsum("nhwc,nrh->nrwc", pictures, rows)
    seen = jnp.einsum("nrwc,nkw->nrkc", seen, columns)

    grey = (seen @ jnp.array(LUMA))[..., None]
    turn = 2 * jnp.pi * config.hue * jax.random.uniform(keys[1], (n,), minval=-1)
    matrix = jax.vmap(_hue_turn)(turn)
    seen = jnp.einsum("nhwc,ncd->nhwd", seen, matrix)
    fewer = jax.random.uniform(keys[2], (n, 1, 1, 1)) < config.fewer_colours
    seen = jnp.where(fewer, grey + 0.5 * (seen - grey), seen)
    light = 1 + config.light * jax.random.uniform(keys[3], (n, 1, 1, 1), minval=-1)
    noise = config.noise * jax.random.uniform(keys[4], (n, 1, 1, 1))
    seen = seen * light + noise * jax.random.normal(keys[5], seen.shape)
    return jnp.clip(seen, 0, 1)


def _resampling(
    size: int, part: Float[Array, " n"], place: Float[Array, " n"], sigma: Float[Array, " n"]
) -> Float[Array, "n size size"]:
    """For each picture, weights of all old pixels in each new one: a crop, softly focused.

    Args:
      size: pixels of the side.
      part: how much of it is seen.
      place: where, 0 to 1.
      sigma: of the focus, in sides.
    """
    steps = (np.arange(size, dtype=np.float32) + 0.5) / size
    left = (1 - part) * place
    centre = left[:, None] + part[:, None] * steps[None]
    # No sharper than half a pixel, which stands for the pixel's own width.
    width = jnp.maximum(sigma, 0.35 / size)[:, None, None]
    apart = (centre[:, :, None] - steps[None, None]) / width
    weight = jnp.exp(-0.5 * jnp.square(apart))
    return weight / weight.sum(axis=2, keepdims=True)


def _hue_turn(turn: Float[Array, ""]) -> Float[Array, "3 3"]:
    """A rotation about the axis of greys."""
    cosine, sine = jnp.cos(turn), jnp.sin(turn)
    around = np.array([[0, -1, 1], [1, 0, -1], [-1, 1, 0]], np.float32) / np.float32(np.sqrt(3))
    same = np.eye(3, dtype=np.float32)
    return cosine * same + (1 - cosine) / 3 * np.ones((3, 3), np.float32) + sine * around
