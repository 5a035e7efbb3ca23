"""Films and data sets as they are shown to a run: excerpts to measure on, stretches to refer to."""

import math
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Int

from wyh.dataset import Dataset, load_frames
from wyh.errors import WyhError
from wyh.media.decode import open_audio, open_video, probe
from wyh.report.excerpts import Division, Excerpt, Kept, Stretch, cut
from wyh.report.soundtrack import HELD_OUT, TRAIN
from wyh.songs import load_songs
from wyh.specs import StreamSpec
from wyh.windows import on_grid

LONGEST_SECS = {TRAIN: 600.0, HELD_OUT: 300.0}
"""Of each kind, at most: of more, whole seconds, evenly spread."""

_AUDIBLE = 10 / 32768  # the largest sample of a recording that is not silent


@dataclass(frozen=True)
class Screening:
    """What is measured on, what references are made of, and where both come from."""

    excerpts: list[Excerpt]
    training: list[Stretch]
    source: str


def read_films(
    films: Mapping[str, Path], divisions: Mapping[str, Division], spec: StreamSpec, source: str
) -> Screening:
    """Decode films and cut them; those without sound are left out, which is told on stderr."""
    secs = {TRAIN: 0.0, HELD_OUT: 0.0}
    for name, path in films.items():
        whole, of = probe(path).duration_secs or 0.0, divisions[name]
        held = 1 / of.every if of.every else float(of.whole == HELD_OUT)
        secs[HELD_OUT] += held * whole
        secs[TRAIN] += (1 - held) * whole
    steps = {kind: max(1, math.ceil(secs[kind] / LONGEST_SECS[kind])) for kind in secs}
    excerpts, stretches, mute = [], [], ""
    for name, path in films.items():
        of = replace(divisions[name], train_step=steps[TRAIN], test_step=steps[HELD_OUT])
        kept = _decoded(name, path, of, spec)
        if isinstance(kept, str):
            mute = kept
            print(f"left out: {mute}", file=sys.stderr)
            continue
        found = cut(kept, spec.video.frame_rate, spec.audio.sample_rate)
        excerpts += found[0]
        stretches += found[1]
    if not excerpts and not stretches and mute:
        raise WyhError(f"{mute}: name films with sound to measure on")
    return Screening(excerpts, stretches, source)


def _decoded(name: str, path: Path, division: Division, spec: StreamSpec) -> Kept | str:
    """What is needed of a film; or why it is of no use."""
    if not probe(path).has_audio:
        return f"{path} has no sound"
    frames, ticks, total = [np.zeros((0, *spec.video.shape), np.uint8)], [np.zeros(0, int)], 0
    with open_video(path, spec.video) as reader:
        for shown in on_grid(reader, spec.video.frame_rate):
            needed = division.needed(range(total, total + len(shown)))
            frames.append(shown[needed])
            ticks.append(total + np.flatnonzero(needed))
            total += len(shown)
        start_secs = reader.start_secs
    with open_audio(path, spec.audio.sample_rate, start_secs=start_secs) as blocks:
        sound = np.concatenate([np.zeros(0, np.float32), *blocks])
    if not (np.abs(sound) > _AUDIBLE).any():
        return f"{path} is silent"
    all_of_it = range(total)
    kinds, taken = division.kinds(all_of_it), division.taken(all_of_it)
    return Kept(name, np.concatenate(ticks), np.concatenate(frames), kinds, taken, sound)


def read_dataset(dataset: Dataset, spec: StreamSpec) -> tuple[list[Excerpt], list[Stretch]]:
    """The splits of a data set; pictures between them are not known."""
    rate, sample_rate = spec.video.frame_rate, spec.audio.sample_rate
    songs = load_songs([dataset.path], sample_rate).songs  # raises where the rate is another
    splits = {TRAIN: load_frames(dataset, "train"), HELD_OUT: load_frames(dataset, "test")}
    place = {recording.name: number for number, recording in enumerate(dataset.recordings)}
    steps = {
        kind: max(1, math.ceil(len(of.pixels) / float(rate) / LONGEST_SECS[kind]))
        for kind, of in splits.items()
    }
    excerpts, stretches = [], []
    for song in songs:
        ticks, frames, kinds = [], [], []
        for kind, of in splits.items():
            mine = np.flatnonzero(of.recording == place[song.name])
            ticks.append(np.rint(of.start_secs[mine] * float(rate)).astype(int))
            frames.append(of.pixels[mine])
            kinds.append(np.full(len(mine), kind))
        order = np.argsort(np.concatenate(ticks), kind="stable")
        shown = np.concatenate(ticks)[order]
        known = np.zeros(int(shown.max(initial=-1)) + 1, int)
        known[shown] = np.concatenate(kinds)[order]
        taken = _spread(known, float(rate), steps)
        pictures = np.concatenate(frames)[order]
        sound = song.waveform / np.float32(32768)
        found = cut(Kept(song.name, shown, pictures, known, taken, sound), rate, sample_rate)
        excerpts += found[0]
        stretches += found[1]
    return excerpts, stretches


def _spread(
    kinds: Int[np.ndarray, " total"], frame_rate: float, steps: Mapping[int, int]
) -> Bool[np.ndarray, " total"]:
    """One in so many seconds of each kind, evenly spread."""
    taken = np.zeros(len(kinds), bool)
    for kind, step in steps.items():
        mine = np.flatnonzero(kinds == kind)
        _, rank = np.unique((mine / frame_rate + 1e-6).astype(int), return_inverse=True)
        taken[mine] = rank % step == 0
    return taken
