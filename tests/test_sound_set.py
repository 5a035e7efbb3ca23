import json

import numpy as np
import pytest

from wyh.errors import WyhError
from wyh.sound_set import INDEX, WINDOWS, Sound, crc_of_ends, is_sound_set, open_sound_set

SOUNDS = (
    Sound("a/1.wav", 0, 1, "ann", 2),
    Sound("a/2.wav", 0, 3, "ben", 1),
    Sound("b/1.wav", 1, 3, "ann", 3),
    Sound("b/2.wav", 1, 4, "ben", 1),
)


@pytest.fixture
def made(tmp_path):
    windows = np.arange(7 * 10, dtype=np.int16).reshape(7, 10) * 100
    np.save(tmp_path / WINDOWS, windows)
    index = {
        "format": 1,
        "fingerprint": "made up",
        "sample_rate": 8000,
        "samples": 10,
        "classes": ["a", "b"],
        "test_fold": 3,
        "crc32": crc_of_ends(windows),
        "sounds": [sound._asdict() for sound in SOUNDS],
    }
    (tmp_path / INDEX).write_text(json.dumps(index))
    return tmp_path


def test_what_a_set_tells(made):
    found = open_sound_set(made)
    assert is_sound_set(made)
    assert found.sounds == SOUNDS
    assert (found.folds, found.groups) == ((1, 3, 4), ("ann", "ben"))
    assert found.secs == 10 / 8000
    np.testing.assert_array_equal(found.sound_of, [0, 0, 1, 2, 2, 2, 3])
    np.testing.assert_array_equal(found.labels, [0, 0, 0, 1, 1, 1, 1])
    np.testing.assert_allclose(
        found.waveforms([6, 0])[:, 0], np.array([6000, 0]) / 32768, rtol=1e-6
    )
    assert found.describe() == {
        "fingerprint": "made up",
        "recordings": ["a/1.wav", "a/2.wav", "b/1.wav", "b/2.wav"],
    }


def test_splits(made):
    found = open_sound_set(made)
    for (train, test), expected in [
        ((found.rows("train"), found.rows("test")), [2, 3, 4, 5]),
        ((found.rows("train", 1), found.rows("test", 1)), [0, 1]),
        ((found.rows_without("ben", "train"), found.rows_without("ben", "test")), [2, 6]),
    ]:
        np.testing.assert_array_equal(test, expected)
        np.testing.assert_array_equal(train, np.setdiff1d(np.arange(7), test))
    with pytest.raises(WyhError, match="got fold 2, wanted one of 1, 3, 4"):
        found.rows("test", 2)
    with pytest.raises(WyhError, match="got group 'tom', wanted one of ann, ben"):
        found.rows_without("tom", "test")


def edited(made, **values):
    path = made / INDEX
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda made: (made / INDEX).unlink(), r"no set of sounds \(sounds.json is missing\)"),
        (lambda made: edited(made, format=2), "got format version 2, wanted 1; prepare the sounds"),
        (lambda made: (made / INDEX).write_text("{"), r"sounds.json: damaged \(.*\); prepare the"),
        (lambda made: edited(made, sounds=[{"name": "a"}]), r"sounds.json: damaged"),
        (lambda made: (made / WINDOWS).unlink(), r"windows.npy: is missing; prepare the sounds"),
        (lambda made: (made / WINDOWS).write_bytes(b"no"), r"windows.npy: damaged; prepare"),
        (lambda made: (made / WINDOWS).write_bytes(b""), r"windows.npy: damaged; prepare"),
        (lambda made: edited(made, samples=9), r"windows.npy: damaged; prepare"),
        (lambda made: edited(made, crc32=0), r"windows.npy: damaged; prepare"),
    ],
)
def test_what_is_not_whole(made, damage, message):
    damage(made)
    with pytest.raises(WyhError, match=message):
        open_sound_set(made)


def test_a_file_cut_short(made):
    path = made / WINDOWS
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(WyhError, match=r"windows.npy: damaged"):
        open_sound_set(made)
