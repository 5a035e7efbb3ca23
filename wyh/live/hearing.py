"""What a visualizer hears, and when: here a microphone, in `wyh.live.tune` a file that plays.

Stream time is the time of the sound: second t is when sample `t * sample_rate` has just been heard.
"""

import threading
import time
from collections import deque
from collections.abc import Callable
from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float32

from wyh.live.clock import Clock
from wyh.live.config import Config
from wyh.media.microphone import Microphone, open_microphone
from wyh.media.song import Song
from wyh.media.sources import SoundSource
from wyh.specs import StreamSpec

_STEADY_SECS = 5.0  # of blocks that tell how the device's clock runs
_STEP_SECS = 0.25  # off by more, the clock is set anew
_PULL = 0.02  # of what the clock is off, corrected with each block
_SETTLE_SECS = 0.15
_NEWEST = 4096  # samples for who shows them

Sound = Float32[np.ndarray, "samples ..."]


class Block(NamedTuple):
    """What is heard at once."""

    number: int
    samples: Float32[np.ndarray, " block"]
    end: int  # behind its last sample, in samples of the stream
    due: float  # `time.perf_counter` when it was there to be taken
    taken: float  # when it was ours


@runtime_checkable
class Hearing(Protocol):
    """A sound that is heard. `begin` comes first; each method is for one thread.

    Attributes:
      late: samples by which pictures look ahead of their tick.
      lead_secs: how long before its tick a picture may be made.
      tape_rate: Hz, of `tape`.
      tape_channels: of `tape`.
      first_heard: `time.perf_counter` when the first sound went out; None where none does.
    """

    late: int
    lead_secs: float
    tape_rate: int
    tape_channels: int
    first_heard: float | None

    @property
    def underruns(self) -> int:
        """Times that sound was not there when it was due, or lost."""

    @property
    def pictures(self) -> int | None:
        """How many its sound lasts, once that is known."""

    @property
    def secs(self) -> float:
        """How much was heard, seconds."""

    @property
    def newest(self) -> Sound:
        """The newest samples that were heard, for who shows them; at `tape_rate`."""

    @property
    def delay_secs(self) -> float:
        """From the middle of a sound at the ear to the middle of its picture's tick."""

    def begin(self, spec: StreamSpec, clock: Clock, stop: threading.Event) -> None:
        """Begin to be heard. `clock` will follow."""

    def next(self) -> Block | None:
        """The next block, when it is due; None when told to stop."""

    def tape(self, secs: float) -> Sound:
        """The sound that belongs to the pictures up to a time, what was not given yet of it."""

    def leave(self) -> None:
        """It is over: fade out what plays."""


class MicrophoneHearing:
    """A microphone. Its blocks are the clock: the promptest tells when a sample was heard."""

    def __init__(
        self,
        source: SoundSource,
        spec: StreamSpec,
        *,
        device_ms: float,
        note: Callable[[str], None],
    ):
        """Open it; it runs from now on, so that it is steady when it is needed.

        Args:
          source: a microphone.
          spec: of the run: its sample rate and block.
          device_ms: of sound in the device's buffer.
          note: is told when the microphone goes and comes.

        Raises:
          WyhError: there is no such device.
        """
        rate, block = spec.audio.sample_rate, spec.block
        self.microphone: Microphone = open_microphone(
            source.where,
            sample_rate=rate,
            block=block,
            note=note,
            device_ms=device_ms,
            patient=True,
        )
        self.microphone.start()
        self.late, self.lead_secs = 0, 0.0
        self.tape_rate, self.tape_channels = rate, 1
        self.first_heard: float | None = None
        self._spec, self._rate, self._lost = spec, rate, 0
        self._read = self._number = 0
        self._taped: deque[np.ndarray] = deque()
        self._given = self._gaps = 0

    @property
    def underruns(self) -> int:
        """Times that the device ran over, or that we came too late."""
        return self.microphone.xruns + self._gaps

    @property
    def pictures(self) -> int | None:
        """A microphone has no end."""
        return None

    @property
    def secs(self) -> float:
        """How much was heard, seconds."""
        return self._read / self._rate

    @property
    def newest(self) -> Sound:
        """What is heard now."""
        return self.microphone.newest(_NEWEST)

    @property
    def delay_secs(self) -> float:
        """The declared latency, and the device's."""
        return self._spec.latency_secs + self.microphone.latency_secs

    def begin(self, spec: StreamSpec, clock: Clock, stop: threading.Event) -> None:
        """Hear what comes from now on."""
        self._spec, self._clock, self._stop = spec, clock, stop
        self._delays: deque[tuple[float, float]] = deque()  # when, and how much; the least first
        # A picture is later than its sound by the declared latency: so is the sound on the tape.
        self._taped.append(np.zeros(spec.latency_samples, np.float32))
        self.microphone.skip()
        self._settle()

    def _settle(self) -> None:
        """Find out how the device hands its blocks out; the stream begins after that."""
        begin, count, delay = time.perf_counter(), 0, float("inf")
        while time.perf_counter() - begin < _SETTLE_SECS:
            count += len(self.microphone.read())
            delay = min(delay, time.perf_counter() - count / self._rate)
        self._clock.hold(delay + count / self._rate - self._clock.wall(0.0))
        self._lost = self.microphone.lost

    def next(self) -> Block | None:
        """The next block, as soon as it was heard."""
        if self._stop.is_set():
            return None
        samples = self.microphone.read()
        taken = time.perf_counter()
        if self._stop.is_set():
            return None
        lost, self._lost = self.microphone.lost - self._lost, self.microphone.lost
        if lost:
            self._gaps += 1
            self._taped.append(np.zeros(lost, np.float32))
        self._read += lost + len(samples)
        self._taped.append(samples)
        self._follow(taken)
        # The clock may be late by a part of a block; a block is never there before it is due.
        due = min(taken, self._clock.wall(self._read / self._rate)) - self.microphone.latency_secs
        block = Block(self._number, samples, self._read, due, taken)
        self._number += 1
        return block

    def _follow(self, now: float) -> None:
        """Let the clock follow the promptest block of the last seconds."""
        delay, delays = now - self._read / self._rate, self._delays
        while delays and delays[-1][1] >= delay:
            delays.pop()
        delays.append((now, delay))
        while now - delays[0][0] > _STEADY_SECS:
            delays.popleft()
        off = delays[0][1] - self._clock.wall(0.0)
        # Sound that is there earlier than the clock says proves it wrong; later, it may be late.
        sure = off < 0 or off > _STEP_SECS
        self._clock.hold(off if sure else _PULL * off)

    def tape(self, secs: float) -> Sound:
        """What was heard, later by the declared latency."""
        missing, taken = round(secs * self._rate) - self._given, [np.zeros(0, np.float32)]
        while missing > 0 and self._taped:
            piece = self._taped.popleft()
            if len(piece) > missing:
                self._taped.appendleft(piece[missing:])
                piece = piece[:missing]
            taken.append(piece)
            missing -= len(piece)
        sound = np.concatenate(taken)
        self._given += len(sound)
        return sound

    def leave(self) -> None:
        """Nothing plays."""

    def close(self) -> None:
        """Let the device go."""
        self.microphone.close()

    def __enter__(self) -> "MicrophoneHearing":
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        self.close()


def open_sound(
    source: SoundSource, config: Config, spec: StreamSpec, note: Callable[[str], None]
) -> MicrophoneHearing | Song:
    """Open a microphone, or begin to decode a file. A context manager either way.

    Args:
      source: which.
      config: of the command.
      spec: of the run.
      note: is told of trouble.

    Raises:
      WyhError: it cannot be opened.
    """
    if source.microphone:
        return MicrophoneHearing(source, spec, device_ms=config.microphone_ms, note=note)
    assert source.where is not None
    return Song(source.where, spec.audio.sample_rate, loop=config.loop, note=note)
