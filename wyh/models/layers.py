"""Layers that compute a known function in the way that is fast on a CPU.

A transposed convolution's kernel gradient costs three to five times its forward pass there. The
same function is one matrix product at the low resolution, whose channels are then laid out in space
(depth to space); its gradients are matrix products too.
"""

from collections.abc import Callable
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

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
    """`lax.conv_transpose(x, kernel, stride, "SAME")` for kernels of one or two strides.

    With k = taps * stride, every output pixel sees taps x taps input pixels, so the kernel is
    rearranged into `stride * stride` phases of taps x taps each, and all phases of a place are one
    matrix product.
    """
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
