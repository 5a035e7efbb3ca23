import jax
import jax.numpy as jnp
import numpy as np
import pytest

from wyh import wave_losses
from wyh.wave_losses import FLOOR_DB, RESOLUTIONS

multi_resolution_stft = jax.jit(wave_losses.multi_resolution_stft)
wave_loss = jax.jit(wave_losses.wave_loss)
with_gradient = jax.jit(jax.value_and_grad(wave_losses.wave_loss))


def noise(rng, *shape):
    return (0.1 * rng.standard_normal(shape)).astype(np.float32)


def by_hand(predicted, truth):
    """One pair, one resolution after the other, column by column."""
    total = 0.0
    for n_fft in RESOLUTIONS:
        taper = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(n_fft) / n_fft)
        powers = []
        for sound in (predicted, truth):
            padded = np.pad(sound.astype(np.float64), n_fft // 2)
            starts = range(0, len(padded) - n_fft + 1, n_fft // 4)
            columns = [np.fft.rfft(padded[at : at + n_fft] * taper) for at in starts]
            power = np.abs(np.array(columns) * 2 / taper.sum()) ** 2
            powers.append(power + 10 ** (FLOOR_DB / 10))
        magnitudes = [np.sqrt(power) for power in powers]
        norm = np.sqrt(np.sum(powers[1]))
        total += np.sqrt(np.sum((magnitudes[0] - magnitudes[1]) ** 2)) / norm
        total += np.abs(np.log(magnitudes[0]) - np.log(magnitudes[1])).mean()
    return total / len(RESOLUTIONS)


def test_as_it_would_be_done_by_hand(rng):
    predicted, truth = noise(rng, 5000), noise(rng, 5000) * np.linspace(0, 1, 5000)
    truth = truth.astype(np.float32)
    assert float(multi_resolution_stft(predicted, truth)) == pytest.approx(
        by_hand(predicted, truth), rel=1e-3
    )


def test_the_same_sound_is_at_no_distance_and_louder_noise_at_more(rng):
    sound = noise(rng, 3, 4000)
    assert np.all(multi_resolution_stft(jnp.asarray(sound), jnp.asarray(sound)) < 1e-2)
    far = [float(multi_resolution_stft(sound[0], sound[0] * gain)) for gain in (0.9, 0.5, 0.01)]
    assert 0 < far[0] < far[1] < far[2]


def test_each_of_a_batch_by_itself(rng):
    predicted, truth = noise(rng, 2, 3, 4000), noise(rng, 2, 3, 4000)
    made = multi_resolution_stft(jnp.asarray(predicted), jnp.asarray(truth))
    assert made.shape == (2, 3)
    alone = multi_resolution_stft(jnp.asarray(predicted[1, 2]), jnp.asarray(truth[1, 2]))
    assert float(made[1, 2]) == pytest.approx(float(alone), rel=1e-5)


def test_gradients_are_finite_in_silence(rng):
    silence, sound = jnp.zeros((2, 3000)), jnp.asarray(noise(rng, 2, 3000))
    for predicted, truth in ((silence, sound), (sound, silence), (silence, silence)):
        value, gradient = with_gradient(predicted, truth)
        assert np.isfinite(value) and np.isfinite(gradient).all()


def test_the_level_counts(rng):
    """20 dB too quiet costs 1 more than it does by magnitudes."""
    sound = jnp.asarray(noise(rng, 1, 4000))
    more = wave_loss(sound / 10, sound) - multi_resolution_stft(sound / 10, sound)[0]
    assert float(more) == pytest.approx(1, abs=1e-2)
