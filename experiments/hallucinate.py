"""A run that hears what it is, and one that paints it -> one that dreams (hear -> see, seed 002).

    python -m experiments.hallucinate --classifier runs/sounds --generator runs/pictures
    python -m experiments.hallucinate --classifier RUN --generator RUN --names names.csv

It takes a second: nothing is trained. Classes of the same name belong together, whatever their
case; where names differ, a file says what is shown for what is heard, and every line is a pair:

    heard,shown
    bark,dog
    yelp,dog
    meow,cat

What is heard but never shown counts as nothing. Then: `python -m wyh.render song.wav --out
dream.mp4`, or `python -m wyh.live --source mic --sink screen`.
"""

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, NamedTuple, TypeVar

import numpy as np
import tyro
from jaxtyping import Float32

from data_prep.inputs import parse_size
from data_prep.sound_tables import read_table
from wyh.cli import run as run_command
from wyh.errors import WyhError
from wyh.info import last_figures
from wyh.models.dcgan import GanConfig
from wyh.models.sound_classifier import ClassifierConfig
from wyh.plain import from_plain
from wyh.run_choice import default_run_dir
from wyh.runs import Run, create_run, load_run, load_variables, replace_file, save_variables
from wyh.selection import SelectionConfig
from wyh.specs import VideoSpec, as_rate
from wyh.transducers.hallucination import HallucinationConfig, check_variables, hallucination

KIND = "hallucinate"
_HEARS, _SHOWS = "sound_classifier", "dcgan"
_TRAIN = {
    _HEARS: "python -m experiments.sound_classifier --data SOUNDS",
    _SHOWS: "python -m experiments.dcgan --data PICTURES",
}
T = TypeVar("T")


class Named(NamedTuple):
    """Two classes that belong together, and what to call the line that says so."""

    heard: str
    shown: str
    where: str


@dataclass(frozen=True)
class Config:
    """Join a run that names sounds and one that makes pictures of classes."""

    classifier: Path | None = None  # a run of experiments.sound_classifier
    generator: Path | None = None  # a run of experiments.dcgan
    names: Path | None = None  # CSV of heard,shown: what is shown for what is heard
    out: Path | None = None  # the run directory; runs/hallucinate-DATE unless given
    selection: Annotated[SelectionConfig, tyro.conf.arg(name="")] = field(
        default_factory=SelectionConfig
    )
    turn_secs: float = HallucinationConfig.turn_secs  # in which the latent comes round, 1 to 10,000
    frame_rate: str = "25"  # Hz, of the pictures; later any rate
    size: str | None = None  # of the pictures, 64 or WIDTHxHEIGHT; the generator's; later any


def main(config: Config) -> None:
    """Join them, and print the run's directory."""
    hears = _opened(config.classifier, "--classifier", _HEARS)
    shows = _opened(config.generator, "--generator", _SHOWS)
    out = config.out or default_run_dir(KIND)
    if (out / "config.json").exists():
        raise WyhError(f"{out} holds a run already: remove it, or choose another --out")
    heard, shown = _classes(hears), _classes(shows)
    meets = joined(heard, shown, read_names(config.names) if config.names else ())
    dream = HallucinationConfig(
        hears=_model(hears, ClassifierConfig),
        heard=len(heard),
        dreams=_model(shows, GanConfig),
        shown=len(shown),
        selection=config.selection,
        turn_secs=config.turn_secs,
    )
    height, width = parse_size(config.size or str(dream.dreams.size))
    stream = hallucination(dream, VideoSpec(as_rate(config.frame_rate), height, width)).spec
    variables = {"recogniser": load_variables(hears), "gan": load_variables(shows), "shown": meets}
    check_variables(dream, variables)
    for said, missing in (
        ("heard but never shown", np.array(heard)[~meets.any(axis=1)]),
        ("never heard", np.array(shown)[~meets.any(axis=0)]),
    ):
        if len(missing):
            print(f"{said}: {', '.join(missing)}", file=sys.stderr)
    run = create_run(
        out,
        kind=KIND,
        preset="default",
        config={"dream": dream, "classifier": hears.directory, "generator": shows.directory},
        stream=stream,
        data={"heard": heard, "shown": shown, "sounds": hears.data, "pictures": shows.data},
        best_metric=hears.best_metric,
    )
    heard_well = {k: v for k, v in last_figures(hears).items() if k.startswith("val_")}
    text = json.dumps({"step": 0, **heard_well}) + "\n"  # there are no figures of the whole
    replace_file(run.directory / "metrics.jsonl", text.encode())
    save_variables(run, variables)
    print(run.directory)


def joined(
    heard: Sequence[str], shown: Sequence[str], named: Sequence[Named] = ()
) -> Float32[np.ndarray, "heard shown"]:
    """1 where a class is shown for one that is heard, else 0; in a row there is one 1 at most.

    Args:
      heard: names of the classes that are heard.
      shown: names of the classes that are shown.
      named: what is shown for some of those heard; for the others it is what has the same name.

    Raises:
      WyhError: a name that is neither heard nor shown, a class named twice, or none that meet.
    """
    places = [_place(name, shown) for name in heard]
    told: set[int] = set()
    for one in named:
        row, column = _place(one.heard, heard), _place(one.shown, shown)
        if row is None:
            wanted = ", ".join(heard)
            raise WyhError(f"{one.where}: got {one.heard!r} as heard, wanted one of {wanted}")
        if column is None:
            wanted = ", ".join(shown)
            raise WyhError(f"{one.where}: got {one.shown!r} as shown, wanted one of {wanted}")
        if row in told:
            raise WyhError(f"{one.where}: got {one.heard} again, wanted each class heard once")
        told.add(row)
        places[row] = column
    meets = np.zeros((len(heard), len(shown)), np.float32)
    for row, place in enumerate(places):
        if place is not None:
            meets[row, place] = 1
    if not meets.any():
        raise WyhError(
            f"got no class that is both heard ({', '.join(heard)}) and shown ({', '.join(shown)}): "
            f"say which belong together with --names, a CSV file of heard,shown"
        )
    return meets


def _place(name: str, classes: Sequence[str]) -> int | None:
    """Where a class of this name is, or else of one that differs in case or blanks alone."""
    if name in classes:
        return classes.index(name)
    alike = [each.strip().casefold() for each in classes]
    wanted = name.strip().casefold()
    return alike.index(wanted) if wanted in alike else None


def read_names(path: Path) -> list[Named]:
    """What a file says is shown for what is heard.

    Raises:
      WyhError: it cannot be read, is empty, or a line lacks a name.
    """
    rows = read_table(path, ("heard", "shown"), header=False)
    return [Named(row.text("heard"), row.text("shown"), row.where) for row in rows]


def _opened(path: Path | None, option: str, kind: str) -> Run:
    """A run that was named with an option, of the kind that is wanted there."""
    train = f"train one with: {_TRAIN[kind]}"
    if path is None:
        raise WyhError(f"got no {option}, wanted a run of experiments.{kind}; {train}")
    run = load_run(path)
    if run.kind != kind:
        raise WyhError(f"got {option} {path}, a run of {run.kind}, wanted {kind}; {train}")
    return run


def _classes(run: Run) -> list[str]:
    names = run.data.get("classes")
    if not isinstance(names, list) or not names or not all(isinstance(name, str) for name in names):
        raise WyhError(f"{run.directory}/config.json is damaged: it lacks the names of classes")
    return names


def _model(run: Run, wanted: type[T]) -> T:
    try:
        return from_plain(wanted, run.config.get("model"))
    except WyhError as error:
        raise WyhError(f"{run.directory}/config.json is damaged: {error}") from None


if __name__ == "__main__":
    run_command(main, Config, "python -m experiments.hallucinate")
