import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from wyh.errors import WyhError
from wyh.models.dbn import Dbn, DbnConfig, cells, hidden, inputs_of, predict, standard_inputs, waves

SMALL = DbnConfig(widths=(12, 8), shrink=4, context=(1, 3), context_shrink=8)
SIZES = [(16, 16, 3), (20, 13, 1), (9, 30, 3)]  # two that shrink to no whole cells


def coarse(picture, size):
    """Means over the area of each cell, pixels cut where a cell ends within them."""
    height, width, channels = picture.shape
    rows, columns = max(1, round(height / size)), max(1, round(width / size))
    found = np.zeros((rows, columns, channels))
    for row in range(rows):
        for column in range(columns):
            top, bottom = row * height / rows, (row + 1) * height / rows
            left, right = column * width / columns, (column + 1) * width / columns
            whole = 0.0
            for y in range(height):
                for x in range(width):
                    tall = max(0.0, min(y + 1, bottom) - max(y, top))
                    wide = max(0.0, min(x + 1, right) - max(x, left))
                    found[row, column] += tall * wide * picture[y, x]
                    whole += tall * wide
            found[row, column] /= whole
    return found


def seen_by_hand(film, place, config):
    """What the network sees at one picture of a film `[time, height, width, channel]`."""
    now = coarse(film[place], config.shrink)
    if config.view == "waves":
        about = now - now.mean(axis=(0, 1))
        strength = np.abs(np.fft.fft2(about, axes=(0, 1)))
        now = strength / strength.max()
    seen = [now]
    for ago in config.context:
        change = film[place] - film[place - ago]
        if config.seen_of == "motion":
            seen.append(np.sqrt(coarse(np.abs(change), config.context_shrink)))
        elif config.seen_of == "differences":
            seen.append(coarse(change, config.context_shrink))
        else:
            seen.append(coarse(film[place - ago], config.context_shrink))
    return np.concatenate([each.ravel() for each in seen])


@pytest.mark.parametrize("shape", SIZES)
@pytest.mark.parametrize(
    ("view", "seen_of"),
    [("pixels", "motion"), ("pixels", "differences"), ("pixels", "pictures"), ("waves", "motion")],
)
def test_what_the_network_sees(shape, view, seen_of, rng):
    config = DbnConfig((4,), view=view, shrink=4, context=(2, 1), seen_of=seen_of, context_shrink=7)
    films = rng.uniform(0, 1, (2, 4, *shape)).astype(np.float32)
    found = inputs_of(jnp.asarray(films), config)
    assert found.shape == (2, 2, config.inputs(shape))
    for batch in range(2):
        for place in range(2):
            by_hand = seen_by_hand(films[batch], place + 2, config)
            np.testing.assert_allclose(found[batch, place], by_hand, atol=1e-5)


def test_a_picture_alone_is_seen_as_it_is(rng):
    config = DbnConfig((4,), shrink=1, context=())
    films = rng.uniform(0, 1, (2, 3, 8, 10, 1)).astype(np.float32)
    assert config.reach == 0 and config.inputs((8, 10, 1)) == 80
    np.testing.assert_array_equal(inputs_of(jnp.asarray(films), config), films.reshape(2, 3, 80))


def test_cells_are_as_near_as_can_be_and_one_at_least():
    assert cells((64, 64, 3), 4) == (16, 16)
    assert cells((30, 17, 3), 4) == (8, 4)
    assert cells((8, 200, 1), 64) == (1, 3)


def test_waves_of_a_grating_and_of_nothing():
    grating = 0.5 + 0.2 * np.cos(2 * np.pi * 3 * np.arange(16) / 16)
    pictures = np.broadcast_to(grating[None, :, None], (16, 16, 1)).astype(np.float32)
    found = np.array(waves(jnp.asarray(pictures)))[..., 0]
    assert found[0, 3] == pytest.approx(1) and found[0, 13] == pytest.approx(1)
    found[0, [3, 13]] = 0
    assert found.max() < 1e-5
    for size in (8, 64):
        assert np.asarray(waves(jnp.full((2, size, size, 3), 0.7))).max() < 1e-3
    faint = waves(jnp.asarray(0.5 + (pictures - 0.5) / 50))  # one grey level
    assert np.asarray(faint).max() == pytest.approx(1)


@pytest.mark.parametrize(
    ("widths", "size", "count"),
    [
        ((1000,), 735, 4_832_735),
        ((1000, 1000, 1000), 735, 6_834_735),
        ((2000, 1500, 1000), 735, 13_432_235),
        ((2048, 2048, 2048), 1025, 18_883_585),
    ],
)
def test_the_networks_of_the_seed_have_as_many_parameters(widths, size, count):
    config = DbnConfig(widths, "sigmoid", shrink=1, context=(), standardised=False, dropout=0.0)
    assert config.inputs((64, 64, 1)) == 4096
    shapes = jax.eval_shape(Dbn(config, size).init, jax.random.key(0), np.zeros((1, 4096)))
    assert sum(leaf.size for leaf in jax.tree.leaves(shapes)) == count


def filled(config, inputs, size, rng):
    """A network with random parameters, drawn without compiling `init`."""
    model = Dbn(config, size)
    shapes = jax.eval_shape(model.init, jax.random.key(0), np.zeros((1, inputs), np.float32))
    return model, jax.tree.map(
        lambda leaf: rng.standard_normal(leaf.shape).astype(np.float32), shapes["params"]
    )


@pytest.mark.parametrize("units", ["sigmoid", "relu"])
def test_a_prediction_is_layer_upon_layer(units, rng):
    model, params = filled(DbnConfig((6, 5), units, dropout=0.0), 7, 3, rng)
    x = rng.standard_normal((4, 7)).astype(np.float32)
    by_hand = [x]
    for number in range(2):
        layer = params[f"layer_{number}"]
        drive = by_hand[-1] @ layer["kernel"] + layer["bias"]
        by_hand.append(1 / (1 + np.exp(-drive)) if units == "sigmoid" else np.maximum(drive, 0))
    for depth, units_by_hand in enumerate(by_hand):
        found = hidden(model, params, jnp.asarray(x), depth)
        np.testing.assert_allclose(found, units_by_hand, rtol=1e-4, atol=1e-5)
    expected = by_hand[-1] @ params["out"]["kernel"] + params["out"]["bias"]
    np.testing.assert_allclose(
        predict(model, params, jnp.asarray(x)), expected, rtol=1e-4, atol=1e-5
    )


def test_units_are_left_out_with_a_key_alone(key, rng):
    model, params = filled(DbnConfig((2000,), "sigmoid", dropout=0.25), 3, 2000, rng)
    params["out"] = {"kernel": np.eye(2000, dtype=np.float32), "bias": np.zeros(2000, np.float32)}
    x = jnp.asarray(rng.standard_normal((2, 3)), jnp.float32)
    plain = np.asarray(predict(model, params, x))
    np.testing.assert_array_equal(plain, predict(model, params, x))
    assert (plain > 0).all()
    dropped = np.asarray(predict(model, params, x, key))
    left_out = dropped == 0
    assert 0.2 < left_out.mean() < 0.3
    assert not np.array_equal(left_out[0], left_out[1])
    np.testing.assert_allclose(dropped[~left_out], plain[~left_out] / 0.75, rtol=1e-5)
    other = np.asarray(predict(model, params, x, jax.random.key(1)))
    assert not np.array_equal(other == 0, left_out)


def test_no_dropout_needs_no_key(key, rng):
    model, params = filled(DbnConfig((8,), dropout=0.0), 3, 2, rng)
    x = jnp.asarray(rng.standard_normal((2, 3)), jnp.float32)
    np.testing.assert_array_equal(predict(model, params, x, key), predict(model, params, x))


def test_inputs_are_standardised_but_what_never_changes_is_not_blown_up(rng):
    inputs = rng.normal([0.2, 0.5, 0.7], [0.1, 0.3, 0], (500, 3)).astype(np.float32)
    scale = standard_inputs(inputs, SMALL)
    assert scale["mean"].dtype == scale["spread"].dtype == np.float32
    np.testing.assert_allclose(scale["mean"], inputs.mean(axis=0), rtol=1e-5)
    np.testing.assert_allclose(scale["spread"][:2], inputs.std(axis=0)[:2], rtol=1e-5)
    assert scale["spread"][2] == pytest.approx(inputs.std(axis=0).mean() / 10, rel=1e-4)
    still = standard_inputs(np.full((5, 2), 0.5, np.float32), SMALL)
    np.testing.assert_allclose(still["spread"], 1e-3)
    as_they_are = standard_inputs(inputs, DbnConfig(standardised=False))
    assert (as_they_are["mean"] == 0).all() and (as_they_are["spread"] == 1).all()


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"widths": ()}, "got 0 hidden layers, wanted 1 to 16"),
        ({"widths": (4,) * 17}, "got 17 hidden layers, wanted 1 to 16"),
        ({"widths": (4, 0)}, "got a hidden layer's width 0, wanted 1 to 65536"),
        ({"shrink": 0}, "got shrink 0 pixels, wanted 1 to 64 pixels"),
        ({"context_shrink": 65}, "got context_shrink 65 pixels, wanted 1 to 64 pixels"),
        ({"context": (1, 0)}, "got context 0 frames ago, wanted 1 to 64 frames ago"),
        ({"context": (65,)}, "got context 65 frames ago, wanted 1 to 64 frames ago"),
        ({"context_sound": 33}, "got context_sound 33, wanted 0 to 32"),
        ({"dropout": 1.0}, "got dropout 1, wanted 0 to 0.9"),
    ],
)
def test_configurations_that_cannot_be(given, said):
    with pytest.raises(WyhError, match=f"^{re.escape(said)}$"):
        DbnConfig(**given)
