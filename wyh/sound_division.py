"""Which sounds of a set are trained on, which choose what is kept, and which are for testing."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Int

from wyh.errors import WyhError
from wyh.sound_set import SoundSet

EVERY = 10
"""One sound of so many is kept for validation where no fold can be."""


class Divided(NamedTuple):
    """Windows of a set by number."""

    training: Int[np.ndarray, " n"]
    validation: Int[np.ndarray, " m"]
    test: Int[np.ndarray, " k"]
    told: str  # what is for testing


def divided(sounds: SoundSet, fold: str = "", without: str = "") -> Divided:
    """Which windows to train on, which choose the best variables, and which are for testing.

    Those that choose are the next fold that leaves all classes to train on, or else one sound of
    ten.

    Raises:
      WyhError: there is no such fold or group, or nothing to train on or to test with.
    """
    tested = int(fold) if fold else sounds.test_fold
    if without:
        rest, test = (sounds.rows_without(without, split) for split in ("train", "test"))
    else:
        rest, test = (sounds.rows(split, tested) for split in ("train", "test"))
    told = f"group {without}" if without else f"fold {tested}"
    if not len(rest) or not len(test):
        raise WyhError(f"{sounds.path}: got nothing beside {told}, wanted other sounds as well")
    folds = sounds.folds
    at = folds.index(tested)
    fold_of = np.array([sound.fold for sound in sounds.sounds])[sounds.sound_of]
    classes = set(sounds.labels[rest])
    for held in (*folds[at + 1 :], *folds[: at + 1]):
        mine = fold_of[rest] == held
        if mine.any() and set(sounds.labels[rest[~mine]]) == classes:
            return Divided(rest[~mine], rest[mine], test, told)
    of = sounds.sound_of[rest]
    mine = np.isin(of, np.unique(of)[EVERY // 2 :: EVERY])
    if not mine.any():
        mine = of == of[-1]
    return Divided(rest[~mine] if not mine.all() else rest, rest[mine], test, told)
