"""The one table of everything that can be turned while playing. Imports no JAX.

A knob's value reaches the compiled functions as a traced scalar: turning one never recompiles.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from wyh.errors import WyhError, check_range

PHASES = ("random", "fixed", "continuous")
"""Phase policies of the noise synth, in the order of the `phase` knob's values."""

SCALES = ("bands", "pentatonic", "equal", "just", "own")
"""What the oscillators are tuned to, in the order of the `scale` knob's values."""


@dataclass(frozen=True)
class Knob:
    """One thing to turn. `choices` names the values 0, 1, ... of a switch.

    `of` is the direction it is of use in, "" for both; or what pictures are made of, `features` of
    the sound or the `classes` that are heard in it. A `whole` one counts something: by steps it is
    turned from number to number.
    """

    name: str
    default: float
    low: float
    high: float
    unit: str
    help: str
    choices: tuple[str, ...] = ()
    of: Literal["see-hear", "hear-see", "features", "classes", ""] = "see-hear"
    whole: bool = False


def _of_pictures(
    name: str, default: float, low: float, high: float, unit: str, help: str, *choices: str
) -> Knob:
    return Knob(name, default, low, high, unit, help, choices, "hear-see")


def _of_features(name: str, default: float, low: float, high: float, unit: str, help: str) -> Knob:
    return Knob(name, default, low, high, unit, help, of="features")


def _of_classes(
    name: str, default: float, low: float, high: float, unit: str, help: str, whole: bool = False
) -> Knob:
    return Knob(name, default, low, high, unit, help, of="classes", whole=whole)


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
        _of_features("bass", 0.0, -24.0, 24.0, "dB", "more of what sounds under 250 Hz"),
        _of_features("middle", 0.0, -24.0, 24.0, "dB", "more of what sounds from there to 2.5 kHz"),
        _of_features("treble", 0.0, -24.0, 24.0, "dB", "more of what sounds above that"),
        _of_features("auto_gain", 0.0, 0.0, 1.0, "", "1 hears quiet and loud sound alike"),
        _of_features("attack", 0.0, 0.0, 2.0, "s", "in which pictures follow what grows louder"),
        _of_features("release", 0.0, 0.0, 5.0, "s", "in which they follow what grows quieter"),
        _of_classes("classes", 3.0, 1.0, 8.0, "", "most that are shown at once", whole=True),
        _of_classes("threshold", 0.15, 0.0, 1.0, "", "less likely classes are not shown"),
        _of_classes("sure", 0.5, 0.0, 1.0, "", "less sure than this, nothing was heard"),
        _of_classes("appear", 0.05, 0.0, 5.0, "s", "in which what is heard appears"),
        _of_classes("fade", 0.5, 0.0, 10.0, "s", "in which what is heard no more fades"),
        _of_classes("show", 0.0, 0.0, 64.0, "", "0 is what is heard, else which class", whole=True),
        _of_classes("variety", 1.0, 0.0, 1.0, "", "0 is what all pictures of a class share"),
        _of_classes("zoom", 0.0, 0.0, 1.0, "", "how long pictures shine through, ever larger"),
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
        Knob(
            "scene",
            1.0,
            1.0,
            8.0,
            "",
            "which run is heard: 1.5 is half the first and second",
            whole=True,
        ),
        Knob("record", 0.0, 0.0, 1.0, "", "on writes a take", ("off", "on"), ""),
    )
}
"""What is turned while playing and never reaches a model: no file has it."""

ALL = KNOBS | PLAYING

Knobs = dict[str, float]

_SELECTION = {
    "classes": "most",
    "threshold": "threshold",
    "sure": "sure",
    "appear": "attack_secs",
    "fade": "release_secs",
}
"""The knobs of what `wyh.selection.SelectionConfig` sets."""


def of_run(direction: str, kind: str, table: Mapping[str, Knob] = ALL) -> dict[str, Knob]:
    """The knobs that are of use for a kind of run, of a direction."""
    made_of = "classes" if kind == "hallucinate" else "features"
    useful = {"", direction} | ({made_of} if direction == "hear-see" else set())
    return {name: knob for name, knob in table.items() if knob.of in useful}


def begun_with(config: Mapping[str, Any]) -> Knobs:
    """Where a run's configuration wants knobs to begin: those of a hallucination's selection.

    What is damaged of it is left to others to tell.
    """
    dream = config.get("dream")
    chosen = dream.get("selection") if isinstance(dream, Mapping) else None
    if not isinstance(chosen, Mapping):
        return {}
    places = {"top_1": ("classes", 1.0), "free": ("show", 1.0)}
    begun = {
        knob: min(max(float(value), KNOBS[knob].low), KNOBS[knob].high)
        for knob, name in _SELECTION.items()
        if isinstance(value := chosen.get(name), int | float)
    }
    return begun | dict([places[mode]] if (mode := chosen.get("mode")) in places else [])


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


def parse(words: tuple[str, ...], begun: Mapping[str, float] | None = None) -> Knobs:
    """Knobs from the command line: `name=value` each, the others at their default.

    Args:
      words: in order; the last one counts.
      begun: other defaults, from `begun_with`.

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
    return defaults(**dict(begun or {}) | turned)
