"""The newest controls, from the thread that looks to the thread that makes the sound."""

import threading
from collections import deque
from collections.abc import Mapping
from typing import NamedTuple

from wyh.live.clock import Clock
from wyh.live.scenes import Seen


class Known(NamedTuple):
    """What the scenes made of a picture.

    `ready` is when it was there (by `time.perf_counter`) if it is a new one.
    """

    tick: int
    control: Mapping[int, Seen]
    ready: float | None


class Controls:
    """Controls that blocks to come may still need, oldest first."""

    def __init__(self, stop: threading.Event):
        self._stop = stop
        self._news = threading.Condition()
        self._known: deque[Known] = deque()
        self._settled = -1  # the newest tick whose control is known or will never come
        self._over = False

    def publish(self, tick: int, known: Known | None) -> None:
        """Settle a tick: with its control, or without one."""
        with self._news:
            self._settled = tick
            if known is not None:
                self._known.append(known)
            self._news.notify_all()

    def finish(self) -> None:
        """Say that no more will come: the last control holds."""
        with self._news:
            self._over = True
            self._news.notify_all()

    def newest(self, due: int, clock: Clock, until_secs: float) -> Known | None:
        """The newest control of a tick up to `due`; older ones are forgotten.

        Waits for the control of `due` itself until the stream time `until_secs`, and for the
        very first one as long as it takes. None when told to stop before that.
        """
        with self._news:
            while self._settled < due and not self._over and not self._stop.is_set():
                left = until_secs - clock.secs()
                if left <= 0 and self._known:
                    break
                self._news.wait(min(left, 0.1) if left > 0 else 0.1)
            while len(self._known) > 1 and self._known[1].tick <= due:
                self._known.popleft()
            return self._known[0] if self._known and not self._stop.is_set() else None
