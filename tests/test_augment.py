import jax
import jax.numpy as jnp
import numpy as np
import pytest

from wyh.augment import AugmentConfig, as_needed, augmented, move_camera, turn_light
from wyh.errors import WyhError
from wyh.natural import mix_in, wave_strengths

move = jax.jit(move_camera, static_argnums=2)
light = jax.jit(turn_light, static_argnums=2)


def ramps(batch=32, height=12, width=16):
    """Pictures whose first channel is where a pixel is across, whose second how far down."""
    down, across = np.mgrid[:height, :width] + 0.5
    one = np.stack([across / width, down / height, np.ones((height, width))], axis=-1)
    return jnp.asarray(np.broadcast_to(one, (batch, height, width, 3)), jnp.float32)


def test_nothing_moves_without_zoom(key, rng):
    pictures = jnp.asarray(rng.random((4, 12, 16, 3)), jnp.float32)
    np.testing.assert_allclose(move(pictures, key, 0.0), pictures, atol=1e-6)
    np.testing.assert_array_equal(light(pictures, key, 0.0), pictures)


def test_the_camera_sees_a_part_of_the_picture_and_nothing_from_outside(key):
    zoom = 0.5
    before = np.asarray(ramps())
    seen = np.asarray(move(ramps(), key, zoom))
    np.testing.assert_allclose(seen[..., 2], 1, atol=1e-5)  # no border is made up
    inner = seen[:, 1:-1, 1:-1]
    across, down = inner[..., 0], inner[..., 1]
    # Both axes are scaled alike, by 1 to 1 + zoom: the slope of the ramps tells by how much.
    scale_x = 1 / 16 / np.diff(across, axis=2)[:, 5, 3:-3].mean(-1)
    scale_y = 1 / 12 / np.diff(down, axis=1)[:, 2:-2, 5].mean(-1)
    np.testing.assert_allclose(scale_x, scale_y, rtol=1e-3)
    assert (scale_x > 1 - 1e-3).all() and (scale_x < 1 + zoom + 1e-3).all()
    assert scale_x.min() < 1.1 and scale_x.max() > 1.4
    assert across.min() >= before[..., 0].min() - 1e-5
    assert across.max() <= before[..., 0].max() + 1e-5
    # Of the room that is left, each picture takes its own part, across and down apart.
    room = 1 - 1 / scale_x
    left = ((across[:, 5, 0] - 1.5 / 16 / scale_x) / room)[room > 0.05]
    top = ((down[:, 0, 5] - 1.5 / 12 / scale_x) / room)[room > 0.05]
    for part in (left, top):
        assert part.min() > -0.01 and part.max() < 1.01
        assert part.min() < 0.2 and part.max() > 0.8
    assert abs(np.corrcoef(left, top)[0, 1]) < 0.5


def test_the_largest_shift_still_shows_the_edge(key):
    seen = np.asarray(move(ramps(256), key, 1.0))
    assert seen[:, 0, 0, 0].min() < 1 / 16 and seen[:, -1, -1, 0].max() > 1 - 1 / 16


def test_light_turns_each_picture_and_each_colour_within_bounds(key):
    amount = 0.2
    pictures = jnp.full((400, 3, 3, 3), 0.5)
    lit = np.asarray(light(pictures, key, amount)) / 0.5 - 1
    np.testing.assert_allclose(lit, np.broadcast_to(lit[:, :1, :1], lit.shape), atol=1e-6)
    change = lit[:, 0, 0]  # [picture, colour]
    assert np.abs(change).max() <= 1.5 * amount + 1e-5
    common = change.mean(1)
    assert common.min() < -0.7 * amount and common.max() > 0.7 * amount
    tint = change - common[:, None]
    assert 0.1 * amount < tint.std() < 0.5 * amount
    assert abs(common.mean()) < 0.2 * amount


def test_light_stays_in_range(key):
    lit = light(jnp.ones((64, 2, 2, 3)), key, 0.9)
    assert lit.min() >= 0 and lit.max() <= 1


@pytest.mark.parametrize("turn", [move, light])
def test_the_key_decides(turn, key):
    pictures = ramps(4)
    np.testing.assert_array_equal(turn(pictures, key, 0.3), turn(pictures, key, 0.3))
    assert not np.allclose(turn(pictures, key, 0.3), turn(pictures, jax.random.key(1), 0.3))


@pytest.mark.parametrize("channels", [1, 3])
def test_grey_and_colour(channels, key):
    pictures = jnp.full((2, 8, 8, channels), 0.5)
    assert move(pictures, key, 0.1).shape == light(pictures, key, 0.1).shape == pictures.shape


@pytest.mark.parametrize("turn", [move, light])
def test_a_film_is_seen_by_one_camera_in_one_light_throughout(turn, key):
    pictures = ramps(4)
    films = jnp.broadcast_to(pictures[:, None], (4, 5, 12, 16, 3))
    seen = np.asarray(turn(films, key, 0.3))
    np.testing.assert_allclose(seen, np.broadcast_to(seen[:, :1], seen.shape), atol=1e-6)
    np.testing.assert_allclose(seen[:, 0], turn(pictures, key, 0.3), atol=1e-6)


def test_films_as_another_camera_in_another_light_would_have_taken_them(key, rng):
    strengths = wave_strengths(rng.random((5, 12, 16, 3)).astype(np.float32))
    films = jnp.broadcast_to(ramps(4)[:, None], (4, 3, 12, 16, 3))
    keys = jax.random.split(key, 3)
    assert augmented(films, key, strengths, AugmentConfig(0, 0, 0)) is films
    for given, expected in [
        (AugmentConfig(0.2, 0, 0), move_camera(films, keys[0], 0.2)),
        (AugmentConfig(0, 0.2, 0), turn_light(films, keys[1], 0.2)),
        (AugmentConfig(0, 0, 0.5), mix_in(films, keys[2], strengths, 0.5)),
    ]:
        assert not np.allclose(expected, films, atol=0.01)
        np.testing.assert_allclose(augmented(films, key, strengths, given), expected, atol=1e-6)
    # Of things never seen, there is one throughout each film.
    whole = np.asarray(augmented(films, key, strengths, AugmentConfig(0.2, 0.2, 0.5)))
    np.testing.assert_allclose(whole, np.broadcast_to(whole[:, :1], whole.shape), atol=1e-6)


def test_where_little_is_new_less_is_changed():
    config = AugmentConfig(0.1, 0.2, 1.0)
    assert as_needed(config, 0.5) == as_needed(config, 0.1) == config
    less = as_needed(config, 0.02)
    np.testing.assert_allclose((less.camera, less.light, less.unseen), (0.02, 0.04, 0.2))
    assert as_needed(AugmentConfig(0, 0, 0), 0.5) == AugmentConfig(0, 0, 0)


@pytest.mark.parametrize("name", ["camera", "light", "unseen"])
def test_amounts_out_of_range(name):
    for value in (1.5, -1):
        with pytest.raises(WyhError, match=f"got {name} {value:g}, wanted 0 to 1"):
            AugmentConfig(**{name: value})
