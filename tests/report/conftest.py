"""A tiny run with a listener, and a film for it."""

import json
from fractions import Fraction
from pathlib import Path

import jax
import numpy as np
import pytest

from tests.conftest import TINY_MODEL, TINY_SYNTH, make_run
from wyh.media.encode import MovieWriter
from wyh.plain import from_plain
from wyh.runs import load_run, load_variables, save_variables
from wyh.specs import VideoSpec
from wyh.transducers.autoencoder import SonifierConfig
from wyh.transducers.listener import Listener

SOUND = SonifierConfig(TINY_MODEL, TINY_SYNTH)
VIDEO = VideoSpec(Fraction(10), 16, 16)


def moving_pictures(count, seed=0, shape=(16, 16, 3)):
    """Soft blobs that wander: `uint8 [count, height, width, 3]`."""
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[: shape[0], : shape[1]] / shape[0]
    secs = np.arange(count)[:, None, None, None] / 10
    phases = rng.uniform(0, 2 * np.pi, (4, 3))
    frames = np.full((count, *shape), 0.5)
    for i, phase in enumerate(phases):
        wave = np.sin(3 * (i + 1) * (rows if i % 2 else columns)[..., None] + phase)
        frames += 0.15 * wave * np.sin((1.3 + i) * secs + phase)
    return np.rint(np.clip(frames, 0, 1) * 255).astype(np.uint8)


@pytest.fixture
def run(tmp_path):
    """Untrained, but able to listen."""
    made = make_run(tmp_path / "run")
    about = json.loads((made.directory / "config.json").read_text())
    about["config"]["listener"] = {}  # all its sizes at their default
    (made.directory / "config.json").write_text(json.dumps(about))
    variables = load_variables(made)
    config = from_plain(SonifierConfig, made.config["sound"])
    params = Listener(config, made.stream.video).init(jax.random.key(0))
    listener = {"params": jax.tree.map(np.asarray, params), "level": np.float32(0.5)}
    save_variables(made, variables | {"listener": listener})
    return load_run(made.directory)


@pytest.fixture(scope="session")
def film(tmp_path_factory) -> Path:
    """Ten seconds at 10 Hz."""
    path = tmp_path_factory.mktemp("film") / "blobs.mp4"
    with MovieWriter(path, sample_rate=8000, video=VIDEO) as movie:
        movie.write_frames(moving_pictures(100))
        movie.write_audio(np.zeros(80_000, np.float32))
    return path
