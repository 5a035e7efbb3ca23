"""Pictures as they come out of an ffmpeg that runs beside a live stream, each with its time."""

import re
import subprocess
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import UInt8

from wyh.errors import WyhError
from wyh.media import ffmpeg
from wyh.media.damage import Damage
from wyh.media.fit import picture_filter
from wyh.specs import VideoSpec

_LEVEL = re.compile(r"(?:^|(?<=\] ))\[(error|fatal|panic|warning|info|verbose)\] ")
_FILM = re.compile(r"^  Duration: \d")
_NO_PTS = -(2**63)
_STAMP = re.compile(r"@picture (-?\d+) (-?\d+)/(\d+)$")


class Picture(NamedTuple):
    """One picture of a stream."""

    secs: float  # its time on the stream's own clock; nan where it has none
    ready: float  # `time.perf_counter` when ffmpeg had it
    pixels: UInt8[np.ndarray, "height width channels"]


class PictureStream:
    """Iterates over the pictures of one ffmpeg, scaled to a model's size inside it.

    Use as a context manager; leaving stops ffmpeg.

    Attributes:
      is_film: known from the first picture on: the source tells its length, so it is a recording
        and does not come in real time by itself.
      damage: after the last picture: what is wrong with the source, or None.
    """

    def __init__(
        self,
        name: str,
        inputs: Sequence[str],
        spec: VideoSpec,
        feed: Callable[[Any], str | None] | None = None,
    ):
        """Start ffmpeg.

        Args:
          name: of the source, for messages.
          inputs: ffmpeg's arguments up to its one input.
          spec: size, colours and how a picture is made to fit.
          feed: called in a thread of its own with ffmpeg's stdin, which it fills and closes; it
            returns what is wrong with what it fed, or None.
        """
        self.is_film = False
        self.damage: str | None = None
        self._name, self._spec, self._feed = name, spec, feed
        self._news = threading.Condition()
        self._stamps: deque[tuple[float, float]] = deque()
        self._begin: float | None = None  # first and newest stamp heard
        self._heard = 0.0
        self._told_all = False
        self._fed: str | None = None
        # A raw picture that is cut off is undecodable too: who feeds tells it better.
        self._judge = Damage(name, forgiven=1 if feed else 0)
        # The stamp of each picture goes to stderr before its pixels go to stdout. One encoding
        # thread, or the raw encoder holds a picture back for as long as the next one takes.
        arguments = [*inputs, "-map", "0:V:0", "-vf", picture_filter(spec)]
        arguments += ["-fps_mode", "passthrough", "-enc_time_base", "demux", "-threads", "1"]
        arguments += ["-stats_enc_pre", "pipe:2", "-stats_enc_pre_fmt", "@picture {pts} {tb}"]
        arguments += ["-f", "rawvideo", "pipe:1"]
        self._process = ffmpeg.Process(
            arguments,
            stdin=subprocess.PIPE if feed else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            on_line=self._hear,
            level="repeat+level+info",
        )
        self._feeder = threading.Thread(target=self._run_feed, name="picture-feed", daemon=True)
        if feed:
            self._feeder.start()

    def _run_feed(self) -> None:
        assert self._feed is not None
        self._fed = self._feed(self._process.stdin)

    def _hear(self, line: str) -> bool:
        """Take a line of stderr, in the draining thread; an empty one is the last."""
        if stamp := _STAMP.search(line):  # another thread of ffmpeg may have begun the line
            ticks, over, under = map(int, stamp.groups())
            self._heard = float("nan") if ticks == _NO_PTS else ticks * over / under
            self._begin = self._heard if self._begin is None else self._begin
            with self._news:
                self._stamps.append((self._heard, time.perf_counter()))
                self._news.notify()
            return True
        if not line:
            with self._news:
                self._told_all = True
                self._news.notify()
            return True
        level = _LEVEL.search(line)
        said = _LEVEL.sub("", line, count=1)
        if level is None or level[1] in ("error", "fatal", "panic"):
            self._judge.hear(said, None if self._begin is None else self._heard - self._begin)
            return False
        self.is_film = self.is_film or _FILM.match(said) is not None
        return True

    def __iter__(self) -> Iterator[Picture]:
        """Yield pictures until the source ends.

        Raises:
          WyhError: there is not one.
        """
        count = 0
        while True:
            pixels = np.empty(self._spec.shape, np.uint8)
            if self._process.read_into(pixels) < pixels.nbytes:
                break
            with self._news:
                self._news.wait_for(lambda: self._stamps or self._told_all)
                if not self._stamps:  # ffmpeg died in the middle of its last word
                    break
                stamp = self._stamps.popleft()
            count += 1
            yield Picture(*stamp, pixels)
        status = self._process.wait()
        if self._feed:
            self._feeder.join(1.0)
        if not count:
            told = [_LEVEL.sub("", line, count=1) for line in self._process.complaints]
            if self._fed:
                raise WyhError(f"{self._name} {self._fed}")
            why = ffmpeg.reason(told) or "it is empty"
            raise WyhError(f"{ffmpeg.shown(self._name)}: not one picture could be read ({why})")
        self.damage = self._judge.verdict(self._heard - (self._begin or 0.0), status)
        if self._fed and not self.damage:
            self.damage = f"{self._name} {self._fed}"

    def kill(self) -> None:
        """Stop ffmpeg at once, from any thread: the iteration ends."""
        self._process.kill()

    def __enter__(self) -> "PictureStream":
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        self._process.close()
