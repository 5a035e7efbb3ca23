from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from wyh.models.synesthesia import GridDecoder, SeedDecoder, SeedGenerator, _Up


def count(params):
    return sum(np.prod(leaf.shape) for leaf in jax.tree.leaves(params))


def shapes_of(model, *inputs):
    zeros = [jax.ShapeDtypeStruct(shape, np.float32) for shape in inputs]
    return jax.eval_shape(model.init, jax.random.key(0), *zeros)["params"]


def drawn(model, *inputs, scale=0.2):
    """Random parameters, drawn without compiling `init`."""
    rng = np.random.default_rng(1)
    shapes = shapes_of(model, *(x.shape for x in inputs))
    return jax.tree.map(
        lambda leaf: (scale * rng.standard_normal(leaf.shape)).astype(np.float32), shapes
    )


def made(rows, columns, n=3, trained_rows=None):
    """A tiny seed generator, its parameters and inputs."""
    rng = np.random.default_rng(0)
    model = SeedGenerator(trained_rows or rows)
    features = jnp.asarray(rng.standard_normal((n, 5)), jnp.float32)
    base = jnp.asarray(rng.uniform(0, 1, (n, rows, columns, 3)), jnp.float32)
    params = {"params": drawn(model, features, base)}
    return jax.jit(model.apply), params, features, base


def test_the_seeds_networks_have_their_sizes():
    generator = shapes_of(SeedGenerator(256), (1, 41), (1, 256, 128, 3))
    assert count(generator) == pytest.approx(4.36e6, abs=0.005e6)
    assert generator["Conv_0"]["kernel"].shape == (7, 7, 44, 16)
    widths = [generator[f"Conv_{k}"]["kernel"].shape[-1] for k in range(1, 5)]
    assert widths == [32, 64, 128, 256]
    assert [generator[f"_Up_{k}"]["kernel"].shape[-1] for k in range(4)] == [128, 64, 32, 16]
    decoder = shapes_of(SeedDecoder(41), (1, 230, 115, 3))
    assert count(decoder) == pytest.approx(22e3, abs=500)


def test_up_is_laxs_transposed_convolution(rng):
    x = jnp.asarray(rng.standard_normal((2, 5, 3, 4)), jnp.float32)
    model = _Up(6)
    params = {
        "kernel": rng.standard_normal((3, 3, 4, 6)).astype(np.float32),
        "bias": np.arange(6, dtype=np.float32),
    }
    wanted = lax.conv_transpose(
        x, params["kernel"], (2, 2), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")
    )
    found = model.apply({"params": params}, x)
    assert found.shape == (2, 10, 6, 6)
    np.testing.assert_allclose(
        found, wanted + params["bias"][None, None, None], rtol=1e-5, atol=1e-5
    )


def test_one_picture_is_the_same_as_in_a_batch():
    apply, params, features, base = made(32, 32)
    together = apply(params, features, base)
    assert together.shape == base.shape
    assert together.min() >= 0 and together.max() <= 1 and np.std(together) > 0.01
    for k in range(3):
        alone = apply(params, features[k : k + 1], base[k : k + 1])
        np.testing.assert_allclose(alone[0], together[k], atol=2e-5)


@pytest.mark.parametrize(("rows", "columns"), [(8, 8), (33, 47), (64, 20), (70, 101), (100, 9)])
def test_any_rows_and_columns(rows, columns):
    apply, params, features, base = made(rows, columns, n=1)
    picture = np.asarray(apply(params, features, base))
    assert picture.shape == (1, rows, columns, 3)
    assert np.isfinite(picture).all() and picture.std() > 1e-3


def test_a_shape_that_cannot_be_halved_is_that_of_the_next_which_can():
    apply, params, features, base = made(66, 30, trained_rows=64)
    wide = jnp.pad(base, ((0, 0), (0, 2), (0, 2), (0, 0)), mode="edge")
    whole = apply(params, features, wide)
    np.testing.assert_allclose(apply(params, features, base), whole[:, :66, :30], atol=1e-5)


@pytest.mark.parametrize("shape", [(8, 24), (56, 32)])
def test_the_grid_decoder_reads_looks_of_any_aspect(shape, rng):
    looks = jnp.asarray(rng.uniform(0, 1, (3, *shape, 3)), jnp.float32)
    read = jax.jit(partial(GridDecoder(7).apply, {"params": drawn(GridDecoder(7), looks)}))
    together = read(looks)
    assert together.shape == (3, 7)
    np.testing.assert_allclose(read(looks[1:2])[0], together[1], rtol=1e-4, atol=1e-5)


def test_the_seeds_decoder_is_a_mean_over_all_places(rng):
    """So it reads pictures of any size, and what is seen matters more than where."""
    tile = rng.uniform(0, 1, (1, 8, 8, 3))
    small = jnp.asarray(np.tile(tile, (1, 4, 5, 1)), jnp.float32)
    large = jnp.asarray(np.tile(np.roll(tile, (3, 5), (1, 2)), (1, 9, 8, 1)), jnp.float32)
    model = SeedDecoder(5)
    read = jax.jit(partial(model.apply, {"params": drawn(model, small)}))
    assert read(large).shape == (1, 5)
    difference = np.abs(read(small) - read(large)).max() / np.abs(read(large)).max()
    assert difference < 0.2
    other = jnp.asarray(rng.uniform(0, 0.3, small.shape), jnp.float32)
    assert np.abs(read(small) - read(other)).max() / np.abs(read(small)).max() > 0.4
