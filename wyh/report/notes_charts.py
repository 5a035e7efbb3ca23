"""Piano rolls of a report of played notes, as PNG files."""

from pathlib import Path
from typing import Any, NamedTuple

import matplotlib as mpl
import numpy as np
from jaxtyping import Bool, Float, UInt8
from matplotlib.figure import Figure

from wyh.metrics.notes import Events
from wyh.played import LOUDEST
from wyh.report.charts import FAINT, INK, OWN, STYLE, saved, thumbnails
from wyh.signal.notes import Note

ROLL_SECS = 20.0
"""Of film that is drawn."""

_DPI = 140
_RANGE_DB = 40.0  # under the loudest note
_WRONG = "#5ec8ff"


class Roll(NamedTuple):
    """What is drawn of a film, from its first second that is shown on."""

    title: str
    pictures: UInt8[np.ndarray, "n height width channel"]
    truth: Float[np.ndarray, "n notes"]
    found: Float[np.ndarray, "n notes"]
    struck: Events
    seen: Events
    measured: Bool[np.ndarray, " n"]  # the rest is dimmed


def roll(what: Roll, notes: tuple[Note, ...], frame_rate: float, path: Path) -> Path:
    """What was played above what is seen: amplitude as brightness, strikes as rings.

    Args:
      what: is drawn.
      notes: from the lowest; those of the columns of `truth` and `found`.
      frame_rate: in Hz.
      path: of the file.
    """
    secs = len(what.truth) / frame_rate
    right = same_strike(what.seen, what.struck)
    met = same_strike(what.struck, what.seen)
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(8.4, 5.4), dpi=_DPI, layout="constrained")
        axes: Any = figure.subplots(3, 1, sharex=True, height_ratios=(0.5, 1.0, 1.0))
        thumbnails(axes[0], what.pictures, secs, most=8)
        axes[0].set_title(what.title, loc="left", fontsize=10, color=INK)
        for axis, values, events, good, label in (
            (axes[1], what.truth, what.struck, met, "played"),
            (axes[2], what.found, what.seen, right, "seen"),
        ):
            axis.imshow(
                20 * np.log10(np.maximum(values.T / LOUDEST, 1e-6)),
                origin="lower",
                aspect="auto",
                interpolation="nearest",
                extent=(0, secs, -0.5, len(notes) - 0.5),
                cmap="inferno",
                vmin=-_RANGE_DB,
                vmax=0,
            )
            dim = np.where(what.measured, 0.0, 0.65)[None]
            shade = np.concatenate([np.zeros((3, *dim.shape)), dim[None]]).transpose(1, 2, 0)
            axis.imshow(shade, aspect="auto", extent=axis.images[0].get_extent())
            rows = np.array([_row_of(hz, notes) for hz in events.hz], int)
            for chosen, colour in ((good, INK), (~good, _WRONG)):
                axis.scatter(
                    events.times_secs[chosen],
                    rows[chosen],
                    16,
                    facecolors="none",
                    edgecolors=colour,
                    linewidths=1,
                )
            axis.set_title(label, loc="left", fontsize=9, color=OWN if label == "seen" else FAINT)
            shown = range(0, len(notes), max(1, len(notes) // 9))
            axis.set_yticks(list(shown), [notes[k].name for k in shown], fontsize=7)
        axes[2].set_xlabel("seconds")
        return saved(figure, path, photos=True)


def same_strike(events: Events, others: Events, within: float = 0.05) -> Bool[np.ndarray, " n"]:
    """Which events have one of the others at the same time and of the same note."""
    near = np.abs(events.times_secs[:, None] - others.times_secs[None]) <= within + 1e-9
    same = np.abs(np.log2(events.hz[:, None] / others.hz[None])) <= 1 / 24
    return np.asarray((near & same).any(axis=1))


def _row_of(hz: float, notes: tuple[Note, ...]) -> int:
    return int(np.argmin([abs(np.log2(note.hz / hz)) for note in notes]))
