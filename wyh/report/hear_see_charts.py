"""The drawings of a visualizer's report, as PNG files."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from jaxtyping import Float, UInt8
from matplotlib.figure import Figure
from PIL import Image

from wyh.metrics.onsets import HOP_SECS
from wyh.report.charts import FAINT, INK, OTHER, OWN, PAPER, STYLE, saved

_DPI = 160
_GAP = 4
SHOWN_SECS = 15.0  # of features


def mosaic(
    pictures: Sequence[UInt8[np.ndarray, "height width 3"]], columns: int
) -> UInt8[np.ndarray, "rows columns 3"]:
    """Pictures in rows, in order."""
    height, width = pictures[0].shape[:2]
    rows = -(-len(pictures) // columns)
    across, down = columns * (width + _GAP) - _GAP, rows * (height + _GAP) - _GAP
    whole = np.empty((down, across, 3), np.uint8)
    whole[:] = tuple(bytes.fromhex(PAPER[1:]))
    for place, picture in enumerate(pictures):
        top, left = (
            n * (s + _GAP) for n, s in zip(divmod(place, columns), (height, width), strict=True)
        )
        whole[top : top + height, left : left + width] = picture
    return whole


def save(picture: UInt8[np.ndarray, "height width 3"], path: Path) -> Path:
    """Write a picture."""
    Image.fromarray(picture).save(path, optimize=True)
    return path


def features(
    true: Float[np.ndarray, "n features"],
    read: Float[np.ndarray, "n features"],
    frame_rate: float,
    path: Path,
) -> Path:
    """What is heard above what is read, on one scale."""
    count = min(len(true), round(SHOWN_SECS * frame_rate))
    low, high = np.percentile(true[:count], [1, 99.5])
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(7.2, 4.4), dpi=_DPI, layout="constrained")
        axes: Any = figure.subplots(2, 1, sharex=True)
        for axis, values, what in zip(axes, (true, read), ("heard", "read"), strict=True):
            axis.imshow(
                values[:count].T,
                origin="lower",
                aspect="auto",
                extent=(0, count / frame_rate, 0, values.shape[1]),
                cmap="inferno",
                vmin=low,
                vmax=max(high, low + 1e-6),
                interpolation="nearest",
            )
            axis.set_ylabel(f"{what}: feature", color=INK)
        axes[1].set_xlabel("seconds of held-out sound, joined")
        return saved(figure, path)


def each_feature(each: dict[str, Float[np.ndarray, " features"]], unit: str, path: Path) -> Path:
    """R2 of each feature; the first is the run's, the others are lines."""
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(5, 3.9), dpi=_DPI, layout="constrained")
        axes: Any = figure.subplots()
        lowest, lines = 1.0, ((OTHER, "-"), (INK, ":"))
        for number, (label, values) in enumerate(each.items()):
            at = np.arange(len(values))
            if number:
                colour, line = lines[number % 2]
                axes.step(at, values, line, where="mid", label=label, linewidth=1.3, color=colour)
            else:
                axes.bar(at, values, 0.8, color=OWN, label=label)
            lowest = min(lowest, float(np.clip(values, 0, 1).min()))
        axes.set(xlabel=unit, ylabel="R2", xlim=(-0.7, len(at) - 0.3))
        axes.set_ylim(max(0.0, lowest - 0.05), 1.01)
        figure.legend(frameon=False, loc="outside upper left", fontsize=8, labelcolor=INK)
        return saved(figure, path)


def events(
    strength: Float[np.ndarray, " times"],
    change: Float[np.ndarray, " pictures"],
    frame_rate: float,
    path: Path,
) -> Path:
    """How much begins in the sound, and below how much the pictures change."""
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(5, 3.9), dpi=_DPI, layout="constrained")
        above, below = figure.subplots(2, 1, sharex=True)
        secs = np.arange(len(strength)) * HOP_SECS
        above.fill_between(secs, strength, color=OTHER, linewidth=0)
        above.set_ylabel("begins, dB", color=FAINT)
        at = np.arange(len(change)) / frame_rate
        below.fill_between(at, change, color=OWN, step="mid", linewidth=0)
        below.set_ylabel("changes, of 255", color=FAINT)
        below.set(xlabel="seconds", xlim=(0, max(at[-1], 1.0)))
        for axis in (above, below):
            axis.set_ylim(bottom=0)
        return saved(figure, path)
