"""What `--data` of an experiment names: a prepared data set, raw media, or nothing at all."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

from data_prep import images, inputs, video
from wyh.dataset import WORK, Dataset, is_dataset, open_dataset
from wyh.errors import WyhError
from wyh.media.find import find_files, kind_by_name
from wyh.samples import SAMPLE
from wyh.soundtracks import check_sound
from wyh.specs import AudioSpec, Fit, VideoSpec, as_rate
from wyh.transducers.compile import cache_dir


def open_data(
    given: Sequence[Path],
    *,
    size: str,
    fit: Fit,
    sample_rate: int,
    channels: Literal[1, 3] = 3,
    frame_rate: str | None = None,
    sound: bool = False,
    labelled: bool = False,
) -> Dataset:
    """Open a data set; media are prepared into the cache first, so the next time is quick.

    Args:
      given: one directory of a data set, or video files, photos and folders of either; nothing
        means the bundled sample.
      size: of the pictures where media are prepared, as in `data_prep.video`.
      fit: how pictures of another shape are made to fit.
      sample_rate: Hz.
      channels: 3 = colour, 1 = grey.
      frame_rate: Hz, to which films are brought by their timestamps and at which photos count;
        unless given, that of the films, or 24.
      sound: what is learned from is pictures with their sound. There must be some, and a prepared
        set must have just these sizes and rates; else it may have any.
      labelled: what is learned from is photos in folders, each named after the class of its photos.

    Raises:
      WyhError: nothing usable, or several data sets at once; with `sound`, none, or a prepared
        set of other sizes or rates; with `labelled`, no classes.
    """
    if len(given) == 1 and (is_dataset(given[0]) or any(given[0].glob(f"{WORK}*"))):
        dataset = open_dataset(given[0])
        if sound:
            _check_same(dataset, size, channels, sample_rate, frame_rate)
            check_sound(dataset)
        if labelled and not dataset.spec.labelled:
            raise WyhError(
                f"{dataset.path} was prepared without classes: prepare its photos again with "
                f"python -m data_prep.images --labelled"
            )
        return dataset
    if any(is_dataset(path) for path in given):
        raise WyhError("got several inputs with a prepared data set among them, wanted that alone")
    paths = tuple(given) or (SAMPLE,)
    named, found = find_files(paths, leave_out=cache_dir())
    kinds = {kind_by_name(path) for path in (*named, *found)}
    out = cache_dir() / "data"
    if labelled and "video" in kinds:
        raise WyhError(f"{paths[0]}: got films, wanted photos in folders named after their classes")
    if "image" in kinds and "video" not in kinds:
        if sound:
            raise WyhError(f"{paths[0]}: got photos, wanted pictures with sound: give films")
        photos = images.Config(
            paths,
            out,
            size=size,
            fit=fit,
            sample_rate=sample_rate,
            channels=channels,
            labelled=labelled,
        )
        if frame_rate is not None:
            photos = replace(photos, frame_rate=frame_rate)
        return open_dataset(images.prepare_cached(photos))
    films = video.Config(
        paths,
        out,
        frame_rate=frame_rate,
        size=size,
        fit=fit,
        sample_rate=sample_rate,
        channels=channels,
    )
    if sound:
        _check_any_heard(films)
    dataset = open_dataset(video.prepare_cached(films))
    if sound:
        check_sound(dataset)
    return dataset


def _check_any_heard(films: video.Config) -> None:
    """See that a film has sound, before the minutes that preparing takes.

    Raises:
      WyhError: none has, or none is a film.
    """
    # With any rate: it need not be measured, nor a difference be told, more than once.
    infos = video.survey(replace(films, frame_rate=films.frame_rate or "24")).infos
    mute = [name for name, info in infos.items() if not info.has_audio]
    if len(mute) == len(infos):
        raise inputs.all_unusable(
            {name: f"{name} has no sound to learn from, give films with sound" for name in mute},
            video.WANTED,
        )


def _check_same(
    dataset: Dataset, size: str, channels: int, sample_rate: int, frame_rate: str | None
) -> None:
    """See that a prepared set has the sizes and rates that a run wants.

    Raises:
      WyhError: it has others; both are named, as the options of `data_prep.video`.
    """
    height, width = inputs.parse_size(size)
    has, rate = dataset.spec.video, as_rate(frame_rate or dataset.spec.video.frame_rate)
    there = _options(has, dataset.spec.audio)
    wanted = _options(VideoSpec(rate, height, width, channels), AudioSpec(sample_rate))
    other = [name for name in there if there[name] != wanted[name]]
    if other:
        told, asked = (
            " ".join(f"--{name} {options[name]}" for name in other) for options in (there, wanted)
        )
        raise WyhError(
            f"{dataset.path} was prepared with {told}, the run wants {asked}: prepare it so, or "
            "run with what it has"
        )


def _options(pictures: VideoSpec, sound: AudioSpec) -> dict[str, str]:
    return {
        "size": f"{pictures.width}x{pictures.height}",
        "channels": str(pictures.channels),
        "frame-rate": str(pictures.frame_rate),
        "sample-rate": str(sound.sample_rate),
    }
