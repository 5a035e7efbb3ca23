"""Pictures through a lossy encoder and back, streamed."""

import subprocess
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from types import TracebackType

import numpy as np
from jaxtyping import UInt8

from wyh.errors import WyhError
from wyh.media import ffmpeg, muxing
from wyh.media.decode import open_video
from wyh.media.feed import Feed
from wyh.specs import VideoSpec

_BOUND_BYTES = 1 << 26  # waiting to be encoded


class Coded:
    """H.264 of pictures, as `wyh.render` writes it but for how much it may lose.

    A context manager: write all pictures, then read them. The file goes when it is left.

    Args:
      path: of the file, in a folder that is there.
      video: the pictures that come.
      crf: constant rate factor of x264: 18 hardly loses anything, 23 is the usual, 30 shows.
    """

    def __init__(self, path: Path, video: VideoSpec, crf: int) -> None:
        self._path, self._video, self._count = path, video, 0
        coding = [*muxing.picture_coding((video.height, video.width), "bicubic"), "-crf", str(crf)]
        arguments = [*muxing.picture_input(video, 0), *coding, "-an", "-f", "mp4", "-y", str(path)]
        self._process = ffmpeg.Process(arguments, stdin=subprocess.PIPE)
        self._feed = Feed(self._process.stdin)

    def write(self, pictures: UInt8[np.ndarray, "_ height width 3"]) -> None:
        """Append pictures."""
        self._count += len(pictures)
        self._feed.wait(lambda: self._feed.waiting_bytes < _BOUND_BYTES)
        self._feed.put(np.ascontiguousarray(pictures).tobytes())

    def read(self, height: int, width: int) -> Iterator[UInt8[np.ndarray, "_ height width 3"]]:
        """All pictures as a decoder sees them, brought to this size, in runs of any length.

        Raises:
          WyhError: they could not be written.
        """
        self._feed.finish()
        self._feed.join()
        if self._process.wait() or self._feed.broken:
            why = ffmpeg.reason(self._process.complaints) or "the disk may be full"
            raise WyhError(f"cannot write {self._path}: {why}")
        wanted = replace(self._video, height=height, width=width, fit="stretch")
        count = 0
        with open_video(self._path, wanted) as frames:
            for some in frames:
                count += len(some.pixels)
                yield some.pixels
        if count != self._count:
            raise WyhError(f"{self._path}: got {count} pictures back, wanted {self._count}")

    @property
    def bytes_written(self) -> int:
        """Of the file, once it has been read."""
        return self._path.stat().st_size

    def __enter__(self) -> "Coded":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._process.kill()
        self._feed.finish()
        self._feed.join()
        self._process.close()
        with suppress(FileNotFoundError):
            self._path.unlink()
