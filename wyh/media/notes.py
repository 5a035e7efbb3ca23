"""Lines for the player that never become a flood."""

import threading
import time
from collections.abc import Callable

QUIET_SECS = 10.0  # between two lines of one kind


class Sparing:
    """Passes lines on, but of each kind one in `QUIET_SECS` at most. From any thread."""

    def __init__(self, note: Callable[[str], None]):
        """Pass lines on to `note`."""
        self._note = note
        self._taking = threading.Lock()
        self._told: dict[str, float] = {}

    def __call__(self, kind: str, line: str) -> None:
        """Tell a line, unless one of its kind was told just now."""
        now = time.monotonic()
        with self._taking:
            if now - self._told.get(kind, -QUIET_SECS) < QUIET_SECS:
                return
            self._told[kind] = now
        self._note(line)
