"""Labelled sounds -> windows of equal length, with their class, fold and group.

    python -m data_prep.sounds sounds/ --out data/sounds --sample-rate 16000 --secs 1.0
    python -m data_prep.sounds digits/ --out data/digits --layout fsdd --fill silence

`data_prep/sound_lists.py` tells the layouts (`--layout`, found out unless given) and
`data_prep/sound_windows.py` how sounds of any length become windows that do not tell it. What is
written is told in `wyh/sound_set.py`, which reads it. Three thousand spoken digits take ten seconds
on 2 cores. The directory is printed last; interrupted, it goes on where it stopped.

Folds that the sounds come with are kept, and the official one is for testing, else the last. Where
there are none they are made: each has its part of every class, and sounds of one group stay
together.
"""

import json
import shutil
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import tyro

from data_prep import inputs
from data_prep.sound_folds import choose_fold, gaps, shared_out
from data_prep.sound_lists import Layout, Listed, list_sounds
from data_prep.sound_tables import natural
from data_prep.sound_windows import Fill, cut, read_sound, rng_of
from wyh import parts
from wyh.errors import WyhError, check_range
from wyh.media.whole import WholeFile
from wyh.songs import to_int16
from wyh.sound_set import FORMAT, INDEX, WINDOWS, Sound, crc_of_ends, is_sound_set
from wyh.specs import AudioSpec

WANTED = "sounds, in a folder for each class, or a CSV file that lists them"

CHUNK = 100
"""Sounds of one task."""


@dataclass(frozen=True)
class Config:
    """Make labelled sounds into windows of one length."""

    sounds: tyro.conf.Positional[Path]  # folder of sounds, or a CSV file that lists them
    out: Path  # directory of the set to make
    layout: Layout = "auto"  # how files and classes are told, see data_prep/sound_lists.py
    classes: tuple[str, ...] = ()  # those to use, in this order; all, by name, unless given
    sample_rate: int = 16000  # Hz, 4,000 to 192,000
    secs: float = 1.0  # length of a window, 0.1 to 60
    fill: Fill = "repeat"  # longer windows: the sound again, or silence (words, single strokes)
    most: int = 8  # windows of one sound at most, 1 to 1,000
    folds: int = 5  # to make where there are none, 2 to 100
    test_fold: int | None = None  # kept for testing; the official one, or the last
    seed: int = 0  # of the places of windows, 0 or more
    workers: int = 0  # processes; 0 = one a core

    def __post_init__(self) -> None:
        AudioSpec(self.sample_rate)
        check_range("secs", self.secs, 0.1, 60, "s")
        check_range("most", self.most, 1, 1000, "windows")
        check_range("folds", self.folds, 2, 100)
        check_range("seed", self.seed, 0, 2**63 - 1)
        if self.workers < 0:
            raise WyhError(f"got {self.workers} workers, wanted 1 or more, or 0 for one a core")

    @property
    def samples(self) -> int:
        """Of a window."""
        return round(self.secs * self.sample_rate)


class Task(NamedTuple):
    """Some sounds, whose windows go into one file of the work folder."""

    work: Path
    key: str
    sounds: tuple[Listed, ...]
    config: Config

    @property
    def file(self) -> Path:
        """Of the windows: int16, one after the other."""
        return self.work / f"{self.key}.pcm"


class Made(NamedTuple):
    """What became of a task's sounds: windows of each, and why others cannot be used."""

    windows: dict[str, int]
    unusable: dict[str, str]


def make_windows(task: Task) -> Made:
    """Write the windows of a task, unless that has been done."""
    note, config = task.work / f"{task.key}.json", task.config
    if note.is_file():
        inputs.advance(len(task.sounds))
        return Made(*json.loads(note.read_text()))
    made = Made({}, {})
    with open(task.file, "wb") as file:
        for sound in task.sounds:
            try:
                windows = cut(
                    read_sound(sound.path, config.sample_rate, sound.start_secs, sound.end_secs),
                    config.samples,
                    rng_of(sound.name, config.seed),
                    sample_rate=config.sample_rate,
                    most=config.most,
                    fill=config.fill,
                )
            except WyhError as error:
                made.unusable[sound.name] = str(error)
            else:
                made.windows[sound.name] = len(windows)
                file.write(np.ascontiguousarray(to_int16(windows.ravel())).tobytes())
            inputs.advance(1)
    parts.write_json(note, made)
    return made


class Plan(NamedTuple):
    """What is to be prepared."""

    sounds: list[Listed]  # each with its fold
    classes: tuple[str, ...]
    test_fold: int
    unusable: dict[str, str]
    fingerprint: str


def survey(config: Config) -> Plan:
    """Look for the sounds, without opening them.

    Raises:
      WyhError: none can be used, they are of one class or fold, or a class or fold is not there.
    """
    found = list_sounds(config.sounds, config.layout, config.classes, config.out)
    unusable = found.unusable
    if not found.sounds:
        raise inputs.all_unusable(unusable, WANTED)
    there = Counter(sound.label for sound in found.sounds)
    classes = tuple(dict.fromkeys(config.classes or sorted(there, key=natural)))
    for name in config.classes:
        if name not in there:
            known = ", ".join(sorted(there, key=natural)[:12])
            raise WyhError(f"got the class {name!r}, of which there are no sounds, wanted {known}")
    for name in sorted(there.keys() - set(classes)):
        unusable[f"class {name}"] = f"it is not among --classes; sounds left out: {there[name]}"
    if len(classes) < 2:
        raise WyhError(
            f"{config.sounds}: got one class only, {classes[0]!r}, wanted two or more to tell apart"
        )
    sounds = [sound for sound in found.sounds if sound.label in classes]
    if sounds[0].fold is None:
        sounds = shared_out(sounds, config.folds)
    else:
        unusable.update({f"fold {fold}": "no sounds are in it" for fold in gaps(sounds)})
    test_fold = choose_fold(sounds, config.test_fold, found.test_fold)
    options = {
        "sounds": [sound._replace(path=Path()) for sound in sounds],
        "classes": classes,
        "test_fold": test_fold,
        "cut": [config.sample_rate, config.secs, config.fill, config.most, config.seed],
    }
    files = {sound.name: sound.path for sound in sounds}
    mark = parts.fingerprint(files, json.loads(json.dumps(options, default=str)))
    return Plan(sounds, classes, test_fold, unusable, mark)


def prepare(config: Config) -> Path:
    """Make the set `config.out`, or go on making it; at once when it is there already.

    Raises:
      WyhError: when no sound can be used, or `config.out` holds something else.
    """
    plan = survey(config)
    if _is_there(config.out, plan):
        return config.out
    inputs.tell_unusable(plan.unusable)
    with parts.work_folder(config.out, plan.fingerprint) as work:
        if work is None or _is_there(config.out, plan):
            if work is not None:
                shutil.rmtree(work)
            return config.out
        numbers = range(0, len(plan.sounds), CHUNK)
        tasks = [
            Task(work, f"{first:07d}", tuple(plan.sounds[first : first + CHUNK]), config)
            for first in numbers
        ]
        results: list[Made] = []
        workers = config.workers or inputs.cores()
        for result in inputs.run_tasks(
            make_windows, tasks, workers, len(plan.sounds), "sounds", _describe
        ):
            if isinstance(result, WyhError):
                raise result
            results.append(result)
        failed = {name: why for result in results for name, why in result.unusable.items()}
        windows = {name: n for result in results for name, n in result.windows.items()}
        labels = {sound.label for sound in plan.sounds if sound.name in windows}
        if len(labels) < 2:
            parts.abandon(config.out, work)
            if not labels:
                raise inputs.all_unusable({**failed, **plan.unusable}, WANTED)
            inputs.tell_unusable(failed)
            raise WyhError(
                f"{config.sounds}: of all classes only {labels.pop()!r} has sounds that can be "
                "used, wanted two or more"
            )
        inputs.tell_unusable(failed)
        _finish(config, plan, tasks, windows)
        shutil.rmtree(work)
    return config.out


def _is_there(out: Path, plan: Plan) -> bool:
    if not is_sound_set(out):
        return False
    try:
        if json.loads((out / INDEX).read_text())["fingerprint"] == plan.fingerprint:
            return True
    except (ValueError, KeyError, TypeError):
        pass
    raise WyhError(
        f"{out}: already holds a set of other sounds or options; delete it or choose another --out"
    )


def _finish(config: Config, plan: Plan, tasks: Sequence[Task], counts: dict[str, int]) -> None:
    """Join the windows of all tasks, then write the index."""
    sounds = [
        Sound(s.name, plan.classes.index(s.label), s.fold or 0, s.group, counts[s.name])
        for s in plan.sounds
        if s.name in counts
    ]
    for split, kept in (("train", False), ("test", True)):
        has = {sound.label for sound in sounds if (sound.fold == plan.test_fold) == kept}
        lacking = [name for label, name in enumerate(plan.classes) if label not in has]
        if lacking:
            inputs.say(f"nothing to {split} with of: {', '.join(lacking)}; give more sounds")
    file = WholeFile(config.out / WINDOWS)
    shape = sum(counts.values()), config.samples
    windows = np.lib.format.open_memmap(file.temporary, "w+", np.int16, shape)
    flat, at = windows.reshape(-1), 0
    for task in tasks:
        part = np.fromfile(task.file, np.int16)
        flat[at : at + len(part)] = part
        at += len(part)
    windows.flush()
    file.keep()
    index = {
        "format": FORMAT,
        "fingerprint": plan.fingerprint,
        "sample_rate": config.sample_rate,
        "samples": config.samples,
        "classes": plan.classes,
        "test_fold": plan.test_fold,
        "fill": config.fill,
        "crc32": crc_of_ends(windows),
        "sounds": [sound._asdict() for sound in sounds],
    }
    parts.write_json(config.out / INDEX, index)


def _describe(result: Made) -> str:
    names = list(result.windows)
    return f"{len(names)} sounds: {names[0]} to {names[-1]}" if names else "no sounds"


def main(config: Config) -> None:
    """Prepare and print the directory."""
    print(prepare(config))


if __name__ == "__main__":
    from wyh.cli import run

    run(main, Config, "python -m data_prep.sounds")
