"""The models that play: one run, or several to fade between, each open to newer variables.

The look thread calls `Scenes.observe`, the make thread `Scenes.emit`; they share nothing but the
controls that the one hands to the other. A control goes with the variables it was made by, so a
newer checkpoint reaches the sound at a tick, and what played before fades out under it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import numpy as np
from jaxtyping import Float, Float32, UInt8

from wyh.errors import WyhError
from wyh.live.ring import shaped
from wyh.specs import StreamSpec
from wyh.transducers.compile import Compiled
from wyh.transducers.kinds import Player
from wyh.transducers.protocol import Carry, Control, KnobValues, Variables

SWAP_SECS = 0.05  # in which a newer checkpoint replaces what played before
FADE_SECS = 0.5  # from one scene to another, however fast its knob was turned


class Seen(NamedTuple):
    """What one scene made of a picture."""

    variables: Variables
    control: Control


@dataclass
class _Voice:
    """The emit side of one scene."""

    carry: Carry
    seen: Seen
    tick: int


class Scene:
    """One run, ready to play."""

    def __init__(self, player: Player, compiled: Compiled):
        """Take over a run compiled for one tick each."""
        self.player, self.compiled = player, compiled
        self.variables: Variables = jax.device_put(player.variables)
        self.carry_in = copied(compiled.carry_in)

    def swap(self, variables: Variables) -> None:
        """Play with newer variables from the next tick on. From any thread."""
        self.variables = jax.device_put(variables)


class Scenes:
    """All scenes of a stream, of one and the same spec.

    Attributes:
      spec: of all of them.
      sounding: numbers from 0 of those that are heard, or will be with the next block.
    """

    def __init__(self, scenes: list[Scene]):
        """Raises WyhError where one has other sizes or rates than the first."""
        self._scenes, self.spec = scenes, scenes[0].player.transducer.spec
        for scene in scenes[1:]:
            check_alike(self.spec, scene.player)
        self.sounding = frozenset({0})
        self._power = np.eye(len(scenes))[0]
        self._voices: dict[int, _Voice] = {}
        self._leaving: dict[int, tuple[_Voice, int]] = {}  # and blocks for which it still fades
        block_secs = self.spec.block / self.spec.audio.sample_rate
        self._swap_blocks = max(1, round(SWAP_SECS / block_secs))
        self._stride = block_secs / FADE_SECS

    def warm_up(self, knobs: KnobValues) -> dict[int, Seen]:
        """Call all functions once, each with memory of its own; what was made of black pictures."""
        seen = {}
        frame = np.zeros((1, 1, *self.spec.video.shape), np.uint8)
        tick, age = np.int32(0), np.zeros(1, np.float32)
        for number, scene in enumerate(self._scenes):
            functions, variables = scene.compiled, scene.variables
            carry = copied(functions.carry_in)
            _, control = functions.observe(variables, carry, frame, knobs, tick)
            carry = copied(functions.carry_out)
            np.asarray(functions.emit(variables, carry, control, age, knobs, tick)[1])
            seen[number] = Seen(variables, control)
        return seen

    def observe(
        self, tick: int, pixels: UInt8[np.ndarray, "height width channel"], knobs: KnobValues
    ) -> dict[int, Seen]:
        """Let every scene that is heard look at a picture."""
        seen = {}
        for number in sorted(self.sounding):
            scene = self._scenes[number]
            variables = scene.variables
            scene.carry_in, control = scene.compiled.observe(
                variables, scene.carry_in, pixels[None, None], knobs, np.int32(tick)
            )
            seen[number] = Seen(variables, control)
        jax.block_until_ready([one.control for one in seen.values()])
        return seen

    def emit(
        self,
        block: int,
        tick: int,
        seen: Mapping[int, Seen],
        age_secs: Callable[[int], float],
        knobs: KnobValues,
        position: float,
    ) -> Float32[np.ndarray, "samples ..."]:
        """One block of sound of all scenes that are heard.

        Args:
          block: its number.
          tick: of the newest picture.
          seen: what the scenes made of it.
          age_secs: how old the picture of a tick is at the block's first sample.
          knobs: as the compiled functions take them.
          position: the `scene` knob: 1 is the first run, 1.5 half the first and half the second.
        """
        target = powers(position, len(self._scenes))
        after = self._power
        if all(number in seen or number in self._voices for number in _where(target)):
            after = after + np.clip(target - after, -self._stride, self._stride)
        # Else one has not looked yet: its turn comes with the next picture.
        sound: Any = None
        for number in _where(np.maximum(self._power, after)):
            one = self._one(number, block, tick, seen.get(number), age_secs, knobs)
            sides = self._power[number], after[number]
            if sides != (1.0, 1.0):
                ramp = np.sqrt(np.linspace(*sides, len(one) + 1)[1:])
                one = one * shaped(ramp, one)
            sound = one if sound is None else sound + one
        for number in _where(after == 0):
            self._voices.pop(number, None)
            self._leaving.pop(number, None)
        self._power = after
        self.sounding = frozenset(_where(np.maximum(after, target)))
        return sound

    def _one(
        self,
        number: int,
        block: int,
        tick: int,
        seen: Seen | None,
        age_secs: Callable[[int], float],
        knobs: KnobValues,
    ) -> Float32[np.ndarray, "samples ..."]:
        compiled, voice = self._scenes[number].compiled, self._voices.get(number)
        if voice is None:
            assert seen is not None
            voice = _Voice(copied(compiled.carry_out), seen, tick)
            self._voices[number] = voice
        elif seen is not None and seen.variables is not voice.seen.variables:
            before = _Voice(copied(voice.carry), voice.seen, voice.tick)
            self._leaving[number] = before, self._swap_blocks
        if seen is not None:
            voice.seen, voice.tick = seen, tick
        sound = _emitted(compiled, voice, block, age_secs, knobs)
        if number in self._leaving:
            before, left = self._leaving.pop(number)
            old = _emitted(compiled, before, block, age_secs, knobs)
            # The same noise under both, so it is their amplitudes that add up to one.
            part = np.linspace(left, left - 1, len(sound) + 1, dtype=np.float32)[1:]
            sound = sound + (old - sound) * shaped(part / self._swap_blocks, sound)
            if left > 1:
                self._leaving[number] = before, left - 1
        return sound


def _emitted(
    compiled: Compiled,
    voice: _Voice,
    block: int,
    age_secs: Callable[[int], float],
    knobs: KnobValues,
) -> Float32[np.ndarray, "samples ..."]:
    age = np.array([age_secs(voice.tick)], np.float32)
    voice.carry, sound = compiled.emit(
        voice.seen.variables, voice.carry, voice.seen.control, age, knobs, np.int32(block)
    )
    return np.asarray(sound)[0]


def _where(values: np.ndarray) -> list[int]:
    return [int(number) for number in np.flatnonzero(values)]


def powers(position: float, count: int) -> Float[np.ndarray, " scenes"]:
    """How much power each scene has where the knob stands at `position`, 1 for the first."""
    return np.maximum(0.0, 1 - np.abs(np.arange(1, count + 1) - min(position, count)))


def copied(carry: Carry) -> Carry:
    """The compiled functions take their carries over: this one is kept for others."""
    return jax.tree.map(lambda leaf: leaf.copy(), carry)


def check_alike(spec: StreamSpec, player: Player) -> None:
    """Refuse a scene that cannot share its source and sink with the first.

    Raises:
      WyhError: another size, rate, block or latency.
    """
    other = player.transducer.spec
    if other == spec:
        return
    here, there = spec.to_json(), other.to_json()
    name = next(name for name in here if here[name] != there[name])
    raise WyhError(
        f"got the scene {player.run.directory} with {name} {there[name]}, wanted {here[name]} as "
        f"in the first one: train both with the same sizes and rates"
    )
