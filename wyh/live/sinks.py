"""Where live sound goes: nowhere, a .wav, a movie, standard output. Every kind is named here.

These have no clock of their own: the loop's software clock hands them each block when it is due.
"""

import os
import sys
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float32, UInt8

from wyh.errors import WyhError
from wyh.media.encode import MovieWriter, WavWriter
from wyh.specs import StreamSpec

_LATER = {"speaker": "play to a speaker", "screen": "open a window", "web": "serve a page"}
_INSTEAD = "give a name in .wav, .mp4 or .mkv, - for standard output, or null"
_MOVIES = (".mp4", ".m4v", ".mov", ".mkv")
_MOVIE_PIXELS = 512  # the model's small pictures are written at least about this large


@runtime_checkable
class Sink(Protocol):
    """Takes the sound of a stream from its first sample on, and the picture of each frame tick.

    `write` and `show` are called from two threads. What either raises ends the stream.
    """

    def write(self, block: Float32[np.ndarray, "samples ..."]) -> None:
        """Take the next samples, when they are due."""

    def show(self, pixels: UInt8[np.ndarray, "height width channel"], ticks: int) -> None:
        """Take the picture that the model sees now, for so many frame ticks."""

    def close(self, *, keep: bool) -> None:
        """End: keep what was written, if anything was, or leave nothing."""


def open_sink(text: str, spec: StreamSpec) -> Sink:
    """Open what `--sink` names. Every kind of sink is named here.

    Args:
      text: `null`, `-` or a path.
      spec: of the stream.

    Raises:
      WyhError: unknown kind, or it cannot be written.
    """
    if text == "null":
        return NullSink()
    if text == "-":
        return StdoutSink()
    suffix = Path(text).suffix.lower()
    if suffix == ".wav":
        return WavSink(text, spec)
    if suffix in _MOVIES:
        return MovieSink(text, spec)
    kind = text.partition(":")[0]
    if kind in _LATER:
        raise WyhError(f"got --sink {text}, but wyh cannot yet {_LATER[kind]}: {_INSTEAD}")
    raise WyhError(f"got --sink {text}, which is none: {_INSTEAD}")


class NullSink:
    """Keeps nothing."""

    def write(self, block: Float32[np.ndarray, "samples ..."]) -> None:
        """Forget it."""

    def show(self, pixels: UInt8[np.ndarray, "height width channel"], ticks: int) -> None:
        """Forget it."""

    def close(self, *, keep: bool) -> None:
        """Nothing to end."""


class StdoutSink:
    """Raw float32, little-endian, as heard: the declared latency is in it.

    Mono, or stereo interleaved, as the stream is.
    """

    def __init__(self) -> None:
        if sys.stdout.isatty():
            raise WyhError("standard output is a terminal: pipe it into something that plays f32le")
        # Past Python's own buffer, which would be flushed once more at exit, into a closed pipe.
        self._file = sys.stdout.fileno()

    def write(self, block: Float32[np.ndarray, "samples ..."]) -> None:
        """Write the samples at once; blocks as long as the reader does."""
        view = memoryview(block.astype("<f4").tobytes())
        while view:
            view = view[os.write(self._file, view) :]

    def show(self, pixels: UInt8[np.ndarray, "height width channel"], ticks: int) -> None:
        """No pictures."""

    def close(self, *, keep: bool) -> None:
        """The file is not ours to close."""


class WavSink:
    """A recording in sync with the pictures: the declared latency is taken out, as in `render`."""

    def __init__(self, path: str, spec: StreamSpec):
        audio = spec.audio
        self._wav = WavWriter(_with_parents(path), audio.sample_rate, channels=audio.channels)
        self._skip = spec.latency_samples
        self._begun = False

    def write(self, block: Float32[np.ndarray, "samples ..."]) -> None:
        """Append the samples, but for the latency at the front."""
        self._wav.write(block[self._skip :])
        self._skip = max(0, self._skip - len(block))
        self._begun = True

    def show(self, pixels: UInt8[np.ndarray, "height width channel"], ticks: int) -> None:
        """No pictures."""

    def close(self, *, keep: bool) -> None:
        """Give the file its name."""
        self._wav.close(keep=keep and self._begun)


class MovieSink:
    """A movie of what the model saw and of its sound, in sync: the latency is taken out.

    The model's pictures are enlarged with hard pixels.
    """

    def __init__(self, path: str, spec: StreamSpec):
        video = spec.video
        scale = max(1, round(_MOVIE_PIXELS / max(video.height, video.width)))
        self._movie = MovieWriter(
            _with_parents(path),
            sample_rate=spec.audio.sample_rate,
            channels=spec.audio.channels,
            video=video,
            scale_to=(video.height * scale, video.width * scale),
        )
        self._skip = spec.latency_samples
        self._frames = 0

    def write(self, block: Float32[np.ndarray, "samples ..."]) -> None:
        """Append the samples, but for the latency at the front."""
        self._movie.write_audio(block[self._skip :])
        self._skip = max(0, self._skip - len(block))

    def show(self, pixels: UInt8[np.ndarray, "height width channel"], ticks: int) -> None:
        """Append the picture, so often."""
        self._frames += ticks
        while ticks > 0:  # many after a long stall: in pieces
            some = min(ticks, 64)
            self._movie.write_frames(np.broadcast_to(pixels, (some, *pixels.shape)))
            ticks -= some

    def close(self, *, keep: bool) -> None:
        """Give the file its name; a movie without a picture is none."""
        self._movie.close(keep=keep and self._frames > 0)


def _with_parents(path: str) -> Path:
    try:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise WyhError(f"{path} cannot be written: {error.strerror}") from None
    return Path(path)
