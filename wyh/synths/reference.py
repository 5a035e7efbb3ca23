"""A recording in grains: where they lie, and how loud each is in each band."""

import math
from dataclasses import dataclass, replace

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Float32, Int16

from wyh.errors import WyhError
from wyh.signal.bands import band_bins
from wyh.synths.prediction import Prediction
from wyh.synths.protocol import Column

A_PERIOD = 4  # grains that begin in a picture's period, and crossfades that fit in one
ALIGNED_SECS = 0.0025  # by which a grain may be moved to fit the one before: half a turn of 200 Hz
COMPARED = 96  # bands at most, in which grains are compared
FLOOR_DB = -90.0  # of a band's level: what is quieter counts as this

MOST = 1 << 14  # grains, all of which are compared with every picture: 2 minutes at 30 Hz
_AT_ONCE = 1024  # grains analysed


@dataclass(frozen=True)
class GrainSizes:
    """In samples. A grain is one period and a crossfade long."""

    fade: int
    length: int
    reach: int  # by which it may be moved, to either side

    @property
    def body(self) -> int:
        """From where a grain begins to where the next does."""
        return self.length - self.fade

    def hop(self, samples: int) -> int:
        """From grain to grain: a part of a period, more in a recording that is very long."""
        return max(self.fade, -(-samples // MOST))


def grain_sizes(prediction: Prediction) -> GrainSizes:
    """Those of the grains of a prediction's reference."""
    period = prediction.period
    part = max(2, round(period / A_PERIOD))
    reach = min(round(ALIGNED_SECS * prediction.noise.sample_rate), part // 2)
    return GrainSizes(part, max(round(period), part) + part, reach)


def corpus(sound: Int16[np.ndarray, " samples"], prediction: Prediction) -> dict[str, np.ndarray]:
    """What synths know of a reference recording.

    Args:
      sound: mono, at the prediction's sample rate.
      prediction: of the model that is to play it.

    Returns:
      `{"sound": int16 [samples], "levels": float32 [grains, bands]}`: of each grain, in dB, over
      the middle of it, by the same analysis as that of predicted samples.

    Raises:
      WyhError: it is silent, or shorter than two pictures.
    """
    sizes, rate = grain_sizes(prediction), prediction.noise.sample_rate
    least = max(math.ceil(2 * prediction.period), sizes.length + 2 * sizes.reach)
    if len(sound) < least:
        raise WyhError(
            f"got a reference of {len(sound) / rate:.3f} s, wanted two pictures at least, "
            f"{least / rate:.3f} s: give a longer one"
        )
    column = prediction.column or prediction.noise.n_fft
    analysed = replace(prediction, column=column)
    groups = compared(prediction)

    @jax.jit
    def levels_of(windows: Int16[Array, "n column"]) -> Float[Array, "n bands"]:
        samples = windows[None].astype(jnp.float32) / 32768
        amplitude = analysed.amplitudes(Column(samples), jnp.zeros(len(windows)), 1.0)
        return band_levels(amplitude, groups)[0]

    starts = np.arange(0, len(sound) - sizes.length + 1, sizes.hop(len(sound)))
    around = np.lib.stride_tricks.sliding_window_view(np.pad(sound, column), column)
    firsts = starts + sizes.length // 2 - column // 2 + column
    levels = np.empty((len(starts), groups.shape[1]), np.float32)
    for first in range(0, len(starts), _AT_ONCE):
        windows = around[firsts[first : first + _AT_ONCE]]
        filled = np.pad(windows, ((0, _AT_ONCE - len(windows)), (0, 0)))
        levels[first : first + _AT_ONCE] = np.asarray(levels_of(filled))[: len(windows)]
    if levels.max() <= FLOOR_DB:
        raise WyhError("got a silent reference, wanted sound to take from: give another recording")
    return {"sound": sound, "levels": levels}


def compared(prediction: Prediction) -> Float32[np.ndarray, "bands groups"]:
    """1 where a band belongs to one of those that grains are compared in.

    The same bands where they are few; else neighbours together, as wide as in the mel scale.
    """
    noise, count = prediction.noise, prediction.n_bands
    if count <= COMPARED:
        return np.eye(count, dtype=np.float32)
    sizes = {"n_fft": noise.n_fft, "sample_rate": noise.sample_rate}
    own = band_bins(noise.layout, count, **sizes, low_hz=noise.low_hz, high_hz=noise.high_hz)
    wide = band_bins("mel", COMPARED, **sizes, low_hz=noise.low_hz, high_hz=noise.high_hz)
    first_bins = np.argmax(own == np.arange(count)[:, None], axis=1)
    groups = wide[first_bins]
    return (groups[:, None] == np.unique(groups)).astype(np.float32)


def band_levels(
    amplitude: Float[Array, "*lead bands"], groups: Float32[np.ndarray, "bands groups"]
) -> Float[Array, "*lead groups"]:
    """Level of each group in dB over an RMS of 1, `FLOOR_DB` at least."""
    power = jnp.square(amplitude) @ groups
    return 10 * jnp.log10(jnp.maximum(power, 10 ** (FLOOR_DB / 10)))


def power_of(levels: Float[Array, "*lead groups"]) -> Float[Array, "*lead"]:
    """The power of all groups together; nothing for those at the floor."""
    return jnp.sum(10 ** (levels / 10) - 10 ** (FLOOR_DB / 10), axis=-1)
