import numpy as np
import pytest

from wyh.errors import WyhError
from wyh.moments import Song, SongBank, Span

RATE = 1000
SPLITS = ("train", "validation", "test")


def song(name, secs, number=0, spans=()):
    """A waveform whose samples tell their place, and the recording they are of."""
    places = np.arange(round(secs * RATE)) % 30000
    return Song(name, (places if not number else -places - number).astype(np.int16), spans)


def bank_of(*lengths):
    return SongBank([song(f"{k:02d}.mp3", secs) for k, secs in enumerate(lengths)], RATE)


def places_of(bank, split, hop=10, reach=40, after=60):
    """For each recording, the samples that moments of a split reach."""
    moments = bank.moments(split, hop, reach, after)
    touched = np.zeros(sum(len(s.waveform) for s in bank.songs), bool)
    for moment in moments:
        touched[moment - reach : moment + after] = True
    edges = np.cumsum([len(s.waveform) for s in bank.songs])
    inside = np.searchsorted(edges, moments - reach, side="right")
    ends = np.searchsorted(edges, moments + after - 1, side="right")
    np.testing.assert_array_equal(inside, ends)  # none reaches into another recording
    return np.split(touched, edges[:-1])


def test_seconds_of_a_single_recording_are_held_out_with_a_guard():
    bank = bank_of(30.5)
    (train,), (validation,), (test,) = (places_of(bank, split) for split in SPLITS)
    secs = np.arange(len(train)) / RATE
    assert set(np.floor(secs[test])) == {4, 9, 14, 19, 24, 29}
    assert set(np.floor(secs[validation])) == {6, 16, 26}
    held = test | validation
    # All else is for training, but for a quarter of a second on either side.
    near = np.convolve(held, np.ones(501), "same") > 0.5
    np.testing.assert_array_equal(train, ~near)


def test_of_several_recordings_whole_ones_are_tests_and_seconds_validate():
    bank = bank_of(8, 8, 8, 8, 8, 8)
    test = [places.any() for places in places_of(bank, "test")]
    assert test == [False, False, False, False, True, False]
    assert all(places_of(bank, "test")[4])
    for number, places in enumerate(places_of(bank, "validation")):
        seconds = set(np.flatnonzero(places) // RATE)
        assert seconds == (set() if number == 4 else {6})
    train = places_of(bank, "train")
    assert not train[4].any()
    assert set(np.flatnonzero(train[0])) == {*range(5750), *range(7250, 8000)}


def test_of_many_recordings_whole_ones_validate():
    bank = bank_of(*[2] * 25)
    kinds = {split: [p.any() for p in places_of(bank, split)] for split in SPLITS}
    assert np.flatnonzero(kinds["test"]).tolist() == [4, 9, 14, 19, 24]
    assert np.flatnonzero(kinds["validation"]).tolist() == [11, 23]  # tenth and twentieth left
    assert sum(map(sum, kinds.values())) == 25


def test_equal_names_and_angles_of_one_take_share_a_split():
    twins = [song("a.mp3", 8), song("a.mp3", 8, 1), song("b.mp3", 8), song("b.wav", 8, 1)]
    kinds = [places.any() for places in places_of(SongBank(twins, RATE), "test")]
    assert kinds == [False, False, True, True]
    # One take in all: seconds of each.
    for places in places_of(SongBank(twins[:2], RATE), "test"):
        assert set(np.flatnonzero(places) // RATE) == {4}


@pytest.mark.parametrize("secs", [0.1, 1, 4.9])
def test_sound_too_short_is_judged_by_what_it_was_trained_on(secs):
    bank = bank_of(secs)
    moments = [bank.moments(split, 10, 40, 60) for split in SPLITS]
    assert moments[0][0] == 40 and moments[0][-1] + 60 > secs * RATE - 10
    for other in moments[1:]:
        np.testing.assert_array_equal(other, moments[0])


def test_the_first_test_second_needs_five_and_validation_waits_for_the_seventh():
    bank = bank_of(5)
    np.testing.assert_array_equal(bank.moments("test", 100, 40, 60), np.arange(4040, 5000, 100))
    assert bank.moments("train", 10, 40, 60).max() + 60 <= 3750
    validation, train = (bank.moments(split, 10, 40, 60) for split in ("validation", "train"))
    np.testing.assert_array_equal(validation, train)
    assert bank_of(7).moments("validation", 10, 40, 60).min() == 6040


def test_reach_is_the_same_on_both_sides_unless_told():
    bank = bank_of(4)
    np.testing.assert_array_equal(
        bank.moments("train", 10, 100), bank.moments("train", 10, 100, 100)
    )


def test_spans_of_a_data_set_are_kept_and_validation_is_cut_out_of_them():
    spans = (Span(0, 3700, "train"), Span(4000, 5000, "test"), Span(5300, 9000, "train"))
    other = (Span(0, 2000, "test"),)
    bank = SongBank([song("a", 9, spans=spans), song("b", 2, spans=other)], RATE)
    first, second = places_of(bank, "test")
    assert set(np.flatnonzero(first)) == set(range(4000, 5000)) and second.all()
    first, second = places_of(bank, "validation")
    assert set(np.flatnonzero(first)) == set(range(6000, 7000)) and not second.any()
    first, second = places_of(bank, "train", hop=1)
    assert set(np.flatnonzero(first)) == {*range(3700), *range(5300, 5750), *range(7250, 9000)}


def test_windows_are_what_is_around_moments_and_silence_beyond_everything():
    bank = SongBank([song("a", 1), song("b", 1, 1)], RATE)
    joined = np.concatenate([s.waveform for s in bank.songs])
    moments = np.array([[500, 1000], [1500, 777]])
    for length in (40, 41):
        windows = bank.windows(moments, length)
        assert windows.shape == (2, 2, length) and windows.dtype == np.int16
        for place in np.ndindex(2, 2):
            begin = moments[place] - length // 2
            np.testing.assert_array_equal(windows[place], joined[begin : begin + length])
    edge = bank.windows(np.array([0, len(joined)]), 8)
    np.testing.assert_array_equal(edge[0], [0, 0, 0, 0, 0, 1, 2, 3])
    np.testing.assert_array_equal(edge[1, 4:], 0)
    assert edge[1, :4].all()


def test_a_bank_tells_what_is_in_it():
    bank = bank_of(1, 2)
    assert bank.secs == 3
    told = bank.describe()
    assert told["recordings"] == ["00.mp3", "01.mp3"]
    assert told == bank_of(1, 2).describe()
    assert told["fingerprint"] != bank_of(1, 2.001).describe()["fingerprint"]
    # One array holds it all.
    assert all(s.waveform.base is bank.songs[0].waveform.base for s in bank.songs)


def test_moments_longer_than_what_is_held_out():
    told = "got moments of 1.2 s, wanted 1 s at most (validation): use fewer or quicker pictures, "
    with pytest.raises(WyhError) as error:
        bank_of(30).moments("validation", 10, 600)
    assert str(error.value) == told + "or longer sounds"
