"""Which moments of recorded sound to train on, and which to keep for judging, in memory.

Recordings are divided as `data_prep` divides films: whole ones are held out for tests, or seconds
of a single one; a prepared data set keeps the division that it has.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
from jaxtyping import Int, Int16

from wyh.errors import WyhError
from wyh.windows import GUARD, assign_splits, take_of

EVERY_TEST, EVERY_VALIDATION = 5, 10
"""One recording, or second, of so many is held out for tests; another one for validation."""

Split = Literal["train", "validation", "test"]


class Span(NamedTuple):
    """Samples of a recording, from `begin` to `end`, that belong to a split."""

    begin: int
    end: int
    split: Split


class Song(NamedTuple):
    """A recording's sound. `spans` are those of a data set, which has chosen its tests."""

    name: str
    waveform: Int16[np.ndarray, " samples"]
    spans: tuple[Span, ...] = ()


class SongBank:
    """The sounds of some recordings at one sample rate.

    Args:
      songs: one at least; their waveforms become parts of one array.
      sample_rate: of all, in Hz.
      unusable: why a file was left out, by path.
    """

    def __init__(
        self, songs: Sequence[Song], sample_rate: int, unusable: Mapping[Path, str] | None = None
    ) -> None:
        self.sample_rate, self.unusable = sample_rate, dict(unusable or {})
        edges = np.cumsum([0, *(len(song.waveform) for song in songs)]).tolist()
        self._starts = edges[:-1]
        self._joined = np.concatenate([song.waveform for song in songs])
        self.songs = [
            song._replace(waveform=self._joined[begin:end])
            for song, begin, end in zip(songs, edges[:-1], edges[1:], strict=True)
        ]

    @property
    def secs(self) -> float:
        """Of sound in all."""
        return len(self._joined) / self.sample_rate

    def describe(self) -> dict[str, Any]:
        """For a run's `config.json`: which recordings, and a fingerprint of what is heard."""
        digest = hashlib.sha256(self._joined.data).hexdigest()[:16]
        return {"fingerprint": digest, "recordings": [song.name for song in self.songs]}

    def moments(
        self, split: Split, hop: int, reach: int, after: int | None = None
    ) -> Int[np.ndarray, " n"]:
        """Every `hop` samples a moment of a split, to cut `windows` at; one at least.

        Args:
          split: train, validation or test.
          hop: samples from one moment to the next.
          reach: samples before a moment that belong to it: all of them lie in one recording, and
            none of them in another split.
          after: as `reach`, but after it; as many unless given.

        Raises:
          WyhError: a moment reaches further than what is heard, or held out, at a time.
        """
        after = reach if after is None else after
        # Sound too short to hold some of it out is judged by what it was trained on.
        for wanted in (split, "train", "test"):
            spans = [span for span in self._spans if span.split == wanted]
            if spans:
                break
        moments = np.concatenate(
            [np.arange(begin + reach, end - after + 1, hop) for begin, end, _ in spans]
        )
        if not len(moments):
            longest = max(end - begin for begin, end, _ in spans) / self.sample_rate
            raise WyhError(
                f"got moments of {(reach + after) / self.sample_rate:.3g} s, wanted {longest:.3g} "
                f"s at most ({split}): use fewer or quicker pictures, or longer sounds"
            )
        return moments

    def windows(
        self, moments: Int[np.ndarray, "*n"], length: int
    ) -> Int16[np.ndarray, "*n {length}"]:
        """The sound around moments; silence before the first recording and after the last."""
        places = np.asarray(moments)[..., None] - length // 2 + np.arange(length)
        sound = np.take(self._joined, places, mode="clip")
        sound[(places < 0) | (places >= len(self._joined))] = 0
        return sound

    @cached_property
    def _spans(self) -> list[Span]:
        """The spans of all recordings, as places in the joined sound."""
        spans = [list(song.spans) or [Span(0, len(song.waveform), "train")] for song in self.songs]
        files = [number for number, song in enumerate(self.songs) if not song.spans]
        self._hold_out(spans, files, "test", EVERY_TEST, 4, takes=2)
        left = [number for number, found in enumerate(spans) if "train" in {s.split for s in found}]
        self._hold_out(spans, left, "validation", EVERY_VALIDATION, 6, takes=EVERY_VALIDATION)
        return [
            Span(start + begin, start + end, split)
            for start, found in zip(self._starts, spans, strict=True)
            for begin, end, split in found
        ]

    def _hold_out(
        self,
        spans: list[list[Span]],
        numbers: Sequence[int],
        split: Split,
        every: int,
        which: int,
        *,
        takes: int,
    ) -> None:
        """Take something out of the training spans of some recordings.

        Whole recordings where there are so many `takes`, else of each the second number `which` of
        every so many.
        """
        names = {number: self.songs[number].name for number in numbers}
        several = len({take_of(name) for name in names.values()}) >= takes
        splits = assign_splits(sorted(set(names.values())), 1 / every) if several else None
        for number, name in names.items():
            if splits is None:
                cut = (self._cut(span, split, every, which) for span in spans[number])
                spans[number] = [part for parts in cut for part in parts]
            elif splits[name] == "test":
                spans[number] = [
                    span._replace(split=split) if span.split == "train" else span
                    for span in spans[number]
                ]

    def _cut(self, span: Span, split: Split, every: int, which: int) -> Iterator[Span]:
        """Whole seconds out of a training span, and what is left of it, less the guard."""
        rate, guard = self.sample_rate, round(GUARD * self.sample_rate)
        begin, seconds = span.begin, range(-(-span.begin // rate), span.end // rate)
        for second in seconds if span.split == "train" else ():
            if second % every == which:
                if begin < second * rate - guard:
                    yield Span(begin, second * rate - guard, "train")
                yield Span(second * rate, (second + 1) * rate, split)
                begin = (second + 1) * rate + guard
        if begin < span.end:
            yield span._replace(begin=begin)
