"""A prepared set of labelled sounds: windows of equal length, and what is known of each sound.

A directory of `windows.npy`, int16 [windows samples], and `sounds.json`, which is written last: a
directory without it is not whole. It is no data set of `wyh.dataset`, whose examples are pictures
with their sound at the pictures' rate: there are none here, and no rate. All windows are one array,
mapped into memory, so that any may be read in any order.
"""

import json
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Float32, Int, Int16

from wyh.errors import WyhError
from wyh.windows import Split

FORMAT = 1
INDEX = "sounds.json"
WINDOWS = "windows.npy"


class Sound(NamedTuple):
    """A sound of a set. Its windows follow those of the sound before it."""

    name: str
    label: int  # place in `SoundSet.classes`
    fold: int
    group: str  # sounds of one recording or speaker have the same
    windows: int


@dataclass(frozen=True)
class SoundSet:
    """A set that is whole. `fingerprint` tells one made of other sounds or options."""

    path: Path
    fingerprint: str
    sample_rate: int  # Hz
    samples: int  # of a window
    classes: tuple[str, ...]
    sounds: tuple[Sound, ...]
    test_fold: int  # kept for testing

    @property
    def secs(self) -> float:
        """Length of a window."""
        return self.samples / self.sample_rate

    @property
    def folds(self) -> tuple[int, ...]:
        """The folds there are, in order."""
        return tuple(sorted({sound.fold for sound in self.sounds}))

    @property
    def groups(self) -> tuple[str, ...]:
        """The groups there are, by name."""
        return tuple(sorted({sound.group for sound in self.sounds}))

    @cached_property
    def sound_of(self) -> Int[np.ndarray, " windows"]:
        """For each window its place in `sounds`."""
        return np.repeat(np.arange(len(self.sounds)), [sound.windows for sound in self.sounds])

    @cached_property
    def labels(self) -> Int[np.ndarray, " windows"]:
        """For each window its class."""
        return np.array([sound.label for sound in self.sounds], int)[self.sound_of]

    @cached_property
    def windows(self) -> Int16[np.ndarray, "windows samples"]:
        """All windows, mapped into memory."""
        return np.load(self.path / WINDOWS, mmap_mode="r", allow_pickle=False)

    def waveforms(
        self, rows: Sequence[int] | Int[np.ndarray, " n"]
    ) -> Float32[np.ndarray, "n samples"]:
        """Some windows, in [-1, 1)."""
        return self.windows[np.asarray(rows, int)].astype(np.float32) / np.float32(32768)

    def rows(self, split: Split, fold: int | None = None) -> Int[np.ndarray, " n"]:
        """The windows of a split.

        Args:
          split: `test` is one fold, `train` are all the others.
          fold: that one; `test_fold` unless given.

        Raises:
          WyhError: there is no such fold.
        """
        fold = self.test_fold if fold is None else fold
        if fold not in self.folds:
            raise WyhError(f"{self.path}: got fold {fold}, wanted {self._told(self.folds)}")
        return self._rows([sound.fold == fold for sound in self.sounds], split)

    def rows_without(self, group: str, split: Split) -> Int[np.ndarray, " n"]:
        """The same where a group is held out, such as a speaker.

        Raises:
          WyhError: there is no such group.
        """
        if group not in self.groups:
            raise WyhError(f"{self.path}: got group {group!r}, wanted {self._told(self.groups)}")
        return self._rows([sound.group == group for sound in self.sounds], split)

    def describe(self) -> dict[str, object]:
        """What a run tells of the sounds it was trained on."""
        names = [sound.name for sound in self.sounds]
        return {"fingerprint": self.fingerprint, "recordings": names}

    def _rows(self, tested: Sequence[bool], split: Split) -> Int[np.ndarray, " n"]:
        of_windows = np.array(tested, bool)[self.sound_of]
        return np.flatnonzero(of_windows if split == "test" else ~of_windows)

    def _told(self, known: Sequence[object]) -> str:
        more = ", ..." if len(known) > 12 else ""
        return f"one of {', '.join(map(str, known[:12]))}{more}"


def is_sound_set(path: Path) -> bool:
    """Is this the directory of a set (rather than of sounds)?"""
    return (path / INDEX).is_file()


def open_sound_set(path: Path) -> SoundSet:
    """Open what `data_prep.sounds` has written.

    Raises:
      WyhError: when the directory is missing, foreign, not finished, of another version or damaged.
    """
    index, windows = path / INDEX, path / WINDOWS
    if not index.is_file():
        raise WyhError(
            f"{path}: no set of sounds ({INDEX} is missing); make one with python -m "
            "data_prep.sounds"
        )
    try:
        values = json.loads(index.read_text(encoding="utf-8"))
        if (version := values["format"]) != FORMAT:
            raise WyhError(
                f"{index}: got format version {version!r}, wanted {FORMAT}; prepare the sounds "
                "again"
            )
        sounds = SoundSet(
            path,
            str(values["fingerprint"]),
            int(values["sample_rate"]),
            int(values["samples"]),
            tuple(values["classes"]),
            tuple(Sound(**sound) for sound in values["sounds"]),
            int(values["test_fold"]),
        )
        checksum = int(values["crc32"])
    except (ValueError, KeyError, TypeError) as error:
        raise WyhError(f"{index}: damaged ({error!r}); prepare the sounds again") from None
    try:
        stored = sounds.windows
        whole = stored.shape == (len(sounds.sound_of), sounds.samples) and stored.dtype == np.int16
    except FileNotFoundError:
        raise WyhError(f"{windows}: is missing; prepare the sounds again") from None
    except (ValueError, EOFError, OSError):
        whole = False
    if not whole or crc_of_ends(stored) != checksum:
        raise WyhError(f"{windows}: damaged; prepare the sounds again")
    return sounds


def crc_of_ends(windows: Int16[np.ndarray, "windows samples"]) -> int:
    """A checksum of the first and the last few windows: quick, however many there are."""
    return zlib.crc32(windows[-8:].tobytes(), zlib.crc32(windows[:8].tobytes()))
