"""Runs that a dream is joined of: one that names sounds, one that paints classes; untrained."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np

from wyh.models.dcgan import Gan, GanConfig
from wyh.models.sound_classifier import ClassifierConfig, SoundClassifier, blank
from wyh.runs import BestMetric, Run, create_run, save_variables
from wyh.signal.features import FeatureConfig

HEARS = ClassifierConfig(
    FeatureConfig(sample_rate=8000, win_length=240, hop_length=80, n_fft=256, bands=8, low_hz=60.0),
    channels=(4, 4),
    memory=4,
)
SHOWS = GanConfig(size=32, angles=2, width=2)


def drawn(shapes: Any, seed: int = 0) -> Any:
    """Small random values of these shapes: `init` need not be compiled."""
    rng = np.random.default_rng(seed)
    return jax.tree.map(
        lambda leaf: (0.1 * rng.standard_normal(leaf.shape)).astype(np.float32), shapes
    )


def make_hearing_run(directory: Path, classes: Sequence[str] = ("one", "two")) -> Run:
    """A run of experiments.sound_classifier."""
    size = HEARS.features.size
    network, sound = SoundClassifier(HEARS, len(classes)), np.zeros((1, 4, size), np.float32)
    shapes = jax.eval_shape(network.init, jax.random.key(0), sound, blank(HEARS, 1))
    run = create_run(
        directory,
        kind="sound_classifier",
        preset="tiny",
        config={"model": HEARS},
        stream=None,
        data={"classes": classes, "recordings": ["one.wav"]},
        best_metric=BestMetric("val_accuracy", "higher"),
    )
    variables = {
        "params": drawn(shapes["params"]),
        "mean": np.full(size, -40, np.float32),
        "std": np.full(size, 20, np.float32),
        "temperature": np.float32(1),
    }
    save_variables(run, variables)
    (directory / "metrics.jsonl").write_text('{"step": 7, "loss": 2, "val_accuracy": 0.5}\n')
    return run


def make_showing_run(directory: Path, classes: Sequence[str] = ("one", "two")) -> Run:
    """A run of experiments.dcgan."""
    run = create_run(
        directory,
        kind="dcgan",
        preset="tiny",
        config={"model": SHOWS, "data": ["pictures"]},
        stream=None,
        data={"classes": classes},
        best_metric=BestMetric("val_distance", "lower"),
    )
    save_variables(run, drawn(jax.eval_shape(Gan(SHOWS, len(classes)).init, jax.random.key(0))))
    return run
