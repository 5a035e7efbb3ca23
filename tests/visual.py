"""Runs that make pictures of sound, for tests."""

from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import jax
import numpy as np

from wyh.models.painter import PainterConfig
from wyh.runs import BestMetric, Run, create_run, save_variables
from wyh.signal.features import FeatureConfig
from wyh.specs import VideoSpec
from wyh.transducers.synesthesia import Synesthesia, SynesthesiaConfig
from wyh.transducers.visualizer import VisualizerConfig, stream_spec

TINY_FEATURES = FeatureConfig(
    sample_rate=8000, win_length=256, hop_length=80, n_fft=256, bands=8, low_hz=60.0
)
TINY_VISUAL = VisualizerConfig(
    TINY_FEATURES,
    SynesthesiaConfig(
        painter=PainterConfig(grid=8, width=4, hidden=8, colours=2, edges=1.5), look=8
    ),
    height=16,
    width=16,
)


def visual_variables(
    visual: VisualizerConfig, video: VideoSpec, *, loud_is_bright: bool = False, seed: int = 0
) -> dict[str, Any]:
    """Untrained variables; or such that the whole picture is the brighter the louder it is."""
    size = visual.features.size
    model = Synesthesia(visual.model, size, video.height, video.width)
    params = jax.tree.map(np.array, jax.jit(model.init)(jax.random.key(seed)))
    if loud_is_bright:
        params["generator"] = generator = jax.tree.map(np.zeros_like, params["generator"])
        generator["Dense_0"]["kernel"][-1, 0] = 1  # the last feature is the level
        generator["Dense_2"]["kernel"][0, 0] = 1
        generator["Dense_3"]["kernel"][0, :: visual.model.painter.width] = 1
        for number in range(3):
            generator[f"Conv_{number}"]["kernel"][1, 1, 0, 0] = 1
        generator["Conv_3"]["kernel"][1, 1, 0, :2] = -1, 1
        generator["palette"][:] = [[0], [1]]
    mean, std = np.full(size, -40, np.float32), np.full(size, 20, np.float32)
    return {"params": params, "mean": mean, "std": std}


def make_visual_run(
    directory: Path,
    *,
    frame_rate: Fraction = Fraction(24),
    height: int = 16,
    width: int = 16,
    visual: VisualizerConfig = TINY_VISUAL,
    loud_is_bright: bool = False,
) -> Run:
    """A run that makes pictures of sound: tiny, and untrained."""
    visual = replace(visual, height=height, width=width)
    video = VideoSpec(frame_rate, height, width)
    run = create_run(
        directory,
        kind="synesthesia",
        preset="tiny",
        config={"visual": visual},
        stream=stream_spec(visual, video),
        data={"fingerprint": "none", "recordings": ["song.wav"]},
        best_metric=BestMetric("val_r2", "higher"),
    )
    variables = visual_variables(visual, video, loud_is_bright=loud_is_bright)
    save_variables(run, variables, "variables")
    save_variables(run, variables, "variables_latest")
    return run
