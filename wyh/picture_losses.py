"""What makes pictures of sound worth looking at, as losses of pictures in [0, 1]."""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

HUES = 12
"""Parts of the colour circle, the first around red."""

_CIRCLE = 2 * np.pi * np.arange(HUES) / HUES
_SHARPNESS = 8.0
_PURE = np.exp(_SHARPNESS * np.cos(_CIRCLE)) / np.exp(_SHARPNESS * np.cos(_CIRCLE)).sum()
_ONE_HUE = float(np.log(HUES) + np.sum(_PURE * np.log(_PURE)))
"""How far the entropy of one hue, softly shared out as it is, is below that of all."""


def total_variation(pictures: Float[Array, "n height width 3"]) -> Float[Array, ""]:
    """Noise: mean absolute difference of neighbouring pixels."""
    down = jnp.abs(pictures[:, 1:] - pictures[:, :-1]).mean()
    return down + jnp.abs(pictures[:, :, 1:] - pictures[:, :, :-1]).mean()


def unlike_base(
    pictures: Float[Array, "n height width 3"],
    base: Float[Array, "n height width 3"],
    tolerance: float,
) -> Float[Array, ""]:
    """How much further than `tolerance` pictures are from their base images (MSE; seed 001)."""
    error = jnp.mean(jnp.square(pictures - base), axis=(1, 2, 3))
    return jnp.mean(jax.nn.relu(error - tolerance))


def hue_shares(pictures: Float[Array, "n height width 3"]) -> Float[Array, " hues"]:
    """A soft histogram: how much of all colour there is in each part of the colour circle.

    Each pixel counts as much as it is colourful, and in the parts that it is near to, so that
    there is a gradient (the seed's histogram, of integers, had none).
    """
    red, green, blue = (pictures[..., channel] for channel in range(3))
    across = red - (green + blue) / 2
    along = np.sqrt(0.75, dtype=np.float32) * (green - blue)
    chroma = jnp.sqrt(jnp.square(across) + jnp.square(along) + 1e-6)
    circle = np.stack([np.cos(_CIRCLE), np.sin(_CIRCLE)]).astype(np.float32)
    near = jnp.stack([across / chroma, along / chroma], axis=-1) @ circle
    share = jax.nn.softmax(_SHARPNESS * near, axis=-1) * chroma[..., None]
    total = share.sum(axis=(0, 1, 2))
    return total / (total.sum() + 1e-6)


def few_hues(pictures: Float[Array, "n height width 3"]) -> Float[Array, ""]:
    """0 where a batch uses the whole colour circle alike, or none; 1 where it uses one hue."""
    share = hue_shares(pictures) + 1e-8
    return (np.log(HUES) + jnp.sum(share * jnp.log(share))) / _ONE_HUE


def flatness(pictures: Float[Array, "n height width 3"], wanted: float) -> Float[Array, ""]:
    """How far the spread of each picture's channels (standard deviation) is below `wanted`."""
    spread = jnp.sqrt(jnp.var(pictures, axis=(1, 2)) + 1e-8)
    return jnp.mean(jnp.square(jax.nn.relu(wanted - spread)))


def off_brightness(pictures: Float[Array, "n height width 3"], wanted: float) -> Float[Array, ""]:
    """How far the mean brightness of each picture is from `wanted`."""
    return jnp.mean(jnp.square(pictures.mean(axis=(1, 2, 3)) - wanted))


def out_of_step(
    pictures: Float[Array, "batch time height width 3"],
    features: Float[Array, "batch time features"],
    pace: float,
) -> Float[Array, ""]:
    """How far the change from picture to picture is from what the change of the sound asks for.

    Args:
      pictures: that follow one another.
      features: of their sound, about standard normal.
      pace: mean absolute change of the pictures for a change of the features of 1 (RMS), above 0.
    """
    change = jnp.abs(pictures[:, 1:] - pictures[:, :-1]).mean(axis=(2, 3, 4))
    heard = jnp.sqrt(jnp.mean(jnp.square(features[:, 1:] - features[:, :-1]), axis=2) + 1e-8)
    return jnp.mean(jnp.square(change - pace * heard)) / pace**2
