"""A sound stream that goes on whatever becomes of its device.

One thread watches. While no device asks for sound, it asks itself, paced by this machine's clock;
so the stream's time goes on, and sound is in the right place when the device returns. A second
thread opens a device that has gone again, as often as it takes: that may block.
"""

import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from functools import partial

import numpy as np

from wyh.media import sound_portaudio
from wyh.media.sound_devices import NULL, open_stream, usable
from wyh.media.sound_stream import Device, Kind, NoSound, Serve, Stream, Wanted

LATE_SECS = 0.3  # without a call of the device: the clock takes over
GONE_SECS = 1.0  # the device is given up and opened again
FIRST_SECS = 3.0  # the same of one that was opened just now: some speakers wake up slowly
BACK_OFF_SECS = (0.25, 4.0)  # first and longest pause before it is opened again
STEADY_SECS = 10.0  # after so long the pauses begin anew
_POLL_SECS = 0.05
_BEHIND_SECS = 2.0  # more than this is not caught up with: the machine slept
_JOIN_SECS = 2.0
_PERIODS, _PERIOD_MS = 4, (2.0, 20.0)  # of the clock: as a device's buffer is served


class Link:
    """Between `serve` and a device. Made, it is open; `start` and `close` once each.

    Attributes:
      failure: why no device could be opened; None where one was, or none was wanted.
    """

    def __init__(
        self,
        kind: Kind,
        device: Device | None,
        serve: Serve,
        *,
        null: bool,
        sample_rate: int,
        channels: int,
        device_ms: float,
        note: Callable[[str], None],
    ):
        """Open the device; without one the clock alone asks for sound, until there is one.

        Args:
          kind: of device.
          device: which; None for the one that the system prefers.
          serve: gives or takes the sound; must neither wait nor raise. Never called twice at once.
          null: no device is wanted.
          sample_rate: Hz.
          channels: 1 or 2.
          device_ms: of sound in the device's buffer.
          note: is told when the device goes and comes.
        """
        self._device, self._serve, self._note = device, serve, note
        self._rate, self._channels = sample_rate, channels
        name = None if device is None else device.name
        self._wanted = Wanted(kind, name, sample_rate, channels, device_ms, serve)
        low, high = _PERIOD_MS
        period_secs = min(max(device_ms / _PERIODS, low), high) / 1000
        self._block = max(1, round(sample_rate * period_secs))
        self._late_secs = LATE_SECS + 2 * device_ms / 1000
        self._serving = threading.Lock()
        self._turn = 0  # of devices: one that was given up is not listened to any more
        self._calls = self._count = self._past_xruns = 0
        self._last = self._opened = 0.0
        self._pause, self._longest = BACK_OFF_SECS
        self._told = False
        self._speed = Speed(sample_rate)
        self._stop = threading.Event()
        self._threads: list[threading.Thread] = []
        self._stream: Stream | None = None
        self.failure: str | None = None
        self._hopes = not null and bool(usable())
        if not null:
            try:
                self._stream = self._open()
            except NoSound as error:
                self.failure = str(error)

    @property
    def name(self) -> str:
        """Of the device that is open now; `null` where none is."""
        stream = self._stream
        return NULL if stream is None else stream.name

    @property
    def backend(self) -> str:
        """The library of that device, or `null`."""
        stream = self._stream
        return NULL if stream is None else stream.backend

    @property
    def latency_secs(self) -> float:
        """Of that device's buffer; 0 where there is none."""
        stream = self._stream
        return 0.0 if stream is None else stream.latency_secs

    @property
    def xruns(self) -> int:
        """Of all devices so far."""
        stream = self._stream
        return self._past_xruns + (0 if stream is None else stream.xruns)

    def start(self) -> None:
        """Begin to serve; nothing happens the second time."""
        if self._threads or self._stop.is_set():
            return
        self._opened = self._last = time.perf_counter()
        if self._stream is not None:
            try:
                self._stream.start()
            except NoSound as error:
                self._lose(f"cannot be started ({error})")
        elif self._hopes:
            self._pause = self._longest
            self._in_thread(self._reopen, None)
        self._in_thread(self._watch)

    def close(self) -> None:
        """End: `serve` is not called any more. A device that hangs is left behind."""
        self._stop.set()
        self._turn += 1
        stream = self._stream
        if stream is not None:
            self._in_thread(stream.close)
        for thread in self._threads:
            if thread is not threading.current_thread():
                thread.join(_JOIN_SECS)
        if self._serving.acquire(timeout=_JOIN_SECS):  # whoever was inside has left
            self._serving.release()

    def _in_thread(self, work: Callable[..., None], *arguments: object) -> None:
        thread = threading.Thread(target=work, args=arguments, name="sound", daemon=True)
        self._threads = [old for old in self._threads if old.is_alive()] + [thread]
        thread.start()

    def _open(self) -> Stream:
        called = partial(self._called, self._turn)
        return open_stream(self._wanted._replace(serve=called), self._device)

    def _called(self, turn: int, block: np.ndarray) -> None:
        """A device asks. It never waits: while the clock is being served it gets silence."""
        if turn != self._turn or not self._serving.acquire(blocking=False):
            return
        try:
            self._serve(block)
            self._count += len(block)
            self._calls += 1
            self._last = time.perf_counter()
        finally:
            self._serving.release()

    def _watch(self) -> None:
        """See whether the device calls; where it does not, be the clock."""
        pacing, start = self._stream is None, self._last
        taken, calls, quiet, pause = 0, 0, 0.0, 0.0
        before = time.perf_counter()
        while not self._stop.wait(pause):
            now = time.perf_counter()
            # Where all of this program stood still, the device may still call.
            quiet, before = quiet + min(now - before, 2 * _POLL_SECS), now
            if calls != self._calls:
                calls, quiet = self._calls, 0.0
                pacing = pacing and self._stream is None
                self._look_after(now)
            elif self._stream is not None:
                young = now - self._opened < FIRST_SECS
                if quiet > (FIRST_SECS if young else self._late_secs + GONE_SECS):
                    self._lose("is gone")
                    quiet = 0.0
            if not pacing and quiet > self._late_secs:
                pacing, start, taken = True, self._last, 0
            pause = _POLL_SECS
            if pacing:
                skipped = max(0.0, now - start - taken / self._rate - _BEHIND_SECS)
                start += skipped
                due = round((now - start) * self._rate) - taken
                # Two at a time at most, so that who makes the sound keeps up with the catching up.
                for _ in range(min(2, due // self._block)):
                    if not self._take(calls):
                        break
                    taken += self._block
                block_secs = self._block / self._rate
                ahead = start + (taken + self._block) / self._rate - time.perf_counter()
                pause = ahead if ahead > 0 else block_secs

    def _take(self, calls: int) -> bool:
        """Ask for a block in place of a device, unless one has just called."""
        with self._serving:
            if calls != self._calls or self._stop.is_set():
                return False
            self._serve(np.zeros((self._block, self._channels), np.float32))
            return True

    def _look_after(self, now: float) -> None:
        """The device calls: say so if it was gone, and see whether it keeps its rate."""
        stream = self._stream
        if stream is None:
            return
        if self._told:
            self._told = False
            self._speed = Speed(self._rate)
            self._note(f"{stream.name} ({stream.backend}) is there: the sound is on")
        if self._speed.is_wrong(now, self._count):
            self._lose("has changed its rate")

    def _lose(self, why: str) -> None:
        """Give the device up, and open it again elsewhere."""
        stream, self._stream = self._stream, None
        self._turn += 1
        if stream is None or self._stop.is_set():
            return
        self._past_xruns += stream.xruns
        if time.perf_counter() - self._opened > STEADY_SECS:
            self._pause = BACK_OFF_SECS[0]
        self._note(f"{stream.name} {why}: no sound until it is back; opening it again")
        self._told = True
        self._in_thread(self._reopen, stream)

    def _reopen(self, old: Stream | None) -> None:
        if old is not None:
            with suppress(Exception):  # it is gone, whatever the library says of it
                old.close()
        else:
            self._told = True
        while not self._stop.wait(self._pause):
            self._pause = min(2 * self._pause, self._longest)
            try:
                sound_portaudio.refresh()
                stream = self._open()
            except Exception:  # whatever the library says, it is tried again while it plays
                continue
            try:
                stream.start()
            except Exception:
                with suppress(Exception):
                    stream.close()
                continue
            self._opened = time.perf_counter()
            self._stream = stream
            if self._stop.is_set():
                stream.close()
            return


class Speed:
    """Tells a device that runs steadily at another rate than it was opened with.

    One that is late now and then is no such device.
    """

    SECS, TIMES = 2.0, 3  # so long each, so often in a row
    OFF, STEADY = 0.05, 0.01  # of the rate: wrong by more, and every time the same

    def __init__(self, sample_rate: int):
        """Begin to watch a device of so many Hz."""
        self._rate = sample_rate
        self._since: tuple[float, int] | None = None
        self._found: deque[float] = deque(maxlen=self.TIMES)

    def is_wrong(self, now: float, count: int) -> bool:
        """Whether it is, given how many samples the device has had by now; true once at most."""
        begin, had = self._since = self._since or (now, count)
        if now - begin < self.SECS or self._rate < 0:
            return False
        self._found.append((count - had) / (now - begin) / self._rate)
        self._since = now, count
        off = min(abs(found - 1) for found in self._found) > self.OFF
        steady = max(self._found) - min(self._found) < self.STEADY
        if off and steady and len(self._found) == self.TIMES:
            self._rate = -1
            return True
        return False
