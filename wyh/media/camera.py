"""Where live pictures come from: a file, an address, standard input. Always the newest one.

ffmpeg runs beside the program and scales inside itself; a thread takes its pictures as they come.
A recording is read a little ahead and each picture handed out when it is due; of anything that
comes in real time by itself only the newest picture is kept, so latency cannot pile up.
"""

import math
import os
import re
import stat
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import UInt8

from wyh.errors import WyhError
from wyh.media import ffmpeg
from wyh.media.pictures import PictureStream
from wyh.media.probe import probe
from wyh.media.stdin import feed_stdin
from wyh.specs import VideoSpec, as_rate

TOLERANCE_SECS = 0.002  # a picture may be this late and still be on time: containers round
STALE_SECS = 2.0  # an address that sends nothing for so long is opened again
FIRST_SECS = 10.0  # how long it may take to send the first picture
BACK_OFF_SECS = (0.25, 4.0)  # first and longest pause before opening it again
_AHEAD_FRAMES, _AHEAD_BYTES = 32, 1 << 26
_LATER = {"mic": "sound as a source", "screen": "the screen as a source"}
_INSTEAD = "give a video file, an address such as http://..., or - for standard input"
# Nothing held back: neither for analysis, nor for a picture that may come before this one.
_AT_ONCE = ["-fflags", "nobuffer", "-flags", "low_delay", "-threads", "1"]
_GLANCE = ["-analyzeduration", "1000000", "-probesize", "500000"]


@dataclass(frozen=True)
class Source:
    """What `resolve_source` made of `--source`.

    Attributes:
      name: for messages.
      inputs: ffmpeg's arguments up to its one input.
      paced: handed out by its own times; else the newest at once. None: by whether it is a film.
      restarts: opened again when it ends or falls silent, unless it is a film.
      loop: a film begins again at its end.
      stdin: standard input is fed to ffmpeg.
      frame_bytes: with `stdin`, of a raw picture; None for y4m.
    """

    name: str
    inputs: tuple[str, ...]
    paced: bool | None
    restarts: bool = False
    loop: bool = False
    stdin: bool = False
    frame_bytes: int | None = None


def resolve_source(
    text: str,
    *,
    loop: bool = False,
    size: str | None = None,
    frame_rate: str | None = None,
    paced: bool = True,
) -> Source:
    """Find out what `--source` means. Every kind of source is named here.

    Args:
      text: a path, an address, or `-`.
      loop: play a film again and again.
      size: of raw rgb24 pictures on standard input, `WIDTHxHEIGHT`.
      frame_rate: of these, in Hz.
      paced: standard input is a recording, to be played by its frame rate.

    Raises:
      WyhError: nothing that could be played.
    """
    if text != "-" and (size or frame_rate):
        raise WyhError(f"--size and --frame-rate are for --source -, got --source {text}")
    if text == "-":
        return _stdin(size, frame_rate, paced)
    if ffmpeg.is_url(text):
        patience = ["-rw_timeout", "3000000"] if re.match("https?://", text, re.I) else []
        inputs = (*_AT_ONCE, *_GLANCE, *patience, "-i", text)
        return Source(text, inputs, paced=None, restarts=True, loop=loop)
    if text.isdecimal() and not Path(text).exists():
        raise WyhError(f"got camera {text}, which this version cannot yet see: {_INSTEAD}")
    kind = text.partition(":")[0]
    if kind in _LATER and not Path(text).exists():
        raise WyhError(f"got --source {text}: this version cannot yet take {_LATER[kind]}; a see ->"
                       f" hear run plays pictures: {_INSTEAD}")  # fmt: skip
    try:
        mode = os.stat(text).st_mode
    except OSError:
        mode = 0  # `probe` tells
    if stat.S_ISCHR(mode):
        raise WyhError(f"got the device {text}, which this version cannot yet see: {_INSTEAD}")
    if stat.S_ISFIFO(mode):
        return Source(text, (*_AT_ONCE, "-i", ffmpeg.as_argument(text)), paced=False)
    if not probe(text).has_video:
        raise WyhError(f"{ffmpeg.shown(text)} has no picture, wanted a video")
    inputs = ("-copyts", "-i", ffmpeg.as_argument(text))
    return Source(ffmpeg.shown(text), inputs, paced=True, loop=loop)


def _stdin(size: str | None, frame_rate: str | None, paced: bool) -> Source:
    if bool(size) != bool(frame_rate):
        given, wanted = ("--size", "--frame-rate") if size else ("--frame-rate", "--size WxH")
        raise WyhError(f"got {given} without {wanted}: raw rgb24 needs both, y4m neither")
    if sys.stdin is None or sys.stdin.isatty():
        raise WyhError("standard input is a terminal: pipe y4m into it, or rgb24 with --size")
    name, frame_bytes = "standard input", None
    look = ["-f", "yuv4mpegpipe"]
    if size and frame_rate:
        match = re.fullmatch(r"(\d{1,5})[x×](\d{1,5})", size)
        width, height = (int(match[1]), int(match[2])) if match else (0, 0)
        if not (0 < width <= 16384 and 0 < height <= 16384):
            raise WyhError(f"got --size {size}, wanted WIDTHxHEIGHT in pixels, such as 640x480")
        frame_bytes = 3 * width * height
        look = ["-f", "rawvideo", "-pix_fmt", "rgb24", "-video_size", f"{width}x{height}"]
        look += ["-framerate", str(as_rate(frame_rate))]
    inputs = (*_AT_ONCE, *look, "-i", "pipe:0")
    return Source(name, inputs, paced=paced, stdin=True, frame_bytes=frame_bytes)


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
        self._count, self._length = 0, 0.0
        self._ended = False
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
        with self._news:
            if not self._ended:
                return False
            return not self._paced or at_secs >= self._length - TOLERANCE_SECS

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
        pause, longest = BACK_OFF_SECS
        try:
            while not self._stop.is_set():
                before = self._count
                gone = self._take_all()
                film = self._paced and not self._source.stdin
                if self._stop.is_set() or (film and not self._source.loop):
                    self.failure = gone
                    return
                if film:
                    continue
                if not self._source.restarts or not self._count:
                    self.failure = gone
                    return
                if self._count > before:
                    pause = BACK_OFF_SECS[0]
                    self._note(f"{self._source.name} is gone, trying again")
                self._stop.wait(pause)
                pause = min(2 * pause, longest)
        finally:
            with self._news:
                self._ended = True
                self._news.notify_all()

    def _take_all(self) -> WyhError | None:
        """Take all pictures of one ffmpeg; what went wrong."""
        source, first, offset = self._source, None, self._length
        last, spacing = 0.0, float(1 / self._spec.frame_rate)
        feed = (lambda pipe: feed_stdin(pipe, source.frame_bytes)) if source.stdin else None
        try:
            with PictureStream(source.name, source.inputs, self._spec, feed) as self._stream:
                if self._stop.is_set():
                    return None
                self._last_news = time.perf_counter()
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
            return error

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
        """Stop an ffmpeg whose address has fallen silent; `_run` opens it again."""
        while not self._stop.wait(0.1):
            if self._ended or self._paced:
                return
            stream, limit = self._stream, STALE_SECS if self._count else FIRST_SECS
            if stream is not None and time.perf_counter() - self._last_news > limit:
                self._last_news = time.perf_counter()
                stream.kill()
