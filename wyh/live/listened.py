"""The newest controls of a sound, from the thread that listens to the thread that paints."""

import threading
from collections import deque
from typing import NamedTuple

from wyh.live.clock import Clock
from wyh.transducers.protocol import Control


class Known(NamedTuple):
    """What was made of a block of sound."""

    number: int  # of the block
    end: int  # behind its last sample
    control: Control
    due: float  # `time.perf_counter` when its sound was there to be taken
    ready: float  # when the control was


class Listened:
    """Controls that pictures to come may still need, oldest first."""

    def __init__(self, block: int, stop: threading.Event):
        """`block` is how many samples one has."""
        self._block, self._stop = block, stop
        self._news = threading.Condition()
        self._known: deque[Known] = deque()
        self._over = False

    def publish(self, known: Known) -> None:
        """Append the newest one."""
        with self._news:
            self._known.append(known)
            self._news.notify_all()

    def finish(self) -> None:
        """Say that no more will come."""
        with self._news:
            self._over = True
            self._news.notify_all()

    def newest(self, sample: int, clock: Clock, until_secs: float) -> Known | None:
        """The newest that ended by a sample of the stream, or the first; older ones are forgotten.

        Waits for it until the stream time `until_secs`, and for the very first one as long as it
        takes. None when told to stop before that.
        """
        known = self._known
        with self._news:
            while not (known and known[-1].end > sample - self._block) and not self._over:
                if self._stop.is_set():
                    return None
                left = until_secs - clock.secs() if known else 0.1
                if left <= 0:
                    break
                self._news.wait(min(left, 0.1))
            while len(known) > 1 and known[1].end <= sample:
                known.popleft()
            return known[0] if known else None
