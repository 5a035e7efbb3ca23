"""Runs that dream of what they hear, for tests: tiny, and untrained."""

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import jax
import numpy as np

from tests.dreams import HEARS, SHOWS, drawn
from wyh.models.dcgan import Gan
from wyh.models.sound_classifier import SoundClassifier, blank
from wyh.runs import BestMetric, Run, create_run, save_variables
from wyh.selection import SelectionConfig
from wyh.specs import VideoSpec
from wyh.transducers.hallucination import HallucinationConfig, stream_spec

DREAM = HallucinationConfig(HEARS, heard=3, dreams=SHOWS, shown=3)
GREY = replace(DREAM, dreams=replace(SHOWS, channels=1))
RATE = HEARS.features.sample_rate


def dream_variables(
    dream: HallucinationConfig = DREAM, says: Sequence[float] | None = None
) -> dict[str, Any]:
    """Variables with random parameters.

    Args:
      dream: of the run.
      says: probability of each class that is heard, whatever sounds; the rest is that of nothing.
        None: what it says changes with the sound.
    """
    size, key = HEARS.features.size, jax.random.key(0)
    network = SoundClassifier(HEARS, dream.heard)
    columns = np.zeros((1, 4, size), np.float32)
    params = drawn(jax.eval_shape(network.init, key, columns, blank(HEARS, 1)))["params"]
    if says is None:
        for number in range(len(HEARS.channels)):
            params[f"convolution_{number}"]["bias"] *= 0
            params[f"norm_{number}"] = {"scale": np.ones(4, "f4"), "bias": np.zeros(4, "f4")}
        params["gates"]["kernel"] *= 20
        params["gates"]["bias"] *= 0
        params["classes"] = {"kernel": 25 * params["classes"]["kernel"], "bias": np.zeros(4, "f4")}
    else:
        params["classes"]["kernel"] *= 0
        params["classes"]["bias"] = np.log([*says, 1 - sum(says)]).astype(np.float32)
    gan = drawn(jax.eval_shape(Gan(dream.dreams, dream.shown).init, key))
    told = gan["generator"]["params"]["told"]
    told["kernel"] = np.float32(20) * told["kernel"]  # so that classes look different
    return {
        "recogniser": {
            "params": params,
            "mean": np.full(size, -55, np.float32),
            "std": np.full(size, 18, np.float32),
            "temperature": np.float32(1),
        },
        "gan": gan,
        "shown": np.eye(dream.heard, dream.shown, dtype=np.float32),
    }


def make_dream_run(
    directory: Path,
    *,
    says: Sequence[float] | None = None,
    selection: SelectionConfig | None = None,
    frame_rate: Fraction = Fraction(24),
) -> Run:
    """A run of experiments.hallucinate."""
    dream = replace(DREAM, selection=selection or SelectionConfig())
    run = create_run(
        directory,
        kind="hallucinate",
        preset="default",
        config={"dream": dream, "classifier": "hears", "generator": "shows"},
        stream=stream_spec(dream, VideoSpec(frame_rate, 32, 32)),
        data={"heard": ["a", "b", "c"], "shown": ["a", "b", "c"]},
        best_metric=BestMetric("val_accuracy", "higher"),
    )
    save_variables(run, dream_variables(dream, says))
    return run
