"""Where live sound goes: a speaker, nowhere, a .wav, a movie, standard output.

All but the speaker have no clock of their own: the stream's hands them each block when it is due.
"""

import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float32, UInt8

from wyh.errors import WyhError
from wyh.live.pipe import standard_output, write_all
from wyh.media.encode import MovieWriter, WavWriter
from wyh.media.muxing import enlarged
from wyh.specs import AudioSpec, StreamSpec

_STEADY_SECS, _PATIENCE_SECS = 0.25, 2.0
_WANTED = "speaker, screen, web, null, a name in .wav, .mp4 or .mkv, or - for standard output"
MOVIES = (".mp4", ".m4v", ".mov", ".mkv")


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


@runtime_checkable
class DeviceSink(Sink, Protocol):
    """A sink with a clock of its own: it pulls. `write` and `show` are nothing to it."""

    @property
    def latency_secs(self) -> float:
        """From a pull to the ear, as far as is known."""

    @property
    def xruns(self) -> int:
        """How often it had no sound in time, as far as it tells."""

    def settle(self) -> None:
        """Wait until the device runs steadily."""

    def start(self, pull: Callable[[int], Float32[np.ndarray, "samples ..."]]) -> None:
        """Begin to call `pull(count)`, which gives exactly so many samples."""


def open_sink(
    text: str, spec: StreamSpec, *, device_ms: float, note: Callable[[str], None]
) -> Sink:
    """Open what `--sink` names, but for `web`, which plays for each of its guests.

    Args:
      text: `speaker`, `screen` (a window and a speaker), either with `:N` or `:NAME`; `null`, `-`
        or a path.
      spec: of the stream.
      device_ms: what a speaker buffers.
      note: is told of trouble with a speaker.

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
    if suffix in MOVIES:
        return MovieSink(text, spec)
    kind, _, device = text.partition(":")
    if kind in ("speaker", "screen"):
        return SpeakerSink(device or None, spec.audio, device_ms, note)
    raise WyhError(f"got --sink {text}, wanted {_WANTED}")


class NullSink:
    """Keeps nothing."""

    def write(self, block: Float32[np.ndarray, "samples ..."]) -> None:
        """Forget it."""

    def show(self, pixels: UInt8[np.ndarray, "height width channel"], ticks: int) -> None:
        """Forget it."""

    def close(self, *, keep: bool) -> None:
        """Nothing to end."""


class _Pace:
    """How fast a device takes sound: some stand still at first and then catch up."""

    def __init__(self, sample_rate: int):
        self._rate = sample_rate
        self._taken: deque[tuple[float, int]] = deque()

    def took(self, count: int) -> None:
        """It took so many samples, now."""
        now = time.perf_counter()
        self._taken.append((now, count))
        while now - self._taken[0][0] > _STEADY_SECS:
            self._taken.popleft()

    def wait_steady(self) -> None:
        """Wait until it took what is due for a while, or for as long as a player would."""
        until = time.perf_counter() + _PATIENCE_SECS
        while time.perf_counter() < until:
            taken = tuple(self._taken)
            due = _STEADY_SECS * self._rate
            since = time.perf_counter() - taken[0][0] if taken else 0.0
            if since > 0.9 * _STEADY_SECS and abs(sum(n for _, n in taken) - due) < 0.3 * due:
                return
            time.sleep(0.01)


class SpeakerSink:
    """A loudspeaker, by its own clock."""

    def __init__(
        self, device: str | None, audio: AudioSpec, device_ms: float, note: Callable[[str], None]
    ):
        """Open a device by number or part of its name, or the system's own choice."""
        from wyh.media.speaker import open_speaker  # loads the library of the sound card

        self._pull: Callable[[int], np.ndarray] | None = None
        self._frame = () if audio.channels == 1 else (audio.channels,)
        self._speaker = open_speaker(
            self._take,
            device=device,
            sample_rate=audio.sample_rate,
            channels=audio.channels,
            device_ms=device_ms,
            note=note,
        )
        self._pace = _Pace(audio.sample_rate)
        self._speaker.start()  # with silence: devices stutter when they start

    @property
    def name(self) -> str:
        """What the system calls it."""
        return self._speaker.name

    @property
    def latency_secs(self) -> float:
        """From a pull to the ear, as far as is known."""
        return self._speaker.latency_secs

    @property
    def xruns(self) -> int:
        """How often it had no sound in time, as far as it tells."""
        return self._speaker.xruns

    def settle(self) -> None:
        """Wait until the device runs steadily."""
        self._pace.wait_steady()

    def _take(self, count: int) -> Float32[np.ndarray, "samples ..."]:
        if self._pull is None:
            self._pace.took(count)
            return np.zeros((count, *self._frame), np.float32)
        return self._pull(count)

    def start(self, pull: Callable[[int], Float32[np.ndarray, "samples ..."]]) -> None:
        """Play what `pull` gives."""
        self._pull = pull

    def write(self, block: Float32[np.ndarray, "samples ..."]) -> None:
        """It has pulled it already."""

    def show(self, pixels: UInt8[np.ndarray, "height width channel"], ticks: int) -> None:
        """No pictures."""

    def close(self, *, keep: bool) -> None:
        """Let the device go."""
        self._speaker.close()


class StdoutSink:
    """Raw float32, little-endian, as heard: the declared latency is in it.

    Mono, or stereo interleaved, as the stream is.
    """

    def __init__(self) -> None:
        self._file = standard_output("plays f32le")

    def write(self, block: Float32[np.ndarray, "samples ..."]) -> None:
        """Write the samples at once; blocks as long as the reader does."""
        write_all(self._file, block.astype("<f4").tobytes())

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

    The small pictures that a model sees are enlarged with hard pixels.
    """

    def __init__(self, path: str, spec: StreamSpec, *, enlarge: bool = True):
        video = spec.video
        self._movie = MovieWriter(
            _with_parents(path),
            sample_rate=spec.audio.sample_rate,
            channels=spec.audio.channels,
            video=video,
            scale_to=enlarged(video) if enlarge else None,
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
