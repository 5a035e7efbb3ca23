"""Views as a playing stream gives them, made up."""

import numpy as np

from wyh.knobs import ALL
from wyh.media.view import View


def make_view(**parts):
    """A view of a stream in full play, but for the parts that are given."""
    rng = np.random.default_rng(0)
    view = View(
        picture=rng.integers(0, 256, (16, 16, 3), np.uint8),
        known=rng.integers(0, 256, (16, 16, 3), np.uint8),
        code=np.linspace(0, 1, 32, dtype=np.float32),
        sound=(0.1 * rng.standard_normal(4096)).astype(np.float32),
        sample_rate=8000,
        knobs={name: knob.default for name, knob in ALL.items()},
        latency_ms=84.0,
        underruns=0,
        secs=12.0,
        message="",
    )
    return view._replace(**parts)
