"""Closed forms against known answers."""

from fractions import Fraction

import numpy as np
import pytest

from wyh.baselines import (
    VOICE_HIGH_HZ,
    VOICE_LOW_HZ,
    mean_picture,
    pca,
    random_projection,
    voice,
)
from wyh.metrics.codes import ks_per_value

RATE = 22050


def pictures_of_rank(rng, n=300, rank=3, shape=(8, 8, 3), strengths=(4.0, 2.0, 1.0)):
    """Pictures, their directions (orthonormal) and how much of each is in each picture."""
    directions = np.linalg.qr(rng.standard_normal((np.prod(shape), rank)))[0].T
    amounts = rng.standard_normal((n, rank)) * np.array(strengths[:rank])
    flat = 0.5 + 0.01 * amounts @ directions
    return flat.reshape(n, *shape).astype(np.float32), directions, 0.01 * amounts


def test_the_mean_picture_is_the_mean(rng):
    pictures = rng.uniform(size=(7, 8, 8, 3)).astype(np.float32)
    np.testing.assert_allclose(mean_picture(pictures), pictures.mean(axis=0), atol=1e-6)


def test_pca_finds_the_directions_in_order(rng):
    pictures, directions, amounts = pictures_of_rank(rng)
    code = pca(pictures, 3)
    along = np.abs(directions @ code.weights)
    np.testing.assert_allclose(np.diagonal(along), 1, atol=0.05)
    # Plain codes are linear: 2.5 standard deviations of the strongest become half the range.
    expected = 0.5 + (pictures.reshape(300, -1) - code.mean) @ code.weights / (2 * code.reach)
    np.testing.assert_allclose(code.encode(pictures), np.clip(expected, 0, 1), atol=1e-5)
    assert code.reach == pytest.approx(2.5 * amounts[:, 0].std(), rel=0.02)


def test_plain_codes_are_clipped(rng):
    pictures, _, _ = pictures_of_rank(rng)
    far = 0.5 + 100 * (pictures[:4] - 0.5)
    codes = pca(pictures, 1).encode(far)
    assert set(np.unique(codes)) <= {0.0, 1.0}


def test_uniform_codes_are_uniform_and_keep_the_order(rng):
    pictures, _, _ = pictures_of_rank(rng)
    plain, uniform = pca(pictures, 3), pca(pictures, 3, uniform=True)
    codes = uniform.encode(pictures)
    np.testing.assert_allclose(ks_per_value(codes), 0.5 / 300, atol=1e-6)
    values = (pictures.reshape(300, -1) - plain.mean) @ plain.weights
    assert np.array_equal(np.argsort(codes, axis=0), np.argsort(values, axis=0))
    new, _, _ = pictures_of_rank(np.random.default_rng(5))
    assert uniform.encode(new).min() >= 0
    assert uniform.encode(new).max() <= 1


def test_components_that_are_not_there_stand_still(rng):
    pictures, _, _ = pictures_of_rank(rng, rank=2)
    for uniform in (False, True):
        codes = pca(pictures, 5, uniform=uniform).encode(pictures)
        assert codes.shape == (300, 5)
        assert np.all(codes[:, :2].std(axis=0) > 0.05)
        np.testing.assert_allclose(codes[:, 2:], 0.5, atol=1e-5)


def test_a_single_picture_has_a_code():
    pictures = np.full((1, 8, 8, 1), 0.3, np.float32)
    np.testing.assert_allclose(pca(pictures, 4).encode(pictures), 0.5)
    np.testing.assert_allclose(pca(pictures, 4, uniform=True).encode(pictures), 0.5)


def test_random_projections_are_unit_directions_that_the_generator_chooses(rng):
    pictures = rng.uniform(size=(50, 8, 8, 3)).astype(np.float32)
    code = random_projection(pictures, 6, np.random.default_rng(1))
    np.testing.assert_allclose(np.linalg.norm(code.weights, axis=0), 1)
    same = random_projection(pictures, 6, np.random.default_rng(1))
    assert np.array_equal(code.encode(pictures), same.encode(pictures))
    uniform = random_projection(pictures, 6, np.random.default_rng(1), uniform=True)
    assert ks_per_value(uniform.encode(pictures)).max() < 0.02


def one_pixel(row, column, n=1):
    frames = np.zeros((n, 64, 64, 3), np.float32)
    frames[:, row, column] = 1
    return frames


@pytest.mark.parametrize(("row", "hz"), [(0, VOICE_HIGH_HZ), (63, VOICE_LOW_HZ), (20, None)])
def test_a_bright_row_is_its_pitch(row, hz):
    hz = hz or VOICE_HIGH_HZ * (VOICE_LOW_HZ / VOICE_HIGH_HZ) ** (row / 63)
    frames = np.zeros((1, 64, 64, 1), np.float32)
    frames[:, row] = 1
    sound = voice(frames, Fraction(1), RATE)
    assert len(sound) == RATE
    power = np.abs(np.fft.rfft(sound * np.hanning(RATE))) ** 2
    assert np.argmax(power) == pytest.approx(hz, abs=1)  # bins of 1 Hz
    np.testing.assert_allclose(np.sqrt(np.mean(sound**2)), 1 / 64 / np.sqrt(2), rtol=1e-3)


def test_no_sine_is_above_what_the_sample_rate_can_hold():
    frames = np.zeros((1, 64, 64, 1), np.float32)
    frames[:, 0] = 1
    power = np.abs(np.fft.rfft(voice(frames, Fraction(1), 8000) * np.hanning(8000))) ** 2
    assert np.argmax(power) == pytest.approx(3600, abs=1)


@pytest.mark.parametrize("column", [0, 10, 63])
@pytest.mark.parametrize("scan_secs", [None, 1.05])
def test_a_bright_pixel_is_heard_when_the_scan_gets_there(column, scan_secs):
    rate = Fraction(2)
    secs = scan_secs or 0.5
    sound = voice(one_pixel(5, column, n=3), rate, RATE, scan_secs)
    assert len(sound) == 1.5 * RATE
    power = sound[: round(secs * RATE)].astype(np.float64) ** 2
    middle = np.sum(np.arange(len(power)) * power) / power.sum() / RATE
    assert middle == pytest.approx((column + 0.5) / 64 * secs, abs=secs / 64)
    assert np.count_nonzero(power) < 2.2 * len(power) / 64


def test_a_long_scan_shows_the_frame_at_its_start():
    frames = np.zeros((30, 64, 64, 3), np.float32)
    frames[11:] = 1  # at 10 Hz; the second scan starts at 1.05 s, where frame 10 is shown
    sound = voice(frames, Fraction(10), RATE, 1.05)
    assert not sound[: round(2.1 * RATE)].any()
    assert sound[round(2.1 * RATE) :].std() > 0.05
    assert len(sound) == 3 * RATE


def test_periods_of_uneven_length_add_up():
    frames = np.ones((7, 16, 32, 3), np.float32)  # and another size: larger pixels
    rate = Fraction(24)
    sound = voice(frames, rate, RATE)
    assert len(sound) == round(7 * RATE / 24)
    second = round(RATE / 24)
    np.testing.assert_allclose(sound[second : second + 900], sound[:900], atol=1e-6)
    assert np.abs(sound).max() <= 1


def test_brightness_is_a_mean_of_areas(rng):
    frames = rng.uniform(size=(1, 128, 96, 3)).astype(np.float32)
    grey = frames @ np.array([0.2126, 0.7152, 0.0722])
    rows = grey.reshape(1, 64, 2, 96).mean(axis=2)
    columns = np.repeat(rows, 2, axis=2).reshape(1, 64, 64, 3).mean(axis=3)  # 1.5 pixels each
    expected = voice(columns[..., None].astype(np.float32), Fraction(10), RATE)
    np.testing.assert_allclose(voice(frames, Fraction(10), RATE), expected, atol=1e-6)


def test_no_frames_are_no_sound():
    assert voice(np.zeros((0, 64, 64, 3), np.float32), Fraction(10), RATE).shape == (0,)
