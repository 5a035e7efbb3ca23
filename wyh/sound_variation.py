"""Sounds with names as they might have been recorded too, while training. Pure functions.

Moved and at another speed, louder or quieter, with noise, two at once; and features of which some
are missing. Park et al., "SpecAugment", Interspeech 2019; Zhang et al., "mixup", ICLR 2018.
"""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from wyh.errors import check_range

_STRIPES = 2  # of missing bands, and as many of missing columns
_QUIETEST_DB, _LOUDEST_DB = -75.0, -20.0  # of noise where there is no sound
_CLEANEST_DB = 40.0  # of sound over its noise
_TILT = 2.0  # noise is white to brown


@dataclass(frozen=True)
class VariationConfig:
    """How far from the recordings."""

    shift_secs: float = 0.1  # earlier or later by up to this, 0 to 10
    speed: float = 0.12  # slower or quicker by up to this part, 0 to 0.5
    gain_db: float = 12.0  # louder or quieter by up to this, 0 to 40
    noisy: float = 0.6  # share of sounds that noise is added to, 0 to 1
    least_snr_db: float = 5.0  # of sound over the noise added, -20 to 40
    bands: int = 8  # of features that are missing in a stripe, up to, 0 to 512
    columns: int = 12  # in which all features are missing in a stripe, up to, 0 to 10,000
    mixed: float = 0.2  # share of sounds that another is mixed into, 0 to 1

    def __post_init__(self) -> None:
        check_range("shift_secs", self.shift_secs, 0, 10, "s")
        check_range("speed", self.speed, 0, 0.5)
        check_range("gain_db", self.gain_db, 0, 40, "dB")
        check_range("noisy", self.noisy, 0, 1)
        check_range("least_snr_db", self.least_snr_db, -20, _CLEANEST_DB, "dB")
        check_range("bands", self.bands, 0, 512)
        check_range("columns", self.columns, 0, 10_000)
        check_range("mixed", self.mixed, 0, 1)


NO_VARIATION = VariationConfig(0, 0, 0, 0, 5, 0, 0, 0)
"""The recordings as they are."""


def moved(
    sound: Float[Array, "batch samples"], key: PRNGKeyArray, most_samples: float, speed: float
) -> Float[Array, "batch samples"]:
    """Sounds earlier or later, slower or quicker around their middle; silence where they end.

    Args:
      sound: windows.
      key: of chance.
      most_samples: by which they are moved, up to.
      speed: part by which they are slower or quicker, up to.
    """
    shift_key, speed_key = jax.random.split(key)
    batch, samples = sound.shape
    shift = most_samples * jax.random.uniform(shift_key, (batch, 1), minval=-1.0)
    pace = 1 + speed * jax.random.uniform(speed_key, (batch, 1), minval=-1.0)
    middle = (samples - 1) / 2
    place = (jnp.arange(samples) - middle)[None] * pace + middle - shift
    low = jnp.floor(place)
    along = place - low
    padded = jnp.pad(sound, ((0, 0), (1, 1)))
    index = jnp.clip(low.astype(jnp.int32) + 1, 0, samples)
    inside = (place > -1) & (place < samples)
    here = jnp.take_along_axis(padded, index, axis=1)
    after = jnp.take_along_axis(padded, index + 1, axis=1)
    return jnp.where(inside, here + along * (after - here), 0.0)


def louder(
    sound: Float[Array, "batch samples"], key: PRNGKeyArray, gain_db: float
) -> Float[Array, "batch samples"]:
    """Sounds louder or quieter by up to `gain_db`."""
    gain = gain_db * jax.random.uniform(key, (len(sound), 1), minval=-1.0)
    return sound * 10 ** (gain / 20)


def coloured_noise(
    key: PRNGKeyArray, batch: int, samples: int, tilt: Float[Array, " batch"]
) -> Float[Array, "batch samples"]:
    """Noise with an RMS of 1; by its tilt it is white (0), pink (1) or brown (2)."""
    spectrum = jnp.fft.rfft(jax.random.normal(key, (batch, samples)))
    bins = np.maximum(np.arange(spectrum.shape[1]), samples / 400)  # level where it is lowest
    fall = jnp.asarray(np.log(bins), jnp.float32)[None] * (-tilt / 2)[:, None]
    noise = jnp.fft.irfft(spectrum * jnp.exp(fall), samples)
    return noise / jnp.sqrt(jnp.mean(jnp.square(noise), axis=1, keepdims=True))


def with_noise(
    sound: Float[Array, "batch samples"], key: PRNGKeyArray, noisy: float, least_snr_db: float
) -> Float[Array, "batch samples"]:
    """Some sounds with noise of any colour; those that are silent with noise of any level.

    It begins and ends anywhere, also within a sound: or whatever begins would be taken for one.

    Args:
      sound: windows.
      key: of chance.
      noisy: share of sounds that get noise.
      least_snr_db: of sound over noise; the most is 40 dB.
    """
    who, colour, level, noise, when = jax.random.split(key, 5)
    batch, samples = sound.shape
    tilt = _TILT * jax.random.uniform(colour, (batch,))
    made = coloured_noise(noise, batch, samples, tilt)
    ends = jnp.sort(jax.random.uniform(when, (batch, 2), minval=-0.5, maxval=1.5), axis=1)
    at = jnp.arange(samples)[None] / samples
    made = jnp.where((at >= ends[:, :1]) & (at < ends[:, 1:]), made, 0.0)
    along = jax.random.uniform(level, (batch, 1))
    rms = jnp.sqrt(jnp.mean(jnp.square(sound), axis=1, keepdims=True))
    under = rms * 10 ** (-(least_snr_db + along * (_CLEANEST_DB - least_snr_db)) / 20)
    alone = 10 ** ((_QUIETEST_DB + along * (_LOUDEST_DB - _QUIETEST_DB)) / 20)
    chosen = jax.random.uniform(who, (batch, 1)) < noisy
    return sound + jnp.where(chosen, jnp.where(rms > 0, under, alone), 0.0) * made


def masked(
    features: Float[Array, "batch columns features"], key: PRNGKeyArray, bands: int, columns: int
) -> Float[Array, "batch columns features"]:
    """Features of which stripes of bands and of columns are missing: they are 0, their mean.

    Args:
      features: normalised.
      key: of chance.
      bands: in a stripe at most.
      columns: in a stripe at most.
    """
    batch, time, size = features.shape
    kept = jnp.ones((batch, time, size), bool)
    for stripe in jax.random.split(key, _STRIPES):
        across, along = jax.random.split(stripe)
        kept &= ~_stripe(across, batch, size, bands)[:, None, :]
        kept &= ~_stripe(along, batch, time, columns)[:, :, None]
    return jnp.where(kept, features, 0.0)


def _stripe(key: PRNGKeyArray, batch: int, size: int, most: int) -> Array:
    width_key, place_key = jax.random.split(key)
    width = jnp.floor(jax.random.uniform(width_key, (batch, 1)) * (min(most, size) + 1))
    begin = jnp.floor(jax.random.uniform(place_key, (batch, 1)) * (size - width + 1))
    place = jnp.arange(size)[None]
    return (place >= begin) & (place < begin + width)


def mixed_in(key: PRNGKeyArray, batch: int, share: float) -> Float[Array, " batch"]:
    """How much of the sound after it in the batch is mixed into each: some get up to a half."""
    who, much = jax.random.split(key)
    parts = jax.random.uniform(much, (batch,), maxval=0.5)
    return jnp.where(jax.random.uniform(who, (batch,)) < share, parts, 0.0)


def mixed(
    values: Float[Array, "batch ..."], parts: Float[Array, " batch"]
) -> Float[Array, "batch ..."]:
    """Values with so much of those after them in the batch: sounds, and what is true of them."""
    parts = parts.reshape(-1, *(1,) * (values.ndim - 1))
    return (1 - parts) * values + parts * jnp.roll(values, -1, axis=0)
