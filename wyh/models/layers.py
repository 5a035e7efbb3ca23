"""Layers that compute a known function in the way that is fast on a CPU.

A transposed convolution's kernel gradient costs three to five times its forward pass there. The
same function is one matrix product at the low resolution, whose channels are then laid out in space
(depth to space); its gradients are matrix products too.
"""

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from flax.errors import FlaxError
from jax import lax
from jaxtyping import Array, Float

from wyh.errors import WyhError

Initializer = Callable[..., Any]

_LAYOUT = ("NHWC", "HWIO", "NHWC")


def conv_down(
    x: Float[Array, "batch height width channel"],
    kernel: Float[Array, "k k channel out"],
    stride: int,
) -> Float[Array, "batch low_height low_width out"]:
    """A strided `same` convolution; where the kernel tiles the picture, one matrix product."""
    size, _, channels, out = kernel.shape
    if size != stride:
        return lax.conv_general_dilated(
            x, kernel, (stride, stride), "SAME", dimension_numbers=_LAYOUT
        )
    batch, height, width, _ = x.shape
    tiles = x.reshape(batch, height // stride, stride, width // stride, stride, channels)
    tiles = tiles.transpose(0, 1, 3, 2, 4, 5)
    flat = tiles.reshape(batch, height // stride, width // stride, size * size * channels)
    return flat @ kernel.reshape(-1, out)


def conv_up(
    x: Float[Array, "batch height width channel"],
    kernel: Float[Array, "k k channel out"],
    stride: int,
) -> Float[Array, "batch high_height high_width out"]:
    """`lax.conv_transpose(x, kernel, stride, "SAME")` for kernels of a stride and more.

    With k = taps * stride, every output pixel sees taps x taps input pixels, so the kernel is
    rearranged into `stride * stride` phases of taps x taps each, and all phases of a place are one
    matrix product. Rows and columns of zeros make it a kernel of whole strides.
    """
    lacking = -kernel.shape[0] % stride
    kernel = jnp.pad(kernel, ((0, lacking), (0, lacking), (0, 0), (0, 0)))
    size, _, channels, out = kernel.shape
    taps = size // stride
    phases = kernel.reshape(taps, stride, taps, stride, channels, out)[:, ::-1, :, ::-1]
    phases = phases.transpose(0, 2, 4, 1, 3, 5).reshape(taps * taps * channels, stride**2 * out)
    edge = taps - 1
    x = jnp.pad(x, ((0, 0), (edge, edge), (edge, edge), (0, 0)))
    batch, height, width = x.shape[0], x.shape[1] - edge, x.shape[2] - edge
    seen = [x[:, r : r + height, s : s + width] for r in range(taps) for s in range(taps)]
    # Without the barriers XLA fuses what is around into these gathers and repeats it there.
    patches = lax.optimization_barrier(jnp.concatenate(seen, axis=-1))
    low = lax.optimization_barrier(patches.reshape(batch * height * width, -1) @ phases)
    high = depth_to_space(low.reshape(batch, height, width, -1), stride)
    crop = edge * stride // 2
    return high[:, crop : high.shape[1] - crop, crop : high.shape[2] - crop]


def depth_to_space(
    x: Float[Array, "batch height width deep"], stride: int
) -> Float[Array, "batch high_height high_width channel"]:
    """Lay channels `[stride, stride, channel]` out as pixels."""
    batch, height, width, deep = x.shape
    channels = deep // stride**2
    x = x.reshape(batch, height, width, stride, stride, channels).transpose(0, 1, 3, 2, 4, 5)
    return x.reshape(batch, height * stride, width * stride, channels)


def applied(model: nn.Module, params: Any, *inputs: Array, method: str | None = None) -> Any:
    """`model.apply` with parameters that may come from a run's file.

    Raises:
      WyhError: they are another model's.
    """
    try:
        return model.apply({"params": params}, *inputs, method=method)
    except FlaxError as error:
        what = str(error).partition(" (http")[0]
        raise WyhError(f"the variables do not fit the model ({what}): copy the run again") from None


def spread(
    x: Float[Array, "n rows columns channel"], height: int, width: int, *, always: bool = False
) -> Float[Array, "n height width channel"]:
    """Brought to another size by cubic B-splines, which smooth it.

    Args:
      x: of any size.
      height: wanted.
      width: wanted.
      always: also smooth a side that has the size it is to have.
    """
    _, rows, columns, _ = x.shape
    if columns != width or always:
        x = jnp.einsum("nrcf,wc->nrwf", x, jnp.asarray(_splines(columns, width)))
    if rows != height or always:
        x = jnp.einsum("nrwf,hr->nhwf", x, jnp.asarray(_splines(rows, height)))
    return x


@lru_cache(maxsize=64)
def _splines(cells: int, pixels: int) -> Float[np.ndarray, "pixels cells"]:
    """How much of each cell is in each pixel; the outermost cells go on beyond the edge."""
    at = (np.arange(pixels) + 0.5) * cells / pixels - 0.5
    near = np.floor(at).astype(int)
    along = (at - near)[:, None]
    shares = np.concatenate(
        [
            (1 - along) ** 3,
            3 * along**3 - 6 * along**2 + 4,
            -3 * along**3 + 3 * along**2 + 3 * along + 1,
            along**3,
        ],
        axis=1,
    )
    matrix = np.zeros((pixels, cells))
    for tap in range(4):
        np.add.at(
            matrix, (np.arange(pixels), np.clip(near + tap - 1, 0, cells - 1)), shares[:, tap] / 6
        )
    return matrix.astype(np.float32)


def averaged(
    pictures: Float[Array, "n height width channel"], rows: int, columns: int
) -> Float[Array, "n rows columns channel"]:
    """Brought to another size by the mean over the area of each new pixel."""
    _, height, width, _ = pictures.shape
    if (height, width) == (rows, columns):
        return pictures
    x = jnp.einsum("nhwf,rh->nrwf", pictures, jnp.asarray(_areas(height, rows)))
    return jnp.einsum("nrwf,cw->nrcf", x, jnp.asarray(_areas(width, columns)))


@lru_cache(maxsize=64)
def _areas(pixels: int, cells: int) -> Float[np.ndarray, "cells pixels"]:
    """The share of each pixel in each cell."""
    edges = np.arange(cells + 1) * pixels / cells
    left, right = edges[:-1, None], edges[1:, None]
    at = np.arange(pixels)
    overlap = np.clip(np.minimum(right, at + 1) - np.maximum(left, at), 0, None)
    return (overlap * cells / pixels).astype(np.float32)


class _Conv(nn.Module):
    """What both directions share: a square kernel and a bias."""

    features: int
    stride: int
    kernel_size: int = 4
    kernel_init: Initializer = nn.initializers.glorot_uniform()

    def parameters(self, channels: int) -> tuple[jax.Array, jax.Array]:
        shape = (self.kernel_size, self.kernel_size, channels, self.features)
        kernel = self.param("kernel", self.kernel_init, shape)
        bias = self.param("bias", nn.initializers.zeros, (self.features,))
        return jnp.asarray(kernel), jnp.asarray(bias)  # a run's are NumPy's


class DownConv(_Conv):
    """Convolution that divides height and width by `stride`."""

    @nn.compact
    def __call__(
        self, x: Float[Array, "batch height width channel"]
    ) -> Float[Array, "batch low_height low_width features"]:
        """Apply the layer."""
        kernel, bias = self.parameters(x.shape[-1])
        return conv_down(x, kernel, self.stride) + bias[None, None, None]


class UpConv(_Conv):
    """Transposed convolution that multiplies height and width by `stride`.

    The parameter is the transposed convolution's own kernel; see `conv_up` for how it is applied.
    """

    @nn.compact
    def __call__(
        self, x: Float[Array, "batch height width channel"]
    ) -> Float[Array, "batch high_height high_width features"]:
        """Apply the layer."""
        kernel, bias = self.parameters(x.shape[-1])
        return conv_up(x, kernel, self.stride) + bias[None, None, None]
