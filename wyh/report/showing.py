"""How pictures of sound behave and what they cost: steady, in time, without flashes, quick."""

import math
from dataclasses import replace

import numpy as np
from jaxtyping import Float, Float32, Int

from wyh.metrics import onsets
from wyh.metrics.flashes import general_flashes
from wyh.metrics.painted import changes, half_seconds
from wyh.report.album import Album, Heard, judged_size
from wyh.report.painter import SoundPainter
from wyh.report.soundtrack import HELD_OUT, Soundtrack, middles_of
from wyh.specs import VideoSpec

TONE_HZ, TONE_SECS, TONE_FROM_SECS = 440.0, 5.0, 1.0
STROBE_HZ, STROBE_SECS = 8.0, 4.0
WITHIN_SECS = (0.05, 0.1)
CHANGE_FACTOR = 1.2  # times the mean around, that a peak of change exceeds
_SHIFTS_MS = np.arange(-24, 25, 3)
_MOST = 400  # pictures that the offset is measured on


def tone_change(painter: SoundPainter) -> float:
    """Mean change from picture to picture on a steady tone, in 1/255, once it has begun."""
    time_secs = np.arange(round(TONE_SECS * painter.sample_rate)) / painter.sample_rate
    tone = (0.25 * np.sin(2 * np.pi * TONE_HZ * time_secs)).astype(np.float32)
    pictures = np.concatenate(list(painter.paint(tone, judged_size(painter))))
    begin, end = (round(s * painter.frame_rate) for s in (TONE_FROM_SECS, TONE_SECS))
    # The last pictures reach beyond the end of the sound.
    reach = 1 + int(painter.features.win_length / painter.sample_rate * painter.frame_rate)
    return float(changes(pictures[begin : end - reach]).mean())


def music_change(album: Album, facts: Heard) -> float:
    """The same on held-out music."""
    return float(np.nanmean(album.change[facts.kinds == HELD_OUT]))


def strobe(sample_rate: int) -> Float32[np.ndarray, " samples"]:
    """Bursts of noise, `STROBE_HZ` of them a second, as long as the silence between."""
    count = round(STROBE_SECS * sample_rate)
    noise = np.random.default_rng(0).standard_normal(count)
    on = np.arange(count) * STROBE_HZ / sample_rate % 1 < 0.5
    return (0.2 * noise * on).astype(np.float32)


def flashes(painter: SoundPainter, waveform: Float32[np.ndarray, " samples"], limited: bool) -> int:
    """The most general flashes in a second, in pictures of the size trained on."""
    limit = float(limited)
    pictures = np.concatenate(list(painter.paint(waveform, painter.video, flash_limit=limit)))
    return general_flashes(pictures, painter.video.frame_rate).most


class Agreement:
    """How well pictures change when sounds begin, over all held-out stretches.

    Made of all pictures' change from the one before.

    Attributes:
      lag_ms: of pictures, over the longest stretch: above 0 where they are late.
      f1: by tolerance in ms.
      f1_shuffled: the same of changes that know nothing.
      onsets: how many there are.
    """

    def __init__(
        self,
        painter: SoundPainter,
        track: Soundtrack,
        facts: Heard,
        change: Float[np.ndarray, " n"],
    ):
        rate, hop = painter.frame_rate, onsets.HOP_SECS
        strengths, changed = [], []
        true, seen = [np.zeros(0)], [np.zeros(0)]
        begin = 0  # times that are looked at before this stretch
        for stretch, first in zip(track.stretches, facts.firsts, strict=True):
            count, held = len(stretch.kinds), stretch.kinds == HELD_OUT
            if not held.any():
                continue
            moved = np.nan_to_num(change[first : first + count])
            strength = onsets.onset_strength(stretch.waveform, painter.sample_rate)
            times = math.ceil(count / rate / hop)
            strengths.append(np.pad(strength, (0, times))[:times])
            changed.append(moved)
            heard_secs = onsets.onsets(stretch.waveform, painter.sample_rate)
            seen_secs = onsets.peaks(moved, rate, factor=CHANGE_FACTOR) / rate
            for found, into in ((heard_secs, true), (seen_secs, seen)):
                of_picture = np.minimum((found * rate).astype(int), count - 1)
                into.append(begin * hop + found[held[of_picture]])
            begin += times
        longest = int(np.argmax([len(moved) for moved in changed]))
        self.lag_ms = 1000 * onsets.lag_secs(strengths[longest], changed[longest], rate)
        true_secs, seen_secs = _joined(np.concatenate(true), np.concatenate(seen))
        secs = max(1.0, np.ceil(max(true_secs.max(initial=0), seen_secs.max(initial=0))))
        self.onsets = len(true_secs)
        self.f1, self.f1_shuffled = {}, {}
        for within in WITHIN_SECS:
            name = round(1000 * within)
            self.f1[name] = onsets.f1(seen_secs, true_secs, within)
            self.f1_shuffled[name] = onsets.f1_shuffled(seen_secs, true_secs, within, float(secs))


def _joined(
    true_secs: Float[np.ndarray, " n"], seen_secs: Float[np.ndarray, " m"]
) -> tuple[Float[np.ndarray, " n"], Float[np.ndarray, " m"]]:
    """Both without the seconds in which there is neither, as between those that are held out."""
    both = np.concatenate([true_secs, seen_secs])
    _, second = np.unique(np.floor(both), return_inverse=True)
    joined = second + both % 1
    return joined[: len(true_secs)], joined[len(true_secs) :]


def offset_ms(
    painter: SoundPainter,
    track: Soundtrack,
    facts: Heard,
    read: Float[np.ndarray, "n features"],
) -> float:
    """When what is read in a picture was heard, after the middle of the picture's time.

    The features of the sound at other times are compared with what is read; they agree best at
    this one, between the times tried by a parabola.
    """
    held = [
        (stretch, first + np.flatnonzero(stretch.kinds == HELD_OUT), first)
        for stretch, first in zip(track.stretches, facts.firsts, strict=True)
    ]
    every = max(1, sum(len(numbers) for _, numbers, _ in held) // _MOST)
    errors = np.zeros(len(_SHIFTS_MS))
    for stretch, numbers, first in held:
        if not len(numbers):
            continue
        some = numbers[::every]
        middles = middles_of(len(stretch.kinds), painter.spec)[some - first]
        for at, shift in enumerate(_SHIFTS_MS):
            moved = middles + round(shift * painter.sample_rate / 1000)
            apart = painter.true_features(stretch.waveform, moved) - read[some]
            errors[at] += np.square(apart).sum()
    best = int(np.clip(errors.argmin(), 1, len(errors) - 2))
    before, least, after = errors[best - 1 : best + 2]
    curve = before - 2 * least + after
    between = (before - after) / (2 * curve) if curve else 0.0
    return float(_SHIFTS_MS[best] + between * (_SHIFTS_MS[1] - _SHIFTS_MS[0]))


def square(painter: SoundPainter, short: int) -> VideoSpec:
    """Square pictures: what speed is told of, whatever shape the run has."""
    return replace(painter.video, height=short, width=short)


def half_seconds_of(facts: Heard, frame_rate: float) -> Int[np.ndarray, "halves pictures"]:
    """Held-out half seconds of all stretches, as numbers of their pictures."""
    found = []
    for first, length in zip(facts.firsts, facts.lengths, strict=True):
        own = np.flatnonzero(facts.kinds[first : first + length] == HELD_OUT)
        found.append(first + half_seconds(own, frame_rate))
    return np.concatenate(found)
