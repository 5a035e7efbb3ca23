"""How much one page may ask for, so that it cannot harm another."""

import time
from collections.abc import Callable


class Bucket:
    """Lets so many things a second through, and some more at once after a quiet time."""

    def __init__(
        self,
        per_sec: float,
        at_once: float,
        clock: Callable[[], float] = time.monotonic,
    ):
        """Begin full; `at_once` is how many it holds."""
        self._per_sec, self._at_once, self._clock = per_sec, at_once, clock
        self._left, self._then = at_once, clock()

    def take(self, count: float = 1.0) -> bool:
        """Whether so many more are allowed now; if not, none was taken."""
        now = self._clock()
        self._left = min(self._at_once, self._left + (now - self._then) * self._per_sec)
        self._then = now
        if count > self._left:
            return False
        self._left -= count
        return True
