"""The keys of the window: what each turns. Its help is read from here."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Key:
    """What a key does.

    Attributes:
      shown: how the help calls it; "" where another key's line tells of both.
      help: what it does, in a few words.
      way: flip a knob between 0 and 1, move it by its unit, nudge it by steps, set it; or
        something about the window itself.
      knob: from `wyh.knobs.ALL`; of the window: help, details, full_screen, leave or quit.
      by: how far, or what it is set to.
      repeats: again and again while it is held.
    """

    shown: str
    help: str
    way: Literal["flip", "move", "nudge", "set", "window"]
    knob: str
    by: float = 1.0
    repeats: bool = False


KEYS = {
    "space": Key("space", "freeze the picture that is heard", "flip", "freeze"),
    "m": Key("m", "mute", "flip", "mute"),
    "up": Key("up / down", "volume", "move", "gain_db", 2.0, repeats=True),
    "down": Key("", "", "move", "gain_db", -2.0, repeats=True),
    "r": Key("r", "record a take", "flip", "record"),
    "i": Key("i", "invert the picture", "flip", "negative"),
    "t": Key("t / shift t", "noise to oscillators, and back", "nudge", "timbre", 2, True),
    "shift t": Key("", "", "nudge", "timbre", -2, True),
    "s": Key("s", "next scale of the oscillators", "nudge", "scale"),
    "p": Key("p", "next phase of the noise", "nudge", "phase"),
    "b": Key("b", "black is silent", "flip", "black"),
    "l": Key("l", "what stands still fades out", "flip", "still"),
    "w": Key("w", "stereo or the middle", "flip", "width"),
    "1": Key("1 ... 8", "scene", "set", "scene", 1.0),
    **{str(n): Key("", "", "set", "scene", float(n)) for n in range(2, 9)},
    "d": Key("d", "where the time goes", "window", "details"),
    "f": Key("f", "full screen", "window", "full_screen"),
    "h": Key("h", "these keys", "window", "help"),
    "?": Key("", "", "window", "help"),
    "escape": Key("", "", "window", "leave"),
    "q": Key("q / Esc", "quit", "window", "quit"),
}
"""By the name of the key. Digits are those of the top row or the keypad, on any keyboard."""

HINTS = (
    ("h", "all keys"),
    ("space", "freeze"),
    ("m", "mute"),
    ("r", "record"),
    ("up / down", "volume"),
    ("f", "full screen"),
)
"""What the window tells of them all the time, as far as there is room."""


def flipped(value: float) -> float:
    """The other end of a knob from 0 to 1."""
    return 0.0 if value >= 0.5 else 1.0
