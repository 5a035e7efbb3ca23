"""The drawings of a report of classes: sheets of pictures, and what was taken for what."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from jaxtyping import Float, Int, UInt8
from matplotlib.figure import Figure

from wyh.report.charts import FAINT, INK, OTHER, OWN, STYLE, coloured, saved
from wyh.report.hear_see_charts import mosaic

_DPI = 160
_TILE = 64  # pixels a side of a picture in a sheet, at least
_NAMED = 30  # classes that are named along an axis, at most

Pictures = UInt8[np.ndarray, "n height width channel"]


def sheet(
    rows: Sequence[Pictures], names: Sequence[str], path: Path, columns: Sequence[str] = ()
) -> Path:
    """Pictures in rows, each row with its name, and columns with theirs where they have some.

    Args:
      rows: as many pictures in each.
      names: of the rows.
      path: to write.
      columns: names of the columns.
    """
    across = len(rows[0])
    tiles = [_enlarged(picture) for row in rows for picture in coloured(row)]
    whole = mosaic(tiles, across)
    high, wide = whole.shape[:2]
    with mpl.rc_context(STYLE):
        size = (9.0, 9.0 * high / wide * 0.93 + 0.3)
        figure = Figure(figsize=size, dpi=_DPI, layout="constrained")
        axes: Any = figure.subplots()
        axes.imshow(whole, interpolation="nearest")
        axes.set_yticks((np.arange(len(rows)) + 0.5) * high / len(rows), list(names))
        axes.set_xticks((np.arange(len(columns)) + 0.5) * wide / across, list(columns))
        axes.xaxis.tick_top()
        axes.tick_params(length=0)
        for side in axes.spines.values():
            side.set_visible(False)
        return saved(figure, path, photos=True)


def _enlarged(picture: UInt8[np.ndarray, "height width 3"]) -> UInt8[np.ndarray, "rows columns 3"]:
    times = max(1, round(_TILE / picture.shape[0]))
    return picture.repeat(times, axis=0).repeat(times, axis=1)


def confusions(
    counts: Int[np.ndarray, "true told"],
    names: tuple[Sequence[str], Sequence[str]],
    labels: tuple[str, str],
    path: Path,
) -> Path:
    """Which class, a row, was taken for which, a column; in numbers where there are few.

    Args:
      counts: of each pair.
      names: of the rows, and of the columns.
      labels: what the rows are, and the columns.
      path: to write.
    """
    share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(5, 4.6), dpi=_DPI, layout="constrained")
        axes: Any = figure.subplots()
        axes.imshow(share, cmap="inferno", vmin=0, vmax=1, interpolation="nearest", aspect="auto")
        if max(counts.shape) <= _NAMED:
            axes.set_yticks(range(len(names[0])), list(names[0]))
            turned = 90 if max(map(len, names[1])) > 3 else 0
            axes.set_xticks(range(len(names[1])), list(names[1]), rotation=turned)
        if max(counts.shape) <= 12:
            for (row, column), count in np.ndenumerate(counts):
                if count:
                    ink = "black" if share[row, column] > 0.6 else INK
                    axes.text(column, row, count, ha="center", va="center", color=ink, fontsize=8)
        axes.set(ylabel=labels[0], xlabel=labels[1])
        return saved(figure, path)


def bars_of_classes(
    values: Mapping[str, Float[np.ndarray, " classes"]],
    names: Sequence[str],
    label: str,
    path: Path,
) -> Path:
    """A share of each class; the first are the run's, as bars, the others are marks."""
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(5, 4.6), dpi=_DPI, layout="constrained")
        axes: Any = figure.subplots()
        marks = ((OTHER, "D"), (INK, "_"), (FAINT, "x"))
        for number, (about, each) in enumerate(values.items()):
            at, percent = np.arange(len(each)), 100 * np.asarray(each)
            if number:
                colour, mark = marks[(number - 1) % len(marks)]
                axes.plot(at, percent, mark, color=colour, label=about, markersize=6)
            else:
                axes.bar(at, percent, 0.75, color=OWN, label=about)
        lowest = min(float(np.nanmin(each)) for each in values.values())
        if len(names) <= _NAMED:
            turned = 90 if max(map(len, names)) > 3 else 0
            axes.set_xticks(range(len(names)), list(names), rotation=turned)
        axes.set(ylabel=label, ylim=(max(0.0, 100 * lowest - 5) if lowest > 0.5 else 0, 101))
        figure.legend(frameon=False, loc="outside upper left", fontsize=8, labelcolor=INK)
        return saved(figure, path)


def delays(delay_ms: Float[np.ndarray, " n"], wanted_ms: float, path: Path) -> Path:
    """How long after the end of a sound the right picture came: how many had it by then."""
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(5, 4.6), dpi=_DPI, layout="constrained")
        axes: Any = figure.subplots()
        at = np.sort(delay_ms)
        axes.step(at, 100 * np.arange(1, len(at) + 1) / len(at), where="post", color=OWN)
        axes.axvline(0, color=FAINT, linewidth=1)
        axes.axvline(wanted_ms, color=INK, linewidth=1, linestyle=(0, (4, 3)))
        axes.set(xlabel="ms after the end of the sound", ylabel="have the right picture, %")
        axes.set_ylim(0, 101)
        return saved(figure, path)
