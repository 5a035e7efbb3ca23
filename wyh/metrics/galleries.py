"""How a set of pictures stands against another: what is likely in one, is it so in the other?"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int, UInt8

_AT_ONCE = 512

Values = Float[np.ndarray, "n values"]
Others = Float[np.ndarray, "m values"]


class Plane(NamedTuple):
    """The directions in which some values vary most."""

    mean: Float[np.ndarray, " values"]
    axes: Float[np.ndarray, "values axes"]

    def of(self, values: Values) -> Float[np.ndarray, "n axes"]:
        """Where values lie in it."""
        return (values.astype(np.float64) - self.mean) @ self.axes


def plane(values: Values, axes: int) -> Plane:
    """Principal components of some values: so many, or as many as there are."""
    exact = values.astype(np.float64)
    mean = exact.mean(axis=0)
    _, _, found = np.linalg.svd(exact - mean, full_matrices=False)
    return Plane(mean, found[:axes].T)


def frechet(made: Values, real: Others) -> float:
    """The Frechet distance of two sets, each taken for a normal distribution; squared, 0 if alike.

    `|mean - mean|^2 + trace(A + B - 2 sqrt(A B))` of the covariances A and B. It grows as there are
    fewer of them: only sets of equal numbers can be compared. Source: Heusel et al., "GANs trained
    by a two time-scale update rule converge to a local Nash equilibrium", NeurIPS 2017.
    """
    a, b = made.astype(np.float64), real.astype(np.float64)
    one, other = (np.atleast_2d(np.cov(x, rowvar=False, bias=len(x) < 2)) for x in (a, b))
    size, turn = np.linalg.eigh(one)
    root = (turn * np.sqrt(np.maximum(size, 0))) @ turn.T
    # The eigenvalues of A B are those of sqrt(A) B sqrt(A), which is symmetric.
    both = np.linalg.eigvalsh(root @ other @ root)
    apart = np.square(a.mean(axis=0) - b.mean(axis=0)).sum()
    return float(max(0.0, apart + np.trace(one + other) - 2 * np.sqrt(np.maximum(both, 0)).sum()))


class Coverage(NamedTuple):
    """Precision: the share of what was made that lies among the real; recall the reverse."""

    precision: float
    recall: float


def coverage(made: Values, real: Others, nearest: int = 3) -> Coverage:
    """Whether pictures lie within the reach of those of the other set.

    Each reaches as far as its k-th nearest neighbour in its own set. Source: Kynkaanniemi et al.,
    "Improved precision and recall metric for assessing generative models", NeurIPS 2019.

    Args:
      made: of as many pictures as there are real ones.
      real: two at least.
      nearest: k, fewer where there are not so many others.
    """
    return Coverage(_within(made, real, nearest), _within(real, made, nearest))


def _within(some: Values, others: Others, nearest: int) -> float:
    k = min(nearest, len(others) - 1)
    reach = np.concatenate(
        # A picture is its own nearest neighbour, at 0.
        [np.partition(far, k, axis=1)[:, k] for far in _distances(others, others)]
    )
    hits = [(far <= reach[None]).any(axis=1) for far in _distances(some, others)]
    return float(np.concatenate(hits).mean())


def _distances(some: Values, others: Others) -> list[Float[np.ndarray, "part m"]]:
    """Squared, part by part."""
    exact = others.astype(np.float64)
    own, found = np.square(exact).sum(axis=1)[None], []
    for part in np.split(some.astype(np.float64), range(_AT_ONCE, len(some), _AT_ONCE)):
        lengths = np.square(part).sum(axis=1)[:, None] + own
        squared = np.maximum(lengths - 2 * part @ exact.T, 0)
        found.append(np.where(squared < 1e-12 * lengths, 0.0, squared))  # what is the same is 0
    return found


def nearest_of(
    some: Values, others: Others
) -> tuple[Int[np.ndarray, " n"], Float[np.ndarray, " n"]]:
    """For each its nearest among the others, and how far that is."""
    found = [(far.argmin(axis=1), far.min(axis=1)) for far in _distances(some, others)]
    place, far = (np.concatenate(part) for part in zip(*found, strict=True))
    return place, np.sqrt(far)


def diversity(values: Values, labels: Int[np.ndarray, " n"], most: int = 100) -> float:
    """The mean distance between pictures of one class, of which two are needed; 0 without any.

    Args:
      values: of the pictures.
      labels: the class of each.
      most: pictures of each class that are looked at.
    """
    found = []
    for label in np.unique(labels):
        some = values[labels == label][:most]
        if len(some) > 1:
            total = sum(np.sqrt(far).sum() for far in _distances(some, some))
            found.append(total / (len(some) * (len(some) - 1)))
    return float(np.mean(found)) if found else 0.0


def sharpness(pictures: UInt8[np.ndarray, "n height width channel"]) -> float:
    """The mean absolute difference of neighbouring pixels, down plus across, in 1/255."""
    signed = pictures.astype(np.int16)
    return float(sum(np.abs(np.diff(signed, axis=axis)).mean() for axis in (1, 2)))
