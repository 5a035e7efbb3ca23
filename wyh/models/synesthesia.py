"""Sound -> picture -> sound: generators, and decoders that read the sound back (seed 001).

The seed's own generator, of 4.36 million parameters, and its decoder; and the `grid` decoder, which
looks at a picture from afar. The other generator is in `wyh.models.painter`.
"""

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float

from wyh.models.layers import conv_up

_XAVIER = nn.initializers.glorot_uniform()


class SeedGenerator(nn.Module):
    """The seed's image-to-image network, from the base image and the features at every pixel.

    Its normalisation (no scale, no offset) takes the statistics of each picture, so that a picture
    does not depend on its neighbours in a batch. Pictures of any shape: where halves are not whole,
    the base image goes on beyond its edge, and what is made there is cut off.

    Attributes:
      rows: of the pictures; how often they are halved follows from it.
    """

    rows: int

    @nn.compact
    def __call__(
        self, features: Float[Array, "n features"], base: Float[Array, "n rows columns 3"]
    ) -> Float[Array, "n rows columns 3"]:
        """The picture, in [0, 1]."""
        _, rows, columns, _ = base.shape
        depth = max(1, self.rows.bit_length() - 5)
        first = 2**depth
        beyond = ((0, 0), (0, -rows % first), (0, -columns % first), (0, 0))
        base = jnp.pad(base, beyond, mode="edge")
        tiled = jnp.broadcast_to(features[:, None, None], (*base.shape[:3], features.shape[-1]))
        x = _conv(first, 7)(jnp.concatenate([base, tiled], axis=-1))
        for level in range(1, depth + 1):
            x = _conv(first * 2**level, 3, 2)(_active(x))
        for active in (_active, _plain, _plain):
            inner = _conv(x.shape[-1], 3)(active(x))
            x = x + _conv(x.shape[-1], 3)(active(inner))
        for level in range(depth - 1, -1, -1):
            x = _Up(first * 2**level)(x if level == depth - 1 else _active(x))
        return nn.sigmoid(_conv(3, 7)(nn.relu(x)))[:, :rows, :columns]


class SeedDecoder(nn.Module):
    """The seed's decoder: residual blocks at full size, then the mean over all places."""

    features: int

    @nn.compact
    def __call__(self, pictures: Float[Array, "n height width 3"]) -> Float[Array, "n features"]:
        """The features that are seen."""
        x = _conv(16, 7)(pictures)
        for active in (nn.relu, _plain, _plain):
            x = x + _conv(16, 3)(active(_conv(16, 3)(active(x))))
        return _conv(self.features, 3)(x).mean(axis=(1, 2))


class GridDecoder(nn.Module):
    """Reads the features from a coarse look at the picture."""

    features: int

    @nn.compact
    def __call__(self, look: Float[Array, "n rows columns 3"]) -> Float[Array, "n features"]:
        """The features that are seen."""
        n, rows, columns, _ = look.shape
        x = look = 2 * look - 1
        for width in (32, 48, 64):
            x = nn.leaky_relu(_conv(width, 4, 2)(x), 0.1)
        x = nn.leaky_relu(nn.Dense(192)(x.reshape(n, -1)), 0.1)
        coarse = look.reshape(n, rows // 4, 4, columns // 4, 4, 3).mean(axis=(2, 4))
        return nn.Dense(self.features)(x) + nn.Dense(self.features)(coarse.reshape(n, -1))


class _Up(nn.Module):
    """A transposed 3x3 convolution of stride 2: `lax.conv_transpose(x, kernel, 2, "SAME")`."""

    features: int

    @nn.compact
    def __call__(self, x: Float[Array, "n rows columns channel"]) -> Array:
        kernel = self.param("kernel", _XAVIER, (3, 3, x.shape[-1], self.features))
        bias = self.param("bias", nn.initializers.zeros, (self.features,))
        return conv_up(x, jnp.asarray(kernel), 2) + jnp.asarray(bias)[None, None, None]


def _conv(features: int, size: int, stride: int = 1) -> nn.Conv:
    return nn.Conv(features, (size, size), (stride, stride), kernel_init=_XAVIER)


def _active(x: Array) -> Array:
    mean = x.mean(axis=(1, 2), keepdims=True)
    return nn.relu((x - mean) / jnp.sqrt(x.var(axis=(1, 2), keepdims=True) + 1e-3))


def _plain(x: Array) -> Array:
    return x
