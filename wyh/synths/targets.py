"""What a model learns of the sound around each picture, and how that becomes a control again.

Values are in the target's own units, as far as possible what is heard: decibels for magnitudes. The
phase of a spectrum is counted from the middle of its column, so that it does not turn with where
the column begins.
"""

from dataclasses import dataclass
from typing import Literal

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from wyh.errors import WyhError, check_range
from wyh.signal.stft import stft_window
from wyh.synths.noise import NoiseConfig
from wyh.synths.prediction import Prediction
from wyh.synths.protocol import Column, Magnitudes

Kind = Literal["pcm", "real", "magnitude", "magnitude_phase", "exemplar"]

_LEAST_SPREAD_DB = 1.0  # of a band that hardly changes: else its noise would count as much as music


@dataclass(frozen=True)
class TargetConfig:
    """What is learned of the sound of each picture."""

    kind: Kind = "magnitude"
    """pcm: the samples themselves; real: the real part of their spectrum; magnitude: the level of
    each band; magnitude_phase: that and the phases; exemplar: levels, to choose real grains by."""
    periods: float = 1.0  # with pcm, samples to predict in frame periods, 1 to 4
    n_fft: int = 1024  # else, samples around the middle of a picture, 64 to 65,536, even
    n_bands: int = 64  # of magnitude and exemplar; 0: every bin of the spectrum but the first
    floor_db: float = -80.0  # what is quieter counts as this, -140 to -20

    def __post_init__(self) -> None:
        check_range("periods", self.periods, 1, 4)
        check_range("n_fft", self.n_fft, 64, 65536, "samples")
        check_range("n_bands", self.n_bands, 0, self.n_fft // 2)
        check_range("floor_db", self.floor_db, -140, -20, "dB")
        if self.n_fft % 2:
            raise WyhError(f"got n_fft {self.n_fft}, wanted an even number")


class Target:
    """The pure functions of a target at a frame rate; holds constants only.

    Attributes:
      length: samples around the middle of a picture's time that it is made of.
      size: values a picture.
      prediction: what a model of it gives a synth.
    """

    def __init__(self, config: TargetConfig, noise: NoiseConfig, frame_rate: float) -> None:
        self.config = config
        columns = config.kind in ("pcm", "real", "magnitude_phase")
        period = noise.sample_rate / frame_rate
        self.length = (
            int(np.ceil(period * config.periods - 1e-9)) if config.kind == "pcm" else config.n_fft
        )
        n_bands = config.n_bands or config.n_fft // 2
        bins = self.length // 2 + 1
        sizes = {"pcm": self.length, "real": bins, "magnitude_phase": 2 * bins}
        self.size = sizes.get(config.kind, n_bands)
        self.prediction = Prediction(noise, n_bands, frame_rate, self.length if columns else 0)
        self._analysis = Prediction(noise, n_bands, frame_rate, self.length)

    def values(self, windows: Float[Array, "*lead length"]) -> Float[Array, "*lead size"]:
        """What is to be predicted of the sound around pictures."""
        match self.config.kind:
            case "pcm":
                return windows
            case "real":
                return self._spectrum(windows).real
            case "magnitude_phase":
                spectrum = self._spectrum(windows)
                return jnp.concatenate([self._db(spectrum), jnp.angle(spectrum) / jnp.pi], axis=-1)
            case _:
                flat = windows.reshape(1, -1, self.length)
                ages = jnp.zeros(flat.shape[1])
                level = self._analysis.amplitudes(Column(flat), ages, jnp.float32(1.0))
                return self._db(level).reshape(*windows.shape[:-1], self.size)

    def scale(self, values: Float[Array, "n size"]) -> dict[str, Array]:
        """The mean and spread that values are standardised by: `{"mean", "spread"}`, [size] each.

        Levels one by one; samples and real parts all alike, about 0; phases not at all.
        """
        if self.config.kind in ("pcm", "real"):
            spread = jnp.maximum(jnp.std(values), 1e-6)
            return {"mean": jnp.zeros(self.size), "spread": jnp.full(self.size, spread)}
        mean = jnp.mean(values, axis=0)
        spread = jnp.maximum(jnp.std(values, axis=0), _LEAST_SPREAD_DB)
        if self.config.kind == "magnitude_phase":
            levels = jnp.arange(self.size) < self.size // 2
            mean, spread = jnp.where(levels, mean, 0.0), jnp.where(levels, spread, 1.0)
        return {"mean": mean, "spread": spread}

    def distance(
        self, predicted: Float[Array, "batch size"], truth: Float[Array, "batch size"]
    ) -> Float[Array, ""]:
        """How far standardised values are apart: what a model learns to make small.

        Samples by squares. Levels by absolute differences, so that their median is learned: what
        has onsets now and then is not smeared. Phases by their angle, where it is loud.
        """
        if self.config.kind in ("pcm", "real"):
            return jnp.mean(jnp.square(predicted - truth))
        if self.config.kind != "magnitude_phase":
            return jnp.mean(jnp.abs(predicted - truth))
        levels, phases = jnp.split(predicted, 2, axis=-1)
        true_levels, true_phases = jnp.split(truth, 2, axis=-1)
        loud = jnp.exp(jnp.clip(true_levels, -4, 4))
        loud = loud / jnp.mean(loud, axis=-1, keepdims=True)
        turned = 1 - jnp.cos(jnp.pi * (phases - true_phases))
        return jnp.mean(jnp.abs(levels - true_levels)) + jnp.mean(loud * turned)

    def control(
        self, values: Float[Array, "batch time size"], before: Float[Array, "batch size"]
    ) -> Magnitudes | Column:
        """What a synth plays: values of pictures in a row, and of the one before them."""
        match self.config.kind:
            case "pcm":
                return Column(values)
            case "real":
                # The even half of a column alone: as loud as the whole.
                return Column(self._samples(values * np.float32(np.sqrt(2)) + 0j))
            case "magnitude_phase":
                levels, phases = jnp.split(values, 2, axis=-1)
                return Column(
                    self._samples(self._amplitude(levels) * jnp.exp(1j * jnp.pi * phases))
                )
            case _:
                amplitude = self._amplitude(values)
                first = self._amplitude(before)[:, None]
                return Magnitudes(amplitude, jnp.concatenate([first, amplitude[:, :-1]], axis=1))

    @property
    def silence(self) -> Float[np.ndarray, " size"]:
        """The values of silence."""
        quiet = np.zeros(self.size, np.float32)
        if self.config.kind in ("magnitude", "exemplar"):
            quiet[:] = self.config.floor_db
        if self.config.kind == "magnitude_phase":
            quiet[: self.size // 2] = self.config.floor_db
        return quiet

    def _spectrum(self, windows: Float[Array, "*lead length"]) -> Array:
        """Of windowed samples, the phase counted from the middle; 1 for a sine of full scale."""
        window = stft_window("hann", self.length)
        tapered = windows * jnp.broadcast_to(window, windows.shape)
        middle_first = jnp.roll(tapered, -(self.length // 2), axis=-1)
        return jnp.fft.rfft(middle_first) * float(2 / window.sum())

    def _samples(self, spectrum: Array) -> Float[Array, "*lead length"]:
        """What `_spectrum` is the spectrum of."""
        window = stft_window("hann", self.length)
        columns = jnp.fft.irfft(spectrum, self.length) * float(window.sum() / 2)
        return jnp.roll(columns, self.length // 2, axis=-1)

    def _db(self, amplitude: Array) -> Array:
        floor = 10 ** (self.config.floor_db / 20)
        return 20 * jnp.log10(jnp.maximum(jnp.abs(amplitude), floor))

    def _amplitude(self, db: Array) -> Array:
        """Silent at the floor; falling to it over the last 6 dB, not to cut levels off."""
        over = db - self.config.floor_db
        return 10 ** (db / 20) * jnp.clip(over / 6, 0.0, 1.0)
