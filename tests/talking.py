"""Small films whose pictures and sound go together, as data sets."""

from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path

import numpy as np

from wyh import parts, shards
from wyh.dataset import Dataset, DataSpec, Recording, encode_window, open_dataset
from wyh.specs import AudioSpec, VideoSpec
from wyh.windows import WindowSpec, cut_windows

RATE = 8000
FRAME_RATE = Fraction(10)
PERIOD = 800  # samples a frame
HZ = 440.0

Film = tuple[np.ndarray, np.ndarray]
"""Frames `uint8 [time, 8, 8, 1]`, and samples `float32 [time * PERIOD]`."""


def talking(brightness: np.ndarray) -> Film:
    """A film whose tone is the louder the brighter it is; black is silent.

    Args:
      brightness: of each frame, 0 to 1.
    """
    frames = np.zeros((len(brightness), 8, 8, 1), np.uint8)
    frames[:] = np.rint(255 * brightness).astype(np.uint8)[:, None, None, None]
    along = np.arange(len(brightness) * PERIOD) / RATE
    levels = np.repeat(frames[:, 0, 0, 0] / 255, PERIOD)
    return frames, (0.5 * levels * np.sin(2 * np.pi * HZ * along)).astype(np.float32)


def hissing(count: int, seed: int = 0) -> Film:
    """Noise, and pictures of noise; both a little louder or brighter at times."""
    rng = np.random.default_rng(seed)
    bright = np.repeat(rng.uniform(0.5, 1.0, -(-count // 5)), 5)[:count]
    frames = rng.uniform(0, 255, (count, 8, 8, 1)) * bright[:, None, None, None]
    sound = 0.1 * rng.standard_normal(count * PERIOD) * np.repeat(bright, PERIOD)
    return frames.astype(np.uint8), sound.astype(np.float32)


def barred(count: int, seed: int = 0) -> Film:
    """Pictures of eight bars, each white or black; noise that is the louder the more are white."""
    rng = np.random.default_rng(seed)
    bars = rng.integers(0, 2, (count, 8, 1, 1))
    frames = np.broadcast_to(255 * bars, (count, 8, 8, 1)).astype(np.uint8)
    level = np.repeat(0.3 * 10 ** (2 * bars.mean(axis=(1, 2, 3)) - 2), PERIOD)
    return frames, (level * rng.standard_normal(count * PERIOD)).astype(np.float32)


def dataset_of(folder: Path, films: Mapping[str, Film]) -> Dataset:
    """A data set of films, all of it for training, one frame a window."""
    spec = DataSpec(VideoSpec(FRAME_RATE, 8, 8, 1), AudioSpec(RATE), 1)
    window, about = WindowSpec(FRAME_RATE, RATE, 1), []
    written: list[parts.Entry] = []
    for name, (frames, sound) in films.items():
        before = len(written)
        for number, pictures, audio in cut_windows(iter([frames]), iter([sound]), window):
            data = encode_window(pictures, audio, window.start_secs(number), name)
            written.append(parts.Entry("train", len(written), data))
        about.append(Recording(name, len(written) - before, 0))
    with parts.work_folder(folder, "made up") as work:
        assert work is not None
        files = parts.write_parts(work, "all", iter(written))
        shards.finish(folder, work, "made up", spec, files, about)
    return open_dataset(folder)
