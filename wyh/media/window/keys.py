"""The keys of the window: what each turns, in either direction. Its help is read from here."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Key:
    """What a key does.

    Attributes:
      shown: how the help calls it; "" where another key's line tells of both.
      help: what it does, in a few words.
      way: flip a knob between 0 and 1, move it by its unit, nudge it by steps, set it, turn it
        round and round; or something about the window itself.
      knob: from `wyh.knobs.ALL`; of the window: help, details, full_screen, leave or quit.
      by: how far, or what it is set to.
      repeats: again and again while it is held.
    """

    shown: str
    help: str
    way: Literal["flip", "move", "nudge", "set", "round", "window"]
    knob: str
    by: float = 1.0
    repeats: bool = False


_WINDOW = {
    "d": Key("d", "where the time goes", "window", "details"),
    "f": Key("f", "full screen", "window", "full_screen"),
    "h": Key("h", "these keys", "window", "help"),
    "?": Key("", "", "window", "help"),
    "escape": Key("", "", "window", "leave"),
    "q": Key("q / Esc", "quit", "window", "quit"),
}

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
    **_WINDOW,
}
"""By the name of the key. Digits are those of the top row or the keypad, on any keyboard."""

SHOW_KEYS = {
    "space": Key("space", "freeze the picture", "flip", "freeze"),
    "i": Key("i", "its negative", "flip", "negative"),
    "c": Key("c / shift c", "colours round the circle, and back", "round", "hue", 0.05, True),
    "shift c": Key("", "", "round", "hue", -0.05, True),
    "v": Key("v / shift v", "more colour, less", "nudge", "colour", 1, True),
    "shift v": Key("", "", "nudge", "colour", -1, True),
    "s": Key("s / shift s", "forms drift faster, slower", "nudge", "speed", 1, True),
    "shift s": Key("", "", "nudge", "speed", -1, True),
    "a": Key("a", "hear quiet and loud alike", "flip", "auto_gain"),
    "b": Key("b / shift b", "hear more bass, less", "move", "bass", 3.0, True),
    "shift b": Key("", "", "move", "bass", -3.0, True),
    "n": Key("n / shift n", "hear more of the middle, less", "move", "middle", 3.0, True),
    "shift n": Key("", "", "move", "middle", -3.0, True),
    "t": Key("t / shift t", "hear more treble, less", "move", "treble", 3.0, True),
    "shift t": Key("", "", "move", "treble", -3.0, True),
    "z": Key("z / shift z", "a zoom without end, less", "nudge", "zoom", 2, True),
    "shift z": Key("", "", "nudge", "zoom", -2, True),
    "y": Key("y / shift y", "less variety, more", "nudge", "variety", -2, True),
    "shift y": Key("", "", "nudge", "variety", 2, True),
    "k": Key("k / shift k", "more classes at once, fewer", "nudge", "classes", 1, True),
    "shift k": Key("", "", "nudge", "classes", -1, True),
    "0": Key("0", "show what is heard", "set", "show", 0.0),
    "1": Key("1 ... 9", "show that class", "set", "show", 1.0),
    **{str(n): Key("", "", "set", "show", float(n)) for n in range(2, 10)},
    "r": Key("r", "record a take", "flip", "record"),
    "m": Key("m", "mute a file's sound", "flip", "mute"),
    "up": Key("up / down", "volume of a file's sound", "move", "gain_db", 2.0, repeats=True),
    "down": Key("", "", "move", "gain_db", -2.0, repeats=True),
    **_WINDOW,
}
"""Where pictures are the show; of some runs, some of them."""

HINTS = (
    ("h", "all keys"),
    ("space", "freeze"),
    ("m", "mute"),
    ("r", "record"),
    ("up / down", "volume"),
    ("f", "full screen"),
)
"""What the window tells of them all the time, as far as there is room."""

SHOW_HINTS = (
    ("h", "all keys"),
    ("f", "full screen"),
    ("space", "freeze"),
    ("c", "colours"),
    ("s", "speed"),
    ("r", "record"),
)


def flipped(value: float) -> float:
    """The other end of a knob from 0 to 1."""
    return 0.0 if value >= 0.5 else 1.0
