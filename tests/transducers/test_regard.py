from fractions import Fraction

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from wyh import knobs
from wyh.transducers.compile import traced
from wyh.transducers.regard import (
    BLACK,
    MEMORY_SECS,
    MOVING_LEVEL,
    STILL_LEVEL,
    STILL_SECS,
    following,
    init_regard,
    negated,
    presence,
)

RATE = 25.0
presence_jit, negated_jit = jax.jit(presence, static_argnums=2), jax.jit(negated)


def present(pictures, chunks=None, frame_rate=RATE, **turned):
    """The factors of `[batch, time, height, width, channel]`."""
    pictures = jnp.asarray(pictures, jnp.float32)
    carry, at, found = init_regard(len(pictures), pictures.shape[2:]), 0, []
    for i, count in enumerate(chunks or [pictures.shape[1]]):
        values = {k: v[i] if isinstance(v, tuple) else v for k, v in turned.items()}
        part = pictures[:, at : at + count]
        carry, factors = presence_jit(carry, part, frame_rate, traced(knobs.defaults(**values)))
        found.append(factors)
        at += count
    return np.concatenate(found, axis=1)


@pytest.mark.parametrize("reach", [0, 1, 3])
def test_pictures_follow_those_before_or_the_first_one(reach, rng):
    pictures = rng.integers(0, 256, (2, reach + 4, 2, 3, 1), dtype=np.uint8)
    before, frames = map(jnp.asarray, np.split(pictures, [reach], axis=1))
    found = following(before, frames, jnp.float32(1))
    np.testing.assert_array_equal(found, pictures)
    found = following(before, frames, jnp.float32(0))
    np.testing.assert_array_equal(found, np.concatenate([frames[:, :1]] * reach + [frames], 1))


def still_then_moving(time=200, begin=120, size=(16, 24, 3)):
    """A grey picture; from `begin` on a bar crosses it, for half a second."""
    pictures = np.full((1, time, *size), 0.5)
    for step in range(12):
        pictures[:, begin + step, :, 2 * step : 2 * step + 4] = 0.9
    return pictures


def test_at_the_defaults_nothing_changes(rng):
    pictures = rng.random((2, 20, 16, 24, 3)).astype(np.float32)
    np.testing.assert_array_equal(present(pictures), 1)
    np.testing.assert_array_equal(present(np.zeros_like(pictures)), 1)
    np.testing.assert_array_equal(negated_jit(pictures, np.float32(0)), pictures)


def test_a_negative_of_a_negative_is_the_picture(rng):
    pictures = rng.random((5, 8, 8, 3)).astype(np.float32)
    full = negated_jit(pictures, np.float32(1))
    np.testing.assert_allclose(full, 1 - pictures, atol=1e-6)
    np.testing.assert_allclose(negated_jit(full, np.float32(1)), pictures, atol=1e-6)
    np.testing.assert_allclose(negated_jit(pictures, np.float32(0.5)), 0.5, atol=1e-6)
    mixed = 0.7 * pictures + 0.3 * (1 - pictures)
    np.testing.assert_allclose(negated_jit(pictures, np.float32(0.3)), mixed, atol=1e-6)


def test_black_is_silent_and_ordinary_pictures_are_as_loud_as_ever():
    grey = np.array([0, 0.02, 0.05, BLACK, 0.2, 1])
    pictures = np.broadcast_to(grey[:, None, None, None], (6, 16, 16, 3))[None]
    expected = np.array([0, 0.2, 0.5, 1, 1, 1])
    np.testing.assert_allclose(present(pictures, black=1)[0], expected, atol=1e-5)
    np.testing.assert_allclose(present(pictures, black=0.5)[0], (1 + expected) / 2, atol=1e-5)
    np.testing.assert_allclose(present(pictures[..., :1], black=1)[0], expected, atol=1e-5)


def test_brightness_is_the_eyes():
    blue, green = np.zeros((2, 1, 1, 16, 16, 3))
    blue[..., 2] = green[..., 1] = 0.1
    assert present(blue, black=1)[0, 0] == pytest.approx(0.0722, abs=1e-5)
    assert present(green, black=1)[0, 0] == pytest.approx(0.7152, abs=1e-5)


def naive(pictures, frame_rate):
    """One tick after the other, by hand; sides are multiples of 16 or shorter."""
    _, time, height, width, channels = pictures.shape
    rows, columns = min(height, 16), min(width, 16)
    shape = rows, height // rows, columns, width // columns, channels
    average, lively, found = None, 1.0, []
    for tick in range(time):
        coarse = pictures[0, tick].reshape(shape).mean(axis=(1, 3))
        average = coarse if average is None else average
        change = np.sqrt(np.mean((coarse - average) ** 2))
        moving = np.clip((change - STILL_LEVEL) / (MOVING_LEVEL - STILL_LEVEL), 0, 1)
        lively = max(moving, lively * np.exp(-1 / (frame_rate * STILL_SECS)))
        keep = np.exp(-1 / (frame_rate * MEMORY_SECS))
        average = keep * average + (1 - keep) * coarse
        found.append(lively)
    return np.array(found)


@pytest.mark.parametrize("frame_rate", [10.0, 25.0, 60.0])
@pytest.mark.parametrize("size", [(16, 32, 3), (8, 16, 1), (64, 64, 3)])
def test_what_stands_still_is_told_as_by_hand(frame_rate, size, rng):
    pictures = still_then_moving(time=140, begin=60, size=size)
    pictures += 0.005 * rng.standard_normal(pictures.shape)
    found = present(pictures, frame_rate=frame_rate, still=1)[0]
    np.testing.assert_allclose(found, naive(pictures, frame_rate), atol=2e-4)


def test_it_fades_out_in_seconds_and_comes_back_at_once():
    found = present(still_then_moving(), still=1)[0]
    fall = np.exp(-np.arange(1, 121) / (RATE * STILL_SECS))
    np.testing.assert_allclose(found[:120], fall, rtol=1e-4)
    np.testing.assert_allclose(found[120:132], 1)
    assert found[-1] < 0.35
    half = present(still_then_moving(), still=0.5)[0]
    np.testing.assert_allclose(half, (1 + found) / 2, atol=1e-6)


def test_the_time_it_takes_does_not_depend_on_the_frame_rate():
    grey = np.full((1, 120, 16, 16, 3), 0.5)
    for rate in (Fraction(10), Fraction(60)):
        found = present(grey, frame_rate=float(rate), still=1)[0]
        assert found[int(rate) - 1] == pytest.approx(np.exp(-1 / STILL_SECS), rel=1e-4)


def test_a_cameras_noise_is_no_movement_and_a_small_thing_that_moves_is(rng):
    noisy = np.full((1, 150, 64, 64, 3), 0.5) + rng.normal(0, 2.5 / 255, (1, 150, 64, 64, 3))
    assert present(noisy, still=1)[0, -1] < 0.03
    moving = np.full((1, 150, 64, 64, 3), 0.5)
    for tick in range(150):
        moving[:, tick, 20:26, 5 + tick // 5 : 11 + tick // 5] = 0.8  # 5 pixels a second
    assert present(moving, still=1)[0].min() > 0.5


def test_one_tick_at_a_time_is_the_same(rng):
    pictures = still_then_moving() + 0.002 * rng.standard_normal((2, 200, 16, 24, 3))
    whole = present(pictures, still=0.9, black=1)
    for chunks in ([1] * 200, [64, 64, 64, 8]):
        np.testing.assert_allclose(present(pictures, chunks, still=0.9, black=1), whole, atol=1e-4)


def test_turned_on_later_it_begins_from_full():
    pictures = np.full((1, 200, 16, 16, 3), 0.3)
    found = present(pictures, [100, 100], still=(0.0, 1.0))[0]
    np.testing.assert_array_equal(found[:100], 1)
    assert found[100] == pytest.approx(1, abs=0.03) and found[-1] < 0.1
    again = present(pictures, [100, 20, 80], still=(1.0, 0.0, 1.0))[0]
    assert again[99] < 0.1 and again[100:120].min() == 1 and again[120] > 0.97
