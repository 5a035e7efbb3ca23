"""Scales, and which note of a scale each of n bands plays. NumPy alone: all of it is constant."""

from itertools import pairwise

import numpy as np
from jaxtyping import Float

from wyh.errors import WyhError, check_range

OCTAVE_CENTS = 1200.0
_LEAST_CENTS = 1.0  # between two notes of a scale: closer ones are one

_JUST = ((1, 1), (9, 8), (5, 4), (4, 3), (3, 2), (5, 3), (15, 8))

CENTS = {
    "pentatonic": (0.0, 200.0, 400.0, 700.0, 900.0),
    "equal": tuple(100.0 * step for step in range(12)),
    "just": tuple(float(1200 * np.log2(n / d)) for n, d in _JUST),
}
"""Steps above the root within an octave: the major pentatonic of twelve equal semitones, those
twelve, and the major scale of just intonation (small whole ratios, so its chords do not beat)."""

_SHARING = 4.0  # what it costs that two bands share a note: as much as a move by 2 semitones


def check_scale(cents: tuple[float, ...], root_hz: float) -> None:
    """Refuse what is no scale.

    Raises:
      WyhError: no notes, notes that do not rise from 0 within an octave, or a root out of range.
    """
    check_range("root_hz", root_hz, 20, 20_000, "Hz")
    ends = (*cents, OCTAVE_CENTS)
    rising = all(after - before >= _LEAST_CENTS for before, after in pairwise(ends))
    if not cents or cents[0] < 0 or not rising:
        raise WyhError(
            f"got the scale {' '.join(f'{step:g}' for step in cents) or 'of no notes'}, wanted "
            f"rising cents from 0 to under 1200, such as 0 300 500 700 1000"
        )


def scale_notes(
    cents: tuple[float, ...], root_hz: float, low_hz: float, high_hz: float
) -> Float[np.ndarray, " notes"]:
    """The notes of a scale from `low_hz` to `high_hz` in Hz, rising, the root in every octave.

    Where none lies there, the one that is nearest to the middle, by pitch.
    """
    steps = np.log2([low_hz, high_hz]) - np.log2(root_hz)
    octaves = np.arange(np.floor(steps[0]) - 1, np.ceil(steps[1]) + 1)
    pitch = (octaves[:, None] + np.asarray(cents)[None, :] / OCTAVE_CENTS).ravel()
    inside = pitch[(pitch >= steps[0] - 1e-9) & (pitch <= steps[1] + 1e-9)]
    if not inside.size:
        inside = pitch[[np.argmin(np.abs(pitch - steps.mean()))]]
    return root_hz * 2**inside


def tune(
    bands_hz: Float[np.ndarray, " bands"],
    notes_hz: Float[np.ndarray, " notes"],
    *,
    apart_hz: float,
    limit_hz: float,
) -> Float[np.ndarray, " bands"]:
    """The frequency that each band plays: near its own, on a note, in the same order.

    Each band takes the note nearest to it by pitch, where need be one further off that is free.
    Where notes are too few, neighbours share one: they become partials around it, `apart_hz` from
    one to the next. Far apart they can be told apart, but beat roughly; close together they are
    smoother and say less. Where there is no room up to the next note they are closer.

    Args:
      bands_hz: rising.
      notes_hz: rising.
      apart_hz: between partials that share a note.
      limit_hz: over all that may be played; half the sample rate.

    Returns:
      Frequencies in Hz, strictly rising.
    """
    chosen = _nearest_in_order(np.log2(bands_hz) * 12, np.log2(notes_hz) * 12)
    used, place, sharing = np.unique(chosen, return_inverse=True, return_counts=True)
    around = np.concatenate([[0.0], notes_hz[used], [limit_hz]])
    room = np.minimum(np.diff(around)[:-1], np.diff(around)[1:])
    first = np.searchsorted(chosen, used)
    rank = np.arange(bands_hz.size) - first[place] - (sharing[place] - 1) / 2
    step = np.minimum(apart_hz, room / sharing)
    return notes_hz[chosen] + rank * step[place]


def _nearest_in_order(
    bands: Float[np.ndarray, " bands"], notes: Float[np.ndarray, " notes"]
) -> np.ndarray:
    """Notes that never fall along the bands, of least squared moves in semitones and sharing.

    By dynamic programming: the cost of the bands so far for each note of the last of them.
    """
    away = (bands[:, None] - notes[None, :]) ** 2
    order = np.arange(notes.size)
    cost, came_from = away[0], []
    for row in away[1:]:
        best = np.minimum.accumulate(cost)
        at = np.maximum.accumulate(np.where(cost <= best, order, 0))
        lower = np.concatenate([[np.inf], best[:-1]])
        shared = cost + _SHARING <= lower
        came_from.append(np.where(shared, order, np.concatenate([[0], at[:-1]])))
        cost = row + np.where(shared, cost + _SHARING, lower)
    chosen = [int(np.argmin(cost))]
    for before in reversed(came_from):
        chosen.append(int(before[chosen[-1]]))
    return np.array(chosen[::-1])
