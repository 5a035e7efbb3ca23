import functools
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from wyh.signal.bands import band_bins
from wyh.synths.noise import NoiseConfig
from wyh.synths.prediction import Prediction, glided
from wyh.synths.protocol import Column, Magnitudes, NoteAmplitudes
from wyh.synths.strikes import unstruck

RATE, N_FFT, BANDS = 8000, 256, 12
NOISE = NoiseConfig(RATE, N_FFT, 64, "mel", low_hz=100.0, high_hz=3600.0)
KEYS = jax.random.split(jax.random.key(0), 40)
AGES = jnp.zeros(40)


def bins_hz(band):
    """The frequencies that the noise synth plays a band at."""
    sizes = {"n_fft": N_FFT, "sample_rate": RATE, "low_hz": 100.0, "high_hz": 3600.0}
    return np.flatnonzero(band_bins("mel", BANDS, **sizes) == band) * RATE / N_FFT


@functools.partial(jax.jit, static_argnums=(0, 2))
def drawn(prediction, value, length, keys):
    return prediction.columns(Magnitudes(value, value), length, keys)


def levels(column, samples):
    prediction = Prediction(NOISE, BANDS, 10.0, column)
    return np.asarray(prediction.amplitudes(Column(jnp.asarray(samples)), AGES[:1], 1.0))


def tone(hz, length, amplitude=0.2):
    wave = amplitude * np.sqrt(2) * np.sin(2 * np.pi * hz * np.arange(length) / RATE + 1)
    return wave.astype(np.float32)[None, None]


@pytest.mark.parametrize("column", [200, 256, 735, 800, 1600])
def test_a_tone_is_in_the_band_that_plays_it_as_loud_as_it_is(column):
    for band in (6, 9, 11):
        found = levels(column, tone(bins_hz(band).mean(), column))[0, 0]
        assert found.shape == (BANDS,) and np.argmax(found) == band
        assert np.sqrt(np.sum(found**2)) == pytest.approx(0.2, rel=0.01)
        if column >= 735:
            assert found[band] == pytest.approx(0.2, rel=0.02)


def test_amplitudes_are_of_each_batch_and_time(rng):
    prediction = Prediction(NOISE, BANDS, 10.0, 400)
    samples = jnp.asarray(rng.standard_normal((2, 3, 400)), jnp.float32)
    found = prediction.amplitudes(Column(samples), AGES[:3], 1.0)
    one = prediction.amplitudes(Column(samples[1:, 2:]), AGES[:1], 1.0)
    np.testing.assert_allclose(found[1:, 2:], one, rtol=1e-5)
    silent = prediction.amplitudes(Column(0 * samples), AGES[:3], 1.0)
    assert not silent.any()


@pytest.mark.parametrize("glide", [0.0, 0.5, 1.0])
def test_magnitudes_glide_from_the_picture_before(glide, rng):
    prediction = Prediction(NOISE, BANDS, 10.0)
    assert prediction.period == 800
    value, previous = jnp.asarray(rng.random((2, 2, 40, BANDS)), jnp.float32)
    ages = np.linspace(0, 0.3, 40, dtype=np.float32)
    found = prediction.amplitudes(Magnitudes(value, previous), jnp.asarray(ages), glide)
    np.testing.assert_array_equal(
        found, glided(Magnitudes(value, previous), jnp.asarray(ages) * 10, glide)
    )
    knots = [0.05 - 0.05 * glide - 1e-6, 0.05 + 0.05 * glide + 1e-6]
    along = np.interp(ages, knots, [0, 1])[None, :, None]
    np.testing.assert_allclose(found, previous + (value - previous) * along, atol=1e-4)


@pytest.mark.parametrize("column", [7, 8])
@pytest.mark.parametrize("length", [1, 4, 5, 7, 8, 11, 12])
def test_predicted_samples_are_cut_or_filled_around_their_middle(column, length):
    samples = 1 + np.arange(column, dtype=np.float32)
    prediction = Prediction(NOISE, BANDS, 10.0, column)
    found = prediction.columns(Column(jnp.asarray(samples)[None, None]), length, KEYS[:1])[0, 0]
    wide = np.concatenate([np.zeros(20), samples, np.zeros(20)])
    first = 20 - (length - column) // 2
    np.testing.assert_array_equal(found, wide[first : first + length])


@pytest.mark.parametrize("length", [300, 801])
def test_columns_of_amplitudes_have_them_and_where_the_noise_synth_plays_them(length):
    prediction, analysis = Prediction(NOISE, BANDS, 10.0), Prediction(NOISE, BANDS, 10.0, length)
    value = jnp.broadcast_to(0.1 * jnp.eye(BANDS)[:, None], (BANDS, 40, BANDS))
    columns = np.asarray(drawn(prediction, value, length, KEYS))
    assert columns.shape == (BANDS, 40, length)
    rms = np.sqrt(np.mean(np.square(columns), axis=(1, 2)))
    np.testing.assert_allclose(20 * np.log10(rms / 0.1), 0, atol=0.6)
    assert abs(20 * np.log10(rms / 0.1).mean()) < 0.15
    found = np.sqrt(
        np.mean(np.square(analysis.amplitudes(Column(jnp.asarray(columns)), AGES, 1.0)), axis=1)
    )
    np.testing.assert_array_equal(np.argmax(found, axis=1), np.arange(BANDS))
    for band in range(BANDS):
        power = np.abs(np.fft.rfft(columns[band] * np.hanning(length), axis=-1)) ** 2
        hz, around = np.fft.rfftfreq(length, 1 / RATE), bins_hz(band)
        near = (hz > around[0] - 45 - RATE / length) & (hz < around[-1] + 45 + RATE / length)
        assert power[:, near].sum() > 0.98 * power.sum()


def test_phases_are_drawn_by_the_key_of_a_tick_for_each_of_a_batch():
    prediction = Prediction(NOISE, BANDS, 10.0)
    value = jnp.full((2, 3, BANDS), 0.1)
    columns = np.asarray(drawn(prediction, value, 300, KEYS[:3]))
    later = drawn(prediction, value[:, 1:], 300, KEYS[1:3])
    np.testing.assert_allclose(columns[:, 1:], later, atol=1e-6)
    flat = columns.reshape(6, 300)
    assert np.abs(np.corrcoef(flat) - np.eye(6)).max() < 0.4


def test_bands_that_fit_the_noise_fit_columns_however_short():
    """100 bands in a period of 133 samples, whose own spectrum has but 67 bins."""
    noise = NoiseConfig(RATE, N_FFT, 64, "linear", low_hz=100.0, high_hz=3900.0)
    amplitude = jnp.full((1, 1, 100), 0.02)
    sound = drawn(Prediction(noise, 100, 60.0), amplitude, 133, KEYS[:1])
    found = Prediction(noise, 100, 60.0, 133).amplitudes(Column(sound), AGES[:1], 1.0)
    assert found.shape == (1, 1, 100)
    assert np.sum(found**2) == pytest.approx(float(jnp.mean(sound**2)), rel=0.5)


# In a band of its own, two in another, and two that lie below and above all bands.
NOTES_HZ = (1000.0, 3200.0, 3250.0, 40.0, 3900.0)
OF_NOTES = replace(Prediction(NOISE, BANDS, 10.0), notes_hz=NOTES_HZ)


def struck(value, previous):
    return NoteAmplitudes(value, previous, unstruck(value), unstruck(value))


def in_bands(amplitudes):
    """RMS of bands `[..., bands]` of sines of these amplitudes `[..., notes]`, one by one."""
    power = np.zeros((*amplitudes.shape[:-1], BANDS))
    for note, hz in enumerate(NOTES_HZ):
        nearest = [np.abs(bins_hz(band) - hz).min() for band in range(BANDS)]
        power[..., np.argmin(nearest)] += amplitudes[..., note] ** 2 / 2
    return np.sqrt(power)


@pytest.mark.parametrize("glide", [0.0, 1.0])
def test_notes_are_as_loud_in_the_bands_that_hold_them(glide, rng):
    value, previous = jnp.asarray(rng.random((2, 2, 40, 5)), jnp.float32)
    ages = jnp.asarray(np.linspace(0, 0.3, 40), jnp.float32)
    bands = [jnp.asarray(in_bands(np.asarray(a)), jnp.float32) for a in (value, previous)]
    found = OF_NOTES.amplitudes(struck(value, previous), ages, glide)
    wanted = OF_NOTES.amplitudes(Magnitudes(*bands), ages, glide)
    np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-6)
    assert np.count_nonzero(np.asarray(found).max(axis=(0, 1))) == 3
    silent = struck(0 * value, 0 * previous)
    assert not OF_NOTES.amplitudes(silent, ages, glide).any()


def test_a_note_is_in_the_band_that_its_tone_is_heard_in():
    """As loud as the tone, which a Hann window spreads a little over the next bands."""
    for note, hz in enumerate(NOTES_HZ[:3]):
        value = jnp.zeros((1, 1, 5)).at[..., note].set(0.2 * np.sqrt(2))
        found = np.asarray(OF_NOTES.amplitudes(struck(value, value), AGES[:1], 1.0))[0, 0]
        heard = levels(1600, tone(hz, 1600))[0, 0]
        assert np.argmax(found) == np.argmax(heard)
        np.testing.assert_allclose(found.max(), 0.2, rtol=1e-5)
        np.testing.assert_allclose(np.sum(heard**2), np.sum(found**2), rtol=0.02)


def test_columns_of_notes_are_those_of_their_bands(rng):
    value = jnp.asarray(rng.random((2, 3, 5)), jnp.float32)
    bands = jnp.asarray(in_bands(np.asarray(value)), jnp.float32)
    found = OF_NOTES.columns(struck(value, 0 * value), 300, KEYS[:3])
    wanted = OF_NOTES.columns(Magnitudes(bands, bands), 300, KEYS[:3])
    np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-5)
