"""The one table of everything that can be turned while playing. Imports no JAX.

A knob's value reaches the compiled functions as a traced scalar: turning one never recompiles.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from wyh.errors import WyhError, check_range

PHASES = ("random", "fixed", "continuous")
"""Phase policies of the noise synth, in the order of the `phase` knob's values."""

SCALES = ("bands", "pentatonic", "equal", "just", "own")
"""What the oscillators are tuned to, in the order of the `scale` knob's values."""


@dataclass(frozen=True)
class Knob:
    """One thing to turn. `choices` names the values 0, 1, ... of a switch."""

    name: str
    default: float
    low: float
    high: float
    unit: str
    help: str
    choices: tuple[str, ...] = ()


KNOBS = {
    knob.name: knob
    for knob in (
        Knob("gain_db", 0.0, -60.0, 12.0, "dB", "volume, over the run's own calibrated level"),
        Knob("mute", 0.0, 0.0, 1.0, "", "1 is silent"),
        Knob("phase", 2.0, 0.0, 2.0, "", "how noise bands get their phase", PHASES),
        Knob("glide", 1.0, 0.0, 1.0, "frames", "how long a picture takes to become the next"),
        Knob("timbre", 0.0, 0.0, 1.0, "", "0 is noise bands, 1 oscillators, between them a mix"),
        Knob("scale", 0.0, 0.0, 4.0, "", "the notes that the oscillators play", SCALES),
        Knob("negative", 0.0, 0.0, 1.0, "", "1 plays the picture's negative, 0.5 mere grey"),
        Knob("black", 0.0, 0.0, 1.0, "", "1 makes black pictures silent"),
        Knob("still", 0.0, 0.0, 1.0, "", "1 lets pictures that stand still fade out"),
        Knob("width", 1.0, 0.0, 1.0, "", "of stereo: 0 is the middle, 1 from left to right"),
    )
}

PLAYING = {
    knob.name: knob
    for knob in (
        Knob("freeze", 0.0, 0.0, 1.0, "", "on holds the picture that is heard", ("off", "on")),
        Knob("scene", 1.0, 1.0, 8.0, "", "which run is heard: 1.5 is half the first and second"),
        Knob("record", 0.0, 0.0, 1.0, "", "on writes a take", ("off", "on")),
    )
}
"""What is turned while playing and never reaches a model: no file has it."""

ALL = KNOBS | PLAYING

Knobs = dict[str, float]


def defaults(**turned: float | str) -> Knobs:
    """Every knob at its default, but for those given (a switch by value or by name).

    Raises:
      WyhError: unknown knob, unknown choice, or out of range.
    """
    values = {name: knob.default for name, knob in KNOBS.items()}
    return values | {name: checked(name, value, KNOBS) for name, value in turned.items()}


def checked(name: str, value: float | str, table: Mapping[str, Knob] = ALL) -> float:
    """The value of a knob, given as a number or, for a switch, by name.

    Raises:
      WyhError: as for `defaults`.
    """
    if name not in table:
        raise WyhError(f"got the knob {name!r}, wanted one of {', '.join(table)}")
    knob = table[name]
    if isinstance(value, str):
        if value not in knob.choices:
            wanted = ", ".join(knob.choices) or "a number"
            raise WyhError(f"got {name} {value!r}, wanted {wanted}")
        value = knob.choices.index(value)
    elif knob.choices and value not in range(len(knob.choices)):
        raise WyhError(f"got {name} {value:g}, wanted {', '.join(knob.choices)}")
    check_range(name, value, knob.low, knob.high, knob.unit)
    return float(value)


def parse(words: tuple[str, ...]) -> Knobs:
    """Knobs from the command line: `name=value` each, the others at their default.

    Raises:
      WyhError: a word is no `name=value`, or as for `defaults`.
    """
    turned: dict[str, float | str] = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not equals:
            raise WyhError(f"got the knob {word!r}, wanted name=value, such as phase=random")
        try:
            turned[name] = float(value)
        except ValueError:
            turned[name] = value
    return defaults(**turned)
