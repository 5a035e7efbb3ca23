"""From a live log back to the same sound: live and offline are one computation."""

from collections.abc import Iterable, Mapping

import jax
import numpy as np
from jaxtyping import Float32, UInt8

from wyh.errors import WyhError
from wyh.knobs import Knobs
from wyh.live.log import Emitted, Event, Observed
from wyh.transducers.compile import Compiled, traced
from wyh.transducers.protocol import Control, Variables


def replay(
    compiled: Compiled,
    variables: Variables,
    frames: Mapping[int, UInt8[np.ndarray, "height width channel"]],
    log: Iterable[Event],
    knobs: Knobs,
) -> Float32[np.ndarray, "samples ..."]:
    """The sound that a live stream made.

    Args:
      compiled: with the stream's seed; one observe tick, any number of emit ticks.
      variables: of the model.
      frames: the source's pictures by their number.
      log: all that the stream logged, in any order.
      knobs: as they were.

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
    values, controls = traced(knobs), dict[int, Control]()
    carry = jax.tree.map(lambda leaf: leaf.copy(), compiled.carry_in)
    for event in looked:
        picture = frames[event.frame][None, None]
        carry, controls[event.tick] = compiled.observe(
            variables, carry, picture, values, np.int32(event.tick)
        )
    carry = jax.tree.map(lambda leaf: leaf.copy(), compiled.carry_out)
    sound, size = [], compiled.emit_ticks
    for first in range(0, len(made), size):
        some = made[first : first + size]
        padded = some + [some[-1]] * (size - len(some))  # the last ones: cut off again
        chosen = jax.tree.map(
            lambda *leaves: np.concatenate(leaves, axis=1), *(controls[e.tick] for e in padded)
        )
        ages = np.array([event.age_secs for event in padded], np.float32)
        carry, samples = compiled.emit(variables, carry, chosen, ages, values, np.int32(first))
        sound.append(np.asarray(samples)[0, : samples.shape[1] // size * len(some)])
    return np.concatenate(sound) if sound else np.zeros(0, np.float32)
