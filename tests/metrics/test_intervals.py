import numpy as np
import pytest
import scipy.stats

from wyh.metrics.intervals import Interval, bootstrap_interval, median_of_seeds
from wyh.metrics.pictures import gain_db, gain_of_errors, squared_errors


def test_the_mean_of_normal_draws(rng):
    values = rng.standard_normal(400)
    found = bootstrap_interval(np.mean, values)
    assert found.value == values.mean()
    half = 1.96 * values.std() / 20
    assert found.low == pytest.approx(found.value - half, abs=0.01)
    assert found.high == pytest.approx(found.value + half, abs=0.01)
    narrow = bootstrap_interval(np.mean, values, level=0.5)
    assert narrow.high - narrow.low == pytest.approx(2 * 0.6745 / 20, abs=0.01)


def test_as_scipy_has_it(rng):
    values, others = rng.random(60), 1 + rng.random(60)

    def ratio(x, y, axis=-1):
        return np.mean(x, axis) / np.mean(y, axis)

    expected = scipy.stats.bootstrap(
        (values, others), ratio, paired=True, method="percentile", rng=np.random.default_rng(1)
    ).confidence_interval
    found = bootstrap_interval(ratio, values, others, resamples=9999)
    assert found[1:] == pytest.approx((expected.low, expected.high), abs=0.005)


def test_the_interval_of_a_gain(rng):
    pictures = rng.random((80, 3, 3, 1))
    decoded = pictures + 0.1 * rng.standard_normal(pictures.shape)
    mean = pictures.mean(0)
    errors = squared_errors(decoded, pictures, mean)
    found = bootstrap_interval(gain_of_errors, *errors, resamples=300)
    assert found.value == gain_db(decoded, pictures, mean)
    draws = np.random.default_rng(5)
    gains = []
    for _ in range(300):
        some = draws.integers(80, size=80)
        gains.append(gain_db(decoded[some], pictures[some], mean))
    assert found[1:] == pytest.approx(np.quantile(gains, [0.025, 0.975]), abs=0.15)


def test_examples_are_drawn_together(rng):
    values = rng.random(50)
    found = bootstrap_interval(lambda x, y: float(np.mean(x / y)), values, 2 * values)
    assert found == (0.5, 0.5, 0.5)


def test_groups_are_drawn_whole(rng):
    """Examples of a group are all alike: there are 20 draws, not 400."""
    group = np.repeat(np.arange(20), 20)
    values = rng.standard_normal(20)[group]
    order = rng.permutation(400)
    alone = bootstrap_interval(np.mean, values)
    grouped = bootstrap_interval(np.mean, values[order], groups=group[order])
    assert grouped.value == pytest.approx(alone.value)
    width = (grouped.high - grouped.low) / (alone.high - alone.low)
    assert width == pytest.approx(np.sqrt(20), rel=0.15)
    each = bootstrap_interval(np.mean, values, groups=np.arange(400))
    assert each.high - each.low == pytest.approx(alone.high - alone.low, rel=0.1)


def test_groups_of_unequal_size_and_names(rng):
    names = np.array(["a", "b", "b", "c", "c", "c"])
    found = bootstrap_interval(lambda x: float(len(x)), np.zeros(6), groups=names)
    assert found == (6, 3, 9)


def test_it_is_seeded(rng):
    hits = rng.random(30) < 0.5
    assert bootstrap_interval(np.mean, hits) == bootstrap_interval(np.mean, hits)
    values = rng.random(30)
    assert bootstrap_interval(np.mean, values) != bootstrap_interval(np.mean, values, seed=1)


def test_one_example_has_no_width():
    assert bootstrap_interval(np.mean, np.array([3.0])) == (3, 3, 3)


def test_median_of_seeds():
    runs = [Interval(2, 1.5, 2.5), Interval(1, 0.5, 1.8), Interval(3, 2.9, 3.1)]
    assert median_of_seeds(runs) == Interval(2, 0.5, 3.1)
    assert median_of_seeds([0.3, 0.1, 0.2]) == (0.2, 0.1, 0.3)
    assert median_of_seeds([1.0, 2.0]).value == 1.5
    assert median_of_seeds(runs[:1]) == runs[0]
