import math

import numpy as np
import pytest

from wyh.metrics.pictures import (
    gain_db,
    gain_of_errors,
    moved_one_pixel,
    ranks,
    reidentified,
    squared_errors,
)

SHAPE = (5, 4, 6, 3)


def test_the_formula(rng):
    pictures, decoded = rng.random(SHAPE), rng.random(SHAPE)
    mean = rng.random(SHAPE[1:])
    error = sum((d - p) ** 2 for d, p in zip(decoded.flat, pictures.flat, strict=True))
    blank = sum(((mean - picture) ** 2).sum() for picture in pictures)
    expected = 10 * math.log10(blank / error)
    assert gain_db(decoded, pictures, mean) == pytest.approx(expected, abs=1e-9)


def test_knowing_only_the_mean_gains_nothing(rng):
    pictures = rng.random(SHAPE)
    mean = pictures.mean(0)
    assert gain_db(np.broadcast_to(mean, SHAPE).copy(), pictures, mean) == 0


def test_a_tenth_of_the_error_is_10_db(rng):
    pictures = rng.random(SHAPE)
    mean = pictures.mean(0)
    decoded = pictures + (mean - pictures) * math.sqrt(0.1)
    assert gain_db(decoded, pictures, mean) == pytest.approx(10)


def test_pictures_count_by_their_error_not_one_by_one():
    pictures = np.stack([np.full((2, 2, 1), 0.5), np.ones((2, 2, 1))])
    decoded = np.stack([np.full((2, 2, 1), 0.4), np.ones((2, 2, 1))])  # the second is perfect
    mean = np.zeros((2, 2, 1))
    assert gain_db(decoded, pictures, mean) == pytest.approx(10 * math.log10(1.25 / 0.01))


def test_it_is_finite_for_a_perfect_copy_and_for_footage_that_stands_still(rng):
    pictures = rng.random(SHAPE)
    assert 100 < gain_db(pictures, pictures, pictures.mean(0)) < 200
    still = np.broadcast_to(pictures[:1], SHAPE).copy()
    assert gain_db(still, still, still[0]) == 0
    assert -200 < gain_db(still + 0.1, still, still[0]) < -80


def test_errors_of_single_pictures_add_up_to_the_gain(rng):
    pictures, decoded = rng.random(SHAPE), rng.random(SHAPE)
    mean = pictures.mean(0)
    error, blank = squared_errors(decoded, pictures, mean)
    np.testing.assert_allclose(
        error, [np.mean((d - p) ** 2) for d, p in zip(decoded, pictures, strict=True)]
    )
    np.testing.assert_allclose(blank, [np.mean((mean - p) ** 2) for p in pictures])
    assert gain_of_errors(error, blank) == gain_db(decoded, pictures, mean)
    some = [0, 0, 3]
    expected = gain_db(decoded[some], pictures[some], mean)
    assert gain_of_errors(error[some], blank[some]) == pytest.approx(expected)


def test_ranks_as_counted_one_by_one(rng):
    pictures = rng.random((30, 4, 4, 3)).astype(np.float32)
    decoded = pictures + rng.normal(0, 0.6, pictures.shape).astype(np.float32)
    clipped = decoded.clip(0, 1)
    expected = [
        sum(np.sum((d - q) ** 2) < np.sum((d - p) ** 2) for q in pictures)
        for d, p in zip(clipped, pictures, strict=True)
    ]
    found = ranks(decoded, pictures)
    np.testing.assert_array_equal(found, expected)
    assert 0 < np.mean(found == 0) < 1  # neither too easy nor too hard to tell anything
    assert reidentified(decoded, pictures) == np.mean(found == 0)
    assert reidentified(decoded, pictures, within=5) == np.mean(found < 5)


def test_reidentification_has_its_floor_and_its_ceiling(rng):
    pictures = rng.random((50, 3, 3, 3))
    assert reidentified(pictures, pictures) == 1
    assert reidentified(np.roll(pictures, 1, axis=0), pictures) == 0
    mean = np.broadcast_to(pictures.mean(0), pictures.shape).copy()
    assert reidentified(mean, pictures) == 1 / 50
    assert reidentified(mean, pictures, within=5) == 5 / 50
    assert reidentified(np.full_like(pictures, np.nan), pictures) == 0


def test_decoded_pictures_are_clipped_before_they_are_compared():
    black, white = np.zeros((1, 2, 2, 1)), np.ones((1, 2, 2, 1))
    grey = np.full((1, 2, 2, 1), 0.6)
    pictures = np.concatenate([black, grey, white])
    assert reidentified(np.concatenate([black - 9, grey, white + 9]), pictures) == 1


def test_identical_pictures_are_not_confused_but_equally_near_ones_are(rng):
    picture = rng.random((1, 2, 2, 3)).astype(np.float32)
    same = np.repeat(picture, 4, axis=0)
    assert reidentified(rng.random(same.shape).astype(np.float32), same) == 1
    pair = np.stack([np.zeros((2, 2, 1)), np.ones((2, 2, 1))])
    assert reidentified(np.full_like(pair, 0.5), pair) == 0


def test_moved_one_pixel():
    picture = np.arange(12.0).reshape(1, 2, 3, 2) / 12
    moved = moved_one_pixel(picture)
    np.testing.assert_array_equal(moved[0, :, 1:], picture[0, :, :-1])
    np.testing.assert_array_equal(moved[0, :, 0], picture[0, :, 0])
