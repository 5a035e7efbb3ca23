"""Where the films of a report of played notes come from, and what is played in each."""

import math
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float32, UInt8

from wyh.errors import WyhError
from wyh.frames import FrameBank
from wyh.media.decode import open_audio, open_video, probe
from wyh.media.find import find_files, kind_by_name
from wyh.played import PlayedRecording, level_gain, note_truth, recordings_of
from wyh.report.footage import EVERY, prepared
from wyh.runs import Run
from wyh.signal.notes import NoteReader
from wyh.soundtracks import Soundtrack
from wyh.specs import VideoSpec
from wyh.transcript import (
    Transcript,
    heard_transcript,
    notes_of,
    read_transcript,
    transcript_beside,
)
from wyh.windows import WindowSpec, assign_splits, block_split, fit_every, on_grid

LONGEST_SECS = 900.0
"""Of film, at most: of more, some films, evenly spread."""

LEAST_SECS = 1.0
"""Of pictures in a row, at least."""

_AUDIBLE = 10 / 32768  # the largest sample of a recording that is not silent

Kept = Callable[[int], Bool[np.ndarray, " pictures"]]
"""Which of so many pictures training held out."""


class Take(NamedTuple):
    """Pictures in a row, and what is played in them."""

    name: str  # of the recording
    frames: UInt8[np.ndarray, "n height width channel"]
    measured: Bool[np.ndarray, " n"]  # training held it out
    waveform: Float32[np.ndarray, " samples"]  # from the start of the first picture
    amplitude: Float32[np.ndarray, "n notes"]  # at the level of training
    strikes: Transcript  # of the notes that are looked for
    told: bool  # by a truth file, not by its sound


def gather(
    run: Run, inputs: tuple[Path, ...], video: VideoSpec, reader: NoteReader, out: Path
) -> tuple[list[Take], str]:
    """Find the films of a report, with what is played in each: their truth, or what is heard.

    Args:
      run: that watches.
      inputs: films or folders of them; what training held out if none.
      video: the pictures that it watches.
      reader: of its notes.
      out: a folder to leave out.

    Returns:
      What is measured on, and where it comes from.

    Raises:
      WyhError: no films with sound in which one of the notes is struck, a truth that is another
        film's, or films that were trained on.
    """
    if not inputs:
        return _held_out(run, video, reader)
    films = _films(inputs, out)
    known = {PurePosixPath(name).name for name in run.data.get("recordings", [])}
    others = {name: path for name, path in films.items() if path.name not in known}
    if not others:
        raise WyhError(
            f"got {_names(list(films))}, which it was trained on, wanted other films: name none to "
            f"measure on what training held out"
        )
    takes = _read(others, {}, video, reader)
    return takes, _names([take.name for take in takes])


def _held_out(run: Run, video: VideoSpec, reader: NoteReader) -> tuple[list[Take], str]:
    """What the run was trained on and kept apart: its films, or the data set made of them."""
    known = run.data.get("recordings", [])
    given = [Path(str(path)) for path in run.config.get("data") or ()]
    films: dict[str, Path] = {}
    if given and all(path.exists() for path in given):
        try:
            own = _films(tuple(given), Path(os.devnull))
        except WyhError:  # a data set has none
            own = {}
        films = {name: path for name, path in own.items() if name in known}
    if films:
        splits = assign_splits(known, 1 / EVERY)
        if splits is None:
            lengths = [probe(path).duration_secs or 0.0 for path in films.values()]
            kept = dict.fromkeys(films, _seconds_of(video, min(lengths)))
        else:
            films = {name: path for name, path in films.items() if splits[name] == "test"}
            kept = {}
        if films:
            takes = _read(films, kept, video, reader)
            return takes, f"held-out {_names([take.name for take in takes])}"
    dataset = prepared(run)
    if dataset is None or dataset.spec.video.shape != video.shape or not dataset.count("test"):
        raise WyhError(
            f"{run.directory}: the films it was trained on are not here: name some to measure it "
            f"on, such as python -m wyh.report --run {run.directory} marimba/test"
        )
    bank = FrameBank(dataset, "test")
    track = Soundtrack(dataset, "test", bank)
    takes = [
        take
        for recording in recordings_of(dataset, "test", bank, track, reader)
        for take in _takes(recording, bank, reader)
    ]
    if not takes:
        raise WyhError(
            f"{dataset.path}: got less than {LEAST_SECS:g} s in a row held out, wanted more: name "
            f"films to measure on"
        )
    secs = sum(len(take.frames) for take in takes) / float(video.frame_rate)
    takes = takes[:: max(1, math.ceil(secs / LONGEST_SECS))]
    names = list(dict.fromkeys(take.name for take in takes))
    return takes, f"the held-out part of {_names(names)}"


def _seconds_of(video: VideoSpec, secs: float) -> Kept:
    """Of a single film, the last of every few seconds, as data sets are divided."""
    window = WindowSpec(video.frame_rate, 22050)
    every = fit_every(EVERY, secs, window)
    return lambda count: np.array([block_split(k, window, every) == "test" for k in range(count)])


def _films(inputs: tuple[Path, ...], out: Path) -> dict[str, Path]:
    """Films by name: their path below the folder that holds them all."""
    named, found = find_files(inputs, leave_out=out)
    files = [*named, *(path for path in found if kind_by_name(path) == "video")]
    if not files:
        raise WyhError(f"{inputs[0]}: got no video files, wanted films of playing with sound")
    root = os.path.commonpath([file.parent for file in files])
    return {file.relative_to(root).as_posix(): file for file in sorted(files)}


def _read(
    films: Mapping[str, Path], kept: Mapping[str, Kept], video: VideoSpec, reader: NoteReader
) -> list[Take]:
    """Decode films; those in which nothing is to be measured are left out, told on stderr."""
    secs = sum(min(probe(path).duration_secs or 0.0, LONGEST_SECS) for path in films.values())
    step = max(1, math.ceil(secs / LONGEST_SECS))
    takes, why = [], ""
    for name in list(films)[::step]:
        found = take_of(films[name], video, reader, kept.get(name))
        if isinstance(found, str):
            why = found
            print(f"left out: {why}", file=sys.stderr)
        else:
            takes.append(found._replace(name=name))
    if not takes:
        raise WyhError(f"{why}: name films to measure on in which some of them are heard")
    return takes


def take_of(
    path: Path, video: VideoSpec, reader: NoteReader, kept: Kept | None = None
) -> Take | str:
    """What is played in a film; or why it is of no use, in words.

    Pictures of any frame rate are brought to that of `video`. Of a long film it is the beginning.

    Args:
      path: of the film. `NAME.truth.csv` beside it is its truth.
      video: the pictures that are wanted.
      reader: of the notes.
      kept: which pictures are measured on; all unless given.

    Raises:
      WyhError: a film that is damaged, or a truth that is not its own.
    """
    span = f"{reader.notes[0].name} to {reader.notes[-1].name}"
    if not probe(path).has_audio:
        return f"{path} has no sound, in which amplitudes of the notes {span} are read"
    most, shown, count = round(LONGEST_SECS * video.frame_rate), [], 0
    with open_video(path, video) as pictures:
        for some in on_grid(pictures, video.frame_rate):
            shown.append(some.copy())
            count += len(some)
            if count >= most:
                break
        start_secs = pictures.start_secs
    frames = np.concatenate(shown)[:most]
    secs = len(frames) / float(video.frame_rate)
    with open_audio(path, reader.sample_rate, start_secs=start_secs) as blocks:
        sound = np.concatenate([np.zeros(0, np.float32), *blocks])
    waveform = np.zeros(math.ceil(secs * reader.sample_rate), np.float32)
    waveform[: len(sound)] = sound[: len(waveform)]
    if np.abs(waveform).max(initial=0) <= _AUDIBLE:
        return f"{path} is silent, wanted sound in which amplitudes of the notes {span} are read"
    truth = transcript_beside(path)
    strikes = read_transcript(truth) if truth.is_file() else heard_transcript(waveform, reader)
    known = (notes_of(strikes, reader.hz) >= 0) & (strikes.times_secs < secs)
    strikes = Transcript(*(values[known] for values in strikes))
    if not known.any() or secs < LEAST_SECS:
        return f"{path}: got none of the notes {span} struck in its {secs:.2g} s, wanted some"
    heard = reader.amplitudes_of(waveform, len(frames))
    gain = level_gain(heard, strikes, reader)
    places = np.arange(len(frames))
    recording = PlayedRecording(
        str(path), places, places, gain * waveform, gain * heard, strikes, truth.is_file()
    )
    note_truth(recording, reader)  # raises where the truth is another film's
    measured = np.ones(len(frames), bool) if kept is None else kept(len(frames))
    return Take(
        path.name,
        frames,
        measured,
        recording.waveform,
        recording.amplitude,
        strikes,
        recording.told,
    )


def _takes(recording: PlayedRecording, bank: FrameBank, reader: NoteReader) -> Iterator[Take]:
    """What is stored in a row of a recording."""
    rate = float(reader.frame_rate)
    note_truth(recording, reader)
    joints = np.flatnonzero(np.diff(recording.ticks) != 1) + 1
    for some in np.split(np.arange(len(recording.ticks)), joints):
        if len(some) < LEAST_SECS * rate:
            continue
        first = int(recording.ticks[some[0]])
        begin, secs = first / rate, len(some) / rate
        since = recording.strikes.times_secs - begin
        inside = (since >= 0) & (since < secs)
        strikes = Transcript(*(values[inside] for values in recording.strikes))
        start = round(begin * reader.sample_rate)
        sound = recording.waveform[start : start + math.ceil(secs * reader.sample_rate)]
        yield Take(
            recording.name,
            bank.frames_at(recording.frames[some]),
            np.ones(len(some), bool),
            sound,
            recording.amplitude[some],
            strikes._replace(times_secs=since[inside]),
            recording.told,
        )


def _names(names: Sequence[str]) -> str:
    more = f" and {len(names) - 2} more" if len(names) > 2 else ""
    return ", ".join(names[:2]) + more
