"""Note amplitudes -> sound: a sine for each note, struck when the model says so.

Between pictures amplitudes glide. A strike begins at its own time within a picture, at the
amplitude that explains what was read around it, and decays by itself for as long as readings still
reach back before it; then the amplitudes take over. Until it begins, what a reading already knows
of it is left out. Phases never jump: frequencies are whole multiples of `sample_rate / 2**32`.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, Key, PRNGKeyArray

from wyh.errors import WyhError, check_range
from wyh.signal.levels import Limiter
from wyh.synths.output import OutputCarry, init_output, output
from wyh.synths.prediction import glided
from wyh.synths.protocol import Magnitudes, NoteAmplitudes, Synth
from wyh.synths.strikes import REACH, check_notes, decay_samples, latest, seen_at, strikes_due

APART_SECS = 0.06
"""Strikes of one note closer than this are one."""

_TURN = 2**32  # of a phase, in the smallest steps
_FINE = 24  # bits of it that float32 holds
_LONG_AGO = -1e9  # samples


@dataclass(frozen=True)
class AdditiveConfig:
    """How notes sound."""

    partials: tuple[tuple[float, float], ...] = ((1.0, 1.0),)  # ratio and relative amplitude
    decay_secs: float = 0.18  # in which a strike at 440 Hz falls to 1 / e: a marimba's
    decay_slope: float = 1 / 3  # by which power of the frequency higher notes fall faster, 0 to 2
    attack_secs: float = 0.001  # in which amplitudes change at the fastest, 0.0005 to 0.05
    threshold: float = 0.5  # probability from which on a strike is one, 0 to 1
    block: int = 256  # samples
    ceiling_db: float = -1.0  # true peak, dBFS

    def __post_init__(self) -> None:
        check_range("decay_secs", self.decay_secs, 0.01, 60, "s")
        check_range("decay_slope", self.decay_slope, 0, 2)
        check_range("attack_secs", self.attack_secs, 0.0005, 0.05, "s")
        check_range("threshold", self.threshold, 0, 1)
        check_range("block", self.block, 16, 65536, "samples")
        if not any(ratio == 1 and level == 1 for ratio, level in self.partials):
            raise WyhError(
                f"got the partials {self.partials}, wanted (1, 1) among them: the note itself"
            )
        for ratio, level in self.partials:
            check_range("a partial's ratio", ratio, 0.1, 100)
            check_range("a partial's amplitude", level, 0, 10)


class AdditiveCarry(NamedTuple):
    """What is remembered from block to block; times in samples from the start of the next."""

    tick: Int[Array, ""]
    age: Float[Array, ""]  # of the control at the last tick, in samples; infinite before the first
    joined: Bool[Array, ""]  # that control came a period after the one before it
    level: Float[Array, "batch notes"]  # that amplitudes have glided to
    begun: Float[Array, "batch notes"]  # when the strike that sounds began
    peak: Float[Array, "batch notes"]  # at which amplitude
    asked: Float[Array, "batch notes"]  # when one was last predicted, be it the same one again
    memory: Float[Array, "batch notes taps"]  # amplitudes of the last samples
    output: OutputCarry


class AdditiveSynth:
    """The pure functions of a bank of struck sines; holds constants only.

    Attributes:
      latency_samples: from the middle of a picture's time to the middle of its sound; from a strike
        to the middle of its attack.
    """

    def __init__(
        self,
        notes_hz: Float[np.ndarray, " notes"],
        frame_rate: float,
        sample_rate: int,
        config: AdditiveConfig,
    ) -> None:
        """Make a bank; arguments and errors as for `additive`."""
        check_notes(notes_hz, frame_rate, sample_rate)
        self.config, self.sample_rate, self.notes = config, sample_rate, len(notes_hz)
        self.period = sample_rate / frame_rate
        self.limiter = Limiter(sample_rate, ceiling_db=config.ceiling_db)
        half = max(1, round(config.attack_secs * sample_rate / 2))
        self.taps = 2 * half + 1
        late = config.block + round(self.period / 2) + half
        self.latency_samples = late + self.limiter.latency_samples
        self._decay = decay_samples(notes_hz, sample_rate, config.decay_secs, config.decay_slope)
        # Partials above half the sample rate would be heard as others.
        partials = notes_hz[None] * np.array([ratio for ratio, _ in config.partials])[:, None]
        level = np.array([level for _, level in config.partials])[:, None]
        self._partials = np.where(partials < sample_rate / 2, level, 0.0).astype(np.float32)
        self._step = np.rint(partials / sample_rate * _TURN).astype(np.int64).astype(np.uint32)
        # Else all would peak together at the start.
        begin = np.random.default_rng(0).integers(0, _TURN, partials.shape)
        self._begin = begin.astype(np.uint32)

    @cached_property
    def _smoothing(self) -> Float[np.ndarray, "padded block"]:
        """Means under a Hann window, as a matrix on a block with what lies before it."""
        block, taps = self.config.block, self.taps
        hann = np.hanning(taps + 2)[1:-1]
        place = np.arange(block + taps - 1)[:, None] - np.arange(block)[None]
        inside = (place >= 0) & (place < taps)
        weights = np.where(inside, hann[np.clip(place, 0, taps - 1)] / hann.sum(), 0)
        return weights.astype(np.float32)

    def init(self, batch_size: int) -> AdditiveCarry:
        """The memory before the first block: silence."""
        shape = (batch_size, self.notes)
        return AdditiveCarry(  # each its own array: the carry is donated
            tick=jnp.int32(0),
            age=jnp.float32(jnp.inf),
            joined=jnp.bool_(False),
            level=jnp.zeros(shape),
            begun=jnp.full(shape, _LONG_AGO, jnp.float32),
            peak=jnp.zeros(shape),
            asked=jnp.full(shape, _LONG_AGO, jnp.float32),
            memory=jnp.zeros((batch_size, self.notes, self.taps - 1)),
            output=init_output(self.limiter, batch_size),
        )

    def emit_many(
        self,
        carry: AdditiveCarry,
        controls: NoteAmplitudes | Magnitudes,
        ages_secs: Float[Array, " time"],
        gain_db: Float[Array, ""],
        knobs: dict[str, Any],
    ) -> tuple[AdditiveCarry, Float[Array, "batch samples"]]:
        """One block of sound for each control; those without strikes glide alone."""
        block, time = self.config.block, len(ages_secs)
        ages = ages_secs * self.sample_rate
        seen = seen_at(carry.age, carry.joined, ages, period=self.period, block=block)
        pair = Magnitudes(controls.value, controls.previous)
        level = glided(pair, ages / self.period, knobs["glide"])
        due = strikes_due(
            controls,
            level,
            seen,
            period=self.period,
            block=block,
            decay=self._decay,
            threshold=self.config.threshold,
        )
        starts = (jnp.arange(time) * block).astype(jnp.float32)[None, :, None]
        at = starts + due.at
        asked = latest(carry.asked, due.asked, at)
        struck = due.asked & (at - asked[:, :-1] >= APART_SECS * self.sample_rate)
        begun, peak = latest(carry.begun, struck, at), latest(carry.peak, struck, due.peak)
        levels = jnp.concatenate([carry.level[:, None], due.level], axis=1)

        along = jnp.arange(block, dtype=jnp.float32)[None, None, None]
        now = starts[..., None] + along
        new = now >= begun[:, 1:, :, None]
        since = now - jnp.where(new, begun[:, 1:, :, None], begun[:, :-1, :, None])
        loud = jnp.where(new, peak[:, 1:, :, None], peak[:, :-1, :, None])
        decaying = loud * jnp.exp(-since / jnp.asarray(self._decay)[None, None, :, None])
        own = jnp.clip(REACH + 1 - since / self.period, 0.0, 1.0)
        before, after = levels[:, :-1, :, None], levels[:, 1:, :, None]
        gliding = before + (after - before) * (along / block)
        amplitude = gliding + (decaying - gliding) * own

        memory, amplitude = self._smoothed(carry.memory, amplitude)
        ticks = carry.tick + jnp.arange(time)
        sound = jnp.sum(amplitude * self._waves(ticks)[None], axis=2).reshape(-1, time * block)
        last, sound = output(
            self.limiter, carry.output, [sound], [jnp.float32(1)], gain_db, knobs, block
        )
        end = float(time * block)
        return AdditiveCarry(
            tick=ticks[-1] + 1,
            age=seen.ages[-1],
            joined=seen.joined[-1],
            level=levels[:, -1],
            begun=jnp.maximum(begun[:, -1] - end, _LONG_AGO),
            peak=peak[:, -1],
            asked=jnp.maximum(asked[:, -1] - end, _LONG_AGO),
            memory=memory,
            output=last,
        ), sound

    def _smoothed(
        self,
        memory: Float[Array, "batch notes taps"],
        amplitude: Float[Array, "batch time notes n"],
    ) -> tuple[Float[Array, "batch notes taps"], Float[Array, "batch time notes n"]]:
        """No amplitude jumps: means over the attack."""
        block, time = self.config.block, amplitude.shape[1]
        stream = jnp.moveaxis(amplitude, 1, 2).reshape(*memory.shape[:2], time * block)
        stream = jnp.concatenate([memory, stream], axis=-1)
        place = np.arange(time)[:, None] * block + np.arange(block + self.taps - 1)[None]
        weights = jnp.asarray(self._smoothing)
        smooth = jnp.matmul(stream[..., place], weights, precision=jax.lax.Precision.HIGHEST)
        return stream[..., time * block :], jnp.moveaxis(smooth, 2, 1)

    def _waves(self, ticks: Int[Array, " time"]) -> Float[Array, "time notes block"]:
        """The notes at amplitude 1, a pure function of the tick."""
        block, time = self.config.block, jnp.arange(self.config.block, dtype=jnp.uint32)
        samples = ticks.astype(jnp.uint32)[:, None] * block + time[None]
        step, begin = jnp.asarray(self._step), jnp.asarray(self._begin)
        turn = samples[:, None, None] * step[None, :, :, None] + begin[None, :, :, None]
        angle = (turn >> (32 - _FINE)).astype(jnp.float32) * (2 * np.pi / 2**_FINE)
        return jnp.sum(jnp.sin(angle) * jnp.asarray(self._partials)[None, :, :, None], axis=1)


def additive(
    notes_hz: Float[np.ndarray, " notes"],
    frame_rate: float,
    sample_rate: int,
    config: AdditiveConfig,
) -> Synth:
    """The synth "additive", which takes `NoteAmplitudes`, or `Magnitudes` that are never struck.

    A note of amplitude a is a sine of amplitude a, at a `gain_db` of 0.

    Args:
      notes_hz: frequency of each note, in any order, 1 Hz to half the sample rate.
      frame_rate: in Hz, 1 to 240.
      sample_rate: in Hz.
      config: how notes sound.

    Raises:
      WyhError: no notes, or something out of range.
    """
    synth = AdditiveSynth(notes_hz, frame_rate, sample_rate, config)

    def init(variables: Any, key: PRNGKeyArray, batch_size: int) -> AdditiveCarry:
        return synth.init(batch_size)

    def emit_many(
        variables: Any,
        carry: AdditiveCarry,
        controls: NoteAmplitudes | Magnitudes,
        ages_secs: Float[Array, " time"],
        knobs: dict[str, Any],
        keys: Key[Array, " time"],
    ) -> tuple[AdditiveCarry, Float[Array, "batch samples"]]:
        return synth.emit_many(carry, controls, ages_secs, variables["gain_db"], knobs)

    return Synth(
        name="additive",
        block=config.block,
        latency_samples=synth.latency_samples,
        init=init,
        emit_many=emit_many,
        needs=frozenset({"gain_db"}),
    )
