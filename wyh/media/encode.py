"""Writes sound files and movies piece by piece, each appearing under its name only when whole."""

import math
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Literal

import numpy as np
import soundfile
from jaxtyping import Float32, UInt8

from wyh.errors import WyhError
from wyh.media import ffmpeg, muxing
from wyh.media.feed import Feed
from wyh.media.start import picture_start_secs
from wyh.media.whole import WholeFile
from wyh.specs import VideoSpec

_BOUND_BYTES = 1 << 24  # waiting to be written to ffmpeg
_SLACK_SECS = 1.0  # how far ffmpeg may want the sound to be ahead of the picture
_WAV_BYTES = 2**32 - 4096
_Bits = Literal[16, 24, "float"]
_WAV_CODING = {16: ("PCM_16", 2), 24: ("PCM_24", 3), "float": ("FLOAT", 4)}


class WavWriter:
    """Writes sound to a .wav file, block by block.

    A context manager: the file gets its name at the end; an error in between leaves none.
    """

    def __init__(self, path: str | Path, sample_rate: int, *, bits: _Bits = 16, channels: int = 1):
        """Begin a file.

        Args:
          path: ends in .wav; a file of that name is replaced at the end.
          sample_rate: Hz.
          bits: of a sample; with 16 and 24, sound beyond [-1, 1] is clipped.
          channels: 1, or 2 for blocks `[samples, 2]`.

        Raises:
          WyhError: the place cannot be written to; also from `write` and at the end.
        """
        self._whole = WholeFile(path)
        subtype, size = _WAV_CODING[bits]
        self._left = _WAV_BYTES // (size * channels)
        try:
            self._file: Any = soundfile.SoundFile(
                self._whole.temporary, "w", sample_rate, channels, subtype, format="WAV"
            )
        except BaseException as error:
            self._whole.drop()
            if isinstance(error, soundfile.SoundFileError):
                raise self._whole.failure(_condensed(error)) from None
            raise

    def write(self, block: Float32[np.ndarray, "samples ..."]) -> None:
        """Append samples."""
        self._left -= len(block)
        if self._left < 0:
            raise self._whole.failure("a .wav holds at most 4 GiB; write a .mkv or a shorter piece")
        try:
            self._file.write(block)
        # soundfile asserts that all was written, which a full disk belies.
        except (soundfile.SoundFileError, AssertionError, OSError) as error:
            raise self._whole.failure(_condensed(error)) from None

    def close(self, *, keep: bool = True) -> None:
        """End the file; without `keep`, remove it."""
        try:
            self._file.close()
        except (soundfile.SoundFileError, OSError) as error:
            self._whole.drop()
            if keep:
                raise self._whole.failure(_condensed(error)) from None
        else:
            (self._whole.keep if keep else self._whole.drop)()

    def __enter__(self) -> "WavWriter":
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        self.close(keep=error is None)


def _condensed(error: BaseException) -> str:
    told = " ".join(str(error).split()).rstrip(".:")
    # So libsndfile calls whatever the system refused.
    return "the disk may be full" if told in ("", "System error") else told


class MovieWriter:
    """Writes an .mp4, .mov or .mkv of pictures and sound, both arriving piece by piece.

    Sound sample 0 is heard when the first picture is seen. Sound is AAC at 192 kbit/s, in .mkv
    24-bit FLAC. A context manager: the file gets its name at the end; an error leaves none.

    Give the pictures, the sound or both piece by piece:

    - `copy_from`: the pictures of a file, untouched. Where the container cannot hold them so (or
      the file has no times), they are encoded anew: `copied` tells.
    - `video`: pictures by `write_frames`, at a constant rate, as H.264. Pictures and sound may come
      in any order; memory holds what one is ahead of the other. Odd sizes gain a black row or
      column.
    - `video` and `sound_from`: the sound of a file, from its own start and whole, at its own rate
      and channels where the codec takes them. What is damaged of it is silent.

    Attributes:
      copied: whether the pictures are the file's own, untouched.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        sample_rate: int | None = None,
        channels: int = 1,
        copy_from: str | Path | None = None,
        start_secs: float | None = None,
        sound_from: str | Path | None = None,
        video: VideoSpec | None = None,
        scale_to: tuple[int, int] | None = None,
        scaling: muxing.Scaling = "nearest",
    ):
        """Begin a file.

        Args:
          path: a file of that name is replaced at the end.
          sample_rate: Hz, of what `write_audio` will be given.
          channels: of that, as for `WavWriter`.
          copy_from: the file whose pictures to take.
          start_secs: with `copy_from`, its `VideoReader.start_secs`; None finds it out.
          sound_from: the file whose sound to take.
          video: what `write_frames` will be given.
          scale_to: with `video`, the size of the written picture, (height, width).
          scaling: how it is brought to that size: keeping hard pixels, or smoothly.

        Raises:
          WyhError: the place cannot be written to, an unknown ending, `copy_from` is no video or
            `sound_from` has no sound; also while writing and at the end, with ffmpeg's reason.
        """
        if (copy_from is None) == (video is None):
            raise ValueError("give either copy_from or video")
        if (sample_rate is None) == (sound_from is None) or (copy_from and sound_from):
            raise ValueError("give either sample_rate or, with video, sound_from")
        self._muxer = muxing.muxer_of(path)
        self._rate, self._video = sample_rate, video
        self._samples = self._frames = 0
        self.copied = False
        self._whole = WholeFile(path)
        self._feeds: list[Feed] = []
        self._process: ffmpeg.Process | None = None

        def start() -> None:
            output = muxing.sound_coding(self._muxer)
            output += [] if self._muxer == "matroska" else ["-movflags", "+faststart"]
            output += ["-f", self._muxer, "-y", ffmpeg.as_argument(self._whole.temporary)]
            sound = muxing.sound_input(sample_rate, channels) if sample_rate else []
            if copy_from is not None:
                pictures, coding = self._pictures_of(str(copy_from), start_secs)
                self._start([*pictures, *sound, *muxing.BOTH, *coding, *output])
            elif video is not None and sound_from is not None:
                pictures = muxing.picture_input(video, 0)
                sound, mix = muxing.own_sound(sound_from)
                coding = muxing.picture_coding(scale_to or video.shape[:2], scaling)
                self._start([*pictures, *sound, *muxing.BOTH, *coding, *mix, *output])
            elif video is not None:
                self._process, *self._feeds = muxing.start_raw(
                    video, sound, output, size=scale_to, scaling=scaling
                )

        try:
            # Ctrl-C reaches the main thread alone: it cannot come between an ffmpeg's start and
            # its being known here, or that ffmpeg would write on after all.
            with ThreadPoolExecutor(1) as starter:
                starter.submit(start).result()
        except BaseException:
            self._abort()
            raise

    def _start(self, arguments: list[str]) -> None:
        """Start an ffmpeg that is given one thing, by pipe 0."""
        self._process = ffmpeg.Process(arguments, stdin=subprocess.PIPE)
        self._feeds = [Feed(self._process.stdin)]

    def _pictures_of(self, source: str, start_secs: float | None) -> tuple[list[str], list[str]]:
        """The input for the pictures of `source`, and how to code them."""
        self.copied = muxing.can_copy(source, self._muxer, self._whole.temporary)
        if start_secs is None:
            start_secs = picture_start_secs(source)
        # The file's clock is shifted so that its first picture is at 0, as the sound's start is.
        shifted = ["-copyts", "-itsoffset", f"{-start_secs:.6f}", "-i", ffmpeg.as_argument(source)]
        return shifted, ["-c:v", "copy"] if self.copied else muxing.CODED_ANEW

    def write_audio(self, block: Float32[np.ndarray, "samples ..."]) -> None:
        """Append sound in [-1, 1]; what is beyond is clipped."""
        if self._rate is None:
            raise ValueError("got sound, wanted that of sound_from alone")
        feed = self._feeds[0]
        if self._video is None:
            # The pictures come from a file, so ffmpeg never waits for us to write some.
            feed.wait(lambda: feed.waiting_bytes <= _BOUND_BYTES)
        self._samples += len(block)
        feed.put(muxing.raw_sound(block))
        self._check()

    def write_frames(self, frames: UInt8[np.ndarray, "frames height width channels"]) -> None:
        """Append pictures of the size of `video`."""
        video = self._video
        if video is None or frames.shape[1:] != video.shape:
            wanted = "no frames" if video is None else f"frames of {video.shape}"
            raise ValueError(f"got frames of {frames.shape[1:]}, wanted {wanted}")
        feed = self._feeds[-1]
        # The sound of a file is there whenever ffmpeg wants some.
        sound_secs = self._samples / self._rate if self._rate else math.inf
        frame_secs = 1 / (video.frame_bytes * float(video.frame_rate))

        def room() -> bool:
            # Never wait where ffmpeg may itself be waiting for sound that is not written yet.
            hungry = sound_secs < feed.written_bytes * frame_secs + _SLACK_SECS
            return feed.waiting_bytes <= _BOUND_BYTES or hungry

        feed.wait(room)
        self._frames += len(frames)
        feed.put(frames.tobytes())
        self._check()

    def _check(self) -> None:
        if any(feed.broken for feed in self._feeds):
            raise self._failure()

    def _failure(self) -> WyhError:
        assert self._process is not None
        status = self._process.wait()
        why = ffmpeg.reason(self._process.complaints) or f"ffmpeg ended with status {status}"
        return self._whole.failure(why)

    def close(self, *, keep: bool = True) -> None:
        """Write what is still waiting and end the file; without `keep`, remove it."""
        if not keep:
            self._abort()
            return
        try:
            assert self._process is not None
            if self._video is not None and self._frames == 0:
                raise self._whole.failure("it was given no pictures")
            for feed in self._feeds:
                feed.finish()
            for feed in self._feeds:
                feed.join()
            if self._process.wait() or any(feed.broken for feed in self._feeds):
                raise self._failure()
        except BaseException:
            self._abort()
            raise
        self._process.close()
        self._whole.keep()

    def _abort(self) -> None:
        if self._process is not None:
            self._process.kill()
        for feed in self._feeds:
            feed.finish()
            feed.join()
        if self._process is not None:
            self._process.close()
        self._whole.drop()

    def __enter__(self) -> "MovieWriter":
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        self.close(keep=error is None)
