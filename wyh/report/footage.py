"""Which pictures a report is made of: some to fit references to, and some nobody has seen."""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Float64, Int, Int64, UInt8

from wyh.dataset import Dataset, is_dataset, load_frames, open_dataset
from wyh.errors import WyhError
from wyh.media.decode import open_video, probe
from wyh.media.find import find_files, kind_by_name
from wyh.runs import Run
from wyh.samples import SAMPLE
from wyh.specs import VideoSpec
from wyh.transducers.compile import cache_dir
from wyh.windows import Split, WindowSpec, block_split, fit_every, on_grid

MOST = 1500
"""Pictures of each kind, at most: whole seconds, evenly spread."""

LEAST = 4
"""Pictures of each kind, at least."""

EVERY = 5  # the last of so many seconds is held out, as `data_prep.video` does by itself


@dataclass(frozen=True)
class Reel:
    """Pictures in order. `seconds` numbers the second, or recording, that each belongs to."""

    frames: UInt8[np.ndarray, "n height width channel"]
    seconds: Int64[np.ndarray, " n"]

    def chosen(self, which: Bool[np.ndarray, " n"]) -> "Reel":
        """Some of the pictures."""
        return Reel(self.frames[which], self.seconds[which])


@dataclass(frozen=True)
class Footage:
    """What references are fitted to, what all are measured on, and where both come from."""

    training: Reel
    held_out: Reel
    source: str


def gather(run: Run, inputs: tuple[Path, ...], out: Path) -> Footage:
    """Find the pictures of a report.

    Without inputs those are the data set that the run was trained on, or the film where it was
    prepared in passing. With inputs these are what is measured on; where the run's own pictures are
    not to be found, references are fitted to four of every five seconds of the inputs, and the
    fifth is measured on.

    Raises:
      WyhError: no pictures, or too few.
    """
    assert run.stream is not None
    video = run.stream.video
    own = _own(run, video)
    if not inputs:
        if own is None:
            raise WyhError(
                f"{run.directory}: the pictures it was trained on are not here: name films to "
                f"measure it on, such as python -m wyh.report --run {run.directory} FILM.mp4"
            )
        footage = own
    else:
        given = _films(inputs, out, video)
        names = ", ".join(path.name for path in inputs[:3])
        if own is not None:
            footage = Footage(own.training, given, names)
        else:
            apart = _divided(given, video)
            footage = replace(apart, source=f"{names} (references fitted to 4 of 5 seconds of it)")
    footage = Footage(_thinned(footage.training), _thinned(footage.held_out), footage.source)
    for reel, what in ((footage.training, "to fit references to"), (footage.held_out, "held out")):
        if len(np.unique(reel.seconds)) < 2 or len(reel.frames) < LEAST:
            raise WyhError(
                f"{footage.source}: got {len(reel.frames)} pictures {what}, wanted 2 seconds, or "
                f"{LEAST} photos, or more: name longer films to measure on"
            )
    return footage


def _own(run: Run, video: VideoSpec) -> Footage | None:
    """What the run itself was trained on and kept apart, if it is still there."""
    dataset = prepared(run)
    if dataset is not None and dataset.spec.video.shape == video.shape:
        training, held_out = (_reel(dataset, split, video) for split in ("train", "test"))
        return Footage(training, held_out, f"the held-out part of {_named(run)}")
    film = _film(run)
    if film is None:
        return None
    return replace(_divided(_films((film,), film, video), video), source=f"held-out {film.name}")


def _named(run: Run) -> str:
    names: list[str] = run.data.get("recordings", [])
    more = f" and {len(names) - 2} more" if len(names) > 2 else ""
    return ", ".join(names[:2]) + more or "its footage"


def prepared(run: Run) -> Dataset | None:
    """The data set of a run, by its fingerprint: where it was, or in the cache."""
    places = [Path(str(path)) for path in run.config.get("data") or ()]
    cache = cache_dir() / "data"
    places += sorted(cache.iterdir()) if cache.is_dir() else []
    for path in places:
        if is_dataset(path):
            with suppress(WyhError):
                dataset = open_dataset(path)
                if dataset.fingerprint == run.data.get("fingerprint"):
                    return dataset
    return None


def _film(run: Run) -> Path | None:
    """The single film that the run was trained on; the bundled one where none was named."""
    given: list[Any] = run.config.get("data") or []
    path = Path(str(given[0])) if len(given) == 1 else SAMPLE
    known = run.data.get("recordings", [])
    return path if len(given) < 2 and known == [path.name] and path.is_file() else None


def _reel(dataset: Dataset, split: Split, video: VideoSpec) -> Reel:
    """A split, at the frame rate of the run."""
    if not dataset.count(split):
        return Reel(np.zeros((0, *video.shape), np.uint8), np.zeros(0, np.int64))
    frames = load_frames(dataset, split)
    at = _at_rate(frames.start_secs, frames.recording, dataset.spec.video, video)
    recording, second = frames.recording[at], np.floor(frames.start_secs[at] + 1e-6)
    _, seconds = np.unique(recording * 1e6 + second, return_inverse=True)
    return Reel(frames.pixels[at], seconds.astype(np.int64))


def _at_rate(
    starts: Float64[np.ndarray, " n"],
    recording: Int[np.ndarray, " n"],
    have: VideoSpec,
    want: VideoSpec,
) -> Int[np.ndarray, " m"]:
    """Which frames are shown at each tick of another frame rate, run by run."""
    if have.frame_rate == want.frame_rate:
        return np.arange(len(starts))
    period = 1 / float(have.frame_rate)
    breaks = (np.diff(starts) > 1.5 * period) | (np.diff(starts) <= 0) | (np.diff(recording) != 0)
    chosen = []
    for run in np.split(np.arange(len(starts)), np.flatnonzero(breaks) + 1):
        since = starts[run] - starts[run[0]]
        ticks = np.arange(0, since[-1] + period, 1 / float(want.frame_rate))
        chosen.append(run[np.searchsorted(since, ticks + 1e-6, side="right") - 1])
    return np.concatenate(chosen)


def _films(inputs: tuple[Path, ...], out: Path, video: VideoSpec) -> Reel:
    """Video files and those in folders; of long ones whole seconds, evenly spread."""
    named, found = find_files(inputs, leave_out=out)
    files = named + [path for path in found if kind_by_name(path) == "video"]
    if not files:
        raise WyhError("got no video files, wanted at least one")
    total_secs = sum(probe(path).duration_secs or 0.0 for path in files)
    every = max(1, int(total_secs * float(video.frame_rate) / MOST))
    frames, seconds, before = [], [], 0
    for path in files:
        for tick, frame in enumerate(_frames(path, video)):
            second = int(tick / video.frame_rate)
            if second % every == 0:
                frames.append(frame.copy())
                seconds.append(before + second)
        before = seconds[-1] + 2 if seconds else 0
    if not frames:
        raise WyhError(f"{files[0]}: no pictures, wanted a video")
    return Reel(np.stack(frames), np.array(seconds))


def _frames(path: Path, video: VideoSpec) -> Iterator[np.ndarray]:
    with open_video(path, video) as reader:
        for run in on_grid(reader, video.frame_rate):
            yield from run


def _divided(reel: Reel, video: VideoSpec) -> Footage:
    """The last of every five seconds apart from the rest, with the guard of training between."""
    window = WindowSpec(video.frame_rate, 22050)
    every = fit_every(EVERY, len(reel.frames) / float(video.frame_rate), window)
    splits = np.array([block_split(tick, window, every) for tick in range(len(reel.frames))])
    return Footage(reel.chosen(splits == "train"), reel.chosen(splits == "test"), "")


def _thinned(reel: Reel) -> Reel:
    """Whole seconds, evenly spread, of at most `MOST` pictures together."""
    if len(reel.frames) <= MOST:
        return reel
    names, sizes = np.unique(reel.seconds, return_counts=True)
    keep = max(1, int(MOST / sizes.mean()))
    kept = names[np.linspace(0, len(names) - 1, keep).round().astype(int)]
    return reel.chosen(np.isin(reel.seconds, kept))
