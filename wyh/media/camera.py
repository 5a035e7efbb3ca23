"""Live pictures: always the newest one of a source.

ffmpeg runs beside the program and scales inside itself; a thread takes its pictures as they come.
A recording is read a little ahead and each picture handed out when it is due; of anything that
comes in real time by itself only the newest picture is kept, so latency cannot pile up.
"""

import math
import threading
import time
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import numpy as np
from jaxtyping import UInt8

from wyh.errors import WyhError
from wyh.media import cameras
from wyh.media.cameras import Inputs
from wyh.media.pictures import PictureStream
from wyh.media.sources import Source, found_again
from wyh.media.stdin import feed_stdin
from wyh.specs import VideoSpec

TOLERANCE_SECS = 0.002  # a picture may be this late and still be on time: containers round
STALE_SECS = 2.0  # a live source that sends nothing for so long is opened again
FIRST_SECS = 10.0  # how long it may take to send its first picture, each time
BACK_OFF_SECS = (0.25, 4.0)  # first and longest pause before opening it again
ABSENT_SECS = 1.0  # longest pause where it is just not there, so that it is soon back
_AHEAD_FRAMES, _AHEAD_BYTES = 32, 1 << 26


class Shot(NamedTuple):
    """A picture from a source."""

    number: int  # counts the source's pictures from 0
    secs: float | None  # when it is due, after the first one; None where it comes by itself
    ready: float  # `time.perf_counter` when ffmpeg had it
    taken: float  # when it was here
    pixels: UInt8[np.ndarray, "height width channels"]


class FrameSource:
    """A running source. A context manager: leaving stops it.

    Attributes:
      failure: after the end: why the source ended too early, or None.
    """

    def __init__(self, source: Source, spec: VideoSpec, note: Callable[[str], None]):
        """Begin to take pictures.

        Args:
          source: from `resolve_source`.
          spec: size, colours and how a picture is made to fit.
          note: is told when the source is gone and opened again.
        """
        self._source, self._spec, self._note = source, spec, note
        self._paced = source.paced
        self._ahead = max(2, min(_AHEAD_FRAMES, _AHEAD_BYTES // spec.frame_bytes))
        self._news = threading.Condition()
        self._shots: deque[Shot] = deque()
        self._held: Shot | None = None
        self._count = self._opened_at = 0
        self._length = 0.0
        self._ended = self._silent = False
        self._stop = threading.Event()
        self._stream: PictureStream | None = None
        self._last_news = time.perf_counter()
        self.failure: WyhError | None = None
        self._threads = [threading.Thread(target=self._run, name="source", daemon=True)]
        if source.restarts:
            self._threads.append(threading.Thread(target=self._watch, name="watch", daemon=True))
        for thread in self._threads:
            thread.start()

    def wait_first(self) -> None:
        """Wait for the first picture.

        Raises:
          WyhError: there is none.
        """
        with self._news:
            self._news.wait_for(lambda: self._shots or self._ended)
            if not self._shots:
                raise self.failure or WyhError(f"{self._source.name}: not one picture came")

    def newest(self, at_secs: float) -> Shot:
        """The picture to be seen at a time after the first one; needs `wait_first`."""
        with self._news:
            while self._shots and (
                not self._paced
                or self._held is None
                or (self._shots[0].secs or 0.0) <= at_secs + TOLERANCE_SECS
            ):
                self._held = self._shots.popleft()
            self._news.notify_all()
            assert self._held is not None
            return self._held

    def is_over(self, at_secs: float) -> bool:
        """Whether all pictures have been shown for as long as they last."""
        if not self._ended:
            return False
        return (self.length_secs or 0.0) <= at_secs

    @property
    def length_secs(self) -> float | None:
        """How long all pictures last, once they have come; None before, or without times."""
        with self._news:
            return max(0.0, self._length - TOLERANCE_SECS) if self._ended and self._paced else None

    def close(self) -> None:
        """Stop."""
        self._stop.set()
        with self._news:
            self._news.notify_all()
        if self._stream is not None:
            self._stream.kill()
        for thread in self._threads:
            thread.join(2.0)

    def __enter__(self) -> "FrameSource":
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        self.close()

    def _run(self) -> None:
        pause = BACK_OFF_SECS[0]
        try:
            while True:
                before = self._count
                gone = self._take_again() if before and not self._paced else self._take_any()
                again = self._source.loop if self._paced else self._source.restarts
                nothing = self._count == (before if self._paced else 0)
                if self._stop.is_set() or nothing or not again:
                    self.failure = None if self._stop.is_set() else gone
                    return
                if self._paced:
                    continue
                if self._count > before:
                    pause = BACK_OFF_SECS[0]
                    self._note(f"{self._source.name} is gone, trying again")
                absent = gone is not None and cameras.is_absent(gone)
                self._stop.wait(min(pause, ABSENT_SECS) if absent else pause)
                pause = min(2 * pause, BACK_OFF_SECS[1])
        finally:
            with self._news:
                self._ended = True
                self._news.notify_all()

    def _take_again(self) -> WyhError | None:
        """As `_take_any`, of a source that was gone."""
        source = found_again(self._source)
        if source is None:
            return WyhError(f"{self._source.name}: no such device")
        self._source = source
        return self._take_any()

    def _take_any(self) -> WyhError | None:
        """Take all pictures, in the first way to open the source that gives some."""
        before, refused = self._count, None
        for inputs in (self._source.inputs, *self._source.others):
            gone = self._take_all(inputs)
            if self._count > before or self._stop.is_set():
                return gone
            refused = refused or gone
            if gone and (cameras.is_absent(gone) or self._silent):
                break
        return cameras.explained(refused) if refused and self._source.camera else refused

    def _take_all(self, inputs: Inputs) -> WyhError | None:
        """Take all pictures of one ffmpeg; what went wrong."""
        source, first, offset = self._source, None, self._length
        last, spacing = 0.0, float(1 / self._spec.frame_rate)
        self._silent = False
        feed = source.feed
        if source.stdin:
            feed = partial(feed_stdin, frame_bytes=source.frame_bytes)
        try:
            with PictureStream(source.name, inputs, self._spec, feed) as self._stream:
                if self._stop.is_set():
                    return None
                self._last_news, self._opened_at = time.perf_counter(), self._count
                for picture in self._stream:
                    taken = self._last_news = time.perf_counter()
                    if self._paced is None:
                        self._paced = self._stream.is_film
                    secs = None
                    if self._paced:
                        if math.isnan(picture.secs):
                            return WyhError(
                                f"{source.name} holds frames without a time; convert it to .mkv "
                                f"first"
                            )
                        first = picture.secs if first is None else first
                        secs = picture.secs - first
                        spacing = secs - last if secs > last else spacing
                        last, self._length = secs, offset + secs + spacing
                        secs += offset
                    self._put(Shot(self._count, secs, picture.ready, taken, picture.pixels))
                return WyhError(self._stream.damage) if self._stream.damage else None
        except WyhError as error:
            late = f"{source.name}: not one picture came within {FIRST_SECS:g} s"
            return WyhError(late) if self._silent else error

    def _put(self, shot: Shot) -> None:
        with self._news:
            if self._paced:
                self._news.wait_for(lambda: len(self._shots) < self._ahead or self._stop.is_set())
            else:
                self._shots.clear()
            self._shots.append(shot)
            self._count += 1
            self._news.notify_all()

    def _watch(self) -> None:
        """Stop an ffmpeg whose source has fallen silent; `_run` opens it again."""
        while not self._stop.wait(0.1):
            if self._ended or self._paced:
                return
            # What is opened again may be as slow to begin as it was the first time.
            limit = STALE_SECS if self._count > self._opened_at else FIRST_SECS
            stream = self._stream
            if stream is not None and time.perf_counter() - self._last_news > limit:
                self._last_news = time.perf_counter()
                self._silent = True
                stream.kill()
