"""What pictures keep and how they look, against what is known of them."""

import colorsys

import numpy as np
import pytest

from wyh.metrics.painted import (
    HUES,
    changes,
    clipped,
    half_seconds,
    hue_amounts,
    hues_used,
    identified,
    kept,
    spectrum,
    spread,
)


def test_what_is_kept_against_its_formula(rng):
    true = rng.standard_normal((50, 4)) * np.array([[1, 2, 0.5, 1]])
    read = true + 0.1 * rng.standard_normal((50, 4))
    found = kept(read, true)
    whole = ((true - true.mean(axis=0)) ** 2).sum()
    assert found.r2 == pytest.approx(1 - ((read - true) ** 2).sum() / whole)
    one = true[:, 2]
    expected = 1 - ((read[:, 2] - one) ** 2).sum() / ((one - one.mean()) ** 2).sum()
    assert found.each[2] == pytest.approx(expected) == pytest.approx(found.worst)
    assert kept(true, true).r2 == kept(true, true).worst == 1
    mean = np.broadcast_to(true.mean(axis=0), true.shape)
    np.testing.assert_allclose(kept(mean, true).each, 0, atol=1e-12)


def test_features_that_stand_still(rng):
    true = np.concatenate([rng.standard_normal((9, 1)), np.ones((9, 1))], axis=1)
    assert kept(true, true).worst == 1
    assert kept(true + np.array([[0, 0.1]]), true).worst == 0
    assert kept(true[:1], true[:1]).r2 == 1


def test_identified(rng):
    true = rng.standard_normal((20, 6))
    assert identified(true, true) == 1
    assert identified(true[::-1], true) == 0
    read = true.copy()
    read[:5] = true[5:10]
    assert identified(read, true) == pytest.approx(0.75)
    assert identified(np.zeros((20, 6)), true) == 1 / 20  # the shortest is the nearest
    assert identified(np.full((20, 6), np.nan), true) == 0
    twice = np.concatenate([true, true])
    assert identified(twice, twice) == 1  # what sounds the same is no riddle


def test_changes_and_spread():
    pictures = np.zeros((3, 4, 4, 3), np.uint8)
    pictures[1], pictures[2, :2] = 200, 100
    np.testing.assert_allclose(changes(pictures), [200, 150])
    np.testing.assert_allclose(spread(pictures), [0, 0, 50])
    flat = np.broadcast_to(np.array([255, 90, 0], np.uint8), (1, 4, 4, 3))
    assert spread(flat)[0] == 0
    assert clipped(flat) == pytest.approx(2 / 3)


def test_each_hue_is_in_its_part():
    for hue in range(HUES):
        colour = np.array(colorsys.hsv_to_rgb(hue / HUES, 1, 1)) * 255
        picture = np.broadcast_to(np.rint(colour).astype(np.uint8), (1, 2, 2, 3))
        amounts = hue_amounts(picture)
        assert amounts.argmax() == hue
        assert amounts[hue] == pytest.approx(amounts.sum())
        assert hues_used(amounts) == 1


def test_hues_in_use_have_half_an_equal_share():
    amounts = np.zeros(HUES)
    amounts[:3] = 23, 1, 0.9
    assert hues_used(amounts) == 2 - (1 < 24.9 / 24)
    assert hues_used(np.ones(HUES)) == HUES
    grey = np.full((1, 4, 4, 3), 99, np.uint8)
    assert hues_used(hue_amounts(grey)) == 0
    pictures = np.random.default_rng(0).integers(0, 256, (4, 8, 8, 3), np.uint8)
    parts = hue_amounts(pictures[:2]) + hue_amounts(pictures[2:])
    np.testing.assert_allclose(hue_amounts(pictures), parts)


def waves(number, size=64):
    row = np.cos(np.pi * number * (np.arange(size) + 0.5) / size)
    return np.rint(127.5 + 100 * np.broadcast_to(row[:, None, None], (size, size, 3))).astype(
        np.uint8
    )


def test_energy_is_where_the_waves_are():
    assert spectrum(waves(4)).low_share > 0.999  # 4 of 64 half waves: a sixteenth
    assert spectrum(waves(12)).low_share < 0.001
    both = (waves(4) // 2 + waves(12) // 2).astype(np.uint8)
    assert spectrum(both).low_share == pytest.approx(0.5, abs=0.01)
    assert spectrum(np.full((8, 8, 3), 7, np.uint8)) == (1.0, 0.0)


@pytest.mark.parametrize("slope", [0.0, -2.0, -3.0])
def test_the_slope_of_noise_that_has_one(slope, rng):
    import scipy.fft

    down, right = np.mgrid[:128, :128] / 128
    radius = np.maximum(np.hypot(down, right), 1 / 128)
    waves = rng.standard_normal((128, 128, 3)) * radius[..., None] ** (slope / 2)
    picture = scipy.fft.idctn(waves, axes=(0, 1), norm="ortho")
    picture = 128 + 40 * (picture - picture.mean()) / picture.std()
    found = spectrum(np.clip(np.rint(picture), 0, 255).astype(np.uint8))
    assert found.slope == pytest.approx(slope, abs=0.25)


def test_half_seconds_are_whole_and_apart():
    second = np.arange(96, 120)  # the fifth of 24 pictures a second
    found = half_seconds(second, 24)
    assert found.shape == (2, 12)
    np.testing.assert_array_equal(found.ravel(), second)
    assert half_seconds(second[1:], 24).tolist() == [second[12:].tolist()]
    ntsc = 30000 / 1001
    many = half_seconds(np.arange(3000), ntsc)
    assert many.shape[1] == 14 and abs(len(many) - 200) <= 1
    assert len(np.unique(many)) == many.size
    assert half_seconds(np.zeros(0, int), 24).shape == (0, 12)
