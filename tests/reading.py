"""Variables of runs that read the brightness of pictures, for tests."""

from typing import Any

import jax
import numpy as np

from wyh.specs import VideoSpec
from wyh.transducers.synesthesia import Synesthesia
from wyh.transducers.visualizer import VisualizerConfig


def brightness_readers(visual: VisualizerConfig, video: VideoSpec) -> dict[str, Any]:
    """Variables whose decoder makes every feature 2 * brightness - 1: from -60 dB to -20 dB.

    The generator is untrained. Nothing is compiled.
    """
    size, rng = visual.features.size, np.random.default_rng(0)
    model = Synesthesia(visual.model, size, video.height, video.width)
    params = jax.tree.map(
        lambda leaf: rng.standard_normal(leaf.shape, np.float32) / 10,
        jax.eval_shape(model.init, jax.random.key(0)),
    )
    params["decoder"] = jax.tree.map(np.zeros_like, params["decoder"])
    kernel = params["decoder"]["Dense_2"]["kernel"]  # of the mean colours of parts of the picture
    kernel[:] = 1 / len(kernel)
    mean, std = np.full(size, -40, np.float32), np.full(size, 20, np.float32)
    return {"params": params, "mean": mean, "std": std}
