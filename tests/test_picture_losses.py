import colorsys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from wyh.picture_losses import (
    HUES,
    few_hues,
    flatness,
    hue_shares,
    off_brightness,
    out_of_step,
    total_variation,
    unlike_base,
)


def pictures(seed=0, shape=(3, 5, 7, 3)):
    return np.random.default_rng(seed).uniform(0, 1, shape).astype(np.float32)


def of_hues(turns):
    """Pictures of one row: a pure colour for each turn of the circle."""
    colours = [colorsys.hsv_to_rgb(turn % 1, 1, 1) for turn in turns]
    return jnp.asarray(np.array(colours, np.float32)[None, None])


RAINBOW = of_hues(np.arange(240) / 240)


def test_total_variation_is_that_of_a_loop():
    x = pictures()
    down = [abs(x[n, r + 1, c, k] - x[n, r, c, k]) for n, r, c, k in np.ndindex(3, 4, 7, 3)]
    right = [abs(x[n, r, c + 1, k] - x[n, r, c, k]) for n, r, c, k in np.ndindex(3, 5, 6, 3)]
    wanted = np.mean(down) + np.mean(right)
    assert total_variation(jnp.asarray(x)) == pytest.approx(wanted, rel=1e-5)


def test_unlike_base_begins_at_the_tolerance():
    x, base = pictures(), pictures(1)
    errors = np.square(x - base).mean(axis=(1, 2, 3))
    for tolerance in (0.0, float(np.median(errors)), 0.9):
        wanted = np.maximum(errors - tolerance, 0).mean()
        found = unlike_base(jnp.asarray(x), jnp.asarray(base), tolerance)
        assert found == pytest.approx(wanted, rel=1e-5)
    assert found == 0
    near = unlike_base(jnp.asarray(base + 0.1), jnp.asarray(base), 0.0101)
    assert near == 0


def test_hue_shares_are_those_of_a_loop():
    x = pictures()
    wanted = np.zeros(HUES)
    for red, green, blue in x.reshape(-1, 3).astype(float):
        point = red + green * np.exp(2j * np.pi / 3) + blue * np.exp(-2j * np.pi / 3)
        near = np.exp(8 * np.cos(np.angle(point) - 2 * np.pi * np.arange(HUES) / HUES))
        wanted += abs(point) * near / near.sum()
    np.testing.assert_allclose(hue_shares(jnp.asarray(x)), wanted / wanted.sum(), atol=2e-5)


def test_pure_hues_land_in_their_parts_and_turn_with_the_hue():
    for part in range(HUES):
        share = np.asarray(hue_shares(of_hues([part / HUES])))
        assert share.argmax() == part and share[part] > 0.5
        assert share.sum() == pytest.approx(1, abs=1e-4)
        np.testing.assert_allclose(share, np.roll(hue_shares(of_hues([0])), part), atol=1e-4)


def test_colours_count_as_much_as_they_are_colourful():
    grey = np.full((1, 1, 40, 3), 0.5, np.float32)
    one = of_hues([0.25])
    both = jnp.concatenate([one, jnp.asarray(grey)], axis=2)
    np.testing.assert_allclose(hue_shares(both), hue_shares(one), atol=0.05)
    half = jnp.concatenate([of_hues([0]), 0.5 * of_hues([0.5])], axis=2)
    share = np.asarray(hue_shares(half))
    assert share[0] / share[6] == pytest.approx(2, rel=0.01)


def test_few_hues_is_none_for_a_rainbow_and_one_for_one_colour():
    assert few_hues(RAINBOW) == pytest.approx(0, abs=0.005)
    ones = [float(few_hues(of_hues([turn]))) for turn in np.arange(24) / 24]
    assert max(ones) == pytest.approx(1, abs=0.01) and min(ones) > 0.85
    half = float(few_hues(of_hues(np.arange(120) / 240)))
    assert 0.1 < half < 0.6


def test_flatness_is_what_the_spread_lacks():
    x = pictures() * np.array([1, 0.5, 0.1], np.float32)
    lacking = np.maximum(0.2 - x.std(axis=(1, 2)), 0)
    assert flatness(jnp.asarray(x), 0.2) == pytest.approx(np.square(lacking).mean(), rel=1e-3)
    assert flatness(jnp.asarray(x), 0.0) == 0


def test_brightness_is_that_of_each_picture():
    x = pictures() * np.array([0.2, 1, 0.6], np.float32)[:, None, None, None]
    wanted = np.square(x.mean(axis=(1, 2, 3)) - 0.45).mean()
    assert off_brightness(jnp.asarray(x), 0.45) == pytest.approx(wanted, rel=1e-4)


def test_in_step_is_a_change_of_pace_times_that_of_the_features():
    rng = np.random.default_rng(0)
    features = rng.standard_normal((2, 4, 6)).astype(np.float32)
    heard = np.sqrt(np.square(np.diff(features, axis=1)).mean(axis=2))
    signs = np.where(rng.uniform(size=(2, 1, 5, 7, 3)) < 0.5, -1, 1)
    moved = np.cumsum(np.pad(0.04 * heard, ((0, 0), (1, 0))), axis=1)
    films = (0.5 + moved[..., None, None, None] * signs).astype(np.float32)
    found = out_of_step(jnp.asarray(films), jnp.asarray(features), 0.04)
    assert found == pytest.approx(0, abs=1e-7)
    still = np.full_like(films, 0.5)
    found = out_of_step(jnp.asarray(still), jnp.asarray(features), 0.04)
    assert found == pytest.approx(np.square(heard).mean(), rel=1e-4)
    twice = out_of_step(jnp.asarray(films), jnp.asarray(features), 0.02)
    assert twice == pytest.approx(np.square(heard).mean(), rel=1e-3)


@pytest.mark.parametrize("level", [0.0, 0.5, 1.0, None], ids=["black", "grey", "white", "any"])
def test_gradients_are_finite(level):
    shape = (2, 3, 4, 4, 3)
    films = np.full(shape, level, np.float32) if level is not None else pictures(0, shape)
    features = jnp.zeros((2, 3, 5))

    @jax.jit
    @jax.grad
    def gradient(films):
        flat = films.reshape(-1, 4, 4, 3)
        return (
            total_variation(flat)
            + unlike_base(flat, flat[::-1], 0.0)
            + few_hues(flat)
            + flatness(flat, 0.2)
            + off_brightness(flat, 0.4)
            + out_of_step(films, features, 0.04)
        )

    found = np.asarray(gradient(jnp.asarray(films)))
    assert np.isfinite(found).all() and np.abs(found).max() < 100


def test_few_hues_has_a_gradient_towards_other_colours():
    """One step along it from a red batch with a little green is a step to more of green."""
    x = of_hues([0, 0, 0, 1 / 3])

    @jax.jit
    def after(x):
        return few_hues(x), few_hues(jnp.clip(x - 5 * jax.grad(few_hues)(x), 0, 1))

    before, stepped = after(x)
    assert stepped < before - 0.01
