"""From a run directory to something playable. Every kind of run is named here."""

import importlib
from dataclasses import dataclass
from typing import Any

from wyh.errors import WyhError
from wyh.plain import from_plain
from wyh.runs import Run, load_variables
from wyh.transducers.protocol import Transducer


@dataclass(frozen=True)
class Player:
    """A run, ready to compile and play."""

    run: Run
    transducer: Transducer
    variables: dict[str, Any]


def load_player(run: Run, checkpoint: str = "best", custom: str | None = None) -> Player:
    """The transducer of a run and its variables.

    Args:
      run: from `wyh.runs`.
      checkpoint: best, latest, or the number of a step that is still kept.
      custom: `module:function`, called with the run to make the transducer. It comes from the
        command line alone: a run that somebody shared never names code to execute.

    Raises:
      WyhError: unknown kind, damaged run, no such checkpoint or function.
    """
    make = transducer_of if custom is None else _function(custom)
    player = Player(run, make(run), _variables(run, checkpoint))
    if missing := player.transducer.needs - player.variables.keys():
        lacking = ", ".join(sorted(missing))
        raise WyhError(f"{run.directory} is damaged: its variables lack {lacking}; copy it again")
    return player


def _variables(run: Run, checkpoint: str) -> dict[str, Any]:
    if checkpoint in ("best", "latest"):
        return load_variables(run, checkpoint)
    if not checkpoint.isdecimal():
        raise WyhError(f"got the checkpoint {checkpoint!r}, wanted best, latest or a step's number")
    from wyh.checkpoints import load_checkpoint_variables  # Orbax: only where it is asked for

    return load_checkpoint_variables(run, int(checkpoint))


def transducer_of(run: Run) -> Transducer:
    """The transducer of a run of a kind that wyh knows."""
    if run.stream is None:
        raise WyhError(f"{run.directory} is part of a model and cannot be played alone")
    match run.kind:
        case "autoencoder":
            from wyh.transducers.autoencoder import SonifierConfig, sonifier

            try:
                sound = from_plain(SonifierConfig, run.config.get("sound"))
                return sonifier(sound, run.stream.video)
            except WyhError as error:
                raise WyhError(f"{run.directory}/config.json is damaged: {error}") from None
        case _:
            raise WyhError(
                f"{run.directory} is of the kind {run.kind!r}, which this version does not know: "
                f"update wyh, or name its code with --transducer"
            )


def _function(name: str) -> Any:
    module, _, function = name.partition(":")
    try:
        return getattr(importlib.import_module(module), function)
    except (ImportError, AttributeError, ValueError) as error:
        raise WyhError(f"got --transducer {name!r}, wanted module:function ({error})") from None
