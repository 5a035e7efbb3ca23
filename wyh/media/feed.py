"""Feeds a pipe from a thread, so that who writes need not wait for who reads."""

import threading
from collections import deque
from collections.abc import Callable
from typing import Any


class Feed:
    """A pipe and what is waiting to go into it.

    Attributes:
      broken: the reader has gone away; what is put is thrown away.
      waiting_bytes: put and not yet written.
      written_bytes: gone into the pipe.
    """

    def __init__(self, pipe: Any):
        """Take over `pipe`, an unbuffered binary file, and close it in the end."""
        self._pipe = pipe
        self._pieces: deque[bytes | None] = deque()
        self._changed = threading.Condition()
        self.broken = False
        self.waiting_bytes = self.written_bytes = 0
        self._thread = threading.Thread(target=self._run, name="ffmpeg-feed", daemon=True)
        self._thread.start()

    def put(self, piece: bytes) -> None:
        """Queue bytes; returns at once."""
        with self._changed:
            if not self.broken:
                self._pieces.append(piece)
                self.waiting_bytes += len(piece)
                self._changed.notify_all()

    def wait(self, room: Callable[[], bool]) -> None:
        """Wait until `room()` holds or the feed is broken; asked again as bytes are written."""
        with self._changed:
            self._changed.wait_for(lambda: self.broken or room())

    def finish(self) -> None:
        """Close the pipe once all that waits is written."""
        with self._changed:
            self._pieces.append(None)
            self._changed.notify_all()

    def join(self) -> None:
        """Wait until the pipe is closed."""
        self._thread.join()

    def _run(self) -> None:
        try:
            while (piece := self._next()) is not None:
                view = memoryview(piece)
                while view:
                    written = self._pipe.write(view[: 1 << 18])
                    view = view[written:]
                    with self._changed:
                        self.written_bytes += written
                        self.waiting_bytes -= written
                        self._changed.notify_all()
            self._pipe.close()
        except OSError:
            with self._changed:
                self.broken = True
                self._pieces.clear()
                self._changed.notify_all()
            self._pipe.close()

    def _next(self) -> bytes | None:
        with self._changed:
            self._changed.wait_for(lambda: self._pieces)
            return self._pieces.popleft()
