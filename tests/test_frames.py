from fractions import Fraction

import numpy as np
import pytest

from tests.conftest import make_dataset
from wyh import frames as frames_module
from wyh.errors import WyhError
from wyh.frames import FrameBank, shuffled, thinned


def numbered(recording, count):
    """Frames whose pixels are their recording and their number."""
    frames = np.full((count, 8, 8, 1), recording, np.uint8)
    frames[:, 4:] = (np.arange(count) % 256)[:, None, None, None]
    return frames


@pytest.fixture
def banks(tmp_path):
    """Makes the two banks of a set: in memory, and read frame by frame."""

    def make(lengths, **how):
        recordings = {f"{i:02d}.mp4": numbered(i, length) for i, length in enumerate(lengths)}
        dataset = make_dataset(tmp_path / "set", recordings, **how)
        return FrameBank(dataset, "train"), FrameBank(dataset, "train", memory_bytes=0)

    return make


def test_frames_by_number_whatever_the_windows(banks):
    indices = np.array([0, 7, 5, 5, 11, 8])
    for bank in banks([8, 4], frames_per_window=2):
        assert bank.size == 12
        frames = bank.frames_at(indices)
        assert frames.shape == (6, 8, 8, 1) and frames.dtype == np.uint8
        assert list(frames[:, 0, 0, 0]) == [0, 0, 0, 0, 1, 1]
        assert list(frames[:, 4, 0, 0]) == [0, 7, 5, 5, 3, 0]
        assert len(bank.frames_at(np.arange(0))) == 0


def test_one_recording_is_validated_on_every_tenth_second_with_a_guard(banks):
    # As data_prep leaves it: every fifth second is for testing.
    kept = lambda secs: int(secs) % 5 != 4  # noqa: E731
    banks = banks([200], kept=kept)
    for bank in banks:
        training, validation = bank.divide()
        secs = (np.arange(200) / 10)[[kept(i / 10) for i in range(200)]]
        held, used = secs[validation], secs[training]
        assert set(np.floor(held).astype(int)) == {7, 17}
        assert len(held) == 20
        gaps = np.abs(used[:, None] - held).min(axis=1)
        assert gaps.min() > 0.25
        # Nothing else is lost: 2 frames or 3 on either side of a block.
        assert len(secs) - len(held) - len(used) <= 2 * 6
    for mine, other in zip(banks[0].divide(), banks[1].divide(), strict=True):
        np.testing.assert_array_equal(mine, other)


def test_windows_of_several_frames_are_divided_by_frames(banks):
    for bank in banks([120], frames_per_window=4):
        _, validation = bank.divide()
        np.testing.assert_array_equal(validation, np.arange(70, 80))


@pytest.mark.parametrize(
    ("lengths", "held"),
    [([3, 5], [1]), ([2] * 5, [4]), ([2] * 10, [9]), ([2] * 11, [5]), ([2] * 27, [5, 15, 25])],
)
def test_of_several_recordings_whole_ones_are_kept(banks, lengths, held):
    for bank in banks(lengths):
        training, validation = bank.divide()
        recording = np.repeat(np.arange(len(lengths)), lengths)
        assert sorted(set(recording[validation])) == held
        assert sorted(set(recording[training]) | set(held)) == list(range(len(lengths)))
        assert not set(recording[training]) & set(held)
        assert len(training) + len(validation) == sum(lengths)


@pytest.mark.parametrize("length", [1, 10, 75])
def test_footage_too_short_is_validated_on_what_it_trains_on(banks, length):
    for bank in banks([length]):
        training, validation = bank.divide()
        if length < 71:
            np.testing.assert_array_equal(training, np.arange(length))
            np.testing.assert_array_equal(validation, training)
        else:
            assert set(validation) == set(range(70, 75)) and set(training) < set(range(70))


def test_a_frame_rate_of_fractions_rounds_no_frame_into_the_next_second(banks):
    """Second 7 begins at frame 210 of 30 Hz, though 210 / 30 of it may come out below 7."""
    for bank in banks([300], frame_rate=Fraction(30)):
        np.testing.assert_array_equal(bank.divide()[1], np.arange(210, 240))


def test_runs_end_with_a_recording_a_hole_and_what_was_not_chosen(banks):
    """Every frame of those chosen is in one run, in any order; frames 20 to 29 are not there."""
    for bank in banks([30, 5], kept=lambda secs: int(secs + 1e-6) != 2):
        assert bank.size == 25
        for run, first in zip(bank.runs(np.arange(25)), (0, 20), strict=True):
            assert run[0] == first
        chosen = np.array([9, 21, 19, 1, 20, 2, 10, 8])
        found = [run.tolist() for run in bank.runs(chosen)]
        assert found == [[1, 2], [8, 9, 10], [19], [20, 21]]
        (nothing,) = bank.runs(np.arange(0))
        assert not len(nothing)


def test_runs_of_windows_of_several_frames(banks):
    for bank in banks([30], kept=lambda secs: int(secs + 1e-6) != 1, frames_per_window=2):
        found = [run.tolist() for run in bank.runs(np.arange(20))]
        assert found == [list(range(10)), list(range(10, 20))]


def test_sequences_are_frames_that_follow_one_another_in_one_recording(banks):
    for bank in banks([8, 4], frames_per_window=2):
        found = bank.sequences(np.arange(12), 3)
        np.testing.assert_array_equal(found[:, 0], [0, 1, 2, 3, 4, 5, 8, 9])
        assert (np.diff(found, axis=1) == 1).all()


def test_sequences_do_not_cross_what_was_not_chosen(banks):
    for bank in banks([20]):
        chosen = np.array([9, 1, 2, 3, 0, 7, 8, 10, 15])  # in any order
        found = bank.sequences(chosen, 3)
        np.testing.assert_array_equal(
            found, [[0, 1, 2], [1, 2, 3], [7, 8, 9], [8, 9, 10], [15, 15, 15]]
        )


def test_sequences_do_not_cross_a_gap_in_time(banks):
    """Frames 0 to 9 and 20 to 29 of the film have following numbers in the data set."""
    for bank in banks([30], kept=lambda secs: int(secs + 1e-6) != 1):
        found = bank.sequences(np.arange(20), 6)
        np.testing.assert_array_equal(found[:, 0], [0, 1, 2, 3, 4, 10, 11, 12, 13, 14])
        seconds = bank.films_at(found)[:, :, 4, 0, 0] // 10
        assert (seconds == seconds[:, :1]).all()


def test_photos_and_short_runs_are_held(banks):
    for bank in banks([1, 1, 2]):
        found = bank.sequences(np.arange(4), 3)
        np.testing.assert_array_equal(found, [[0, 0, 0], [1, 1, 1], [2, 3, 3]])


def test_films_by_number(banks):
    for bank in banks([8, 4], frames_per_window=2):
        films = bank.films_at(bank.sequences(np.arange(12), 4))
        assert films.shape == (6, 4, 8, 8, 1) and films.dtype == np.uint8
        np.testing.assert_array_equal(films[4, :, 4, 0, 0], [4, 5, 6, 7])
        np.testing.assert_array_equal(films[5, :, 4, 0, 0], [0, 1, 2, 3])
        assert (films[5, :, 0] == 1).all()


def test_no_frames(tmp_path):
    dataset = make_dataset(tmp_path / "set", {"a": numbered(0, 3)})
    with pytest.raises(WyhError, match="no pictures to train on: give more footage"):
        FrameBank(dataset, "test")


def test_thinned_values_are_evenly_spread():
    for count, most in [(10, 10), (11, 10), (1000, 7), (3, 100), (1, 1)]:
        kept = thinned(np.arange(count), most)
        assert 1 <= len(kept) <= most
        assert len(kept) > min(count, most) // 2
        assert len(set(np.diff(kept))) <= 1
    assert thinned(np.zeros((0, 4)), 5).shape == (0, 4)


@pytest.mark.parametrize(("size", "batch_size"), [(10, 3), (7, 7), (3, 20), (1, 4), (50, 8)])
def test_every_epoch_is_a_permutation(size, batch_size):
    steps = 4 * size
    drawn = np.concatenate([shuffled(step, batch_size, size, 5) for step in range(steps)])
    epochs = drawn[: len(drawn) // size * size].reshape(-1, size)
    assert (np.sort(epochs, axis=1) == np.arange(size)).all()
    if size > 3:
        assert len({tuple(epoch) for epoch in epochs}) > 1


def test_a_step_depends_on_nothing_but_itself_and_the_seed():
    forwards = [shuffled(step, 4, 10, 0) for step in range(30)]
    frames_module._order.cache_clear()
    backwards = [shuffled(step, 4, 10, 0) for step in reversed(range(30))][::-1]
    np.testing.assert_array_equal(forwards, backwards)
    assert not np.array_equal(forwards[:10], [shuffled(step, 4, 10, 1) for step in range(10)])
