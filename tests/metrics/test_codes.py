import numpy as np
import pytest
import scipy.stats

from wyh.metrics.codes import (
    adjacent_correlation,
    code_change,
    dead_values,
    ks_per_value,
    ks_to_uniform,
    participation_ratio,
)


@pytest.mark.parametrize("shape", [(1,), (7,), (64, 100), (3, 4, 5)])
def test_kolmogorov_smirnov_as_scipy_has_it(rng, shape):
    for values in (rng.random(shape), rng.random(shape) ** 3, rng.beta(2, 2, shape)):
        expected = scipy.stats.kstest(values.ravel(), "uniform").statistic
        assert ks_to_uniform(values) == pytest.approx(expected, abs=1e-12)


def test_its_floor_and_its_ceiling():
    count = 1000
    ideal = (np.arange(count) + 0.5) / count
    assert ks_to_uniform(ideal) == pytest.approx(0.5 / count)
    assert ks_to_uniform(np.zeros((10, 10))) == 1
    assert ks_to_uniform(np.full(10, 0.5, np.float32)) == 0.5


def test_dead_values_are_those_that_hardly_move(rng):
    codes = rng.random((500, 6)).astype(np.float32)
    codes[:, 1] = 0.3
    codes[:, 4] = 0.3 + 0.04 * rng.standard_normal(500)
    codes[:, 5] = 0.3 + 0.07 * rng.standard_normal(500)
    assert dead_values(codes) == 2
    assert dead_values(codes, std=0.01) == 1
    assert dead_values(codes, std=1.0) == 6


def test_kolmogorov_smirnov_of_each_value_by_itself(rng):
    codes = rng.random((200, 5)) ** np.array([1, 2, 0.5, 1, 4])
    expected = [scipy.stats.kstest(value, "uniform").statistic for value in codes.T]
    np.testing.assert_allclose(ks_per_value(codes), expected, atol=1e-12)
    # Each value may be far from uniform where all of them pooled are not.
    stairs = (np.arange(10) + rng.random((200, 10))) / 10
    assert ks_to_uniform(stairs) < 0.03
    assert ks_per_value(stairs).min() > 0.4


def test_kolmogorov_smirnov_of_uniform_draws_is_what_the_docstring_says(rng):
    ks = ks_per_value(rng.random((400, 2000)))
    assert ks.mean() == pytest.approx(0.87 / np.sqrt(400), rel=0.03)


def test_participation_ratio_from_eigenvalues(rng):
    codes = rng.random((100, 8)) @ rng.random((8, 8))
    eigenvalues = np.linalg.eigvalsh(np.cov(codes.T))
    expected = eigenvalues.sum() ** 2 / np.sum(eigenvalues**2)
    assert participation_ratio(codes) == pytest.approx(expected)
    assert participation_ratio(codes.astype(np.float32)) == pytest.approx(expected, rel=1e-4)


def test_participation_ratio_has_its_floor_and_its_ceiling(rng):
    rank_one = np.repeat(rng.random((50, 1)), 12, axis=1)
    assert participation_ratio(rank_one) == pytest.approx(1)
    apart = np.kron(np.eye(12), [[1.0], [-1.0]])
    assert participation_ratio(apart) == pytest.approx(12)
    assert participation_ratio(np.full((9, 3), 0.1, np.float32)) == pytest.approx(0, abs=1e-9)


def test_correlation_of_neighbours_pair_by_pair(rng):
    codes = np.cumsum(rng.standard_normal((60, 7)), axis=1)
    each = np.abs(np.corrcoef(codes.T))
    found = adjacent_correlation(codes)
    assert found.adjacent == pytest.approx(np.mean([each[i, i + 1] for i in range(6)]))
    pairs = [each[i, j] for i in range(7) for j in range(i)]
    assert found.random_pairs == pytest.approx(np.mean(pairs))
    assert found.adjacent > found.random_pairs + 0.1


def test_correlation_knows_opposites_and_leaves_out_what_never_moves(rng):
    value = rng.random((40, 1)).astype(np.float32)
    dead = np.full((40, 1), 0.1, np.float32)
    found = adjacent_correlation(np.concatenate([value, 1 - value, dead, value], axis=1))
    assert found == pytest.approx((1, 1), abs=1e-6)
    assert adjacent_correlation(np.repeat(dead, 3, axis=1)) == (0, 0)
    assert adjacent_correlation(value) == (0, 0)


def test_change_of_the_code(rng):
    codes = rng.random((20, 4)).astype(np.float32)
    assert code_change(codes, codes) == 0
    assert code_change(codes, codes + np.float32([0.1, -0.1, 0.3, 0])) == pytest.approx(0.125)
    assert code_change(rng.random((500, 90)), rng.random((500, 90))) == pytest.approx(
        1 / 3, abs=0.005
    )
