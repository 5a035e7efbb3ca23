"""Truth files are read and refused; strikes are found in the sound of what was played."""

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from data_prep.marimba_score import NOTES_HZ, make_score
from data_prep.marimba_sound import draw_room, load_instrument, render
from wyh.errors import WyhError
from wyh.metrics.notes import Events, note_f1
from wyh.signal.notes import MARIMBA, NoteReader, parse_notes
from wyh.transcript import (
    Transcript,
    heard_transcript,
    notes_of,
    read_transcript,
    transcript_beside,
)

HEADER = "time_secs,note,velocity"
RATE = 22_050
READER = NoteReader(parse_notes(MARIMBA), RATE, Fraction(25))


def test_a_truth_lies_beside_its_film():
    assert transcript_beside(Path("a/take.2.mp4")) == Path("a/take.2.truth.csv")


def test_notes_are_read_as_they_are_given_elsewhere(tmp_path):
    path = tmp_path / "truth.csv"
    path.write_text(f"{HEADER}\n0.5,F#4,0.25\n\n0.5,Bb4,1\n1.25, 60 ,0.5\n2,443.5hz,0.125\n")
    found = read_transcript(path, secs=2)
    np.testing.assert_array_equal(found.times_secs, [0.5, 0.5, 1.25, 2])
    np.testing.assert_allclose(found.hz, [369.994, 466.164, 261.626, 443.5], atol=1e-3)
    np.testing.assert_array_equal(found.velocities, [0.25, 1, 0.5, 0.125])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "got no strikes, wanted a line time_secs,note,velocity for each; play something"),
        (f"{HEADER}\n", "got no strikes"),
        ("time,note\n1,F#4\n", "got the header 'time,note', wanted time_secs,note,velocity"),
        (f"{HEADER}\n1,H4,0.5\n", "line 2: got the note 'H4', wanted a name such as F#4 or Bb4"),
        (f"{HEADER}\n1,,0.5\n", "line 2: got an empty list of notes, wanted one such as F#4"),
        (f'{HEADER}\n1,"C4,D4",0.5\n', "line 2: got the notes 'C4,D4', wanted one; give each a"),
        (f"{HEADER}\n1,F#4,0.5\n0.5,F#4,0.5\n", "line 3: got 0.5 s after 1 s, wanted times that"),
        (f"{HEADER}\n-1,F#4,0.5\n", "line 2: got -1 s, wanted seconds from the start"),
        (f"{HEADER}\nnan,F#4,0.5\n", "line 2: got nan s, wanted seconds"),
        (f"{HEADER}\n1,F#4,0\n", "line 2: got velocity 0, wanted one over 0, to 1"),
        (f"{HEADER}\nsoon,F#4,1\n", "line 2: got 'soon' and '1', wanted numbers"),
        (f"{HEADER}\n1,F#4\n", "line 2: got 2 values, wanted time_secs, note, velocity"),
        (f"{HEADER}\n1,F#4,1\n9,F#4,1\n", "got a strike at 9 s, wanted none after the 5 s of its"),
    ],
)
def test_a_truth_file_is_checked(text, message, tmp_path):
    path = tmp_path / "truth.csv"
    path.write_text(text)
    with pytest.raises(WyhError) as error:
        read_transcript(path, secs=5)
    assert message in str(error.value)
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)


def test_a_truth_file_that_is_none_is_refused(tmp_path):
    with pytest.raises(WyhError, match="cannot be read as a truth file"):
        read_transcript(tmp_path / "none.csv")
    (tmp_path / "binary.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(WyhError, match="cannot be read as a truth file"):
        read_transcript(tmp_path / "binary.csv")


def test_a_strike_is_of_the_nearest_note_within_50_cents():
    cents = np.array([0.0, 49.0, -49.0, 51.0, -51.0, 700.0])
    strikes = Transcript(np.zeros(6), 440 * 2 ** (cents / 1200), np.ones(6))
    assert notes_of(strikes, np.array([880.0, 440.0])).tolist() == [1, 1, 1, -1, -1, -1]
    assert notes_of(strikes, np.array([440.0, 440 * 2 ** (0.08 / 1.2)])).tolist() == [
        *(0, 1, 0, 1, -1, -1)
    ]
    assert notes_of(strikes, np.zeros(0)).tolist() == [-1] * 6
    assert notes_of(Transcript(*[np.zeros(0)] * 3), NOTES_HZ).tolist() == []


def played(*strikes, secs=3.0, cents=0.0):
    """Bars of a real marimba struck at `(seconds, note, velocity)`, perhaps out of tune."""
    sound = np.zeros(round(secs * RATE), np.float32)
    stretch = 2 ** (cents / 1200)
    for time, note, velocity in strikes:
        bar = load_instrument(RATE).stroke(note, velocity)
        at = np.arange(0, bar.size - 1, stretch)
        bar = np.interp(at, np.arange(bar.size), bar).astype(np.float32)
        first = round(time * RATE)
        sound[first : first + bar.size] += bar[: sound.size - first]
    return sound


@pytest.mark.parametrize("seed", [5, 7])
def test_strikes_are_found_in_the_sound(seed):
    rng = np.random.default_rng(seed)
    score = make_score(rng, 12.0)
    sound = render(score, 12.0, RATE, rng, draw_room(rng))
    found = heard_transcript(sound, READER)
    times = np.array([strike.time_secs for strike in score.strikes])
    notes = np.array([strike.note for strike in score.strikes])
    true = Events(times, NOTES_HZ[notes])
    assert note_f1(Events(found.times_secs, found.hz), true).f1 >= 0.9
    assert (np.diff(found.times_secs) >= 0).all()
    off = [
        np.abs(times[notes == note] - time).min(initial=np.inf)
        for time, note in zip(found.times_secs, notes_of(found, NOTES_HZ), strict=True)
    ]
    off = np.array(off)
    assert np.percentile(off[off <= 0.05], 95) <= 0.015


def test_what_a_bar_sounds_beside_its_note_is_not_struck():
    # F#4 has F#6 and more in it: alone six times, with F#6 once, and F#6 alone.
    alone = [(0.3 + 0.3 * k, 0, 0.4 + 0.1 * k) for k in range(6)]
    both = [(2.3, 0, 0.6), (2.3, 10, 0.6), (2.6, 10, 0.5)]
    strikes = [*alone, *both]
    found = heard_transcript(played(*strikes), READER)
    assert notes_of(found, NOTES_HZ).tolist() == [note for _, note, _ in strikes]
    np.testing.assert_allclose(found.times_secs, [time for time, *_ in strikes], atol=0.008)


def test_velocities_are_relative_to_the_loudest():
    hard = [0.25, 0.5, 1.0]
    sound = played(*((0.3 + 0.8 * k, 4, each) for k, each in enumerate(hard)))
    for scale in (0.01, 0.5):
        found = heard_transcript(np.float32(scale) * sound, READER)
        np.testing.assert_allclose(found.velocities, hard, atol=0.07)
        assert found.velocities.max() == 1


def test_an_instrument_may_be_out_of_tune_and_strikes_fast():
    fast = [(0.3 + 0.09 * k, 3, 0.6) for k in range(12)]
    found = heard_transcript(played(*fast, cents=30.0), READER)
    assert notes_of(found, NOTES_HZ).tolist() == [3] * 12
    np.testing.assert_allclose(found.times_secs, [time for time, *_ in fast], atol=0.012)


def test_where_nothing_is_struck_there_is_nothing():
    for samples in (0, 10, 5000):
        assert not heard_transcript(np.zeros(samples, np.float32), READER).hz.size
    # A tone that goes on is struck at most where it begins.
    tone = np.sin(2 * np.pi * 554.37 * np.arange(2 * RATE) / RATE).astype(np.float32)
    assert (heard_transcript(tone, READER).times_secs < 0.02).all()


def test_one_note_alone_and_a_low_rate_will_do():
    reader = NoteReader(parse_notes("440hz"), 8000, Fraction(25))
    time = np.arange(8000) / 8000
    ring = np.where(time < 0.4, 0, np.exp(-5 * (time - 0.4)) * np.sin(2 * np.pi * 440 * time))
    found = heard_transcript(ring.astype(np.float32), reader)
    assert found.hz.tolist() == [440]
    assert found.times_secs == pytest.approx([0.4], abs=0.01)
    assert found.velocities.tolist() == [1]
