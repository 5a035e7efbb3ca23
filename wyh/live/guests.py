"""The guests of a live page: what they share, whichever way it plays, and what they add up to."""

import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import asdict
from itertools import count
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import jax

from wyh.knobs import KNOBS, Knobs, begun_with, of_run
from wyh.live.log import Event, LogWriter
from wyh.live.meter import Meter
from wyh.live.panel import Panel
from wyh.media.web import messages
from wyh.media.web.messages import Report
from wyh.transducers.compile import Compiled
from wyh.transducers.kinds import Player

MOST_CLIENTS = 8
_FULL = 1013  # close code: try again later
_KNOBS = (*KNOBS, "freeze")  # a page has one scene, and records nothing


@runtime_checkable
class Talk(Protocol):
    """A page in conversation, such as `wyh.media.web.client.Client`."""

    async def run(self, hello: str) -> str | None:
        """Greet, and talk until the page goes; why it was shut out, or None."""


class Guests(ABC):
    """All pages of one run. What differs by direction is in `SoundGuests` and `PictureGuests`.

    Attributes:
      index: the file that is the page.
      longest: bytes of the longest message that a page may send.
      pool: for computing; there before the first guest comes.
    """

    index: str
    longest: int

    def __init__(
        self,
        player: Player,
        compiled: Compiled,
        knobs: Knobs,
        seed: int,
        note: Callable[[str], None],
        log_dir: Path | None,
    ):
        """Take over a run compiled for one tick each; the rest as for `wyh.live.page.serve`."""
        self.spec = player.transducer.spec
        self.variables = jax.device_put(player.variables)
        self.name, self.kind = player.run.directory.name, player.run.kind
        self.compiled, self.knobs, self.seed = compiled, knobs, seed
        self._begun = begun_with(player.run.config)
        self.note, self.log_dir = note, log_dir
        self.pool: ThreadPoolExecutor
        self.meter = Meter()
        self._numbers, self._open = count(1), 0
        self._began = time.perf_counter()
        self._first: float | None = None
        self.frames = self.blocks = self.underruns = 0

    @abstractmethod
    def warm_up(self) -> None:
        """Call everything once, so that no first call falls into a session."""

    @abstractmethod
    def talk(self, socket: Any, panel: Panel, log: Callable[[Event], None]) -> Talk:
        """A session of its own for a page."""

    @abstractmethod
    def about(self) -> dict[str, Any]:
        """What a page shows of this direction."""

    def is_over(self) -> bool:
        """Whether nothing more can be played."""
        return False

    async def welcome(self, socket: Any) -> None:
        """One page, from its opening to its end."""
        if self._open >= MOST_CLIENTS:
            said = f"{MOST_CLIENTS} pages play already: close one of them"
            self.note(f"a page was turned away: {said}")
            await socket.close(_FULL, said)
            return
        self._open += 1
        number = next(self._numbers)
        try:
            with ExitStack() as stack:
                panel = Panel(self.knobs, direction=self.spec.direction, kind=self.kind)
                log = _unlogged
                if self.log_dir is not None:
                    path = self.log_dir / f"session_{number}.jsonl"
                    log = stack.enter_context(LogWriter(path))
                talk = self.talk(socket, panel, log)
                refused = await talk.run(messages.hello(self.spec, self._about(panel)))
                if refused:
                    self.note(f"page {number} was shut out: {refused}")
        except OSError as error:
            self.note(f"page {number} could not play: {error}")
        finally:
            self._open -= 1

    def _about(self, panel: Panel) -> dict[str, Any]:
        """What a page shows of the run, and its knobs."""
        table = [
            asdict(knob)
            | {"default": self._begun.get(name, knob.default), "value": panel.values[name]}
            for name, knob in of_run(self.spec.direction, self.kind).items()
            if name in _KNOBS and (name != "width" or self.spec.audio.channels == 2)
        ]
        return {"run": self.name, "seed": self.seed, "knobs": table} | self.about()

    def add_first(self) -> None:
        """Something was made: the first time counts."""
        self._first = self._first or time.perf_counter() - self._began

    def add_report(self, report: Report, counted: int) -> int:
        """Add what a page measured, `counted` underruns of which are known; the underruns."""
        for stage, durations in report.stages_secs.items():
            for secs in durations:
                if stage == "offset":
                    self.meter.add_offset(secs)
                else:
                    self.meter.add(stage, secs)
        self.underruns += max(0, report.underruns - counted)
        return max(counted, report.underruns)

    def summary(self) -> dict[str, Any]:
        """Of all sessions so far."""
        return self.meter.summary(
            frames=self.frames,
            secs=self.blocks * self.spec.block / self.spec.audio.sample_rate,
            underruns=self.underruns,
            first_sound_secs=self._first,
        )


def _unlogged(event: Event) -> None:
    pass
