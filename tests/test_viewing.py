from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from wyh.errors import WyhError
from wyh.specs import LUMA
from wyh.viewing import CLEAR, ViewConfig, _resampling, viewed

EXACT = replace(CLEAR, noise=0)
SEEN = jax.jit(viewed, static_argnums=2)


def smooth(n=4, height=32, width=48):
    """Pictures of a few waves."""
    down, right = np.mgrid[:height, :width] / 32
    phases = np.random.default_rng(0).uniform(0, 6, (n, 1, 1, 3))
    waves = np.sin(2 * np.pi * (down + 0.7 * right)[None, ..., None] + phases)
    return jnp.asarray(0.5 + 0.35 * waves, jnp.float32)


def ramp(height=16, width=64):
    """Brighter to the right, by as much for each pixel."""
    row = np.linspace(0.2, 0.8, width, dtype=np.float32)
    return jnp.asarray(np.broadcast_to(row[None, None, :, None], (64, height, width, 3)))


def parts_seen(config, along, key):
    """How much of the width each of many pictures shows."""
    seen = np.asarray(SEEN(ramp(), key, config, along)).mean(axis=(1, 3))
    return (seen[:, -8] - seen[:, 7]) / 0.6 * 63 / 49


def test_a_clear_view_is_nearly_the_picture(key):
    exact = np.asarray(SEEN(smooth(), key, EXACT))
    assert np.abs(exact - smooth()).max() < 0.006
    # Noise of 1 % at most, less in most pictures.
    clear = np.asarray(SEEN(smooth(), key, CLEAR))
    assert 0 < (clear - exact).std() < 0.01
    # What changes from pixel to pixel keeps 93 % of itself each way.
    rows = np.asarray(_resampling(9, *(jnp.full(1, x, jnp.float32) for x in (1, 0.3, 0))))[0]
    np.testing.assert_allclose(np.diag(rows)[1:-1], 0.967, atol=0.001)
    board = np.indices((16, 16)).sum(axis=0) % 2
    board = jnp.asarray(np.broadcast_to(board[None, ..., None], (1, 16, 16, 3)), jnp.float32)
    contrast = np.asarray(SEEN(board, key, EXACT))[:, 2:-2, 2:-2].std() / 0.5
    assert contrast == pytest.approx((2 * 0.967 - 1) ** 2, abs=0.005)


def test_weights_sum_to_one():
    part, place, sigma = (
        jnp.asarray(x, jnp.float32) for x in ([1, 0.5, 0.7], [0, 1, 0.4], [0, 0.5, 0.01])
    )
    for size in (8, 33):
        weights = np.asarray(_resampling(size, part, place, sigma))
        assert weights.shape == (3, size, size) and (weights >= 0).all()
        np.testing.assert_allclose(weights.sum(axis=2), 1, atol=1e-5)


def test_a_crop_is_the_part_and_the_place_that_were_asked_for():
    part, place, sigma = (jnp.asarray([x], jnp.float32) for x in (0.5, 0.25, 0))
    weights = np.asarray(_resampling(64, part, place, sigma))[0]
    centres = weights @ (np.arange(64) + 0.5)
    wanted = (0.125 + 0.5 * (np.arange(64) + 0.5) / 64) * 64
    np.testing.assert_allclose(centres, wanted, atol=0.15)


def test_a_blur_is_as_wide_as_it_says():
    sigma = jnp.asarray([0.1], jnp.float32)
    weights = np.asarray(_resampling(64, jnp.ones(1), jnp.zeros(1), sigma))[0, 32]
    places = (np.arange(64) + 0.5) / 64
    centre = weights @ places
    assert np.sqrt(weights @ (places - centre) ** 2) == pytest.approx(0.1, rel=0.02)


def test_crops_get_smaller_on_the_way(key):
    config = replace(EXACT, crop=0.5)
    begin, middle, end = (parts_seen(config, along, key) for along in (0.0, 0.5, 1.0))
    np.testing.assert_allclose(begin, 1, atol=0.01)
    assert (begin > middle).all() and (middle > end).all()
    assert 0.49 < end.min() < 0.55 and 0.9 < end.max() < 1.01
    assert 0.74 < middle.min() < 0.78


@pytest.mark.parametrize("height", [16, 48])
def test_blur_and_crop_leave_constants_alone(height, key):
    colours = np.random.default_rng(0).uniform(0, 1, (16, 1, 1, 3))
    flat = jnp.asarray(np.broadcast_to(colours, (16, height, 24, 3)), jnp.float32)
    seen = SEEN(flat, key, replace(EXACT, blur=0.5, crop=0.5))
    np.testing.assert_allclose(seen, flat, atol=2e-6)


def test_the_light_stays_the_same_on_average(key):
    flat = jnp.full((512, 8, 8, 3), 0.4) + jnp.asarray([0.1, 0, -0.1])[None, None, None]
    seen = np.asarray(SEEN(flat, key, ViewConfig()))
    assert (seen @ np.array(LUMA)).mean() == pytest.approx(
        np.asarray(flat[0, 0, 0]) @ LUMA, abs=0.01
    )
    levels = (seen @ np.array(LUMA)).mean(axis=(1, 2))
    assert 0.35 < levels.min() < 0.38 and 0.45 < levels.max() < 0.48


def test_hues_turn_and_colours_fade(key):
    flat = jnp.full((256, 8, 8, 3), 0.4) + jnp.asarray([0.2, 0, -0.1])[None, None, None]

    def point(x):
        x = np.asarray(x)[:, 4, 4].astype(float)
        return x @ np.exp(2j * np.pi * np.arange(3) / 3)

    turned = point(SEEN(flat, key, replace(EXACT, hue=0.04)))
    angles = np.angle(turned / point(flat)) / (2 * np.pi)
    assert -0.0401 < angles.min() < -0.037 and 0.037 < angles.max() < 0.0401
    np.testing.assert_allclose(np.abs(turned), np.abs(point(flat)), rtol=1e-4)
    faded = point(SEEN(flat, key, replace(EXACT, fewer_colours=0.3))) / point(flat)
    np.testing.assert_allclose(faded.imag, 0, atol=1e-5)
    half = np.isclose(faded.real, 0.5, atol=1e-4)
    assert (half | np.isclose(faded.real, 1, atol=1e-4)).all()
    assert 0.2 < half.mean() < 0.4


def test_each_picture_is_seen_in_its_own_way_but_by_the_key_alone(key):
    first, again = (np.asarray(SEEN(smooth(), key, ViewConfig())) for _ in range(2))
    np.testing.assert_array_equal(first, again)
    other = np.asarray(SEEN(smooth(), jax.random.key(1), ViewConfig()))
    assert np.abs(first - other).mean() > 0.005
    twins = jnp.repeat(smooth(1), 4, axis=0)
    seen = np.asarray(SEEN(twins, key, ViewConfig()))
    assert all(np.abs(seen[0] - seen[k]).mean() > 0.005 for k in range(1, 4))
    assert first.min() >= 0 and first.max() <= 1


def test_what_is_seen_has_gradients(key):
    gradient = jax.jit(jax.grad(lambda x: jnp.sum(jnp.square(viewed(x, key, ViewConfig())))))
    found = np.asarray(gradient(smooth()))
    assert np.isfinite(found).all() and (np.abs(found) > 0).mean() > 0.99


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("blur", 0.6, "got blur 0.6, wanted 0 to 0.5"),
        ("crop", 0.4, "got crop 0.4, wanted 0.5 to 1"),
        ("light", 1.0, "got light 1, wanted 0 to 0.9"),
        ("hue", -0.1, "got hue -0.1, wanted 0 to 0.5"),
        ("noise", 2.0, "got noise 2, wanted 0 to 1"),
        ("fewer_colours", 1.5, "got fewer_colours 1.5, wanted 0 to 1"),
    ],
)
def test_views_out_of_range(name, value, told):
    with pytest.raises(WyhError) as error:
        ViewConfig(**{name: value})
    assert str(error.value) == told
