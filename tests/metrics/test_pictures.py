import math

import numpy as np
import pytest

from wyh.metrics.pictures import gain_db

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
