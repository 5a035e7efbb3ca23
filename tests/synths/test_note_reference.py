from fractions import Fraction

import numpy as np
import pytest

from data_prep.marimba_score import NOTES_HZ, make_score
from data_prep.marimba_sound import draw_room, render
from tests.synths.from_variables import RATE, play, predicted
from tests.synths.struck import controls_of
from wyh.errors import WyhError
from wyh.metrics import notes, onsets
from wyh.signal.notes import Note, NoteReader
from wyh.synths.knn import KnnConfig, knn
from wyh.synths.note_reference import EMPTY_DB, LEAD_SECS, Struck, note_corpus

FRAME_RATE = 25
PERIOD = RATE // FRAME_RATE
HZ = np.array([440.0, 554.4, 659.3, 1318.5])
DECAY_SECS = np.array([0.2, 0.15, 0.18, 0.1])
LEAD = round(LEAD_SECS * RATE)


def rung(note, peak, secs, hz=HZ):
    """A struck note: it falls on by itself, and its overtone soon."""
    t = np.arange(round(secs * RATE)) / RATE
    overtone = 0.3 * np.exp(-t / 0.02) * np.sin(2 * np.pi * 2.8 * hz[note] * t)
    return peak * (np.exp(-t / DECAY_SECS[note]) * np.sin(2 * np.pi * hz[note] * t) + overtone)


def recording(strikes, secs=4.0):
    """Of `(time, note, peak)`; a note that is struck again ends."""
    sound = np.zeros(round(secs * RATE))
    for time, note, peak in strikes:
        again = [other for other, struck, _ in strikes if struck == note and other > time]
        at, end = round(time * RATE), round(min(again, default=secs) * RATE)
        sound[at:end] += rung(note, peak, (end - at) / RATE)[: end - at]
    times, notes, _ = zip(*strikes, strict=True) if strikes else ((), (), ())
    sound = np.rint(sound * 32767).astype(np.int16)
    return Struck(sound, np.array(times, float), np.array(notes, int))


def piece_of(corpus, note, number=0):
    start, length = (int(corpus[name][note, number]) for name in ("starts", "lengths"))
    return corpus["sound"][start : start + length] / 32768


def kept(corpus):
    """Pieces of each note."""
    return (corpus["levels_db"] > EMPTY_DB).sum(axis=1).tolist()


def test_a_strike_alone_is_kept_as_it_is():
    corpus = note_corpus([recording([(0.5, 0, 0.5), (2.5, 3, 0.2)])], RATE, HZ)
    assert {name: leaf.dtype for name, leaf in corpus.items()} == {
        "sound": np.int16,
        "starts": np.int32,
        "lengths": np.int32,
        "levels_db": np.float32,
    }
    for note, peak in ((0, 0.5), (3, 0.2)):
        piece, expected = piece_of(corpus, note), rung(note, peak, 2)
        assert np.abs(piece[:LEAD]).max() < 1e-3
        sounding = len(piece) - LEAD - 200
        np.testing.assert_allclose(piece[LEAD:][:sounding], expected[:sounding], atol=1e-3)
        assert corpus["levels_db"][note, 0] == pytest.approx(20 * np.log10(peak), abs=0.6)
        assert np.abs(piece[-4:]).max() < 2e-4


def test_what_rings_is_taken_out_and_a_note_rings_on_after_the_next_strike():
    strikes = [(0.5, 2, 0.4), (0.7, 0, 0.3), (0.85, 1, 0.5), (3.0, 0, 0.2), (3.5, 1, 0.2)]
    known = recording(strikes, 5.0)
    corpus = note_corpus([known], RATE, HZ, most_a_note=2)
    levels = corpus["levels_db"][0]
    piece = piece_of(corpus, 0, int(np.argmax(levels)))[LEAD:]
    expected = rung(0, 0.3, 3)[: len(piece)]
    error = np.abs(piece - expected)[: len(piece) - 200]
    # In the recording more than a third of the one before is in it, and all of the one after.
    heard = known.sound[round(0.7 * RATE) :][: len(piece)] / 32768
    assert np.abs(heard - expected).max() > 0.4
    assert error.max() < 0.02
    assert max(levels) == pytest.approx(20 * np.log10(0.3), abs=0.5)


def test_a_note_rings_on_where_the_sound_of_another_split_begins():
    known = recording([(0.5, 0, 0.5)])
    known.sound[round(0.7 * RATE) :] = 0
    piece = piece_of(note_corpus([known], RATE, HZ), 0)[LEAD:]
    np.testing.assert_allclose(piece[:-200], rung(0, 0.5, 3)[: len(piece) - 200], atol=0.01)


def test_strikes_are_spread_from_soft_to_loud_and_the_cleaner_ones_taken():
    rng = np.random.default_rng(3)
    peaks = 0.5 * 10 ** (-rng.uniform(0, 24, 12) / 20)
    strikes = [(0.5 + 0.9 * i, 0, float(peak)) for i, peak in enumerate(peaks)]
    # As loud as the loudest, but it is soon over.
    strikes += [(12.0, 0, 0.5), (12.1, 1, 0.2)]
    corpus = note_corpus([recording(strikes, 14.0)], RATE, HZ[:2], most_a_note=4)
    levels = corpus["levels_db"][0]
    assert kept(corpus) == [4, 0]
    assert np.all(np.diff(levels) > 0) and levels[-1] - levels[0] > 10
    known = np.append(20 * np.log10(peaks), 20 * np.log10(0.5))
    assert np.abs(levels[:, None] - known[None]).min(axis=1).max() < 0.3
    assert abs(levels[-1] - known[-1]) > 0.05


def test_a_note_without_strikes_is_the_nearest_one_resampled():
    hz = np.array([440.0, 440 * 2 ** (3 / 12), 440 * 2 ** (-2 / 12), 1318.5])
    corpus = note_corpus([recording([(0.5, 0, 0.5)])], RATE, hz)
    assert kept(corpus) == [1, 1, 1, 0]
    for note in range(3):
        piece = piece_of(corpus, note)
        magnitude = np.abs(np.fft.rfft(piece, 8 * RATE))
        assert np.argmax(magnitude) / 8 == pytest.approx(hz[note], rel=0.002)
        # The strike is where that of every piece is.
        assert np.abs(piece[: LEAD - 4]).max() < 0.02 < np.abs(piece[LEAD : LEAD + 8]).max()


def test_the_sound_is_no_larger_than_is_asked_for():
    strikes = [(0.5 + 0.4 * i, 0, 0.1 + 0.03 * i) for i in range(10)]
    known = [recording(strikes, 6.0)]
    whole = note_corpus(known, RATE, HZ[:1])
    assert kept(whole) == [8]
    few = note_corpus(known, RATE, HZ[:1], most_bytes=whole["sound"].nbytes // 3)
    assert kept(few) == [2]
    assert few["sound"].nbytes <= whole["sound"].nbytes // 3
    assert kept(note_corpus(known, RATE, HZ[:1], most_bytes=1)) == [1]


def test_recordings_are_one_corpus_whatever_the_order_of_strikes():
    strikes = [(0.5, 0, 0.5), (2.0, 3, 0.2), (3.0, 1, 0.3)]
    one = recording(strikes)
    turned = Struck(one.sound, one.times_secs[::-1], one.notes[::-1])
    other = recording([(0.6, 2, 0.2)])
    corpora = [note_corpus([first, other], RATE, HZ) for first in (one, turned)]
    assert kept(corpora[0]) == [1, 1, 1, 1]
    for name in corpora[0]:
        np.testing.assert_array_equal(*(corpus[name] for corpus in corpora))


def test_a_marimba_is_played_with_the_sound_of_other_recordings():
    """Strikes where they were played and notes as loud, though the rooms are others."""
    reader = NoteReader(
        tuple(Note(f"{hz:g}", float(hz)) for hz in NOTES_HZ), RATE, Fraction(FRAME_RATE)
    )

    def recorded(seed, secs):
        rng = np.random.default_rng(seed)
        score = make_score(rng, secs)
        sound = render(score, secs, RATE, rng, draw_room(rng))
        times = np.array([strike.time_secs for strike in score.strikes])
        return sound, times, np.array([strike.note for strike in score.strikes])

    known = []
    for seed in range(2):
        sound, times, struck_notes = recorded(seed, 30.0)
        known.append(Struck(np.rint(sound * 32767).astype(np.int16), times, struck_notes))
    reference = note_corpus(known, RATE, NOTES_HZ)
    sound, times, struck_notes = recorded(9, 20.0)
    value = reader.amplitudes_of(sound)
    onset, offset = np.zeros((2, *value.shape))
    at = times * FRAME_RATE
    onset[at.astype(int), struck_notes] = 1
    offset[at.astype(int), struck_notes] = at % 1 - 0.5
    # One picture more for each period by which the sound is late.
    synth = knn(NOTES_HZ, float(FRAME_RATE), RATE, KnnConfig(block=64))
    late = -(-synth.latency_samples // PERIOD)
    controls = [np.pad(some, ((0, late), (0, 0)))[None] for some in (value, onset, offset)]
    played = play(synth, predicted(), controls_of(*controls), {"note_reference": reference})[0]
    played = played[synth.latency_samples :][: len(sound)]
    true = onsets.onsets(sound, RATE)
    assert onsets.f1(onsets.onsets(played, RATE), true, 0.025) >= 0.9
    heard = reader.amplitudes_of(played)
    assert notes.skill(heard, value[: len(heard)], value.mean(axis=0)) >= 0.9


ALONE = recording([(0.5, 0, 0.5)])


@pytest.mark.parametrize(
    ("known", "message"),
    [
        ([], "got no strike that can be heard alone, wanted one at least that has none other 0.04"),
        ([recording([])], "got no strike that can be heard alone"),
        ([recording([(0.5, 0, 0.3), (0.52, 1, 0.3)])], "got no strike that can be heard alone"),
        ([recording([(3.97, 0, 0.3)])], "got no strike that can be heard alone"),
        ([ALONE._replace(sound=np.zeros(9000, np.int16))], "got no strike that can be heard alone"),
        ([ALONE._replace(notes=np.array([4]))], "got a strike of note 4, wanted 0 to 3: give"),
        ([ALONE._replace(notes=np.array([-1]))], "got a strike of note -1, wanted 0 to 3"),
        (
            [ALONE._replace(notes=np.array([0, 1]))],
            "got 1 times of strikes and 2 notes, wanted as many: give both for every strike",
        ),
        (
            [ALONE._replace(times_secs=np.array([4.5]))],
            "got a strike at 4.500 s, wanted 0 to 4.000 s: give its own sound",
        ),
    ],
)
def test_recordings_that_cannot_be_used(known, message):
    with pytest.raises(WyhError, match=message):
        note_corpus(known, RATE, HZ)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"notes_hz": np.zeros(0)}, "got no notes to play, wanted one at least"),
        ({"notes_hz": HZ * 4}, "got a note to play at 5274 Hz, wanted 1 to 4000 Hz"),
        ({"most_a_note": 0}, "got most_a_note 0, wanted 1 to 64"),
    ],
)
def test_notes_that_cannot_be_cut(change, message):
    with pytest.raises(WyhError, match=message):
        note_corpus([ALONE], **({"sample_rate": RATE, "notes_hz": HZ} | change))
