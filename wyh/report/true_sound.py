"""Where the films of a report come from: their pictures, and the sound that belongs to these."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath

import numpy as np

from wyh.errors import WyhError
from wyh.loudness import TARGET_LUFS
from wyh.media.decode import probe
from wyh.media.find import find_files, kind_by_name
from wyh.report.excerpts import Division
from wyh.report.footage import EVERY, prepared
from wyh.report.screening import Screening, read_dataset, read_films
from wyh.report.soundtrack import HELD_OUT, TRAIN
from wyh.runs import Run
from wyh.samples import SAMPLE
from wyh.specs import StreamSpec
from wyh.windows import Split, WindowSpec, assign_splits, fit_every

LEAST = 2  # excerpts
_SILENT = 1e-6  # mean square of an excerpt: 37 dB under the loudness of its recording


def gather(run: Run, inputs: tuple[Path, ...], spec: StreamSpec, out: Path) -> Screening:
    """Find the films of a report.

    Without inputs they are those that the run was trained on, or its data set: what training held
    out is measured on. With inputs these are, but for what it was trained on; where the run's own
    films are not to be found, references are made of four of every five seconds of the inputs, and
    the fifth is measured on.

    Args:
      run: that learned the sound of pictures.
      inputs: films, or folders of them.
      spec: of what plays it.
      out: a folder to leave out.

    Raises:
      WyhError: no films with sound, or too little of them.
    """
    own = _own_films(run)
    made: Screening | None
    if not inputs:
        made = _of_run(run, own, spec)
        if made is None:
            raise WyhError(
                f"{run.directory}: the films it was trained on are not here: name some to measure "
                f"it on, such as python -m wyh.report --run {run.directory} FILM.mp4"
            )
    else:
        made = _of_inputs(run, own, _films(inputs, out), spec)
    if not made.training or len(made.excerpts) < LEAST:
        raise WyhError(
            f"{made.source}: got {len(made.excerpts)} seconds held out, wanted {LEAST} or more and "
            f"some to make references of: name longer films to measure on"
        )
    if max(float(np.mean(np.square(one.sound))) for one in made.excerpts) < _SILENT:
        raise WyhError(
            f"{made.source}: silent in all seconds held out: name films with sound to measure on"
        )
    return _as_loud(made, run)


def _as_loud(screening: Screening, run: Run) -> Screening:
    """The same at the loudness that the run plays at."""
    louder_db = float(run.config.get("loudness_lufs", TARGET_LUFS)) - TARGET_LUFS
    gain = np.float32(10 ** (louder_db / 20))
    return replace(
        screening,
        excerpts=[one._replace(sound=one.sound * gain) for one in screening.excerpts],
        training=[one._replace(sound=one.sound * gain) for one in screening.training],
    )


def _of_run(run: Run, own: Mapping[str, Path], spec: StreamSpec) -> Screening | None:
    """What the run itself was trained on and kept apart, if it is still there."""
    if own:
        return read_films(own, _divisions(run, own, spec), spec, f"held-out {_names(own)}")
    dataset = prepared(run)
    if dataset is None or dataset.spec.video.shape != spec.video.shape:
        return None
    if dataset.spec.video.frame_rate != spec.video.frame_rate:
        return None
    excerpts, stretches = read_dataset(dataset, spec)
    names = [recording.name for recording in dataset.recordings]
    return Screening(excerpts, stretches, f"the held-out part of {_names(names)}")


def _of_inputs(
    run: Run, own: Mapping[str, Path], given: Mapping[str, Path], spec: StreamSpec
) -> Screening:
    known = {PurePosixPath(name).name: name for name in run.data.get("recordings", [])}
    others = {name: path for name, path in given.items() if path.name not in known}
    if not others:
        named = {known[path.name]: path for path in given.values()}
        films = {**own, **named}
        made = read_films(films, _divisions(run, films, spec), spec, f"held-out {_names(given)}")
        mine = [excerpt for excerpt in made.excerpts if excerpt.name in named]
        if not mine:
            raise WyhError(
                f"got {_names(given)}, which it was trained on, wanted other films: name none to "
                f"measure on what training held out"
            )
        return replace(made, excerpts=mine)
    rate = spec.video.frame_rate
    trained = _of_run(run, own, spec)
    if trained is not None and trained.training:
        made = read_films(others, dict.fromkeys(others, Division(rate)), spec, _names(others))
        return replace(made, training=trained.training)
    divisions = _by_blocks(others, spec)
    source = f"{_names(others)} (references made of 4 of 5 seconds of it)"
    return read_films(others, divisions, spec, source)


def _own_films(run: Run) -> dict[str, Path]:
    """The films that the run was trained on, by the names it knows them by."""
    given = [Path(str(path)) for path in run.config.get("data") or ()] or [SAMPLE]
    if not all(path.exists() for path in given):
        return {}
    try:
        films = _films(tuple(given), Path(os.devnull))
    except WyhError:  # a data set has none
        return {}
    known = run.data.get("recordings", [])
    return {name: path for name, path in films.items() if name in known}


def _films(inputs: tuple[Path, ...], out: Path) -> dict[str, Path]:
    """Films by name: their path below the folder that holds them all."""
    named, found = find_files(inputs, leave_out=out)
    files = [*named, *(path for path in found if kind_by_name(path) == "video")]
    if not files:
        raise WyhError(f"{inputs[0]}: got no video files, wanted films with sound")
    root = os.path.commonpath([file.parent for file in files])
    return {file.relative_to(root).as_posix(): file for file in sorted(files)}


def _divisions(run: Run, films: Mapping[str, Path], spec: StreamSpec) -> dict[str, Division]:
    """As `data_prep.video` divides what it is given."""
    splits = assign_splits(run.data.get("recordings", []), 1 / EVERY)
    if splits is None:
        return _by_blocks(films, spec)
    kind: dict[Split, int] = {"train": TRAIN, "test": HELD_OUT}
    return {n: Division(spec.video.frame_rate, whole=kind[splits[n]]) for n in films}


def _by_blocks(films: Mapping[str, Path], spec: StreamSpec) -> dict[str, Division]:
    """The last of every five seconds apart from the rest."""
    secs = [probe(path).duration_secs for path in films.values()]
    shortest = None if None in secs else min(s for s in secs if s is not None)
    rate = spec.video.frame_rate
    every = fit_every(EVERY, shortest, WindowSpec(rate, spec.audio.sample_rate))
    return dict.fromkeys(films, Division(rate, every))


def _names(names: Sequence[str] | Mapping[str, Path]) -> str:
    shown = list(names)
    more = f" and {len(shown) - 2} more" if len(shown) > 2 else ""
    return ", ".join(shown[:2]) + more
