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
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Complex, Float, Int, Key, PRNGKeyArray

from wyh.errors import WyhError
from wyh.signal.bands import band_bins
from wyh.signal.levels import Limiter, k_weighting
from wyh.signal.stft import stft_window
from wyh.synths.output import join_columns

ANCHOR_COLUMNS = 8  # columns between two anchors of a `continuous` phase (93 ms by default)
LOW_HZ, LOW_ANCHOR_COLUMNS = 650.0, 3
"""Partials under `LOW_HZ` drift faster. They are where frame rates have their harmonics: a partial
that keeps its pitch there is a hum. Above, a listener reads steady partials better: 7.2 dB of the
picture against 6.1 where all drift like that (docs/experiments.md)."""


@dataclass(frozen=True)
class NoiseConfig:
    """The bands and the inverse STFT. One column an output tick: the block is `hop_length`."""

    sample_rate: int = 22050  # Hz
    n_fft: int = 1024  # samples, a multiple of hop_length
    hop_length: int = 256  # samples
    layout: str = "linear"  # linear, log, mel or erb: how bands share the frequency axis
    low_hz: float = 60.0
    high_hz: float = 8320.0
    ceiling_db: float = -1.0  # true peak, dBFS

    def __post_init__(self) -> None:
        hops = self.n_fft / self.hop_length if self.hop_length > 0 else 0
        if hops < 2 or hops % 1:
            raise WyhError(
                f"got n_fft {self.n_fft} and hop_length {self.hop_length}, wanted n_fft a multiple "
                f"of hop_length, at least twice as long"
            )


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

    def silence(self, batch_size: int, channels: int = 1) -> Float[Array, "batch *channels tail"]:
        """The overlapping ends of columns before the first. Mono has no axis of channels."""
        lead = (batch_size,) if channels == 1 else (batch_size, channels)
        return jnp.zeros((*lead, self.config.n_fft - self.config.hop_length))

    def sound_many(
        self,
        tail: Float[Array, "batch *channels tail"],
        ticks: Int[Array, " time"],
        anchor_key: PRNGKeyArray,
        amplitude: Float[Array, "batch time bands"],
        knobs: dict[str, Any],
        keys: Key[Array, " time"],
        sides: Float[Array, "channels bands"] | None = None,
    ) -> tuple[
        Float[Array, "batch *channels tail"], Float[Array, "batch *channels samples"], Array
    ]:
        """The noise alone, before volume and limiter: new tail, sound, the scale it is to have.

        `sides` is how much of each band each channel gets, for more channels than one.
        """
        batch = amplitude.shape[0]
        turned, scale = self._phasors(knobs["phase"], ticks, anchor_key, keys, batch)
        spectrum = (amplitude @ self.spread) * turned
        if sides is not None:
            spectrum = spectrum[:, None] * sides[None, :, None, np.maximum(self.bins, 0)]
        columns = jnp.fft.irfft(spectrum, self.config.n_fft)
        window = stft_window("hann", self.config.n_fft)
        columns = columns * jnp.broadcast_to(window, columns.shape)
        tail, sound = join_columns(tail, columns, self.config.hop_length)
        return tail, sound, scale

    def _phasors(
        self,
        policy: Float[Array, ""],
        ticks: Int[Array, " time"],
        anchor_key: PRNGKeyArray,
        keys: Key[Array, " time"],
        batch: int,
    ) -> tuple[Complex[Array, "batch time bins"], Float[Array, ""]]:
        """What turns the bins' phases, and the scale that makes every policy equally loud.

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
            return jnp.exp(1j * drawn.transpose(1, 0, 2)), jnp.float32(by_power)

        def fixed() -> tuple[Array, Array]:
            start = np.random.default_rng(0).uniform(0, 2 * np.pi, bins.size).astype(np.float32)
            phase = jnp.broadcast_to(advance + start[None], (batch, *advance.shape))
            return jnp.exp(1j * phase), jnp.float32(by_amplitude)

        def continuous() -> tuple[Array, Array]:
            low = int(LOW_HZ * n_fft / self.config.sample_rate)
            drifts = [
                _drift(ticks, anchor_key, batch, 0, min(low, bins.size), LOW_ANCHOR_COLUMNS),
                _drift(ticks, anchor_key, batch, min(low, bins.size), bins.size, ANCHOR_COLUMNS),
            ]
            # Columns that drift apart while they overlap add to less.
            lost = np.where(bins < low, self._kept(LOW_ANCHOR_COLUMNS), self._kept(ANCHOR_COLUMNS))
            turned = jnp.exp(1j * (advance[None] + jnp.concatenate(drifts, axis=-1)))
            return turned / lost.astype(np.float32)[None, None], jnp.float32(by_amplitude)

        turned, scale = jax.lax.switch(policy.astype(jnp.int32), (random, fixed, continuous))
        return turned, scale

    def _kept(self, every: int) -> float:
        """The RMS of a partial that drifts from anchor to anchor, to that of a steady one."""
        hop, n_fft = self.config.hop_length, self.config.n_fft
        step = np.pi / every * (np.arange(256) + 0.5) / 256  # rad from column to column
        shares = stft_window("hann", n_fft).astype(np.float64)[::hop] / (n_fft / hop / 2)
        moved = np.exp(1j * step[:, None] * np.arange(len(shares)))
        return float(np.sqrt(np.mean(np.abs(moved @ shares) ** 2)))


def _drift(
    ticks: Int[Array, " time"], key: PRNGKeyArray, batch: int, low: int, high: int, every: int
) -> Float[Array, "batch time bins"]:
    """Phases of bins `low` to `high - 1` on their way from anchor to anchor, the shorter way round.

    Anchors are random and a function of their number, so no tick depends on another.
    """
    first = ticks[0] // every
    count = (ticks.size - 1) // every + 3
    numbers = first + jnp.arange(count)
    group = jax.random.fold_in(key, low)
    keys = jax.vmap(lambda number: jax.random.fold_in(group, number))(numbers)
    anchors = jax.vmap(lambda key: _uniform_phase(key, (batch, high - low)))(keys)
    at = ticks // every - first
    start, end = anchors[at], anchors[at + 1]
    turn = jnp.mod(end - start + np.pi, 2 * np.pi) - np.pi
    along = (ticks % every) / every
    return (start + along[:, None, None] * turn).transpose(1, 0, 2)


def _uniform_phase(key: PRNGKeyArray, shape: tuple[int, ...]) -> Array:
    return jax.random.uniform(key, shape, maxval=2 * np.pi)
