"""Magnitudes -> sound: one sine for each band, on the notes of a scale, for as long as one likes.

The phase of an oscillator is a pure function of the tick: frequencies are whole multiples of
`sample_rate / 2**32`, so that phases are integers that wrap around and hours change nothing. A
block is one matrix product: within it, each sine is the turn of its phase at the block's start.
Amplitudes pass through the same window, as long after the tick, as those of the noise bands.
"""

from functools import cached_property

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from wyh.signal.levels import k_weighting
from wyh.signal.stft import stft_window
from wyh.synths.noise import NoiseConfig
from wyh.synths.output import join_columns

_TURN = 2**32  # of a phase, in the smallest steps
_FINE = 24  # bits of it that float32 holds
_MOST_LOUDER = 4.0  # in power: what K-weighting all but removes is not made up for


class OscillatorBank:
    """The pure functions of a bank of oscillators that plays one of several tunings.

    Attributes:
      hz: frequency of each band in each tuning, as it is played.
    """

    def __init__(
        self,
        config: NoiseConfig,
        tunings_hz: Float[np.ndarray, "tunings bands"],
        audibility: Float[np.ndarray, " bands"],
    ) -> None:
        """Make a bank.

        Args:
          config: whose sample rate, n_fft and hop_length to use.
          tunings_hz: below half the sample rate, above 0.
          audibility: of each band: what its power is to be after K-weighting, at amplitude 1.
        """
        self.config = config
        self._step: np.ndarray = np.rint(tunings_hz / config.sample_rate * _TURN).astype(np.uint32)
        self.hz = self._step * (config.sample_rate / _TURN)
        heard = np.abs(k_weighting(self.hz.ravel()).reshape(self.hz.shape)) ** 2
        louder = np.minimum(audibility / heard, _MOST_LOUDER)
        # A sine of amplitude a has the power a^2 / 2. Columns add in amplitude: they are coherent.
        hops = config.hop_length / np.sum(stft_window("hann", config.n_fft), dtype=np.float64)
        self._level = (hops * np.sqrt(2 * louder)).astype(np.float32)
        # Else all would peak together at the start.
        begin = np.random.default_rng(0).integers(0, _TURN, tunings_hz.shape[1:])
        self._begin = begin.astype(np.uint32)

    @cached_property
    def _turns(self) -> Float[np.ndarray, "tunings parts hop"]:
        """Cosines, then sines, of every band's phase in a block that starts at phase 0."""
        steps = self._step[:, :, None] * np.arange(self.config.hop_length, dtype=np.uint32)
        angle = steps * (2 * np.pi / _TURN)
        return np.concatenate([np.cos(angle), np.sin(angle)], axis=1).astype(np.float32)

    def sound_many(
        self,
        tail: Float[Array, "batch *channels tail"],
        ticks: Int[Array, " time"],
        amplitude: Float[Array, "batch time bands"],
        tuning: Int[Array, ""],
        sides: Float[Array, "channels bands"] | None = None,
    ) -> tuple[Float[Array, "batch *channels tail"], Float[Array, "batch *channels samples"]]:
        """The oscillators alone, before volume and limiter: new tail, and sound.

        Args:
          tail: overlapping ends of earlier columns.
          ticks: of the columns.
          amplitude: RMS of each band, but for what makes it as audible as noise.
          tuning: which of the tunings. Where it changes, columns of both overlap.
          sides: how much of each band each channel gets, for more channels than one.
        """
        n_fft, hop = self.config.n_fft, self.config.hop_length
        angle = self._phases(ticks, tuning)
        waves = jnp.concatenate([jnp.sin(angle), jnp.cos(angle)], axis=-1)
        level = amplitude * jnp.asarray(self._level)[tuning][None, None]
        if sides is not None:
            level = level[:, None] * sides[None, :, None]
        level = jnp.concatenate([level, level], axis=-1)[..., None, :]
        weights = level * waves.reshape((1,) * (level.ndim - 4) + (1, *waves.shape))
        turns = jnp.asarray(self._turns)[tuning]
        pieces = jnp.matmul(weights, turns, precision=jax.lax.Precision.HIGHEST)
        columns = pieces.reshape(*pieces.shape[:-2], n_fft)
        window = stft_window("hann", n_fft)
        return join_columns(tail, columns * jnp.broadcast_to(window, columns.shape), hop)

    def _phases(
        self, ticks: Int[Array, " time"], tuning: Int[Array, ""]
    ) -> Float[Array, "time pieces bands"]:
        """In rad, where each of the hops that a column spans begins."""
        pieces = self.config.n_fft // self.config.hop_length
        blocks = ticks.astype(jnp.uint32)[:, None] + jnp.arange(pieces, dtype=jnp.uint32)[None]
        samples = (blocks * self.config.hop_length).reshape(*blocks.shape, 1)
        step = jnp.asarray(self._step)[tuning]
        turn = samples * step[None, None] + self._begin[None, None]
        fine = (turn >> (32 - _FINE)).astype(jnp.float32)
        return fine * (2 * np.pi / 2**_FINE)
