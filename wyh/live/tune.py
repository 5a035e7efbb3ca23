"""A file that is heard while its pictures are seen: decoded ahead, played by a speaker's clock.

Stream time is what the ear has: the sample that leaves the speaker now. Without a speaker it is
this machine's clock. Pictures look ahead by the declared latency, so that the middle of a picture
is the middle of its sound. Where no sound can be decoded in time, sound and pictures wait.
"""

import math
import threading
import time
from collections import deque
from collections.abc import Callable

import numpy as np
from jaxtyping import Float32

from wyh.live.clock import Clock
from wyh.live.hearing import Block, Sound
from wyh.live.output import FADE_OUT_SECS
from wyh.live.ring import shaped
from wyh.live.sinks import DeviceSink
from wyh.media.song import Song
from wyh.specs import StreamSpec
from wyh.transducers.offline import pictures_of

_MARGIN_SECS = 0.03  # before a picture is made, its sound was listened to
_LEAD_SECS, _LEAD_PART = 0.06, 0.75  # how long before its tick a picture is made; of its time
_REFILL_SECS = 0.3  # of sound, after a gap
_EDGE_SECS = 0.005  # in which a gap begins and ends
_STEP_SECS, _PULL = 0.1, 0.02  # as in `output`: how the clock follows
_NEWEST = 8192  # samples for who shows them


class Tune:
    """A song that plays. See `wyh.live.hearing.Hearing`."""

    def __init__(self, song: Song, gain: Callable[[], float]):
        """Prepare to play.

        Args:
          song: is decoded while it plays.
          gain: what the sound is multiplied with, asked all the time.
        """
        self._song, self._gain = song, gain
        self._spec: StreamSpec | None = None
        self.tape_rate, self.tape_channels = song.played_hz, song.channels
        self.device: DeviceSink | None = None
        self.first_heard: float | None = None
        self.late, self.lead_secs = 0, 0.0
        self._position = self._given = self._number = self._gaps = 0
        self._gone: deque[np.ndarray] = deque()
        self._filling, self._last_gain = False, gain()
        self._leaving: int | None = None  # samples of the fade that are still to come
        self._left = threading.Event()
        self._newest = self._silence(_NEWEST)
        self._earlier_xruns = 0

    @property
    def underruns(self) -> int:
        """Times that no sound was decoded in time, or that the device had none."""
        xruns = 0 if self.device is None else self.device.xruns - self._earlier_xruns
        return self._gaps + xruns

    @property
    def pictures(self) -> int | None:
        """As many as offline, once all is decoded."""
        heard, spec = self._song.heard, self._spec
        return pictures_of(heard.put, spec) if heard.over and spec is not None else None

    @property
    def secs(self) -> float:
        """How much has gone out, seconds."""
        return self._position / self.tape_rate

    @property
    def newest(self) -> Sound:
        """What is about to be heard."""
        return self._newest

    @property
    def delay_secs(self) -> float:
        """None: it was looked ahead."""
        return 0.0

    def begin(self, spec: StreamSpec, clock: Clock, stop: threading.Event) -> None:
        """Play from the beginning."""
        self._spec, self._clock, self._stop = spec, clock, stop
        self.late = spec.latency_samples
        self.lead_secs = min(_LEAD_SECS, _LEAD_PART / float(spec.video.frame_rate))
        clock.hold(self.lead_secs + _MARGIN_SECS)
        if self.device is not None:
            self._earlier_xruns = self.device.xruns
            self.device.start(self._pull)

    def next(self) -> Block | None:
        """The next block, a little before the first picture that needs it is made."""
        spec, number = self._spec, self._number
        assert spec is not None
        rate, end = spec.audio.sample_rate, (number + 1) * spec.block
        due_secs = (end - self.late) / rate
        if not self._clock.sleep_until(due_secs - self.lead_secs - _MARGIN_SECS):
            return None
        if not self._song.heard.wait(spec.block) or self._stop.is_set():
            return None
        samples = self._song.heard.take(spec.block)
        samples = np.pad(samples, (0, spec.block - len(samples)))  # silence after the end
        self._number += 1
        taken = time.perf_counter()
        return Block(number, samples, end, self._clock.wall(due_secs), taken)

    def tape(self, secs: float) -> Sound:
        """What was played; without a device it is played by being asked for."""
        wanted = round(secs * self.tape_rate)
        if self.device is None:
            return self._push(wanted)
        taken = [self._silence(0)]
        while self._gone and self._given < wanted:
            piece = self._gone.popleft()
            if len(piece) > wanted - self._given:
                self._gone.appendleft(piece[wanted - self._given :])
                piece = piece[: wanted - self._given]
            self._given += len(piece)
            taken.append(piece)
        return np.concatenate(taken)

    def _push(self, wanted: int) -> Sound:
        missing, begin = wanted - self._position, time.perf_counter()
        if missing <= 0:
            return self._silence(0)
        there = self._song.played.fill >= missing or self._song.played.over
        if not self._song.played.wait(missing):
            return self._silence(0)
        if not there:
            self._gaps += 1
            self._clock.hold(time.perf_counter() - begin)
        sound = self._amplified(self._song.played.take(missing))
        self._count(sound)
        return sound

    def _pull(self, count: int) -> Sound:
        """The device asks: so many samples, silence where there are none."""
        clock, device = self._clock, self.device
        if device is None or clock.secs() < -device.latency_secs:  # pictures come first
            return self._silence(count)
        behind = clock.secs() - self._position / self.tape_rate + device.latency_secs
        sound = self._faded(self._amplified(self._taken(count)))
        if len(sound):
            self._gone.append(sound)
        if not (self._song.played.over and not self._song.played.fill):
            first = not self._position
            stalled = first or not len(sound) or abs(behind) > _STEP_SECS
            clock.hold(behind if stalled else _PULL * behind)
        self._count(sound)
        return np.concatenate([sound, self._silence(count - len(sound))])

    def _taken(self, count: int) -> Sound:
        """Decoded sound, softly cut where more has not come."""
        played = self._song.played
        edge = max(1, round(_EDGE_SECS * self.tape_rate))
        if self._filling:
            if played.fill < _REFILL_SECS * self.tape_rate and not played.over:
                return self._silence(0)
        short = played.fill < count and not played.over
        sound = played.take(count)
        gain = np.ones(len(sound))
        if self._filling:
            gain[:edge] *= np.arange(len(gain[:edge])) / edge
        if short:
            gain[-edge:] *= np.arange(len(gain[-edge:]))[::-1] / edge
            self._gaps += 1
        self._filling = short
        return sound * shaped(gain, sound)

    def _amplified(self, sound: Sound) -> Sound:
        before, self._last_gain = self._last_gain, self._gain()
        if before == self._last_gain == 1.0 or not len(sound):
            return sound
        ramp = np.linspace(before, self._last_gain, len(sound) + 1)[1:]
        return np.clip(sound * shaped(ramp, sound), -1, 1)

    def _faded(self, sound: Sound) -> Sound:
        if self._leaving is None:
            return sound
        whole = FADE_OUT_SECS * self.tape_rate
        left = np.maximum(self._leaving - np.arange(len(sound)), 0) / whole
        self._leaving -= len(sound)
        if self._leaving <= 0 or not len(sound):
            self._left.set()
        return sound * shaped(left, sound)

    def _count(self, sound: Sound) -> None:
        if not len(sound):
            return
        self.first_heard = self.first_heard or time.perf_counter()
        self._position += len(sound)
        self._newest = np.concatenate([self._newest, sound])[-_NEWEST:]

    def _silence(self, count: int) -> Float32[np.ndarray, "count ..."]:
        shape = (count,) if self.tape_channels == 1 else (count, self.tape_channels)
        return np.zeros(shape, np.float32)

    def leave(self) -> None:
        """Fade out, and wait until the device has taken it."""
        if self.device is not None and self.first_heard is not None:
            self._leaving = math.ceil(FADE_OUT_SECS * self.tape_rate)
            if self._left.wait(1.0):
                time.sleep(min(self.device.latency_secs, 1.0))
