"""Noise bands, oscillators on a scale, or both: what the knobs `timbre`, `scale` and `width` turn.

Both make the same latency and, band by band, the same loudness, so that the calibrated level holds
for any mixture, scale and width. What is turned off costs nothing.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Key, PRNGKeyArray

from wyh.errors import check_range
from wyh.knobs import SCALES
from wyh.signal.scales import CENTS, check_scale, scale_notes, tune
from wyh.synths.noise import NoiseConfig, NoiseSynth
from wyh.synths.oscillators import OscillatorBank
from wyh.synths.output import OutputCarry, init_output, output

_LOWEST_HZ = 40.0  # of the notes: lower ones are felt rather than heard, and hardly by the ear


@dataclass(frozen=True)
class TuningConfig:
    """What the oscillators play, where the knob `scale` asks for more than the bands' own place."""

    cents: tuple[float, ...] = (0.0, 300.0, 500.0, 700.0, 1000.0)  # the scale "own", over its root
    root_hz: float = 440.0  # of all scales, 20 to 20,000
    apart_bins: float = 1.5  # between partials that share a note, in FFT bins, 0.01 to 8

    def __post_init__(self) -> None:
        check_scale(self.cents, self.root_hz)
        check_range("apart_bins", self.apart_bins, 0.01, 8)


class MixtureCarry(NamedTuple):
    """What the synth remembers from block to block."""

    noise_tail: Float[Array, "batch *channels tail"]
    oscillator_tail: Float[Array, "batch *channels tail"]
    tick: Int[Array, ""]  # of the next column
    key: PRNGKeyArray  # of the noise's anchors
    output: OutputCarry


class MixtureSynth:
    """Noise and oscillators for so many bands; holds constants only.

    Raises:
      WyhError: as for `NoiseSynth`.
    """

    def __init__(
        self, config: NoiseConfig, tuning: TuningConfig, n_bands: int, channels: int = 1
    ) -> None:
        self.config, self.channels = config, channels
        self.noise = NoiseSynth(config, n_bands)
        self.latency_samples = self.noise.latency_samples
        self.oscillators = OscillatorBank(
            config, tunings(config, tuning, self.noise), self.noise.audibility
        )

    def init(self, key: PRNGKeyArray, batch_size: int) -> MixtureCarry:
        """The memory before the first block: silence."""
        return MixtureCarry(
            noise_tail=self.noise.silence(batch_size, self.channels),
            oscillator_tail=self.noise.silence(batch_size, self.channels),
            tick=jnp.int32(0),
            key=key,
            output=init_output(self.noise.limiter, batch_size, 2, self.channels),
        )

    def emit_many(
        self,
        carry: MixtureCarry,
        amplitude: Float[Array, "batch time bands"],
        gain_db: Float[Array, ""],
        pan: Float[Array, " bands"],
        knobs: dict[str, Any],
        keys: Key[Array, " time"],
    ) -> tuple[MixtureCarry, Float[Array, "batch *channels samples"]]:
        """One block of sound for each column of amplitudes: `samples = time * hop_length`.

        Args:
          carry: from `init` or the last call.
          amplitude: of each band.
          gain_db: the calibrated level.
          pan: where each band is heard, -1 left to 1 right; of no use in mono.
          knobs: all of them.
          keys: of the ticks.
        """
        time, hop = amplitude.shape[1], self.config.hop_length
        ticks = carry.tick + jnp.arange(time)
        sides = None if self.channels == 1 else panned(pan * knobs["width"])
        # Roots, so that what is incoherent keeps its power; exactly 0 and 1 at the ends.
        noisy, tonal = jnp.sqrt(1 - knobs["timbre"]), jnp.sqrt(knobs["timbre"])
        silence = jnp.zeros_like(carry.noise_tail)
        quiet = jnp.zeros((*silence.shape[:-1], time * hop))

        def noise() -> tuple[Array, Array, Array]:
            return self.noise.sound_many(
                carry.noise_tail, ticks, carry.key, amplitude, knobs, keys, sides
            )

        def oscillators() -> tuple[Array, Array]:
            return self.oscillators.sound_many(
                carry.oscillator_tail, ticks, amplitude, knobs["scale"].astype(jnp.int32), sides
            )

        # What was just turned off still plays its ramp down.
        heard = (jnp.stack([noisy, tonal]) > 0) | (carry.output.gains > 0)
        noise_tail, noise_sound, scale = jax.lax.cond(
            heard[0], noise, lambda: (silence, quiet, jnp.float32(0.0))
        )
        oscillator_tail, oscillator_sound = jax.lax.cond(
            heard[1], oscillators, lambda: (silence, quiet)
        )
        last, sound = output(
            self.noise.limiter,
            carry.output,
            [noise_sound, oscillator_sound],
            [scale * noisy, tonal],
            gain_db,
            knobs,
            hop,
        )
        after = MixtureCarry(noise_tail, oscillator_tail, ticks[-1] + 1, carry.key, last)
        return after, sound


def tunings(
    config: NoiseConfig, tuning: TuningConfig, synth: NoiseSynth
) -> Float[np.ndarray, "scales bands"]:
    """The frequency in Hz that each band plays in each of `SCALES`; all rise along the code."""
    bin_hz, limit_hz = config.sample_rate / config.n_fft, config.sample_rate / 2
    # Neither 0 Hz nor half the sample rate can be played.
    hz = np.clip(np.arange(synth.bins.size) * bin_hz, bin_hz / 4, limit_hz - bin_hz / 4)
    own_place = np.array([hz[synth.bins == band].mean() for band in range(synth.n_bands)])
    low_hz = min(max(config.low_hz, _LOWEST_HZ), config.high_hz)
    cents = CENTS | {"own": tuning.cents}
    return np.stack(
        [
            own_place
            if name == "bands"
            else tune(
                own_place,
                scale_notes(cents[name], tuning.root_hz, low_hz, min(config.high_hz, limit_hz - 1)),
                apart_hz=tuning.apart_bins * bin_hz,
                limit_hz=limit_hz,
            )
            for name in SCALES
        ]
    )


def panned(pan: Float[Array, " bands"]) -> Float[Array, "2 bands"]:
    """How much of each band is left and right for places from -1 to 1, at equal power."""
    angle = (pan + 1) * (np.pi / 4)
    return jnp.stack([jnp.cos(angle), jnp.sin(angle)])
