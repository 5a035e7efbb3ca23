import jax
import jax.numpy as jnp
import numpy as np
import pytest

from wyh.signal.levels import k_weighting
from wyh.signal.stft import stft_window
from wyh.synths.noise import NoiseConfig
from wyh.synths.oscillators import OscillatorBank

RATE, N_FFT, HOP = 8000, 256, 64
CONFIG = NoiseConfig(RATE, N_FFT, HOP)
HZ = np.array([[200.0, 700.25, 1234.5, 3900.0], [110.0, 220.0, 440.0, 880.0]])
AUDIBLE = np.array([1.0, 0.5, 1.0, 1.5], np.float32)
BANK = OscillatorBank(CONFIG, HZ, AUDIBLE)
LEVEL = np.sqrt(2 * AUDIBLE / np.abs(k_weighting(HZ.ravel()).reshape(HZ.shape)) ** 2)
sound_many = jax.jit(BANK.sound_many)


def play(amplitude, tuning=0, chunks=None, first=0, sides=None):
    """Sound of `[batch, time, bands]`; `tuning` is one or one for each chunk."""
    amplitude = jnp.asarray(amplitude, jnp.float32)
    lead = amplitude.shape[:1] if sides is None else (amplitude.shape[0], len(sides))
    tail, at, sounds = jnp.zeros((*lead, N_FFT - HOP)), 0, []
    for i, count in enumerate(chunks or [amplitude.shape[1]]):
        ticks = first + at + jnp.arange(count)
        chosen = jnp.int32(tuning if np.isscalar(tuning) else tuning[i])
        tail, sound = sound_many(tail, ticks, amplitude[:, at : at + count], chosen, sides)
        at += count
        sounds.append(np.asarray(sound))
    return np.concatenate(sounds, axis=-1)


def naive(amplitude, tuning, begin=BANK._begin / 2**32):
    """Each sine by itself in float64, its amplitude through the sum of shifted windows."""
    time, bands = amplitude.shape
    window = stft_window("hann", N_FFT).astype(float)
    envelope = np.zeros(((time - 1) * HOP + N_FFT, bands))
    for tick in range(time):
        envelope[tick * HOP : tick * HOP + N_FFT] += window[:, None] * amplitude[tick]
    envelope = envelope[: time * HOP] / (window.sum() / HOP)
    turns = np.outer(np.arange(time * HOP), BANK.hz[tuning] / RATE) + begin
    return np.sum(envelope * LEVEL[tuning] * np.sin(2 * np.pi * (turns % 1)), axis=1)


@pytest.mark.parametrize("tuning", [0, 1])
def test_it_is_the_sum_of_sines(tuning, rng):
    amplitude = rng.random((2, 30, 4)) * 0.1
    found = play(amplitude, tuning)
    for row, expected in zip(found, (naive(one, tuning) for one in amplitude), strict=True):
        np.testing.assert_allclose(row, expected, atol=2e-6)


def test_streaming_is_the_same_as_offline_however_it_is_cut(rng):
    amplitude = rng.random((2, 40, 4)) * 0.1
    whole = play(amplitude)
    for chunks in ([1] * 40, [8] * 5, [1, 8, 1, 1, 8, 8, 1, 1, 8, 1, 1, 1]):
        np.testing.assert_allclose(play(amplitude, 0, chunks), whole, rtol=0, atol=1e-6)


def test_hours_of_playing_do_not_blur_the_phase(rng):
    """A day at 125 columns a second, and across the place where 32 bits of samples wrap."""
    amplitude = rng.random((30, 4)) * 0.1
    for first in (86_400 * 125, 2**32 // HOP - 7, 2**31 - 100):
        # Exact: phases of whole samples in Python's integers.
        steps = [int(step) for step in BANK._step[0]]
        begin = [
            (step * first * HOP + int(start)) % 2**32
            for step, start in zip(steps, BANK._begin, strict=True)
        ]
        expected = naive(amplitude, 0, np.array(begin) / 2**32)
        np.testing.assert_allclose(play(amplitude[None], 0, first=first)[0], expected, atol=2e-6)


@pytest.mark.parametrize("tuning", [0, 1])
def test_frequencies_are_within_a_cent(tuning):
    sound = play(np.eye(4)[:, None] * np.full((1, 2000, 1), 0.05), tuning)[:, 2 * N_FFT :]
    size = sound.shape[1]
    power = np.abs(np.fft.rfft(sound * np.hanning(size), 8 * size))
    peak = power.argmax(axis=1) * RATE / (8 * size)
    cents = 1200 * np.log2(peak / HZ[tuning])
    # Interpolated eightfold, the transform tells 1/128 Hz: 0.1 cents at 110 Hz.
    assert np.abs(cents).max() < 0.2
    np.testing.assert_allclose(BANK.hz, HZ, atol=RATE / 2**32)


def test_each_band_is_as_loud_to_the_ear_as_it_is_said_to_be():
    sound = play(np.eye(4)[:, None] * np.full((1, 2000, 1), 0.05))[:, 2 * N_FFT :]
    spectrum = np.fft.rfft(sound * np.sqrt(8 / 3) * np.hanning(sound.shape[1]))
    hz = np.fft.rfftfreq(sound.shape[1], 1 / RATE)
    power = 2 * np.sum(np.abs(spectrum * k_weighting(hz)) ** 2, axis=1) / sound.shape[1] ** 2
    np.testing.assert_allclose(power, 0.05**2 * AUDIBLE, rtol=0.01)


def test_what_the_ear_hardly_hears_is_not_blown_up():
    low = OscillatorBank(CONFIG, np.array([[10.0, 1000.0]]), np.ones(2, np.float32))
    gain = low._level * np.sum(stft_window("hann", N_FFT)) / HOP
    assert gain[0, 0] == pytest.approx(np.sqrt(2 * 4), rel=1e-5)
    assert gain[0, 1] == pytest.approx(np.sqrt(2), rel=0.1)


def test_another_tuning_crosses_over_without_a_click():
    steady = np.full((1, 60, 4), 0.05)
    sound = play(steady, [0, 1, 0], [20, 20, 20])[0]
    one, other = play(steady, 0)[0], play(steady, 1)[0]
    np.testing.assert_allclose(sound[: 20 * HOP], one[: 20 * HOP], atol=1e-6)
    settled = slice(20 * HOP + N_FFT, 40 * HOP)
    np.testing.assert_allclose(sound[settled], other[settled], atol=1e-6)
    steepest = max(np.abs(np.diff(one)).max(), np.abs(np.diff(other)).max())
    assert np.abs(np.diff(sound)).max() <= 1.1 * steepest


def test_sides_share_a_band(rng):
    amplitude = rng.random((2, 20, 4)) * 0.1
    sides = jnp.array([[1.0, 0.0, 0.6, 0.5], [0.0, 1.0, 0.8, 0.5]])
    found = play(amplitude, sides=sides, chunks=[5, 15])
    assert found.shape == (2, 2, 20 * HOP)
    for channel in range(2):
        expected = play(amplitude * np.asarray(sides[channel]))
        np.testing.assert_allclose(found[:, channel], expected, atol=1e-6)
