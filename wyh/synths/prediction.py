"""What a model gives a synth, as whatever the synth takes: bands' amplitudes, or samples.

Every synth of these plays every model: amplitudes become samples by an inverse FFT with random
phases, and samples amplitudes by the power of their spectrum in each band. Notes are heard in the
bands that hold them.
"""

from dataclasses import dataclass
from functools import cached_property

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float, Float32, Int, Key

from wyh.signal.bands import band_bins
from wyh.signal.stft import stft_window
from wyh.synths.noise import NoiseConfig
from wyh.synths.protocol import Column, Magnitudes, NoteAmplitudes, Predicted

_QUICK = 128  # FFTs of a multiple of it are quick, up to 4,000 samples and more


@dataclass(frozen=True)
class Prediction:
    """The shape of what a model predicts once a picture, and what its values mean."""

    noise: NoiseConfig  # sample rate, and where the bands lie
    n_bands: int  # of magnitudes, or into which columns are analysed
    frame_rate: float  # Hz
    column: int = 0  # samples predicted around a picture's middle; 0: amplitudes are predicted
    notes_hz: tuple[float, ...] = ()  # whose amplitudes are predicted; none: those of the bands

    @property
    def period(self) -> float:
        """Samples from picture to picture."""
        return self.noise.sample_rate / self.frame_rate

    def amplitudes(
        self,
        controls: Predicted,
        ages_secs: Float[Array, " time"],
        glide: Float[ArrayLike, ""],
    ) -> Float[Array, "batch time bands"]:
        """RMS of each band: gliding from picture to picture, or as predicted samples have it."""
        if not isinstance(controls, Column):
            return glided(self._of_bands(controls), ages_secs * self.frame_rate, glide)
        window, n_fft = stft_window("hann", self.column), self._n_fft(self.column)
        tapered = controls.samples * jnp.broadcast_to(window, controls.samples.shape)
        power = jnp.square(jnp.abs(jnp.fft.rfft(tapered, n_fft)))
        # Parseval: a sine of RMS a has the power a^2 * n * sum(window^2) / 2 in its bins.
        scale = 2 / (n_fft * float(np.sum(np.square(window, dtype=np.float64))))
        member = (self._bands(n_fft) == np.arange(self.n_bands)[:, None]).astype(np.float32)
        return jnp.sqrt(jnp.maximum(power @ member.T * scale, 0.0))

    def columns(
        self, controls: Predicted, length: int, keys: Key[Array, " time"]
    ) -> Float[Array, "batch time length"]:
        """So many samples around the middle of each picture, untapered.

        Args:
          controls: of pictures.
          length: any. Predicted samples are cut, or have zeros put around them.
          keys: of random phases, where amplitudes are predicted.
        """
        if isinstance(controls, Column):
            front = (length - self.column) // 2
            back = length - self.column - front
            config = [(0, 0, 0), (0, 0, 0), (front, back, 0)]
            return jax.lax.pad(controls.samples, jnp.float32(0.0), config)
        value, n_fft = self._of_bands(controls).value, self._n_fft(length)
        bands = self._bands(n_fft)
        # A partial of magnitude m has the power m^2 / 2, each of a band's bins an equal share.
        bins = np.bincount(bands[bands >= 0], minlength=self.n_bands)
        share = (np.sqrt(2 / bins) * n_fft / 2)[np.maximum(bands, 0)] * (bands >= 0)
        magnitude = value[..., np.maximum(bands, 0)] * share.astype(np.float32)[None, None]
        drawn = jax.vmap(lambda key: jax.random.uniform(key, (len(magnitude), bands.size)))(keys)
        turned = jnp.exp(2j * np.pi * drawn.transpose(1, 0, 2))
        return jnp.fft.irfft(magnitude * turned, n_fft)[..., :length]

    def _of_bands(self, controls: Magnitudes | NoteAmplitudes) -> Magnitudes:
        """Amplitudes of notes as the RMS of bands; powers of notes in one band add up."""
        if isinstance(controls, Magnitudes):
            return controls
        power = jnp.asarray(self._held)
        value, previous = (
            jnp.sqrt(jnp.square(amplitude) @ power)
            for amplitude in (controls.value, controls.previous)
        )
        return Magnitudes(value, previous)

    @cached_property
    def _held(self) -> Float32[np.ndarray, "notes bands"]:
        """Power that a sine of amplitude 1 has in each band: all in the one that holds the note.

        Notes below or above all bands are in the one that is nearest.
        """
        bands = self._bands(self.noise.n_fft)
        bins = np.rint(np.array(self.notes_hz) * (self.noise.n_fft / self.noise.sample_rate))
        own = bands[np.clip(bins.astype(int), *np.flatnonzero(bands >= 0)[[0, -1]])]
        return (own[:, None] == np.arange(self.n_bands)[None]).astype(np.float32) / 2

    def _n_fft(self, length: int) -> int:
        """Samples of a spectrum in which every band has a bin, and whose FFT is quick."""
        return -(-max(length, self.noise.n_fft) // _QUICK) * _QUICK

    def _bands(self, n_fft: int) -> Int[np.ndarray, " bins"]:
        """The band of each bin, -1 for none: that of the bin that `NoiseSynth` plays there.

        A bin of the noise is the width of one or more of these, so a band is the same frequencies
        whether it is analysed or played, and by whom.
        """
        coarse = band_bins(
            self.noise.layout,
            self.n_bands,
            n_fft=self.noise.n_fft,
            sample_rate=self.noise.sample_rate,
            low_hz=self.noise.low_hz,
            high_hz=self.noise.high_hz,
        )
        at = np.rint(np.arange(n_fft // 2 + 1) * (self.noise.n_fft / n_fft)).astype(int)
        return coarse[np.minimum(at, len(coarse) - 1)]


def glided(
    controls: Magnitudes, ages: Float[Array, " time"], glide: Float[ArrayLike, ""]
) -> Float[Array, "batch time bands"]:
    """The amplitudes on the way from the picture before to the newest, `ages` periods old.

    Whatever the glide, its middle is half a period late: the latency stays as declared.
    """
    along = ages - (1 - glide) / 2
    mix = jnp.clip(along / jnp.maximum(glide, 1e-3), 0.0, 1.0)[None, :, None]
    return controls.previous + (controls.value - controls.previous) * mix
