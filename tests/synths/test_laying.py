import functools
from fractions import Fraction

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from wyh.specs import AudioSpec, StreamSpec, VideoSpec, tick_start
from wyh.synths.laying import LayingCarry, due, init_laying, lay

BLOCK = 256
# Sample rate and pictures a second; periods of 735, 918.75, 735.735, 1837.5, 1471.47, 1000.1 ...
PACES = [
    (22050, Fraction(30)),
    (22050, Fraction(24)),
    (22050, Fraction(30000, 1001)),
    (22050, Fraction(12)),
    (44100, Fraction(30000, 1001)),
    (30720, Fraction(30)),
    (30003, Fraction(30)),
    (8000, Fraction(31)),
]
paces = pytest.mark.parametrize(("rate", "frame_rate"), PACES, ids=str)


@functools.partial(jax.jit, static_argnums=(2, 3))
def compiled_due(age, ages, period, block):
    return due(age, ages, period=period, block=block)


def begins(ages_secs, rate, frame_rate, age=np.inf):
    """The samples at which grains begin, block 0 starting at sample 0."""
    ages = jnp.asarray(ages_secs, jnp.float32) * rate
    _, when = compiled_due(jnp.float32(age), ages, float(rate / frame_rate), BLOCK)
    places = np.arange(len(ages_secs)) * BLOCK + np.asarray(when.offset)
    return places[np.asarray(when.laid)]


def schedule(rate, frame_rate, blocks, first=0):
    spec = StreamSpec("see-hear", VideoSpec(frame_rate), AudioSpec(rate), BLOCK)
    return spec.schedule(first, blocks)


@paces
def test_every_grain_begins_a_block_after_its_picture_to_the_sample(rate, frame_rate):
    ticks, ages = schedule(rate, frame_rate, 20_000)
    known = np.arange(ticks[-1] + 1)
    wanted = [tick_start(int(k), rate, frame_rate) + BLOCK for k in known]
    np.testing.assert_array_equal(begins(ages, rate, frame_rate), wanted)


@paces
def test_a_held_picture_begins_again_with_every_period(rate, frame_rate):
    """After 50 pictures the 50th is held, and then there are new ones."""
    ticks, ages = schedule(rate, frame_rate, 8000)
    held, last = (ticks >= 50) & (ticks < 150), tick_start(50, rate, frame_rate)
    ages[held] = (np.arange(8000)[held] * BLOCK - last) / rate
    found = begins(ages, rate, frame_rate)
    wanted = np.array([tick_start(k, rate, frame_rate) + BLOCK for k in range(ticks[-1] + 1)])
    assert len(found) == len(wanted)
    away = found - wanted
    assert not away[:51].any() and not away[150:].any()
    # The 50th began at a whole sample, and its repeats go on from there.
    assert np.abs(away[51:150]).max() <= 1


def test_what_was_held_for_an_hour_still_begins_with_every_period():
    rate, frame_rate = 22050, Fraction(24)
    ages = 3600 + np.arange(4000) * BLOCK / rate
    gaps = np.diff(begins(ages, rate, frame_rate, age=ages[0] * rate - BLOCK))
    assert gaps.mean() == pytest.approx(918.75, abs=0.1)
    assert np.abs(gaps - 918.75).max() < 10  # float32 tells ages of an hour by 5 samples


def test_a_picture_that_comes_late_begins_at_once():
    """After a stall: it is heard over the repeat of the one before, not a period later."""
    ages = np.array([0, 256, 512, 768, 1024 - 735, 1280 - 735, 1536 - 1470]) / 22050
    np.testing.assert_array_equal(begins(ages, 22050, Fraction(30)), [256, 735 + 256, 1024, 1726])


def test_grains_are_laid_as_by_hand_and_play_to_their_end(rng):
    ticks, length = 12, 600
    grains = rng.standard_normal((2, ticks, length)).astype(np.float32)
    laid, offset = rng.random(ticks) < 0.5, rng.integers(0, BLOCK + 1, ticks)
    laid[:4], offset[:4] = True, [0, BLOCK, 17, 255]
    wanted = np.zeros((2, ticks * BLOCK + BLOCK + length))
    for tick in np.flatnonzero(laid):
        at = tick * BLOCK + offset[tick]
        wanted[:, at : at + length] += grains[:, tick]
    when_type = type(due(jnp.float32(0), jnp.zeros(1), period=735.0, block=BLOCK)[1])
    tail, found = init_laying(2, length).tail, []
    for first, count in ((0, 1), (1, 1), (2, 6), (8, 4)):
        part = slice(first, first + count)
        when = when_type(jnp.asarray(laid[part]), jnp.asarray(offset[part], jnp.int32))
        tail, sound = lay(tail, jnp.asarray(grains[:, part]), when, BLOCK)
        found.append(sound)
    end = ticks * BLOCK
    np.testing.assert_allclose(np.concatenate(found, axis=1), wanted[:, :end], atol=1e-5)
    np.testing.assert_allclose(tail, wanted[:, end : end + length], atol=1e-5)


@paces
def test_one_tick_at_a_time_is_due_as_many_are(rate, frame_rate):
    _, ages = schedule(rate, frame_rate, 60, first=1000)
    ages = jnp.asarray(ages, jnp.float32) * rate
    age, period = jnp.float32(jnp.inf), float(rate / frame_rate)
    last, many = compiled_due(age, ages, period, BLOCK)
    for tick in range(60):
        age, one = compiled_due(age, ages[tick : tick + 1], period, BLOCK)
        assert one.laid[0] == many.laid[tick] and one.offset[0] == many.offset[tick]
    assert age == last


def test_there_is_silence_before_the_first_block():
    begin = init_laying(3, 100)
    assert isinstance(begin, LayingCarry) and np.isinf(begin.age)
    assert begin.tail.shape == (3, 100) and not begin.tail.any()
