import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.synths.alone import NoiseAlone
from wyh import knobs
from wyh.errors import WyhError
from wyh.knobs import PHASES, SCALES
from wyh.signal.bands import LAYOUTS
from wyh.signal.levels import integrated_loudness, true_peak_db
from wyh.synths.mixture import MixtureSynth, TuningConfig, panned, tunings
from wyh.synths.noise import NoiseConfig, NoiseSynth
from wyh.transducers.compile import traced
from wyh.transducers.protocol import tick_keys

RATE, N_FFT, HOP, BANDS = 8000, 256, 64, 8
CONFIG = NoiseConfig(RATE, N_FFT, HOP, "linear", low_hz=100, high_hz=3500)
SPREAD = jnp.linspace(-1.0, 1.0, BANDS)
scales = pytest.mark.parametrize("scale", SCALES)


@functools.cache
def make(channels=1):
    synth = MixtureSynth(CONFIG, TuningConfig(), BANDS, channels)

    @functools.partial(jax.jit, static_argnames="count")
    def emit(carry, amplitude, pan, turned, first, count):
        keys = tick_keys(jax.random.key(0), first, count)
        return synth.emit_many(carry, amplitude, jnp.float32(0), pan, turned, keys)

    return synth, emit


def play(amplitude, chunks=None, turned=({},), *, pan=SPREAD, channels=1):
    """Sound of `[batch, time, bands]`; `turned` are knobs of each chunk, or of all."""
    synth, emit = make(channels)
    amplitude = jnp.asarray(amplitude, jnp.float32)
    carry, at, sounds = synth.init(jax.random.key(1), len(amplitude)), 0, []
    chunks = chunks or [amplitude.shape[1]]
    for count, values in zip(chunks, turned * (len(chunks) // len(turned)), strict=True):
        part = amplitude[:, at : at + count]
        carry, sound = emit(carry, part, pan, traced(knobs.defaults(**values)), at, count)
        at += count
        sounds.append(np.asarray(sound))
    return np.concatenate(sounds, axis=-1)


def noise_alone(amplitude, **turned):
    synth = NoiseAlone(CONFIG, BANDS)
    keys = tick_keys(jax.random.key(0), 0, amplitude.shape[1])
    _, sound = jax.jit(synth.emit_many)(
        synth.init(jax.random.key(1), len(amplitude)),
        jnp.asarray(amplitude, jnp.float32),
        jnp.float32(0),
        traced(knobs.defaults(**turned)),
        keys,
    )
    return np.asarray(sound)


def steady(value=0.03, time=400, batch=1):
    return np.full((batch, time, BANDS), value)


def lufs(sound):
    """Of all channels together."""
    each = integrated_loudness(jnp.asarray(sound), RATE)
    return float(10 * np.log10(np.sum(10 ** (np.asarray(each) / 10))))


LATENCY = make()[0].latency_samples
SETTLED = slice(2 * N_FFT + LATENCY, None)


@pytest.mark.parametrize("policy", PHASES)
def test_by_default_it_is_the_noise_synth(policy, rng):
    amplitude = rng.random((2, 40, BANDS)) * 0.3
    expected = noise_alone(amplitude, phase=policy)
    assert np.abs(expected).max() > 0.1
    np.testing.assert_allclose(play(amplitude, turned=({"phase": policy},)), expected, atol=1e-6)


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("timbre", [0.0, 0.4, 1.0])
def test_streaming_is_the_same_as_offline_however_it_is_cut(timbre, channels, rng):
    amplitude = rng.random((2, 40, BANDS)) * 0.3
    turned = ({"timbre": timbre, "scale": "just"},)
    whole = play(amplitude, turned=turned, channels=channels)
    for chunks in ([1] * 40, [8] * 5, [1, 8, 1, 1, 8, 8, 1, 1, 8, 1, 1, 1]):
        found = play(amplitude, chunks, turned, channels=channels)
        np.testing.assert_allclose(found, whole, rtol=0, atol=1e-5)


def test_a_mix_is_both_at_equal_power(rng):
    amplitude = rng.random((1, 60, BANDS)) * 0.05
    noise, tones = play(amplitude), play(amplitude, turned=({"timbre": 1},))
    for timbre in (0.2, 0.5):
        expected = np.sqrt(1 - timbre) * noise + np.sqrt(timbre) * tones
        np.testing.assert_allclose(
            play(amplitude, turned=({"timbre": timbre},)), expected, atol=1e-5
        )


def clean(found, *parts):
    """No step is larger than the steepest of what is mixed, added up."""
    return np.abs(np.diff(found)).max() <= 1.05 * sum(np.abs(np.diff(p)).max() for p in parts)


def test_turning_the_timbre_makes_no_click():
    amplitude, values = steady(time=120), (0.0, 1.0, 0.3, 1.0, 0.0)
    found = play(amplitude, [24] * 5, tuple({"timbre": t, "phase": "fixed"} for t in values))
    noise = play(amplitude, turned=({"phase": "fixed"},))
    tones = play(amplitude, turned=({"timbre": 1},))
    assert clean(found, noise, tones)
    # Once the knob rests it is as though it had always stood there, but for the tail.
    for i, timbre in enumerate(values):
        rest = slice(i * 24 * HOP + N_FFT + LATENCY, (i + 1) * 24 * HOP)
        expected = np.sqrt(1 - timbre) * noise + np.sqrt(timbre) * tones
        np.testing.assert_allclose(found[:, rest], expected[:, rest], atol=1e-5)


def test_changing_the_scale_makes_no_click():
    amplitude = steady(time=24 * len(SCALES))
    turned = tuple({"timbre": 1, "scale": scale} for scale in SCALES)
    found = play(amplitude, [24] * len(SCALES), turned)
    steepest = [play(amplitude, turned=(values,)) for values in turned]
    assert np.abs(np.diff(found)).max() <= 1.1 * max(np.abs(np.diff(s)).max() for s in steepest)


@scales
def test_each_band_plays_its_note(scale):
    one_each = 0.05 * np.eye(BANDS)[:, None] * np.ones((1, 1500, 1))
    sound = play(one_each, turned=({"timbre": 1, "scale": scale},))[:, SETTLED]
    size = sound.shape[1]
    power = np.abs(np.fft.rfft(sound * np.hanning(size), 8 * size))
    peak_hz = power.argmax(axis=1) * RATE / (8 * size)
    expected = tunings(CONFIG, TuningConfig(), make()[0].noise)[SCALES.index(scale)]
    assert np.abs(1200 * np.log2(peak_hz / expected)).max() < 0.5
    if scale == "equal":  # few bands, so each has a note alone
        off = np.mod(1200 * np.log2(peak_hz / 440) + 50, 100) - 50
        assert np.abs(off).max() < 1


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("bands", [1, 16, 64])
def test_notes_rise_along_the_code_in_every_scale(layout, bands):
    config = NoiseConfig(layout=layout)
    found = tunings(config, TuningConfig(), NoiseSynth(config, bands))
    assert found.shape == (len(SCALES), bands)
    assert (np.diff(found, axis=1) > 0).all()
    assert found.min() > 30 and found.max() < 11025


def test_extreme_ranges_can_be_played():
    config = NoiseConfig(8000, 256, 64, low_hz=0, high_hz=4000)
    found = tunings(config, TuningConfig(), NoiseSynth(config, 129))  # every bin a band
    assert (np.diff(found, axis=1) > 0).all() and found.min() > 0 and found.max() < 4000


def test_neighbours_that_share_a_note_can_be_told_apart():
    config = NoiseConfig()
    found = tunings(config, TuningConfig(), NoiseSynth(config, 64))
    assert np.diff(found, axis=1).min() > 1.49 * config.sample_rate / config.n_fft
    close = tunings(config, TuningConfig(apart_bins=0.5), NoiseSynth(config, 64))
    assert np.diff(close[1:], axis=1).min() == pytest.approx(0.5 * 22050 / 1024, rel=1e-6)


def test_ones_own_scale():
    config = NoiseConfig()
    octaves = TuningConfig(cents=(0.0,), root_hz=100.0, apart_bins=0.01)
    found = tunings(config, octaves, NoiseSynth(config, 64))[SCALES.index("own")]
    octave = np.log2(found / 100)
    assert np.abs(octave - np.rint(octave)).max() < 0.05


@scales
@pytest.mark.parametrize("timbre", [0.5, 1.0])
def test_the_calibrated_loudness_holds(scale, timbre, rng):
    amplitude = np.linspace(0.06, 0.01, BANDS) * rng.uniform(0.8, 1.2, (1, 800, BANDS))
    found = lufs(play(amplitude, turned=({"timbre": timbre, "scale": scale},)))
    expected = make()[0].noise.loudness(jnp.asarray(amplitude[0], jnp.float32))
    assert found == pytest.approx(float(expected), abs=0.4)


@pytest.mark.parametrize("timbre", [0.0, 0.5, 1.0])
def test_the_latency_is_declared(timbre):
    """A column alone sounds in the middle, that much later."""
    alone = np.zeros((16, 40, BANDS))
    alone[:, 20] = 0.05
    power = np.mean(play(alone, turned=({"timbre": timbre},)) ** 2, axis=0)
    centroid = np.sum(power * np.arange(len(power))) / power.sum()
    assert abs(centroid - 20 * HOP - LATENCY) / RATE < 0.002


def test_what_is_turned_off_is_not_computed(monkeypatch):
    """The noise synth is left out at 1 and the oscillators at 0, so their ruin is not heard."""
    synth = MixtureSynth(CONFIG, TuningConfig(), BANDS)
    amplitude, quiet, key = jnp.full((1, 8, BANDS), 0.1), jnp.float32(-6), jax.random.key(0)

    def ruined(*arguments, **options):
        return jax.tree.map(lambda x: x * jnp.nan, kept(*arguments, **options))

    for part, off, on in ((synth.noise, 1, 0), (synth.oscillators, 0, 1)):
        kept = part.sound_many
        with monkeypatch.context() as patch:
            patch.setattr(part, "sound_many", ruined)
            for timbre, fine in ((off, True), (on, False), (0.5, False)):
                emit = jax.jit(lambda *given: synth.emit_many(*given)[1])  # traced anew
                turned, keys = traced(knobs.defaults(timbre=timbre)), tick_keys(key, 0, 8)
                sound = emit(synth.init(key, 1), amplitude, quiet, SPREAD, turned, keys)
                assert bool(jnp.isfinite(sound).all()) == fine


@pytest.mark.parametrize("timbre", [0.0, 1.0])
def test_each_band_is_heard_where_it_is_panned(timbre):
    one_each = 0.05 * np.eye(BANDS)[:, None] * np.ones((1, 100, 1))
    sound = play(one_each, turned=({"timbre": timbre},), channels=2)
    assert sound.shape == (BANDS, 2, 100 * HOP)
    left, right = np.mean(sound[..., SETTLED] ** 2, axis=-1).T
    place = 4 / np.pi * np.arctan2(np.sqrt(right), np.sqrt(left)) - 1
    np.testing.assert_allclose(place, SPREAD, atol=1e-3)


@pytest.mark.parametrize("timbre", [0.0, 0.5, 1.0])
def test_without_width_both_sides_are_the_mono_sound(timbre, rng):
    amplitude = rng.random((1, 400, BANDS)) * 0.05
    mono = play(amplitude, turned=({"timbre": timbre},))
    narrow = play(amplitude, turned=({"timbre": timbre, "width": 0},), channels=2)
    for channel in range(2):
        np.testing.assert_allclose(narrow[:, channel], mono * np.sqrt(0.5), atol=1e-5)
    wide = play(amplitude, turned=({"timbre": timbre},), channels=2)
    for stereo in (narrow, wide):
        assert lufs(stereo[0]) == pytest.approx(lufs(mono), abs=0.3)


def test_the_limiter_holds_both_sides_and_moves_nothing_between_them():
    """All is right of the middle, by the same ratio, however far it is turned down."""
    pan = jnp.full(BANDS, 0.5)
    loud = play(steady(0.5), turned=({"gain_db": 12},), pan=pan, channels=2)[0]
    assert true_peak_db(jnp.asarray(loud)).max() <= -0.9
    left, right = loud
    np.testing.assert_allclose(left, right * np.tan(np.pi / 8), atol=1e-5)


def test_panning_keeps_the_power():
    left, right = panned(jnp.linspace(-1, 1, 9))
    np.testing.assert_allclose(left**2 + right**2, 1, rtol=1e-6)
    np.testing.assert_allclose([left[0], right[0], left[4]], [1, 0, np.sqrt(0.5)], atol=1e-7)
    np.testing.assert_allclose(left, right[::-1], atol=1e-6)


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"cents": (300.0, 100.0)}, "got the scale 300 100, wanted rising cents"),
        ({"root_hz": 5.0}, "got root_hz 5 Hz, wanted 20 to 20000 Hz"),
        ({"apart_bins": 0.0}, "got apart_bins 0, wanted 0.01 to 8"),
    ],
)
def test_a_tuning_that_cannot_be_played_is_refused_at_once(setting, message):
    with pytest.raises(WyhError, match=message):
        TuningConfig(**setting)
