"""Writes a take while it is played: a movie that can be seen however the writing ends.

While it runs, the file grows by whole fragments of a second. Where this program is killed, ffmpeg
sees its pipes close, writes what it has and ends by itself. A take that is closed becomes a plain
movie whose index stands in front, all at once.
"""

import itertools
import struct
import threading
from pathlib import Path

import numpy as np
from jaxtyping import Float32, UInt8

from wyh.errors import WyhError
from wyh.media import ffmpeg, muxing
from wyh.media.pieces import in_pieces, make_plain
from wyh.specs import VideoSpec

_BEHIND_SECS = 10.0  # of what waits to be written: then the disk or ffmpeg stands still
_BOUND_BYTES = 1 << 27  # of it, where pictures are large
_PATIENCE_SECS = 20.0  # for ffmpeg to write what it still has


class TakeWriter:
    """A movie of pictures and sound at constant rates, which come from two threads.

    Sound sample 0 is heard when the first picture is seen. No call but `close` waits for anything.

    Attributes:
      path: the file, which is there from the beginning.
    """

    def __init__(
        self,
        path: Path,
        *,
        sample_rate: int,
        channels: int,
        video: VideoSpec,
        size: tuple[int, int],
    ):
        """Begin a new file.

        Args:
          path: a name that no file has; its folder is made.
          sample_rate: Hz.
          channels: 1, or 2 for blocks `[samples, 2]`.
          video: what `write_frames` will be given.
          size: of the written picture, (height, width).

        Raises:
          WyhError: the place cannot be written to, or an unknown ending.
        """
        self._muxer = muxing.muxer_of(path)
        self.path, self._video, self._frames = path, video, 0
        samples, frames = sample_rate * channels, float(video.frame_rate) * video.frame_bytes
        self._bounds = [min(_BOUND_BYTES, int(_BEHIND_SECS * n)) for n in (4 * samples, frames)]
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch(exist_ok=False)
        except OSError as error:
            raise _failure(path, error.strerror or str(error)) from None
        # A second, as a fragment of mp4 is what lies between two key frames.
        keys = ["-g", str(round(video.frame_rate))]
        output = [*keys, *muxing.sound_coding(self._muxer), *in_pieces(self._muxer)]
        output += ["-flush_packets", "1"]
        output += ["-f", self._muxer, "-y", ffmpeg.as_argument(path)]
        try:
            self._process, *self._feeds = muxing.start_raw(
                video, muxing.sound_input(sample_rate, channels), output, size=size
            )
        except BaseException:
            path.unlink()
            raise

    @property
    def secs(self) -> float:
        """Of pictures, so far."""
        return self._frames / float(self._video.frame_rate)

    def write_audio(self, block: Float32[np.ndarray, "samples ..."]) -> bool:
        """Append sound; false when the take has come to its end, and can only be closed."""
        self._feeds[0].put(muxing.raw_sound(block))
        return self._goes_on()

    def write_frames(self, pixels: UInt8[np.ndarray, "height width channels"], count: int) -> bool:
        """Append a picture so many times; as `write_audio`."""
        if count * pixels.nbytes > self._bounds[1]:  # held for so long: better stop before it
            return False
        self._feeds[1].put(pixels.tobytes() * count)
        self._frames += count
        return self._goes_on()

    def _goes_on(self) -> bool:
        return not self._is_behind() and not any(feed.broken for feed in self._feeds)

    def _is_behind(self) -> bool:
        return any(
            f.waiting_bytes > most for f, most in zip(self._feeds, self._bounds, strict=True)
        )

    def close(self) -> str:
        """Write what is waiting and make a plain movie of it; nothing is left of no pictures.

        Returns:
          Why it could not be made plain, so that it stays in fragments; "" where it could.

        Raises:
          WyhError: the disk is full, or the like; what was written until then stays.
        """
        patience_secs = 0 if self._is_behind() else _PATIENCE_SECS
        giving_up = threading.Timer(patience_secs, self._process.kill)
        giving_up.start()
        try:
            for feed in self._feeds:
                feed.finish()
            for feed in self._feeds:
                feed.join()
            status = self._process.wait()
        finally:
            giving_up.cancel()
            giving_up.join()
            self._process.close()
        return self._tidied(status)

    def _tidied(self, status: int) -> str:
        if status and self._muxer != "matroska":
            _cut_to_fragments(self.path)
        if not self._frames or not self.path.stat().st_size:
            self.path.unlink()
        if not self._frames:
            return ""
        if status:
            slow = "the disk or ffmpeg stood still" if status < 0 else f"status {status} of ffmpeg"
            raise _failure(self.path, ffmpeg.reason(self._process.complaints) or slow)
        try:
            if self._muxer != "matroska":
                make_plain(self.path, self._muxer)
        except WyhError as error:
            return str(error)
        return ""


def free_name(path: Path) -> Path:
    """`take.mp4`, or where there is one `take-2.mp4`, `take-3.mp4`, ..."""
    names = (path.with_stem(f"{path.stem}-{number}") for number in itertools.count(2))
    return next(name for name in itertools.chain([path], names) if not name.exists())


def _cut_to_fragments(path: Path) -> None:
    """Cut off the last fragment where it is not whole: a player may refuse all for its sake."""
    size, at, end = path.stat().st_size, 0, 0
    with path.open("r+b") as file:
        while at + 8 <= size:
            file.seek(at)
            length, kind = struct.unpack(">I4s", file.read(8))
            at += max(length, 8)
            end = at if kind == b"mdat" and at <= size else end
        file.truncate(end)


def _failure(path: Path, why: str) -> WyhError:
    return WyhError(f"{ffmpeg.shown(path)} cannot be written: {why}")
