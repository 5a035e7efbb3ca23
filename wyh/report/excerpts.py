"""Held-out seconds of films, with the pictures before them and the sound that belongs to them."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float32, Int, UInt8

from wyh.loudness import recording_gain
from wyh.report.soundtrack import HELD_OUT, TRAIN
from wyh.specs import tick_start
from wyh.windows import WindowSpec, block_of, block_split

RUN_UP_SECS = 1.0
"""Of pictures before an excerpt, at most: for models that remember."""


class Stretch(NamedTuple):
    """Pictures in a row, and their sound from the start of the first."""

    name: str  # of the recording
    begin_secs: float  # in it
    frames: UInt8[np.ndarray, "n height width channel"]
    sound: Float32[np.ndarray, " samples"]


class Excerpt(NamedTuple):
    """A held-out second or so. All of a report have as many pictures, and as many samples."""

    name: str  # of the recording
    begin_secs: float  # in it
    before: UInt8[np.ndarray, "m height width channel"]  # none where the excerpt before leads on
    frames: UInt8[np.ndarray, "n height width channel"]
    sound: Float32[np.ndarray, " samples"]


class Kept(NamedTuple):
    """What is kept of a recording: some pictures, all the sound, and what each picture is for.

    Attributes:
      name: of the recording.
      ticks: numbers of the pictures that are kept, rising.
      frames: these.
      kinds: `TRAIN`, `HELD_OUT` or 0 of every picture, kept or not.
      taken: which pictures are made use of.
      sound: from the start of picture 0; silence follows.
    """

    name: str
    ticks: Int[np.ndarray, " n"]
    frames: UInt8[np.ndarray, "n height width channel"]
    kinds: Int[np.ndarray, " total"]
    taken: Bool[np.ndarray, " total"]
    sound: Float32[np.ndarray, " samples"]


@dataclass(frozen=True)
class Division:
    """What each second of a recording is for, and which seconds are taken.

    Attributes:
      frame_rate: of the pictures, in Hz.
      every: of a recording that is divided, the last of so many seconds is held out; 0 where all
        of it is of one kind.
      whole: which that is.
      train_step: of training seconds, one in so many is taken.
      test_step: the same of those that are held out.
    """

    frame_rate: Fraction
    every: int = 0
    whole: int = HELD_OUT
    train_step: int = 1
    test_step: int = 1

    def kinds(self, ticks: range) -> Int[np.ndarray, " ticks"]:
        """What each picture is for."""
        if not self.every:
            return np.full(len(ticks), self.whole)
        window, kind = _window(self.frame_rate), {"train": TRAIN, "test": HELD_OUT, None: 0}
        return np.array([kind[block_split(tick, window, self.every)] for tick in ticks], int)

    def taken(self, ticks: range) -> Bool[np.ndarray, " ticks"]:
        """Which pictures are made use of."""
        kinds = self.kinds(ticks)
        seconds = np.array([block_of(tick, _window(self.frame_rate)) for tick in ticks], int)
        # Held-out seconds are counted by themselves, else a step might meet none of them.
        held = np.where(kinds == HELD_OUT, seconds // max(1, self.every), seconds)
        step = np.where(kinds == HELD_OUT, self.test_step, self.train_step)
        return (kinds > 0) & (held % step == 0)

    def needed(self, ticks: range) -> Bool[np.ndarray, " ticks"]:
        """Pictures that are taken, and those just before an excerpt."""
        reach = run_up(self.frame_rate)
        further = range(ticks.start, ticks.stop + reach)
        taken = self.taken(further)
        held = taken & (self.kinds(further) == HELD_OUT)
        soon = np.lib.stride_tricks.sliding_window_view(held, reach + 1).any(axis=1)
        return soon | taken[: len(ticks)]


def _window(frame_rate: Fraction) -> WindowSpec:
    """A single picture: as data sets are divided."""
    return WindowSpec(frame_rate, 22050)


def run_up(frame_rate: Fraction) -> int:
    """Pictures before an excerpt."""
    return max(1, round(RUN_UP_SECS * float(frame_rate)))


def pictures_each(frame_rate: Fraction) -> int:
    """Pictures of an excerpt: as many as lie in a second that is held out."""
    return max(1, math.floor(_window(frame_rate).block_secs * frame_rate))


def samples_each(frame_rate: Fraction, sample_rate: int) -> int:
    """Samples of an excerpt."""
    return math.floor(pictures_each(frame_rate) * sample_rate / frame_rate)


def cut(kept: Kept, frame_rate: Fraction, sample_rate: int) -> tuple[list[Excerpt], list[Stretch]]:
    """The excerpts of a recording, and its stretches of training pictures.

    All its sound is as loud as training has it: by what its training seconds need, or those that
    are held out where it has no others.
    """
    total, ticks, frames = len(kept.kinds), kept.ticks, kept.frames
    starts = np.array([tick_start(tick, sample_rate, frame_rate) for tick in range(total + 1)])
    sound = np.pad(kept.sound, (0, max(0, int(starts[-1]) - len(kept.sound))))[: int(starts[-1])]
    learned = kept.kinds == (TRAIN if (kept.kinds == TRAIN).any() else HELD_OUT)
    known = sound[np.repeat(learned, np.diff(starts))]
    sound = sound * np.float32(recording_gain(known, sample_rate))
    in_a_row = _in_a_row(ticks)

    def runs(kind: int) -> Iterator[tuple[int, int]]:
        """First place and length of pictures of a kind in a row."""
        places = np.flatnonzero((kept.taken & (kept.kinds == kind))[ticks])
        for run in np.split(places, np.flatnonzero(np.diff(ticks[places]) != 1) + 1):
            if len(run):
                yield int(run[0]), len(run)

    excerpts, follows = [], -1
    count, reach = pictures_each(frame_rate), run_up(frame_rate)
    samples = samples_each(frame_rate, sample_rate)
    for place, length in runs(HELD_OUT):
        for first in range(place, place + length - count + 1, count):
            begin, back = int(ticks[first]), min(reach, int(in_a_row[first]))
            if first == follows:
                before = frames[:0]
            else:  # where nothing is known, the first picture has stood still
                before = frames[first - back : first] if back else frames[[first] * reach]
            heard = sound[starts[begin] : starts[begin] + samples]
            shown = frames[first : first + count]
            excerpts.append(Excerpt(kept.name, float(begin / frame_rate), before, shown, heard))
            follows = first + count
    stretches = []
    for place, length in runs(TRAIN):
        begin = int(ticks[place])
        heard = sound[starts[begin] : starts[begin + length]]
        shown = frames[place : place + length]
        stretches.append(Stretch(kept.name, float(begin / frame_rate), shown, heard))
    return excerpts, stretches


def _in_a_row(ticks: Int[np.ndarray, " n"]) -> Int[np.ndarray, " n"]:
    """How many pictures come just before each one, without a gap."""
    places = np.arange(len(ticks))
    begins = np.append(True, np.diff(ticks) != 1)[: len(ticks)]
    return places - np.maximum.accumulate(np.where(begins, places, 0))
