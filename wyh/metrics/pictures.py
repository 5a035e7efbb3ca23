"""How much of the pictures is kept."""

import math

import numpy as np
from jaxtyping import Float


def gain_db(
    decoded: Float[np.ndarray, "n height width channel"],
    pictures: Float[np.ndarray, "n height width channel"],
    mean: Float[np.ndarray, "height width channel"],
) -> float:
    """`10 log10(MSE of the mean training picture / MSE)`, over all pictures together.

    0 dB knows nothing but the mean. Differences of a millionth count as none, so that the figure
    is finite for a perfect copy, and for pictures that are all alike. All in [0, 1].
    """
    error = np.mean(np.square(decoded - pictures), dtype=np.float64)
    blank = np.mean(np.square(mean - pictures), dtype=np.float64)
    return 10 * math.log10(max(blank, _NOTHING) / max(error, _NOTHING))


_NOTHING = 1e-12  # mean square
