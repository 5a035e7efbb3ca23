"""One page's own playing, from sound to pictures: its sound, block by block, is the clock.

What a session makes depends on nothing but what it is told: the same blocks and log replay to the
same pictures.
"""

import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import jax
import numpy as np
from jaxtyping import Float32, UInt8

from wyh.knobs import Knobs
from wyh.live.log import Emitted, Event, Observed, Turned, Turns
from wyh.live.panel import Panel
from wyh.live.scenes import copied
from wyh.media.web.picture_client import Listened, Painted
from wyh.specs import StreamSpec, tick_start
from wyh.transducers.compile import Compiled, traced
from wyh.transducers.protocol import Control, KnobValues, Variables

_KEPT = 512  # controls: more than any picture that can still be made goes back


class PictureSession:
    """One stream, told when to hear and when to paint; by one thread at a time.

    Attributes:
      panel: its knobs.
      blocks: of sound that the model heard.
      pictures: that were made.
    """

    def __init__(
        self,
        compiled: Compiled,
        variables: Variables,
        spec: StreamSpec,
        panel: Panel,
        *,
        log: Callable[[Event], None] = lambda event: None,
    ):
        """Prepare to play.

        Args:
          compiled: of one tick each; shared with other sessions, for it is left as it was.
          variables: of the model, on the device.
          spec: of the stream.
          panel: the knobs of this session alone.
          log: is told of all that a replay needs: `Observed` of each block, `Emitted` of each
            picture, both by their numbers.
        """
        self._compiled, self._variables, self._spec = compiled, variables, spec
        self.panel, self._log = panel, log
        self._hears, self._paints = Turns("look", log), Turns("make", log)
        for turns in (self._hears, self._paints):
            turns(0, panel.traced)  # what a replay begins with
        # The compiled functions take their carries over: the first ones are kept for others.
        self._carry_in, self._carry_out = copied((compiled.carry_in, compiled.carry_out))
        self._known: deque[tuple[int, Control]] = deque(maxlen=_KEPT)
        self._late, self._heard, self._painted = 0, 0, -1
        self.blocks = self.pictures = 0

    def begin(self, *, from_file: bool) -> None:
        """Before the first block. A song is played late enough for pictures in the middle of it."""
        self._late = self._spec.latency_samples if from_file else 0

    def hear(self, first: int, blocks: Float32[np.ndarray, "blocks block"]) -> Listened:
        """Hear blocks, also while a picture is held.

        Args:
          first: number of the first one, later than all before; the first of all is 0.
          blocks: in a row.
        """
        secs = []
        for number, block in enumerate(blocks, first):
            begin = time.perf_counter()
            self._heard = number + 1
            knobs = self.panel.traced
            self._hears(number, knobs)
            self._carry_in, control = self._compiled.observe(
                self._variables, self._carry_in, block[None, None], knobs, np.int32(number)
            )
            self._known.append((number, control))
            self._log(Observed(number, number))
            self.blocks += 1
            secs.append(time.perf_counter() - begin)
        jax.block_until_ready(self._known[-1][1])
        return Listened(secs)

    def due(self) -> int:
        """The newest picture whose sound has come, or that is held; -1 before there is one.

        Its tick lies in the block that has not ended yet.
        """
        if self.panel.values["freeze"] and self.pictures:
            return self._painted
        sample = (self._heard + 1) * self._spec.block - 1 - self._late
        return self._spec.frame_tick_at(sample) if self._heard and sample >= 0 else -1

    def paint(self, number: int) -> Painted:
        """Make a picture that is due, later than the last."""
        begin = time.perf_counter()
        spec, rate = self._spec, self._spec.audio.sample_rate
        at = tick_start(number, rate, spec.video.frame_rate) + self._late
        while len(self._known) > 1 and (self._known[1][0] + 1) * spec.block <= at:
            self._known.popleft()
        block, control = self._known[0]
        age = max(0, at - (block + 1) * spec.block) / rate
        knobs = self.panel.traced
        self._paints(number, knobs)
        self._carry_out, pixels = self._compiled.emit(
            self._variables,
            self._carry_out,
            control,
            np.array([age], np.float32),
            knobs,
            np.int32(number),
        )
        self._log(Emitted(number, block, age))
        self._painted = number
        self.pictures += 1
        return Painted(number, np.asarray(pixels)[0, 0], time.perf_counter() - begin)


def replay_pictures(
    compiled: Compiled,
    variables: Variables,
    blocks: Mapping[int, Float32[np.ndarray, " block"]],
    log: Iterable[Event],
    knobs: Knobs,
) -> dict[int, UInt8[np.ndarray, "height width 3"]]:
    """The pictures that a session made, by their number.

    Args:
      compiled: with the session's seed, of one tick each.
      variables: of the model.
      blocks: the sound, by number.
      log: all that the session logged, in any order.
      knobs: as they were at the start.
    """
    events = list(log)
    values = {side: _Values(knobs, events, side) for side in ("look", "make")}
    carry, controls = copied(compiled.carry_in), dict[int, Any]()
    for event in sorted(event for event in events if isinstance(event, Observed)):
        block = blocks[event.frame][None, None]
        carry, controls[event.tick] = compiled.observe(
            variables, carry, block, values["look"].at(event.tick), np.int32(event.tick)
        )
    carry, pictures = copied(compiled.carry_out), {}
    for made in sorted(event for event in events if isinstance(event, Emitted)):
        age, turned = np.array([made.age_secs], np.float32), values["make"].at(made.block)
        carry, pixels = compiled.emit(
            variables, carry, controls[made.tick], age, turned, np.int32(made.block)
        )
        pictures[made.block] = np.asarray(pixels)[0, 0]
    return pictures


class _Values:
    """The knobs of a side at each of its ticks, asked for in order."""

    def __init__(self, knobs: Knobs, events: Iterable[Event], side: str):
        self._values: KnobValues = traced(knobs)
        turned = (event for event in events if isinstance(event, Turned) and event.side == side)
        self._coming = deque(sorted(turned))

    def at(self, tick: int) -> KnobValues:
        while self._coming and self._coming[0].at <= tick:
            event = self._coming.popleft()
            self._values = self._values | {event.name: np.float32(event.value)}
        return self._values
