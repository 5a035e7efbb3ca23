import math
from fractions import Fraction

import numpy as np
import pytest
import scipy.signal

from wyh.metrics.heard import FLOOR, add_noise, log_mel, periods
from wyh.signal.bands import mel_matrix
from wyh.specs import tick_start

NTSC = Fraction(24000, 1001)


@pytest.mark.parametrize("rate", [Fraction(24), NTSC, Fraction(15, 2), Fraction(48000, 7)])
def test_periods_start_with_their_frames_and_are_equally_long(rate):
    waveform = np.arange(30_000, dtype=np.float64)
    cut = periods(waveform, 22050, rate, first=2, count=20)
    starts = [tick_start(k, 22050, rate) for k in range(2, 23)]
    assert cut.shape == (20, min(22050 // rate, *np.diff(starts)))
    for start, period in zip(starts, cut, strict=False):
        inside = max(0, min(cut.shape[1], len(waveform) - start))
        np.testing.assert_array_equal(period[:inside], waveform[start : start + inside])
        assert not period[inside:].any()


def test_periods_after_the_end_are_silent():
    cut = periods(np.ones(25, np.float32), 100, Fraction(10), first=1, count=4)
    np.testing.assert_array_equal(cut.sum(axis=1), [10, 5, 0, 0])
    assert periods(np.ones(25, np.float32), 100, Fraction(10), 9, 2).sum() == 0
    assert periods(np.ones(25, np.float32), 100, Fraction(10), 1, 0).shape == (0, 10)


def test_triangles_peak_at_one_and_share_every_bin_between_the_outer_peaks():
    matrix = mel_matrix(8, n_fft=65536, sample_rate=16000)
    np.testing.assert_allclose(matrix.max(axis=1), 1, atol=5e-3)
    total = matrix.sum(axis=0)
    first, last = matrix[0].argmax(), matrix[-1].argmax()
    np.testing.assert_allclose(total[first + 1 : last], 1, atol=1e-9)
    # HTK's scale: 2840 mel at 8 kHz, so the 9th part of them is 226.2 Hz.
    assert first * 16000 / 65536 == pytest.approx(700 * (10 ** (2840.02 / 9 / 2595) - 1), abs=0.3)


def test_log_mel_bin_by_bin(rng):
    rate, waveform = 8000, rng.standard_normal(8000)
    found = log_mel(waveform, rate, Fraction(25), 20, bands=5, first=3)
    taper = scipy.signal.get_window("hann", 320)
    edges = 700 * (10 ** (np.linspace(0, 2595 * math.log10(1 + 4000 / 700), 7) / 2595) - 1)
    power = np.zeros((20, 5))
    for k in range(20):
        spectrum = np.fft.rfft(waveform[(k + 3) * 320 : (k + 4) * 320] * taper)
        for b in range(5):
            for i, value in enumerate(spectrum):
                weight = np.interp(i * 25, edges[b : b + 3], [0, 1, 0])
                power[k, b] += weight * abs(value) ** 2
    expected = 10 * np.log10(power + FLOOR * power.mean())
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_a_tone_is_in_its_band_of_its_period():
    rate, at = 22050, np.arange(22050)
    tone = np.sin(2 * np.pi * 3000 * at / rate) * (at // 918 == 5)
    level = log_mel(tone, rate, NTSC, 20)
    assert level.shape == (20, 40)
    frame, band = np.unravel_index(level.argmax(), level.shape)
    edges = 700 * (10 ** (np.linspace(0, 2595 * math.log10(1 + 11025 / 700), 42) / 2595) - 1)
    assert frame == 5
    assert edges[band] < 3000 < edges[band + 2]
    assert level.max() - level[10].max() > 60


def test_a_louder_waveform_has_the_same_levels_and_a_constant(rng):
    waveform = rng.standard_normal(9000).astype(np.float32)
    quiet, loud = (log_mel(gain * waveform, 9000, Fraction(30), 30) for gain in (1e-3, 1.0))
    np.testing.assert_allclose(loud - quiet, 60, atol=1e-4)


def test_every_band_hears_something_however_short_the_period(rng):
    level = log_mel(rng.standard_normal(2000), 4000, Fraction(120), 50)
    assert level.min() > level.max() - 60
    assert np.ptp(level, axis=0).min() > 1


def test_silence_and_a_long_film(rng):
    assert np.ptp(log_mel(np.zeros(1000, np.float32), 1000, Fraction(10), 10, 4)) == 0
    assert np.isfinite(log_mel(np.zeros(1000), 1000, Fraction(10), 10, 4)).all()
    assert log_mel(np.zeros(1000), 1000, Fraction(10), 0, 4).shape == (0, 4)
    waveform = rng.standard_normal(60_000)
    level = log_mel(waveform, 1000, Fraction(20), 1200, 4)  # more than are cut at once
    late = log_mel(waveform, 1000, Fraction(20), 100, 4, first=1000)
    np.testing.assert_allclose(level[1000:1100], late, atol=1e-4)  # but for the floor


@pytest.mark.parametrize("snr_db", [20, 0, -10])
def test_noise_is_white_and_as_loud_as_wanted(rng, snr_db):
    waveform = np.where(np.arange(60_000) < 15_000, 0.2, 0).astype(np.float32)  # RMS 0.1
    noisy = add_noise(waveform, snr_db, rng)
    assert noisy.dtype == np.float32
    noise = noisy - waveform
    assert 20 * np.log10(0.1 / noise.std()) == pytest.approx(snr_db, abs=0.1)
    assert noise[:15_000].std() == pytest.approx(noise[15_000:].std(), rel=0.03)
    assert abs(np.mean(noise[1:] * noise[:-1])) < 0.02 * noise.var()


def test_noise_is_seeded_and_silence_stays_silent():
    waveform = np.ones(100)
    first, again = (add_noise(waveform, 20, np.random.default_rng(3)) for _ in range(2))
    np.testing.assert_array_equal(first, again)
    assert not add_noise(np.zeros(100), 20, np.random.default_rng(3)).any()
    assert add_noise(np.zeros(0), 20, np.random.default_rng(3)).shape == (0,)
