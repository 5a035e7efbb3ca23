"""How well the code is used."""

import numpy as np
from jaxtyping import Float


def ks_to_uniform(values: Float[np.ndarray, "..."]) -> float:
    """Kolmogorov-Smirnov distance of all values, pooled, to the uniform distribution on [0, 1]."""
    ranked = np.sort(values, axis=None).astype(np.float64)
    steps = np.arange(ranked.size + 1) / ranked.size
    return float(max(np.max(steps[1:] - ranked), np.max(ranked - steps[:-1])))


def dead_values(codes: Float[np.ndarray, "n code"], std: float = 0.05) -> int:
    """How many values of the code hardly move: standard deviation below `std`."""
    return int(np.sum(codes.std(axis=0) < std))
