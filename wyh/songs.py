"""The sound of files, films and data sets, in memory, to train models that hear."""

import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float32, Int16

from wyh.dataset import Dataset, is_dataset, open_dataset
from wyh.errors import WyhError
from wyh.media.decode import open_audio
from wyh.media.find import find_files, kind_by_name
from wyh.moments import Song, SongBank, Span
from wyh.records import read_records
from wyh.windows import Split


def load_songs(paths: Sequence[Path], sample_rate: int, *, shortest: int = 1) -> SongBank:
    """The sound of files, of those in folders and lists that have some, and of data sets.

    Why a file is left out is told on stderr.

    Args:
      paths: files, folders, lists of these, and directories that `data_prep` has made.
      sample_rate: in Hz; a data set must have it.
      shortest: samples of the shortest sound that is of use.

    Raises:
      WyhError: none can be used, a path does not exist, or a data set has another rate.
    """
    prepared = [path for path in paths if is_dataset(path)]
    given = [path for path in paths if path not in prepared]
    named, found = find_files(given, leave_out=Path(os.devnull), lists=True)
    found = [path for path in found if kind_by_name(path) in ("audio", "video", "")]
    files = sorted([*named, *found])
    songs: list[Song] = []
    unusable: dict[Path, str] = {}

    def take(path: Path, song: Song) -> None:
        longest = max((span.end - span.begin for span in song.spans), default=len(song.waveform))
        if longest < shortest:
            secs, least = longest / sample_rate, shortest / sample_rate
            unusable[path] = f"{path} lasts {secs:.3g} s, wanted {least:.3g} s or more"
        elif not song.waveform.any():
            unusable[path] = f"{path} is silent"
        else:
            songs.append(song)

    folder = os.path.commonpath([file.parent for file in files]) if files else ""
    for file in files:
        try:
            waveform = _decoded(file, sample_rate)
        except WyhError as error:
            unusable[file] = str(error)
        else:
            take(file, Song(file.relative_to(folder).as_posix(), waveform))
    for path in prepared:
        for song in _recordings(open_dataset(path), sample_rate):
            take(path / song.name, song)

    if not songs:
        first = next(iter(unusable.values()), "got no files")
        if len(unusable) > 1:
            first = f"none of the {len(unusable)} files can be used; the first: {first}"
        raise WyhError(f"{first}: give music, speech or films with sound")
    for reason in unusable.values():
        print(f"left out: {reason}", file=sys.stderr)
    return SongBank(songs, sample_rate, unusable)


def to_int16(waveform: Float32[np.ndarray, " samples"]) -> Int16[np.ndarray, " samples"]:
    """Samples in [-1, 1] as 16 bits, as in a data set; what is beyond is clipped."""
    heard = np.nan_to_num(waveform * np.float32(32768), copy=False)
    return np.clip(np.rint(heard), -32768, 32767).astype(np.int16)


def _decoded(path: Path, sample_rate: int) -> Int16[np.ndarray, " samples"]:
    """A file's sound, of a damaged one as far as it goes."""
    with open_audio(path, sample_rate, start_secs=None, strict=False) as reader:
        waveform = np.concatenate([to_int16(block) for block in reader])
    if reader.damage:
        print(f"heard as far as it goes: {reader.damage}", file=sys.stderr)
    return waveform


def _recordings(dataset: Dataset, sample_rate: int) -> Iterator[Song]:
    """The recordings of a data set, joined from their windows, each at its time."""
    has = dataset.spec.audio.sample_rate
    if has != sample_rate:
        raise WyhError(
            f"{dataset.path} has sound of {has} Hz, wanted {sample_rate} Hz: prepare it with "
            f"--sample-rate {sample_rate}"
        )
    windows: list[list[tuple[Span, np.ndarray]]] = [[] for _ in dataset.recordings]
    splits: tuple[Split, ...] = ("train", "test")
    for split in splits:
        for path in dataset.paths(split):
            for record in read_records(path):
                batch = dataset.decode([record])
                begin, sound = round(float(batch["start_secs"][0]) * has), batch["audio"][0]
                span = Span(begin, begin + len(sound), split)
                windows[int(batch["recording"][0])].append((span, sound))
    for recording, found in zip(dataset.recordings, windows, strict=True):
        if found:
            yield _joined(recording.name, sorted(found, key=lambda window: window[0].begin))


def _joined(name: str, windows: Sequence[tuple[Span, np.ndarray]]) -> Song:
    """A recording from its windows, in order; what lies between the splits is silent."""
    waveform = np.zeros(max(span.end for span, _ in windows), np.int16)
    spans: list[Span] = []
    for span, sound in windows:
        waveform[span.begin : span.end] = sound
        last = spans[-1] if spans else None
        if last is None or last.split != span.split or span.begin > last.end + 1:
            spans.append(span)
            continue
        if span.begin > last.end:  # starts are rounded: a sample may be missing
            waveform[last.end] = waveform[last.end - 1] / 2 + sound[0] / 2
        spans[-1] = last._replace(end=max(last.end, span.end))
    return Song(name, waveform, tuple(spans))
