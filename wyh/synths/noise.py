"""Magnitudes -> sound: bands of noise, or of steady partials, by inverse STFT and overlap-add.

Neither the boundaries of frames nor their rate can be heard: magnitudes glide from one picture to
the next, and each block is the sum of several overlapping columns. Three phase policies:

- `random`: every column draws fresh phases. Smooth coloured noise (seed 000 drew them once a
  frame, without overlap).
- `fixed`: each bin is a steady partial. A static picture gives a periodic sound.
- `continuous`: each bin is a partial whose phase drifts from one random anchor to the next, so a
  static picture neither repeats nor hisses.

Every policy computes a column's phases from its tick alone, so no tick depends on another.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Key, PRNGKeyArray

from wyh.errors import WyhError
from wyh.signal.bands import band_bins
from wyh.signal.levels import Limiter, db_to_amplitude, k_weighting
from wyh.signal.stft import overlap_add, stft_window

ANCHOR_COLUMNS = 8  # columns between two anchors of a `continuous` phase (93 ms by default)


@dataclass(frozen=True)
class NoiseConfig:
    """The bands and the inverse STFT. One column an output tick: the block is `hop_length`."""

    sample_rate: int = 22050  # Hz
    n_fft: int = 1024  # samples, a multiple of hop_length
    hop_length: int = 256  # samples
    layout: str = "linear"  # linear, log, mel or erb: how bands share the frequency axis
    low_hz: float = 60.0
    high_hz: float = 8000.0
    ceiling_db: float = -1.0  # true peak, dBFS

    def __post_init__(self) -> None:
        hops = self.n_fft / self.hop_length if self.hop_length > 0 else 0
        if hops < 2 or hops % 1:
            raise WyhError(
                f"got n_fft {self.n_fft} and hop_length {self.hop_length}, wanted n_fft a multiple "
                f"of hop_length, at least twice as long"
            )


class NoiseCarry(NamedTuple):
    """What the synth remembers from block to block."""

    tail: Float[Array, "batch tail"]  # overlapping ends of earlier columns
    tick: Int[Array, ""]  # of the next column
    key: PRNGKeyArray  # of the anchors
    gain: Float[Array, ""]  # at the end of the last block, so that the next ramps from it
    limiter: Any


class NoiseSynth:
    """The pure functions of one `NoiseConfig` for so many bands; holds constants only.

    Raises:
      WyhError: the bands do not fit the config, as for `band_bins` and `Limiter`.
    """

    def __init__(self, config: NoiseConfig, n_bands: int) -> None:
        self.config, self.n_bands = config, n_bands
        self.bins = band_bins(
            config.layout,
            n_bands,
            n_fft=config.n_fft,
            sample_rate=config.sample_rate,
            low_hz=config.low_hz,
            high_hz=config.high_hz,
        )  # the band of each bin, -1 for none
        self.limiter = Limiter(config.sample_rate, ceiling_db=config.ceiling_db)
        self.latency_samples = config.n_fft // 2 + self.limiter.latency_samples

    @cached_property
    def spread(self) -> np.ndarray:
        """Band amplitude -> bin magnitude such that a band's RMS is its amplitude.

        A partial of magnitude m has the power m^2 / 2, so each of a band's n bins gets
        amplitude * sqrt(2 / n), times n_fft / 2 for the inverse FFT. `float32 [bands, bins]`.
        """
        member = self.bins == np.arange(self.n_bands)[:, None]
        share = np.sqrt(2 / member.sum(axis=1, keepdims=True)) * self.config.n_fft / 2
        return (member * share).astype(np.float32)

    @cached_property
    def audibility(self) -> np.ndarray:
        """Power of each band after K-weighting (ITU-R BS.1770) where its RMS is 1: `[bands]`."""
        hz = np.arange(self.bins.size) * self.config.sample_rate / self.config.n_fft
        heard = np.abs(k_weighting(hz)) ** 2
        member = self.bins == np.arange(self.n_bands)[:, None]
        return ((member @ heard) / member.sum(axis=1)).astype(np.float32)

    def loudness(self, amplitude: Float[Array, "columns bands"]) -> Float[Array, ""]:
        """Expected loudness of columns in LUFS, before any gain and without gating."""
        power = jnp.mean(jnp.square(amplitude) @ self.audibility)
        return 10 * jnp.log10(jnp.maximum(power, 1e-12)) - 0.691

    def init(self, key: PRNGKeyArray, batch_size: int) -> NoiseCarry:
        """The memory before the first block: silence."""
        return NoiseCarry(
            tail=jnp.zeros((batch_size, self.config.n_fft - self.config.hop_length)),
            tick=jnp.int32(0),
            key=key,
            gain=jnp.float32(0.0),
            limiter=self.limiter.init(batch_size),
        )

    def emit_many(
        self,
        carry: NoiseCarry,
        amplitude: Float[Array, "batch time bands"],
        gain_db: Float[Array, ""],
        knobs: dict[str, Any],
        keys: Key[Array, " time"],
    ) -> tuple[NoiseCarry, Float[Array, "batch samples"]]:
        """One block of sound for each column of amplitudes: `samples = time * hop_length`."""
        hop = self.config.hop_length
        batch, time, _ = amplitude.shape
        ticks = carry.tick + jnp.arange(time)
        phase, scale = self._phases(knobs["phase"], ticks, carry.key, keys, batch)
        spectrum = (amplitude @ self.spread) * jnp.exp(1j * phase)
        columns = jnp.fft.irfft(spectrum, self.config.n_fft)
        columns = columns * stft_window("hann", self.config.n_fft)[None, None]
        sound = overlap_add(columns, hop)
        sound = sound.at[:, : carry.tail.shape[1]].add(carry.tail)
        sound, tail = sound[:, : time * hop], sound[:, time * hop :]

        gain = scale * db_to_amplitude(gain_db + knobs["gain_db"]) * (1 - knobs["mute"])
        ramp = jnp.minimum((jnp.arange(time * hop) + 1) / hop, 1.0)
        limited, sound = self.limiter.apply(
            carry.limiter, sound * (carry.gain + (gain - carry.gain) * ramp)[None]
        )
        return NoiseCarry(tail, carry.tick + time, carry.key, gain, limited), sound

    def _phases(
        self,
        policy: Float[Array, ""],
        ticks: Int[Array, " time"],
        anchor_key: PRNGKeyArray,
        keys: Key[Array, " time"],
        batch: int,
    ) -> tuple[Float[Array, "#batch time bins"], Float[Array, ""]]:
        """Phases in rad, and the scale that makes every policy equally loud.

        Overlapping windows add in power where phases are independent, in amplitude where
        they are coherent.
        """
        n_fft, hop = self.config.n_fft, self.config.hop_length
        bins = np.arange(n_fft // 2 + 1)
        window = stft_window("hann", n_fft).astype(np.float64)
        by_power = float(np.sqrt(hop / np.sum(window**2)))
        by_amplitude = float(hop / np.sum(window))
        # Where a partial at the bin's own frequency has got to, exactly: integers modulo n_fft.
        turn = ((ticks % n_fft)[:, None] * (bins * hop % n_fft)[None]) % n_fft
        advance = turn * (2 * np.pi / n_fft)

        def random() -> tuple[Array, Array]:
            drawn = jax.vmap(lambda key: _uniform_phase(key, (batch, bins.size)))(keys)
            return drawn.transpose(1, 0, 2), jnp.float32(by_power)

        def fixed() -> tuple[Array, Array]:
            start = np.random.default_rng(0).uniform(0, 2 * np.pi, bins.size).astype(np.float32)
            phase = jnp.broadcast_to(advance + start[None], (batch, *advance.shape))
            return phase, jnp.float32(by_amplitude)

        def continuous() -> tuple[Array, Array]:
            first = ticks[0] // ANCHOR_COLUMNS
            count = (ticks.size - 1) // ANCHOR_COLUMNS + 3
            anchor_keys = jax.vmap(lambda i: jax.random.fold_in(anchor_key, i))(
                first + jnp.arange(count)
            )
            anchors = jax.vmap(lambda key: _uniform_phase(key, (batch, bins.size)))(anchor_keys)
            at = ticks // ANCHOR_COLUMNS - first
            start, end = anchors[at], anchors[at + 1]
            drift = jnp.mod(end - start + np.pi, 2 * np.pi) - np.pi
            along = (ticks % ANCHOR_COLUMNS) / ANCHOR_COLUMNS
            phase = advance[:, None] + start + along[:, None, None] * drift
            return phase.transpose(1, 0, 2), jnp.float32(by_amplitude)

        phase, scale = jax.lax.switch(policy.astype(jnp.int32), (random, fixed, continuous))
        return phase, scale


def _uniform_phase(key: PRNGKeyArray, shape: tuple[int, ...]) -> Array:
    return jax.random.uniform(key, shape, maxval=2 * np.pi)
