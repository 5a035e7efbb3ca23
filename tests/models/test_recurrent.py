"""Networks that remember: sizes, memory that matters, streaming as all at once, what is seen."""

import functools
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from wyh.errors import WyhError
from wyh.models.gaze import GazeConfig
from wyh.models.recurrent import Filters, Recurrent, RecurrentConfig, blank, in_threes, watch
from wyh.specs import LUMA

pytestmark = pytest.mark.usefixtures("quickly")

SEED = RecurrentConfig("cnn_lstm", memory=(256, 128), onsets=False)
GAZE = GazeConfig(patch=(8, 4), embed=4, width=8, layers=1, reach=3)
TINY = {
    "gaze_lstm": RecurrentConfig("gaze_lstm", gaze=GAZE, memory=(8, 4)),
    "fc_lstm": RecurrentConfig("fc_lstm", memory=(8, 4)),
    "cnn_lstm": RecurrentConfig(
        "cnn_lstm", filters=(Filters(4, 4, 4), Filters(6, 2, 2)), dense=(10,), memory=(8, 4)
    ),
    "conv_lstm": RecurrentConfig(
        "conv_lstm", filters=(Filters(4, 3, 4), Filters(3, 3, 2)), dense=(10,)
    ),
}
NOTES = 5


def pictures(rng, kind, time=7):
    shape = (2, time, 5) if kind == "fc_lstm" else (2, time, 16, 24, 3)
    return jnp.asarray(rng.uniform(size=shape), jnp.float32)


played = jax.jit(watch, static_argnums=0)


@functools.cache
def made(config, picture, batch=2):
    model = Recurrent(config, NOTES)
    size = picture[:2] if len(picture) == 3 else (0, 0)
    memory = blank(config, NOTES, batch, *size)
    x = jnp.zeros((batch, 1, *picture))
    return model, jax.jit(model.init)(jax.random.key(0), x, memory)["params"], memory


def parameters(config, shape, notes=18):
    model = Recurrent(config, notes)
    memory = blank(config, notes, 1, *(shape[:2] if len(shape) == 3 else (0, 0)))
    x = jax.ShapeDtypeStruct((1, 1, *shape), jnp.float32)
    made = jax.eval_shape(model.init, jax.random.key(0), x, memory)
    return sum(int(np.prod(leaf.shape)) for leaf in jax.tree.leaves(made))


def test_the_seeds_networks_have_their_sizes():
    # Convolutions, dense layers, LSTMs of four gates each, 18 notes.
    convolutions = 16 * 16 * 3 * 32 + 32 + 8 * 8 * 32 * 64 + 64
    convolutions += 4 * 4 * 64 * 128 + 128 + 2 * 2 * 128 * 256 + 256
    dense = 1024 * 1024 + 1024 + 1024 * 512 + 512
    memory = 4 * ((512 + 256) * 256 + 256) + 4 * ((256 + 128) * 128 + 128)
    total = convolutions + dense + memory + 128 * 18 + 18
    assert total == 2_979_570  # the 2.98 million of the seed, at 100x100 pixels
    assert parameters(SEED, (100, 100, 3)) == total
    features = RecurrentConfig("fc_lstm", memory=(256, 256), onsets=False)
    wanted = 4 * ((4096 + 256) * 256 + 256) + 4 * (512 * 256 + 256) + 256 * 18 + 18
    assert parameters(features, (4096,)) == wanted
    assert parameters(replace(SEED, onsets=True), (100, 100, 3)) == total + 2 * (128 * 18 + 18)


@pytest.mark.parametrize("kind", TINY)
def test_one_picture_at_a_time_is_as_all_at_once(rng, kind):
    x = pictures(rng, kind)
    model, params, memory = made(TINY[kind], x.shape[2:])
    notes, last = played(model, params, x, memory)
    assert notes.amplitude.shape == notes.onset.shape == notes.offset.shape == (2, 7, NOTES)
    found, held = [], memory
    for at in range(7):
        one, held = played(model, params, x[:, at : at + 1], held)
        found.append(one)
    joined = jax.tree.map(lambda *parts: jnp.concatenate(parts, axis=1), *found)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-5), joined, notes)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-5), held, last)
    assert all(leaf.any() for leaf in jax.tree.leaves(last))


@pytest.mark.parametrize("kind", TINY)
def test_what_was_seen_before_matters_and_what_comes_does_not(rng, kind):
    x = pictures(rng, kind)
    model, params, memory = made(TINY[kind], x.shape[2:])
    notes, _ = played(model, params, x, memory)
    other, _ = played(model, params, x.at[:, 2].set(1 - x[:, 2]), memory)
    changed = np.abs(np.asarray(notes.amplitude - other.amplitude)).max(axis=(0, 2))
    assert (changed[:2] == 0).all() and (changed[2:] > 1e-6).all()
    assert np.abs(notes.offset).max() <= 0.5


@pytest.mark.parametrize("kind", TINY)
def test_films_beside_one_another_are_not_mixed(rng, kind):
    x = pictures(rng, kind)
    model, params, memory = made(TINY[kind], x.shape[2:])
    notes, _ = played(model, params, x, memory)
    other, _ = played(model, params, x.at[1].set(1 - x[1]), memory)
    np.testing.assert_allclose(other.amplitude[0], notes.amplitude[0], atol=1e-6)
    assert np.abs(other.amplitude[1] - notes.amplitude[1]).max() > 1e-4


@pytest.mark.parametrize("kind", TINY)
def test_without_memory_each_picture_is_seen_as_if_it_were_the_first(rng, kind):
    x = pictures(rng, kind)
    model, params, memory = made(TINY[kind], x.shape[2:])
    forgetful = Recurrent(replace(TINY[kind], remembers=False), NOTES)
    full = jax.tree.map(jnp.ones_like, memory)
    notes, last = played(forgetful, params, x, full)
    jax.tree.map(np.testing.assert_array_equal, last, full)
    for at in range(7):
        one, _ = played(model, params, x[:, at : at + 1], memory)
        for value, alone in zip(notes, one, strict=True):
            np.testing.assert_allclose(value[:, at], alone[:, 0], atol=1e-5)


@pytest.mark.parametrize("kind", TINY)
def test_dropout_only_with_a_key_and_gradients_reach_every_parameter(rng, kind):
    x = pictures(rng, kind, 4)
    config = replace(TINY[kind], dropout=0.2)
    model, params, memory = made(config, x.shape[2:])
    plain = played(model, params, x, memory)[0].amplitude
    assert (played(model, params, x, memory)[0].amplitude == plain).all()
    kept = [played(model, params, x, memory, jax.random.key(n))[0].amplitude for n in (0, 1)]
    assert (kept[0] != kept[1]).any() and (kept[0] != plain).any()

    @jax.jit
    @jax.grad
    def slopes(params):
        notes, _ = watch(model, params, x, memory)
        return sum(jnp.sum(jnp.square(part)) for part in notes)

    for path, leaf in jax.tree_util.tree_leaves_with_path(slopes(params)):
        assert np.abs(leaf).max() > 0, path


@pytest.mark.parametrize("kind", ["fc_lstm", "gaze_lstm"])
def test_without_onsets_none_is_ever_likely(rng, kind):
    x = pictures(rng, kind, 2)
    config = replace(TINY[kind], onsets=False)
    model, params, memory = made(config, x.shape[2:])
    notes, _ = played(model, params, x, memory)
    assert (np.asarray(jax.nn.sigmoid(notes.onset)) == 0).all() and not notes.offset.any()
    assert set(params) - {"gaze", "memory_scene"} == {"memory_0", "memory_1", "amplitude"}


def test_notes_share_what_is_learned_of_one():
    """What comes after the gaze is as large for two notes as for 50."""
    sizes = [parameters(TINY["gaze_lstm"], (16, 24, 3), notes) for notes in (2, 50)]
    own = GAZE.width + 2  # its name, its place, its width
    assert sizes[1] - sizes[0] == 48 * own


def test_three_pictures_become_one_that_is_grey(rng):
    x = rng.uniform(size=(2, 6, 4, 5, 3)).astype(np.float32)
    grey = x @ np.array(LUMA, np.float32)
    wanted = np.stack([grey[:, :-2], grey[:, 1:-1], grey[:, 2:]], axis=-1)
    config = RecurrentConfig(view="grey")
    np.testing.assert_allclose(in_threes(jnp.asarray(x), config), wanted, atol=1e-6)
    again = in_threes(jnp.asarray(grey[..., None]), config)
    np.testing.assert_allclose(again, wanted, atol=1e-6)


@pytest.mark.parametrize("view", ["motion", "grey"])
def test_three_features_become_one_row(rng, view):
    x = rng.uniform(size=(2, 6, 7)).astype(np.float32)
    found = in_threes(jnp.asarray(x), RecurrentConfig("fc_lstm", view=view))
    np.testing.assert_array_equal(found, np.concatenate([x[:, :-2], x[:, 1:-1], x[:, 2:]], -1))


def test_motion_is_what_moves_before_and_after_in_any_light(rng):
    config = RecurrentConfig()
    x = rng.uniform(size=(1, 5, 16, 12, 1)).astype(np.float32)
    plain = np.asarray(in_threes(jnp.asarray(x), config))
    assert plain.shape == (1, 3, 16, 12, 3)
    for light, black in ((0.5, 0.0), (1.0, 0.2), (0.7, 0.1)):
        lit = np.asarray(in_threes(jnp.asarray(light * x + black), config))
        np.testing.assert_allclose(lit, plain, rtol=0.08, atol=1e-4)
    # What differs from the picture before, from the one after, and nothing else.
    still = np.repeat(x[:, :1], 5, axis=1)
    still[:, 2:, 3, 4] = 1 - still[:, 2:, 3, 4]
    motion = np.asarray(in_threes(jnp.asarray(still), config))
    soon, past = motion[0, ..., 1], motion[0, ..., 2]
    assert [np.argwhere(each).tolist() for each in (soon, past)] == [[[0, 3, 4]], [[1, 3, 4]]]
    assert np.sign(soon[0, 3, 4]) == np.sign(past[1, 3, 4]) == np.sign(0.5 - x[0, 0, 3, 4, 0])


def test_pictures_that_show_nothing_are_seen_as_nothing():
    for level in (0.0, 0.5, 1.0):
        flat = in_threes(jnp.full((1, 4, 8, 8, 1), level), RecurrentConfig())
        np.testing.assert_allclose(flat, np.zeros((1, 2, 8, 8, 3)), atol=1e-5)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"memory": ()}, "got cnn_lstm without memory, wanted one recurrent layer at least"),
        ({"filters": ()}, "got cnn_lstm without filters, wanted one layer at least"),
        ({"dropout": 1.0}, "got dropout 1, wanted 0 to 0.9"),
        ({"dense": (0,)}, "got a layer's width 0, wanted 1 to 65536"),
    ],
)
def test_bad_sizes(values, message):
    with pytest.raises(WyhError) as raised:
        replace(SEED, **values)
    assert message in str(raised.value)


def test_bad_filters_and_pictures_too_small():
    with pytest.raises(WyhError, match="got a filter's size 0 pixels, wanted 1 to 32 pixels"):
        Filters(4, 0)
    with pytest.raises(WyhError, match="got pictures of 4x4, which the strides leave nothing of"):
        blank(TINY["conv_lstm"], NOTES, 1, 4, 4)
