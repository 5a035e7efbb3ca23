"""What a synth makes of held-out seconds, and of pictures that stand still."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float32, UInt8

from wyh import knobs
from wyh.metrics.smoothness import click_db, frame_rate_harmonics_db
from wyh.report.excerpts import Excerpt, samples_each
from wyh.report.playing import STATIC_SECS
from wyh.signal.levels import Limiter
from wyh.specs import StreamSpec, tick_start
from wyh.transducers.offline import sonify
from wyh.transducers.protocol import Transducer

STILL = 3  # pictures that stand still
SETTLE_SECS = 2.0  # for which each does before its sound counts
AFTER_SECS = 1.0  # and after: what comes next is heard a little early, as windows are wide
_PERIODS = 160  # of frames, at least: harmonics are looked for in 128
_AT_ONCE = 64  # pictures


class Trial(NamedTuple):
    """A synth's sounds, and how smooth they are while nothing moves."""

    sounds: Float32[np.ndarray, "excerpts samples"]
    harmonics_db: list[float]  # the largest of each picture that stands still
    click_db: float  # of the worst


@dataclass(frozen=True)
class Stream:
    """All pictures that synths are tried with, in one go: so each compiles once.

    Attributes:
      excerpts: each after the pictures before it.
      still: pictures that stand still after these, one after the other.
    """

    excerpts: Sequence[Excerpt]
    still: Sequence[UInt8[np.ndarray, "height width channel"]]

    def frames(self, frame_rate: Fraction) -> Iterator[UInt8[np.ndarray, "n height width channel"]]:
        """The pictures."""
        for excerpt in self.excerpts:
            if len(excerpt.before):
                yield excerpt.before
            yield excerpt.frames
        count = sum(_standing(frame_rate))
        for picture in self.still:
            for first in range(0, count, _AT_ONCE):
                yield np.broadcast_to(picture, (min(_AT_ONCE, count - first), *picture.shape))

    def cut(
        self, sound: Float32[np.ndarray, " samples"], sample_rate: int, frame_rate: Fraction
    ) -> tuple[Float32[np.ndarray, "excerpts each"], list[tuple[int, np.ndarray]]]:
        """The sound of each excerpt, and of each still picture with the tick that it begins at."""
        each, standing = samples_each(frame_rate, sample_rate), _standing(frame_rate)
        tick, excerpts, still = 0, [], []
        for excerpt in self.excerpts:
            begin = tick_start(tick + len(excerpt.before), sample_rate, frame_rate)
            excerpts.append(sound[begin : begin + each])
            tick += len(excerpt.before) + len(excerpt.frames)
        for _ in self.still:
            heard = tick + standing[0]
            ends = (tick_start(heard + k, sample_rate, frame_rate) for k in (0, standing[1]))
            still.append((heard, sound[slice(*ends)]))
            tick += sum(standing)
        return np.stack(excerpts), still


def stream_of(excerpts: Sequence[Excerpt]) -> Stream:
    """All excerpts, and pictures from the middle of some of them, evenly spread."""
    count = min(STILL, len(excerpts))
    chosen = ((np.arange(count) + 0.5) * len(excerpts) / count).astype(int)
    return Stream(excerpts, [excerpts[i].frames[len(excerpts[i].frames) // 2] for i in chosen])


def tried(transducer: Transducer, variables: dict[str, Any], stream: Stream) -> Trial:
    """Play the stream, every knob at its default.

    Args:
      transducer: makes mono sound from pictures.
      variables: of its model.
      stream: of pictures as it sees them.
    """
    spec = transducer.spec
    rate, frame_rate = spec.audio.sample_rate, spec.video.frame_rate
    blocks = sonify(transducer, variables, stream.frames(frame_rate), knobs.defaults())
    sounds, still = stream.cut(np.concatenate(list(blocks)), rate, frame_rate)
    harmonics = [frame_rate_harmonics_db(one, rate, frame_rate).largest for _, one in still]
    clicks = [_clicks(one, begin, spec) for begin, one in still]
    return Trial(sounds, harmonics, max(clicks))


def _clicks(sound: Float32[np.ndarray, " samples"], tick: int, spec: StreamSpec) -> float:
    """At the starts of pictures, of blocks, and of blocks before a limiter; the worst of them."""
    rate, frame_rate, block = spec.audio.sample_rate, spec.video.frame_rate, spec.block
    begin = tick_start(tick, rate, frame_rate)
    count = int(len(sound) * frame_rate / rate)
    pictures = [tick_start(tick + k, rate, frame_rate) - begin for k in range(count)]
    found = [click_db(sound, np.array(pictures))]
    # The latency has been taken out: blocks begin where it puts them.
    late = spec.latency_samples + begin
    for joint in {-late % block, (Limiter(rate).latency_samples - late) % block}:
        found.append(click_db(sound, np.arange(joint, len(sound), block)))
    return max(found)


def _standing(frame_rate: Fraction) -> tuple[int, int, int]:
    """Pictures for which one stands still: to settle, heard, and after that."""
    heard = max(math.ceil(STATIC_SECS * frame_rate), _PERIODS)
    return math.ceil(SETTLE_SECS * frame_rate), heard, math.ceil(AFTER_SECS * frame_rate)
