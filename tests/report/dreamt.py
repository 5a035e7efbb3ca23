"""Pictures with classes, and runs that dream of them, for reports: tiny, and untrained."""

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import jax
import numpy as np

from tests.dreamers import DREAM, dream_variables
from tests.dreams import HEARS, SHOWS, drawn
from wyh import parts, shards
from wyh.dataset import Dataset, DataSpec, Recording, encode_window, open_dataset
from wyh.models.dcgan import Gan
from wyh.runs import BestMetric, Run, create_run, save_variables
from wyh.sound_set import SoundSet
from wyh.specs import AudioSpec, VideoSpec
from wyh.transducers.hallucination import stream_spec

NAMES = ("low", "middle", "high")  # as those of `tests.named_sounds`


def make_pictures(directory: Path, train=12, test=12, names=NAMES, seed=0) -> Dataset:
    """So many pictures of each class in each split: a bright square, the lower the later."""
    rng, spec = (
        np.random.default_rng(seed),
        DataSpec(VideoSpec(Fraction(24), 32, 32), AudioSpec(8000), labelled=True),
    )
    silence, entries = np.zeros(spec.window.window_samples, np.float32), []
    for split, count in (("train", train), ("test", test)):
        for number in range(count * len(names)):
            label = number % len(names)
            picture = rng.integers(0, 40, (1, 32, 32, 3)).astype(np.uint8)
            left = rng.integers(2, 20)
            picture[:, 10 * label : 10 * label + 8, left : left + 10] = 230
            data = encode_window(picture, silence, 0.0, "all", label)
            entries.append(parts.Entry(split, len(entries), data))
    with parts.work_folder(directory, "made up") as work:
        assert work is not None
        written = parts.write_parts(work, "all", iter(entries))
        about = [Recording("all", train * len(names), test * len(names))]
        shards.finish(directory, work, "made up", spec, written, about, names)
    return open_dataset(directory)


def make_painting_run(directory: Path, pictures: Dataset) -> Run:
    """A run of experiments.dcgan on these pictures."""
    run = create_run(
        directory,
        kind="dcgan",
        preset="tiny",
        config={"model": SHOWS, "data": [pictures.path]},
        stream=None,
        data=pictures.describe() | {"classes": pictures.classes},
        best_metric=BestMetric("val_distance", "lower"),
    )
    shapes = jax.eval_shape(Gan(SHOWS, len(pictures.classes)).init, jax.random.key(0))
    save_variables(run, drawn(shapes))
    return run


def make_named_run(directory: Path, sounds: SoundSet) -> Run:
    """A run of experiments.sound_classifier on these sounds."""
    run = create_run(
        directory,
        kind="sound_classifier",
        preset="tiny",
        config={"model": HEARS, "data": sounds.path, "fold": "", "without": ""},
        stream=None,
        data=sounds.describe() | {"classes": sounds.classes, "tested": "fold 0"},
        best_metric=BestMetric("val_accuracy", "higher"),
    )
    variables = dream_variables()["recogniser"]
    save_variables(run, variables | {"sound_temperature": np.float32(2)})
    return run


def make_dreaming_run(directory: Path, hears: Run, shows: Run) -> Run:
    """A run of experiments.hallucinate that joins these."""
    dream = replace(DREAM)
    run = create_run(
        directory,
        kind="hallucinate",
        preset="default",
        config={"dream": dream, "classifier": hears.directory, "generator": shows.directory},
        stream=stream_spec(dream, VideoSpec(Fraction(24), 32, 32)),
        data={"heard": NAMES, "shown": NAMES, "sounds": hears.data, "pictures": shows.data},
        best_metric=BestMetric("val_accuracy", "higher"),
    )
    variables = dream_variables(dream)
    variables["recogniser"]["sound_temperature"] = np.float32(1)
    save_variables(run, variables)
    return run
