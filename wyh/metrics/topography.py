"""Whether pictures that are alike sound alike."""

import math

import numpy as np
import scipy.stats
from jaxtyping import Float

from wyh.errors import WyhError

Pictures = Float[np.ndarray, "n height width channel"]
Features = Float[np.ndarray, "n features"]

MAX_PAIRS = 125_000
"""Pairs looked at, at most: all pairs of 500 pictures."""


def distance_agreement(
    pictures: Pictures,
    features: Features,
    *,
    max_pairs: int = MAX_PAIRS,
    rng: np.random.Generator | None = None,
) -> float:
    """Spearman's correlation of the distances between pictures with those between their sounds.

    Euclidean distances over all pairs; of too many pictures, over all pairs of some drawn by
    `rng`. 1 keeps the order of all distances, 0 knows nothing, and so where nothing ever changes.

    Args:
      pictures: frames.
      features: of the sound of each, e.g. log-mel bands, or its code.
      max_pairs: the most to look at.
      rng: draws the pictures; always the same when None.
    """
    some = _some(len(pictures), max_pairs, rng)
    above = np.triu_indices(len(some), 1)
    seen, heard = (_squared_distances(x[some])[above] for x in (pictures, features))
    if not seen.size or not np.ptp(seen) or not np.ptp(heard):
        return 0.0
    return float(scipy.stats.spearmanr(seen, heard).statistic)


def trustworthiness(
    pictures: Pictures,
    features: Features,
    k: int = 10,
    *,
    max_pairs: int = MAX_PAIRS,
    rng: np.random.Generator | None = None,
) -> float:
    """Whether the k nearest sounds of each picture belong to pictures near to it: at most 1.

    By chance 1/2, a little more for few pictures. Neighbours in sound are penalised by how much
    further away than k-th they are among the pictures. Source: Venna and Kaski, "Neighborhood
    preservation in nonlinear projection methods", ICANN 2001.

    Args:
      pictures: frames.
      features: of the sound of each.
      k: neighbours.
      max_pairs: as for `distance_agreement`.
      rng: as for `distance_agreement`.

    Raises:
      WyhError: 2 k pictures or fewer.
    """
    some = _some(len(pictures), max_pairs, rng)
    n = len(some)
    if n <= 2 * k:
        raise WyhError(f"got {n} pictures, wanted more than {2 * k} for {k} neighbours of each")
    seen, heard = (_squared_distances(x[some]) for x in (pictures, features))
    for distance in (seen, heard):
        np.fill_diagonal(distance, -1)  # itself comes first
    order = np.argsort(seen, axis=1, kind="stable")
    rank = np.empty_like(order)
    np.put_along_axis(rank, order, np.arange(n)[None], axis=1)
    nearest = np.argsort(heard, axis=1, kind="stable")[:, 1 : k + 1]
    excess = np.maximum(np.take_along_axis(rank, nearest, axis=1) - k, 0)
    return float(1 - excess.sum() * 2 / (n * k * (2 * n - 3 * k - 1)))


def _some(n: int, max_pairs: int, rng: np.random.Generator | None) -> np.ndarray:
    """As many of n as make `max_pairs` pairs, in order; all where they make fewer."""
    count = (1 + math.isqrt(1 + 8 * max_pairs)) // 2
    if n <= count:
        return np.arange(n)
    return np.sort((rng or np.random.default_rng(0)).choice(n, count, replace=False))


def _squared_distances(x: np.ndarray) -> np.ndarray:
    """`float64 [n, n]`; exactly 0 where examples are the same."""
    flat = x.reshape(len(x), -1).astype(np.float64)
    flat -= flat.mean(axis=0)  # so that no digits are lost to what all have in common
    product = flat @ flat.T
    length = np.diagonal(product)
    distance = length[:, None] + length - 2 * product
    distance[distance < 1e-12 * length.max(initial=0)] = 0
    return distance
