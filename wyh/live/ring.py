"""Between who makes the sound and whose clock takes it: a ring, one writer, one reader.

Positions are absolute samples of the stream. The reader never waits: what is not there in time is
bridged, and comes too late. So sample s of the stream is heard when s is due or not at all, and an
underrun neither clicks nor shifts the sound against the pictures.
"""

from collections import deque
from typing import Any

import numpy as np
from jaxtyping import Float, Float32

FADE_SAMPLES = 256  # of a bridge: 12 ms at 22,050 Hz
_RISE = (0.5 - 0.5 * np.cos(np.pi * (np.arange(FADE_SAMPLES) + 0.5) / FADE_SAMPLES)).astype("f4")

_Sound = Float32[np.ndarray, "samples ..."]


class Ring:
    """A bounded queue of float32 samples. `write` from one thread, `read` from one other.

    A sample of mono is a number, of stereo a pair: blocks are `[samples]` or `[samples, 2]`.

    Each side changes its own position only, after the samples are in place, so no lock is held
    that a sound device would have to wait for.

    Attributes:
      underruns: reads that found less than they asked for.
      written: position behind the last sample written.
      position: of the next sample to be read.
      end: behind the stream's last sample, where it is known; nothing is read beyond it, however
        late the writer is.
    """

    def __init__(self, capacity: int, channels: int = 1):
        """Make an empty ring of `capacity` samples."""
        self.capacity = capacity
        self._shape = () if channels == 1 else (channels,)
        self._rise = _RISE.reshape(FADE_SAMPLES, *(1 for _ in self._shape))
        self._samples = self.silence(capacity)
        self._marks: deque[tuple[int, Any]] = deque()
        self.underruns = self.written = self.position = 0
        self.end: int | None = None
        self._finished = False
        self._past = self.silence(FADE_SAMPLES)  # the newest samples that were read
        self._bridge = self.silence(0)  # what is left of the one being crossed
        self._rising = FADE_SAMPLES  # how far the sound is back after a gap

    @property
    def fill(self) -> int:
        """Samples that wait to be read."""
        return max(0, self.written - self.position)

    @property
    def free(self) -> int:
        """Samples that can be written now."""
        return self.capacity - self.fill

    def silence(self, count: int) -> _Sound:
        """So many samples of nothing, shaped as the ring's are."""
        return np.zeros((count, *self._shape), np.float32)

    def write(self, block: _Sound, mark: Any = None) -> None:
        """Append a block; what is already past is lost. There must be room: see `free`.

        `mark` comes back from the `read` that takes the block's first sample; it is lost with it.
        """
        late = min(max(0, self.position - self.written), len(block))
        start, kept = self.written + late, block[late:]
        if len(kept) > self.free:
            raise ValueError(f"got {len(kept)} samples, there is room for {self.free}")
        at = start % self.capacity
        front = min(len(kept), self.capacity - at)
        self._samples[at : at + front] = kept[:front]
        self._samples[: len(kept) - front] = kept[front:]
        if mark is not None and not late:
            self._marks.append((self.written, mark))
        self.written += len(block)

    def finish(self) -> None:
        """Say that nothing more will be written: the end is no underrun."""
        self._finished = True

    def read(self, count: int) -> tuple[_Sound, list[Any]]:
        """Take the next `count` samples, and the marks among them.

        Fewer samples come at the end of the stream alone, none after it.
        """
        finished = self._finished  # before `fill`: nothing is written after it
        if self.end is not None:
            count = min(count, max(0, self.end - self.position))
        there = min(count, self.fill)
        length = there if finished else count
        sound = self.silence(length)
        at = self.position % self.capacity
        front = min(there, self.capacity - at)
        sound[:front] = self._samples[at : at + front]
        sound[front:there] = self._samples[: there - front]
        self._smooth(sound[:there])
        if length:
            self._remember(sound[:there])
        if there < length:
            self.underruns += 1
            self._cross(sound[there:])
        self.position += length
        marks = []
        while self._marks and self._marks[0][0] < self.position:
            marks.append(self._marks.popleft()[1])
        return sound, marks

    def _smooth(self, sound: np.ndarray) -> None:
        """After a gap: fade in over what is left of the bridge."""
        risen = min(FADE_SAMPLES - self._rising, len(sound))
        if risen > 0:
            sound[:risen] *= self._rise[self._rising : self._rising + risen]
            self._rising += risen
        if len(self._bridge) and len(sound):
            rest = self._bridge[: len(sound)]
            sound[: len(rest)] += rest
            self._bridge = self._bridge[len(sound) :]

    def _cross(self, gap: np.ndarray) -> None:
        """Fill a gap with the sound before it turned round, which goes on where it was, fading."""
        if self._rising:  # the gap begins here
            self._bridge, self._rising = self._past[::-1] * self._rise[::-1], 0
        taken = self._bridge[: len(gap)]
        gap[: len(taken)] = taken
        self._bridge = self._bridge[len(gap) :]
        self._remember(gap)

    def _remember(self, sound: np.ndarray) -> None:
        if len(sound) >= FADE_SAMPLES:
            self._past[:] = sound[-FADE_SAMPLES:]
        elif len(sound):
            self._past[: -len(sound)] = self._past[len(sound) :]
            self._past[-len(sound) :] = sound


def shaped(gain: Float[np.ndarray, " samples"], sound: _Sound) -> _Sound:
    """A gain for each sample, to be multiplied with `sound`, mono or stereo."""
    return gain.astype(np.float32).reshape(-1, *(1,) * (sound.ndim - 1))
