"""Photos -> a data set of single pictures.

    python -m data_prep.images photos/ --out data/photos
    python -m data_prep.images animals/ --out data/animals --labelled  # animals/cat/, animals/dog/

A thousand 12-megapixel photos take about a minute on 2 cores. The directory is printed last. Its
examples are those of `data_prep.video` with one frame a window and silence, so whatever learns from
pictures alone can be trained on it.
"""

import warnings
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import tyro
from jaxtyping import UInt8
from PIL import Image, ImageOps

from data_prep import inputs
from wyh import parts, shards, windows
from wyh.dataset import DataSpec, Recording, encode_window
from wyh.errors import WyhError
from wyh.media.find import find_files, kind_by_name
from wyh.parts import Entry, Written
from wyh.specs import AudioSpec, Fit, VideoSpec, as_rate

WANTED = "photos (jpg, png, webp), or a folder with some"

CHUNK = 250
"""Photos of one task."""


@dataclass(frozen=True)
class Config:
    """Make photos into single pictures of one size, as TFRecord shards."""

    inputs: tyro.conf.Positional[tuple[Path, ...]]  # photos, and folders to look through
    out: Path  # directory of the data set to make
    size: str = "64"  # pixels, 8 to 1024: one number for a square, or WIDTHxHEIGHT
    channels: Literal[1, 3] = 3  # 3 = colour, 1 = grey
    fit: Fit = "crop"  # how a picture of another shape is made to fit
    holdout: float = 0.2  # part of the photos kept for testing, 0 to 0.5
    labelled: bool = False  # each photo is of the class that its folder is named after
    frame_rate: str = "24"  # Hz, 1 to 240, that a model trained on them is played at
    sample_rate: int = 22050  # Hz, 4,000 to 192,000
    workers: int = 0  # processes; 0 = one a core


class Task(NamedTuple):
    """Some photos, by name, to be made into parts."""

    work: Path
    key: str
    files: dict[str, Path]
    spec: DataSpec
    holdout: float
    classes: tuple[str, ...]


class Photos(NamedTuple):
    """What became of a task's photos."""

    written: Written
    unusable: dict[str, str]


def load_photo(path: Path, spec: VideoSpec) -> UInt8[np.ndarray, "height width channel"]:
    """A photo of any size as a frame, the right way up, each pixel the mean of those it covers.

    Raises:
      WyhError: when it is no picture, is damaged or has more than 179 megapixels.
    """
    mode = "RGB" if spec.channels == 3 else "L"
    size = (spec.width, spec.height)
    try:
        with warnings.catch_warnings(action="ignore"), Image.open(path) as file:
            # A JPEG can be decoded at 1/2, 1/4 or 1/8 of its size, never below twice the frame's.
            file.draft(mode, (2 * max(size), 2 * max(size)))
            picture = _in_mode(ImageOps.exif_transpose(file), mode)
    except Image.DecompressionBombError:
        raise WyhError(f"{path}: has too many pixels, wanted 179 million at most") from None
    except (OSError, SyntaxError, ValueError, EOFError) as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        known = reason if not reason.startswith("cannot identify") else "not a picture"
        raise WyhError(f"{path}: cannot be read as a photo ({known})") from None
    if spec.fit == "stretch":
        fitted = picture.resize(size, Image.Resampling.BOX)
    elif spec.fit == "pad":
        fitted = ImageOps.pad(picture, size, Image.Resampling.BOX)
    else:
        fitted = ImageOps.fit(picture, size, Image.Resampling.BOX)
    return np.asarray(fitted).reshape(spec.shape)


def _in_mode(picture: Image.Image, mode: str) -> Image.Image:
    """8 bits a channel; what is transparent becomes black."""
    if picture.mode.startswith("I"):  # 16 bits of grey
        values = np.clip(np.asarray(picture, np.int64) >> 8, 0, 255)
        picture = Image.fromarray(values.astype(np.uint8))
    if picture.has_transparency_data:
        picture = picture.convert("RGBA")
        picture = Image.alpha_composite(Image.new("RGBA", picture.size, (0, 0, 0, 255)), picture)
    return picture.convert(mode)


def make_pictures(task: Task) -> Photos:
    """Write the parts of a task; of its photos that can be read, every so many are for testing."""
    done = parts.written(task.work, task.key)
    unusable: dict[str, str] = {}
    if done is not None:
        known = {recording.name for recording in done.recordings}
        for name in task.files.keys() - known:
            unusable[str(task.files[name])] = "could not be read as a photo"
        inputs.advance(len(task.files))
        return Photos(done, unusable)
    frames = {}
    for name, path in task.files.items():
        try:
            frames[name] = load_photo(path, task.spec.video)
        except WyhError as error:
            unusable[str(path)] = str(error)
        inputs.advance(1)
    splits = windows.every_nth(list(frames), task.holdout)

    def entries() -> Iterator[Entry]:
        silence = np.zeros(task.spec.window.window_samples, np.float32)
        for number, (name, frame) in enumerate(frames.items()):
            label = task.classes.index(class_of(name)) if task.classes else None
            example = encode_window(frame[None], silence, 0.0, name, label)
            yield Entry(splits[name], number, example)

    files = parts.write_parts(task.work, task.key, entries())
    recordings = tuple(
        Recording(name, int(split == "train"), int(split == "test"))
        for name, split in splits.items()
    )
    done = Written(files, recordings)
    parts.note(task.work, task.key, done)
    return Photos(done, unusable)


class Album(NamedTuple):
    """What is to be prepared: files by name, and why others are not."""

    files: dict[str, Path]
    spec: DataSpec
    unusable: dict[str, str]
    fingerprint: str
    classes: tuple[str, ...]


def survey(config: Config) -> Album:
    """Look for the photos, without opening them.

    Raises:
      WyhError: when there are none, or an option is out of range.
    """
    windows.holdout_every(config.holdout)
    if config.workers < 0:
        raise WyhError(f"got {config.workers} workers, wanted 1 or more, or 0 for one a core")
    height, width = inputs.parse_size(config.size)
    video = VideoSpec(as_rate(config.frame_rate), height, width, config.channels, config.fit)
    spec = DataSpec(video, AudioSpec(config.sample_rate), labelled=config.labelled)
    named, found = find_files(config.inputs, leave_out=config.out)
    photos = [path for path in found if kind_by_name(path) == "image"]
    unusable = {
        str(path): f"not a photo, by its name ({path.suffix})"
        for path in found
        if kind_by_name(path) != "image"
    }
    files = inputs.name_files([*named, *photos])
    if not files:
        raise inputs.all_unusable(unusable, WANTED)
    classes = _classes_of(files) if config.labelled else ()
    mark = parts.fingerprint(files, {"spec": spec.to_json(), "holdout": config.holdout})
    return Album(files, spec, unusable, mark, classes)


def class_of(name: str) -> str:
    """The class of a photo, from its name below the folder that holds all of them."""
    return name.partition("/")[0]


def _classes_of(files: dict[str, Path]) -> tuple[str, ...]:
    """The classes there are, in the order of their names.

    Raises:
      WyhError: photos lie beside the folders, or there is one folder alone.
    """
    beside = [file for name, file in files.items() if "/" not in name]
    classes = {class_of(name) for name in files}
    if len(classes) == len(beside) == len(files) or (not beside and len(classes) == 1):
        where = next(iter(files.values())).parent
        raise WyhError(f"got photos of one class, {where}, wanted a folder for each of two or more")
    if beside:
        raise WyhError(f"got {beside[0]} beside folders of classes, wanted it in one of them")
    return tuple(sorted(classes))


def prepare(config: Config) -> Path:
    """Make the data set `config.out`, or go on making it; at once when it is there already.

    Raises:
      WyhError: when no input can be used, or `config.out` holds something else.
    """
    return _prepare(survey(config), config)


def prepare_cached(config: Config) -> Path:
    """As `prepare`, into a folder of `config.out` that is named after inputs and options."""
    album = survey(config)
    return _prepare(album, replace(config, out=config.out / album.fingerprint[:16]))


def _prepare(album: Album, config: Config) -> Path:
    inputs.tell_unusable(album.unusable)
    with parts.work_folder(config.out, album.fingerprint) as work:
        if work is None:
            return config.out
        names = list(album.files)
        tasks = [
            Task(
                work,
                f"{first:07d}",
                {name: album.files[name] for name in names[first : first + CHUNK]},
                album.spec,
                config.holdout,
                album.classes,
            )
            for first in range(0, len(names), CHUNK)
        ]
        results = []
        for result in inputs.run_tasks(
            make_pictures, tasks, config.workers or inputs.cores(), len(names), "photos", _describe
        ):
            if isinstance(result, WyhError):
                raise result
            results.append(result)
        failed = {name: why for result in results for name, why in result.unusable.items()}
        recordings = [recording for result in results for recording in result.written.recordings]
        if not recordings:
            parts.abandon(config.out, work)
            raise inputs.all_unusable({**failed, **album.unusable}, WANTED)
        inputs.tell_unusable(failed)
        made = [part for result in results for part in result.written.parts]
        mark, spec = album.fingerprint, album.spec
        shards.finish(config.out, work, mark, spec, made, recordings, album.classes)
    return config.out


def _describe(result: Photos) -> str:
    names = [recording.name for recording in result.written.recordings]
    return f"{len(names)} photos: {names[0]} to {names[-1]}" if names else "no photos"


def main(config: Config) -> None:
    """Prepare and print the directory."""
    print(prepare(config))


if __name__ == "__main__":
    from wyh.cli import run

    run(main, Config, "python -m data_prep.images")
