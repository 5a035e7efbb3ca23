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
_START = 4  # the coarse grid is so many times finer than the first one


@dataclass(frozen=True)
class PainterConfig:
    """Sizes of the painter."""

    grid: int = 32  # cells along the picture's short side, a multiple of 8
    width: int = 32  # channels of its convolutions
    hidden: int = 128  # of what it makes of the sound at first
    colours: int = 6  # of the palette
    edges: float = 1.5  # how hard the borders between colours are

    def __post_init__(self) -> None:
        check_range("grid", self.grid, 8, 128, "cells")
        check_range("width", self.width, 4, 512)
        check_range("hidden", self.hidden, 8, 4096)
        check_range("colours", self.colours, 2, 32)
        check_range("edges", self.edges, 0.1, 20)

    def cells(self, height: int, width: int) -> tuple[int, int]:
        """Rows and columns of the grid for a picture of this shape."""
        short = min(height, width)
        return tuple(max(8, round(self.grid * side / short / 8) * 8) for side in (height, width))  # type: ignore[return-value]


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
    ) -> tuple[Float[Array, "n rows columns fields"], Float[Array, "colours 3"]]:
        """One field for each colour, and one of light."""
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
        palette = self.param("palette", _palette, (c.colours, 3))
        return fields, jnp.asarray(palette)


def _palette(key: Any, shape: tuple[int, int]) -> Array:
    """Colours of rising light, two thirds round the circle: dark violet to pale yellow."""
    light = np.linspace(0.12, 0.95, shape[0])
    hue = 0.72 - 0.62 * np.linspace(0, 1, shape[0])
    circle = 0.5 + 0.5 * np.cos(2 * np.pi * (hue[:, None] - np.array([0, 1 / 3, 2 / 3])))
    rich = 0.85 - 0.5 * np.abs(light - 0.5)
    colour = light[:, None] * (1 - rich[:, None]) + rich[:, None] * circle * (
        0.35 + 0.75 * light[:, None]
    )
    return jnp.asarray(np.clip(colour, 0.02, 0.98), jnp.float32)


def coloured(
    fields: Float[Array, "n rows columns fields"],
    palette: Float[Array, "colours 3"],
    edges: float,
    height: int,
    width: int,
) -> Float[Array, "n height width 3"]:
    """The picture of some fields, of any size, in [0, 1]."""
    smooth = spread(fields, height, width)
    share = jax.nn.softmax(edges * smooth[..., :-1], axis=-1)
    light = 1 + 0.35 * jnp.tanh(smooth[..., -1:])
    return jnp.clip(share @ jnp.clip(palette, 0, 1) * light, 0, 1)
