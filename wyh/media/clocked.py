"""A microphone's sound on the machine's clock, so that it can be put beside pictures."""

import time
from collections import deque

import numpy as np
from jaxtyping import Float32

from wyh.media.microphone import Microphone

SETTLE_SECS = 0.5  # of sound to find out when it was heard
WINDOW_SECS = 5.0  # of sound to find out whether the two clocks still agree
TOLERANCE_SECS = 0.010  # they may disagree so much; then sound is stretched by 1 % until they do
_STRETCH = 100


class ClockedSound:
    """Sound whose sample n was heard at `began + n / sample_rate`, however long it goes on.

    Blocks are handed out late and in clumps, never early: the earliest one tells how late a sample
    is at least. A sound device's clock is off by up to 0.01 %, which is 50 ms after ten minutes.

    Attributes:
      began: `time.time` when sample 0 was heard.
    """

    def __init__(self, microphone: Microphone, sample_rate: int):
        """Listen until the clock is known; that sound is not handed out.

        Args:
          microphone: one that has been started.
          sample_rate: its rate in Hz.
        """
        self._microphone, self._rate = microphone, sample_rate
        self._count = 0
        self._delays: deque[float] = deque()
        end = time.perf_counter() + SETTLE_SECS
        while not self._delays or time.perf_counter() < end:
            self._hear()
        self.began = min(self._delays) + self._count / self._rate
        self._count = 0
        self._delays.clear()

    def read(self) -> Float32[np.ndarray, "samples ..."]:
        """The next samples, when they are there."""
        block = self._hear()
        if len(self._delays) * len(block) < WINDOW_SECS * self._rate:
            return block
        late_secs = min(self._delays) - self.began
        self._delays.popleft()
        if abs(late_secs) <= TOLERANCE_SECS:
            return block
        more = max(1, len(block) // _STRETCH) * (1 if late_secs > 0 else -1)
        self._count += more
        self._delays = deque(delay - more / self._rate for delay in self._delays)
        return _stretched(block, len(block) + more)

    def _hear(self) -> np.ndarray:
        block = self._microphone.read()
        self._count += len(block)
        heard = time.time() - self._microphone.latency_secs
        self._delays.append(heard - self._count / self._rate)
        return block


def _stretched(block: np.ndarray, length: int) -> np.ndarray:
    at = np.linspace(0, len(block) - 1, length)
    lines = np.atleast_2d(block.T)
    wider = [np.interp(at, np.arange(len(block)), line) for line in lines]
    return np.stack(wider, axis=-1).reshape(length, *block.shape[1:]).astype(np.float32)
