"""Truth files: which note was struck when and how hard in a recording, one strike a line."""

import csv
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from data_prep.marimba_score import NOTE_NAMES, Score
from wyh.errors import WyhError

_COLUMNS = ("time_secs", "note", "velocity")


class Truth(NamedTuple):
    """The strikes of a recording, in order."""

    times_secs: Float[np.ndarray, " strikes"]
    notes: Int[np.ndarray, " strikes"]  # indices of the bars
    velocities: Float[np.ndarray, " strikes"]


def write_truth(path: Path, score: Score) -> None:
    """Write the strikes as CSV: `time_secs,note,velocity`, times to 0.1 ms, notes by name."""
    with path.open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(_COLUMNS)
        for strike in score.strikes:
            name = NOTE_NAMES[strike.note]
            rows.writerow((f"{strike.time_secs:.4f}", name, f"{strike.velocity:.3f}"))


def read_truth(path: Path, secs: float | None = None) -> Truth:
    """Read what `write_truth` wrote.

    Args:
      path: the CSV file.
      secs: the length of its recording, if strikes after its end are to be refused.

    Raises:
      WyhError: no such file, another header, no strikes, or a line that is no strike.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise WyhError(f"{path}: cannot be read as a truth file ({error})") from error
    header = ",".join(_COLUMNS)
    if lines and lines[0].strip() != header:
        raise WyhError(f"{path}: got the header {lines[0]!r:.60}, wanted {header}")
    rows = [(line, row) for line, row in enumerate(csv.reader(lines[1:]), 2) if row]
    if not rows:
        raise WyhError(f"{path}: got no strikes, wanted a line {header} for each; play something")
    strikes = [_strike_of(f"{path} line {line}", row) for line, row in rows]
    for (line, _), (before, after) in zip(rows[1:], pairwise(strikes), strict=True):
        if after[0] < before[0]:
            raise WyhError(
                f"{path} line {line}: got {after[0]:g} s after {before[0]:g} s, wanted times that "
                f"do not fall; sort the lines"
            )
    if secs is not None and strikes[-1][0] > secs:
        raise WyhError(
            f"{path}: got a strike at {strikes[-1][0]:g} s, wanted none after the {secs:g} s of "
            f"its recording; is it the truth of another one?"
        )
    times, notes, velocities = zip(*strikes, strict=True)
    return Truth(np.array(times), np.array(notes), np.array(velocities))


def _strike_of(where: str, row: Sequence[str]) -> tuple[float, int, float]:
    """Time, note and velocity of one line."""
    if len(row) != len(_COLUMNS):
        raise WyhError(f"{where}: got {len(row)} values, wanted {', '.join(_COLUMNS)}")
    name = row[1].strip()
    if name not in NOTE_NAMES:
        raise WyhError(f"{where}: got the note {name!r:.40}, wanted one of {' '.join(NOTE_NAMES)}")
    try:
        time, velocity = float(row[0]), float(row[2])
    except ValueError:
        raise WyhError(
            f"{where}: got {row[0]!r:.40} and {row[2]!r:.40}, wanted numbers: seconds and velocity"
        ) from None
    if not 0 <= time < np.inf:
        raise WyhError(f"{where}: got {time:g} s, wanted seconds from the start, 0 or later")
    if not 0 < velocity <= 1:
        raise WyhError(f"{where}: got velocity {velocity:g}, wanted one over 0, to 1")
    return time, NOTE_NAMES.index(name), velocity
