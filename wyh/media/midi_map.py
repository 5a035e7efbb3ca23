"""Which MIDI control turns which knob, and to what. Pure: no ports, nothing but messages.

A control moves its knob over the knob's whole range, at once, wherever the knob was before. It
does not wait until it has met the knob's value ("pickup"): a knob may also be turned by keys, page
and OSC, so a control would often do nothing, and nobody could see why. A fader that is pulled down
in need has to work. The limiter bounds what a jump upwards can do.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from wyh.errors import WyhError
from wyh.knobs import ALL, Knob
from wyh.media.ffmpeg import shown
from wyh.media.whole import WholeFile


class Control(NamedTuple):
    """Something to move on a controller: `cc 7`, `note 36 on 10` or `bend`, as text."""

    kind: str  # cc, note or bend
    number: int = 0  # of the control or note, 0 to 127
    channel: int | None = None  # 1 to 16; None is any

    def __str__(self) -> str:
        number = "" if self.kind == "bend" else f" {self.number}"
        return f"{self.kind}{number}" + (f" on {self.channel}" if self.channel else "")


Bindings = dict[Control, str]
"""The knob that each control turns."""

DEFAULT: Bindings = {
    Control("cc", 1): "timbre",  # modulation wheel
    Control("cc", 5): "glide",  # portamento time
    Control("cc", 7): "gain_db",  # volume
    Control("cc", 10): "width",  # pan
    Control("cc", 11): "scene",  # expression pedal: from one run to the next
    Control("cc", 16): "negative",  # the general purpose sliders
    Control("cc", 17): "black",
    Control("cc", 18): "still",
    Control("cc", 19): "auto_gain",
    Control("cc", 20): "classes",  # these have no meaning yet
    Control("cc", 21): "threshold",
    Control("cc", 22): "sure",
    Control("cc", 23): "appear",
    Control("cc", 24): "fade",
    Control("cc", 25): "show",
    Control("cc", 26): "variety",
    Control("cc", 27): "zoom",
    Control("cc", 64): "freeze",  # sustain pedal
    Control("cc", 71): "hue",  # the sound controllers: timbre, release, attack, brightness, decay
    Control("cc", 72): "release",
    Control("cc", 73): "attack",
    Control("cc", 74): "colour",
    Control("cc", 76): "speed",  # vibrato rate
    # Pads, which play drums on channel 10: from the first one on.
    Control("note", 36, 10): "mute",
    Control("note", 37, 10): "freeze",
    Control("note", 38, 10): "negative",
    Control("note", 39, 10): "phase",
    Control("note", 40, 10): "scale",
    Control("note", 41, 10): "record",
}
"""By the meanings that the MIDI standard gives to controls, where it has one that fits."""

_CONTROL = re.compile(r"(?:(cc|note) (\d{1,3})|(bend))(?: on (\d{1,2}))?")
_CHANNEL_MODE = 120  # from here on, controls are commands such as "all notes off"


class Moved(NamedTuple):
    """A control that was moved, and where it is now: 0 to 1. A note that was struck is at 1."""

    control: Control
    position: float


def moved(message: Any) -> Moved | None:
    """What a `mido.Message` moves; None where that is nothing a knob could follow."""
    match message.type:
        case "control_change" if message.control < _CHANNEL_MODE:
            return Moved(Control("cc", message.control, message.channel + 1), message.value / 127)
        case "note_on" if message.velocity:  # of 0, it is let go
            return Moved(Control("note", message.note, message.channel + 1), 1.0)
        case "pitchwheel":  # its middle is 0, and lies nearer to the upper end
            half = message.pitch / (8191 if message.pitch > 0 else 8192)
            return Moved(Control("bend", 0, message.channel + 1), (1 + half) / 2)
    return None


def knob_of(bindings: Bindings, control: Control) -> str | None:
    """The knob that a control turns; a binding of its own channel comes first."""
    return bindings.get(control) or bindings.get(control._replace(channel=None))


def bound(bindings: Bindings, control: Control, name: str) -> Bindings:
    """Bindings where this control alone turns a knob, and nothing else."""
    kept = {each: knob for each, knob in bindings.items() if knob != name and each != control}
    return kept | {control: name}


def reachable(scenes: int) -> dict[str, Knob]:
    """All knobs; `scene` goes as far as there are scenes."""
    return ALL | {"scene": replace(ALL["scene"], high=float(scenes))}


def value_at(knob: Knob, position: float) -> float:
    """The value of a knob whose control is at a position, 0 to 1; of a switch, its choice."""
    if knob.choices:
        return float(min(int(position * len(knob.choices)), len(knob.choices) - 1))
    return round(knob.low + (knob.high - knob.low) * position, 6)


def toggled(knob: Knob, value: float) -> float:
    """The other end of a knob's range."""
    return knob.low if value > (knob.low + knob.high) / 2 else knob.high


def load_bindings(path: Path) -> Bindings:
    """Read what `save_bindings` wrote, or anybody by hand.

    Raises:
      WyhError: it cannot be read, or something in it is no control or no knob.
    """
    try:
        found = json.loads(path.read_bytes())
    except OSError as error:
        raise WyhError(f"{shown(path)} cannot be read: {error.strerror}") from None
    except (ValueError, RecursionError) as error:
        raise _damaged(path, str(error)) from None
    if not isinstance(found, Mapping):
        raise _damaged(path, 'wanted {"cc 7": "gain_db", ...}')
    bindings = {}
    for text, name in found.items():
        control = parse_control(text)
        if control is None:
            raise _damaged(path, f"got {text!r}, wanted such as cc 7, note 36 on 10 or bend")
        if not isinstance(name, str) or name not in ALL:
            raise _damaged(path, f"got the knob {name!r}, wanted one of {', '.join(ALL)}")
        bindings[control] = name
    return bindings


def save_bindings(path: Path, bindings: Bindings) -> None:
    """Write a small JSON file, whole or not at all.

    Raises:
      WyhError: it cannot be written; an old one stands.
    """
    text = json.dumps({str(control): name for control, name in bindings.items()}, indent=2)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise WyhError(f"{shown(path)} cannot be written: {error.strerror}") from None
    file = WholeFile(path)
    try:
        file.temporary.write_text(text + "\n")
    except OSError as error:
        file.drop()
        raise file.failure(error.strerror or str(error)) from None
    file.keep()


def parse_control(text: str) -> Control | None:
    """A control from its text; None where it is none."""
    match = _CONTROL.fullmatch(text)
    if match is None:
        return None
    kind, number, bend, channel = match.groups()
    highest = _CHANNEL_MODE - 1 if kind == "cc" else 127
    if int(number or 0) > highest or not 1 <= int(channel or 1) <= 16:
        return None
    return Control(bend or kind, int(number or 0), int(channel) if channel else None)


def _damaged(path: Path, why: str) -> WyhError:
    return WyhError(f"{shown(path)} is no MIDI mapping: {why}; mend or delete it")
