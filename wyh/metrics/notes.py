"""How well notes that are found agree with those that were played: when, which, and how loud."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float
from scipy.sparse import coo_array
from scipy.sparse.csgraph import maximum_bipartite_matching

from wyh.metrics import onsets

TOLERANCES_SECS = (0.025, 0.05, 0.1)
"""At which onsets are reported."""

APART_SECS = 0.06
"""Between two strikes of one note, at least: nobody strikes a bar faster."""

_ROUNDING_SECS, _ROUNDING_CENTS = 1e-9, 1e-6  # what lies on the edge of a tolerance is within it


class Events(NamedTuple):
    """Notes that begin, in any order."""

    times_secs: Float[np.ndarray, " n"]
    hz: Float[np.ndarray, " n"]


class Agreement(NamedTuple):
    """How many of those found are true, how many of the true are found, and both together."""

    precision: float
    recall: float
    f1: float


def note_f1(
    found: Events, true: Events, within_secs: float = 0.05, cents: float = 50.0
) -> Agreement:
    """Found notes against true ones: begun at the same time and of the same pitch.

    Each is matched with one other at most, and as many are matched as can be. Source: the note
    scores of MIREX, without ends of notes. 1 where there is nothing and nothing is found.

    Args:
      found: what was found.
      true: what was played.
      within_secs: by which a match may be early or late.
      cents: by which it may be too high or too low.
    """
    order = np.argsort(true.times_secs)
    times, hz = true.times_secs[order], true.hz[order]
    reach = within_secs + _ROUNDING_SECS
    first = np.searchsorted(times, found.times_secs - reach, "left")
    count = np.searchsorted(times, found.times_secs + reach, "right") - first
    mine = np.repeat(np.arange(len(first)), count)
    begun = np.repeat(np.cumsum(count) - count, count)
    theirs = np.repeat(first, count) + np.arange(len(mine)) - begun
    near = np.abs(1200 * np.log2(found.hz[mine] / hz[theirs])) <= cents + _ROUNDING_CENTS
    matched = 0
    if near.any():
        pairs = (np.ones(int(near.sum()), np.int8), (mine[near], theirs[near]))
        graph = coo_array(pairs, shape=(len(found.hz), len(hz))).tocsr()
        matched = int(np.sum(maximum_bipartite_matching(graph, perm_type="column") >= 0))
    return _agreement(matched, len(found.hz), len(hz))


def onset_f1(
    found: Events, true: Events, tolerances_secs: Sequence[float] = TOLERANCES_SECS
) -> dict[float, float]:
    """F1 of the times alone, whatever the notes, at each tolerance in seconds."""
    times = np.sort(found.times_secs), np.sort(true.times_secs)
    return {within: onsets.f1(*times, within) for within in tolerances_secs}


def frame_f1(
    found: Bool[np.ndarray, "frames notes"], true: Bool[np.ndarray, "frames notes"]
) -> Agreement:
    """Which notes sound in which frames, all frames and notes together."""
    return _agreement(int(np.sum(found & true)), int(found.sum()), int(true.sum()))


def amplitude_error(
    found: Float[np.ndarray, "frames notes"], true: Float[np.ndarray, "frames notes"]
) -> float:
    """Root of the mean squared difference over all frames and notes, in the unit of both."""
    return float(np.sqrt(_mean_squared(found, true)))


def skill(
    found: Float[np.ndarray, "frames notes"],
    true: Float[np.ndarray, "frames notes"],
    constant: Float[np.ndarray, " notes"],
) -> float:
    """1 less the mean squared error over that of a constant: 1 is perfect, 0 no better than it.

    Args:
      found: amplitudes.
      true: amplitudes.
      constant: the mean of each note over the truth of the *training* recordings.

    Returns:
      Minus infinity where the constant is right throughout and what was found is not.
    """
    error = _mean_squared(found, true)
    least = _mean_squared(np.broadcast_to(constant, true.shape), true)
    if not least:
        return -np.inf if error else 1.0
    return 1 - error / least


def events_of(
    onset: Float[np.ndarray, "frames notes"],
    offset: Float[np.ndarray, "frames notes"],
    hz: Float[np.ndarray, " notes"],
    frame_rate: float,
    threshold: float = 0.5,
) -> Events:
    """The strikes that a model predicts: the local maxima of their probability.

    Of two of one note closer than `APART_SECS`, the more probable counts, the earlier of equals.

    Args:
      onset: probability that a note is struck in a frame's time.
      offset: when, in frame periods from the frame's middle, -0.5 to 0.5.
      hz: frequency of each note.
      frame_rate: in Hz. Frame k begins at `k / frame_rate`.
      threshold: the least probability that counts.

    Returns:
      The events, in order of time.
    """
    beside = np.pad(onset, ((1, 1), (0, 0)), constant_values=-np.inf)
    most = (onset > beside[:-2]) & (onset >= beside[2:]) & (onset >= threshold)
    frames, notes = np.nonzero(most)
    times = (frames + 0.5 + offset[frames, notes]) / frame_rate
    order = np.lexsort((times, -onset[frames, notes]))
    taken: dict[int, list[float]] = {}
    kept = []
    for event in order:
        before = taken.setdefault(int(notes[event]), [])
        time = float(times[event])
        if all(abs(time - other) >= APART_SECS - _ROUNDING_SECS for other in before):
            before.append(time)
            kept.append(event)
    chosen = np.array(kept, int)
    chosen = chosen[np.lexsort((notes[chosen], times[chosen]))]
    return Events(times[chosen], hz[notes[chosen]])


def _agreement(matched: int, found: int, true: int) -> Agreement:
    """Of counts. Nothing found is never wrong, and nothing true never missed."""
    precision = matched / found if found else 1.0
    recall = matched / true if true else 1.0
    return Agreement(precision, recall, 2 * matched / (found + true) if found + true else 1.0)


def _mean_squared(one: np.ndarray, other: np.ndarray) -> float:
    return float(np.mean(np.square(one.astype(np.float64) - other)))
