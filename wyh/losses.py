"""Losses. Shapes must be equal: nothing is broadcast by accident."""

import jax.numpy as jnp
from jaxtyping import Array, Float


def mean_squared_error(
    predicted: Float[Array, "*shape"], target: Float[Array, "*shape"]
) -> Float[Array, ""]:
    """Mean of the squared differences over all axes."""
    if predicted.shape != target.shape:
        raise ValueError(f"shapes differ: {predicted.shape} and {target.shape}")
    return jnp.mean(jnp.square(predicted - target))


def uniformity(code: Float[Array, "batch code"]) -> Float[Array, ""]:
    """How far the values of a batch of codes are from uniform on [0, 1], all pooled.

    Mean squared difference of the sorted values and i / (n + 1), i = 1 ... n. Source: seed 000.
    """
    ranked = jnp.sort(code, axis=None)
    ideal = jnp.arange(1, code.size + 1) / (code.size + 1)
    return jnp.mean(jnp.square(ranked - ideal))
