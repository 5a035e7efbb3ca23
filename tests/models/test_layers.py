import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from wyh.models.layers import DownConv, UpConv, conv_down, conv_up, depth_to_space

LAYOUT = ("NHWC", "HWIO", "NHWC")


def lax_down(x, kernel, stride):
    return lax.conv_general_dilated(x, kernel, (stride, stride), "SAME", dimension_numbers=LAYOUT)


def lax_up(x, kernel, stride):
    return lax.conv_transpose(x, kernel, (stride, stride), "SAME", dimension_numbers=LAYOUT)


def data(height, width, size, channels, out, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((2, height, width, channels)).astype(np.float32)
    kernel = rng.standard_normal((size, size, channels, out)).astype(np.float32)
    return jnp.asarray(x), jnp.asarray(kernel)


def assert_same(ours, theirs, x, kernel, stride):
    """Values and both gradients, against any weighting of the output."""
    shape = jax.eval_shape(lambda: theirs(x, kernel, stride)).shape
    weight = np.random.default_rng(1).standard_normal(shape).astype(np.float32)

    def total(x, kernel, function):
        y = function(x, kernel, stride)
        return jnp.sum(weight * y), y

    @jax.jit
    def both(x, kernel):
        gradient = jax.value_and_grad(total, argnums=(0, 1), has_aux=True)
        return gradient(x, kernel, ours), gradient(x, kernel, theirs)

    ((_, mine), my_grads), ((_, other), other_grads) = both(x, kernel)
    assert mine.shape == other.shape
    np.testing.assert_allclose(mine, other, rtol=1e-5, atol=1e-5)
    for my_grad, other_grad in zip(my_grads, other_grads, strict=True):
        np.testing.assert_allclose(my_grad, other_grad, rtol=1e-5, atol=2e-5)


@pytest.mark.parametrize(("stride", "size"), [(2, 2), (2, 4), (4, 4), (4, 8), (3, 3)])
def test_up_is_laxs_transposed_convolution(stride, size):
    x, kernel = data(3, 5, size, channels=2, out=3)
    assert_same(conv_up, lax_up, x, kernel, stride)


@pytest.mark.parametrize("stride", [2, 4])
def test_up_from_a_single_pixel(stride):
    x, kernel = data(1, 1, 4, channels=3, out=2)
    np.testing.assert_allclose(
        conv_up(x, kernel, stride), lax_up(x, kernel, stride), rtol=1e-5, atol=1e-5
    )


@pytest.mark.parametrize(("stride", "size"), [(2, 2), (2, 4), (4, 4), (4, 8), (2, 3)])
def test_down_is_laxs_convolution(stride, size):
    x, kernel = data(4, 8, size, channels=2, out=3)
    assert_same(conv_down, lax_down, x, kernel, stride)


def test_depth_to_space_lays_each_channel_at_its_place():
    x = np.arange(2 * 3 * 2 * 12, dtype=np.float32).reshape(2, 3, 2, 12)
    found = np.asarray(depth_to_space(jnp.asarray(x), 2))
    assert found.shape == (2, 6, 4, 3)
    for row, column, channel in np.ndindex(6, 4, 3):
        deep = (row % 2 * 2 + column % 2) * 3 + channel
        np.testing.assert_array_equal(
            found[:, row, column, channel], x[:, row // 2, column // 2, deep]
        )


@pytest.mark.parametrize("stride", [2, 4])
def test_layers_add_a_bias_to_each_feature(stride, key):
    x = jnp.ones((2, 8, 8, 3))
    for layer, reference in ((DownConv, lax_down), (UpConv, lax_up)):
        model = layer(5, stride, kernel_init=nn.initializers.ones)
        params = model.init(key, x)["params"]
        assert {name: leaf.shape for name, leaf in params.items()} == {
            "kernel": (4, 4, 3, 5),
            "bias": (5,),
        }
        np.testing.assert_array_equal(params["bias"], np.zeros(5))
        params = params | {"bias": jnp.arange(5.0)}
        expected = reference(x, params["kernel"], stride) + np.arange(5)[None, None, None]
        np.testing.assert_allclose(model.apply({"params": params}, x), expected, atol=1e-5)
