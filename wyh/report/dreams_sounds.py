"""The sounds that naming sounds is measured on: those that training kept for testing."""

from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Int

from wyh.classifying import Classifying
from wyh.errors import WyhError
from wyh.models.sound_classifier import ClassifierConfig, Recogniser
from wyh.runs import Run, load_run
from wyh.sound_division import divided
from wyh.sound_set import SoundSet, is_sound_set, open_sound_set


class Kept(NamedTuple):
    """A set, and which windows of it are for testing."""

    sounds: SoundSet
    rows: Int[np.ndarray, " n"]
    told: str  # what they are


def find_sounds(
    run: Run | None, names: tuple[str, ...], fingerprint: object, inputs: tuple[Path, ...]
) -> Kept | None:
    """The sounds kept for testing: of the set that is given, or else of a run's own.

    Args:
      run: that was trained on sounds, if it is still there.
      names: of the classes.
      fingerprint: of its set.
      inputs: what is given; a set of sounds among it is taken.

    Returns:
      None where nothing is given and the run's own are not there.

    Raises:
      WyhError: a set of other classes, or a damaged one.
    """
    given = [path for path in inputs if is_sound_set(path)]
    if given:
        sounds, fold, without = open_sound_set(given[0]), "", ""
    else:
        own = None if run is None else run.config.get("data")
        if run is None or own is None or not is_sound_set(Path(str(own))):
            return None
        sounds = open_sound_set(Path(str(own)))
        if sounds.fingerprint != fingerprint:
            return None
        fold, without = (str(run.config.get(name, "")) for name in ("fold", "without"))
    if sounds.classes != names:
        raise WyhError(
            f"{sounds.path}: got sounds of {', '.join(sounds.classes[:12])}, wanted those of the "
            f"run: {', '.join(names[:12])}"
        )
    rows = divided(sounds, fold, without)
    return Kept(sounds, rows.test, rows.told)


def check_rate(sounds: SoundSet, config: ClassifierConfig) -> None:
    """See that a run hears sounds at the rate they have.

    Raises:
      WyhError: another.
    """
    wanted = config.features.sample_rate
    if sounds.sample_rate != wanted:
        raise WyhError(
            f"{sounds.path}: got sounds at {sounds.sample_rate} Hz, wanted {wanted} Hz as the run "
            f"hears them: prepare them again with --sample-rate {wanted}"
        )


def learned_of(config: ClassifierConfig, classes: int, variables: Any) -> Classifying:
    """What a run that names sounds has learned."""
    mean, std = (np.asarray(variables[name]) for name in ("mean", "std"))
    return Classifying(Recogniser(config, classes), classes, mean, std)


def part_of(run: Run, name: str) -> Run | None:
    """A run that another one was joined of, if it is still there."""
    with suppress(WyhError):
        return load_run(Path(str(run.config.get(name, ""))))
    return None
