"""Every knob's value while playing: turned by keys, page, OSC and MIDI, read by the loop."""

import math
import threading
from collections.abc import Callable

import numpy as np

from wyh.errors import WyhError
from wyh.knobs import ALL, KNOBS, PLAYING, Knobs, checked, of_run

STEPS = 20  # from one end of a knob to the other, turned a step at a time
_ON_A_STEP = 1e-6  # steps: this close to one, a value is on it


class Panel:
    """Turned from any thread. Readers take a whole set of values, so they need no lock.

    Attributes:
      values: every knob's value by name, those of `wyh.knobs.PLAYING` too; with a direction given,
        of the knobs that are of use there.
      traced: those that reach the model, as the compiled functions take them.
    """

    def __init__(self, knobs: Knobs, scenes: int = 1, direction: str | None = None, kind: str = ""):
        """Begin.

        Args:
          knobs: values of `wyh.knobs.KNOBS`.
          scenes: how many runs there are.
          direction: of the runs: no other knobs can be turned then.
          kind: with `direction`, of the runs.
        """
        self._scenes = scenes
        self._table = ALL if direction is None else of_run(direction, kind)
        # Held while watchers are told too, so that the last value they hear is the one that holds;
        # taken again by a watcher that turns another knob.
        self._turning = threading.RLock()
        self._watchers: list[Callable[[str, float], None]] = []
        values = {name: knob.default for name, knob in PLAYING.items()} | knobs
        self.values: Knobs = {name: value for name, value in values.items() if name in self._table}
        self.traced = {name: np.float32(values[name]) for name in KNOBS}

    def turn(self, name: str, value: float | str) -> None:
        """Turn a knob to a value, a switch also to a choice by its name.

        Raises:
          WyhError: unknown knob or choice, or out of range; nothing has changed.
        """
        value = checked(name, value, self._table)
        if name == "scene" and value > self._scenes:
            raise WyhError(f"got scene {value:g}, wanted 1 to {self._scenes}: give more --scene")
        with self._turning:
            self.values = self.values | {name: value}
            if name in KNOBS:
                self.traced = self.traced | {name: np.float32(value)}
            for tell in tuple(self._watchers):
                tell(name, value)

    def nudge(self, name: str, steps: int) -> None:
        """Turn a knob by steps of a twentieth of its range or by 1 where that counts something.

        A switch goes to its next choice, round.

        Steps are counted from the knob's default, so that this is always met on the way; a value
        between two steps goes to the next one. The ends hold.

        Raises:
          WyhError: unknown knob.
        """
        with self._turning:  # two nudges at once are two steps
            if name not in self._table:
                raise WyhError(f"got the knob {name!r}, wanted one of {', '.join(self._table)}")
            if not steps:
                return
            knob, value = self._table[name], self.values[name]
            if knob.choices:
                self.turn(name, (round(value) + steps) % len(knob.choices))
                return
            high = min(knob.high, self._scenes) if name == "scene" else knob.high
            step = 1.0 if knob.whole else (knob.high - knob.low) / STEPS
            at = (value - knob.default) / step
            at = math.floor(at + _ON_A_STEP) if steps > 0 else math.ceil(at - _ON_A_STEP)
            # Rounded: 0.15, not 0.15000000000000002, and at the ends exactly them.
            value = round(knob.default + (at + steps) * step, 6)
            self.turn(name, min(high, max(knob.low, value)))

    def watch(self, tell: Callable[[str, float], None]) -> None:
        """Call `tell(name, value)` after each turn, from whatever thread turns a knob.

        It must not wait for another thread that turns one.
        """
        self._watchers.append(tell)
