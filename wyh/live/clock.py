"""The stream's clock: seconds since its first picture, on this machine's own monotonic clock."""

import threading
import time


class Clock:
    """Tells stream time. It can be put back while a sink that blocks holds the stream up."""

    def __init__(self, stop: threading.Event):
        """Make a clock that starts now; its sleepers wake when `stop` is set."""
        self._stop = stop
        self._origin = time.perf_counter()

    def secs(self) -> float:
        """Stream time."""
        return time.perf_counter() - self._origin

    def wall(self, secs: float) -> float:
        """When, by `time.perf_counter`, it is the stream time `secs`."""
        return self._origin + secs

    def hold(self, secs: float) -> None:
        """Put the clock back."""
        self._origin += secs

    def sleep_until(self, secs: float) -> bool:
        """Wait for the stream time `secs`; false when told to stop."""
        while (left := secs - self.secs()) > 0:
            if self._stop.wait(left):
                return False
        return not self._stop.is_set()
