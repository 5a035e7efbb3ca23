import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads

from wyh.signal.smoothing import smooth, triangle


@pytest.fixture(autouse=True)
def no_silent_promotion():
    with jax.numpy_rank_promotion("raise"), jax.numpy_dtype_promotion("strict"):
        yield


def test_triangle_of_the_seed():
    """Half size 7: k / 64 for k = 1..8..1."""
    expected = np.r_[1:9, 7:0:-1] / 64
    np.testing.assert_allclose(triangle(7), expected, atol=1e-8)
    np.testing.assert_array_equal(triangle(0), [1])


@pytest.mark.parametrize("size", [1, 100, 512, 513])
@pytest.mark.parametrize("half_size", [0, 1, 3, 7])
def test_smooth_equals_convolution(half_size, size):
    x = np.random.default_rng(0).normal(size=(2, 3, size + 2 * half_size)).astype(np.float32)
    got = smooth(jnp.asarray(x), half_size)
    assert got.shape == (2, 3, size)
    assert got.dtype == jnp.float32
    for i in np.ndindex(2, 3):
        expected = np.convolve(x[i], triangle(half_size), "valid")
        np.testing.assert_allclose(got[i], expected, atol=1e-6)


@pytest.mark.parametrize("size", [20, 600])
def test_gradient_is_the_transposed_smoothing(size):
    x = jnp.asarray(np.random.default_rng(0).normal(size=size + 6), jnp.float32)
    upstream = np.random.default_rng(1).normal(size=size).astype(np.float32)
    (got,) = jax.vjp(lambda x: smooth(x, 3), x)[1](jnp.asarray(upstream))
    np.testing.assert_allclose(got, np.convolve(upstream, triangle(3)), atol=1e-6)
    check_grads(jax.jit(lambda x: jnp.tanh(smooth(x, 3))), (x[:26],), order=1, eps=1e-2)


def test_a_constant_stays():
    np.testing.assert_allclose(smooth(jnp.full((1, 50), 0.3), 5), 0.3, atol=1e-6)
