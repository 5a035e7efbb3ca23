"""How sound leaves the ring: taken by a device's clock, or pushed by the stream's own."""

import math
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from jaxtyping import Float32

from wyh.live.clock import Clock
from wyh.live.meter import Meter
from wyh.live.ring import Ring, shaped
from wyh.live.sinks import DeviceSink
from wyh.specs import StreamSpec

FADE_IN_SECS, FADE_OUT_SECS = 0.3, 0.05  # of a device: nothing bangs at the start or the end
_PULL = 0.02  # of what the device's clock is off, corrected with each of its calls

Block = Float32[np.ndarray, "samples ..."]


class Mark(NamedTuple):
    """What travels through the ring with a block."""

    made: float
    first_of: float | None  # when the picture was there that this block is the first to know of
    since_tick: float  # from the start of its control's tick to the block's start


class Output:
    """Takes sound out of the ring in time, counts it, and hands it on.

    Attributes:
      played: samples that went out.
      first_sound: `time.perf_counter` when the first block had gone out, or None.
      newest: the newest samples that went out, for whoever shows them.
    """

    def __init__(self, ring: Ring, spec: StreamSpec, buffer_secs: float, meter: Meter):
        self._ring, self._spec, self._meter = ring, spec, meter
        self._rate, self._buffer_secs = spec.audio.sample_rate, buffer_secs
        self.played = 0
        self.first_sound: float | None = None
        self.newest = ring.silence(4096)

    @property
    def latency_secs(self) -> float:
        """From here to the ear, as far as is known."""
        return 0.0

    @property
    def underruns(self) -> int:
        """How often sound was not there when it was due."""
        return self._ring.underruns

    def push(self, clock: Clock, write: Callable[[Block], None]) -> None:
        """Write each block when it is due, until the ring is finished or the clock stopped."""
        while clock.sleep_until(self._buffer_secs + self.played / self._rate):
            sound, marks = self._ring.read(self._spec.block)
            if not len(sound):
                return
            begin = time.perf_counter()
            write(sound)
            done = time.perf_counter()
            self._count(sound, marks, begin, done)
            behind = clock.secs() - self._buffer_secs - self.played / self._rate
            if behind > 0 and done - begin > 0.001:
                # A sink that blocks sets the pace: the stream waits for it and loses nothing.
                clock.hold(min(behind, done - begin))

    def _count(self, sound: Block, marks: list[Mark], begin: float, done: float) -> None:
        self.first_sound = self.first_sound or done
        self.played += len(sound)
        kept = len(self.newest) - len(sound)
        self.newest = (
            np.concatenate([self.newest[-kept:], sound]) if kept > 0 else sound[-len(self.newest) :]
        )
        for mark in marks:
            self._meter.add("ring", begin - mark.made)
            self._meter.add("device", done - begin)
            if mark.first_of is not None:
                self._meter.add("total", done - mark.first_of)
                centre = done - mark.since_tick + self._spec.latency_secs
                self._meter.add_offset(centre - mark.first_of)


class DeviceOutput(Output):
    """The same for a device, which calls `pull` whenever it wants more.

    The stream's clock follows the device's: where the device is slower or faster, so are pictures
    and sound, together. The callback only copies; a thread hands the sound on.
    """

    def __init__(
        self,
        ring: Ring,
        spec: StreamSpec,
        buffer_secs: float,
        meter: Meter,
        clock: Clock,
        device: DeviceSink,
    ):
        """As `Output`; `clock` will follow the device's."""
        super().__init__(ring, spec, buffer_secs, meter)
        self.clock, self._device, self._earlier = clock, device, device.xruns
        self._gone: deque[tuple[Block, list[Mark], float]] = deque()
        self._news = threading.Event()
        self._leaving = 0  # samples of the fade at the end that are still to come
        self._left = threading.Event()
        self._is_leaving = False
        self._counted: int | None = None  # underruns, once it leaves

    @property
    def latency_secs(self) -> float:
        """What the device tells of its own buffer."""
        return self._device.latency_secs

    @property
    def underruns(self) -> int:
        """Those of the ring, and those that the device tells of."""
        if self._counted is not None:
            return self._counted
        return self._ring.underruns + self._device.xruns - self._earlier

    def pull(self, count: int) -> Block:
        """The next samples, faded in at the very start and out at the end; silence after that."""
        sound, marks = self._ring.read(count)
        now, position = time.perf_counter(), self._ring.position
        if not self._is_leaving:
            self._gone.append((sound, marks, now))
            self._news.set()
        behind = self.clock.secs() - self._buffer_secs - position / self._rate
        # A device that stood still, or the whole machine: nothing of it is made up for.
        stalled = abs(behind) > self._buffer_secs
        self.clock.hold(behind if stalled else _PULL * behind)
        heard = self._faded(sound, position - len(sound))
        if len(heard) < count:
            self._left.set()
            silence = np.zeros((count - len(heard), *sound.shape[1:]), np.float32)
            heard = np.concatenate([heard, silence])
        return heard

    def _faded(self, sound: Block, position: int) -> Block:
        fade_in = FADE_IN_SECS * self._rate
        if position < fade_in and len(sound):
            sound = sound * shaped(
                np.minimum((position + np.arange(len(sound))) / fade_in, 1), sound
            )
        end, fade_out = self._ring.end, FADE_OUT_SECS * self._rate
        if end is not None and end - position - len(sound) < fade_out:
            left = np.clip((end - position - np.arange(len(sound))) / fade_out, 0, 1)
            sound = sound * shaped(left, sound)
        if self._is_leaving and len(sound):
            left = np.maximum(self._leaving - np.arange(len(sound)), 0) / fade_out
            sound = sound * shaped(left, sound)
            self._leaving -= len(sound)
            if self._leaving <= 0:
                self._left.set()
        return sound

    def leave(self, patience_secs: float = 1.0) -> None:
        """Fade out, and wait until the device has taken it. Gaps no longer count."""
        self._counted = self.underruns
        self._leaving, self._is_leaving = math.ceil(FADE_OUT_SECS * self._rate), True
        if self._left.wait(patience_secs):
            time.sleep(min(self.latency_secs, patience_secs))

    def hand_on(self, stop: threading.Event, write: Callable[[Block], None]) -> None:
        """Count what has gone and `write` it, until told to stop or the ring is finished."""
        while not stop.is_set():
            self._news.wait(0.1)
            self._news.clear()
            while self._gone:
                sound, marks, taken = self._gone.popleft()
                if not len(sound):
                    return
                self._count(sound, marks, taken, taken + self.latency_secs)
                write(sound)
