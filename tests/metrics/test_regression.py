import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wyh.errors import WyhError
from wyh.metrics.regression import STRENGTHS, _left_out_errors, ridge


def by_the_book(x, y, penalty, scale):
    """Weights and offset from the normal equations."""
    centred = (x - x.mean(0)) * scale
    weights = np.linalg.solve(
        centred.T @ centred + penalty * np.eye(x.shape[1]), centred.T @ (y - y.mean(0))
    )
    return lambda new: ((new - x.mean(0)) * scale) @ weights + y.mean(0)


def left_out_error(x, y, groups, strength):
    """Every group left out in turn and fitted anew."""
    total = 0
    for group in np.unique(groups):
        own = groups == group
        predict = by_the_book(x[~own], y[~own], strength * len(x), 1 / x.std(0))
        total += np.sum((predict(x[own]) - y[own]) ** 2)
    return total


@settings(max_examples=15, deadline=None)
@given(st.integers(8, 30), st.integers(1, 12), st.integers(1, 6), st.integers(0, 99))
def test_it_chooses_as_if_every_group_had_been_left_out(n, features, targets, seed):
    rng = np.random.default_rng(seed)
    x = rng.normal(3, 2, (n, features)) * 10.0 ** rng.integers(-3, 4, features)
    y = rng.normal(size=(n, targets)) + (x / x.std(0)) @ rng.normal(size=(features, targets))
    groups = np.concatenate([[0, 1], rng.integers(0, 4, n - 2)])
    strengths = [0.01, 0.1, 1.0, 10.0]
    expected = [left_out_error(x, y, groups, strength) for strength in strengths]

    left, singular, _ = np.linalg.svd((x - x.mean(0)) / x.std(0), full_matrices=False)
    shrink = singular**2 / (singular**2 + n * np.array(strengths)[:, None])
    centred = y - y.mean(0)
    found = _left_out_errors(left, left.T @ centred, shrink, centred, groups)
    np.testing.assert_allclose(found, expected, rtol=1e-6)

    fit = ridge(x, y, groups, strengths)
    assert fit.strength == pytest.approx(strengths[np.argmin(expected)])
    new = rng.normal(3, 2, (5, features))
    predict = by_the_book(x, y, fit.strength * n, 1 / x.std(0))
    np.testing.assert_allclose(fit.predict(new), predict(new), rtol=1e-6, atol=1e-6)


def test_it_finds_a_linear_map_again(rng):
    x = rng.random((200, 5)).astype(np.float32)
    matrix = rng.standard_normal((5, 7)).astype(np.float32)
    fit = ridge(x, x @ matrix + 4, np.arange(200) // 20)
    assert fit.strength == pytest.approx(STRENGTHS[0])
    np.testing.assert_allclose(fit.matrix, matrix, atol=5e-3)
    np.testing.assert_allclose(fit.predict(x), x @ matrix + 4, atol=5e-3)


def test_where_nothing_is_to_be_known_it_says_the_mean(rng):
    x, y = rng.standard_normal((120, 40)), rng.standard_normal((120, 3))
    fit = ridge(x, y, np.arange(120) // 10)
    assert fit.strength >= 10
    assert fit.predict(rng.standard_normal((50, 40))).std() < 0.1
    np.testing.assert_allclose(fit.predict(x).mean(0), y.mean(0))


def test_groups_keep_neighbours_from_vouching_for_one_another(rng):
    """Features tell which second it is, to which its target is bound: worth nothing in others."""
    second = np.repeat(np.arange(12), 10)
    x = rng.standard_normal((12, 30))[second] + 0.01 * rng.standard_normal((120, 30))
    y = rng.standard_normal((12, 4))[second]
    assert ridge(x, y, np.arange(120)).strength < 0.01
    assert ridge(x, y, second).strength > 1


def test_groups_may_be_names(rng):
    x, y = rng.random((40, 3)), rng.random((40, 2))
    number = rng.integers(0, 4, 40)
    by_name = ridge(x, y, np.array(["a.mp4", "b.mp4", "c", "d"])[number])
    np.testing.assert_array_equal(by_name.matrix, ridge(x, y, number).matrix)


def test_features_that_never_change_are_ignored(rng):
    x, y = rng.random((60, 3)), rng.random((60, 2))
    with_dead = np.concatenate([x, np.full((60, 1), 0.1), np.zeros((60, 1))], axis=1)
    groups = np.arange(60) // 6
    dead, plain = ridge(with_dead, y, groups), ridge(x, y, groups)
    assert not dead.matrix[3:].any()
    np.testing.assert_allclose(dead.matrix[:3], plain.matrix, rtol=1e-6, atol=1e-9)
    silent = ridge(np.zeros((60, 2)), y, groups)
    np.testing.assert_allclose(silent.predict(rng.random((4, 2))), np.tile(y.mean(0), (4, 1)))


def test_more_features_than_examples(rng):
    x = rng.standard_normal((30, 80))
    y = x[:, :1] * np.ones(5)
    fit = ridge(x, y, np.arange(30) // 3)
    assert fit.matrix.shape == (80, 5)
    assert np.mean((fit.predict(x) - y) ** 2) < np.var(y)


def test_a_single_strength_is_taken_as_it_is(rng):
    x, y = rng.random((20, 3)), rng.random((20, 2))
    assert ridge(x, y, np.zeros(20, int), [0.3]).strength == pytest.approx(0.3)


def test_one_group_alone_cannot_choose(rng):
    with pytest.raises(WyhError, match=r"got examples of 1 group, wanted .*: use longer"):
        ridge(rng.random((20, 3)), rng.random((20, 2)), np.zeros(20, int))
