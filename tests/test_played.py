"""Films of playing as training sees them: which frames tell of a strike, levels, rows, splits."""

from dataclasses import replace

import numpy as np
import pytest

from tests.playing import FRAME_RATE, NOTES, READER, played_set, sound_of, strikes_of
from wyh.errors import WyhError
from wyh.frames import FrameBank
from wyh.played import LOUDEST, NEAR, PlayedBank, level_gain, note_truth, recordings_of, struck_in
from wyh.signal.notes import NoteReader, parse_notes
from wyh.soundtracks import Soundtrack
from wyh.transcript import LAW, Transcript, notes_of

SECS, TIME = 4.0, 6
A, B = strikes_of(SECS, 1), strikes_of(SECS, 2)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    """Three recordings with sound; the first is quiet, the second has no truth file."""
    folder = tmp_path_factory.mktemp("sets") / "set"
    recordings = {"a.mp4": A, "b.mp4": B, "mute.mp4": None, "z.mp4": A}
    told = {"a.mp4": A, "z.mp4": A}
    return played_set(folder, recordings, truths=told, levels=(0.04, 0.4, 0, 0.4))


@pytest.fixture(scope="module")
def bank(dataset):
    return PlayedBank.of(dataset, READER, TIME)


def read(dataset, reader=READER):
    bank = FrameBank(dataset, "train")
    track = Soundtrack(dataset, "train", bank)
    return {each.name: each for each in recordings_of(dataset, "train", bank, track, reader)}


def test_frames_tell_of_the_nearest_strike_near_them(rng):
    """Each frame and note by itself, in frames that are not all in a row."""
    ticks = np.flatnonzero(rng.uniform(size=80) < 0.7)
    times = np.sort(rng.uniform(0, 85 / 25, 90))
    strikes = Transcript(times, READER.hz[rng.integers(0, 3, 90)], np.ones(90))
    onset, offset = struck_in(strikes, ticks, READER)
    notes = notes_of(strikes, READER.hz)
    for row, tick in enumerate(ticks):
        for note in range(3):
            away = times[notes == note] * 25 - tick - 0.5
            nearest = min(away, key=abs)
            assert onset[row, note] == (abs(nearest) <= NEAR)
            wanted = np.clip(nearest, -0.5, 0.5) if onset[row, note] else 0
            assert offset[row, note] == pytest.approx(wanted, abs=1e-6)
    assert 0.2 < onset.mean() < 0.9


def test_a_strike_between_two_frames_is_told_by_both():
    for at in np.linspace(5, 6, 41):
        strike = Transcript(np.array([at / 25]), READER.hz[1:2], np.ones(1))
        onset, offset = struck_in(strike, np.arange(12), READER)
        assert not onset[:, [0, 2]].any()
        rows = np.flatnonzero(onset[:, 1])
        near = min(at % 1, 1 - at % 1)
        assert len(rows) == (2 if near < 0.25 + 1e-6 else 1)
        times = rows + 0.5 + offset[rows, 1]
        assert np.abs(times - at).max() <= NEAR - 0.5 + 1e-5
        assert np.abs(times - at).min() <= 1e-5  # one of them is right


def test_a_strike_as_hard_as_can_be_is_as_loud_in_every_recording(dataset):
    """However far its microphone was turned up."""
    found = read(dataset)
    quiet, loud = found["a.mp4"], found["z.mp4"]
    np.testing.assert_allclose(quiet.amplitude, loud.amplitude, atol=2e-3)
    np.testing.assert_allclose(quiet.waveform, loud.waveform, atol=2e-3)
    frames = np.floor(A.times_secs * 25).astype(int)
    notes = notes_of(A, READER.hz)
    heard = np.maximum(loud.amplitude[frames, notes], loud.amplitude[frames + 1, notes])
    np.testing.assert_allclose(heard / A.velocities**LAW, LOUDEST, rtol=0.4)
    assert np.mean(heard / A.velocities**LAW) == pytest.approx(LOUDEST, rel=1e-3)


def test_levels_of_recordings_in_which_little_is_struck():
    amplitude = READER.amplitudes_of(sound_of(A, SECS))
    nothing = Transcript(*(np.zeros(0) for _ in range(3)))
    assert level_gain(amplitude, nothing, READER) == pytest.approx(LOUDEST / amplitude.max())
    late = Transcript(np.array([SECS + 1]), READER.hz[:1], np.ones(1))
    assert level_gain(amplitude, late, READER) == pytest.approx(LOUDEST / amplitude.max())
    # A strike whose sound another split has says nothing of the level.
    both = Transcript(*(np.append(A[i], last) for i, last in enumerate((3.99, READER.hz[0], 1.0))))
    amplitude[-2:] = 0
    gains = [level_gain(amplitude, strikes, READER) for strikes in (A, both)]
    assert gains[0] == pytest.approx(gains[1])


def test_what_is_heard_is_what_the_frames_are_told_of(dataset, bank):
    found = read(dataset)
    assert list(found) == ["a.mp4", "b.mp4", "z.mp4"]  # the silent one is left out
    assert [each.told for each in found.values()] == [True, False, True]
    for name, each in found.items():
        np.testing.assert_array_equal(each.ticks, np.arange(100))
        own = note_truth(each, READER)
        for values, mine in zip(bank.truth, own, strict=True):
            np.testing.assert_array_equal(values[each.frames], mine)
        loudest = np.sort(each.amplitude.max(axis=0))[-1]
        assert 0.15 < loudest < 0.45, name
    mute = np.setdiff1d(np.arange(400), np.concatenate([each.frames for each in found.values()]))
    assert len(mute) == 100
    assert not any(values[mute].any() for values in bank.truth)
    assert not np.isin(bank.training, mute).any() and not np.isin(bank.validation, mute).any()


def test_strikes_are_heard_where_there_is_no_truth(dataset):
    heard = read(dataset)["b.mp4"].strikes
    near = np.abs(heard.times_secs[:, None] - B.times_secs[None])
    same = np.abs(heard.hz[:, None] / B.hz[None] - 1) < 0.02
    found = (near < 0.03) & same
    assert found.any(axis=0).mean() > 0.8 and found.any(axis=1).mean() > 0.8


def test_rows_are_frames_in_a_row_of_one_recording(dataset, bank):
    starts, owners = bank.bank.places
    assert bank.training.shape[1] == TIME + 2
    for rows in (bank.training, np.stack([bank.validation[:-1], bank.validation[1:]], axis=1)):
        assert (np.diff(owners[rows], axis=1) == 0).all()
        np.testing.assert_allclose(np.diff(starts[rows], axis=1), 1 / 25, atol=1e-6)
    names = [dataset.recordings[i].name for i in np.unique(owners[bank.training])]
    assert names == ["a.mp4", "b.mp4"]
    assert {dataset.recordings[i].name for i in owners[bank.validation]} == {"z.mp4"}


def test_batches_are_functions_of_the_step_alone(bank):
    one, again, other = bank.step(3, 4, 0), bank.step(3, 4, 0), bank.step(3, 4, 1)
    np.testing.assert_array_equal(one.films, again.films)
    assert one.films.shape == (4, TIME + 2, 8, 12, 1) and one.films.dtype == np.uint8
    assert all(values.shape == (4, TIME, 3) for values in one.truth)
    assert (one.films != other.films).any()
    size = len(bank.training)
    seen = np.concatenate([bank.step(n, 4, 0).truth.amplitude for n in range(-(-size // 4))])
    wanted = bank.at(bank.training).truth.amplitude
    found = seen[:size].reshape(size, -1)
    np.testing.assert_array_equal(
        np.unique(found, axis=0), np.unique(wanted.reshape(size, -1), axis=0)
    )


def test_truth_is_of_all_pictures_but_the_first_and_the_last(bank):
    rows = bank.training[[0, 50]]
    played = bank.at(rows)
    for values, all_of_them in zip(played.truth, bank.truth, strict=True):
        np.testing.assert_array_equal(values, all_of_them[rows[:, 1:-1]])
    np.testing.assert_array_equal(played.films, bank.bank.films_at(rows))


def numbered(bank):
    """The bank, with each frame's number for its amplitudes."""
    numbers = np.repeat(np.arange(bank.bank.size, dtype=np.float32)[:, None], 3, axis=1)
    return replace(bank, truth=bank.truth._replace(amplitude=numbers))


def places_of(held):
    """Numbers of the frames that are told of."""
    return np.concatenate([each.truth.amplitude[0, :, 0] for each in held]).astype(int)


@pytest.mark.parametrize(("time", "most", "count"), [(24, 99, 4), (24, 2, 2), (500, 9, 1)])
def test_held_rows_follow_one_another_and_do_not_overlap(bank, time, most, count):
    held = numbered(bank).held(time, most)
    assert len(held) == count
    assert all(each.films.shape[:2] == (1, min(time, 98) + 2) for each in held)
    places = places_of(held)
    assert len(set(places)) == len(places) == count * min(time, 98)
    assert np.isin(places, bank.validation).all() and not np.isin(places, bank.training).any()
    for row in np.split(places, count):
        np.testing.assert_array_equal(np.diff(row), 1)


def test_a_single_recording_with_seconds_held_out(tmp_path):
    """Holes stay holes; what training is told of is never in them."""
    strikes = strikes_of(20.0, 3)
    whole = played_set(tmp_path / "whole", {"a.mp4": strikes}, secs=20.0)
    part = played_set(tmp_path / "part", {"a.mp4": strikes}, secs=20.0, every=5)
    bank, every = PlayedBank.of(part, READER, TIME), read(whole)["a.mp4"]
    (mine,) = bank.recordings
    assert len(mine.ticks) == bank.bank.size < 400
    assert len(mine.waveform) > 18 * 8000
    second = mine.ticks // 25
    assert not (second % 5 == 4).any()
    # A frame away from any hole is told of just what is told of it without holes.
    inside = np.array([np.isin(t + np.arange(-2, 3), mine.ticks).all() for t in mine.ticks])
    assert inside.sum() > 200
    near = every.amplitude[mine.ticks[inside]]
    np.testing.assert_allclose(mine.amplitude[inside], near, rtol=0.1, atol=1e-3)
    told, wanted = note_truth(mine, READER), note_truth(every, READER)
    np.testing.assert_array_equal(told.onset, wanted.onset[mine.ticks])
    np.testing.assert_array_equal(told.offset, wanted.offset[mine.ticks])
    ticks = mine.ticks[bank.training]
    assert (np.diff(ticks, axis=1) == 1).all()
    assert set(mine.ticks[bank.validation] // 25) == {7, 17}
    assert not np.isin(bank.training, bank.validation).any()
    places = places_of(numbered(bank).held(10, 99))
    assert len(places) == len(set(places)) == 40  # twice 10 of each second that is held
    assert np.isin(places, bank.validation).all()


def test_films_of_which_the_last_is_silent_choose_by_what_they_train_on(tmp_path):
    """Else nothing would be left to choose the best variables on."""
    bank = PlayedBank.of(played_set(tmp_path / "set", {"a.mp4": A, "mute.mp4": None}), READER, TIME)
    np.testing.assert_array_equal(np.unique(bank.training), np.arange(100))
    np.testing.assert_array_equal(bank.validation, np.arange(100))
    assert len(bank.held(24, 99)) == 4


def raised_by(dataset, reader=READER, time=TIME):
    with pytest.raises(WyhError) as raised:
        PlayedBank.of(dataset, reader, time)
    assert "\n" not in str(raised.value)
    return str(raised.value)


def test_the_truth_of_another_film(tmp_path):
    other = Transcript(A.times_secs + 0.125, np.roll(READER.hz, 1)[notes_of(A, READER.hz)], A[2])
    said = raised_by(played_set(tmp_path / "set", {"a.mp4": A}, truths={"a.mp4": other}))
    head, tail = said.split("% are heard", 1)
    assert head.startswith("a.mp4: got a truth file of whose strikes ")
    assert float(head.split()[-1]) < 33
    assert tail == (", wanted 33% at least: it is another film's; put its own beside it, or none")


def test_a_truth_is_its_films_however_often_a_note_is_struck(tmp_path):
    """Where it never fades, a strike is hardly louder than what the note always is."""
    times = np.arange(0.2, SECS - 0.2, 0.15)
    roll = Transcript(times, np.full(len(times), READER.hz[0]), np.ones(len(times)))
    crowd = strikes_of(SECS, 5, every_secs=0.1)
    crowd = crowd._replace(times_secs=np.sort(crowd.times_secs))
    dataset = played_set(tmp_path / "set", {"a.mp4": roll, "b.mp4": crowd})
    assert all(each.told for each in PlayedBank.of(dataset, READER, TIME).recordings)


def test_films_of_other_notes(tmp_path):
    dataset = played_set(tmp_path / "set", {"a.mp4": A})
    reader = NoteReader(parse_notes("C5,D5"), 8000, FRAME_RATE)
    assert raised_by(dataset, reader) == (
        f"{dataset.path}: none of the notes C5 to D5 is struck: name those of the instrument with "
        f"--notes"
    )


def test_films_too_short(tmp_path, dataset):
    assert raised_by(dataset, time=99) == (
        f"{dataset.path}: no 4 s of pictures and sound in a row to learn from: give longer films"
    )
    assert len(PlayedBank.of(dataset, READER, 98).training) == 2


def test_the_notes_of_the_tests_can_be_told_apart():
    assert [note.name for note in READER.notes] == NOTES.split(",")
