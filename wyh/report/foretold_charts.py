"""The drawings of a report of learned sound, as PNG files."""

from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

from wyh.report.charts import FAINT, GRID, INK, OTHER, OWN, STYLE, levels_db, saved, thumbnails
from wyh.report.foretold_rows import RIVALS, Foretold
from wyh.report.foretold_sample import Sample

_DPI = 140
_RANGE_DB = 70.0  # under the loudest of the true sound


def spectrograms(sample: Sample, own: str, path: Path) -> Path:
    """The true sound and all others, one under the other in time, below their pictures.

    All on one scale of levels; lines where excerpts are joined that do not lead on.
    """
    secs = len(sample.heard[0].sound) / sample.sample_rate
    count = len(sample.heard)
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(8.4, 0.8 + 0.98 * count), dpi=_DPI, layout="constrained")
        ratios = (0.75, *(1.0 for _ in range(count)))
        axes: Any = figure.subplots(count + 1, 1, sharex=True, height_ratios=ratios)
        thumbnails(axes[0], sample.pictures, secs, most=12)
        levels = levels_db(sample.heard[0].sound, sample.sample_rate)
        top = float(np.percentile(levels, 99.8))
        for axis, heard in zip(axes[1:], sample.heard, strict=True):
            axis.imshow(
                levels_db(heard.sound, sample.sample_rate),
                origin="lower",
                aspect="auto",
                extent=(0, secs, 0, sample.sample_rate / 2000),
                cmap="inferno",
                vmin=top - _RANGE_DB,
                vmax=top,
            )
            colour = {"true": INK, own: OWN}.get(heard.name, FAINT)
            axis.set_title(heard.label, loc="left", fontsize=9, color=colour, pad=3)
            axis.set_ylabel("kHz", fontsize=8)
            axis.tick_params(labelsize=8)
            for joint in sample.joints_secs:
                axis.axvline(joint, color=INK, linewidth=0.6, alpha=0.6)
        axes[-1].set_xlabel("seconds that training never met, joined")
        return saved(figure, path, photos=True)


def seconds(told: Foretold, path: Path) -> Path:
    """The distance of every excerpt: the run's, and that of what it has to be better than."""
    own = told.near[told.own].distance
    order = np.argsort(own, kind="stable")
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(7.2, 3.4), dpi=_DPI, layout="constrained")
        axes: Any = figure.subplots()
        marks = {"mean_spectrum": "s", "shuffled": "x", "nearest_picture": "D", "silence": "_"}
        places, size = np.arange(len(own)), 26 if len(own) < 40 else 9
        for name, rival in told.rivals.items():
            colour = INK if name == told.best else OTHER
            axes.scatter(
                places,
                rival.distance[order],
                size,
                color=colour,
                marker=marks[name],
                label=RIVALS[name],
                linewidths=1,
            )
        axes.scatter(places, own[order], size + 10, color=OWN, label="this run", zorder=3)
        axes.set(xlabel="held-out seconds, the run's best first", ylabel="distance")
        axes.grid(axis="y", color=GRID, linewidth=0.8)
        axes.set_axisbelow(True)
        # Where it is nearly silent, distances are large: those are cut off.
        axes.set_ylim(0, min(axes.get_ylim()[1], 3 * float(np.median(own))))
        figure.legend(frameon=False, loc="outside upper left", ncols=3, fontsize=8, labelcolor=INK)
        return saved(figure, path)
