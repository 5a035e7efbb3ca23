import functools
from fractions import Fraction

import jax.numpy as jnp
import numpy as np
import pytest

from tests.synths.laid import play, predicted
from tests.synths.struck import before, check_remembered, controls_of
from wyh.errors import WyhError
from wyh.signal.levels import true_peak_db
from wyh.signal.notes import Note, NoteReader
from wyh.synths.additive import AdditiveConfig, AdditiveSynth, additive
from wyh.synths.protocol import Magnitudes, Strikes
from wyh.synths.strikes import unstruck

RATE, FRAME_RATE, BLOCK = 8000, 25, 64
PERIOD = RATE // FRAME_RATE
HZ = np.array([415.3, 830.6, 1661.2])
PREDICTED = predicted(RATE, FRAME_RATE)
FRAMES = 50
BLOCKS = FRAMES * PERIOD // BLOCK


@functools.cache
def make(**settings):
    return additive(
        HZ,
        float(FRAME_RATE),
        RATE,
        AdditiveConfig(**{"block": BLOCK, "attack_secs": 0.003, **settings}),
    )


def sound_of(controls, blocks=BLOCKS, chunks=None, *, settings=(), **turned):
    return play(make(**dict(settings)), PREDICTED, controls, blocks, chunks, **turned)


def decay_secs(hz=HZ):
    return 0.18 * (440 / hz) ** (1 / 3)


def gliding(values):
    values = np.asarray(values, np.float32)
    return Magnitudes(jnp.asarray(values), jnp.asarray(before(values)))


def strike_arrays(times, notes, frames=FRAMES):
    """Certain strikes at these times, exactly."""
    onset, offset = np.zeros((2, 1, frames, len(HZ)))
    at = np.asarray(times) * FRAME_RATE
    onset[0, at.astype(int), notes] = 1
    offset[0, at.astype(int), notes] = at - at.astype(int) - 0.5
    return onset, offset


def played(times, notes, peaks, decay=None):
    """Struck sines that decay, a strike ending the one before, and the notes read of them."""
    t = np.arange(FRAMES * PERIOD) / RATE
    decay = decay_secs() if decay is None else decay
    envelope, phases = np.zeros((2, len(HZ), len(t)))
    drawn = np.random.default_rng(0).uniform(0, 2 * np.pi, len(times))
    for time, note, peak, phase in zip(times, notes, peaks, drawn, strict=True):
        fall = peak * np.exp(-(t - time) / decay[note])
        envelope[note] = np.where(t >= time, fall, envelope[note])
        phases[note] = np.where(t >= time, phase, phases[note])
    angle = 2 * np.pi * np.outer(HZ, t) + phases
    waveform = np.sum(envelope * np.sin(angle), axis=0).astype(np.float32)
    listed = tuple(Note(f"{hz:g}", float(hz)) for hz in HZ)
    return envelope, NoteReader(listed, RATE, Fraction(FRAME_RATE)).amplitudes_of(waveform)[None]


def envelope_of(sound, hz):
    """Amplitude of one note over time, in the middle of 12 ms."""
    t = np.arange(len(sound)) / RATE
    window = np.hanning(97)
    alone = sound * np.exp(-2j * np.pi * hz * t)
    return 2 * np.abs(np.convolve(alone, window / window.sum(), "same"))


@pytest.mark.parametrize("settings", [(), (("partials", ((1.0, 1.0), (2.1, 0.25), (9.0, 0.5))),)])
def test_a_steady_note_is_a_sine_of_its_amplitude_with_its_partials(settings):
    steady = np.array([0.1, 0.05, 0.2])
    late = make(**dict(settings)).latency_samples
    sound = sound_of(gliding(np.full((1, FRAMES, 3), steady)), settings=settings)[0]
    t = np.arange(8000) / RATE
    basis, level = [], []
    for ratio, part in ((1, 1), (2.1, 0.25), (9, 0.5)) if settings else ((1, 1),):
        for hz, amplitude in zip(HZ * ratio, steady * part, strict=True):
            if hz < RATE / 2:  # the ninth of the second note would be another
                basis += [np.sin(2 * np.pi * hz * t), np.cos(2 * np.pi * hz * t)]
                level.append(amplitude)
    basis = np.stack(basis, axis=1)
    piece = sound[late + 2 * PERIOD :][:8000]
    found, *_ = np.linalg.lstsq(basis, piece.astype(float), rcond=None)
    np.testing.assert_allclose(np.hypot(found[::2], found[1::2]), level, rtol=1e-3)
    assert np.abs(piece - basis @ found).max() < 1e-4


def test_streaming_is_the_same_as_offline_however_it_is_cut(rng):
    value = rng.random((2, FRAMES, 3)) * 0.3
    onset = (rng.random((2, FRAMES, 3)) < 0.3) * 0.9
    controls = controls_of(value, onset, rng.uniform(-0.5, 0.5, onset.shape))
    whole = sound_of(controls, 64)
    assert np.abs(whole).max() > 0.1
    for chunks in ([1] * 64, [8] * 8, [1, 8, 8, 1, 8, 1, 1, 8, 8, 1, 1, 1, 1] + [8] * 2):
        np.testing.assert_allclose(sound_of(controls, 64, chunks), whole, rtol=0, atol=1e-5)


@pytest.mark.parametrize("glide", [0.0, 0.3, 1.0])
def test_the_latency_of_amplitudes_is_declared(glide):
    value = np.zeros((1, FRAMES, 3))
    value[0, 20] = 0.1
    power = sound_of(gliding(value), glide=glide)[0] ** 2
    middle = np.sum(power * np.arange(len(power))) / power.sum()
    assert middle - make().latency_samples == pytest.approx(20.5 * PERIOD, abs=0.002 * RATE)


@pytest.mark.parametrize("offset", [-0.5, -0.37, -0.1, 0.0, 0.2, 0.499])
def test_a_strike_sounds_at_its_own_time_as_loud_as_it_was(offset):
    time = (20.5 + offset) / FRAME_RATE
    true, value = played([time], [1], [0.3])
    sound = sound_of(controls_of(value, *strike_arrays([time], [1])))[0]
    heard = envelope_of(sound[make().latency_samples :], HZ[1])
    high = np.flatnonzero(heard > 0.15)[0]
    assert high / RATE == pytest.approx(time, abs=0.001)
    begun = round(time * RATE)
    later = slice(begun + 80, begun + 6 * PERIOD)
    # Readings smooth a decay a little; levels agree to half a decibel.
    ratio = heard[later] / true[1, later]
    assert np.abs(20 * np.log10(ratio)).max() < 0.5
    # Before it there is little of what readings knew.
    assert heard[: begun - 80].max() < 0.25 * 0.3
    assert heard[begun - round(PERIOD / 2) - 1 : begun - 80].max(initial=0) < 0.15 * 0.3


def test_a_roll_is_as_even_as_it_was():
    times = 0.3 + 0.093 * np.arange(12)
    true, value = played(times, [0] * 12, [0.2] * 12)
    sound = sound_of(controls_of(value, *strike_arrays(times, [0] * 12)))[0]
    heard = envelope_of(sound[make().latency_samples :], HZ[0])
    peaks = [heard[round(time * RATE) :][:160].max() for time in times]
    assert np.abs(20 * np.log10(np.array(peaks) / 0.2)).max() < 2.5
    level = np.mean(heard[2400:11000]) / np.mean(true[0, 2400:11000])
    assert 20 * np.log10(level) == pytest.approx(0, abs=1)


def test_a_decay_unlike_the_configured_one_is_followed():
    true, value = played([0.4], [1], [0.3], decay=np.full(3, 0.5))
    sound = sound_of(controls_of(value, *strike_arrays([0.4], [1])))[0]
    heard = envelope_of(sound[make().latency_samples :], HZ[1])
    ratio = heard[6400:12000] / true[1, 6400:12000]
    assert np.abs(20 * np.log10(ratio)).max() < 0.3


def test_a_strike_below_the_threshold_is_none():
    value = np.full((1, FRAMES, 3), 0.1)
    onset, offset = strike_arrays([0.5, 0.9], [0, 2])
    followed = sound_of(gliding(value))
    np.testing.assert_array_equal(sound_of(controls_of(value, onset * 0.49, offset)), followed)
    none = controls_of(value, onset, offset)
    none = none._replace(strikes=unstruck(none.value), previous_strikes=unstruck(none.value))
    np.testing.assert_array_equal(sound_of(none), followed)


def test_one_strike_that_is_predicted_twice_is_one():
    value = np.full((1, FRAMES, 3), 0.1)
    onset, offset = strike_arrays([0.52], [0])
    once = sound_of(controls_of(value, onset, offset))
    onset[0, 14, 0], offset[0, 14, 0] = 0.8, -0.4  # 36 ms later
    twice = sound_of(controls_of(value, onset, offset))
    power = [envelope_of(sound[0], HZ[0]) for sound in (once, twice)]
    late = round(0.56 * RATE) + make().latency_samples
    assert power[1][late] < 1.05 * power[0][late]


def test_a_picture_that_is_held_is_struck_once():
    onset, offset = np.zeros((2, 1, FRAMES, 3))
    onset[0, 10, 1], offset[0, 10, 1] = 1, -0.23
    controls = controls_of(np.full((1, FRAMES, 3), 0.05), onset, offset)
    np.testing.assert_allclose(sound_of(controls, held=(10, 30)), sound_of(controls), atol=2e-3)


def test_what_was_struck_before_pictures_were_left_out_is_not_struck_again():
    """The first picture after a hold has the one that was held as that before it."""
    onset, offset = np.zeros((2, 1, FRAMES, 3))
    onset[0, 10, 1], offset[0, 10, 1] = 1, 0.3
    controls = controls_of(np.full((1, FRAMES, 3), 0.05), onset, offset)
    earlier = controls.previous_strikes
    late = Strikes(earlier.onset.at[:, 15].set(1.0), earlier.offset.at[:, 15].set(0.3))
    once, again = (
        sound_of(some, held=(10, 15))
        for some in (controls, controls._replace(previous_strikes=late))
    )
    np.testing.assert_array_equal(again, once)
    # Without the hold it would be one.
    assert np.abs(sound_of(controls._replace(previous_strikes=late)) - once).max() > 0.01


@pytest.mark.parametrize("glide", [0.0, 1.0])
def test_no_jump_clicks(glide, rng):
    """Next to no power lies far from the notes, whatever the amplitudes do."""
    value = (rng.random((1, FRAMES, 3)) < 0.5) * 0.25
    onset = (rng.random(value.shape) < 0.3) * 1.0
    controls = controls_of(value, onset, rng.uniform(-0.5, 0.5, value.shape))
    sound = sound_of(controls, glide=glide, gain_db=-12.0)[0]
    power = np.abs(np.fft.rfft(sound * np.hanning(len(sound)))) ** 2
    hz = np.fft.rfftfreq(len(sound), 1 / RATE)
    far = np.abs(hz[:, None] - HZ[None]).min(axis=1) > 1500
    assert 10 * np.log10(power[far].sum() / power.sum()) < -65


def test_days_of_playing_do_not_blur_the_phase():
    synth = AdditiveSynth(HZ, FRAME_RATE, RATE, AdditiveConfig(block=BLOCK))
    for tick in (0, 7 * 86_400 * RATE // BLOCK, 2**32 // BLOCK - 1):
        found = np.asarray(synth._waves(jnp.array([tick, tick + 1])))
        for note, (step, begin) in enumerate(zip(synth._step[0], synth._begin[0], strict=True)):
            samples = range(tick * BLOCK, (tick + 2) * BLOCK)
            turns = [(sample * int(step) + int(begin)) % 2**32 / 2**32 for sample in samples]
            expected = np.sin(2 * np.pi * np.array(turns)).reshape(2, BLOCK)
            np.testing.assert_allclose(found[:, note], expected, atol=2e-6)


def test_peaks_stay_under_the_ceiling_and_mute_is_silent(rng):
    value = rng.random((1, FRAMES, 3))
    onset, offset = strike_arrays([0.4, 0.9], [0, 1])
    controls = controls_of(value, onset, offset)
    assert true_peak_db(jnp.asarray(sound_of(controls)))[0] <= -0.9
    assert np.abs(sound_of(controls, mute=1.0)).max() == 0


def test_it_starts_from_silence():
    sound = sound_of(gliding(np.full((1, FRAMES, 3), 0.3)))[0]
    assert np.abs(sound[:8]).max() == 0 and np.abs(sound[:BLOCK]).max() < 0.01


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"partials": ((2.0, 1.0),)}, r"wanted \(1, 1\) among them: the note itself"),
        ({"partials": ((1.0, 1.0), (0.0, 1.0))}, "got a partial's ratio 0, wanted 0.1 to 100"),
        ({"partials": ((1.0, 1.0), (4.0, -1.0))}, "got a partial's amplitude -1, wanted 0 to 10"),
        ({"decay_secs": 0.0}, "got decay_secs 0 s, wanted 0.01 to 60 s"),
        ({"decay_slope": -1.0}, "got decay_slope -1, wanted 0 to 2"),
        ({"attack_secs": 1.0}, "got attack_secs 1 s, wanted 0.0005 to 0.05 s"),
        ({"threshold": 2.0}, "got threshold 2, wanted 0 to 1"),
        ({"block": 1}, "got block 1 samples, wanted 16 to 65536 samples"),
    ],
)
def test_settings_that_cannot_be_played(setting, message):
    with pytest.raises(WyhError, match=message):
        AdditiveConfig(**setting)


def test_what_is_remembered_has_one_shape_and_type():
    check_remembered(make(), {}, len(HZ))
