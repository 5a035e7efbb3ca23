"""Video files -> a data set of synced windows of pictures and sound.

    python -m data_prep.video footage/ more.mp4 --out data/footage

An hour of 720p footage takes some 2 minutes on 2 cores and 1.2 GB of disk at the default size;
memory stays below 500 MB. The directory is printed last; train on it with
`python -m experiments.autoencoder --data data/footage`. Interrupted, it goes on where it stopped
when it is run again. What was played, told in `NAME.truth.csv` beside a film, goes into it too.
"""

import warnings
from collections.abc import Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import tyro

from data_prep import inputs
from data_prep.truths import copy_truths, digests, find_truths, without_truths
from wyh import parts, shards, windows
from wyh.dataset import DataSpec, Recording, encode_window
from wyh.errors import WyhError
from wyh.media.decode import MediaInfo, measure_frame_rate, open_audio, open_video, probe
from wyh.media.find import find_files, kind_by_name
from wyh.parts import Entry, Written
from wyh.specs import AudioSpec, Fit, VideoSpec, as_rate

WANTED = "video files, or a folder with some"


@dataclass(frozen=True)
class Config:
    """Cut video files into windows of pictures and sound in sync, as TFRecord shards."""

    inputs: tyro.conf.Positional[tuple[Path, ...]]  # video files, and folders to look through
    out: Path  # directory of the data set to make
    frame_rate: str | None = None  # Hz, 1 to 240, such as 24 or 24000/1001; that of the footage
    size: str = "64"  # pixels, 8 to 1024: one number for a square, or WIDTHxHEIGHT
    sample_rate: int = 22050  # Hz, 4,000 to 192,000
    frames_per_window: int = 1  # 1 to 4,096
    channels: Literal[1, 3] = 3  # 3 = colour, 1 = grey
    fit: Fit = "crop"  # how a picture of another shape is made to fit
    holdout: float = 0.2  # part kept for testing, 0 to 0.5: whole takes, or blocks of a single one
    workers: int = 0  # files at a time; 0 = one a core


class Footage(NamedTuple):
    """What is to be prepared: the usable files by name, and why others are not."""

    files: dict[str, Path]
    infos: dict[str, MediaInfo]
    spec: DataSpec
    unusable: dict[str, str]
    truths: dict[str, bytes]
    fingerprint: str


class Task(NamedTuple):
    """One recording to cut. `every` is 0, or blocks of it are held out."""

    work: Path
    key: str
    name: str
    path: Path
    spec: DataSpec
    every: int
    threads: int
    has_audio: bool
    secs: float


def survey(config: Config) -> Footage:
    """Look at all inputs, without decoding them.

    Raises:
      WyhError: when none is a video, a truth is no film's, or an option is out of range.
    """
    windows.holdout_every(config.holdout)
    if config.workers < 0:
        raise WyhError(f"got {config.workers} workers, wanted 1 or more, or 0 for one a core")
    height, width = inputs.parse_size(config.size)
    rate = as_rate(config.frame_rate) if config.frame_rate else None
    video = VideoSpec(rate or Fraction(24), height, width, config.channels, config.fit)
    spec = DataSpec(video, AudioSpec(config.sample_rate), config.frames_per_window)
    named, found = without_truths(*find_files(config.inputs, leave_out=config.out))
    unusable: dict[str, str] = {}
    for path in list(found):
        if kind_by_name(path) not in ("video", "application", ""):
            unusable[str(path)] = f"not a video, by its name ({path.suffix})"
            found.remove(path)
    paths = sorted({*named, *found})
    with ThreadPoolExecutor(inputs.cores()) as pool:
        looks = list(pool.map(lambda path: _look(path, rate is None), paths))
    good: dict[Path, tuple[MediaInfo, Fraction | None]] = {}
    for path, look in zip(paths, looks, strict=True):
        if isinstance(look, str):
            unusable[str(path)] = look
        else:
            good[path] = look
    if not good:
        raise inputs.all_unusable(unusable, WANTED)
    files = inputs.name_files(list(good))
    if rate is None:
        rate = _common_rate({name: good[path][1] for name, path in files.items()})
        spec = replace(spec, video=replace(video, frame_rate=rate))
    spec.window  # noqa: B018 (its checks)
    infos = {name: good[path][0] for name, path in files.items()}
    truths = find_truths(files, infos)
    options = {"spec": spec.to_json(), "holdout": config.holdout, **digests(truths)}
    mark = parts.fingerprint(files, options)
    return Footage(files, infos, spec, unusable, truths, mark)


def _look(path: Path, measure: bool) -> tuple[MediaInfo, Fraction | None] | str:
    """What is in a file, or why it cannot be used."""
    try:
        info = probe(str(path))
        if not info.has_video:
            return "sound without a picture, wanted a video"
        return info, measure_frame_rate(str(path)) if measure else None
    except WyhError as error:
        return str(error)


def _common_rate(rates: dict[str, Fraction | None]) -> Fraction:
    """The first recording's frame rate; says so where another's is far from it."""
    known = {name: rate for name, rate in rates.items() if rate is not None}
    first, rate = next(iter(known.items()))
    for name, other in known.items():
        if abs(other / rate - 1) > Fraction(5, 1000):
            inputs.say(
                f"{name} has {float(other):.6g} frames a second, {first} {float(rate):.6g}: all "
                f"are taken at {float(rate):.6g} (--frame-rate chooses another)"
            )
            break
    return rate


def cut_recording(task: Task) -> Written:
    """Cut one recording into parts in the work folder; those of an earlier run are kept."""
    done = parts.written(task.work, task.key)
    if done is not None:
        inputs.advance(task.secs)
        return done
    counts = {"whole": 0, "train": 0, "test": 0}
    with warnings.catch_warnings(record=True) as told, closing(_entries(task)) as entries:
        files = parts.write_parts(task.work, task.key, entries)
    for warning in told:
        inputs.say(str(warning.message))
    for part in files:
        counts[part.split] += part.records
    if not files:
        raise WyhError(
            f"{task.path}: too short for a window of {task.spec.frames_per_window} frames"
        )
    # What is whole counts as training data until the takes are divided.
    recording = Recording(task.name, counts["whole"] + counts["train"], counts["test"])
    result = Written(files, (recording,))
    parts.note(task.work, task.key, result)
    return result


def _entries(task: Task) -> Generator[Entry, None, None]:
    """The examples of a recording and where they go."""
    spec, cut = task.spec, task.spec.window
    told = 0.0
    with open_video(str(task.path), spec.video, threads=task.threads) as reader:

        def sound() -> Generator[np.ndarray, None, None]:
            # Asked for after the first frames, when the time of the first is known.
            if task.has_audio:
                with open_audio(
                    str(task.path), cut.sample_rate, start_secs=reader.start_secs
                ) as blocks:
                    yield from blocks

        with closing(sound()) as blocks:
            grid = windows.on_grid(reader, cut.frame_rate)
            for number, frames, audio in windows.cut_windows(grid, blocks, cut):
                start = cut.start_secs(number)
                if start - told > 1:
                    inputs.advance(start - told)
                    told = start
                split = windows.block_split(number, cut, task.every) if task.every else "whole"
                if split is not None:
                    data = encode_window(frames, audio, start, task.name)
                    yield Entry(split, windows.block_of(number, cut), data)
    inputs.advance(task.secs - told)


def prepare(config: Config) -> Path:
    """Make the data set `config.out`, or go on making it; at once when it is there already.

    Raises:
      WyhError: when no input can be used, or `config.out` holds something else.
    """
    return _prepare(survey(config), config)


def prepare_cached(config: Config) -> Path:
    """As `prepare`, into a folder of `config.out` that is named after inputs and options."""
    footage = survey(config)
    return _prepare(footage, replace(config, out=config.out / footage.fingerprint[:16]))


def _prepare(footage: Footage, config: Config) -> Path:
    inputs.tell_unusable(footage.unusable)
    with parts.work_folder(config.out, footage.fingerprint) as work:
        if work is None:
            return config.out
        splits = windows.assign_splits(list(footage.files), config.holdout)
        done, failed = _cut(footage, config, work, list(footage.files), whole=splits is not None)
        if splits is not None and done:
            splits = windows.assign_splits(list(done), config.holdout)
            if splits is None:  # of several takes, one is left: its blocks are divided instead
                done, _ = _cut(footage, config, work, list(done), whole=False)
        if not done:
            parts.abandon(config.out, work)
            raise inputs.all_unusable({**failed, **footage.unusable}, WANTED)
        inputs.tell_unusable(failed)
        if splits is not None:
            done = {name: _assigned(result, splits[name]) for name, result in done.items()}
        recordings = [recording for result in done.values() for recording in result.recordings]
        if config.holdout and not any(recording.test for recording in recordings):
            inputs.say("the footage is too short to keep any of it for testing")
        files = [part for result in done.values() for part in result.parts]
        copy_truths(config.out, done, footage.truths)
        shards.finish(config.out, work, footage.fingerprint, footage.spec, files, recordings)
    return config.out


def _cut(
    footage: Footage, config: Config, work: Path, names: Sequence[str], whole: bool
) -> tuple[dict[str, Written], dict[str, str]]:
    """Cut the named recordings: those done, and why others failed."""
    every = windows.holdout_every(config.holdout)
    secs = {name: footage.infos[name].duration_secs or 0.0 for name in names}
    if whole or not every:
        every = 0
    elif all(secs.values()):
        every = windows.fit_every(every, min(secs.values()), footage.spec.window)
    workers = min(config.workers or inputs.cores(), len(names))
    threads = max(1, inputs.cores() // workers)
    numbers = {name: number for number, name in enumerate(footage.files)}
    tasks = [
        Task(
            work,
            f"{numbers[name]:05d}-{every}",
            name,
            footage.files[name],
            footage.spec,
            every,
            threads,
            footage.infos[name].has_audio,
            secs[name],
        )
        for name in names
    ]
    results = inputs.run_tasks(
        cut_recording, tasks, workers, sum(secs.values()), "s of footage", _describe
    )
    done: dict[str, Written] = {}
    failed: dict[str, str] = {}
    for name, result in zip(names, results, strict=True):
        if isinstance(result, WyhError):
            failed[str(footage.files[name])] = str(result)
        else:
            done[name] = result
    return done, failed


def _describe(result: Written) -> str:
    (recording,) = result.recordings
    return f"{recording.name}: {recording.train + recording.test} windows"


def _assigned(result: Written, split: windows.Split) -> Written:
    """What was written whole, all of it to one split."""
    (recording,) = result.recordings
    count = recording.train + recording.test
    return Written(
        tuple(part._replace(split=split) for part in result.parts),
        (Recording(recording.name, **{"train": 0, "test": 0, split: count}),),
    )


def main(config: Config) -> None:
    """Prepare and print the directory."""
    print(prepare(config))


if __name__ == "__main__":
    from wyh.cli import run

    run(main, Config, "python -m data_prep.video")
