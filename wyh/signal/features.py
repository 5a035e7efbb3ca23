"""What is heard in a short window of sound, as a vector: the same while training and live.

One vector a block of `hop_length` samples, of the `win_length` samples that end with it. Three
kinds: `fbank`, levels of mel bands or their cepstra, with the level of it all (seed 001); `fft`,
the level of every bin of the spectrum; `raw`, the samples themselves.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Literal, get_args

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from wyh.errors import WyhError, check_range
from wyh.signal.bands import mel_edges_hz, mel_matrix
from wyh.signal.stft import stft_window

Kind = Literal["fbank", "fft", "raw"]

FLOOR_DB = -80.0
"""Power that is added to every band and to the whole, against a sine of full scale."""

BASS_HZ, TREBLE_HZ = 250.0, 2500.0
"""Where the bass gives way to the middle, and the middle to the treble."""


@dataclass(frozen=True)
class FeatureConfig:
    """Which features, of which windows."""

    kind: Kind = "fbank"
    sample_rate: int = 22050  # Hz
    win_length: int = 1536  # samples of a window, 16 to 65536
    hop_length: int = 256  # samples from one window to the next, 16 to win_length
    n_fft: int = 2048  # samples, win_length or more; zeros are added
    bands: int = 40  # of fbank, 2 to 512
    low_hz: float = 30.0  # where the lowest band starts
    pre_emphasis: float = 0.97  # how much of each sample the next one loses, 0 to 1
    cepstra: int = 0  # of the bands' levels, to be used in their place; 0 for the levels
    lifter: int = 22  # of the cepstra; 0 for none
    energy: bool = True  # the level of the whole is one more feature
    stft_window: str = "hann"  # the taper, one of wyh.signal.stft.WINDOWS

    def __post_init__(self) -> None:
        if self.kind not in get_args(Kind):
            raise WyhError(f"got features of the kind {self.kind!r}, wanted fbank, fft or raw")
        check_range("sample_rate", self.sample_rate, 4000, 192_000, "Hz")
        check_range("win_length", self.win_length, 16, 65536, "samples")
        check_range("hop_length", self.hop_length, 16, self.win_length, "samples")
        check_range("n_fft", self.n_fft, self.win_length, 65536, "samples")
        check_range("bands", self.bands, 2, 512)
        check_range("low_hz", self.low_hz, 0, self.sample_rate / 2 - 1, "Hz")
        check_range("pre_emphasis", self.pre_emphasis, 0, 1)
        check_range("cepstra", self.cepstra, 0, self.bands)
        check_range("lifter", self.lifter, 0, 1000)
        stft_window(self.stft_window, 1)  # refuses unknown names

    @property
    def size(self) -> int:
        """How many values a vector has."""
        match self.kind:
            case "raw":
                return self.win_length
            case "fft":
                return self.n_fft // 2 + 1 + self.energy
            case _:
                return (self.cepstra or self.bands) + self.energy

    @property
    def centre_samples(self) -> int:
        """From the middle of a window to its end."""
        return self.win_length // 2


class Extractor:
    """The pure functions of one `FeatureConfig`; holds constants only.

    Raises:
      WyhError: a band so narrow that it has no bin.
    """

    def __init__(self, config: FeatureConfig) -> None:
        self.config = config
        self.taper = stft_window(config.stft_window, config.win_length)
        # So that a sine of full scale has a power of 1 in its bin.
        self.scale = (2 / self.taper.sum()) ** 2
        self._fold = self._bands() if config.kind == "fbank" else None

    def init(self, batch_size: int) -> Float[Array, "batch before"]:
        """The carry of a stream's start: silence."""
        c = self.config
        return jnp.zeros((batch_size, c.win_length - c.hop_length + 1))

    def windows(
        self, carry: Float[Array, "batch before"], sound: Float[Array, "batch samples"]
    ) -> tuple[Float[Array, "batch before"], Float[Array, "batch ticks win_length"]]:
        """The window that ends with each block of `sound`, pre-emphasised, and the new carry.

        Args:
          carry: from `init` or the call before.
          sound: whole blocks, mono.
        """
        c = self.config
        joined = jnp.concatenate([carry, sound], axis=1)
        emphasis = 0.0 if c.kind == "raw" else c.pre_emphasis
        emphasised = joined[:, 1:] - emphasis * joined[:, :-1]
        return joined[:, sound.shape[1] :], emphasised[:, self._places(sound.shape[1])]

    def whole(
        self, carry: Float[Array, "batch before"], sound: Float[Array, "batch samples"]
    ) -> Float[Array, "batch ticks"]:
        """Power of the same windows without pre-emphasis, 1 for a sine of full scale."""
        plain = jnp.concatenate([carry[:, 1:], sound], axis=1)
        return window_power(plain[:, self._places(sound.shape[1])])

    def _places(self, samples: int) -> np.ndarray:
        c = self.config
        ticks = np.arange(samples // c.hop_length)
        return ticks[:, None] * c.hop_length + np.arange(c.win_length)

    def power(
        self, windows: Float[Array, "batch ticks win_length"]
    ) -> Float[Array, "batch ticks bands"]:
        """Power of each band.

        A sine of full scale has 1 in its bin (`fft`); in the band whose middle it is, as much as
        the window spreads over bins of `n_fft`, 1 to 2 by default.
        """
        c = self.config
        spectrum = jnp.fft.rfft(windows * jnp.asarray(self.taper)[None, None], c.n_fft)
        power = (jnp.square(spectrum.real) + jnp.square(spectrum.imag)) * self.scale
        return power if self._fold is None else power @ jnp.asarray(self._fold)

    def _bands(self) -> Float[np.ndarray, "bins bands"]:
        c = self.config
        matrix = mel_matrix(c.bands, n_fft=c.n_fft, sample_rate=c.sample_rate, low_hz=c.low_hz)
        if not matrix.any(axis=1).all():
            raise WyhError(
                f"got {c.bands} bands with n_fft {c.n_fft} at {c.sample_rate} Hz, wanted a bin in "
                f"every band: raise n_fft or low_hz, or take fewer bands"
            )
        return matrix.T.astype(np.float32)

    def vectors(
        self,
        power: Float[Array, "batch ticks bands"],
        whole: Float[Array, "batch ticks"],
    ) -> Float[Array, "batch ticks size"]:
        """The features of so much power in the bands, and in the whole; fbank and fft only."""
        c = self.config
        values = decibels(power)
        if c.kind == "fbank" and c.cepstra:
            values = values @ jnp.asarray(self.cepstral)
        return (
            jnp.concatenate([values, decibels(whole)[..., None]], axis=-1) if c.energy else values
        )

    @cached_property
    def cepstral(self) -> Float[np.ndarray, "bands cepstra"]:
        """From levels of bands to cepstra: an orthonormal DCT-II, then the lifter."""
        c = self.config
        bands, order = np.arange(c.bands), np.arange(c.cepstra)
        matrix = np.cos(np.pi * order * (bands[:, None] + 0.5) / c.bands) * np.sqrt(2 / c.bands)
        matrix[:, 0] /= np.sqrt(2)
        lift = 1 + c.lifter / 2 * np.sin(np.pi * order / c.lifter) if c.lifter else 1.0
        return (matrix * lift).astype(np.float32)

    @cached_property
    def band_hz(self) -> Float[np.ndarray, " bands"]:
        """The middle of each band."""
        c = self.config
        if c.kind == "fft":
            return np.arange(c.n_fft // 2 + 1) * (c.sample_rate / c.n_fft)
        return mel_edges_hz(c.bands, c.sample_rate, c.low_hz)[1:-1]

    @cached_property
    def registers(self) -> Float[np.ndarray, "3 bands"]:
        """How much each band is bass, middle and treble: 1 in all, gliding over an octave."""
        octaves = np.log2(np.maximum(self.band_hz, 1.0))
        above = [np.clip(octaves - np.log2(hz) + 0.5, 0, 1) for hz in (BASS_HZ, TREBLE_HZ)]
        return np.stack([1 - above[0], above[0] - above[1], above[1]]).astype(np.float32)


def decibels(power: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """Level of a power, with `FLOOR_DB` added so that silence is finite."""
    return 10 * jnp.log10(power + 10 ** (FLOOR_DB / 10))


def window_power(windows: Float[Array, "*lead win_length"]) -> Float[Array, "*lead"]:
    """Mean power of each window, 1 for a sine of full scale."""
    return 2 * jnp.mean(jnp.square(windows), axis=-1)
