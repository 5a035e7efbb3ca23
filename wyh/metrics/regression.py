"""Ridge regression from a few features to many targets: the plainest listener there is."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Shaped

from wyh.errors import WyhError

STRENGTHS = tuple(10.0 ** (half / 2) for half in range(-8, 5))
"""Strengths tried: 0.0001 to 100, two a decade."""


@dataclass(frozen=True)
class Ridge:
    """A linear map with an offset. float64; `centre` is the mean of the training features."""

    centre: Float[np.ndarray, " features"]
    matrix: Float[np.ndarray, "features targets"]
    offset: Float[np.ndarray, " targets"]  # the mean of the training targets
    strength: float

    def predict(self, features: Float[np.ndarray, "n features"]) -> Float[np.ndarray, "n targets"]:
        """Targets of new features, unclipped."""
        return (features - self.centre) @ self.matrix + self.offset


def ridge(
    features: Float[np.ndarray, "n features"],
    targets: Float[np.ndarray, "n targets"],
    groups: Shaped[np.ndarray, " n"],
    strengths: Sequence[float] = STRENGTHS,
) -> Ridge:
    """Fit by least squares, with the strength that predicts left-out groups best.

    What is minimised is `mean over n of the squared error + strength * squared weights` with
    features of mean 0 and standard deviation 1. Features that never change are ignored. Every
    group in turn is left out, exactly, the offset refitted too; only the scale of the features is
    that of all. Neighbouring frames belong in one group, or they would vouch for one another.

    The data are reduced to `[n, features]` and blocks `[group, group]` before any strength is
    tried, so the number of targets costs two matrix products.

    Args:
      features: e.g. log-mel bands.
      targets: e.g. the pixels of pictures.
      groups: which second or recording each example comes from, numbers or names.
      strengths: to choose from.

    Raises:
      WyhError: fewer than two groups.
    """
    x, y = features.astype(np.float64), targets.astype(np.float64)
    centre, offset = x.mean(axis=0), y.mean(axis=0)
    moves = np.ptp(x, axis=0) > 1e-9 * np.abs(x).max(axis=0)  # by more than rounding
    scale = np.where(moves, 1 / np.where(moves, x.std(axis=0), 1), 0)
    y -= offset
    left, singular, right = np.linalg.svd((x - centre) * scale, full_matrices=False)
    projected = left.T @ y
    power = np.square(singular)
    penalties = np.array(sorted(strengths), np.float64) * len(x)
    if len(penalties) > 1:
        shrink = power / (power + penalties[:, None])
        errors = _left_out_errors(left, projected, shrink, y, groups)
        penalty = penalties[np.argmin(errors)]
    else:
        penalty = penalties[0]
    inner = (singular / (power + penalty))[:, None] * projected
    return Ridge(centre, scale[:, None] * (right.T @ inner), offset, float(penalty / len(x)))


def _left_out_errors(
    left: np.ndarray, projected: np.ndarray, shrink: np.ndarray, y: np.ndarray, groups: np.ndarray
) -> np.ndarray:
    """Summed squared error of all groups when each was left out: `[strengths]`.

    With the smoother S (predictions of the whole fit are S y) the residuals of a group that was
    left out are (1 - S_gg)^-1 times its residuals in the whole fit. Only squares are wanted, so
    inner products of targets do. Source: the block form of Allen's PRESS, e.g. Hastie, Tibshirani
    and Friedman, "The Elements of Statistical Learning", 2009, section 7.10.
    """
    names, group = np.unique(groups, return_inverse=True)
    if len(names) < 2:
        raise WyhError(
            f"got examples of {len(names)} group, wanted at least 2 to choose the strength of a "
            f"ridge regression: use longer footage, or more recordings"
        )
    gram = projected @ projected.T
    total = np.zeros(len(shrink))
    for g in range(len(names)):
        own = group == g
        u, y_own = left[own], y[own]
        across, known = y_own @ y_own.T, projected @ y_own.T
        for i, kept in enumerate(shrink):  # one at a time: groups may be large
            shrunk = u * kept
            cross = shrunk @ known
            residual = across - cross - cross.T + shrunk @ gram @ shrunk.T
            inverse = np.linalg.inv(np.eye(len(u)) - 1 / len(y) - shrunk @ u.T)
            total[i] += np.sum((inverse @ inverse) * residual)
    return total
