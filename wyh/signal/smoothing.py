"""Triangle smoothing along the last axis: makes neighbouring values agree."""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

_MATRIX_LIMIT = 512  # values; up to here one small matmul is the fastest, forward and backward


def triangle(half_size: int) -> Float[np.ndarray, " taps"]:
    """`2 * half_size + 1` weights `1 - |i| / (half_size + 1)`, normalised to sum 1, float32."""
    weights = 1 - np.abs(np.arange(-half_size, half_size + 1)) / (half_size + 1)
    return (weights / weights.sum()).astype(np.float32)


def _band(half_size: int, size: int) -> Float[np.ndarray, "padded size"]:
    """The smoothing as a matrix: column k holds the triangle from row k on."""
    offset = np.arange(size + 2 * half_size)[:, None] - np.arange(size)
    inside = (offset >= 0) & (offset <= 2 * half_size)
    return np.where(inside, triangle(half_size)[np.clip(offset, 0, 2 * half_size)], 0)


def smooth(x: Float[Array, "*batch padded"], half_size: int) -> Float[Array, "*batch size"]:
    """Weighted mean with a triangle, only where it fits: `size = padded - 2 * half_size`.

    Half size 0 changes nothing.
    """
    size = x.shape[-1] - 2 * half_size
    if half_size == 0:
        return x
    if size <= _MATRIX_LIMIT:
        return x @ jnp.asarray(_band(half_size, size))
    weights = triangle(half_size)
    total = weights[0] * x[..., :size]
    for start in range(1, weights.size):
        total = total + weights[start] * x[..., start : start + size]
    return total
