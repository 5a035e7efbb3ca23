import copy
from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from wyh.errors import WyhError
from wyh.models.layers import averaged
from wyh.models.painter import PainterConfig
from wyh.transducers.synesthesia import LATENT, Synesthesia, SynesthesiaConfig

TINY = PainterConfig(grid=8, width=4, hidden=8, colours=3)
FEATURES = 5


@cache
def network(generator, decoder, height=24, width=32):
    """A model for pictures of one shape, and random parameters drawn without compiling `init`."""
    config = SynesthesiaConfig(generator, TINY, decoder, look=16)
    model, rng = Synesthesia(config, FEATURES, height, width), np.random.default_rng(0)
    shapes = jax.eval_shape(model.init, jax.random.key(0))
    params = jax.tree.map(
        lambda leaf: (0.3 * rng.standard_normal(leaf.shape)).astype(np.float32), shapes
    )
    if generator == "painter":
        params["generator"]["palette"] = rng.uniform(0, 1, (3, 3)).astype(np.float32)
    return model, params


def painted(generator, height, width, palette=None):
    model, params = network(generator, "grid")
    rng = np.random.default_rng(1)
    heard = jnp.asarray(rng.standard_normal((2, FEATURES)), jnp.float32)
    latent = jnp.asarray(rng.uniform(-1, 1, (2, LATENT)), jnp.float32)
    base = jnp.asarray(rng.uniform(0, 1, (2, *model.base_cells, 3)), jnp.float32)
    paint = jax.jit(model.paint, static_argnums=(4, 5))
    return np.asarray(paint(params["generator"], heard, latent, base, height, width, palette))


@pytest.mark.parametrize(
    ("generator", "decoder", "cells"), [("painter", "grid", (8, 8)), ("seed", "seed", (1, 1))]
)
def test_parts_and_sizes(generator, decoder, cells):
    model, params = network(generator, decoder)
    assert params.keys() == {"generator", "decoder"}
    assert model.base_cells == cells
    assert model.look == (16, 24)
    # The base image of a seed is as large as the picture, and the same all over.
    assert painted(generator, 24, 32).shape == (2, 24, 32, 3)


@pytest.mark.parametrize(
    ("shape", "look"), [((64, 64), (32, 32)), ((64, 96), (32, 48)), ((256, 128), (64, 32))]
)
def test_the_look_has_the_aspect_of_the_picture_in_eights(shape, look):
    assert Synesthesia(SynesthesiaConfig(), 41, *shape).look == look


@pytest.mark.parametrize("generator", ["painter", "seed"])
def test_pictures_of_any_size_are_the_same_picture(generator):
    small = painted(generator, 24, 32)
    assert small.min() >= 0 and small.max() <= 1 and small.std() > 0.02
    for height, width in ((48, 64), (75, 101), (12, 16)):
        other = painted(generator, height, width)
        assert other.shape == (2, height, width, 3)
        apart = np.abs(averaged(jnp.asarray(other), 6, 8) - averaged(jnp.asarray(small), 6, 8))
        assert apart.mean() < 0.03, (height, width)


def test_a_palette_takes_the_place_of_the_painters_own():
    other = painted("painter", 24, 32, jnp.zeros((3, 3)).at[:, 0].set(1))
    assert not other[..., 1:].any() and other[..., 0].min() > 0.6
    _, params = network("painter", "grid")
    own = jnp.asarray(params["generator"]["palette"])
    np.testing.assert_allclose(painted("painter", 24, 32, own), painted("painter", 24, 32))


@pytest.mark.parametrize("decoder", ["grid", "seed"])
def test_features_are_read_from_pictures_of_any_size(decoder):
    """Smooth pictures, twice as large or of another shape: nearly the same is read."""
    model, params = network("painter", decoder)
    read = jax.jit(model.read)
    small = painted("painter", 24, 32)
    wanted = np.asarray(read(params["decoder"], jnp.asarray(small)))
    assert wanted.shape == (2, FEATURES)
    spread = np.abs(wanted[0] - wanted[1]).mean()
    for height, width in ((48, 64), (60, 70)):
        other = jnp.asarray(painted("painter", height, width))
        found = np.asarray(read(params["decoder"], other))
        assert np.abs(found - wanted).mean() < 0.3 * spread


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"look": 4}, "got look 4 pixels, wanted 8 to 256 pixels"),
        ({"look": 20}, "got a look of 20 pixels, wanted a multiple of 8"),
    ],
)
def test_configs_that_make_no_network(values, told):
    with pytest.raises(WyhError) as error:
        SynesthesiaConfig(**values)
    assert str(error.value) == told


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("generator", "got the generator 'oracle', wanted painter or seed"),
        ("decoder", "got the decoder 'oracle', wanted grid or seed"),
    ],
)
def test_unknown_networks(name, told):
    config = copy.copy(SynesthesiaConfig())  # the constructor's annotations are checked here
    object.__setattr__(config, name, "oracle")
    with pytest.raises(WyhError) as error:
        config.__post_init__()
    assert str(error.value) == told


def test_variables_of_another_model_are_told():
    model, other = (Synesthesia(SynesthesiaConfig(), features, 64, 64) for features in (41, 9))
    params = jax.tree.map(
        lambda leaf: np.zeros(leaf.shape, np.float32), jax.eval_shape(other.init, jax.random.key(0))
    )
    inputs = jnp.zeros((1, 41)), jnp.zeros((1, LATENT)), jnp.zeros((1, *model.base_cells, 3))
    with pytest.raises(WyhError, match=r"do not fit the model .* copy the run again"):
        model.paint(params["generator"], *inputs, 16, 16)
