"""Sound features -> picture: smooth fields that share out a palette (the `default` generator).

All that is learned happens on a coarse grid. Its fields are brought to the picture's size by cubic
splines, which can hold no fine texture, and only there do they become colour. So a picture of any
size is the same picture, made of large forms, and a large one costs little more than a small one.
"""

import math
from dataclasses import dataclass
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from wyh.errors import check_range
from wyh.models.layers import spread

_INIT = nn.initializers.he_uniform()
FRAME = 2  # cells on each side of the grid that are not seen
_STRAIGHT = nn.initializers.variance_scaling(0.5, "fan_in", "normal")
_START = 4  # the coarse grid is so many times finer than the first one


@dataclass(frozen=True)
class PainterConfig:
    """Sizes of the painter."""

    grid: int = 32  # cells along the picture's short side, to the nearest multiple of 8: 8 to 128
    width: int = 32  # channels of its convolutions, 4 to 512
    hidden: int = 128  # values of what it makes of the sound at first, 8 to 4096
    colours: int = 6  # of the palette, 2 to 32
    edges: float = 2.5  # how hard the borders between colours are, 0.1 to 20

    def __post_init__(self) -> None:
        check_range("grid", self.grid, 8, 128, "cells")
        check_range("width", self.width, 4, 512)
        check_range("hidden", self.hidden, 8, 4096)
        check_range("colours", self.colours, 2, 32)
        check_range("edges", self.edges, 0.1, 20)

    def cells(self, height: int, width: int) -> tuple[int, int]:
        """Rows and columns of the grid for a picture of this shape."""
        short = 8 * min(height, width)
        rows, columns = (max(1, round(self.grid * side / short)) for side in (height, width))
        return 8 * rows, 8 * columns


class Painter(nn.Module):
    """Features, a slow latent and a base image -> fields on the grid, and the palette."""

    config: PainterConfig
    cells: tuple[int, int]

    @nn.compact
    def __call__(
        self,
        features: Float[Array, "n features"],
        latent: Float[Array, "n latent"],
        base: Float[Array, "n rows columns 3"],
    ) -> tuple[Float[Array, "n inner inner2 fields"], Float[Array, "colours 3"]]:
        """One field for each colour, and one of light, inside of the grid."""
        c, (rows, columns) = self.config, self.cells
        first = rows // _START, columns // _START
        heard = nn.leaky_relu(nn.Dense(c.hidden, kernel_init=_INIT)(features), 0.1)
        mood = nn.Dense(c.hidden, kernel_init=_INIT)(latent)
        known = nn.leaky_relu(nn.Dense(c.hidden, kernel_init=_INIT)(heard) + mood, 0.1)
        x = nn.Dense(math.prod(first) * c.width, kernel_init=_INIT)(known)
        x = x.reshape(-1, *first, c.width)
        for size in (first, (rows // 2, columns // 2), (rows, columns)):
            x = spread(x, *size)
            if size == (rows, columns):
                x = jnp.concatenate([x, 2 * base - 1], axis=-1)
            x = nn.leaky_relu(nn.Conv(c.width, (3, 3), kernel_init=_INIT)(x), 0.1)
        fields = nn.Conv(c.colours + 1, (3, 3), kernel_init=_INIT)(x)
        # A straight path as well: what is linear is learned at once, and holds for any sound.
        straight = nn.Dense(math.prod(first) * (c.colours + 1), kernel_init=_STRAIGHT)(features)
        fields += spread(straight.reshape(-1, *first, c.colours + 1), rows, columns)
        # Colours are chosen, not learned.
        palette = jax.lax.stop_gradient(self.param("palette", _palette, (c.colours, 3)))
        return inside(fields), jnp.asarray(palette)


def _palette(key: Any, shape: tuple[int, int]) -> Array:
    """`COLOURS`, or as many as are wanted, evenly between them."""
    known = np.array([[int(c[k : k + 2], 16) / 255 for k in (0, 2, 4)] for c in COLOURS])
    places = np.linspace(0, len(known) - 1, shape[0])
    each = [np.interp(places, np.arange(len(known)), channel) for channel in known.T]
    return jnp.asarray(np.stack(each, axis=1), jnp.float32)


COLOURS = ("171140", "4a35c9", "0fa3a8", "e63e7b", "ff9a35", "ffedc2")
"""Ink, violet, teal, rose, orange, cream: from dark to light."""


def inside(x: Float[Array, "n rows columns channel"]) -> Float[Array, "n inner inner2 channel"]:
    """What of a grid is seen: the outermost cells, next to the zeros beyond, would be a frame."""
    return x[:, FRAME:-FRAME, FRAME:-FRAME]


def coloured(
    fields: Float[Array, "n rows columns fields"],
    palette: Float[Array, "colours 3"],
    edges: float,
    height: int,
    width: int,
) -> Float[Array, "n height width 3"]:
    """The picture of some fields, of any size, in [0, 1]."""
    smooth = spread(fields, height, width, always=True)
    share = jax.nn.softmax(edges * smooth[..., :-1], axis=-1)
    light = 1 + 0.3 * jnp.tanh(smooth[..., -1:])
    return jnp.clip((share @ palette) * light, 0, 1)
