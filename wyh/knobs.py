"""The one table of everything that can be turned while playing. Imports no JAX.

A knob's value reaches the compiled functions as a traced scalar: turning one never recompiles.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from wyh.errors import WyhError, check_range

PHASES = ("random", "fixed", "continuous")
"""Phase policies of the noise synth, in the order of the `phase` knob's values."""

SCALES = ("bands", "pentatonic", "equal", "just", "own")
"""What the oscillators are tuned to, in the order of the `scale` knob's values."""


@dataclass(frozen=True)
class Knob:
    """One thing to turn. `choices` names the values 0, 1, ... of a switch.

    `of` is the direction it is of use in, "" for both.
    """

    name: str
    default: float
    low: float
    high: float
    unit: str
    help: str
    choices: tuple[str, ...] = ()
    of: Literal["see-hear", "hear-see", ""] = "see-hear"


def _of_pictures(
    name: str, default: float, low: float, high: float, unit: str, help: str, *choices: str
) -> Knob:
    return Knob(name, default, low, high, unit, help, choices, "hear-see")


KNOBS = {
    knob.name: knob
    for knob in (
        Knob(
            "gain_db", 0.0, -60.0, 12.0, "dB", "volume, over the run's own calibrated level", of=""
        ),
        Knob("mute", 0.0, 0.0, 1.0, "", "1 is silent", of=""),
        Knob("phase", 2.0, 0.0, 2.0, "", "how noise bands get their phase", PHASES),
        Knob("glide", 1.0, 0.0, 1.0, "frames", "how long a picture takes to become the next"),
        Knob("timbre", 0.0, 0.0, 1.0, "", "0 is noise bands, 1 oscillators, between them a mix"),
        Knob("scale", 0.0, 0.0, 4.0, "", "the notes that the oscillators play", SCALES),
        Knob("negative", 0.0, 0.0, 1.0, "", "1 is the picture's negative, 0.5 mere grey", of=""),
        Knob("black", 0.0, 0.0, 1.0, "", "1 makes black pictures silent"),
        Knob("still", 0.0, 0.0, 1.0, "", "1 lets pictures that stand still fade out"),
        Knob("width", 1.0, 0.0, 1.0, "", "of stereo: 0 is the middle, 1 from left to right"),
        _of_pictures("bass", 0.0, -24.0, 24.0, "dB", "more of what sounds under 250 Hz"),
        _of_pictures("middle", 0.0, -24.0, 24.0, "dB", "more of what sounds from there to 2.5 kHz"),
        _of_pictures("treble", 0.0, -24.0, 24.0, "dB", "more of what sounds above that"),
        _of_pictures("auto_gain", 0.0, 0.0, 1.0, "", "1 hears quiet and loud sound alike"),
        _of_pictures("attack", 0.0, 0.0, 2.0, "s", "in which pictures follow what grows louder"),
        _of_pictures("release", 0.0, 0.0, 5.0, "s", "in which they follow what grows quieter"),
        _of_pictures("speed", 1.0, 0.0, 8.0, "", "of the drift of forms, whatever the sound"),
        _of_pictures("hue", 0.0, 0.0, 1.0, "turns", "all colours moved round the circle"),
        _of_pictures("colour", 1.0, 0.0, 2.0, "", "0 is grey, 1 the run's own colours"),
        _of_pictures("flash_limit", 1.0, 0.0, 1.0, "", "keeps flashes to 3 a second", "off", "on"),
    )
}

PLAYING = {
    knob.name: knob
    for knob in (
        Knob("freeze", 0.0, 0.0, 1.0, "", "on holds the picture that is heard", ("off", "on"), ""),
        Knob("scene", 1.0, 1.0, 8.0, "", "which run is heard: 1.5 is half the first and second"),
        Knob("record", 0.0, 0.0, 1.0, "", "on writes a take", ("off", "on"), ""),
    )
}
"""What is turned while playing and never reaches a model: no file has it."""

ALL = KNOBS | PLAYING

Knobs = dict[str, float]


def of_direction(direction: str, table: Mapping[str, Knob] = ALL) -> dict[str, Knob]:
    """The knobs that are of use in a direction."""
    return {name: knob for name, knob in table.items() if knob.of in ("", direction)}


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
