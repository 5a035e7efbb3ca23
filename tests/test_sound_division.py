from pathlib import Path

import numpy as np
import pytest

from tests.named_sounds import make_sound_set
from wyh.errors import WyhError
from wyh.sound_division import divided
from wyh.sound_set import Sound, SoundSet


def set_of(*sounds, test_fold=0):
    """A set without its sounds: `(label, fold, group)` of each."""
    all_sounds = tuple(Sound(f"{n}", *about, 1) for n, about in enumerate(sounds))
    return SoundSet(Path("set"), "", 8000, 100, ("a", "b"), all_sounds, test_fold)


def test_the_next_fold_chooses(tmp_path):
    sounds = make_sound_set(tmp_path / "set", windows=2)
    folds = np.array([sound.fold for sound in sounds.sounds])[sounds.sound_of]
    for tested, chooses, trained in ((0, 1, 2), (1, 2, 0), (2, 0, 1)):
        found = divided(sounds, str(tested))
        assert found.told == f"fold {tested}"
        for rows, fold in zip(found, (trained, chooses, tested), strict=False):
            np.testing.assert_array_equal(rows, np.flatnonzero(folds == fold))
    for mine, other in zip(divided(sounds), divided(sounds, "0"), strict=True):
        np.testing.assert_array_equal(mine, other)


def test_a_group_is_held_out(tmp_path):
    sounds = make_sound_set(tmp_path / "set")
    groups = np.array([sound.group for sound in sounds.sounds])
    found = divided(sounds, without="ann")
    assert found.told == "group ann"
    np.testing.assert_array_equal(found.test, np.flatnonzero(groups == "ann"))
    beside = np.sort(np.concatenate([found.training, found.validation]))
    np.testing.assert_array_equal(beside, np.flatnonzero(groups == "ben"))
    assert len(found.validation) and len(found.training)


def test_two_folds_alone():
    many = [(n % 2, 1, "x") for n in range(20)]
    found = divided(set_of((0, 0, "y"), (1, 0, "y"), *many))
    np.testing.assert_array_equal(found.test, [0, 1])
    np.testing.assert_array_equal(found.validation, [7, 17])
    assert len(found.training) == 18
    few = divided(set_of((0, 0, "y"), (0, 1, "x"), (1, 1, "x")))
    np.testing.assert_array_equal(few.validation, [2])
    one = divided(set_of((0, 0, "y"), (0, 1, "x")))  # it has to do for both
    np.testing.assert_array_equal(one.training, [1])
    np.testing.assert_array_equal(one.validation, [1])


def test_a_fold_that_is_needed_to_train_on_does_not_choose():
    found = divided(set_of((0, 0, "y"), (0, 1, "x"), (1, 1, "x"), (0, 2, "x"), test_fold=0))
    np.testing.assert_array_equal(found.training, [1, 2])
    np.testing.assert_array_equal(found.validation, [3])


def test_what_is_not_there(tmp_path):
    sounds = make_sound_set(tmp_path / "set", groups=("ann",))
    with pytest.raises(WyhError, match="got fold 9, wanted one of 0, 1, 2"):
        divided(sounds, "9")
    with pytest.raises(WyhError, match="got group 'tom', wanted one of ann"):
        divided(sounds, without="tom")
    with pytest.raises(WyhError, match="got nothing beside group ann, wanted other sounds as well"):
        divided(sounds, without="ann")
