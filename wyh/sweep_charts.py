"""The drawings of a sweep, as PNG files: how the best grew, and what each setting did."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from wyh.report.charts import GRID, INK, OTHER, OWN, STYLE, saved
from wyh.runs import BestMetric
from wyh.sweeping import Choice, Trial, Varied

_DPI = 160
_ACROSS = 3  # settings side by side


def draw(
    folder: Path,
    trials: Sequence[Trial],
    metric: BestMetric,
    over: Sequence[Varied],
    importance: Mapping[str, float],
) -> list[Path]:
    """Write history.png, settings.png and, where it is known, importance.png."""
    with mpl.rc_context(STYLE):
        figures = {"history": history(trials, metric), "settings": settings(trials, metric, over)}
        if importance:
            figures["importance"] = bars(importance)
        return [saved(figure, folder / f"{name}.png") for name, figure in figures.items()]


def best_so_far(trials: Sequence[Trial], metric: BestMetric) -> tuple[list[int], list[float]]:
    """Numbers of the trials that have a figure, and the best figure up to each."""
    done = sorted((t.number, t.figure) for t in trials if t.figure is not None)
    best = np.minimum if metric.better == "lower" else np.maximum
    figures = np.array([figure for _, figure in done], np.float64)
    return [number for number, _ in done], best.accumulate(figures).tolist() if done else []


def history(trials: Sequence[Trial], metric: BestMetric) -> Figure:
    """Every trial's figure by its number, and the best so far; crosses below are failures."""
    figure = Figure(figsize=(7.2, 3.6), dpi=_DPI, layout="constrained")
    axes = figure.subplots()
    done = [trial for trial in trials if trial.figure is not None]
    axes.scatter([t.number for t in done], [_figure(t) for t in done], c=OTHER, s=22)
    axes.step(*best_so_far(trials, metric), where="post", color=OWN, lw=2)
    _crosses(axes, [trial.number for trial in trials if trial.state == "failed"])
    axes.set(xlabel="trial", ylabel=f"{metric.name} ({metric.better} is better)")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_axisbelow(True)
    axes.grid(color=GRID, lw=0.5)
    return figure


def settings(trials: Sequence[Trial], metric: BestMetric, over: Sequence[Varied]) -> Figure:
    """Every trial's figure by each of its settings; later trials are brighter."""
    across = min(_ACROSS, len(over))
    down = -(-len(over) // across)
    figure = Figure(figsize=(3.4 * across + 0.6, 2.9 * down), dpi=_DPI, layout="constrained")
    grid = figure.subplots(down, across, squeeze=False, sharey=True)
    done = [trial for trial in trials if trial.figure is not None]
    failed = [trial for trial in trials if trial.state == "failed"]
    for axes, one in zip(grid.flat, over, strict=False):
        path, values = one.setting.path, one.values
        order: list[Any] = list(values.ends)
        both: list[list[Any]] = [
            [
                order.index(t.settings[path]) if isinstance(values, Choice) else t.settings[path]
                for t in some
            ]
            for some in (done, failed)
        ]
        late = [trial.number for trial in done]
        axes.scatter(both[0], [_figure(t) for t in done], c=late, cmap="inferno", vmin=-5, s=22)
        _crosses(axes, both[1])
        if isinstance(values, Choice):
            axes.set_xticks(range(len(order)), order)
            axes.set_xlim(-0.5, len(order) - 0.5)
        elif values.log:
            axes.set_xscale("log")
        axes.set_xlabel(path)
        axes.set_axisbelow(True)
        axes.grid(color=GRID, lw=0.5)
    for axes in grid.flat[len(over) :]:
        axes.set_axis_off()
    for row in grid:
        row[0].set_ylabel(metric.name)
    return figure


def bars(importance: Mapping[str, float]) -> Figure:
    """How much each setting decides, the most on top."""
    names = sorted(importance, key=lambda name: importance[name])
    figure = Figure(figsize=(7.2, 0.8 + 0.4 * len(names)), dpi=_DPI, layout="constrained")
    axes = figure.subplots()
    axes.barh(names, [importance[name] for name in names], color=OWN)
    axes.tick_params(axis="y", labelcolor=INK)
    axes.set(xlabel="share of what decides the figure", xlim=(0, 1))
    return figure


def _figure(trial: Trial) -> float:
    return float("nan") if trial.figure is None else trial.figure


def _crosses(axes: Any, places: Sequence[float]) -> None:
    """Marks at the lower edge, whatever the figures are."""
    if places:
        edge = axes.get_xaxis_transform()
        axes.plot(places, [0.03] * len(places), "x", color=INK, ms=5, transform=edge)
