import numpy as np
import pytest
import scipy.stats

from wyh.metrics.codes import dead_values, ks_to_uniform


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
