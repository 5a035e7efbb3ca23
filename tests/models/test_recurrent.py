"""Networks that remember: the seed's sizes, memory that matters, streaming as all at once."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from wyh.errors import WyhError
from wyh.models.recurrent import Filters, Recurrent, RecurrentConfig, blank, watch

SEED = RecurrentConfig(onsets=False)
TINY = {
    "fc_lstm": RecurrentConfig("fc_lstm", (), (), (8, 4)),
    "cnn_lstm": RecurrentConfig("cnn_lstm", (Filters(4, 4, 4), Filters(6, 2, 2)), (10,), (8, 4)),
    "conv_lstm": RecurrentConfig("conv_lstm", (Filters(4, 3, 4), Filters(3, 3, 2)), (10,), ()),
}


def pictures(rng, kind, time=7):
    shape = (2, time, 5) if kind == "fc_lstm" else (2, time, 16, 24, 3)
    return jnp.asarray(rng.uniform(size=shape), jnp.float32)


def made(config, x, notes=5):
    model = Recurrent(config, notes)
    size = x.shape[2:4] if x.ndim == 5 else (0, 0)
    memory = blank(config, x.shape[0], *size)
    return model, jax.jit(model.init)(jax.random.key(0), x[:, :1], memory)["params"], memory


def parameters(config, shape, notes=18):
    model = Recurrent(config, notes)
    memory = blank(config, 1, *shape[:2]) if len(shape) == 3 else blank(config, 1, 0, 0)
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
    features = RecurrentConfig("fc_lstm", (), (), (256, 256), onsets=False)
    wanted = 4 * ((4096 + 256) * 256 + 256) + 4 * (512 * 256 + 256) + 256 * 18 + 18
    assert parameters(features, (4096,)) == wanted
    assert parameters(replace(SEED, onsets=True), (100, 100, 3)) == total + 2 * (128 * 18 + 18)


@pytest.mark.parametrize("kind", TINY)
def test_one_picture_at_a_time_is_as_all_at_once(rng, kind):
    x = pictures(rng, kind)
    model, params, memory = made(TINY[kind], x)
    notes, last = watch(model, params, x, memory)
    assert notes.amplitude.shape == notes.onset.shape == notes.offset.shape == (2, 7, 5)
    step = jax.jit(lambda x, memory: watch(model, params, x, memory))
    found, held = [], memory
    for at in range(7):
        one, held = step(x[:, at : at + 1], held)
        found.append(one)
    joined = jax.tree.map(lambda *parts: jnp.concatenate(parts, axis=1), *found)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-5), joined, notes)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-5), held, last)


@pytest.mark.parametrize("kind", TINY)
def test_what_was_seen_before_matters_and_what_comes_does_not(rng, kind):
    x = pictures(rng, kind)
    model, params, memory = made(TINY[kind], x)
    notes, _ = watch(model, params, x, memory)
    other, _ = watch(model, params, x.at[:, 2].set(1 - x[:, 2]), memory)
    changed = np.abs(np.asarray(notes.amplitude - other.amplitude)).max(axis=(0, 2))
    assert (changed[:2] == 0).all() and (changed[2:] > 1e-6).all()
    assert np.abs(notes.offset).max() <= 0.5


@pytest.mark.parametrize("kind", TINY)
def test_dropout_only_with_a_key_and_gradients_reach_every_parameter(rng, kind):
    x = pictures(rng, kind, 4)
    model, params, memory = made(TINY[kind], x)
    plain = watch(model, params, x, memory)[0].amplitude
    assert (watch(model, params, x, memory)[0].amplitude == plain).all()
    kept = [watch(model, params, x, memory, jax.random.key(n))[0].amplitude for n in (0, 1)]
    assert (kept[0] != kept[1]).any() and (kept[0] != plain).any()

    def loss(params):
        notes, _ = watch(model, params, x, memory)
        return sum(jnp.sum(jnp.square(part)) for part in notes)

    slopes = jax.grad(loss)(params)
    assert all(np.abs(leaf).max() > 0 for leaf in jax.tree.leaves(slopes))


def test_without_onsets_none_is_ever_likely(rng):
    x = pictures(rng, "fc_lstm", 2)
    config = replace(TINY["fc_lstm"], onsets=False)
    model, params, memory = made(config, x)
    notes, _ = watch(model, params, x, memory)
    assert (np.asarray(jax.nn.sigmoid(notes.onset)) == 0).all() and not notes.offset.any()
    assert set(params) == {"memory_0", "memory_1", "amplitude"}


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
        RecurrentConfig(**values)
    assert message in str(raised.value)


def test_bad_filters_and_pictures_too_small():
    with pytest.raises(WyhError, match="got a filter's size 0 pixels, wanted 1 to 32 pixels"):
        Filters(4, 0)
    with pytest.raises(WyhError, match="got pictures of 4x4, which the strides leave nothing of"):
        blank(TINY["conv_lstm"], 1, 4, 4)
