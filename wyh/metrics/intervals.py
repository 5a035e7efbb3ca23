"""How sure a figure is."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Shaped


class Interval(NamedTuple):
    """A figure, and the ends of its 95 % interval (or as the level is)."""

    value: float
    low: float
    high: float


def bootstrap_interval(
    statistic: Callable[..., float],
    *values: Shaped[np.ndarray, "n ..."],
    groups: Shaped[np.ndarray, " n"] | None = None,
    resamples: int = 2000,
    level: float = 0.95,
    seed: int = 0,
) -> Interval:
    """Percentile bootstrap of any statistic of examples, drawn again with replacement.

    `bootstrap_interval(np.mean, hits)` for a share,
    `bootstrap_interval(gain_of_errors, *squared_errors(decoded, pictures, mean))` for a gain.

    Args:
      statistic: takes arrays as `values` and gives a number.
      values: examples along the first axis, the same ones in each array: they are drawn together.
      groups: which group, e.g. second of film, each example belongs to. Then whole groups are
        drawn: neighbouring frames are nearly the same, and by themselves make any figure look
        surer than it is.
      resamples: how often to draw.
      level: share of the resampled figures between the ends.
      seed: of the draws.

    Returns:
      The statistic of the examples as they are, and the ends; no width for a single example or
      group, whose interval is not known.
    """
    rng = np.random.default_rng(seed)
    n = len(values[0])
    members: list[np.ndarray] | None = None
    if groups is not None:
        _, group = np.unique(groups, return_inverse=True)
        ends = np.cumsum(np.bincount(group))[:-1]
        members = np.split(np.argsort(group, kind="stable"), ends)
    figures = np.empty(resamples)
    for i in range(resamples):
        if members is None:
            drawn = rng.integers(n, size=n)
        else:
            picked = rng.integers(len(members), size=len(members))
            drawn = np.concatenate([members[j] for j in picked])
        figures[i] = statistic(*(value[drawn] for value in values))
    low, high = np.quantile(figures, [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(statistic(*values)), float(low), float(high))


def median_of_seeds(figures: Sequence[Interval | float]) -> Interval:
    """The median over seeds; from the lowest end of any seed's interval to the highest.

    So it covers both what the examples and what the seeds leave open. Numbers count as intervals
    without width.
    """
    each = [f if isinstance(f, Interval) else Interval(f, f, f) for f in figures]
    value, low, high = zip(*each, strict=True)
    return Interval(float(np.median(value)), float(min(low)), float(max(high)))
