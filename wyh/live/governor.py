"""What gives way when the machine cannot keep up: pictures, never the sound."""

import gc
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

CALM_SECS = 5.0  # without a picture left out, the machine keeps up again


class Governor:
    """Counts the pictures left out, and tells the player when it begins and when it is over."""

    def __init__(self, note: Callable[[str], None]):
        self._note = note
        self._left_out, self._last = 0, 0.0
        self.total = 0

    def leave_out(self, ticks: int) -> None:
        """So many pictures were not looked at."""
        if not self._left_out:
            self._note("this machine cannot keep up: leaving out pictures, the sound goes on")
        self._left_out += ticks
        self.total += ticks
        self._last = time.perf_counter()

    def looked(self) -> None:
        """A picture was looked at in time."""
        if self._left_out and time.perf_counter() - self._last > CALM_SECS:
            self._note(f"keeping up again; pictures left out: {self._left_out}")
            self._left_out = 0


@contextmanager
def unhindered() -> Iterator[None]:
    """Play without pauses of the garbage collector.

    Its rounds through all that JAX has loaded take 100 ms and more: longer than the sound that is
    kept ahead. Until the end it looks at young objects alone; a stream makes few that grow old.
    """
    young, middle, old = gc.get_threshold()
    gc.collect()
    gc.freeze()
    gc.set_threshold(young, middle, 1_000_000)
    try:
        yield
    finally:
        gc.set_threshold(young, middle, old)
        gc.unfreeze()
