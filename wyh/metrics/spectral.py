"""How far one sound is from another in level of its spectrum, in brightness and in loudness."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from wyh.signal.levels import integrated_loudness
from wyh.signal.stft import stft, stft_window

N_FFT, HOP_LENGTH = 1024, 256

FLOOR_DB = -80.0
"""Of a bin, against a sine of full scale in it: what is quieter counts as so loud."""

Sound = Float[Array | np.ndarray, "*batch samples"]


@jax.jit
def log_spectral_distance_db(made: Sound, true: Sound) -> Float[Array, "*batch"]:
    """The mean over columns of the root mean square difference of all bins' levels, in dB.

    0 where magnitudes agree; phases do not count. Source: Gray and Markel, "Distance measures for
    speech processing", IEEE Trans. ASSP 24 (1976).

    Args:
      made: float32.
      true: of the same shape.
    """
    levels = [10 * jnp.log10(_power(sound)) for sound in (made, true)]
    squared = jnp.mean(jnp.square(levels[0] - levels[1]), axis=-1)
    return jnp.mean(jnp.sqrt(squared), axis=-1)


@partial(jax.jit, static_argnames="sample_rate")
def centroid_hz(waveform: Sound, sample_rate: int) -> Float[Array, "*batch columns"]:
    """The mean frequency of each column, weighted with power: how bright a sound is.

    The floor counts as white noise, so that silence has the middle of all frequencies.

    Args:
      waveform: float32.
      sample_rate: in Hz.
    """
    power = _power(waveform)
    hz = jnp.arange(N_FFT // 2 + 1) * (sample_rate / N_FFT)
    return power @ hz / jnp.sum(power, axis=-1)


@partial(jax.jit, static_argnames="sample_rate")
def centroid_error_octaves(made: Sound, true: Sound, sample_rate: int) -> Float[Array, "*batch"]:
    """By how many octaves the centroid is off, up or down: the mean over columns.

    Columns in which the true sound is under the floor have no centroid and do not count; 0 where
    there is no other.

    Args:
      made: float32.
      true: of the same shape.
      sample_rate: in Hz.
    """
    off = jnp.abs(jnp.log2(centroid_hz(made, sample_rate) / centroid_hz(true, sample_rate)))
    floor = (N_FFT // 2 + 1) * 10 ** (FLOOR_DB / 10)
    audible = jnp.sum(_power(true), axis=-1) > 2 * floor
    count = jnp.maximum(jnp.sum(audible, axis=-1), 1)
    return jnp.sum(jnp.where(audible, off, 0.0), axis=-1) / count


@partial(jax.jit, static_argnames="sample_rate")
def loudness_error_lu(made: Sound, true: Sound, sample_rate: int) -> Float[Array, "*batch"]:
    """By how much the integrated loudness (ITU-R BS.1770) is off, up or down.

    Args:
      made: float32.
      true: of the same shape.
      sample_rate: in Hz.
    """
    lufs = [integrated_loudness(jnp.asarray(sound), sample_rate) for sound in (made, true)]
    return jnp.abs(lufs[0] - lufs[1])


def _power(sound: Any) -> Array:
    """Power of each bin, 1 for a sine of full scale, with the floor added."""
    spectrum = stft(jnp.asarray(sound), n_fft=N_FFT, hop_length=HOP_LENGTH)
    scale = (2 / float(stft_window("hann", N_FFT).sum())) ** 2
    power = (jnp.square(spectrum.real) + jnp.square(spectrum.imag)) * scale
    return power + 10 ** (FLOOR_DB / 10)
