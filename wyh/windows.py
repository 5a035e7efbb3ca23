"""From frames and sound to synced windows, and from recordings to train and test. Pure: no files.

Everything streams: memory does not grow with the recording. All starts are rounded from exact
fractions, so an hour of footage at 24000/1001 Hz ends as well in sync as it began.
"""

import math
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import PurePosixPath
from typing import Literal, NamedTuple, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float, Float32, UInt8

from wyh.errors import WyhError
from wyh.specs import tick_start

Split = Literal["train", "test"]

GUARD = Fraction(1, 4)
"""Seconds kept free between a training window and a test block of the same take."""

LONGEST_RUN = 256
"""Frames yielded at once at most, however long a picture is held."""


@runtime_checkable
class TimedFrames(Protocol):
    """What `wyh.media.decode` yields: pictures and when each is shown."""

    @property
    def times_secs(self) -> Float[np.ndarray, " n"]: ...  # noqa: D102

    @property
    def pixels(self) -> UInt8[np.ndarray, "n height width channel"]: ...  # noqa: D102


def on_grid(
    chunks: Iterable[TimedFrames], frame_rate: Fraction, tolerance_secs: float = 0.002
) -> Iterator[UInt8[np.ndarray, "n height width channel"]]:
    """Sample and hold: frames of any timing become frames at exactly `frame_rate`.

    Tick k lies k / frame_rate after the first frame and shows the newest frame timed at or before
    it, or at most `tolerance_secs` after it (containers round timestamps to 1 ms). The stream ends
    where the last frame has been shown for as long as the one before it.

    Args:
      chunks: frames in order of time; times in seconds.
      frame_rate: of the grid, in Hz.
      tolerance_secs: how late a frame may come and still be on time.

    Yields:
      Runs of at most `LONGEST_RUN` frames.
    """
    held: np.ndarray | None = None  # the newest frame: when the next comes is not known yet
    first_secs = last_secs = 0.0
    spacing_secs = float(1 / frame_rate)
    tick = 0  # where the held frame starts
    for chunk in chunks:
        if not len(chunk.times_secs):
            continue
        if held is None:
            first_secs = last_secs = float(chunk.times_secs[0])
        since_first = chunk.times_secs - first_secs - tolerance_secs
        starts = np.ceil(since_first * float(frame_rate)).astype(np.int64)
        starts = np.maximum.accumulate(np.maximum(starts, tick))
        if held is None:
            starts[0] = 0
        else:
            yield from _hold(held[None], np.array([starts[0] - tick]))
        yield from _hold(chunk.pixels[:-1], np.diff(starts))
        times = np.append(last_secs, chunk.times_secs)
        steps = np.diff(times)
        if steps[-1] > 0:
            spacing_secs = float(steps[-1])
        held, tick, last_secs = chunk.pixels[-1].copy(), int(starts[-1]), float(times[-1])
    if held is not None:
        until = last_secs + spacing_secs - first_secs - tolerance_secs
        end = max(math.ceil(until * float(frame_rate)), 1)
        yield from _hold(held[None], np.array([max(end - tick, 0)]))


def _hold(pixels: np.ndarray, ticks: np.ndarray) -> Iterator[np.ndarray]:
    """Frame i of `pixels` shown for `ticks[i]` ticks, in runs of bounded length."""
    if len(ticks) <= LONGEST_RUN and (ticks == 1).all():  # already on the grid: no copy
        if len(ticks):
            yield pixels
        return
    ends = np.cumsum(ticks)
    total = int(ends[-1]) if len(ends) else 0
    for first in range(0, total, LONGEST_RUN):
        shown = np.arange(first, min(first + LONGEST_RUN, total))
        yield pixels[np.searchsorted(ends, shown, side="right")]


@dataclass(frozen=True)
class WindowSpec:
    """How a recording on its frame grid is cut. Window i starts at frame `i * hop_frames`."""

    frame_rate: Fraction  # Hz
    sample_rate: int  # Hz
    frames_per_window: int = 1  # 1 to 4,096
    hop_frames: int = 0  # from window to window; 0 = frames_per_window (no overlap)

    def __post_init__(self) -> None:
        if not 1 <= self.frames_per_window <= 4096:
            raise WyhError(f"got {self.frames_per_window} frames per window, wanted 1 to 4096")
        if self.hop_frames < 0:
            raise WyhError(f"got a hop of {self.hop_frames} frames, wanted 0 or more")
        if not self.hop_frames:
            object.__setattr__(self, "hop_frames", self.frames_per_window)

    @property
    def window_samples(self) -> int:
        """Samples of every window: fixed, so that shapes are static."""
        return round(self.frames_per_window * self.sample_rate / self.frame_rate)

    @property
    def block_secs(self) -> int:
        """Length of a split block: one second, longer where windows are longer than half of it."""
        window = Fraction(self.frames_per_window) / self.frame_rate
        return 1 if window <= Fraction(1, 2) else math.ceil(2 * window)

    def start_secs(self, index: int) -> float:
        """When window `index` starts, in seconds after the recording's first frame."""
        return float(index * self.hop_frames / self.frame_rate)


class Window(NamedTuple):
    """Synced pictures and sound. `number` counts the recording's windows."""

    number: int
    frames: UInt8[np.ndarray, "time height width channel"]
    audio: Float32[np.ndarray, " samples"]


def cut_windows(
    frames: Iterable[UInt8[np.ndarray, "n height width channel"]],
    blocks: Iterable[Float32[np.ndarray, " n"]],
    spec: WindowSpec,
) -> Iterator[Window]:
    """Join a stream of frames (on the grid) and a stream of sound into windows.

    Window i has frames `[i * hop, i * hop + n)` and `window_samples` of sound from
    `tick_start(i * hop)`. Where the sound ends before the pictures, or there is none, silence
    follows; frames that fill no whole window are left out.

    Args:
      frames: runs of any length.
      blocks: runs of any length; the first sample is heard at the time of the first frame.
      spec: sizes and rates.
    """
    length, hop = spec.frames_per_window, spec.hop_frames
    sound = _Sound(blocks)
    rest: np.ndarray | None = None  # frames that windows to come still need
    first = index = 0  # first = number of rest[0]
    for run in frames:
        rest = run if rest is None or not len(rest) else np.concatenate([rest, run])
        while index * hop - first + length <= len(rest):
            at = index * hop - first
            start = tick_start(index * hop, spec.sample_rate, spec.frame_rate)
            yield Window(index, rest[at : at + length], sound.take(start, spec.window_samples))
            index += 1
        done = min(index * hop - first, len(rest))
        rest, first = rest[done:], first + done


class _Sound:
    """Sound pulled from its blocks as far as it is needed, forgotten when it is past."""

    def __init__(self, blocks: Iterable[np.ndarray]) -> None:
        self._blocks = iter(blocks)
        self._rest = np.zeros(0, np.float32)
        self._first = 0  # number of the sample rest[0]
        self._ended = False

    def take(self, start: int, samples: int) -> np.ndarray:
        """Samples `[start, start + samples)`; starts never decrease from call to call."""
        while not self._ended and self._first + len(self._rest) < start + samples:
            block = next(self._blocks, None)
            if block is None:
                self._ended = True
                break
            past = min(max(start - self._first, 0), len(self._rest))
            self._rest = np.concatenate([self._rest[past:], block])
            self._first += past
        at = start - self._first
        piece = self._rest[at : at + samples]
        return np.pad(piece, (0, samples - len(piece))) if len(piece) < samples else piece


# No letter comes before: "interview 1" and "webcam 2" are recordings of their own.
_ANGLE = re.compile(
    r"[ _.-]*(?<![^\W\d_])(?:angle|camera|cam|view)[ _.-]*\d+(?=[ _.-]|$)", re.IGNORECASE
)


def take_of(recording: str) -> str:
    """The take that a recording shows: its name without extension and without the angle.

    An angle is `angle`, `camera`, `cam` or `view` and a number, set off by `_`, `-`, `.` or a space
    and anywhere in the path: `seq6_angle1.mp4`, `seq6-cam2.mov`, `seq6/cam1.mp4` and
    `view3/seq6.mp4` are all the take `seq6`; `interview 1.mp4` is a take of its own.
    """
    path = PurePosixPath(recording)
    parts = [_ANGLE.sub("", part) for part in (*path.parts[:-1], path.stem)]
    return "/".join(part for part in parts if part)


def holdout_every(holdout: float) -> int:
    """`every` so that one of `every` is held out; 0 for none.

    Raises:
      WyhError: when `holdout` is outside 0 to 0.5.
    """
    if not 0 <= holdout <= 0.5:
        raise WyhError(f"got holdout {holdout:g}, wanted 0 (none) to 0.5 (half)")
    return round(1 / holdout) if holdout else 0


def every_nth(names: Sequence[str], holdout: float) -> dict[str, Split]:
    """The last of every `round(1 / holdout)` names is test: at least one, of two or more."""
    every = holdout_every(holdout)
    if not every or len(names) < 2:
        return dict.fromkeys(names, "train")
    every = min(every, len(names))
    return {n: "test" if i % every == every - 1 else "train" for i, n in enumerate(names)}


def assign_splits(recordings: Sequence[str], holdout: float) -> dict[str, Split] | None:
    """Which split each recording belongs to, by takes sorted by name.

    Returns:
      None when they all show one take: then `block_split` divides its windows.
    """
    takes = sorted({take_of(recording) for recording in recordings})
    if len(takes) == 1 and holdout_every(holdout):
        return None
    split = every_nth(takes, holdout)
    return {recording: split[take_of(recording)] for recording in sorted(recordings)}


def fit_every(every: int, secs: float | None, spec: WindowSpec) -> int:
    """`every`, less where a take of `secs` is too short for that many blocks (2 at least)."""
    return every if secs is None else max(2, min(every, int(secs / spec.block_secs)))


def block_split(index: int, spec: WindowSpec, every: int) -> Split | None:
    """Where window `index` of a single take goes; None: nowhere, it is on a border.

    The take is cut into blocks of `spec.block_secs`; the last of every `every` is test. A test
    window lies wholly inside such a block, a training window at least `GUARD` away from any.
    """
    # Integers, in units of 1 / (4 * numerator) of a second: exact, and fast.
    rate = spec.frame_rate
    unit = 4 * rate.denominator
    start = index * spec.hop_frames * unit
    end = start + spec.frames_per_window * unit
    block = 4 * rate.numerator * spec.block_secs
    guard = int(GUARD * 4) * rate.numerator
    cycle = block * every
    # The first test block that ends after the window starts, less the guard: no other can matter.
    test_end = max(-(-(start - guard + 1) // cycle), 1) * cycle
    test_start = test_end - block
    if start >= test_start and end <= test_end:
        return "test"
    return "train" if end + guard <= test_start else None


def block_of(index: int, spec: WindowSpec) -> int:
    """The split block in which window `index` starts."""
    rate = spec.frame_rate
    return index * spec.hop_frames * rate.denominator // (rate.numerator * spec.block_secs)
