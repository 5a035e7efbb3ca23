"""Pictures and sound of any media file on one clock, streamed in constant memory.

Raw pixels come from ffmpeg by a pipe, each frame's exact timestamp beside it. Pictures and sound
are decoded by two ffmpegs, both told to keep the container's own clock, so that late starts, gaps
and variable frame rates stay where they are.
"""

import re
import subprocess
import threading
import warnings
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Float32, Float64, UInt8

from wyh.errors import WyhError
from wyh.media import ffmpeg
from wyh.media.damage import Damage
from wyh.media.fit import decoding_options, picture_filter
from wyh.media.probe import MediaInfo as MediaInfo
from wyh.media.probe import has_b_frames
from wyh.media.probe import measure_frame_rate as measure_frame_rate
from wyh.media.probe import probe as probe
from wyh.specs import VideoSpec

_CHUNK_BYTES = 1 << 26
_STAMPS = ["-stats_enc_pre", "pipe:2", "-stats_enc_pre_fmt", "@wyh {pts} {tb}"]
_STAMP = re.compile(r"@wyh (-?\d+) (-?\d+)/(\d+)\s*$")
_NO_PTS = -(2**63)


class SyncWarning(UserWarning):
    """Picture and sound of a file may be apart: its container holds no presentation times."""


class Frames(NamedTuple):
    """A run of consecutive frames."""

    times_secs: Float64[np.ndarray, " frames"]  # exact, on the container's clock
    pixels: UInt8[np.ndarray, "frames height width channels"]


class VideoReader:
    """Iterates over the frames of a file in `Frames` chunks. Made by `open_video`."""

    damage: str | None = None
    """After the last chunk: what is wrong with the file."""

    def __init__(
        self, path: str | Path, spec: VideoSpec, chunk: int, arguments: list[str], *, strict: bool
    ):
        self._path, self._spec, self._strict = path, spec, strict
        self._chunk = max(1, min(chunk, _CHUNK_BYTES // spec.frame_bytes))
        self._judge = Damage(path)
        self._news = threading.Condition()
        self._stamps: list[float] = []  # of frames not yet delivered
        self._begin: float | None = None  # first and newest stamp heard
        self._heard = 0.0
        self._told_all = False
        self._first: Frames | None = None
        self._start: float | None = None  # first and newest stamp delivered
        self._given = -np.inf
        self._drained = self._ended = False
        self._process = ffmpeg.Process(arguments, stdout=subprocess.PIPE, on_line=self._hear)

    @property
    def start_secs(self) -> float:
        """T0, the time of the first frame on the container's clock. Reads the first chunk.

        Raises:
          WyhError: no frame can be decoded.
        """
        if self._start is None:
            self._first = self._read()
        assert self._start is not None
        return self._start

    def __iter__(self) -> Iterator[Frames]:
        while True:
            frames, self._first = self._first or self._read(), None
            if frames is None:
                return
            yield frames

    def close(self) -> None:
        """Stop ffmpeg and free everything."""
        self._process.close()

    def _hear(self, line: str) -> bool:
        """Take a line of stderr, in the draining thread; an empty one is the last."""
        stamp = _STAMP.search(line)
        with self._news:
            if stamp:
                ticks, over, under = map(int, stamp.groups())
                self._heard = float("nan") if ticks == _NO_PTS else ticks * over / under
                self._begin = self._heard if self._begin is None else self._begin
                self._stamps.append(self._heard)
            elif line:
                begun = self._begin is not None
                self._judge.hear(line, self._heard - (self._begin or 0.0) if begun else None)
            else:
                self._told_all = True
            self._news.notify()
        return stamp is not None

    def _read(self) -> Frames | None:
        if not self._drained:
            pixels = np.empty((self._chunk, *self._spec.shape), np.uint8)
            count = self._process.read_into(pixels) // self._spec.frame_bytes
            self._drained = count < self._chunk
            if count:
                return Frames(self._times(count), pixels[:count])
        if not self._ended:
            self._ended = True
            self._finish()
        return None

    def _times(self, count: int) -> Float64[np.ndarray, " frames"]:
        """The times of the next frames, which have arrived: their stamps are written before."""
        with self._news:
            self._news.wait_for(lambda: len(self._stamps) >= count or self._told_all)
            times, self._stamps = np.array(self._stamps[:count]), self._stamps[count:]
        if len(times) < count or np.isnan(times).any():
            raise WyhError(
                f"{ffmpeg.shown(self._path)} holds frames without a time; convert it to .mkv first"
            )
        self._start = float(times[0]) if self._start is None else self._start
        before = np.concatenate([[self._given], times[:-1]])
        if (times < before).any():
            self._judge.jumps_back(float(before[times < before][0]) - self._start)
        self._given = times[-1]
        return times

    def _finish(self) -> None:
        """Judge the whole stream, of which all has been delivered."""
        status = self._process.wait()
        name = ffmpeg.shown(self._path)
        if self._start is None:
            why = ffmpeg.reason(self._process.complaints) or "the stream is empty"
            raise WyhError(f"{name}: not one frame could be decoded ({why})")
        if self._stamps and status == 0:
            raise WyhError(f"{name}: ffmpeg told {len(self._stamps)} times too many for its frames")
        self.damage = self._judge.verdict(self._given - self._start, status)
        if self.damage and self._strict:
            raise WyhError(self.damage)


class AudioReader:
    """Iterates over the sound of a file in blocks. Made by `open_audio`.

    `start_secs` is the time of sample 0; None for the sound's own start.
    """

    damage: str | None = None
    """After the last block: what is wrong with the sound."""

    def __init__(
        self,
        path: str | Path,
        sample_rate: int,
        start_secs: float | None,
        chunk_samples: int,
        arguments: list[str],
        *,
        strict: bool,
        promised_secs: float | None = None,
    ):
        self.start_secs = start_secs
        self._path, self._rate, self._strict = path, sample_rate, strict
        self._chunk, self._samples = chunk_samples, 0
        self._heard: float | None = None  # how far ffmpeg has come, in seconds
        # Tags and padding at the end of an mp3 are undecodable packets, and heard by no one.
        self._judge = Damage(path, forgiven=3, promised_secs=promised_secs)
        self._process = ffmpeg.Process(arguments, stdout=subprocess.PIPE, on_line=self._hear)

    def __iter__(self) -> Iterator[Float32[np.ndarray, " samples"]]:
        while self._chunk:
            block = np.empty(self._chunk, np.float32)
            count = self._process.read_into(block) // 4
            self._samples += count
            if count:
                yield block[:count]
            if count < self._chunk:
                self._chunk = 0
                self._finish()

    def close(self) -> None:
        """Stop ffmpeg and free everything."""
        self._process.close()

    def _hear(self, line: str) -> bool:
        if stamp := _STAMP.search(line):
            self._heard = int(stamp[1]) * int(stamp[2]) / int(stamp[3])
        elif line:
            self._judge.hear(line, self._heard)
        return stamp is not None

    def _finish(self) -> None:
        status = self._process.wait()
        if self._samples == 0:
            why = ffmpeg.reason(self._process.complaints) or "its sound is of zero length"
            raise WyhError(f"{ffmpeg.shown(self._path)}: no sound could be decoded ({why})")
        self.damage = self._judge.verdict(self._samples / self._rate, status)
        if self.damage and self._strict:
            raise WyhError(self.damage)


@contextmanager
def open_video(
    path: str | Path,
    spec: VideoSpec,
    *,
    chunk: int = 64,
    threads: int | None = None,
    strict: bool = True,
) -> Iterator[VideoReader]:
    """Decode the pictures of a file or address, each scaled to `spec`, each with its exact time.

    Every frame of the file is given once, whatever its rate: `spec.frame_rate` is not used. The
    picture is turned upright and its pixels' true shape counts. Interlaced frames stay as they are.

    Args:
      path: a media file, or an address such as `http://...` (passed to ffmpeg untouched).
      spec: size, colours and how the picture is made to fit.
      chunk: frames in one `Frames`, fewer where they would exceed 64 MiB.
      threads: of decoding; None lets ffmpeg choose.
      strict: raise once a damaged file's frames are delivered; else set `VideoReader.damage`.

    Raises:
      WyhError: no media, no picture; while iterating: damage, frames without a time.
    """
    ffmpeg.check_readable(path)
    if info := None if ffmpeg.is_url(path) else probe(path):
        if not info.has_video:
            what = "only sound" if info.has_audio else "no picture"
            raise WyhError(f"{ffmpeg.shown(path)} has {what}, wanted a video")
        if info.container == "avi" and has_b_frames(path):
            warnings.warn(
                f"{ffmpeg.shown(path)} is an AVI with B-frames, which holds no exact times: sound "
                "may be off by some frames; convert it from its original to .mp4 or .mkv",
                SyncWarning,
                stacklevel=3,
            )
    count = [] if threads is None else ["-threads", str(threads), "-filter_threads", str(threads)]
    # The stamp of each frame goes to stderr, one line in one write, before its pixels. One encoding
    # thread, or the raw encoder holds a frame back.
    arguments = [*count, *decoding_options(info, spec), "-copyts"]
    arguments += ["-i", ffmpeg.as_argument(path), "-map", "0:V:0"]
    arguments += ["-vf", picture_filter(spec), "-fps_mode", "passthrough", "-threads", "1"]
    arguments += ["-enc_time_base", "demux", *_STAMPS, "-f", "rawvideo", "pipe:1"]
    with closing(VideoReader(path, spec, chunk, arguments, strict=strict)) as reader:
        yield reader


@contextmanager
def open_audio(
    path: str | Path,
    sample_rate: int,
    *,
    start_secs: float | None,
    chunk_samples: int = 65536,
    strict: bool = True,
) -> Iterator[AudioReader]:
    """Decode the sound of a file: sample j is at `start_secs + j / sample_rate` on its clock.

    A late start and gaps become silence, what lies before `start_secs` is left out. All channels
    are mixed to one, scaled so that no mix exceeds [-1, 1].

    Args:
      path: a media file.
      sample_rate: Hz.
      start_secs: the time of sample 0: `VideoReader.start_secs`, or None for the sound's own start.
      chunk_samples: samples of every block but the last.
      strict: raise once a damaged file's sound is delivered; else set `AudioReader.damage`.

    Raises:
      WyhError: no media, no sound; while iterating: damage, sound of zero length.
    """
    info = probe(path)
    if not info.has_audio:
        raise WyhError(f"{ffmpeg.shown(path)} has no sound, wanted a file with sound")
    origin = "STARTPTS" if start_secs is None else f"({start_secs:.9f})/TB"
    resample = f"aresample={sample_rate}:async=1:min_hard_comp=0.01:first_pts=0"
    mix = "ochl=mono:osf=flt:rematrix_maxval=1"
    # A layout without a name has no rule for mixing: then all channels alike.
    unnamed = re.fullmatch(r"(\d+) channels", info.audio_layout or "")
    plain = "+".join(f"c{n}" for n in range(int(unnamed[1]))) if unnamed else ""
    first = f"pan=mono|c0<{plain}," if unnamed else ""
    arguments = ["-copyts", "-i", ffmpeg.as_argument(path), "-map", "0:a:0"]
    arguments += ["-af", f"{first}asetpts=PTS-{origin},{resample}:{mix}"]
    arguments += [*_STAMPS, "-f", "f32le", "pipe:1"]
    given = path, sample_rate, start_secs, chunk_samples, arguments
    # FLAC's own header counts its samples; other lengths are estimates.
    promised = info.duration_secs if info.container == "flac" and start_secs is None else None
    with closing(AudioReader(*given, strict=strict, promised_secs=promised)) as reader:
        yield reader
