"""The live loop of a sonifier: three threads around a ring, none of which waits for a slower one.

- look: at each frame tick the model observes the newest picture; the newest control is published.
- make: each block of sound is emitted when stream time reaches its start, into the ring.
- play: the sink takes each block `buffer_secs` later, on the stream's clock or on its own.

Input tick k is at `k / frame_rate` of stream time, which starts with the first picture. Block j
uses the newest control timed at or before its first sample; `make` waits for that control no
longer than the buffer allows, then takes an older one, whose age simply grows. Where the machine
cannot keep up, pictures are left out first: sound is never late for them.
"""

import threading
import time
from collections.abc import Callable, Sequence
from itertools import count
from typing import Any

import numpy as np

from wyh.live.clock import Clock
from wyh.live.controls import Controls, Known
from wyh.live.ending import Ending
from wyh.live.governor import Governor, unhindered
from wyh.live.log import Emitted, Event, Observed, Turns
from wyh.live.meter import Meter
from wyh.live.output import DeviceOutput, Mark, Output
from wyh.live.panel import Panel
from wyh.live.ring import Ring
from wyh.live.scenes import Scene, Scenes, Seen
from wyh.live.sinks import DeviceSink, Sink
from wyh.media.camera import FrameSource, Shot
from wyh.specs import tick_start

PATIENCE = 1 / 3  # of the buffer: how long a block waits for the control it should have
LOW_WATER = 1 / 3  # of the buffer: with less sound ahead, no picture is looked at
REFRESH_SECS = 1 / 30  # from one call of `refresh` to the next
_AHEAD_SECS = 1.0  # how far the pictures may be ahead of the sound that is made


class Live:
    """One playing of a source into a sink. `play` once.

    Attributes:
      spec: of the stream.
      meter: latencies so far.
      ring: between make and play.
      output: for what went out, and underruns.
      frames: pictures that the model looked at.
      shown: the picture that is heard now, and what the scenes made of it; None before the first.
    """

    def __init__(
        self,
        scenes: Sequence[Scene],
        panel: Panel,
        *,
        buffer_secs: float = 0.08,
        device_secs: float = 0.0,
        duration_secs: float | None = None,
        note: Callable[[str], None] = lambda line: None,
        log: Callable[[Event], None] | None = None,
    ):
        """Prepare to play.

        Args:
          scenes: one run or several.
          panel: its knobs, turned while playing.
          buffer_secs: of sound kept ahead of the sink, a block at least.
          device_secs: of sound that a device may take at once.
          duration_secs: of stream time after which to end; None for the source's own end.
          note: is told when pictures are left out.
          log: is told of all that a replay needs, from two threads.

        Raises:
          WyhError: the scenes cannot be played together.
        """
        self._scenes, self._panel = Scenes(list(scenes)), panel
        self.spec = spec = self._scenes.spec
        self._log = log or (lambda event: None)
        self._governor = Governor(note)
        self._rate, self._frame_rate = spec.audio.sample_rate, spec.video.frame_rate
        self._buffer_secs = max(buffer_secs, spec.block / self._rate)
        self.meter = Meter()
        # Room for twice the buffer: after a stall, blocks come faster than they are due.
        room_secs = 2 * self._buffer_secs + device_secs
        blocks = 1 + round(room_secs * self._rate / spec.block)
        self.ring = Ring(blocks * spec.block, spec.audio.channels)
        self.output = Output(self.ring, spec, self._buffer_secs, self.meter)
        self.frames = 0
        self.shown: tuple[Shot, Known] | None = None
        self._stop = threading.Event()
        self._controls = Controls(self._stop)
        self._ending = Ending(spec, self.ring, duration_secs)
        self._knobs, self._asked = panel.traced, False
        self._failure: BaseException | None = None

    def warm_up(self) -> dict[int, Seen]:
        """Call all functions once, so that no first call falls into the stream."""
        return self._scenes.warm_up(self._panel.traced)

    def play(
        self,
        source: FrameSource,
        sink: Sink,
        taps: Sequence[Sink] = (),
        refresh: Callable[[], None] = lambda: None,
    ) -> None:
        """Play until the source or the duration is over, or `stop` is called.

        Args:
          source: of pictures.
          sink: where the sound goes.
          taps: given the same sound and pictures.
          refresh: called all the time from this thread, such as by a window.

        Raises:
          WyhError: the sink failed. So do other errors of the threads.
        """
        source.wait_first()
        if isinstance(sink, DeviceSink):
            sink.settle()
        with unhindered():
            self._run(source, (sink, *taps), refresh)

    def _run(self, source: FrameSource, sinks: Sequence[Sink], refresh: Callable[[], None]) -> None:
        self._clock = Clock(self._stop)
        work = {
            "look": (self._look, source, sinks),
            "make": (self._make, source),
            "play": (self._play, sinks),
        }
        threads = [
            threading.Thread(target=self._guard, args=task, name=name, daemon=True)
            for name, task in work.items()
        ]
        for thread in threads:
            thread.start()
        try:
            while any(thread.is_alive() for thread in threads) and not self._asked:
                refresh()
                time.sleep(REFRESH_SECS)
        finally:
            if self._asked or any(thread.is_alive() for thread in threads):
                self._stop.set()
            for thread in threads:
                thread.join(2.0)  # a sink that blocks is left behind
        if self._failure is not None:
            raise self._failure

    def stop(self) -> None:
        """End at once, from any thread or a signal handler: so no lock is taken."""
        self._asked = True

    @property
    def stopped(self) -> bool:
        """Whether `stop` was called."""
        return self._asked

    def _guard(self, work: Callable[..., None], *arguments: Any) -> None:
        try:
            work(*arguments)
        except BaseException as error:
            self._failure = self._failure or error
            self._asked = True
            self._stop.set()

    def _look(self, source: FrameSource, sinks: Sequence[Sink]) -> None:
        tick, seen, shown = 0, -1, 0
        shot: Shot | None = None
        turns = Turns("look", self._log)
        turns(0, self._knobs)
        while self._clock.sleep_until(at := float(tick / self._frame_rate)):
            self._wait_for_sound(at)
            if self._ending.is_over(source, tick, at):
                self._controls.finish()
                end = self._ending.sample or 1
                tick = self.spec.frame_tick_at(end - 1) + 1
                break
            before, newest = shot, source.newest(at)  # read on, though it may not be looked at
            frozen = shot is not None and bool(self._panel.values["freeze"])
            shot = shot if frozen and shot is not None else newest
            held = frozen and self._knows(self._scenes.sounding)
            if before is not None and tick > shown:  # ticks that were left out kept the picture
                _show(sinks, before, tick - shown)
            begin = time.perf_counter()
            if held:
                self._controls.publish(tick, None)
            elif self._is_low():
                self._controls.publish(tick, None)
                self._governor.leave_out(1)
            else:
                values = self._panel.traced
                turns(tick, values)
                made = self._scenes.observe(tick, shot.pixels, values)
                ready = self._times(shot, begin) if shot.number != seen else None
                self.meter.add("observe", time.perf_counter() - begin)
                known = Known(tick, made, ready)
                self._controls.publish(tick, known)
                self._log(Observed(tick, shot.number))
                self.frames, seen, self.shown = self.frames + 1, shot.number, (shot, known)
                self._governor.looked()
            following = tick + 1
            late = int(self._clock.secs() * self._frame_rate)
            if late > following:  # more than a whole tick behind
                if not held:
                    self._governor.leave_out(late - following)
                following = late
                self._controls.publish(following - 1, None)
            _show(sinks, shot, 1)
            shown, tick = tick + 1, following
        if shot is not None and tick > shown:
            _show(sinks, shot, tick - shown)

    def _knows(self, scenes: frozenset[int]) -> bool:
        """Whether these scenes have looked at the picture that is heard."""
        return self.shown is not None and scenes <= self.shown[1].control.keys()

    def _is_low(self) -> bool:
        """Whether too little sound waits to spend time on a picture."""
        if not self.ring.written or self._clock.secs() <= self._buffer_secs:
            return False
        return self.ring.fill < LOW_WATER * self._buffer_secs * self._rate

    def _wait_for_sound(self, at: float) -> None:
        """Do not look on and on while a sink that blocks holds up the sound."""
        while at - self.ring.written / self._rate > _AHEAD_SECS and not self._stop.wait(0.02):
            pass

    def _times(self, shot: Shot, begin: float) -> float:
        """Count how long a new picture took to come and then waited; when it was there."""
        due = shot.ready if shot.secs is None else self._clock.wall(shot.secs)
        here = max(due, shot.taken)
        self.meter.add("grab", here - due)
        self.meter.add("wait", begin - here)
        return due

    def _make(self, source: FrameSource) -> None:
        size, told = self.spec.block, -1
        turns = Turns("make", self._log)
        turns(0, self._knobs)
        for block in count():
            start = block * size
            if not self._clock.sleep_until(start / self._rate):
                return
            while self.ring.free < size:
                if self._stop.wait(size / self._rate / 4):
                    return
            due = self.spec.frame_tick_at(start)
            patience = PATIENCE * self._buffer_secs
            known = self._controls.newest(due, self._clock, start / self._rate + patience)
            self._ending.known(source)
            end = self.ring.end
            if known is None or (end is not None and start >= end):
                break

            def age_secs(tick: int, start: int = start) -> float:
                return (start - tick_start(tick, self._rate, self._frame_rate)) / self._rate

            begin = time.perf_counter()
            values, position = self._panel.traced, self._panel.values["scene"]
            turns(block, values)
            samples = self._scenes.emit(
                block, known.tick, known.control, age_secs, values, position
            )
            made, age = time.perf_counter(), age_secs(known.tick)
            self.meter.add("emit", made - begin)
            self._log(Emitted(block, known.tick, age))
            first_of, told = (known.ready if known.tick != told else None), known.tick
            self.ring.write(
                samples if end is None else samples[: end - start], Mark(made, first_of, age)
            )
        self.ring.finish()

    def _play(self, sinks: Sequence[Sink]) -> None:
        def write(block: np.ndarray) -> None:
            for sink in sinks:
                sink.write(block)

        first = sinks[0]
        if not isinstance(first, DeviceSink):
            self.output.push(self._clock, write)
            return
        self.output = output = DeviceOutput(
            self.ring, self.spec, self._buffer_secs, self.meter, self._clock, first
        )
        if self._clock.sleep_until(self._buffer_secs):
            first.start(output.pull)
            output.hand_on(self._stop, write)
            output.leave()


def _show(sinks: Sequence[Sink], shot: Shot, ticks: int) -> None:
    for sink in sinks:
        sink.show(shot.pixels, ticks)
