"""Magnitudes -> sound, each bin's phase a walk of its own, or that of another recording.

One column of the inverse STFT an output tick, as in `noise`, and one of two ways to phases:

- `walk`: from a random start, each tick the advance of the bin's own frequency and a random step.
- `reference`: column after column, the phases of a recording, over and over.

These are the two of the twelve in seed 003's phase study that leave no hum at the frame rate.
"""

from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Complex, Float, Int, Int16, Key, PRNGKeyArray

from wyh.errors import check_range
from wyh.signal.stft import overlap_add, stft_window
from wyh.synths.bands import glide_samples
from wyh.synths.noise import NoiseConfig, NoiseSynth
from wyh.synths.output import OutputCarry, init_output, join_columns, output
from wyh.synths.prediction import Prediction
from wyh.synths.protocol import Predicted, Synth

HARMONICS = 21
"""Up to that multiple of the frame rate steps are `BLUR` at least: bins lie at multiples of a rate
of their own, and where a bin meets a harmonic of the frame rate, a narrow line there is a hum."""

BLUR = 8.0
"""Variance of a walk over the length of a column, in rad^2, at which the lines of neighbouring bins
are so wide (Lorentz curves) that they hardly stand out: by 0.2 dB."""

_DITHER = 0.01  # of the last bit: stretches of zeros would have the same phases all along
_PLACES, _NEIGHBOURS = 128, 17  # of a recording, and bins, that its power is averaged over
_LEAST_POWER = 0.05  # where columns cancel one another


@dataclass(frozen=True)
class ContinuousConfig:
    """How phases go on from column to column."""

    step: float = np.pi / 10  # rad, standard deviation of a walk's step each tick, 0 to pi
    phases: Literal["walk", "reference"] = "walk"

    def __post_init__(self) -> None:
        check_range("step", self.step, 0, np.pi, "rad")


class ContinuousCarry(NamedTuple):
    """What is remembered from block to block."""

    tail: Float[Array, "batch tail"]
    tick: Int[Array, ""]  # of the next column
    walked: Float[Array, "batch bins"]  # rad, where the walk is, without the bins' own advance
    level: Float[Array, " bins"]  # what makes a bin as loud as its amplitude
    output: OutputCarry


def continuous(prediction: Prediction, config: ContinuousConfig) -> Synth:
    """The synth "continuous_phase".

    Variables: `{"gain_db": float32 []}`, and for `phases="reference"`
    `{"reference": {"sound": int16 [samples]}}`, mono at the prediction's sample rate.

    Raises:
      WyhError: the bands do not fit, as for `NoiseSynth`.
    """
    noise = prediction.noise
    synth = NoiseSynth(noise, prediction.n_bands)
    hop, walks = noise.hop_length, config.phases == "walk"
    share = synth.spread.sum(axis=0)  # of the one band that a bin belongs to
    band, bins = np.maximum(synth.bins, 0), synth.bins.size
    steps = walk_steps(prediction, config.step).astype(np.float32)

    def init(variables: Any, key: PRNGKeyArray, batch_size: int) -> ContinuousCarry:
        start_key, level_key = jax.random.split(key)
        if walks:
            power = jnp.asarray(walk_power(noise, steps), jnp.float32)
        else:
            power = borrowed_power(variables["reference"]["sound"], noise, level_key)
        return ContinuousCarry(
            tail=synth.silence(batch_size),
            tick=jnp.int32(0),
            walked=jax.random.uniform(start_key, (batch_size, bins), maxval=2 * np.pi),
            level=1 / jnp.sqrt(jnp.maximum(power, _LEAST_POWER)),
            output=init_output(synth.limiter, batch_size),
        )

    def emit_many(
        variables: Any,
        carry: ContinuousCarry,
        controls: Predicted,
        ages_secs: Float[Array, " time"],
        knobs: dict[str, Any],
        keys: Key[Array, " time"],
    ) -> tuple[ContinuousCarry, Float[Array, "batch samples"]]:
        amplitude = prediction.amplitudes(controls, ages_secs, knobs["glide"])
        batch, time, _ = amplitude.shape
        ticks = carry.tick + jnp.arange(time)
        walked = carry.walked
        if walks:
            drawn = jax.vmap(lambda key: jax.random.normal(key, (batch, bins)))(keys)
            taken = jnp.cumsum(drawn.transpose(1, 0, 2) * steps[None, None], axis=1)
            along = walked[:, None] + taken
            turned = jnp.exp(1j * (along + advance(noise, ticks)[None]))
            walked = jnp.mod(along[:, -1], 2 * np.pi)
        else:
            turned = borrowed(variables["reference"]["sound"], noise, ticks, keys)[None]
            turned = jnp.broadcast_to(turned, (batch, *turned.shape[1:]))
        magnitude = jnp.take(amplitude, band, axis=-1) * (share * carry.level)[None, None]
        columns = jnp.fft.irfft(magnitude * turned, noise.n_fft)
        window = stft_window("hann", noise.n_fft)
        tail, sound = join_columns(
            carry.tail, columns * jnp.broadcast_to(window, columns.shape), hop
        )
        last, sound = output(
            synth.limiter,
            carry.output,
            [sound],
            [jnp.float32(1.0)],
            variables["gain_db"],
            knobs,
            hop,
        )
        return ContinuousCarry(tail, ticks[-1] + 1, walked, carry.level, last), sound

    return Synth(
        name="continuous_phase",
        block=hop,
        latency_samples=synth.latency_samples + glide_samples(prediction),
        init=init,
        emit_many=emit_many,
        needs=frozenset({"gain_db"} if walks else {"gain_db", "reference"}),
    )


def walk_steps(prediction: Prediction, step: float) -> Float[np.ndarray, " bins"]:
    """Standard deviation of each bin's steps in rad: larger where the frame rate can be heard."""
    noise = prediction.noise
    hz = np.arange(noise.n_fft // 2 + 1) * noise.sample_rate / noise.n_fft
    least = np.sqrt(BLUR * noise.hop_length / noise.n_fft)
    return np.where(hz < HARMONICS * prediction.frame_rate, max(step, least), step)


def advance(noise: NoiseConfig, ticks: Int[Array, " time"]) -> Float[Array, "time bins"]:
    """How far in rad a partial at each bin's frequency has got: integers modulo n_fft, exact."""
    n_fft = noise.n_fft
    a_tick = np.arange(n_fft // 2 + 1) * noise.hop_length % n_fft
    turn = ((ticks % n_fft)[:, None] * a_tick[None]) % n_fft
    return turn * (2 * np.pi / n_fft)


def borrowed(
    sound: Int16[Array | np.ndarray, " samples"],
    noise: NoiseConfig,
    columns: Int[Array, " time"],
    keys: Key[Array, " time"],
) -> Complex[Array, "time bins"]:
    """What turns phases to those of a recording's columns, modulus 1.

    Column j is the one that starts at sample `j * hop_length`, of the recording in a circle: a
    column's length of its end fades into its beginning, for a step there would be one in all bins.
    """
    n_fft, hop, size = noise.n_fft, noise.hop_length, sound.shape[0]
    fade = min(n_fft, size // 2)
    circle = max(1, (size - fade) // hop) * hop  # what comes after it fades into its beginning
    places = ((columns % (circle // hop))[:, None] * hop + np.arange(n_fft)[None]) % circle
    angle = jnp.minimum(places / fade, 1.0) * (np.pi / 2)
    known = jnp.asarray(sound)
    after = jnp.take(known, jnp.minimum(places + circle, size - 1), axis=0).astype(jnp.float32)
    heard = jnp.take(known, jnp.minimum(places, size - 1), axis=0).astype(jnp.float32)
    heard = heard * jnp.sin(angle) + after * jnp.cos(angle)
    dither = jax.vmap(lambda key: jax.random.uniform(key, (n_fft,), minval=-1.0))(keys)
    spectrum = jnp.fft.rfft((heard + _DITHER * dither) * stft_window("hann", n_fft)[None])
    return spectrum / jnp.maximum(jnp.abs(spectrum), 1e-12)


def walk_power(noise: NoiseConfig, steps: Float[np.ndarray, " bins"]) -> Float[np.ndarray, " bins"]:
    """Expected power of a bin whose columns overlap, over that of a partial that is steady.

    The sum of the windows' products, averaged over the place in a hop, each by the cosine of how
    far the walk gets between the two: exp(-variance / 2) of normals.
    """
    window = stft_window("hann", noise.n_fft).astype(np.float64)
    lags = np.arange(noise.n_fft // noise.hop_length)
    apart = lags * noise.hop_length
    shares = [np.sum(window[lag:] * window[: window.size - lag]) for lag in apart]
    twice = np.where(lags > 0, 2.0, 1.0) * np.array(shares) / noise.hop_length
    return np.asarray(twice @ np.exp(-lags[:, None] * np.square(steps)[None] / 2))


def borrowed_power(
    sound: Int16[Array | np.ndarray, " samples"], noise: NoiseConfig, key: PRNGKeyArray
) -> Float[Array, " bins"]:
    """As `walk_power`, measured: phases of a recording agree from bin to bin as well.

    The power that bins of magnitude 1 have after their columns have been laid, averaged over
    places all over the recording and over neighbouring bins.
    """
    n_fft, hop = noise.n_fft, noise.hop_length
    hops = n_fft // hop
    firsts = np.linspace(0, max(1, sound.shape[0] // hop) - 1, _PLACES).astype(np.int32)
    columns = jnp.asarray((firsts[:, None] + np.arange(2 * hops - 1)).reshape(-1))
    turned = borrowed(sound, noise, columns, jax.random.split(key, columns.size))
    window = jnp.asarray(stft_window("hann", n_fft))
    laid = jnp.fft.irfft(turned * (n_fft / 2), n_fft) * window[None]
    laid = overlap_add(laid.reshape(_PLACES, -1, n_fft), hop)[:, n_fft - hop :][:, :n_fft]
    power = jnp.mean(jnp.square(jnp.abs(jnp.fft.rfft(laid * window[None]))), axis=0)
    near = jnp.ones(min(_NEIGHBOURS, power.size))
    smooth = jnp.convolve(power, near, "same") / jnp.convolve(jnp.ones_like(power), near, "same")
    # Bins of magnitude 1 are noise of the variance n_fft / 4.
    return smooth / (n_fft / 4 * float(np.sum(np.square(stft_window("hann", n_fft)))))
