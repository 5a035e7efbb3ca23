"""Features of sound -> sound that has them: noise whose spectrum follows them, column by column.

The inverse of `wyh.signal.features`, but for what a level cannot tell: the phases, and where in its
band a sound is. Noise of random phases is measured as the features were, each bin corrected by what
its bands lack, and so on some times over: bands that overlap, and columns that do, then agree.
Levels are absolute, as they were read. Features that are samples are laid down as they are.
"""

from collections.abc import Iterator
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Complex, Float, Float32, PRNGKeyArray

from wyh.signal.bands import mel_matrix
from wyh.signal.features import FLOOR_DB, Extractor, FeatureConfig
from wyh.signal.stft import istft, stft, stft_window

TIMES = 8  # that noise is measured and corrected
MARGIN = 32  # columns on either side that a column's samples can depend on, at least
COLUMNS = 256  # made at once
HIGHEST_DB = 20.0  # of a band: what is read above is a mistake
_MOST = 10.0  # by which an amplitude is corrected at once
_NOTHING = 1e-14  # of power


class ShapedNoise:
    """The pure functions that make noise of features; holds constants only."""

    def __init__(self, config: FeatureConfig) -> None:
        self.config = config
        self.hop = config.win_length // 4
        self._bins = config.n_fft // 2 + 1
        self._cepstral = np.linalg.pinv(Extractor(config).cepstral) if config.cepstra else None
        self._fold = self._matrix() if config.kind == "fbank" else None
        hann = stft_window("hann", config.win_length)
        self._scale = (2 / hann.sum()) ** 2
        # Levels are those of sines, in their bin. Of noise, a broader taper hears more.
        self._enbw = _noise(hann) / _noise(stft_window(config.stft_window, config.win_length))
        turn = 2 * np.pi * np.arange(self._bins) / config.n_fft
        emphasis = 1 - config.pre_emphasis * np.exp(-1j * turn)
        self._emphasis = np.where(np.abs(emphasis) > 1e-3, emphasis, np.inf).astype(np.complex64)

    def _matrix(self) -> Float[np.ndarray, "bins bands"]:
        c = self.config
        matrix = mel_matrix(c.bands, n_fft=c.n_fft, sample_rate=c.sample_rate, low_hz=c.low_hz)
        return matrix.T.astype(np.float32)

    def powers(self, values: Float[Array, "n size"]) -> Float[Array, "n bands"]:
        """The power in each band, or bin, of some features; the level of the whole is not used."""
        c = self.config
        levels = values[:, :-1] if c.energy else values
        if self._cepstral is not None:
            levels = levels @ jnp.asarray(self._cepstral)
        return jnp.maximum(
            10 ** (jnp.minimum(levels, HIGHEST_DB) / 10) - 10 ** (FLOOR_DB / 10), 0.0
        )

    def waveform(
        self, values: Float[Array, "columns size"], first: Array | int, key: PRNGKeyArray
    ) -> Float[Array, " samples"]:
        """The sound of the columns that have `MARGIN` others on either side.

        Args:
          values: features around each column's middle, which is `hop` after the one before.
          first: number of the first column, which its phases depend on; 0 or more.
          key: of the phases.
        """
        c = self.config
        how: dict[str, Any] = {"n_fft": c.n_fft, "hop_length": self.hop, "win_length": c.win_length}
        wanted = self.powers(values) * self._enbw
        bins = self._guess(wanted)
        keys = jax.vmap(partial(jax.random.fold_in, key))(first + jnp.arange(len(values)))
        turn = jax.vmap(lambda key: jax.random.uniform(key, (self._bins,), maxval=2 * np.pi))(keys)
        spectrum = jnp.sqrt(bins / self._scale) * jnp.exp(1j * turn)

        def corrected(
            _: Array, spectrum: Complex[Array, "columns bins"]
        ) -> Complex[Array, "columns bins"]:
            again = stft(istft(spectrum, **how), **how)
            power = (jnp.square(again.real) + jnp.square(again.imag)) * self._scale
            gain = jnp.sqrt(self._lacking(power, wanted))
            return again * jnp.clip(gain, 1 / _MOST, _MOST)

        spectrum = jax.lax.fori_loop(0, TIMES, corrected, spectrum)
        sound = istft(spectrum / jnp.asarray(self._emphasis)[None], **how)
        return sound[MARGIN * self.hop : (len(values) - MARGIN) * self.hop]

    def _guess(self, wanted: Float[Array, "columns bands"]) -> Float[Array, "columns bins"]:
        """Power of each bin such that the bands have theirs (Richardson and Lucy's method)."""
        if self._fold is None:
            return wanted
        fold = jnp.asarray(self._fold)
        reach = jnp.maximum(fold.sum(axis=1), 1e-9)[None]
        each = wanted / fold.sum(axis=0)[None]
        power = each @ fold.T / reach

        def nearer(_: Array, power: Array) -> Array:
            return power * self._lacking(power, wanted)

        return jnp.asarray(jax.lax.fori_loop(0, 2 * TIMES, nearer, power))

    def _lacking(
        self, power: Float[Array, "columns bins"], wanted: Float[Array, "columns bands"]
    ) -> Float[Array, "columns bins"]:
        """By what each bin's power is to be multiplied, from what its bands have and want."""
        if self._fold is None:
            return wanted / (power + _NOTHING)
        fold = jnp.asarray(self._fold)
        ratio = wanted / (power @ fold + _NOTHING)
        return ratio @ fold.T / jnp.maximum(fold.sum(axis=1), 1e-9)[None]

    def sound(
        self,
        middles_secs: Float[np.ndarray, " n"],
        values: Float[np.ndarray, "n size"],
        samples: int,
        *,
        seed: int = 0,
    ) -> Iterator[Float32[np.ndarray, " _"]]:
        """Noise that has these features at these times, in pieces, not limited.

        Between two times the features glide; before the first and after the last they stand.

        Args:
          middles_secs: rising.
          values: features, not normalised.
          samples: of the sound, in all.
          seed: of its phases.
        """
        key = jax.random.key(seed)
        for first in range(0, -(-samples // self.hop), COLUMNS):
            columns = first + np.arange(-MARGIN, COLUMNS + MARGIN)
            at = glided(columns * (self.hop / self.config.sample_rate), middles_secs, values)
            made = np.asarray(_waveform(self, at, np.int32(first), key))
            yield made[: samples - first * self.hop]


_waveform = jax.jit(ShapedNoise.waveform, static_argnums=0)


def _noise(taper: Float[np.ndarray, " length"]) -> float:
    """How much noise a bin of a taper hears, for its gain on a sine."""
    return float(np.sum(np.square(taper)) / np.square(np.sum(taper)))


def glided(
    at_secs: Float[np.ndarray, " times"],
    known_secs: Float[np.ndarray, " n"],
    values: Float[np.ndarray, "n size"],
) -> Float32[np.ndarray, "times size"]:
    """Values at some times, on straight lines between those that are known."""
    after = np.clip(np.searchsorted(known_secs, at_secs), 1, max(1, len(known_secs) - 1))
    after = np.minimum(after, len(known_secs) - 1)
    before = np.maximum(after - 1, 0)
    span = np.maximum(known_secs[after] - known_secs[before], 1e-9)
    along = np.clip((at_secs - known_secs[before]) / span, 0, 1)[:, None]
    return (values[before] + along * (values[after] - values[before])).astype(np.float32)
