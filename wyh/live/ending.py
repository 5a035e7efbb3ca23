"""Where a stream ends, as soon as that is known: with its source, or after a while."""

import math

from wyh.live.ring import Ring
from wyh.media.camera import FrameSource
from wyh.specs import StreamSpec
from wyh.transducers.offline import samples_of


class Ending:
    """Told to the ring, behind whose end nothing is read.

    Attributes:
      sample: at which the pictures end; None while that is unknown. The sound of the last one
        ends later by the declared latency.
    """

    def __init__(self, spec: StreamSpec, ring: Ring, duration_secs: float | None):
        """End after so many seconds of stream time; None for the source's own end."""
        self._spec, self._ring = spec, ring
        self.sample: int | None = None
        if duration_secs is not None:
            self._not_after(round(duration_secs * spec.audio.sample_rate))

    def known(self, source: FrameSource) -> int | None:
        """The sample at which the pictures end, as far as is known now."""
        length = source.length_secs
        if length is not None:
            ticks = max(1, math.ceil(length * self._spec.video.frame_rate))
            self._not_after(samples_of(ticks, self._spec))
        return self.sample

    def is_over(self, source: FrameSource, tick: int, at_secs: float) -> bool:
        """Whether there is nothing to look at for `tick`, which is at `at_secs`."""
        if tick == 0:
            return False
        end = self.known(source)
        if source.is_over(at_secs):
            self._not_after(samples_of(tick, self._spec))
            return True
        return end is not None and at_secs >= end / self._spec.audio.sample_rate

    def _not_after(self, end: int) -> None:
        self.sample = end if self.sample is None else min(end, self.sample)
        self._ring.end = self.sample + self._spec.latency_samples
