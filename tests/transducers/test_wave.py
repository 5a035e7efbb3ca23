from dataclasses import replace
from fractions import Fraction

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from wyh.errors import WyhError
from wyh.models.wave_decoder import WaveConfig
from wyh.transducers.wave import WaveReader
from wyh.wave_losses import wave_loss

TINY = WaveConfig(hidden=16, atoms=12, high_hz=3000.0)


def reader(rate=8000, frame_rate=Fraction(24)):
    return WaveReader(TINY, (8, 8), rate, frame_rate)


@pytest.mark.parametrize(
    ("rate", "frame_rate"), [(8000, Fraction(24)), (22050, Fraction(24000, 1001))]
)
def test_it_is_as_long_as_the_pictures(rate, frame_rate):
    wave = reader(rate, frame_rate)
    params = jax.eval_shape(wave.init, jax.random.key(0))
    for count in (1, 2, 7):
        made = jax.eval_shape(wave.sound, params, jnp.zeros((2, count, 8, 8, 3)))
        assert made.shape == (2, round(count * rate / frame_rate))


def test_each_window_is_heard_around_the_middle_of_its_picture():
    """Windows that are silent but for one picture's."""
    wave = reader()
    windows = np.zeros((1, 9, 2 * wave.period), np.float32)
    windows[:, 4] = 1
    wave.windows = lambda params, looks: jnp.asarray(windows[0])
    heard = np.asarray(wave.sound(None, jnp.zeros((1, 9, 8, 8, 3))))[0]
    centre = np.sum(heard * np.arange(len(heard))) / heard.sum()
    assert centre == pytest.approx(4.5 * 8000 / 24, abs=1)
    assert heard.max() == pytest.approx(1, abs=1e-3)
    assert np.flatnonzero(heard)[[0, -1]] == pytest.approx(
        [3.5 * 8000 / 24, 5.5 * 8000 / 24], abs=3
    )


def test_it_learns(rng):
    """Bright pictures are loud noise, dark ones quiet noise."""
    wave = WaveReader(replace(TINY, atoms=64), (8, 8), 8000, Fraction(24))
    params = jax.jit(wave.init)(jax.random.key(0))
    bright = np.repeat(np.array([[1, 0, 0, 1], [0, 1, 1, 0]]), 3, axis=1).astype(np.float32)
    looks = jnp.asarray(np.broadcast_to(bright[:, :, None, None, None], (2, 12, 8, 8, 3)))
    loud = np.repeat(np.where(bright, 0.3, 0.01), 334, axis=1)[:, :4000]
    truth = jnp.asarray((loud * rng.standard_normal((2, 4000))).astype(np.float32))
    optimizer = optax.adam(0.015)

    def loss(params):
        return wave_loss(wave.sound(params, looks), truth)

    @jax.jit
    def step(params, state):
        value, gradient = jax.value_and_grad(loss)(params)
        updates, state = optimizer.update(gradient, state)
        return optax.apply_updates(params, updates), state, value

    state, values = optimizer.init(params), []
    for _ in range(70):
        params, state, value = step(params, state)
        values.append(float(value))
    made = np.asarray(wave.sound(params, looks)).reshape(2, 4, 1000)[:, :, 200:-200].std(axis=2)
    dark = bright[:, ::3] == 0
    assert 20 * np.log10(made[~dark].mean() / made[dark].mean()) == pytest.approx(29.5, abs=6)
    assert values[-1] < 0.6 * values[0]


def test_sizes_out_of_range():
    with pytest.raises(WyhError, match="got atoms 1, wanted 2 to 4096"):
        WaveConfig(atoms=1)
