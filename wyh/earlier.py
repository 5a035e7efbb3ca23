"""What training takes over from an earlier run: its configuration, or its parameters."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import jax
import jax.numpy as jnp

from wyh.errors import WyhError
from wyh.plain import from_plain
from wyh.run_choice import newest_run
from wyh.runs import load_run, load_variables

ConfigT = TypeVar("ConfigT", bound=Any)


def config_as_begun(asked: ConfigT, kind: str, default_steps: int) -> ConfigT:
    """The configuration of the run to go on with; `fit.steps` may ask for more.

    Args:
      asked: an experiment's config, with `out`, `resume` and `fit`.
      kind: of the experiment's runs.
      default_steps: what `asked.fit.steps` is where the user did not ask for any number.

    Raises:
      WyhError: there is no such run, or it is another experiment's.
    """
    run = load_run(asked.out) if asked.out is not None else newest_run(kind=kind)
    if run is None:
        raise WyhError("got --resume, but there is no run under runs/: name one with --out")
    if run.kind != kind:
        raise WyhError(f"{run.directory} is a run of {run.kind}, wanted {kind}: choose with --out")
    begun = from_plain(type(asked), run.config)
    steps = begun.fit.steps if asked.fit.steps == default_steps else asked.fit.steps
    return replace(begun, resume=True, out=run.directory, fit=replace(begun.fit, steps=steps))


def params_of(path: Path, like: Any, optional: Sequence[str] = ()) -> Any:
    """The best parameters of another run, which must have the shapes of `like`.

    Args:
      path: of the run.
      like: parameters as they begin, by part.
      optional: parts that either may have without the other: as they begin, or left out.

    Raises:
      WyhError: no run, or other sizes.
    """
    given = dict(load_variables(load_run(path)).get("params", {}))
    for part in optional:
        if part not in like:
            given.pop(part, None)
        else:
            given.setdefault(part, like[part])
    if jax.tree.map(jnp.shape, given) != jax.tree.map(jnp.shape, like):
        raise WyhError(f"{path} has other sizes: train it with this preset and --size")
    return given
