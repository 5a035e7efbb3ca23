"""How two mallets swing: ways in the plane, heights over the bars, from a score.

Along the bars a mallet follows the score, on paths of least jerk between its knots. It lifts
higher and comes down faster the harder it strikes, is at height 0 at the time of the stroke and
at no other, rebounds in an arc, and waits nearer to the player where it has nothing to play.
"""

import numpy as np
from jaxtyping import Float

from data_prep.marimba_score import TRAVEL_M_PER_SEC, Score

REST_M = 0.22  # from the middle of the bars towards the player, where an idle mallet waits
PLANE_M_PER_SEC = 1.875 * TRAVEL_M_PER_SEC  # at most, along the bars: the peak of least jerk
STRIKE_SPREAD_M = 0.055  # from the middle of a bar along it, at most
BACK = 0.35  # of its height: by how much a lifted head comes back towards the player

_REST_SECS = 1.0  # a longer pause is spent away from the bars
_AWAY_SECS = 0.45  # to get there, or back
_REST_HEIGHT_M = 0.05
_READY_SECS = 0.3  # in which a mallet is raised after a rest
_REBOUND_SECS = 0.12

_RISE, _EASE, _FALL = 0, 1, 2


class Motion:
    """Where both mallet heads are at any time of a score.

    Attributes:
      score: what is played.
    """

    def __init__(self, score: Score, rng: np.random.Generator) -> None:
        """Work out the ways.

        Args:
          score: what is played.
          rng: where on the bars is struck, how high this player swings and how fast he travels.
        """
        self.score = score
        secs, ends = score.path_secs, score.path_m
        # Both move together, so that they stay apart as the knots are apart.
        farthest = np.abs(np.diff(ends, axis=0)).max(axis=1, initial=0)
        liked = np.maximum(rng.uniform(0.25, 0.5), farthest / rng.uniform(0.8, TRAVEL_M_PER_SEC))
        self._move_secs = np.minimum(np.diff(secs), liked)
        self._swing = rng.uniform(0.85, 1.2)
        where = rng.uniform(-0.02, 0.02)
        self._along: list[tuple[np.ndarray, np.ndarray]] = []
        self._heights: list[np.ndarray] = []
        for mallet in (0, 1):
            mine = [strike for strike in score.strikes if strike.mallet == mallet]
            times = [strike.time_secs for strike in mine]
            # On one bar, mallets strike beside one another.
            spread = where + (0.022, -0.022)[mallet] + rng.normal(0, 0.01, len(mine))
            spread = np.clip(spread, -STRIKE_SPREAD_M, STRIKE_SPREAD_M)
            self._along.append(_stations(times, list(map(float, spread))))
            self._heights.append(self._swings(times, [strike.velocity for strike in mine]))

    def heads_m(self, times_secs: Float[np.ndarray, " times"]) -> Float[np.ndarray, "times 2 3"]:
        """Where the heads of the left and right mallet are.

        Args:
          times_secs: any, in seconds of the score.

        Returns:
          Metres along the bars (as `BARS_M`), from the middle of the bars towards the player, and
          the height of the head over them.
        """
        heads = np.empty((times_secs.size, 2, 3))
        secs, ends = self.score.path_secs, self.score.path_m
        if secs.size == 1:
            heads[:, :, 0] = ends[:1]
        else:
            at = np.clip(np.searchsorted(secs, times_secs, "right") - 1, 0, secs.size - 2)
            taken = self._move_secs[at]
            part = _least_jerk((times_secs - secs[at + 1]) / taken + 1)
            heads[:, :, 0] = ends[at] + (ends[at + 1] - ends[at]) * part[:, None]
        for mallet in (0, 1):
            knots, values = self._along[mallet]
            at = np.clip(np.searchsorted(knots, times_secs, "right") - 1, 0, knots.size - 2)
            part = _least_jerk((times_secs - knots[at]) / (knots[at + 1] - knots[at]))
            heads[:, mallet, 1] = values[at] + (values[at + 1] - values[at]) * part
            heads[:, mallet, 2] = _heights_at(self._heights[mallet], times_secs)
            # A swing is an arc about the wrist.
            heads[:, mallet, 1] += BACK * heads[:, mallet, 2]
        return heads

    def _swings(self, times: list[float], velocities: list[float]) -> Float[np.ndarray, "parts 5"]:
        """Parts of a mallet's height: begin and end in seconds, heights there, and shape."""
        parts: list[tuple[float, float, float, float, int]] = []
        now, height = 0.0, _REST_HEIGHT_M
        before = -np.inf
        nexts = [*times[1:], np.inf]
        for time, velocity, following in zip(times, velocities, nexts, strict=False):
            gap = time - before
            near = min(1.0, min(gap, time) / 0.3)  # there is no time to swing far
            lift = self._swing * near * (0.04 + 0.2 * velocity)
            down = min(0.45 * min(gap, time), 0.16 - 0.06 * velocity)
            if gap > _REST_SECS:
                ready = max(now, time - down - _READY_SECS)
                settled = min(ready, now + _AWAY_SECS)
                parts.append((now, settled, height, _REST_HEIGHT_M, _EASE))
                parts.append((settled, ready, _REST_HEIGHT_M, _REST_HEIGHT_M, _EASE))
                now, height = ready, _REST_HEIGHT_M
            parts.append((now, time - down, height, lift, _EASE))
            parts.append((time - down, time, lift, 0.0, _FALL))
            after = following - time
            height = self._swing * min(1.0, after / 0.3) * (0.03 + 0.1 * velocity)
            now = time + min(0.35 * after, _REBOUND_SECS)
            parts.append((time, now, 0.0, height, _RISE))
            before = time
        parts.append((now, now + _AWAY_SECS, height, _REST_HEIGHT_M, _EASE))
        return np.array([part for part in parts if part[1] > part[0]])


def _stations(times: list[float], where: list[float]) -> tuple[np.ndarray, np.ndarray]:
    """Knots across the bars, in seconds and metres: strokes, and rests away from the bars."""
    knots, values = [-1.0], [REST_M]
    before = -np.inf
    for time, value, after in zip(times, where, [*times[1:], np.inf], strict=False):
        if time - before > _REST_SECS:
            knots.append(time - _AWAY_SECS)
            values.append(REST_M)
        knots.append(time)
        values.append(value)
        if after - time > _REST_SECS:
            knots.append(time + _AWAY_SECS)
            values.append(REST_M)
        before = time
    knots.append(knots[-1] + 1.0)
    values.append(values[-1])
    return np.array(knots), np.array(values)


def _heights_at(
    parts: Float[np.ndarray, "parts 5"], times_secs: Float[np.ndarray, " times"]
) -> Float[np.ndarray, " times"]:
    """The height in the part that a time lies in; a part ends where the next one begins."""
    at = np.clip(np.searchsorted(parts[:, 0], times_secs, "right") - 1, 0, len(parts) - 1)
    begin, end, low, high, shape = parts[at].T
    part = np.clip((times_secs - begin) / (end - begin), 0, 1)
    quarter = np.pi / 2 * part
    # A stroke ends at full speed and a rebound begins so; both are at rest at the top.
    eased = np.where(shape == _RISE, np.sin(quarter), _least_jerk(part))
    eased = np.where(shape == _FALL, 1 - np.cos(quarter), eased)
    return np.asarray(low + (high - low) * eased)


def _least_jerk(part: Float[np.ndarray, " times"]) -> Float[np.ndarray, " times"]:
    """From 0 to 1 with the least jerk, at rest at both ends (Flash and Hogan, 1985)."""
    part = np.clip(part, 0, 1)
    return np.asarray(part**3 * (10 - 15 * part + 6 * part**2))
