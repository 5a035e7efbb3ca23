"""How loud a waveform is, and a limiter that keeps it under a ceiling.

Source: Recommendation ITU-R BS.1770-4, "Algorithms to measure audio programme loudness and
true-peak audio level", 2015.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Complex, Float

from wyh.errors import WyhError

FLOOR_DB = -120.0
"""What silence measures in dB."""

FLOOR_LUFS = -70.0
"""What silence measures in LUFS: the absolute gate, nothing quieter counts."""

_SECTION, _HISTORY = 13, 3  # steps of 0.1 s filtered at once, and put before them

_REACH = 12  # samples on either side that an interpolated value looks at
_KAISER = 6.0  # flat to 0.01 dB up to 0.42 of the sample rate


def amplitude_to_db(
    amplitude: Float[Array, "*shape"], floor_db: float = FLOOR_DB
) -> Float[Array, "*shape"]:
    """20 log10 of the modulus, at least `floor_db`; gradients are finite, 0 under the floor."""
    return 20 * jnp.log10(jnp.maximum(jnp.abs(amplitude), 10 ** (floor_db / 20)))


def db_to_amplitude(db: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """The amplitude at `db` over 1."""
    return jnp.exp(db * (math.log(10) / 20))


def rms_db(waveform: Float[Array, "*batch samples"]) -> Float[Array, "*batch"]:
    """Root mean square of all samples, in dB over 1, at least `FLOOR_DB`."""
    power = jnp.mean(jnp.square(waveform), axis=-1)
    return 10 * jnp.log10(jnp.maximum(power, 10 ** (FLOOR_DB / 10)))


def k_weighting(hz: Float[np.ndarray, " points"]) -> Complex[np.ndarray, " points"]:
    """Response of the K-weighting filter: a high shelf (the head), then a high pass.

    Their coefficients are the standard's tables 1 and 2 for 48 kHz. Read as a response over Hz
    they hold for any rate, as though the sound were brought to 48 kHz first; biquads derived
    for a low rate would bend the curve. Above 24 kHz the response is that at 24 kHz.
    """
    delay = np.exp(-2j * np.pi * np.minimum(hz, 24_000) / 48_000)
    powers = delay[:, None] ** np.arange(3)
    shelf = powers @ [1.53512485958697, -2.69169618940638, 1.19839281085285]
    shelf /= powers @ [1.0, -1.69065929318241, 0.73248077421585]
    high_pass = powers @ [1.0, -2.0, 1.0]
    high_pass /= powers @ [1.0, -1.99004745483398, 0.99007225036621]
    return shelf * high_pass


def _k_weighted(waveform: Array, sample_rate: int, step: int) -> Array:
    """The waveform through the K-weighting filter, in sections by FFT, each after its past.

    The past is 0.3 s: the filter forgets by 60 dB in 40 ms, to nothing in float32 in 0.15 s.
    """
    samples = waveform.shape[-1]
    lead = [(0, 0)] * (waveform.ndim - 1)
    section, past = _SECTION * step, _HISTORY * step
    count = max(1, -(-samples // section))
    rows = jnp.pad(waveform, [*lead, (0, count * section - samples)])
    rows = rows.reshape(*waveform.shape[:-1], count, section)
    before = jnp.pad(rows[..., :-1, -past:], [*lead, (1, 0), (0, 0)])
    spectrum = jnp.fft.rfft(jnp.concatenate([before, rows], axis=-1))
    hz = np.arange((section + past) // 2 + 1) * (sample_rate / (section + past))
    response = k_weighting(hz).astype(np.complex64)
    spectrum = spectrum * jnp.broadcast_to(response, spectrum.shape)
    weighted = jnp.fft.irfft(spectrum, n=section + past)[..., past:]
    return weighted.reshape(*waveform.shape[:-1], count * section)[..., :samples]


@partial(jax.jit, static_argnames="sample_rate")
def integrated_loudness(
    waveform: Float[Array, "*batch samples"], sample_rate: int
) -> Float[Array, "*batch"]:
    """Gated loudness of each waveform by itself (one channel, weight 1), in LUFS.

    Blocks of 0.4 s every 0.1 s, both to the nearest sample at 0.1 s; blocks under -70 LUFS, then
    those 10 LU under the mean of the rest, do not count. Under 0.4 s the whole is one block.
    Silence is `FLOOR_LUFS`, as is all that the absolute gate shuts out. The loudness of several
    channels is 10 log10 of their summed 10^(LUFS / 10), near enough where the gates agree.
    """
    step = round(sample_rate / 10)
    weighted = _k_weighted(waveform, sample_rate, step)
    steps = waveform.shape[-1] // step
    if steps < 4:
        energy = jnp.sum(jnp.square(weighted), axis=-1, keepdims=True)
        power = energy / max(1, waveform.shape[-1])
    else:
        cut = weighted[..., : steps * step].reshape(*waveform.shape[:-1], steps, step)
        energy = jnp.mean(jnp.square(cut), axis=-1)
        power = _moving(energy, 4, jnp.add) / 4
    floor = 10 ** ((FLOOR_LUFS + 0.691) / 10)
    loud = power > floor
    gate = 0.1 * _mean_where(power, loud)
    total = _mean_where(power, loud & (power > gate))
    lufs = -0.691 + 10 * jnp.log10(jnp.maximum(total, floor))[..., 0]
    return jnp.maximum(lufs, FLOOR_LUFS)


def _mean_where(x: Array, chosen: Array) -> Array:
    """Mean over the last axis, kept, of the chosen values; 0 where there are none."""
    count = jnp.maximum(jnp.sum(chosen, axis=-1, keepdims=True), 1)
    return jnp.sum(jnp.where(chosen, x, 0), axis=-1, keepdims=True) / count.astype(x.dtype)


def _interpolators() -> Float[np.ndarray, "phases taps"]:
    """Kaiser-windowed sincs for 1/4, 2/4 and 3/4 of the way from the middle tap to the next."""
    taps = np.arange(1 - _REACH, 1 + _REACH)
    away = taps - np.array([[1], [2], [3]]) / 4
    sinc = np.sinc(away) * np.i0(_KAISER * np.sqrt(1 - (away / _REACH) ** 2))
    return sinc / sinc.sum(axis=1, keepdims=True)


@jax.jit
def _oversampled_peaks(waveform: Array) -> Array:
    """Largest modulus of each sample and the 3 values between it and the next.

    Value i belongs to sample `i + _REACH - 1`; there are `2 * _REACH - 1` fewer than samples.
    """
    size = waveform.shape[-1] - 2 * _REACH + 1
    peaks = jnp.abs(waveform[..., _REACH - 1 : _REACH - 1 + size])
    for phase in _interpolators():
        between = sum(float(tap) * waveform[..., i : i + size] for i, tap in enumerate(phase))
        peaks = jnp.maximum(peaks, jnp.abs(between))
    return peaks


def true_peak_db(waveform: Float[Array, "*batch samples"]) -> Float[Array, "*batch"]:
    """Largest modulus at 4 times the sample rate (BS.1770 annex 2), in dB over 1.

    The interpolator has 24 taps a phase and keeps the samples themselves, so that a true peak is
    never under the sample peak. At least `FLOOR_DB`.
    """
    lead = [(0, 0)] * (waveform.ndim - 1)
    padded = jnp.pad(waveform, [*lead, (2 * _REACH, 2 * _REACH)])
    return amplitude_to_db(jnp.max(_oversampled_peaks(padded), axis=-1))


def _moving(x: Array, size: int, join: Callable[[Array, Array], Array]) -> Array:
    """`join` over every `size` neighbours (size > 0), by doubling; `size - 1` fewer values."""
    length = x.shape[-1] - size + 1
    total, start, run = x[..., :0], 0, 1
    while True:
        if size & run:
            part = x[..., start : start + length]
            total = join(total, part) if start else part
            start += run
        if start == size:
            return total
        x = join(x[..., :-run], x[..., run:])
        run *= 2


@dataclass(frozen=True)
class Limiter:
    """A look-ahead limiter for streams that holds the true peak under a ceiling.

    The gain falls smoothly before a peak that is too high, stays down for `hold_ms` and recovers
    as smoothly. It stands still over the reach of the true-peak interpolator, so what it lets
    through peaks where it should. Tones whose half period is within the hold get a constant gain:
    they are turned down, not distorted. All is moving minima and means of finite length: what it
    remembers are the last samples, the way the stream is cut into blocks changes nothing, and a
    sound under the ceiling comes out as it went in. Channels are turned down together, so that
    nothing moves between them.

    Raises:
      WyhError: a setting out of range.
    """

    sample_rate: int  # Hz
    ceiling_db: float = -1.0  # true peak in dB over 1, -60 to 0
    lookahead_ms: float = 2.0  # time to turn down and up, 0 to 50
    hold_ms: float = 10.0  # 0 to 200; 10 is half a period of 50 Hz

    def __post_init__(self) -> None:
        for name, value, low, high in (
            ("sample_rate", self.sample_rate, 1000, 400_000),
            ("ceiling_db", self.ceiling_db, -60, 0),
            ("lookahead_ms", self.lookahead_ms, 0, 50),
            ("hold_ms", self.hold_ms, 0, 200),
        ):
            if not low <= value <= high:
                raise WyhError(f"got the limiter's {name} {value:g}, wanted {low} to {high}")

    @property
    def _box(self) -> int:
        """Samples of one of the two means that smooth the gain; together a triangle."""
        return max(8, round(self.lookahead_ms * self.sample_rate / 2000))

    @property
    def _minimum(self) -> int:
        """Samples of the moving minimum: the smoothing, the interpolator's reach, the hold."""
        hold = round(self.hold_ms * self.sample_rate / 1000)
        return 2 * self._box - 1 + 2 * _REACH - 1 + hold

    @property
    def latency_samples(self) -> int:
        """By how much the output lags behind the input, exactly."""
        return 2 * self._box - 2 + 2 * _REACH - 1

    @property
    def _memory(self) -> int:
        """Samples of the past that an output sample depends on."""
        return self.latency_samples + self._minimum - 1

    def init(self, batch_size: int, channels: int = 1) -> Float[Array, "batch *channels memory"]:
        """The carry before the first block: silence. Mono has no axis of channels."""
        lead = (batch_size,) if channels == 1 else (batch_size, channels)
        return jnp.zeros((*lead, self._memory), jnp.float32)

    def apply(
        self,
        carry: Float[Array, "batch *channels memory"],
        waveform: Float[Array, "batch *channels samples"],
    ) -> tuple[Float[Array, "batch *channels memory"], Float[Array, "batch *channels samples"]]:
        """Limit the next block, of any size; the result is `latency_samples` late."""
        samples = waveform.shape[-1]
        heard = jnp.concatenate([carry, waveform], axis=-1)
        ceiling = 10 ** (self.ceiling_db / 20)
        demand = ceiling / jnp.maximum(_oversampled_peaks(heard), ceiling)
        if demand.ndim == 3:
            demand = jnp.min(demand, axis=1, keepdims=True)
        gain = _moving(demand, self._minimum, jnp.minimum)
        for _ in range(2):
            gain = _moving(gain, self._box, jnp.add) / self._box
        start = self._memory - self.latency_samples
        return heard[..., samples:], gain * heard[..., start : start + samples]
