import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from wyh.models.layers import (
    DownConv,
    UpConv,
    _splines,
    averaged,
    conv_down,
    conv_up,
    depth_to_space,
    spread,
)

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


@pytest.mark.parametrize(("stride", "size"), [(2, 2), (2, 4), (4, 4), (4, 8), (3, 3), (2, 5)])
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


def spline(at, knots):
    """Cubic B-splines by their definition, summed; beyond the ends the last one goes on."""
    apart = np.abs(at - np.arange(-4, len(knots) + 4))
    near = 2 / 3 - apart**2 + apart**3 / 2
    weight = np.where(apart < 1, near, np.maximum(2 - apart, 0) ** 3 / 6)
    return weight @ np.pad(knots, 4, mode="edge")


@pytest.mark.parametrize(("cells", "pixels"), [(4, 16), (5, 13), (8, 8), (8, 3), (1, 6)])
def test_spread_is_the_sum_of_splines(cells, pixels, rng):
    matrix = _splines(cells, pixels)
    assert matrix.shape == (pixels, cells) and (matrix >= 0).all()
    np.testing.assert_allclose(matrix.sum(axis=1), 1, atol=1e-6)
    knots = rng.standard_normal(cells)
    at = (np.arange(pixels) + 0.5) * cells / pixels - 0.5
    np.testing.assert_allclose(matrix @ knots, [spline(x, knots) for x in at], atol=1e-6)


@pytest.mark.parametrize("size", [(12, 20), (7, 5), (3, 40), (3, 5)])
@pytest.mark.parametrize("always", [False, True])
def test_spread_goes_each_way_and_keeps_constants(size, always, rng):
    x = jnp.asarray(rng.standard_normal((2, 3, 5, 4)), jnp.float32)
    found = spread(x, *size, always=always)
    down, right = (
        _splines(cells, pixels) if cells != pixels or always else np.eye(cells)
        for cells, pixels in zip((3, 5), size, strict=True)
    )
    wanted = np.einsum("hr,nrcf,wc->nhwf", down, np.asarray(x), right)
    np.testing.assert_allclose(found, wanted, atol=1e-5)
    constant = jnp.broadcast_to(x[:, :1, :1], x.shape)
    kept = spread(constant, *size, always=always)
    np.testing.assert_allclose(kept, np.broadcast_to(x[:, :1, :1], found.shape), atol=1e-6)


@pytest.mark.parametrize(("height", "width"), [(12, 12), (4, 6), (1, 1)])
def test_averaged_is_the_mean_of_blocks(height, width, rng):
    x = jnp.asarray(rng.uniform(0, 1, (2, 12, 24, 3)), jnp.float32)
    blocks = np.asarray(x).reshape(2, height, 12 // height, width, 24 // width, 3)
    np.testing.assert_allclose(averaged(x, height, width), blocks.mean(axis=(2, 4)), atol=1e-6)


@pytest.mark.parametrize(("height", "width"), [(5, 7), (11, 23), (30, 10), (17, 31)])
def test_averaged_keeps_the_mean_whatever_the_size(height, width, rng):
    x = jnp.asarray(rng.uniform(0, 1, (2, 12, 24, 3)), jnp.float32)
    found = np.asarray(averaged(x, height, width))
    assert found.shape == (2, height, width, 3)
    np.testing.assert_allclose(found.mean(axis=(1, 2)), x.mean(axis=(1, 2)), atol=1e-6)
    # Each new pixel is the mean over its area: of pixels cut so small that all cuts fall between.
    fine = np.repeat(np.repeat(np.asarray(x), height, axis=1), width, axis=2)
    areas = fine.reshape(2, height, 12, width, 24, 3).mean(axis=(2, 4))
    np.testing.assert_allclose(found, areas, atol=1e-5)
    assert averaged(x, 12, 24) is x
