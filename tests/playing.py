"""Recordings of notes that are struck, whose truth is known: sound, pictures and data sets."""

import csv
from collections.abc import Mapping, Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np

from wyh import parts, shards
from wyh.dataset import Dataset, DataSpec, Recording, encode_window, open_dataset
from wyh.signal.notes import NoteReader, parse_notes
from wyh.specs import AudioSpec, VideoSpec
from wyh.transcript import LAW, Transcript
from wyh.windows import WindowSpec, block_split, cut_windows

RATE, FRAME_RATE = 8000, Fraction(25)
NOTES = "F#4,F#5,F#6"
READER = NoteReader(parse_notes(NOTES), RATE, FRAME_RATE)
VIDEO = VideoSpec(FRAME_RATE, 8, 12, 1)
DECAY_SECS = 0.12


def strikes_of(secs: float, seed: int = 0, every_secs: float = 0.25) -> Transcript:
    """Strikes at odd times, in turn of all notes, the first as hard as can be."""
    rng = np.random.default_rng(seed)
    times = np.arange(0.2, secs - 0.2, every_secs)
    times = times + rng.uniform(-0.08, 0.08, len(times))
    velocities = rng.uniform(0.5, 1.0, len(times))
    velocities[0] = 1.0
    return Transcript(times, READER.hz[rng.integers(0, 3, len(times))], velocities)


def sound_of(strikes: Transcript, secs: float, level: float = 0.4) -> np.ndarray:
    """Sines that begin with a strike and decay; a note that is struck again stops before."""
    at = np.arange(round(secs * RATE)) / RATE
    sound = np.zeros(len(at))
    for hz in READER.hz:
        mine = np.flatnonzero(np.isclose(strikes.hz, hz))
        ends = np.append(strikes.times_secs, secs)[[*mine[1:], -1]][: len(mine)]
        for strike, end in zip(mine, ends, strict=True):
            time, velocity = strikes.times_secs[strike], strikes.velocities[strike]
            since = np.where((at >= time) & (at < end), at - time, np.inf)
            size = level * velocity**LAW * np.exp(-since / DECAY_SECS)
            sound += size * np.sin(2 * np.pi * hz * np.where(np.isfinite(since), since, 0))
    return sound.astype(np.float32)


def pictures_of(strikes: Transcript, secs: float) -> np.ndarray:
    """A third of the picture for each note, the brighter the less long ago it was struck."""
    count = round(secs * FRAME_RATE)
    middles = (np.arange(count) + 0.5) / float(FRAME_RATE)
    light = np.zeros((count, 3))
    for time, hz, velocity in zip(*strikes, strict=True):
        since = np.where(middles >= time, middles - time, np.inf)
        note = int(np.argmin(np.abs(READER.hz - hz)))
        light[:, note] = np.maximum(light[:, note], velocity * np.exp(-since / DECAY_SECS))
    wide = np.repeat(light, VIDEO.width // 3, axis=1)[:, None, :, None]
    return np.rint(255 * np.repeat(wide, VIDEO.height, axis=1)).astype(np.uint8)


def write_truth(path: Path, strikes: Transcript) -> None:
    """As `wyh.transcript` reads it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["time_secs", "note", "velocity"])
        for time, hz, velocity in zip(*strikes, strict=True):
            rows.writerow([f"{time:.6f}", f"{hz:.4f}hz", f"{velocity:.6f}"])


def played_set(
    folder: Path,
    recordings: Mapping[str, Transcript | None],
    *,
    secs: float = 4.0,
    truths: Mapping[str, Transcript | None] | None = None,
    every: int = 0,
    levels: Sequence[float] = (),
) -> Dataset:
    """A data set of recordings by name, each with its strikes; None is silent.

    Args:
      folder: where to make it.
      recordings: strikes by name.
      secs: of each.
      truths: strikes that their truth files tell of; those of the recordings unless given.
      every: one second of so many is of the test split; 0: none.
      levels: of the sound of each.
    """
    spec, window = DataSpec(VIDEO, AudioSpec(RATE), 1), WindowSpec(FRAME_RATE, RATE, 1)
    written: list[parts.Entry] = []
    counts = {(name, split): 0 for name in recordings for split in ("train", "test")}
    for place, (name, strikes) in enumerate(recordings.items()):
        shown = strikes or Transcript(*(np.zeros(0) for _ in range(3)))
        sound = sound_of(shown, secs, levels[place] if levels else 0.4)
        cut = cut_windows(iter([pictures_of(shown, secs)]), iter([sound]), window)
        for number, frames, audio in cut:
            split = block_split(number, window, every) if every else "train"
            if split:
                data = encode_window(frames, audio, window.start_secs(number), name)
                written.append(parts.Entry(split, len(written), data))
                counts[name, split] += 1
    with parts.work_folder(folder, "made up") as work:
        assert work is not None
        files = parts.write_parts(work, "all", iter(written))
        about = [Recording(n, counts[n, "train"], counts[n, "test"]) for n in recordings]
        shards.finish(folder, work, "made up", spec, files, about)
    for name, strikes in (recordings if truths is None else truths).items():
        if strikes is not None:
            write_truth(folder / "truth" / f"{name}.csv", strikes)
    return open_dataset(folder)
