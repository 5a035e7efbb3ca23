"""The live loop of a visualizer: sound comes in, a picture is shown at each tick of its clock.

- listen: each block of sound is observed when it is due; its control is published.
- paint: at each frame tick a picture is made of the newest control, and shown when the tick comes.

Stream time is that of the sound (`wyh.live.hearing`). Picture k is at `k / frame_rate`. Where the
machine cannot keep up, pictures are left out: what is heard never waits for them.
"""

import math
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np
from jaxtyping import UInt8

from wyh.live.clock import Clock
from wyh.live.governor import Governor, unhindered
from wyh.live.hearing import Hearing
from wyh.live.listened import Known, Listened
from wyh.live.log import Emitted, Event, Observed, Turns
from wyh.live.meter import Meter
from wyh.live.panel import Panel
from wyh.live.scenes import Scene, copied
from wyh.live.sinks import Sink
from wyh.specs import tick_start

PATIENCE = 1 / 3  # of a picture's time: how long it waits for the block that it should show
REFRESH_SECS = 0.1  # from one call of `refresh` to the next, where there is no new picture
_SMOOTH = 0.1  # how fast the usual time of making a picture is followed


class Shown(NamedTuple):
    """A picture that is to be seen now.

    Attributes:
      tick: its number.
      pixels: of it.
      made: `time.perf_counter` when it was.
      fresh: what it was made of; None of one that is held.
    """

    tick: int
    pixels: UInt8[np.ndarray, "height width 3"]
    made: float
    fresh: Known | None


class Show:
    """One playing of a sound into pictures. `play` once.

    Attributes:
      spec: of the stream.
      meter: latencies so far.
      hearing: the sound.
      frames: pictures that were made.
      shown: the picture to be seen now; None before the first.
      first_picture: `time.perf_counter` when the first one was shown, or None.
    """

    def __init__(
        self,
        scene: Scene,
        panel: Panel,
        hearing: Hearing,
        *,
        duration_secs: float | None = None,
        watched: bool = False,
        note: Callable[[str], None] = lambda line: None,
        log: Callable[[Event], None] | None = None,
    ):
        """Prepare to play.

        Args:
          scene: the run, compiled for one tick each.
          panel: its knobs, turned while playing.
          hearing: the sound.
          duration_secs: of stream time after which to end; None for the sound's own end.
          watched: a picture is seen when `refresh` has shown it; else when the sinks have it.
          note: is told when pictures are left out.
          log: is told of all that a replay needs, from two threads.
        """
        self._scene, self._panel, self.hearing = scene, panel, hearing
        self.spec = scene.player.transducer.spec
        self._log = log or (lambda event: None)
        self._governor = Governor(note)
        self._frame_rate = self.spec.video.frame_rate
        self._duration, self._watched = duration_secs, watched
        self.meter = Meter()
        self.frames = 0
        self.shown: Shown | None = None
        self.first_picture: float | None = None
        self._knobs, self._asked = panel.traced, False
        self._stop, self._news = threading.Event(), threading.Event()
        self._known = Listened(self.spec.block, self._stop)
        self._told = -1  # the newest block whose picture was counted
        self._usual_secs = 0.0  # that making a picture takes
        self._failure: BaseException | None = None

    @property
    def left_out(self) -> int:
        """Pictures that were not made, because this machine could not keep up."""
        return self._governor.total

    @property
    def stopped(self) -> bool:
        """Whether `stop` was called."""
        return self._asked

    def stop(self) -> None:
        """End at once, from any thread or a signal handler: so no lock is taken."""
        self._asked = True

    def warm_up(self) -> None:
        """Call all functions once, so that no first call falls into the stream."""
        compiled, variables, knobs = self._scene.compiled, self._scene.variables, self._knobs
        silence, tick = np.zeros((1, 1, self.spec.block), np.float32), np.int32(0)
        _, control = compiled.observe(variables, copied(compiled.carry_in), silence, knobs, tick)
        carry, age = copied(compiled.carry_out), np.zeros(1, np.float32)
        np.asarray(compiled.emit(variables, carry, control, age, knobs, tick)[1])

    def play(self, sinks: Sequence[Sink], refresh: Callable[[], None] = lambda: None) -> None:
        """Play until the sound or the duration is over, or `stop` is called.

        Args:
          sinks: are given each tick's picture, and then the sound that belongs to it.
          refresh: called from this thread with every new picture, such as by a window.

        Raises:
          WyhError: a sink failed. So do other errors of the threads.
        """
        with unhindered():
            self._clock = Clock(self._stop)
            self.hearing.begin(self.spec, self._clock, self._stop)
            work: dict[str, tuple[Any, ...]] = {
                "listen": (self._listen,),
                "paint": (self._paint, sinks),
            }
            threads = [
                threading.Thread(target=self._guard, args=task, name=name, daemon=True)
                for name, task in work.items()
            ]
            for thread in threads:
                thread.start()
            try:
                while threads[1].is_alive() and not self._asked:
                    shown = self.shown
                    refresh()
                    if self._watched and shown is not None:
                        self._seen(shown)
                    self._news.wait(REFRESH_SECS)
                    self._news.clear()
            finally:
                self.hearing.leave()
                self._stop.set()
                for thread in threads:
                    thread.join(2.0)  # a sink that blocks is left behind
        if self._failure is not None:
            raise self._failure

    def _guard(self, work: Callable[..., None], *arguments: Any) -> None:
        try:
            work(*arguments)
        except BaseException as error:
            self._failure = self._failure or error
            self._asked = True
            self._stop.set()

    def _listen(self) -> None:
        turns, carry = Turns("look", self._log), self._scene.carry_in
        turns(0, self._knobs)
        while (block := self.hearing.next()) is not None:
            begin, values = time.perf_counter(), self._panel.traced
            turns(block.number, values)
            carry, control = self._scene.compiled.observe(
                self._scene.variables,
                carry,
                block.samples[None, None],
                values,
                np.int32(block.number),
            )
            jax.block_until_ready(control)
            ready = time.perf_counter()
            self._log(Observed(block.number, block.number))
            self._known.publish(Known(block.number, block.end, control, block.due, ready))
            self.meter.add("grab", block.taken - block.due)
            self.meter.add("wait", begin - block.taken)
            self.meter.add("observe", ready - begin)
        self._known.finish()

    def _paint(self, sinks: Sequence[Sink]) -> None:
        tick, given, lead = 0, 0, self.hearing.lead_secs
        turns, carry = Turns("make", self._log), copied(self._scene.compiled.carry_out)
        turns(0, self._knobs)
        while self._clock.sleep_until((at := float(tick / self._frame_rate)) - lead):
            if tick >= self._ticks():
                break
            last, held = self.shown, bool(self._panel.values["freeze"])
            if held and last is not None:
                shown = last._replace(tick=tick, fresh=None)
            else:
                known = self._newest(tick, at)
                if known is None:
                    return
                values = self._panel.traced
                turns(tick, values)
                carry, shown = self._painted(tick, known, carry, values)
            if not self._clock.sleep_until(at):
                return
            if last is not None and tick > given:  # ticks that were left out kept the picture
                _show(sinks, last.pixels, tick - given)
            self.shown, given = shown, tick + 1
            self._news.set()
            _show(sinks, shown.pixels, 1)
            self._hand_on(sinks, given)
            if not self._watched:
                self._seen(shown)
            following = self._following(tick)
            if following > given and not held:
                self._governor.leave_out(following - given)
            tick = following
        self._finish(sinks, given)

    def _newest(self, tick: int, at_secs: float) -> Known | None:
        """The control that a picture is to be made of."""
        patience = PATIENCE / float(self._frame_rate)
        return self._known.newest(self._position(tick), self._clock, at_secs + patience)

    def _position(self, tick: int) -> int:
        """Up to which sample a picture may know the sound."""
        start = tick_start(tick, self.spec.audio.sample_rate, self._frame_rate)
        return start + self.hearing.late

    def _painted(self, tick: int, known: Known, carry: Any, values: Any) -> tuple[Any, Shown]:
        begin = time.perf_counter()
        age = max(0, self._position(tick) - known.end) / self.spec.audio.sample_rate
        carry, pixels = self._scene.compiled.emit(
            self._scene.variables,
            carry,
            known.control,
            np.array([age], np.float32),
            values,
            np.int32(tick),
        )
        picture, made = np.asarray(pixels)[0, 0], time.perf_counter()
        self._log(Emitted(tick, known.number, age))
        self.meter.add("ring", begin - known.ready)
        self.meter.add("emit", made - begin)
        took = made - begin
        self._usual_secs += (_SMOOTH if self.frames else 1.0) * (took - self._usual_secs)
        self.frames += 1
        self._governor.looked()
        return carry, Shown(tick, picture, made, known)

    def _seen(self, shown: Shown) -> None:
        """Count how long a picture took to be seen, once."""
        known, now = shown.fresh, time.perf_counter()
        self.first_picture = self.first_picture or now
        if known is None or known.number == self._told:
            return
        self._told = known.number
        self.meter.add("device", now - shown.made)
        self.meter.add("total", now - known.due)
        late = now - self._clock.wall(float(shown.tick / self._frame_rate))
        self.meter.add_offset(late + self.hearing.delay_secs)

    def _following(self, tick: int) -> int:
        """The next tick whose picture can be there before the one after it is due."""
        there = self._clock.secs() + (self._usual_secs if self.hearing.lead_secs else 0.0)
        return max(tick + 1, math.floor(there * self._frame_rate))

    def _ticks(self) -> float:
        """How many pictures there are, as far as is known."""
        pictures, secs = self.hearing.pictures, self._duration
        limit = math.inf if secs is None else math.ceil(secs * self._frame_rate - 1e-6)
        return limit if pictures is None else min(limit, pictures)

    def _hand_on(self, sinks: Sequence[Sink], ticks: int) -> None:
        """Give the sound that belongs to so many pictures."""
        sound = self.hearing.tape(float(ticks / self._frame_rate))
        if len(sound):
            for sink in sinks:
                sink.write(sound)

    def _finish(self, sinks: Sequence[Sink], given: int) -> None:
        """Wait until the last picture was seen and the last sound heard."""
        total = self._ticks()
        if self.shown is not None and math.inf > total > given:
            _show(sinks, self.shown.pixels, int(total) - given)
            given = int(total)
        if self._clock.sleep_until(float(given / self._frame_rate)):
            self._hand_on(sinks, given)


def _show(sinks: Sequence[Sink], pixels: UInt8[np.ndarray, "height width 3"], ticks: int) -> None:
    for sink in sinks:
        sink.show(pixels, ticks)
