"""Songs and runs that paint them, for tests of reports."""

import json

import numpy as np

from tests.visual import make_visual_run
from wyh.media.encode import WavWriter
from wyh.runs import load_run
from wyh.songs import load_songs

RATE = 8000


def song(secs, seed=0):
    """Notes and noise that begin at uneven times: float32 at `RATE`."""
    rng = np.random.default_rng(seed)
    time = np.arange(round(secs * RATE)) / RATE
    sound = 0.001 * rng.standard_normal(len(time))
    at = 0.1
    while at < secs:
        since = np.maximum(time - at, 0)
        shape = (time >= at) * np.exp(-rng.uniform(2, 8) * since) * rng.uniform(0.05, 0.5)
        sound += shape * np.sin(2 * np.pi * rng.uniform(100, 3000) * since)
        sound += 0.1 * shape * rng.standard_normal(len(time))
        at += rng.uniform(0.2, 0.6)
    return (0.5 * sound / np.abs(sound).max()).astype(np.float32)


def write_song(path, secs=12.0, seed=0):
    """The same as a file."""
    with WavWriter(path, RATE) as wav:
        wav.write(song(secs, seed))
    return path


def make_heard_run(directory, path, **options):
    """A tiny run that says it was trained on the songs at `path`."""
    run = make_visual_run(directory, **options)
    file = run.directory / "config.json"
    about = json.loads(file.read_text())
    about["config"]["data"] = [str(path)]
    about["data"] = load_songs([path], RATE).describe()
    file.write_text(json.dumps(about))
    return load_run(run.directory)
