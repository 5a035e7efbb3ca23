"""A small network that names what pictures show: it judges pictures that another network made."""

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

SIDE = 32
"""Pixels a side of the pictures that it sees."""

FEATURES = 128
_CHANNELS = (32, 64, 64)
_LEFT_OUT = 0.5  # of the features, in training


class JudgeNetwork(nn.Module):
    """Pictures -> features, and log odds of each class."""

    classes: int

    @nn.compact
    def __call__(
        self, pictures: Float[Array, "n 32 32 channel"], key: PRNGKeyArray | None = None
    ) -> tuple[Float[Array, "n features"], Float[Array, "n classes"]]:
        """Look at pictures in [0, 1]; with a key, features are left out at random."""
        x = 2 * pictures - 1
        for number, channels in enumerate(_CHANNELS):
            x = nn.relu(nn.Conv(channels, (3, 3), name=f"convolution_{number}")(x))
            x = _halved(x)
        features = nn.relu(nn.Dense(FEATURES, name="features")(x.reshape(len(x), -1)))
        kept = features
        if key is not None:
            there = jax.random.bernoulli(key, 1 - _LEFT_OUT, features.shape)
            kept = jnp.where(there, features / (1 - _LEFT_OUT), 0.0)
        return features, nn.Dense(self.classes, name="classes")(kept)


def _halved(x: Float[Array, "n height width channel"]) -> Float[Array, "n low_height low_width _"]:
    n, height, width, channels = x.shape
    return x.reshape(n, height // 2, 2, width // 2, 2, channels).max(axis=(2, 4))
