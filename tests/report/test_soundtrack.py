"""Which sound a report of painted sound is made of."""

import numpy as np
import pytest

from tests.report.hearing import RATE, make_heard_run, song, write_song
from wyh.errors import WyhError
from wyh.report import soundtrack
from wyh.report.soundtrack import HELD_OUT, TRAIN, gather, middles_of

REACH = 129


@pytest.fixture
def run(tmp_path):
    return make_heard_run(tmp_path / "run", write_song(tmp_path / "song.wav"))


def test_seconds_that_training_held_out(run):
    track = gather(run, (), run.stream, REACH)
    (stretch,) = track.stretches
    assert track.source == "held-out song.wav"
    np.testing.assert_allclose(stretch.waveform, song(12.0), atol=1e-4)
    second = (np.arange(len(stretch.kinds)) + 0.5) / 24
    assert len(second) == 12 * 24
    held = stretch.kinds == HELD_OUT
    np.testing.assert_array_equal(held, np.floor(second) % 5 == 4)
    train = second[stretch.kinds == TRAIN]
    # What is trained on is further from a held-out second than the guard and half a window.
    for begin in (4, 9):
        apart = np.maximum(begin - train, train - begin - 1)
        assert apart.min() >= 0.25 + REACH / RATE - 0.01
    assert track.secs(HELD_OUT, 24.0) == 2


def test_the_same_sound_given_is_divided_too(run, tmp_path):
    track = gather(run, (tmp_path / "song.wav",), run.stream, REACH)
    assert track.secs(HELD_OUT, 24.0) == 2


def test_other_sound_is_measured_whole(run, tmp_path):
    other = write_song(tmp_path / "other.wav", 7.0, seed=3)
    track = gather(run, (other, tmp_path / "song.wav"), run.stream, REACH)
    assert track.source == "other.wav"
    own, unseen = track.stretches
    assert set(own.kinds) == {0, TRAIN} and set(unseen.kinds) == {HELD_OUT}
    assert len(unseen.kinds) == 7 * 24


def test_without_the_run_s_own_sound_readers_are_fitted_to_the_input(run, tmp_path):
    other = write_song(tmp_path / "other.wav", 7.0, seed=3)
    (tmp_path / "song.wav").unlink()
    with pytest.raises(WyhError, match=r"trained on is not here: name some .* SONG\.mp3"):
        gather(run, (), run.stream, REACH)
    with pytest.raises(WyhError, match=r"got 1\.0 s held out, wanted 2 s or more: name longer"):
        gather(run, (other,), run.stream, REACH)
    longer = write_song(tmp_path / "longer.wav", 12.0, seed=3)
    track = gather(run, (longer,), run.stream, REACH)
    assert "longer.wav (readers fitted to other seconds" in track.source
    assert set(track.stretches[0].kinds) == {0, TRAIN, HELD_OUT}


def test_sound_that_it_was_trained_on(run, tmp_path):
    write_song(tmp_path / "song.wav", 12.0, seed=5)  # of that name, if not that sound
    with pytest.raises(WyhError, match=r"got song\.wav, which it was trained on, wanted other"):
        gather(run, (tmp_path / "song.wav",), run.stream, REACH)


def test_of_long_sound_pieces_are_painted(run, monkeypatch):
    monkeypatch.setattr(soundtrack, "PIECE_SECS", 5.0)
    monkeypatch.setattr(soundtrack, "LONGEST_SECS", 10.0)
    bank = soundtrack._own(run, run.stream)
    pieces = list(soundtrack._pieces(bank, 10.0))
    assert [(begin, end) for _, _, begin, end in pieces] == [(0, 5 * RATE), (6 * RATE, 11 * RATE)]
    made = soundtrack._of_bank(bank, run.stream, REACH, 10.0)
    # Seconds 4 and 9 of the song, which are seconds 4 and 3 of the pieces.
    for stretch, second in zip(made, (4, 3), strict=True):
        held = np.flatnonzero(stretch.kinds == HELD_OUT)
        np.testing.assert_array_equal(held, np.arange(second * 24, second * 24 + 24))


def test_middles_are_in_the_middle(run):
    assert middles_of(3, run.stream).tolist() == [167, 500, 833]
