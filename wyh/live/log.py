"""The log of a live stream: all that a replay needs, a line of JSON for each event."""

import json
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from wyh.errors import WyhError


class Observed(NamedTuple):
    """The model looked at a picture, or listened to a block of sound."""

    tick: int  # frame tick; the block's number
    frame: int  # the picture's number in the source, from 0; the block's


class Emitted(NamedTuple):
    """A block of sound was made, or a picture."""

    block: int  # its number; the picture's, which are not all made
    tick: int  # of the control it was made from
    age_secs: float  # of that control


class Turned(NamedTuple):
    """A knob has another value from here on."""

    side: str  # "look": from the tick `at` of Observed; "make": from the block `at` of Emitted
    at: int
    name: str
    value: float


Event = Observed | Emitted | Turned


class Turns:
    """Tells a log what was turned since the last time, for one of the threads that read knobs."""

    def __init__(self, side: str, log: Callable[[Event], None]):
        self._side, self._log = side, log
        self._last: Mapping[str, Any] = {}

    def __call__(self, at: int, values: Mapping[str, Any]) -> None:
        """These are the values at tick or block `at`; the first ones are not told."""
        if values is not self._last:
            for name, before in self._last.items():
                if values[name] != before:
                    self._log(Turned(self._side, at, name, float(values[name])))
            self._last = values


class LogWriter:
    """Writes events to a file as they come, from any thread. A context manager."""

    def __init__(self, path: Path):
        self._lock = threading.Lock()
        self._file = open(path, "w", encoding="utf-8", buffering=1)

    def __call__(self, event: Event) -> None:
        """Append an event."""
        with self._lock:
            if not self._file.closed:  # a thread that a blocked sink held up may come too late
                self._file.write(json.dumps(event._asdict()) + "\n")

    def __enter__(self) -> "LogWriter":
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        with self._lock:
            self._file.close()


def read_log(path: Path) -> list[Event]:
    """The events of a file.

    Raises:
      WyhError: it is no log.
    """
    events: list[Event] = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        try:
            values = json.loads(line)
            kind = Emitted if "block" in values else Turned if "side" in values else Observed
            events.append(kind(**values))
        except (ValueError, TypeError):
            raise WyhError(f"{path} is no log of wyh live: see its line {number}") from None
    return events
