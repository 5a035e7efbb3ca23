"""From a live log back to the same sound or pictures: live and offline are one computation."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping

import jax
import numpy as np
from jaxtyping import Float32, UInt8

from wyh.errors import WyhError
from wyh.knobs import Knobs
from wyh.live.log import Emitted, Event, Observed, Turned
from wyh.live.scenes import copied
from wyh.transducers.compile import Compiled, traced
from wyh.transducers.protocol import Control, KnobValues, Variables


def replay(
    compiled: Compiled,
    variables: Variables,
    frames: Mapping[int, UInt8[np.ndarray, "height width channel"]],
    log: Iterable[Event],
    knobs: Knobs,
) -> Float32[np.ndarray, "samples ..."]:
    """The sound that a live stream made.

    Args:
      compiled: with the stream's seed; one observe tick, and one emit tick where knobs were
        turned, else any number.
      variables: of the model.
      frames: the source's pictures by their number.
      log: all that the stream logged, in any order.
      knobs: as they were at the start.

    Returns:
      All blocks joined, the declared latency in front.

    Raises:
      WyhError: the log does not begin with the first block, or has gaps.
    """
    events = list(log)
    looked = sorted(event for event in events if isinstance(event, Observed))
    made = sorted(event for event in events if isinstance(event, Emitted))
    if [event.block for event in made] != list(range(len(made))):
        raise WyhError("got a log with blocks missing, wanted all of them from the first")
    size = compiled.emit_ticks
    if size > 1 and any(isinstance(event, Turned) for event in events):
        raise ValueError("knobs were turned: wanted one emit tick at a time")
    values_at = {side: _values(knobs, events, side) for side in ("look", "make")}
    carry, controls = copied(compiled.carry_in), dict[int, Control]()
    for event in looked:
        picture = frames[event.frame][None, None]
        carry, controls[event.tick] = compiled.observe(
            variables, carry, picture, values_at["look"](event.tick), np.int32(event.tick)
        )
    carry, sound = copied(compiled.carry_out), []
    for first in range(0, len(made), size):
        some = made[first : first + size]
        padded = some + [some[-1]] * (size - len(some))  # the last ones: cut off again
        chosen = jax.tree.map(
            lambda *leaves: np.concatenate(leaves, axis=1), *(controls[e.tick] for e in padded)
        )
        ages = np.array([event.age_secs for event in padded], np.float32)
        values = values_at["make"](first)
        carry, samples = compiled.emit(variables, carry, chosen, ages, values, np.int32(first))
        sound.append(np.asarray(samples)[0, : samples.shape[1] // size * len(some)])
    return np.concatenate(sound) if sound else np.zeros(0, np.float32)


def replay_pictures(
    compiled: Compiled,
    variables: Variables,
    blocks: Mapping[int, Float32[np.ndarray, " block"]],
    log: Iterable[Event],
    knobs: Knobs,
) -> Iterator[tuple[int, UInt8[np.ndarray, "height width 3"]]]:
    """The pictures that a live stream made of sound, each with its number.

    Args:
      compiled: with the stream's seed; one tick each.
      variables: of the model.
      blocks: the source's blocks of sound by their number.
      log: all that the stream logged, in any order.
      knobs: as they were at the start.
    """
    events = list(log)
    values_at = {side: _values(knobs, events, side) for side in ("look", "make")}
    carry, controls = copied(compiled.carry_in), dict[int, Control]()
    for event in sorted(event for event in events if isinstance(event, Observed)):
        sound = blocks[event.frame][None, None]
        carry, controls[event.tick] = compiled.observe(
            variables, carry, sound, values_at["look"](event.tick), np.int32(event.tick)
        )
    carry = copied(compiled.carry_out)
    for made in sorted(event for event in events if isinstance(event, Emitted)):
        age, values = np.array([made.age_secs], np.float32), values_at["make"](made.block)
        control, number = controls[made.tick], np.int32(made.block)
        carry, pixels = compiled.emit(variables, carry, control, age, values, number)
        yield made.block, np.asarray(pixels)[0, 0]


def _values(knobs: Knobs, events: list[Event], side: str) -> Callable[[int], KnobValues]:
    """The knobs of a side at each of its ticks, asked for in order."""
    turned = sorted(event for event in events if isinstance(event, Turned) and event.side == side)
    values, coming = traced(knobs), deque(turned)

    def at(tick: int) -> KnobValues:
        nonlocal values
        while coming and coming[0].at <= tick:
            event = coming.popleft()
            values = values | {event.name: np.float32(event.value)}
        return values

    return at
