import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.synths.from_variables import RATE, play, predicted
from tests.synths.struck import check_remembered, controls_of
from wyh.errors import WyhError
from wyh.synths.knn import KnnConfig, knn
from wyh.synths.note_reference import EMPTY_DB, LEAD_SECS
from wyh.synths.protocol import Magnitudes
from wyh.synths.strikes import REACH, share

FRAME_RATE, BLOCK = 25, 64
PERIOD = RATE // FRAME_RATE
HZ = np.array([415.3, 830.6, 1661.2])
DECAY_SECS = 0.18 * (440 / HZ) ** (1 / 3)
LEAD = round(LEAD_SECS * RATE)
PREDICTED = predicted()
FRAMES = 40
SYNTH = knn(HZ, float(FRAME_RATE), RATE, KnnConfig(block=BLOCK))
LATE = SYNTH.latency_samples


def reference_of(levels):
    """A reference of decaying sines; the softer piece of a note has an octave beside it."""
    starts, lengths = np.zeros((2, len(HZ), 2), np.int32)
    levels_db = np.full((len(HZ), 2), EMPTY_DB, np.float32)
    row = [np.full(7, 20000, np.int16)]  # is never heard
    for note, of_note in enumerate(levels):
        for number, level in enumerate(of_note):
            t = np.arange(-LEAD, 4000 + 500 * number) / RATE
            wave = np.sin(2 * np.pi * HZ[note] * t)
            if number:
                wave += 0.5 * np.sin(4 * np.pi * HZ[note] * t)
            piece = level * np.exp(-t / DECAY_SECS[note]) * wave * (t >= 0)
            starts[note, number] = sum(map(len, row))
            lengths[note, number] = len(piece)
            levels_db[note, number] = 20 * np.log10(level)
            row.append(np.rint(piece * 32767).astype(np.int16))
    return {
        "sound": np.concatenate(row),
        "starts": starts,
        "lengths": lengths,
        "levels_db": levels_db,
    }


LEVELS = [(0.4, 0.05), (0.4, 0.05), (0.2,)]
REFERENCE = reference_of(LEVELS)


def arrays_of(times, struck, peaks):
    """What is read and known of strikes: each at its sample, of its amplitude."""
    value, onset, offset = np.zeros((3, 1, FRAMES, len(HZ)))
    for time, note, peak in zip(times, struck, peaks, strict=True):
        frame = int(time * FRAME_RATE)
        within = time * FRAME_RATE - frame - 0.5
        rate = jnp.full((1, 1, 1), REACH / FRAME_RATE / DECAY_SECS[note])
        for back in (-1, 0, 1):
            at = jnp.full((1, 1, 1), (within + back) / REACH)
            value[0, frame - back, note] = peak * float(share(at, rate)[0, 0, 0])
        onset[0, frame, note], offset[0, frame, note] = 1, within
    return value, onset, offset


def struck(times, struck_notes, peaks):
    return controls_of(*arrays_of(times, struck_notes, peaks))


def sound_of(controls, reference=REFERENCE, synth=SYNTH, **settings):
    """From the time of the first picture on."""
    return play(synth, PREDICTED, controls, {"note_reference": reference}, **settings)


def piece_of(note, number, reference):
    start, length = (int(reference[name][note, number]) for name in ("starts", "lengths"))
    return reference["sound"][start : start + length] / 32768


def naive(events, length, reference=REFERENCE):
    """Each `(sample, note, piece, gain)` from `LEAD` before its time until the next of the note."""
    sound = np.zeros(length + LATE + 9000)
    last = {}
    rise = np.sin(np.pi / 2 * (np.arange(LEAD) + 0.5) / LEAD)
    for at, note, number, gain in sorted(events, reverse=True):
        piece = gain * piece_of(note, number, reference)
        piece[:LEAD] *= rise
        if note in last:
            left = last[note] - at
            piece[left : left + LEAD] *= rise[::-1][: max(0, len(piece) - left)]
            piece[left + LEAD :] = 0
        last[note] = at
        first = at + LATE - LEAD
        sound[first : first + len(piece)] += piece
    return sound[:length]


@pytest.mark.parametrize("time_secs", [0.4, 0.411, 0.42, 0.43975, 0.5])
def test_a_strike_is_the_recorded_one_at_its_sample_and_as_loud(time_secs):
    sound = sound_of(struck([time_secs], [1], [0.2]))[0]
    expected = naive([(round(time_secs * RATE), 1, 0, 0.2 / 0.4)], len(sound))
    assert np.abs(expected).max() > 0.1
    np.testing.assert_allclose(sound, expected, atol=0.002)
    assert np.abs(sound[: LATE + round(time_secs * RATE)]).max() < 1e-6


def test_chords_and_what_rings_are_sums_of_voices():
    times = [0.3, 0.305, 0.39, 0.48, 0.55, 0.555, 0.75, 0.8125, 1.0]
    played = [0, 1, 2, 0, 1, 2, 0, 2, 1]
    peaks = [0.1, 0.1, 0.1, 0.1, 0.08, 0.05, 0.1, 0.1, 0.05]
    sound = sound_of(struck(times, played, peaks))[0]
    # The limiter has nothing to do.
    assert 0.1 < np.abs(sound).max() < 0.85
    events = []
    for time, note, peak in zip(times, played, peaks, strict=True):
        number = np.argmin(np.abs(20 * np.log10(peak) - REFERENCE["levels_db"][note]))
        events.append((round(time * RATE), note, int(number), peak / LEVELS[note][number]))
    np.testing.assert_allclose(sound, naive(events, len(sound)), atol=0.003)


LIMITED = reference_of([(0.05,), (), ()])
LOUDEST = 10 ** (12 / 20)  # so much louder at most, whatever is read while a note rings


def roll(gap_secs):
    """A roll, what it sounds like, and the strikes."""
    times = 0.2 + gap_secs * np.arange(int(1 / gap_secs))
    value, onset, offset = arrays_of(times, [0] * len(times), [0.1] * len(times))
    sound = sound_of(controls_of(np.full_like(value, 0.5), onset, offset), LIMITED)[0]
    return sound, [(round(time * RATE), 0, 0, LOUDEST) for time in times]


@pytest.mark.parametrize("gap_secs", [0.09, 0.0642])
def test_a_roll_is_one_strike_after_another(gap_secs):
    """Each fades out before the attack of the next."""
    sound, events = roll(gap_secs)
    expected = naive(events, len(sound), LIMITED)
    assert 0.15 < np.abs(expected).max() < 0.85
    np.testing.assert_allclose(sound, expected, atol=1e-4)


def test_nothing_clicks():
    """No curve is sharper than within one strike, where one ends and the next begins."""
    sound, events = roll(0.0642)
    sharpest = np.abs(np.diff(naive(events[:1], len(sound), LIMITED), 2))
    # Where a recorded sine begins there is an edge: it is looked at away from it.
    single = sharpest[LATE + events[0][0] + 8 :].max()
    between = np.ones(len(sound) - 2, bool)
    for at, *_ in events:
        between[LATE + at - 4 : LATE + at + 8] = False
    assert np.abs(np.diff(sound, 2))[between].max() < 1.1 * single


@pytest.mark.parametrize("at_once", [1, 5])
def test_streaming_is_the_same_as_offline_however_it_is_cut(at_once, rng):
    value = rng.random((2, FRAMES, 3)) * 0.3
    onset = (rng.random((2, FRAMES, 3)) < 0.3) * 0.9
    controls = controls_of(value, onset, rng.uniform(-0.5, 0.5, onset.shape))
    whole = sound_of(controls)
    assert np.abs(whole).max() > 0.1 and np.abs(whole[0] - whole[1]).max() > 0.1
    np.testing.assert_allclose(sound_of(controls, at_once=at_once), whole, rtol=0, atol=1e-5)


@pytest.mark.parametrize("note", [0, 1, 2])
def test_what_sounds_has_the_pitch_that_was_asked_for(note):
    sound = sound_of(struck([0.4], [note], [0.2]))[0]
    magnitude = np.abs(np.fft.rfft(sound, 1 << 16))
    assert np.argmax(magnitude) * RATE / (1 << 16) == pytest.approx(HZ[note], rel=0.002)


def test_loudness_chooses_the_strike_and_its_gain():
    """The softer piece, which has an octave, for soft strikes; made louder up to a limit."""
    for peak, number, gain in (
        (0.4, 0, 1.0),
        (0.2, 0, 0.5),
        (0.06, 1, 1.2),
        (0.005, 1, 0.1),
    ):
        sound = sound_of(struck([0.4], [0], [peak]))[0]
        expected = naive([(3200, 0, number, gain)], len(sound))
        np.testing.assert_allclose(sound, expected, atol=0.01 * peak + 2e-5)
    sound = sound_of(struck([0.4], [2], [1.0]), reference_of([(), (), (0.05,)]))[0]
    loudest = 0.05 * 10 ** (12 / 20)
    assert 0.9 * loudest < np.abs(sound).max() < 1.1 * loudest


def test_pieces_about_as_loud_take_turns():
    reference = reference_of([(), (0.22, 0.2), ()])
    times = [0.2, 0.5, 0.8]
    sound = sound_of(struck(times, [1] * 3, [0.21] * 3), reference)[0]
    octave = []
    for time in times:
        heard = sound[LATE + round(time * RATE) :][:1600]
        magnitude = np.abs(np.fft.rfft(heard * np.hanning(1600), RATE))
        octave.append(bool(magnitude[round(2 * HZ[1])] > 0.25 * magnitude[round(HZ[1])]))
    assert octave in ([True, False, True], [False, True, False])


def test_nothing_struck_is_silent(rng):
    value = rng.random((1, FRAMES, 3))
    none = controls_of(value, np.full(value.shape, 0.49), np.zeros(value.shape))
    assert np.abs(sound_of(none)).max() == 0
    assert np.abs(sound_of(Magnitudes(none.value, none.previous))).max() == 0
    # A note that has no piece.
    sound = sound_of(struck([0.4], [0], [0.3]), reference_of([(), (0.2,), ()]))
    assert np.abs(sound).max() == 0


def test_one_strike_that_is_predicted_twice_is_one():
    value, onset, offset = arrays_of([0.52], [0], [0.2])
    once = sound_of(controls_of(value, onset, offset))
    onset[0, 14, 0], offset[0, 14, 0] = 0.8, -0.4  # 36 ms later
    np.testing.assert_array_equal(sound_of(controls_of(value, onset, offset)), once)


def test_other_pictures_are_played_to_each_of_a_batch():
    one, other = arrays_of([0.4], [0], [0.2]), arrays_of([0.7], [2], [0.1])
    both = [np.concatenate(pair) for pair in zip(one, other, strict=True)]
    sound = sound_of(controls_of(*both))
    np.testing.assert_allclose(sound[0], sound_of(controls_of(*one))[0], atol=1e-6)
    np.testing.assert_allclose(sound[1], sound_of(controls_of(*other))[0], atol=1e-6)


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"threshold": 2.0}, "got threshold 2, wanted 0 to 1"),
        ({"raise_db": -1.0}, "got raise_db -1 dB, wanted 0 to 40 dB"),
        ({"turns_db": 50.0}, "got turns_db 50 dB, wanted 0 to 20 dB"),
        ({"decay_secs": 0.0}, "got decay_secs 0 s, wanted 0.01 to 60 s"),
        ({"decay_slope": -1.0}, "got decay_slope -1, wanted 0 to 2"),
        ({"block": 1}, "got block 1 samples, wanted 16 to 65536 samples"),
    ],
)
def test_settings_that_cannot_be_played(setting, message):
    with pytest.raises(WyhError, match=message):
        KnnConfig(**setting)


def test_a_reference_of_other_notes_is_refused():
    other = {name: leaf[:2] for name, leaf in REFERENCE.items()}
    with pytest.raises(WyhError, match="got a note reference of 2 notes, wanted 3: make it of"):
        SYNTH.init({"note_reference": other}, jax.random.key(0), 1)


def test_what_is_remembered_has_one_shape_and_type():
    check_remembered(SYNTH, {"note_reference": REFERENCE}, len(HZ))
