"""MIDI: any control, note or pitch wheel of a controller turns any knob.

A fader or wheel moves its knob over the knob's whole range, and a switch through its choices. A
note takes a switch to its next choice, and any other knob to the other end of its range. What
turns what is in `wyh.media.midi_map.DEFAULT`, or is learnt: see `MidiIn.learn`.
"""

import os
import re
import sys
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from wyh.errors import WyhError
from wyh.knobs import ALL
from wyh.media.midi_map import (
    DEFAULT,
    Bindings,
    Moved,
    bound,
    knob_of,
    load_bindings,
    moved,
    reachable,
    save_bindings,
    toggled,
    value_at,
)
from wyh.media.notes import Sparing

WATCH_SECS = 2.0  # how soon an unplugged controller is missed, and found again
_SEQUENCER = Path("/dev/snd/seq")
_THROUGH = "Midi Through"  # Linux has it always: an echo, no controller
_ADDRESS = re.compile(r" \d+:\d+$")  # behind a name on Linux; another one after each plugging in


def input_names() -> list[str]:
    """The MIDI inputs there are.

    Raises:
      WyhError: mido or python-rtmidi is not installed, or this system has no MIDI.
    """
    try:
        import mido
        import rtmidi  # noqa: F401  the one that mido uses
    except ImportError:
        raise WyhError("MIDI needs mido and python-rtmidi: pip install 'wyh[midi]'") from None
    no_midi = "this system has no MIDI"
    if sys.platform == "linux" and not os.environ.get("MIDO_BACKEND") and not _SEQUENCER.exists():
        # Told before ALSA does, which writes to the terminal itself.
        raise WyhError(f"{no_midi}: {_SEQUENCER} is missing; try sudo modprobe snd-seq")
    try:
        names: list[str] = mido.get_input_names()
    except (OSError, SystemError, RuntimeError, ImportError) as error:
        raise WyhError(f"{no_midi}: {error}") from None
    return [name for name in dict.fromkeys(names) if not name.startswith(_THROUGH)]


class MidiIn:
    """Takes what a controller sends. A context manager: leaving closes it.

    An unplugged controller is told, and taken again when it comes back.

    Attributes:
      name: of the controller.
      bindings: what turns what, now.
    """

    def __init__(
        self,
        port: str | None,
        *,
        turn: Callable[[str, float | str], None],
        nudge: Callable[[str, int], None],
        note: Callable[[str], None],
        mapping: Path | None = None,
        values: Callable[[], Mapping[str, float]] = dict,
        scenes: int = 1,
    ):
        """Begin to take messages.

        Args:
          port: a part of a controller's name, in capitals or not; None for the first there is.
          turn: called with a knob's name and value, from a thread of the system's.
          nudge: called with a knob's name and steps, likewise.
          note: is told what was learnt, and of trouble.
          mapping: a file of what turns what, which learning changes; `DEFAULT` where there is none.
          values: every knob's value by name: a note takes a knob to its other end. Without it,
            only what this controller did is known.
          scenes: how many there are.

        Raises:
          WyhError: no MIDI, no such controller, or a damaged mapping.
        """
        self._turn, self._nudge, self._note = turn, nudge, note
        self._values, self._knobs, self._mapping = values, reachable(scenes), mapping
        self._complain = Sparing(note)
        known = mapping is not None and mapping.exists()
        self.bindings: Bindings = load_bindings(mapping) if mapping and known else DEFAULT
        self._learning: str | None = None
        self._mine: dict[str, float] = {}  # what this controller turned
        self._unmapped_told = False
        self._wanted = port
        self.name = _choose(input_names(), port)
        self._port: Any = self._open(self.name)
        self._stop = threading.Event()
        self._watcher = threading.Thread(target=self._watch, name="midi", daemon=True)
        self._watcher.start()

    def learn(self, name: str | None) -> None:
        """Let the next control that moves turn this knob, alone; None: not after all.

        Raises:
          WyhError: unknown knob.
        """
        if name is not None and name not in ALL:
            raise WyhError(f"got the knob {name!r}, wanted one of {', '.join(ALL)}")
        self._learning = name

    def take(self, message: Any) -> None:
        """Take a `mido.Message`, whatever it is. The system calls this."""
        try:
            if (what := moved(message)) is not None:
                self._take(what)
        except WyhError as error:
            self._complain("value", f"MIDI: {error}")
        except Exception as error:  # a fault of ours must not end the system's thread
            self._complain("fault", f"MIDI: {message} was not understood: {error!r}")

    def _take(self, what: Moved) -> None:
        if (learning := self._learning) is not None:
            self._learning = None
            self.bindings = bound(self.bindings, what.control, learning)
            self._note(f"MIDI: {what.control} now turns {learning}")
            if self._mapping is not None:
                save_bindings(self._mapping, self.bindings)
            return
        name = knob_of(self.bindings, what.control)
        if name is None:
            if not self._unmapped_told:
                self._unmapped_told = True
                self._note(f"MIDI: {what.control} turns nothing yet: let a knob learn it")
            return
        knob = self._knobs[name]
        if what.control.kind == "note" and knob.choices:
            self._nudge(name, 1)
            return
        value = value_at(knob, what.position)
        if what.control.kind == "note":
            before = self._values().get(name, self._mine.get(name, knob.default))
            value = toggled(knob, before)
        self._turn(name, value)
        self._mine[name] = value

    def _open(self, name: str) -> Any:
        import mido

        try:
            return mido.open_input(name, callback=self.take)
        except (OSError, SystemError, RuntimeError) as error:
            raise WyhError(
                f"the MIDI controller {name} cannot be opened: {error}; end the program that has it"
            ) from None

    def _watch(self) -> None:
        """Miss a controller that is unplugged, and open it again."""
        while not self._stop.wait(WATCH_SECS):
            try:
                names = input_names()
                if self._port is None:
                    wanted = _ADDRESS.sub("", self.name) if self._wanted is None else self._wanted
                    self.name = _choose(names, wanted)
                    self._port = self._open(self.name)
                    self._note(f"MIDI: {self.name} is back")
                elif self.name not in names:
                    self._close_port()
                    self._note(f"MIDI: {self.name} is gone; it will be taken when it comes back")
            except WyhError as error:
                if self._port is not None:  # else it is known to be gone
                    self._complain("watch", f"MIDI: {error}")

    def _close_port(self) -> None:
        port, self._port = self._port, None
        if port is not None:
            port.close()

    def close(self) -> None:
        """Close the controller."""
        self._stop.set()
        self._watcher.join(2.0)
        self._close_port()

    def __enter__(self) -> "MidiIn":
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        self.close()


def _choose(names: list[str], part: str | None) -> str:
    """The controller that a user means."""
    if not names:
        raise WyhError("got no MIDI controller, wanted one: plug it in and switch it on")
    if part is None:
        return names[0]
    found = [name for name in names if name.casefold() == part.casefold()]
    found = found or [name for name in names if part.casefold() in name.casefold()]
    if not found:
        raise WyhError(f"got the MIDI controller {part!r}, wanted one of {', '.join(names)}")
    return found[0]
