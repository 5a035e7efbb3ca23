"""What a marimba plays: scores drawn at random that two hands could play.

The instrument has the 18 bars of the upper row (F#4 to A#7). A score is phrases with rests between
them, each of steps, leaps, chords of two bars and rolls under one swell of loudness. It is made
strike by strike together with the ways of both mallets, so whatever a hand could not reach in time,
or only across the other hand, is never written down.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from wyh.errors import check_range

NOTE_NAMES = tuple(
    "F#4 G#4 A#4 C#5 D#5 F#5 G#5 A#5 C#6 D#6 F#6 G#6 A#6 C#7 D#7 F#7 G#7 A#7".split()
)
"""The bars from low to high; a note is an index into these."""

_NATURAL = {"C": 0, "D": 1, "E": 2, "F": 3, "G": 4, "A": 5, "B": 6}
_SEMITONE = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}

MIDI = np.array([_SEMITONE[n[0]] + 1 + 12 * (int(n[2]) + 1) for n in NOTE_NAMES])
"""MIDI numbers of the bars: `int [18]`, 66 to 106."""

NOTES_HZ = 440 * 2 ** ((MIDI - 69) / 12)
"""Frequencies of the bars: `float [18]`, 369.99 to 3729.31 Hz."""

_SPACING_M = 0.048  # from one bar of the lower row to the next
BARS_M = _SPACING_M * np.array([_NATURAL[n[0]] + 7 * (int(n[2]) - 4) - 3.0 for n in NOTE_NAMES])
"""Centres of the bars along the instrument: `float [18]`, 0 to 1.1 m. No bar between A# and C#,
nor between D# and F#: there the gap is twice as wide."""

TRAVEL_M_PER_SEC = 2.5  # a mallet is never faster than that along the bars
RESTRIKE_SECS = 0.09  # from one stroke of a mallet to its next
BAR_SECS = 0.06  # from one stroke on a bar to the next
HAND_M = 0.1  # how far the left mallet may be to the right of the right one
TEMPO_BPM = (60.0, 180.0)

_NEAR_M, _FAR_M = 0.04, 0.3  # how near and far an idle mallet waits beside the one that plays
SOFTEST = 0.15  # velocity; what is softer is lost in the noise of a room
_SPREAD_SECS = 0.008  # between the two strokes of a chord, at most


class Strike(NamedTuple):
    """One stroke on one bar."""

    time_secs: float  # from the start of the recording
    note: int  # index of the bar, 0 to 17
    velocity: float  # over 0, to 1; drawn ones are SOFTEST or more
    mallet: int  # 0 = left, 1 = right


@dataclass(frozen=True)
class Score:
    """What is played in one recording, and where the mallets are meanwhile."""

    strikes: tuple[Strike, ...]  # times do not fall
    secs: float
    tempo_bpm: float
    path_secs: Float[np.ndarray, " knots"]  # rising, from 0
    path_m: Float[np.ndarray, "knots 2"]  # left and right mallet along the bars, as BARS_M

    def mallets_m(self, times_secs: Float[np.ndarray, " times"]) -> Float[np.ndarray, "times 2"]:
        """Where both mallets are along the bars at some times, in metres.

        Between two knots they move evenly: over the bar at each stroke, never faster than
        `TRAVEL_M_PER_SEC`, never crossed by more than `HAND_M`. How high they are is not said.
        """
        ways = [np.interp(times_secs, self.path_secs, self.path_m[:, hand]) for hand in (0, 1)]
        return np.stack(ways, axis=1)


class _Hands:
    """Two mallets that are where they are: they strike what they can reach in time."""

    def __init__(self, left_m: float, right_m: float) -> None:
        self.knots = [(0.0, left_m, right_m)]
        self.strikes: list[Strike] = []
        self.struck = np.full(2, -np.inf)  # when each mallet struck last
        self.sounded = np.full(len(NOTE_NAMES), -np.inf)  # when each bar was struck last
        self.count = np.zeros(len(NOTE_NAMES), int)

    def strike(self, time: float, note: int, velocity: float) -> bool:
        """Strike one bar with the mallet that has rested longer, or else with the other."""
        for hand in map(int, np.argsort(self.struck, kind="stable")):
            # The other mallet follows, and gives way.
            side = 1 if hand == 0 else -1
            near, far = BARS_M[note] + side * _NEAR_M, BARS_M[note] + side * _FAR_M
            reach = TRAVEL_M_PER_SEC * (time - self.knots[-1][0])
            idle = self.knots[-1][2 - hand]
            wanted = np.clip(idle, min(near, far), max(near, far))
            idle += float(np.clip(wanted - idle, -reach, reach))
            at = (BARS_M[note], idle) if hand == 0 else (idle, BARS_M[note])
            if self._can(time, hand, note) and self._move(time, float(at[0]), float(at[1])):
                self._add(Strike(time, note, velocity, hand))
                return True
        return False

    def both(self, time: float, low: int, high: int) -> bool:
        """Bring each mallet over a bar of its own, ready to strike."""
        can = self._can(time, 0, low) and self._can(time, 1, high)
        return can and self._move(time, float(BARS_M[low]), float(BARS_M[high]))

    def again(self, time: float, hand: int, note: int, velocity: float) -> bool:
        """Strike the bar that a mallet is over, with both staying where they are."""
        _, left, right = self.knots[-1]
        can = self._can(time, hand, note) and self._move(time, left, right)
        if can:
            self._add(Strike(time, note, velocity, hand))
        return can

    def _can(self, time: float, hand: int, note: int) -> bool:
        rested = time - self.struck[hand] >= RESTRIKE_SECS
        return bool(rested and time - self.sounded[note] >= BAR_SECS)

    def _move(self, time: float, left: float, right: float) -> bool:
        """Add a knot to the ways of the mallets if they can get there."""
        was, *before = self.knots[-1]
        farthest = max(abs(left - before[0]), abs(right - before[1]))
        if farthest > TRAVEL_M_PER_SEC * (time - was) + 1e-9 or left > right + HAND_M:
            return False
        if time > was:
            self.knots.append((time, left, right))
        return True

    def _add(self, strike: Strike) -> None:
        self.strikes.append(strike)
        self.struck[strike.mallet] = self.sounded[strike.note] = strike.time_secs
        self.count[strike.note] += 1


class _Player:
    """Plays phrase after phrase with two hands; how it likes to play is drawn once."""

    def __init__(self, rng: np.random.Generator, secs: float, tempo_bpm: float) -> None:
        self.rng, self.end, self.tempo_bpm = rng, secs - min(0.3, secs / 4), tempo_bpm
        middle = rng.uniform(0.3, 0.8)
        self.hands = _Hands(middle - 0.1, middle + 0.1)
        # Steps, leaps, chords, rolls, rests.
        self.habits = rng.dirichlet([8, 5, 4, 1, 1.5])
        self.loud = rng.uniform(0.6, 1.0)

    def phrase(self, now: float) -> float:
        """Play one phrase from `now`, and give the time after the rest that follows it."""
        rng = self.rng
        beat = 60 / self.tempo_bpm * rng.uniform(0.94, 1.06)
        beats = int(rng.integers(4, 17))
        habits = 0.6 * self.habits + 0.4 * rng.dirichlet([1, 1, 0.7, 0.25, 0.3])
        values = np.array([value for value in (0.25, 0.5, 1, 2) if value * beat >= 0.1])
        likely = rng.dirichlet(np.full(values.size, 1.5))
        # Bars that were heard less begin more phrases.
        weights = 1 / (1 + self.hands.count) ** 2
        centre = note = int(rng.choice(len(NOTE_NAMES), p=weights / weights.sum()))
        ends = self.loud * rng.uniform(0.25, 1, 3)
        at = 0.0
        while at < beats and now < self.end:
            length = float(rng.choice(values, p=likely))
            swell = np.interp(at / beats, [0, rng.uniform(0.4, 0.6), 1], ends)
            swell *= 1.1 if at % 1 == 0 else 0.95
            velocity = float(np.clip(swell + rng.normal(0, 0.04), SOFTEST, 1))
            time = now + float(np.clip(rng.normal(0, 0.006), -0.015, 0.015))
            match int(rng.choice(5, p=habits)):
                case 0:
                    self._one(time, note, velocity)
                    note = self._from(note, centre, int(rng.choice([-1, 1])))
                case 1:
                    self._one(time, note, velocity)
                    note = self._from(note, centre, int(rng.choice([-1, 1]) * rng.integers(2, 8)))
                case 2:
                    self._chord(time, note, velocity)
                    note = self._from(note, centre, int(rng.integers(-2, 3)))
                case 3:
                    length = float(rng.choice([1, 2, 4], p=[0.5, 0.35, 0.15]))
                    self._roll(time, note, velocity, length * beat)
                case _:
                    length = float(rng.choice([0.5, 1, 2]))
            at += length
            now += length * beat
        return now + beat * float(rng.choice([0.5, 1, 2, 4], p=[0.3, 0.3, 0.3, 0.1]))

    def _from(self, note: int, centre: int, step: int) -> int:
        """The bar so many steps on; turns back where it strays from the phrase or off the bars."""
        if abs(note + step - centre) > 7 or not 0 <= note + step < len(NOTE_NAMES):
            step = -step
        return int(np.clip(note + step, 0, len(NOTE_NAMES) - 1))

    def _one(self, time: float, note: int, velocity: float) -> bool:
        """Strike the bar, or the nearest one within reach; one too far off is left out."""
        near = sorted(range(len(NOTE_NAMES)), key=lambda other: abs(other - note))[:5]
        return self._in_time(time) and any(
            self.hands.strike(time, other, velocity) for other in near
        )

    def _pair(self, time: float, note: int) -> tuple[int, int] | None:
        """Two bars around one, with a mallet over each, or none within reach."""
        for span in self.rng.permutation(np.arange(1, 8)):
            low = int(np.clip(note - span // 2, 0, len(NOTE_NAMES) - 1 - span))
            if self._in_time(time) and self.hands.both(time, low, int(low + span)):
                return low, int(low + span)
        return None

    def _chord(self, time: float, note: int, velocity: float) -> None:
        """Two bars at once, with a slip between the hands."""
        pair = self._pair(time, note)
        if pair is None:
            self._one(time, note, velocity)
            return
        first = int(self.rng.integers(2))
        second = time + float(self.rng.uniform(0, _SPREAD_SECS))
        self.hands.again(time, first, pair[first], velocity)
        softer = max(SOFTEST, velocity * float(self.rng.uniform(0.8, 1)))
        self.hands.again(second, 1 - first, pair[1 - first], softer)

    def _roll(self, time: float, note: int, velocity: float, secs: float) -> None:
        """Fast strokes of alternating hands on one bar or two, swelling."""
        rng = self.rng
        pair: tuple[int, int] | None = (note, note)
        if rng.random() < 0.5:
            pair = self._pair(time, note)
        elif not (self._in_time(time) and self.hands.both(time, note, note)):
            pair = None
        if pair is None:
            self._one(time, note, velocity)
            return
        gap, end = 1 / rng.uniform(9, 13), time + secs * 0.9
        swell = rng.uniform(0.6, 1.4)
        hand, begun = int(rng.integers(2)), time
        while time < min(end, self.end):
            swelling = swell ** ((time - begun) / secs)
            loud = float(np.clip(velocity * swelling + rng.normal(0, 0.03), SOFTEST, 1))
            self.hands.again(time, hand, pair[hand], loud)
            hand = 1 - hand
            time += gap * float(rng.uniform(0.95, 1.05))

    def _in_time(self, time: float) -> bool:
        """Whether this comes after all that was played, and before the end."""
        return self.hands.knots[-1][0] < time <= self.end


def make_score(rng: np.random.Generator, secs: float, tempo_bpm: float | None = None) -> Score:
    """A score of so many seconds, at a tempo drawn between 60 and 180 beats a minute.

    Raises:
      WyhError: less than 2 seconds, or a tempo out of range.
    """
    check_range("secs", secs, 2, 36_000, "s")
    drawn = TEMPO_BPM[0] * (TEMPO_BPM[1] / TEMPO_BPM[0]) ** rng.uniform()
    tempo_bpm = drawn if tempo_bpm is None else tempo_bpm
    check_range("tempo_bpm", tempo_bpm, *TEMPO_BPM, "beats a minute")
    player = _Player(rng, secs, tempo_bpm)
    now = rng.uniform(0.4, 0.8)
    while now < player.end or not player.hands.strikes:
        now = player.phrase(now if now < player.end else 0.8)
    knots = np.array(player.hands.knots)
    return Score(tuple(player.hands.strikes), secs, tempo_bpm, knots[:, 0], knots[:, 1:])
