"""Adam as the experiments use it: a schedule, and rates of their own for parts of a model."""

from collections.abc import Callable, Mapping
from typing import Any, Literal

import jax
import optax

Schedule = Literal["cosine", "constant"]
"""Cosine warms up over 100 steps, or a tenth of all, and ends at a fiftieth of the rate."""


def adam(rate: float, schedule: Schedule, steps: int) -> optax.GradientTransformation:
    """Adam at a rate that follows the schedule over so many steps."""
    if schedule == "constant":
        return optax.adam(rate)
    warm_up = min(100, steps // 10)
    return optax.adam(optax.warmup_cosine_decay_schedule(0.0, rate, warm_up, steps, rate / 50))


def adam_by_part(
    rates: Mapping[str, float],
    part_of: Callable[[Any], Any],
    schedule: Schedule,
    steps: int,
) -> optax.GradientTransformation:
    """Adam with a rate for each part.

    Args:
      rates: of the parts, by name.
      part_of: from a tree of parameters to the same tree of names.
      schedule: of all rates.
      steps: of training.
    """
    each = {name: adam(rate, schedule, steps) for name, rate in rates.items()}
    return optax.multi_transform(each, part_of)


def by_top_name(params: Any) -> Any:
    """The parts of parameters, for `adam_by_part`, that are apart at the top: `{name: part}`."""
    return {name: jax.tree.map(lambda _, n=name: n, part) for name, part in params.items()}
