from fractions import Fraction

import numpy as np
import pytest
import scipy.signal

from wyh.errors import WyhError
from wyh.metrics.smoothness import click_db, frame_rate_flutter_db, frame_rate_harmonics_db
from wyh.specs import tick_start

RATE = 8000
NTSC = Fraction(24000, 1001)


def frame_starts(frame_rate: Fraction, samples: int) -> np.ndarray:
    count = int(samples * frame_rate / RATE)
    return np.array([tick_start(k, RATE, frame_rate) for k in range(count + 1)])


def smooth_noise(rng, samples):
    return scipy.signal.lfilter([0.1], [1, -0.9], rng.standard_normal(samples + 100))[100:]


def test_the_formula_of_clicks(rng):
    x, boundaries = rng.random(400), np.array([100, 200, 300])
    squares = {i: (x[i] - x[i - 1]) ** 2 for i in range(1, 400)}
    near = np.mean([squares[b + i] for b in (100, 200, 300) for i in range(-4, 5)])
    middle = np.mean([squares[b + i] for b in (150, 250) for i in range(-4, 5)])
    assert click_db(x, boundaries) == pytest.approx(10 * np.log10(near / middle))


def test_noise_without_boundaries_has_no_clicks(rng):
    for x in (rng.standard_normal(200_000), smooth_noise(rng, 200_000)):
        assert click_db(x, np.arange(250, 200_000, 250)) == pytest.approx(0, abs=0.3)


def test_blocks_that_know_nothing_of_one_another_click(rng):
    """Seed 000's sound: each block drawn by itself, and no overlap."""
    blocks = [smooth_noise(rng, 250) for _ in range(800)]
    boundaries = np.arange(250, 200_000, 250)
    clicks = click_db(np.concatenate(blocks), boundaries)
    # One difference in 9 is that of independent samples, 1 / (1 - 0.9) times as large squared.
    assert clicks == pytest.approx(10 * np.log10((8 + 10) / 9), abs=0.4)
    assert click_db(np.concatenate(blocks), boundaries + 60) == pytest.approx(0, abs=0.5)


@pytest.mark.parametrize(("away", "heard"), [(-5, 1), (-4, 2), (0, 2), (3, 2), (4, 1), (5, 0)])
def test_how_near_is_near(away, heard):
    """A single odd sample makes two large differences; so many of them count."""
    x = np.zeros(1000)
    boundaries = np.array([200, 600])
    x[boundaries[0] + away] = 1
    x[400] = 0.01  # in the middle of the block
    middle = 2 * 0.01**2 * 2  # among 9 differences, those near are among 18
    nothing = 18 * 1e-12 * (2 + 2 * 0.01**2) / 999
    assert click_db(x, boundaries) == pytest.approx(10 * np.log10((heard or nothing) / middle))


def test_clicks_at_the_ends_and_of_nothing(rng):
    x = rng.standard_normal(1000)
    inside = np.array([300, 600])
    assert click_db(x, np.array([0, 2, 300, 600, 998, 1000])[2:4]) == click_db(x, inside)
    assert np.isfinite(click_db(x, np.array([0, 500, 1000])))
    assert click_db(np.zeros(1000, np.float32), inside) == 0
    assert click_db(np.zeros(0), np.arange(0)) == 0
    steps = (np.arange(1000) >= 300).astype(np.float32)
    assert click_db(steps, inside) == pytest.approx(click_db(1e-4 * steps, inside))
    assert 60 < click_db(steps, inside) < np.inf


@pytest.mark.parametrize("measure", [frame_rate_harmonics_db, frame_rate_flutter_db])
@pytest.mark.parametrize("rate", [Fraction(24), NTSC, Fraction(10), Fraction(60)])
def test_noise_has_no_harmonics(rng, measure, rate):
    samples = round(600 / rate * RATE)
    for x in (rng.standard_normal(samples), smooth_noise(rng, samples)):
        found = measure(x, RATE, rate)
        assert abs(found.mean) < 0.6
        assert found.mean < found.largest < 3


@pytest.mark.parametrize("rate", [Fraction(24), NTSC, Fraction(10)])
def test_clicks_at_the_frame_rate_are_harmonics(rng, rate):
    """A click of height a every period: lines of power 2 (a rate / RATE)^2 each."""
    x = rng.standard_normal(30 * RATE).astype(np.float32)
    x[frame_starts(rate, len(x) - 1)] += 20
    found = frame_rate_harmonics_db(x, RATE, rate)
    expected = 10 * np.log10(1 + 20**2 * float(rate) / RATE * 32 / 3)
    assert found.mean == pytest.approx(expected, abs=0.7)
    assert found.mean < found.largest < found.mean + 2
    # They are harmonics of the frame rate, and of another only where they chance to meet (15/14).
    assert frame_rate_harmonics_db(x, RATE, rate * Fraction(107, 100)).mean < 1.5


def test_how_far_a_line_stands_out(rng):
    """A sine of amplitude a in noise of variance 1, Hann: a^2 / 2 over 2 / RATE per Hz."""
    x = rng.standard_normal(60 * RATE)
    x += 0.1 * np.sin(2 * np.pi * 5 * 24 * np.arange(len(x)) / RATE)
    found = frame_rate_harmonics_db(x, RATE, Fraction(24))
    bin_hz = 24 / 32
    expected = 10 * np.log10(1 + 0.1**2 / 2 / (2 / RATE) / bin_hz / 3)
    assert found.largest == pytest.approx(expected, abs=0.7)
    assert found.mean == pytest.approx(expected / 20, abs=0.4)


def test_noise_that_swells_with_the_frames_flutters_though_its_spectrum_is_flat(rng):
    at = np.arange(30 * RATE) / RATE
    x = rng.standard_normal(len(at)) * (1 + 0.5 * np.cos(2 * np.pi * 24 * at))
    assert frame_rate_harmonics_db(x, RATE, Fraction(24)).largest < 3
    assert frame_rate_flutter_db(x, RATE, Fraction(24)).largest > 10
    assert frame_rate_flutter_db(x, RATE, Fraction(31)).largest < 3


def test_the_same_noise_in_every_frame_buzzes(rng):
    x = np.tile(rng.standard_normal(RATE // 20), 600)
    assert frame_rate_harmonics_db(x, RATE, Fraction(20)).mean > 30


def test_harmonics_do_not_depend_on_the_level_and_silence_has_none(rng):
    x = rng.standard_normal(10 * RATE)
    x[:: RATE // 20] += 2
    loud, quiet = (frame_rate_harmonics_db(g * x, RATE, Fraction(20)) for g in (1.0, 1e-4))
    assert loud == pytest.approx(quiet)
    silence = np.zeros(10 * RATE, np.float32)
    assert frame_rate_harmonics_db(silence, RATE, Fraction(20)) == (0, 0)


def test_what_nobody_hears_does_not_count(rng):
    at = np.arange(20 * RATE) / RATE
    high = scipy.signal.butter(8, 1000, "high", fs=RATE, output="sos")
    x = scipy.signal.sosfilt(high, rng.standard_normal(len(at)))
    hum = np.sin(2 * np.pi * 24 * at)
    assert frame_rate_harmonics_db(x + 0.1 * hum, RATE, Fraction(24)).largest > 20
    assert frame_rate_harmonics_db(x + 1e-5 * hum, RATE, Fraction(24)).largest < 3


def test_multiples_above_half_the_sample_rate_are_left_out(rng):
    x = rng.standard_normal(10 * 4000)
    assert frame_rate_harmonics_db(x, 4000, Fraction(240)).largest < 3


@pytest.mark.parametrize("measure", [frame_rate_harmonics_db, frame_rate_flutter_db])
def test_too_short_a_sound(rng, measure):
    with pytest.raises(WyhError, match=r"got 2\.00 s .*, wanted at least 5\.33 s to look"):
        measure(rng.standard_normal(2 * RATE), RATE, Fraction(24))
