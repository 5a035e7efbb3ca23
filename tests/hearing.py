"""Runs that have learned the sound of video, for tests: tiny, and untrained."""

from fractions import Fraction
from pathlib import Path
from typing import Any

import jax
import numpy as np

from tests.conftest import TINY_SYNTH
from wyh.models.dbn import Dbn, DbnConfig
from wyh.runs import BestMetric, Run, create_run, save_variables
from wyh.specs import VideoSpec
from wyh.synths.reference import corpus
from wyh.synths.targets import TargetConfig
from wyh.transducers.dbn import FoleyConfig, foley, target_of

TINY_DBN = DbnConfig(widths=(8,), shrink=8, context=(1, 2))
TINY_FOLEY = FoleyConfig(TINY_DBN, TargetConfig(n_fft=256, n_bands=8), TINY_SYNTH)
TINY_PCM = FoleyConfig(TINY_DBN, TargetConfig("pcm"), TINY_SYNTH, "raw")


def heard_sound(secs: float = 2.0, rate: int = TINY_SYNTH.sample_rate, seed: int = 0) -> np.ndarray:
    """Noise that swells and fades: int16."""
    rng = np.random.default_rng(seed)
    swell = 0.05 + 0.15 * np.sin(np.arange(round(secs * rate)) * 2 * np.pi / rate) ** 2
    return np.rint(32767 * swell * rng.uniform(-1, 1, len(swell))).astype(np.int16)


def foley_variables(sound: FoleyConfig, video: VideoSpec, seed: int = 0) -> dict[str, Any]:
    """Variables with random parameters, drawn without compiling `init`."""
    target, rng = target_of(sound, video), np.random.default_rng(seed)
    seen = sound.model.inputs(video.shape)
    inputs = seen + sound.model.context_sound * target.size
    model = Dbn(sound.model, target.size)
    shapes = jax.eval_shape(model.init, jax.random.key(0), np.zeros((1, inputs), np.float32))
    params = jax.tree.map(
        lambda leaf: (rng.standard_normal(leaf.shape) / np.sqrt(leaf.shape[0])).astype(np.float32),
        shapes["params"],
    )
    levels = sound.target.kind in ("magnitude", "exemplar")
    mean, spread = (-30.0, 6.0) if levels else (0.0, 0.1)
    return {
        "params": params,
        "gain_db": np.float32(-6.0),
        "scale": {
            "inputs": {
                "mean": np.full(seen, 0.5, np.float32),
                "spread": np.full(seen, 0.25, np.float32),
            },
            "sound": {
                "mean": np.full(target.size, mean, np.float32),
                "spread": np.full(target.size, spread, np.float32),
            },
        },
        "reference": corpus(heard_sound(rate=sound.noise.sample_rate), target.prediction),
    }


def make_foley_run(
    directory: Path,
    *,
    frame_rate: Fraction = Fraction(10),
    height: int = 16,
    width: int = 16,
    sound: FoleyConfig = TINY_FOLEY,
) -> Run:
    """A run of the kind dbn that can be played."""
    video = VideoSpec(frame_rate, height, width)
    run = create_run(
        directory,
        kind="dbn",
        preset="tiny",
        config={"sound": sound},
        stream=foley(sound, video).spec,
        data={"fingerprint": "none", "recordings": ["film.mp4"]},
        best_metric=BestMetric("val_skill", "higher"),
    )
    variables = foley_variables(sound, video)
    save_variables(run, variables, "variables")
    save_variables(run, variables, "variables_latest")
    return run
