"""How well the code is used. Codes are in [0, 1]."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

Codes = Float[np.ndarray, "n code"]


def ks_to_uniform(values: Float[np.ndarray, "..."]) -> float:
    """Kolmogorov-Smirnov distance of all values, pooled, to the uniform distribution on [0, 1]."""
    return float(ks_per_value(values.reshape(-1, 1))[0])


def ks_per_value(codes: Codes) -> Float[np.ndarray, " code"]:
    """Kolmogorov-Smirnov distance of each value of the code by itself to uniform on [0, 1].

    From 1 / (2 n) for n pictures to 1; 0.87 / sqrt(n) on average for n independent draws from the
    uniform distribution itself.
    """
    ranked = np.sort(codes, axis=0).astype(np.float64)
    steps = (np.arange(len(codes) + 1) / len(codes))[:, None]
    return np.maximum(np.max(steps[1:] - ranked, axis=0), np.max(ranked - steps[:-1], axis=0))


def dead_values(codes: Codes, std: float = 0.05) -> int:
    """How many values of the code hardly move: standard deviation below `std`."""
    return int(np.sum(codes.std(axis=0) < std))


def participation_ratio(codes: Codes) -> float:
    """How many directions the code uses: (sum of eigenvalues)^2 / sum of squared eigenvalues.

    Eigenvalues are those of the covariance: as many as there are values where all move alike and
    apart, 1 where all move as one, 0 where none moves. A code of rank one may be perfectly
    uniform; this tells.
    """
    centred = codes.astype(np.float64) - codes.mean(axis=0, dtype=np.float64)
    covariance = centred.T @ centred
    squared = np.sum(np.square(covariance))  # of the eigenvalues too, and so is the trace
    return float(np.trace(covariance) ** 2 / squared) if squared else 0.0


class Correlation(NamedTuple):
    """Mean modulus of Pearson's correlation, 0 to 1."""

    adjacent: float
    random_pairs: float


def adjacent_correlation(codes: Codes) -> Correlation:
    """Correlation of neighbouring values of the code against that of any two.

    All pairs are taken, which is what pairs drawn at random come to. Pairs with a value that never
    moves have no correlation and are left out; 0 where no pair is left.
    """
    centred = codes.astype(np.float64) - codes.mean(axis=0, dtype=np.float64)
    length = np.sqrt(np.sum(np.square(centred), axis=0))
    moves = np.ptp(codes, axis=0) > 0
    centred = centred / np.where(moves, length, 1)
    correlation = np.abs(centred.T @ centred)
    both = moves[:, None] & moves
    return Correlation(
        _mean(np.diagonal(correlation, 1)[np.diagonal(both, 1)]),
        _mean(correlation[np.triu(both, 1)]),
    )


def _mean(values: np.ndarray) -> float:
    return float(np.mean(values)) if values.size else 0.0


def code_change(codes: Codes, shifted_codes: Codes) -> float:
    """Mean change of a value when the pictures move by one pixel (`pictures.moved_one_pixel`).

    Codes of pictures that have nothing in common would change by 1/3, were they uniform.
    """
    return float(np.mean(np.abs(codes - shifted_codes), dtype=np.float64))
