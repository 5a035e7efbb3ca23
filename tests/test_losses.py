import jax
import jax.numpy as jnp
import numpy as np
import pytest

from wyh.losses import mean_squared_error, uniformity


def test_mean_squared_error(rng):
    a, b = rng.random((3, 4, 5)), rng.random((3, 4, 5))
    expected = sum((x - y) ** 2 for x, y in zip(a.flat, b.flat, strict=True)) / 60
    assert mean_squared_error(jnp.asarray(a), jnp.asarray(b)) == pytest.approx(expected, rel=1e-6)
    assert mean_squared_error(jnp.asarray(a), jnp.asarray(a)) == 0


@pytest.mark.parametrize("shape", [(4,), (3, 1), (1, 4), ()])
def test_shapes_that_would_broadcast_are_refused(shape):
    # Annotations say so too, which are only checked in tests.
    with pytest.raises((ValueError, TypeError)):
        mean_squared_error(jnp.zeros((3, 4)), jnp.zeros(shape))
    with pytest.raises(ValueError, match="shapes differ"):
        inspected = mean_squared_error
        while hasattr(inspected, "__wrapped__"):
            inspected = inspected.__wrapped__
        inspected(jnp.zeros((3, 4)), jnp.zeros(shape))


def naive_uniformity(code):
    ranked = sorted(float(value) for value in np.asarray(code).ravel())
    n = len(ranked)
    return sum((value - i / (n + 1)) ** 2 for i, value in enumerate(ranked, 1)) / n


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (8, 3), (64, 100)])
def test_uniformity_as_a_loop_has_it(rng, shape):
    for code in (rng.random(shape), rng.beta(0.3, 0.3, shape), np.full(shape, 0.5)):
        found = uniformity(jnp.asarray(code, jnp.float32))
        assert found == pytest.approx(naive_uniformity(code), rel=1e-4, abs=1e-9)


def test_uniformity_is_0_for_the_ideal_in_any_order_and_any_shape(rng):
    ideal = np.arange(1, 61) / 61
    for shape in ((60, 1), (1, 60), (6, 10)):
        code = rng.permutation(ideal).reshape(shape)
        assert uniformity(jnp.asarray(code, jnp.float32)) < 1e-14


def test_uniformity_is_largest_where_all_values_are_at_one_end():
    ends = uniformity(jnp.zeros((10, 10))), uniformity(jnp.ones((10, 10)))
    assert ends[0] == pytest.approx(1 / 3, abs=0.01) and ends[1] == pytest.approx(ends[0])
    assert uniformity(jnp.full((10, 10), 0.5)) == pytest.approx(1 / 12, abs=0.01)


def test_following_its_gradient_spreads_the_codes():
    code = 0.5 + 0.01 * jax.random.normal(jax.random.key(0), (8, 8))
    step = jax.jit(lambda code: code - 5.0 * jax.grad(uniformity)(code))
    for _ in range(50):
        code = step(code)
    assert uniformity(code) < 1e-3
