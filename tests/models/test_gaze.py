"""Where a network looks for its notes: places that follow the camera, or looks alone."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from wyh.errors import WyhError
from wyh.models.gaze import Gaze, GazeConfig

pytestmark = pytest.mark.usefixtures("quickly")

NOTES, WIDTH, COLUMNS = 6, 8, 50
RULER = GazeConfig(embed=4, width=WIDTH, layers=0, sharpness=0.02)
TINY = GazeConfig(patch=(4, 2), embed=4, width=WIDTH, layers=1, reach=3, look=4)


def made(config, pictures):
    model = Gaze(config, NOTES)
    return model, jax.jit(model.init)(jax.random.key(0), pictures)["params"]


look = jax.jit(lambda model, params, x: model.apply({"params": params}, x), static_argnums=0)


def seen(model, params, x):
    """What is seen of each note."""
    return look(model, params, x)[0]


def pictures_of(rng, count=2, height=8, width=12):
    return jnp.asarray(rng.uniform(size=(count, height, width, 3)), jnp.float32)


def places(order, shift=0.0, zoom=0.0):
    """Where each note looks, in widths of the picture from its middle.

    The first value of a column is its number; of it a note gets what it looks at.
    """
    black = jnp.zeros((1, 8, 2 * COLUMNS, 3))
    model, params = made(replace(RULER, order=order), black)
    params = jax.tree.map(jnp.zeros_like, params) | {key: params[key] for key in ("lie", "bell")}
    params["places"] = params["places"].at[:, 0].set(jnp.arange(COLUMNS) + 0.5)
    params["value"]["kernel"] = jnp.eye(WIDTH)
    params["note"]["kernel"] = jnp.eye(WIDTH)
    params["camera"]["bias"] = jnp.array([shift, zoom]) / 0.1
    return np.asarray(seen(model, params, black))[0, :, 0] / COLUMNS - 0.5


@pytest.mark.parametrize(("shift", "zoom"), [(0, 0), (0.05, 0), (-0.05, 0), (0, -0.2), (0.1, -0.3)])
def test_notes_are_looked_for_where_the_camera_has_them(shift, zoom):
    middles = np.linspace(-0.4, 0.4, NOTES) * np.exp(zoom) + shift
    np.testing.assert_allclose(places("rising", shift, zoom), middles, atol=2e-3)


def test_falling_notes_are_looked_for_in_a_mirror():
    np.testing.assert_allclose(places("falling"), -places("rising"), atol=1e-5)
    np.testing.assert_allclose(places("falling", 0.05), -places("rising", -0.05), atol=1e-5)


def test_a_note_hears_of_its_neighbourhood_alone(rng):
    """By their place; what tells of the camera is held."""
    pictures = pictures_of(rng, 1, 8, 2 * COLUMNS)
    model, params = made(RULER, pictures)
    params["camera"] = jax.tree.map(jnp.zeros_like, params["camera"])
    told = jax.jacrev(lambda x: model.apply({"params": params}, x)[0][0].sum(axis=-1))
    size = (
        np.abs(np.asarray(jax.jit(told)(pictures)))
        .sum(axis=(1, 2, 4))
        .reshape(NOTES, COLUMNS, 2)
        .sum(axis=2)
    )
    at = (np.arange(COLUMNS) + 0.5) / COLUMNS - 0.5
    for note, middle in enumerate(np.linspace(-0.4, 0.4, NOTES)):
        assert size[note, np.abs(at - middle) < 0.06].sum() > 0.9 * size[note].sum() > 0


@pytest.mark.parametrize("order", ["rising", "falling", "none"])
def test_gradients_reach_every_parameter(rng, order):
    pictures = pictures_of(rng)
    model, params = made(replace(TINY, order=order), pictures)
    found, scene = look(model, params, pictures)
    assert found.shape == (2, NOTES, WIDTH) and np.isfinite(found).all()
    assert scene.shape == (2, TINY.scene) and np.isfinite(scene).all()
    assert ("camera" in params, "lie" in params) == 2 * (order != "none",)
    assert ("query" in params) == (order == "none")

    def loss(params):
        found, scene = look(model, params, pictures)
        wanted = jnp.linspace(0, 1, NOTES)[None, :, None]
        return jnp.mean(jnp.square(found - wanted)) + jnp.mean(jnp.square(scene - 1))

    slopes = jax.jit(jax.grad(loss))(params)
    for path, slope in jax.tree_util.tree_leaves_with_path(slopes):
        if path != (jax.tree_util.DictKey("key"), jax.tree_util.DictKey("bias")):
            assert np.abs(slope).max() > 0, path  # the bias of all keys is the same for all columns


def test_pictures_are_looked_at_each_by_itself(rng):
    pictures = pictures_of(rng, 3)
    model, params = made(TINY, pictures)
    together = seen(model, params, pictures)
    for number in range(3):
        alone = seen(model, params, pictures[number : number + 1])
        np.testing.assert_allclose(alone[0], together[number], atol=1e-5)


def test_notes_without_an_order_are_found_by_their_looks(rng):
    """Wherever their columns are, if nothing tells columns apart but what is in them."""
    pictures = pictures_of(rng, 1)
    model, params = made(replace(TINY, order="none", layers=0), pictures)
    params["places"] = jnp.zeros_like(params["places"])
    columns = pictures.reshape(1, 8, 6, 2, 3)
    moved = columns[:, :, jnp.array([4, 0, 5, 2, 1, 3])].reshape(pictures.shape)
    found, again = (seen(model, params, x) for x in (pictures, moved))
    np.testing.assert_allclose(found, again, atol=1e-5)
    assert np.abs(found[0] - found[0, :1]).max() > 1e-4  # each note its own


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"patch": (0, 2)}, "got a patch's side 0 pixels, wanted 1 to 64 pixels"),
        ({"embed": 0}, "got a layer's width 0, wanted 1 to 4096"),
        ({"width": 5000}, "got a layer's width 5000, wanted 1 to 4096"),
        ({"layers": 17}, "got layers 17, wanted 0 to 16"),
        ({"reach": 0}, "got reach 0 columns, wanted 1 to 63 columns"),
        ({"sharpness": 0.0}, "got sharpness 0, wanted 0.001 to 1"),
        ({"look": 0}, "got look 0, wanted 1 to 1024"),
    ],
)
def test_bad_sizes(values, message):
    with pytest.raises(WyhError) as raised:
        GazeConfig(**values)
    assert str(raised.value) == message


@pytest.mark.parametrize(("height", "width"), [(44, 128), (48, 127)])
def test_pictures_that_patches_do_not_fill(height, width):
    GazeConfig().check(48, 128)
    with pytest.raises(WyhError) as raised:
        GazeConfig().check(height, width)
    assert str(raised.value) == (
        f"got pictures of {width}x{height}, wanted a width that is a multiple of 2 and a height "
        f"of 8: choose another --size"
    )
