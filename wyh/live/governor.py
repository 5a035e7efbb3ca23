"""What gives way when the machine cannot keep up: pictures, never the sound."""

import time
from collections.abc import Callable

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
