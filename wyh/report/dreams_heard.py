"""Sounds through a whole hallucination: what its pictures show, and how soon.

A picture's time is when it is shown live: the declared latency counts.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int, UInt8

from wyh import knobs
from wyh.judging import Judge
from wyh.report.dreams_track import AFTER_SECS, Track
from wyh.transducers.kinds import Player
from wyh.transducers.offline import visualize

JUDGED_SECS = 0.5
"""After the end of a sound: what is shown then is judged."""

DARK = 26
"""Of 255: a picture is dark when no pixel of it is as bright."""

_AT_ONCE = 256


class Watched(NamedTuple):
    """What is shown of a track, picture by picture."""

    secs: Float[np.ndarray, " pictures"]  # when it is shown live
    likely: Float[np.ndarray, "pictures classes"]  # what the judge says
    lit: Bool[np.ndarray, " pictures"]  # whether it is not dark
    kept: dict[int, UInt8[np.ndarray, "height width 3"]]  # those asked for, by number


class Heard(NamedTuple):
    """What came of each sound."""

    seen: Int[np.ndarray, " sounds"]  # class that is seen after its end; -1: all was dark
    right: Bool[np.ndarray, " sounds"]
    delay_ms: Float[np.ndarray, " sounds"]  # from its end to the right picture


def watch(player: Player, track: Track, judge: Judge, wanted: set[int]) -> Watched:
    """Play a track, and have every picture judged.

    Args:
      player: hear -> see, at the track's rate.
      track: to play.
      judge: of pictures.
      wanted: numbers of the pictures to keep.
    """
    spec = player.transducer.spec
    values = knobs.defaults(**knobs.begun_with(player.run.config) | {"flash_limit": "off"})
    pictures = visualize(player.transducer, player.variables, [track.waveform], values)
    likely, lit, number = [], [], 0
    kept: dict[int, UInt8[np.ndarray, "height width 3"]] = {}
    for some in _gathered(pictures):
        likely.append(judge.say(some).likely)
        lit.append(some.max(axis=(1, 2, 3)) >= DARK)
        kept |= {k: some[k - number] for k in range(number, number + len(some)) if k in wanted}
        number += len(some)
    secs = np.arange(number) / float(spec.video.frame_rate) + spec.latency_secs
    return Watched(secs, np.concatenate(likely), np.concatenate(lit), kept)


def _gathered(
    pictures: Iterator[UInt8[np.ndarray, "_ height width 3"]],
) -> Iterator[UInt8[np.ndarray, "_ height width 3"]]:
    held: list[np.ndarray] = []
    for some in pictures:
        held.append(some)
        if sum(map(len, held)) >= _AT_ONCE:
            yield np.concatenate(held)
            held = []
    if held:
        yield np.concatenate(held)


def heard_of(track: Track, watched: Watched, shown: Float[np.ndarray, "heard shown"]) -> Heard:
    """What came of the sounds of a track.

    What is seen after a sound is the class that is likeliest by the mean of what the judge says of
    the pictures of half a second after its end, dark ones left out. The right picture has come when
    two in a row are judged as right, from the beginning of the sound on; where it never does, that
    counts as the length of the silence after it.

    Args:
      track: that was played.
      watched: its pictures.
      shown: 1 where a class that is seen stands for one that is heard.
    """
    seen, right, delay = [], [], []
    best = watched.likely.argmax(axis=1)
    for label, begin, end in zip(track.labels, track.begins, track.ends, strict=True):
        after = watched.lit & (watched.secs >= end) & (watched.secs < end + JUDGED_SECS)
        seen.append(int(watched.likely[after].mean(axis=0).argmax()) if after.any() else -1)
        right.append(seen[-1] >= 0 and bool(shown[label, seen[-1]] > 0))
        during = (watched.secs >= begin) & (watched.secs < end + AFTER_SECS)
        now = watched.lit & during & (shown[label][best] > 0)
        come = np.flatnonzero(now[:-1] & now[1:])
        delay.append(1000 * (watched.secs[come[0]] - end if len(come) else AFTER_SECS))
    return Heard(np.array(seen), np.array(right), np.array(delay))


class Alarms(NamedTuple):
    """Shares of pictures during silence and noise that are not dark."""

    all: float
    steady: float  # of those in the second half of each, when the noise is nothing new
    any: float  # of silences and noises with such a picture


def alarms_of(track: Track, watched: Watched) -> Alarms:
    """How often something is shown where there is nothing to hear."""
    each = [
        watched.lit[(watched.secs >= first) & (watched.secs < last)] for first, last in track.quiet
    ]
    steady = [some[len(some) // 2 :] for some in each]
    of_all, late = (float(np.concatenate(some).mean()) for some in (each, steady))
    return Alarms(of_all, late, float(np.mean([some.any() for some in each])))


def picture_at(player: Player, secs: float) -> int:
    """The number of the picture that is shown live from so many seconds on."""
    spec = player.transducer.spec
    return max(0, int(np.ceil((secs - spec.latency_secs) * spec.video.frame_rate - 1e-9)))
