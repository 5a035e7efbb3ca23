import numpy as np
import pytest
import scipy.linalg

from wyh.metrics.galleries import (
    coverage,
    diversity,
    frechet,
    nearest_of,
    plane,
    sharpness,
)


def naive_frechet(a, b):
    one, other = np.cov(a.T), np.cov(b.T)
    root = scipy.linalg.sqrtm(one @ other)
    apart = np.square(a.mean(axis=0) - b.mean(axis=0)).sum()
    return apart + np.trace(one + other - 2 * np.real(root))


@pytest.mark.parametrize("count", [200, 9])
def test_frechet_is_the_formula(rng, count):
    a = rng.standard_normal((count, 5)) @ rng.standard_normal((5, 5))
    b = rng.standard_normal((count, 5)) * [1, 2, 3, 1, 1] + [0, 1, 0, -2, 0]
    assert frechet(a, b) == pytest.approx(naive_frechet(a, b), rel=1e-6)
    assert frechet(b, a) == pytest.approx(frechet(a, b))


def test_frechet_of_known_distributions(rng):
    values = rng.standard_normal((50, 3))
    assert frechet(values + np.array([3.0, 0, 4.0]), values) == pytest.approx(25)
    centred = values - values.mean(axis=0)
    wider = frechet(3 * centred, centred)
    assert wider == pytest.approx(4 * np.trace(np.cov(values.T)))


def naive_within(some, others, k):
    hits = 0
    for one in some:
        for place, other in enumerate(others):
            far = sorted(np.linalg.norm(other - x) for n, x in enumerate(others) if n != place)
            if np.linalg.norm(one - other) <= far[k - 1]:
                hits += 1
                break
    return hits / len(some)


@pytest.mark.parametrize("values", [2, 12])
def test_coverage_against_brute_force(rng, values):
    a, b = rng.standard_normal((40, values)), 0.5 + 0.6 * rng.standard_normal((40, values))
    found = coverage(a, b, 3)
    assert found.precision == pytest.approx(naive_within(a, b, 3))
    assert found.recall == pytest.approx(naive_within(b, a, 3))
    assert found.precision < found.recall, "the made ones reach further than the real"


@pytest.mark.parametrize("shape", [(30, 3), (30, 40), (2, 5)])
def test_a_set_is_like_itself(rng, shape):
    values = rng.standard_normal(shape)
    assert frechet(values, values) == pytest.approx(0, abs=1e-9)
    assert coverage(values, values) == (1, 1)
    place, far = nearest_of(values, values)
    np.testing.assert_array_equal(place, np.arange(len(values)))
    np.testing.assert_array_equal(far, 0)


def test_sets_far_apart_share_nothing(rng):
    a = rng.standard_normal((600, 10))  # more than are looked at at once
    assert coverage(a, a[:, ::-1] + 100) == (0, 0)


def test_a_plane_keeps_what_varies_most(rng):
    values = rng.standard_normal((200, 4)) * [10, 5, 0.01, 0.01] + 7
    found = plane(values, 2)
    within = found.of(values)
    assert within.shape == (200, 2)
    far = np.linalg.norm(values[:1] - values[1:], axis=1)
    np.testing.assert_allclose(np.linalg.norm(within[:1] - within[1:], axis=1), far, atol=0.01)
    assert plane(values, 99).axes.shape == (4, 4)


def test_the_nearest_is_found(rng):
    others = rng.standard_normal((50, 20))
    some = others[[7, 3, 40]] + 0.01
    place, far = nearest_of(some, others)
    assert place.tolist() == [7, 3, 40]
    np.testing.assert_allclose(far, 0.01 * np.sqrt(20))


def test_diversity_is_the_mean_distance_within_a_class(rng):
    values, labels = rng.standard_normal((12, 9)), np.array([0] * 5 + [1] * 6 + [2])
    each = [
        np.mean([np.linalg.norm(a - b) for i, a in enumerate(x) for j, b in enumerate(x) if i != j])
        for x in (values[:5], values[5:11])
    ]
    assert diversity(values, labels) == pytest.approx(np.mean(each))
    assert diversity(values, np.arange(12)) == 0
    assert diversity(np.ones((6, 9)), np.zeros(6, int)) == 0


def test_sharpness_of_stripes():
    stripes = np.zeros((2, 8, 8, 1), np.uint8)
    stripes[:, :, ::2] = 200
    assert sharpness(stripes) == 200
    assert sharpness(np.full((2, 8, 8, 3), 90, np.uint8)) == 0
