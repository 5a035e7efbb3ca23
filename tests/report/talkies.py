"""Films whose sound belongs to their pictures, and a run that says it learned from them."""

import json
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np

from tests.conftest import make_run
from wyh.media.encode import MovieWriter
from wyh.specs import VideoSpec

RATE, FRAME_RATE = 8000, Fraction(10)
VIDEO = VideoSpec(FRAME_RATE, 16, 16)


def brightness(count, seed=0):
    """Of each picture, 0.1 to 1: it jumps every few pictures."""
    rng = np.random.default_rng(seed)
    values, at = np.empty(count), 0
    while at < count:
        size = int(rng.integers(2, 7))
        values[at : at + size] = rng.uniform(0.1, 1.0)
        at += size
    return values


def pictures(count, seed=0):
    """Grey surfaces, as bright as `brightness` says: `uint8 [count, 16, 16, 3]`."""
    levels = np.rint(255 * brightness(count, seed)).astype(np.uint8)
    return np.broadcast_to(levels[:, None, None, None], (count, 16, 16, 3)).copy()


def sound(count, seed=0):
    """Noise that is the louder the brighter the picture: float32 at `RATE`."""
    rng = np.random.default_rng(seed + 100)
    level = np.repeat(0.2 * brightness(count, seed) ** 2, RATE // 10)
    return (level * rng.standard_normal(len(level))).clip(-1, 1).astype(np.float32)


def write_film(path, count=200, seed=0, heard=None) -> Path:
    """A film of so many pictures; `heard` is its sound instead of what belongs to it."""
    with MovieWriter(path, sample_rate=RATE, video=VIDEO) as movie:
        movie.write_frames(pictures(count, seed))
        movie.write_audio(sound(count, seed) if heard is None else heard)
    return path


def trained_on(run, data, **about):
    """The run, as if it had been trained on this: in its config.json too."""
    file = run.directory / "config.json"
    told = json.loads(file.read_text())
    told["config"]["data"] = [str(path) for path in data]
    told["data"] = about
    file.write_text(json.dumps(told))
    return replace(run, config=told["config"], data=about)


def make_learned_run(directory, films):
    """A tiny run of the kind dbn whose sound is as loud as its pictures are bright."""
    run = make_run(directory, bright_is_loud=True, kind="dbn")
    return trained_on(run, films, fingerprint="none", recordings=[film.name for film in films])
