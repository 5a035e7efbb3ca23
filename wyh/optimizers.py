"""Optimizers as the experiments use them: a schedule, and rates for parts of a model."""

from collections.abc import Callable, Mapping
from typing import Any, Literal

import jax
import optax

Schedule = Literal["cosine", "constant"]
"""Cosine warms up over 100 steps, or a tenth of all, and ends at a fiftieth of the rate."""


Method = Literal["adam", "nesterov"]
"""Nesterov is gradient descent with his momentum, of 0.9."""


def rates(rate: float, schedule: Schedule, steps: int) -> float | optax.Schedule:
    """The rate of each of so many steps."""
    if schedule == "constant":
        return rate
    warm_up = min(100, steps // 10)
    return optax.warmup_cosine_decay_schedule(0.0, rate, warm_up, steps, rate / 50)


def descent(
    method: Method, rate: float, schedule: Schedule, steps: int
) -> optax.GradientTransformation:
    """A method at a rate that follows the schedule over so many steps."""
    at = rates(rate, schedule, steps)
    return optax.adam(at) if method == "adam" else optax.sgd(at, momentum=0.9, nesterov=True)


def adam(rate: float, schedule: Schedule, steps: int) -> optax.GradientTransformation:
    """Adam at a rate that follows the schedule over so many steps."""
    return descent("adam", rate, schedule, steps)


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
