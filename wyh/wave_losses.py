"""How far one sound is from another, as it is heard: by magnitudes, at several resolutions."""

from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from wyh.signal.stft import stft, stft_window

RESOLUTIONS = (256, 512, 1024, 2048)
"""Samples of n_fft, with a quarter of it from column to column."""

FLOOR_DB = -80.0
"""Of a bin, against a sine of full scale in it: what is quieter does not count."""

LEVEL_DB = 20.0
"""So much off in level counts as much as a distance of 1."""


class Apart(NamedTuple):
    """What a distance is made of, at each of `RESOLUTIONS`; means over sounds are of all as one."""

    difference: Float[Array, "*batch resolutions"]  # mean square, of magnitudes
    truth: Float[Array, "*batch resolutions"]  # mean square of the true magnitudes
    logarithms: Float[Array, "*batch resolutions"]  # mean absolute difference


def apart(
    predicted: Float[Array | np.ndarray, "*batch samples"],
    truth: Float[Array | np.ndarray, "*batch samples"],
) -> Apart:
    """How far the magnitudes of sounds are from true ones, for `distance_of`.

    Args:
      predicted: sound.
      truth: of the same shape, at least half of the largest n_fft long.
    """
    if predicted.shape != truth.shape:
        raise ValueError(f"shapes differ: {predicted.shape} and {truth.shape}")
    each = [_apart(predicted, truth, n_fft) for n_fft in RESOLUTIONS]
    return Apart(*(jnp.stack(parts, axis=-1) for parts in zip(*each, strict=True)))


def distance_of(parts: Apart) -> Float[Array, "*batch"]:
    """Spectral convergence and mean difference of logarithms, over `RESOLUTIONS`."""
    convergence = jnp.sqrt((parts.difference + 1e-12) / (parts.truth + 1e-12))
    return jnp.mean(convergence + parts.logarithms, axis=-1)


def multi_resolution_stft(
    predicted: Float[Array | np.ndarray, "*batch samples"],
    truth: Float[Array | np.ndarray, "*batch samples"],
) -> Float[Array, "*batch"]:
    """Distance of magnitudes, the mean over `RESOLUTIONS`: 0 where they agree.

    At each it is the spectral convergence (norm of the difference over that of the truth) and the
    mean difference of natural logarithms. Source: Yamamoto, Song and Kim, "Parallel WaveGAN",
    ICASSP 2020. Phases do not count. Gradients are finite in silence.

    Args:
      predicted: sound.
      truth: of the same shape, at least half of the largest n_fft long.
    """
    return distance_of(apart(predicted, truth))


def _apart(predicted: Any, truth: Any, n_fft: int) -> tuple[Array, Array, Array]:
    power, wanted = (_power(sound, n_fft) for sound in (predicted, truth))
    difference = jnp.mean(jnp.square(jnp.sqrt(power) - jnp.sqrt(wanted)), axis=(-2, -1))
    logarithms = jnp.mean(jnp.abs(jnp.log(power) - jnp.log(wanted)), axis=(-2, -1)) / 2
    return difference, jnp.mean(wanted, axis=(-2, -1)), logarithms


def _power(sound: Any, n_fft: int) -> Array:
    """Power of each bin, 1 for a sine of full scale, with the floor added."""
    spectrum = stft(jnp.asarray(sound), n_fft=n_fft, hop_length=n_fft // 4)
    scale = (2 / float(stft_window("hann", n_fft).sum())) ** 2
    power = (jnp.square(spectrum.real) + jnp.square(spectrum.imag)) * scale
    return power + 10 ** (FLOOR_DB / 10)


def wave_loss(
    predicted: Float[Array | np.ndarray, "batch samples"],
    truth: Float[Array | np.ndarray, "batch samples"],
) -> Float[Array, ""]:
    """What a decoder of waveforms is trained by: the distance, and how far the level is off.

    Args:
      predicted: the joined sound of some pictures in a row, from `WaveReader.sound`.
      truth: the sound that they show, from the start of the first one's time on the screen.
    """
    distance = multi_resolution_stft(predicted, truth)
    off_db = jnp.abs(_level_db(predicted) - _level_db(truth))
    return jnp.mean(distance + off_db / LEVEL_DB)


def _level_db(sound: Any) -> Array:
    """RMS in dB over 1, with the floor added: a gradient even where it is silent."""
    power = jnp.mean(jnp.square(sound), axis=-1)
    return 10 * jnp.log10(power + 10 ** (FLOOR_DB / 10))
