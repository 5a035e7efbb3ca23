"""One page's own playing: its pictures become its sound, in step with its own clock.

A page asks for sound as it is heard and sends a picture for each frame tick of the sound it asks
for, so its sound device is the only clock. What a session makes depends on nothing but what it is
told: the same pictures and log replay to the same sound.
"""

import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any

import jax
import numpy as np
from jaxtyping import UInt8

from wyh.live.log import Emitted, Event, Observed, Turns
from wyh.live.panel import Panel
from wyh.live.scenes import copied
from wyh.media.web.client import Looked, Made
from wyh.specs import StreamSpec, tick_start
from wyh.transducers.compile import Compiled
from wyh.transducers.protocol import Control, Variables


class Session:
    """One stream, told when to look and when to make sound. Each from one thread at a time.

    Attributes:
      panel: its knobs.
      frames: pictures that the model looked at.
      blocks: of sound made.
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
          log: is told of all that a replay needs, from two threads.
        """
        self._compiled, self._variables, self._spec = compiled, variables, spec
        self.panel, self._log = panel, log
        self._looks, self._makes = Turns("look", log), Turns("make", log)
        for turns in (self._looks, self._makes):
            turns(0, panel.traced)  # what a replay begins with
        # The compiled functions take their carries over: the first ones are kept for others.
        self._carry_in, self._carry_out = copied((compiled.carry_in, compiled.carry_out))
        self._lock = threading.Lock()
        self._known: deque[tuple[int, Control]] = deque()
        self.frames = self.blocks = 0

    def look(
        self, tick: int, pixels: UInt8[np.ndarray, "height width channels"], number: int
    ) -> Looked:
        """Look at a picture, unless the one before is held.

        Args:
          tick: of frames, later than the last one; the first is 0.
          pixels: the picture.
          number: of the picture in its source.
        """
        begin = time.perf_counter()
        if self.panel.values["freeze"] and self.frames:
            return Looked(time.perf_counter() - begin, None)
        knobs = self.panel.traced
        self._looks(tick, knobs)
        self._carry_in, control = self._compiled.observe(
            self._variables, self._carry_in, pixels[None, None], knobs, np.int32(tick)
        )
        jax.block_until_ready(control)
        with self._lock:
            self._known.append((tick, control))
        self._log(Observed(tick, number))
        self.frames += 1
        return Looked(time.perf_counter() - begin, control)

    def due(self, blocks: int) -> int:
        """The frame tick of the last of the next blocks."""
        return self._spec.frame_tick_at((self.blocks + blocks - 1) * self._spec.block)

    def make(self, blocks: int) -> Made:
        """The next blocks of sound; there must have been a first picture."""
        first, sound, secs = self.blocks, [], []
        for block in range(first, first + blocks):
            begin = time.perf_counter()
            sound.append(self._emit(block))
            secs.append(time.perf_counter() - begin)
        self.blocks += blocks
        return Made(first, np.concatenate(sound), secs)

    def _emit(self, block: int) -> np.ndarray:
        start = block * self._spec.block
        tick, control = self._newest(self._spec.frame_tick_at(start))
        rate, frame_rate = self._spec.audio.sample_rate, self._spec.video.frame_rate
        age = (start - tick_start(tick, rate, frame_rate)) / rate
        knobs = self.panel.traced
        self._makes(block, knobs)
        self._carry_out, samples = self._compiled.emit(
            self._variables,
            self._carry_out,
            control,
            np.array([age], np.float32),
            knobs,
            np.int32(block),
        )
        self._log(Emitted(block, tick, age))
        return np.asarray(samples)[0]

    def _newest(self, due: int) -> tuple[int, Any]:
        """The newest control of a tick up to `due`; older ones are forgotten."""
        with self._lock:
            while len(self._known) > 1 and self._known[1][0] <= due:
                self._known.popleft()
            return self._known[0]
