"""Distances of spectra, centroids and loudness, against NumPy and sounds whose truth is known."""

import jax
import numpy as np
import pytest

from wyh.metrics.spectral import (
    FLOOR_DB,
    HOP_LENGTH,
    N_FFT,
    centroid_error_octaves,
    centroid_hz,
    log_spectral_distance_db,
    loudness_error_lu,
)

RATE = 16000


def noise(rng, *shape):
    return (0.1 * rng.standard_normal(shape)).astype(np.float32)


def sine(hz, amplitude=0.1, samples=8000):
    return (amplitude * np.sin(2 * np.pi * hz * np.arange(samples) / RATE)).astype(np.float32)


def powers(sound):
    taper = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(N_FFT) / N_FFT)
    padded = np.pad(sound.astype(np.float64), N_FFT // 2)
    starts = range(0, len(padded) - N_FFT + 1, HOP_LENGTH)
    columns = np.array([np.fft.rfft(padded[at : at + N_FFT] * taper) for at in starts])
    return np.abs(columns * 2 / taper.sum()) ** 2 + 10 ** (FLOOR_DB / 10)


def test_the_log_spectral_distance_as_by_hand(rng):
    made, true = noise(rng, 2, 8000), noise(rng, 2, 8000)
    made[1] *= 0.1
    found = log_spectral_distance_db(made, true)
    assert found.shape == (2,)
    for row in range(2):
        off = 10 * np.log10(powers(made[row])) - 10 * np.log10(powers(true[row]))
        wanted = np.sqrt(np.mean(off**2, axis=1)).mean()
        assert float(found[row]) == pytest.approx(wanted, rel=1e-3)


def test_the_distance_of_a_level_is_that_level(rng):
    # Far above the floor every bin is off by as much.
    true = noise(rng, 8000)
    assert float(log_spectral_distance_db(true, true)) == 0
    assert float(log_spectral_distance_db(3.1622777 * true, true)) == pytest.approx(10, abs=0.15)


def test_silence_has_a_finite_distance_and_gradient(rng):
    silent = np.zeros(8000, np.float32)
    assert 20 < float(log_spectral_distance_db(silent, noise(rng, 8000))) < 60
    slope = jax.grad(lambda x: log_spectral_distance_db(x, noise(rng, 8000)))(silent)
    assert np.isfinite(np.asarray(slope)).all()


@pytest.mark.parametrize("hz", [250.0, 1000.0, 4000.0])
def test_the_centroid_of_a_sine_is_its_frequency(hz):
    found = np.asarray(centroid_hz(sine(hz), RATE))
    assert found.shape == (1 + 8000 // HOP_LENGTH,)
    np.testing.assert_allclose(found[2:-2], hz, rtol=0.01)


def test_the_centroid_as_by_hand(rng):
    sound = noise(rng, 8000)
    power = powers(sound)
    wanted = power @ (np.arange(N_FFT // 2 + 1) * RATE / N_FFT) / power.sum(axis=1)
    np.testing.assert_allclose(centroid_hz(sound, RATE), wanted, rtol=1e-4)
    silent = centroid_hz(np.zeros(8000, np.float32), RATE)
    np.testing.assert_allclose(silent, RATE / 4, rtol=1e-5)


def test_an_octave_off_is_one_whichever_way():
    low, high = sine(500.0), sine(1000.0)
    assert float(centroid_error_octaves(high, low, RATE)) == pytest.approx(1, abs=0.03)
    assert float(centroid_error_octaves(low, high, RATE)) == pytest.approx(1, abs=0.03)
    assert float(centroid_error_octaves(low, low, RATE)) == 0


def test_where_the_true_sound_is_silent_no_centroid_is_off():
    half = sine(500.0)
    half[4000:] = 0
    # What is made in the silent half is no matter of brightness.
    made = half.copy()
    made[5000:] = sine(3000.0)[5000:]
    assert float(centroid_error_octaves(made, half, RATE)) < 0.03
    silent = np.zeros(8000, np.float32)
    assert float(centroid_error_octaves(made, silent, RATE)) == 0
    assert float(centroid_error_octaves(silent, half, RATE)) > 2


def test_loudness_is_off_by_the_gain(rng):
    true = noise(rng, 3, 12000)
    made = true * np.array([[2.0], [1.0], [0.5]], np.float32)
    found = loudness_error_lu(made, true, RATE)
    np.testing.assert_allclose(found, [6.02, 0, 6.02], atol=0.02)
