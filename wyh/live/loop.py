"""The live loop of a sonifier: three threads around a ring, none of which waits for a slower one.

- look: at each frame tick the model observes the newest picture; the newest control is published.
- make: each block of sound is emitted when stream time reaches its start, into the ring.
- play: the sink takes each block `buffer_secs` later, on the stream's clock.

Input tick k is at `k / frame_rate` of stream time, which starts with the first picture. Block j
uses the newest control timed at or before its first sample; `make` waits for that control no
longer than the buffer allows, then takes an older one, whose age simply grows. Where the machine
cannot keep up, pictures are left out first: sound is never late for them.
"""

import math
import threading
import time
from collections.abc import Callable
from itertools import count
from typing import Any, NamedTuple

import jax
import numpy as np

from wyh.knobs import Knobs
from wyh.live.clock import Clock
from wyh.live.controls import Controls, Known
from wyh.live.log import Emitted, Event, Observed
from wyh.live.meter import Meter
from wyh.live.ring import Ring
from wyh.live.sinks import Sink
from wyh.media.camera import FrameSource, Shot
from wyh.specs import StreamSpec, tick_start
from wyh.transducers.compile import Compiled, traced
from wyh.transducers.offline import samples_of
from wyh.transducers.protocol import Variables

PATIENCE = 1 / 3  # of the buffer: how long a block waits for the control it should have
LOW_WATER = 1 / 3  # of the buffer: with less sound ahead, no picture is looked at
_AHEAD_SECS = 1.0  # how far the pictures may be ahead of the sound that is made
_QUIET_SECS = 10.0  # between two messages about pictures left out


class _Mark(NamedTuple):
    """What travels through the ring with a block."""

    made: float
    first_of: float | None  # when the picture was there that this block is the first to know of
    since_tick: float  # from the start of its control's tick to the block's start


class Live:
    """One playing of a source into a sink. `play` once.

    Attributes:
      meter: latencies so far.
      ring: for its underruns.
      frames: pictures that the model looked at.
      played: samples that went out.
      first_sound: `time.perf_counter` when the first block had gone out, or None.
    """

    def __init__(
        self,
        compiled: Compiled,
        variables: Variables,
        spec: StreamSpec,
        knobs: Knobs,
        *,
        buffer_secs: float = 0.08,
        duration_secs: float | None = None,
        note: Callable[[str], None] = lambda line: None,
        log: Callable[[Event], None] | None = None,
    ):
        """Prepare to play.

        Args:
          compiled: of one tick each.
          variables: of the model.
          spec: of the stream.
          knobs: how the model is played.
          buffer_secs: of sound kept ahead of the sink, two blocks at least.
          duration_secs: of stream time after which to end; None for the source's own end.
          note: is told when pictures are left out.
          log: is told of all that a replay needs, from two threads.
        """
        self._compiled, self._spec, self._knobs = compiled, spec, traced(knobs)
        self._variables = jax.device_put(variables)
        self._note, self._log = note, log or (lambda event: None)
        self._rate, self._frame_rate = spec.audio.sample_rate, spec.video.frame_rate
        self._buffer_secs = max(buffer_secs, 2 * spec.block / self._rate)
        self.meter = Meter()
        # Room for twice the buffer: after a stall, blocks come faster than they are due.
        room = spec.block * (1 + round(2 * self._buffer_secs * self._rate / spec.block))
        self.ring = Ring(room, spec.audio.channels)
        self.frames = self.played = 0
        self.first_sound: float | None = None
        self._stop = threading.Event()
        self._controls = Controls(self._stop)
        # The sample at which the pictures end, where that is known.
        self._end = None if duration_secs is None else round(duration_secs * self._rate)
        self._failure: BaseException | None = None
        self._left_out, self._told = 0, -_QUIET_SECS

    def warm_up(self) -> None:
        """Call both functions once, so that no first call falls into the stream."""
        carry_in, carry_out = self._carries()
        frame = np.zeros((1, 1, *self._spec.video.shape), np.uint8)
        _, control = self._compiled.observe(
            self._variables, carry_in, frame, self._knobs, np.int32(0)
        )
        age = np.zeros(1, np.float32)
        sound = self._compiled.emit(
            self._variables, carry_out, control, age, self._knobs, np.int32(0)
        )
        jax.block_until_ready(sound)

    def play(self, source: FrameSource, sink: Sink) -> None:
        """Play until the source or the duration is over, or `stop` is called.

        Raises:
          WyhError: the sink failed. So do other errors of the threads.
        """
        source.wait_first()
        self._clock = Clock(self._stop)
        work = {
            "look": (self._look, source, sink),
            "make": (self._make,),
            "play": (self._play, sink),
        }
        threads = [
            threading.Thread(target=self._guard, args=task, name=name, daemon=True)
            for name, task in work.items()
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            while thread.is_alive():
                # In pieces, so that a signal is heard everywhere; a sink that blocks is left behind
                thread.join(0.1)
                if self._stop.is_set():
                    thread.join(2.0)
                    break
        if self._failure is not None:
            raise self._failure

    def stop(self) -> None:
        """End at once, from any thread or a signal handler."""
        self._stop.set()

    def _guard(self, work: Callable[..., None], *arguments: Any) -> None:
        try:
            work(*arguments)
        except BaseException as error:
            self._failure = self._failure or error
            self._stop.set()

    def _carries(self) -> tuple[Any, Any]:
        # The compiled functions take their carries over: the first ones are kept for others.
        both = self._compiled.carry_in, self._compiled.carry_out
        return jax.tree.map(lambda leaf: leaf.copy(), both)

    def _look(self, source: FrameSource, sink: Sink) -> None:
        carry, _ = self._carries()
        tick, seen, shown = 0, -1, 0
        shot: Shot | None = None
        while self._clock.sleep_until(at := float(tick / self._frame_rate)):
            self._wait_for_sound(at)
            if self._is_over(source, tick, at):
                assert self._end is not None
                tick = self._spec.frame_tick_at(max(self._end, 1) - 1) + 1
                break
            shot, before = source.newest(at), shot
            if before is not None and tick > shown:  # ticks that were left out kept the picture
                sink.show(before.pixels, tick - shown)
            begin = time.perf_counter()
            low = self.ring.written and self.ring.fill < LOW_WATER * self._buffer_secs * self._rate
            if not (low and self._clock.secs() > self._buffer_secs):
                carry, control = self._compiled.observe(
                    self._variables, carry, shot.pixels[None, None], self._knobs, np.int32(tick)
                )
                jax.block_until_ready(control)
                ready = self._times(shot, begin) if shot.number != seen else None
                self.meter.add("observe", time.perf_counter() - begin)
                self._controls.publish(tick, Known(tick, control, ready))
                self._log(Observed(tick, shot.number))
                self.frames += 1
                seen = shot.number
            else:
                self._controls.publish(tick, None)
                self._leave_out(1)
            following = tick + 1
            late = int(self._clock.secs() * self._frame_rate)
            if late > following:  # more than a whole tick behind
                self._leave_out(late - following)
                following = late
                self._controls.publish(following - 1, None)
            sink.show(shot.pixels, 1)
            shown, tick = tick + 1, following
        if shot is not None and tick > shown:
            sink.show(shot.pixels, tick - shown)

    def _wait_for_sound(self, at: float) -> None:
        """Do not look on and on while a sink that blocks holds up the sound."""
        while at - self.ring.written / self._rate > _AHEAD_SECS and not self._stop.wait(0.02):
            pass

    def _is_over(self, source: FrameSource, tick: int, at: float) -> bool:
        if tick == 0:
            return False
        if source.is_over(at):
            length = source.length_secs
            last = tick if length is None else math.ceil(length * self._frame_rate)
            end = samples_of(min(tick, max(1, last)), self._spec)
            end = end if self._end is None else min(end, self._end)
        elif self._end is not None and at >= self._end / self._rate:
            end = self._end
        else:
            return False
        self._end = end
        self._controls.finish()
        return True

    def _times(self, shot: Shot, begin: float) -> float:
        """Count how long a new picture took to come and then waited; when it was there."""
        due = shot.ready if shot.secs is None else self._clock.wall(shot.secs)
        here = max(due, shot.taken)
        self.meter.add("grab", here - due)
        self.meter.add("wait", begin - here)
        return due

    def _leave_out(self, ticks: int) -> None:
        self._left_out += ticks
        now = time.perf_counter()
        if now - self._told >= _QUIET_SECS:
            self._told = now
            self._note(f"this machine cannot keep up; pictures left out: {self._left_out}")
            self._left_out = 0

    def _make(self) -> None:
        _, carry = self._carries()
        size, told = self._spec.block, -1
        for block in count():
            start = block * size
            if not self._clock.sleep_until(start / self._rate):
                return
            while self.ring.free < size:
                if self._stop.wait(size / self._rate / 4):
                    return
            due = self._spec.frame_tick_at(start)
            patience = PATIENCE * self._buffer_secs
            known = self._controls.newest(due, self._clock, start / self._rate + patience)
            end = None if self._end is None else self._end + self._spec.latency_samples
            if known is None or (end is not None and start >= end):
                break
            begin = time.perf_counter()
            age = (start - tick_start(known.tick, self._rate, self._frame_rate)) / self._rate
            carry, sound = self._compiled.emit(
                self._variables,
                carry,
                known.control,
                np.array([age], np.float32),
                self._knobs,
                np.int32(block),
            )
            samples = np.asarray(sound)[0]
            made = time.perf_counter()
            self.meter.add("emit", made - begin)
            self._log(Emitted(block, known.tick, age))
            first_of, told = (known.ready if known.tick != told else None), known.tick
            self.ring.write(
                samples if end is None else samples[: end - start], _Mark(made, first_of, age)
            )
        self.ring.finish()

    def _play(self, sink: Sink) -> None:
        size = self._spec.block
        while self._clock.sleep_until(self._buffer_secs + self.played / self._rate):
            sound, marks = self.ring.read(size)
            if not len(sound):
                break
            begin = time.perf_counter()
            sink.write(sound)
            done = time.perf_counter()
            self.first_sound = self.first_sound or done
            self.played += len(sound)
            self._count_out(marks, begin, done)
            behind = self._clock.secs() - self._buffer_secs - self.played / self._rate
            if behind > 0 and done - begin > 0.001:
                # A sink that blocks sets the pace: the stream waits for it and loses nothing.
                self._clock.hold(min(behind, done - begin))

    def _count_out(self, marks: list[_Mark], begin: float, done: float) -> None:
        for mark in marks:
            self.meter.add("ring", begin - mark.made)
            self.meter.add("device", done - begin)
            if mark.first_of is not None:
                self.meter.add("total", done - mark.first_of)
                centre = done - mark.since_tick + self._spec.latency_secs
                self.meter.add_offset(centre - mark.first_of)
