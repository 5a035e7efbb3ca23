"""What a sweep varies, how a trial is told of it, and what came of it. Imports no JAX.

A setting is a field of an experiment's config dataclass, named by its dotted path
(`sound.model.dropout`) or as its option is (`model.dropout`).
"""

import json
import math
import types
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, Union, get_args, get_origin, get_type_hints

from wyh.errors import WyhError
from wyh.runs import BestMetric, load_run

Value = float | int | str
"""Of a setting in a trial: a number, or the text of a choice."""


State = Literal["done", "failed", "stopped", "running", "waiting"]


@dataclass(frozen=True)
class Setting:
    """A field of a config: its path, the option that sets it, and its type (never optional)."""

    path: str
    option: str
    type: Any

    def words(self, value: Value) -> list[str]:
        """The value as words of a command line.

        Raises:
          WyhError: neither true nor false, for a field that is one of them.
        """
        if self.type is bool:
            if value not in ("true", "false"):
                raise WyhError(f"got {self.path} = {value!r}, wanted true or false")
            before, _, name = self.option.removeprefix("--").rpartition(".")
            name = name if value == "true" else f"no-{name}"
            return [f"--{before}.{name}" if before else f"--{name}"]
        if get_origin(self.type) is tuple:
            return [self.option, *str(value).split(",")] if value else [self.option]
        return [f"{self.option}={value}"]  # in one word: -1e-05 by itself would be an option


@dataclass(frozen=True)
class Span:
    """Numbers from `low` to `high`, both within; `log`: as many of each order of magnitude."""

    low: float
    high: float
    whole: bool  # only whole numbers
    log: bool

    @property
    def ends(self) -> tuple[Value, ...]:
        """The values by which it is judged."""
        return (int(self.low), int(self.high)) if self.whole else (self.low, self.high)


@dataclass(frozen=True)
class Choice:
    """One of some values, as text."""

    ends: tuple[str, ...]


class Varied(NamedTuple):
    """A setting, the values it is tried with, and how that was written."""

    setting: Setting
    values: Span | Choice
    written: str


def settings_of(config_type: type, path: str = "", option: str = "--") -> dict[str, Setting]:
    """All fields of a config and of those inside it, by path and by the name of the option."""
    found: dict[str, Setting] = {}
    hints = get_type_hints(config_type, include_extras=True)
    for field in fields(config_type):
        if not field.init:
            continue
        hint, name = hints[field.name], field.name.replace("_", "-")
        if get_origin(hint) is Annotated:
            hint, *notes = get_args(hint)
            name = next((n.name for n in notes if getattr(n, "name", None) is not None), name)
        if get_origin(hint) in (Union, types.UnionType):
            rest = [part for part in get_args(hint) if part is not types.NoneType]
            hint = rest[0] if len(rest) == 1 else hint
        where = f"{path}{field.name}"
        if is_dataclass(hint) and isinstance(hint, type):
            inside = settings_of(hint, f"{where}.", f"{option}{name}." if name else option)
            found = inside | found
        else:
            setting = Setting(where, option + name, hint)
            short = setting.option.removeprefix("--").replace("-", "_")
            found |= {short: setting} if short not in found else {}
            found[where] = setting
    return found


def named(text: str, settings: Mapping[str, Setting], option: str) -> tuple[Setting, str]:
    """The setting and the value of `NAME=VALUE`.

    Raises:
      WyhError: no `=`, an unknown name, or one that each trial has of its own.
    """
    name, equals, value = text.partition("=")
    if not equals:
        raise WyhError(f"got {option} {text}, wanted NAME=VALUE")
    name = name.strip().removeprefix("--").replace("-", "_")
    if name not in settings:
        paths = {setting.path for setting in settings.values()}
        inside = sorted(path for path in paths if path.startswith(f"{name}."))
        close = {settings[near].path for near in get_close_matches(name, settings, 5, 0.5)}
        meant = ", ".join(inside or sorted(close)) or "one that --help of the experiment lists"
        raise WyhError(f"got the unknown setting {name}, wanted {meant}")
    if settings[name].path in ("out", "resume"):
        raise WyhError(f"got {option} {text}: each trial has {name} of its own, leave it out")
    return settings[name], value


def varied(text: str, settings: Mapping[str, Setting]) -> Varied:
    """What `NAME=LOW..HIGH[:log]` or `NAME=A|B|C` asks for.

    Raises:
      WyhError: an unknown setting, an impossible range, or less than two choices.
    """
    setting, value = named(text, settings, "--over")
    low, dots, high = value.partition("..")
    number = setting.type in (int, float)
    if dots and "|" not in value and (number or _is_number(low)):
        if not number:
            raise WyhError(
                f"got --over {text}, but {setting.path} is no number, which a range wants: "
                "list choices, as in A|B|C"
            )
        return Varied(setting, _span(text, setting, low, high), value)
    choices = tuple(part.strip() for part in value.split("|"))
    if len(choices) < 2 or len(set(choices)) < len(choices):
        wanted = "LOW..HIGH, LOW..HIGH:log or choices A|B|C" if number else "choices A|B|C"
        raise WyhError(f"got --over {text}, wanted {wanted}, all different")
    return Varied(setting, Choice(choices), value)


def _span(text: str, setting: Setting, low: str, high: str) -> Span:
    whole = setting.type is int
    high, colon, scale = high.partition(":")
    if colon and scale != "log":
        raise WyhError(f"got --over {text}, wanted :log or nothing after the range")
    try:
        ends = [int(end) if whole else float(end) for end in (low, high)]
    except ValueError:
        kind = "whole numbers" if whole else "numbers"
        raise WyhError(f"got --over {text}, wanted {kind} on both sides of the dots") from None
    if not all(map(math.isfinite, ends)):
        raise WyhError(f"got --over {text}, wanted finite numbers")
    if ends[0] >= ends[1]:
        raise WyhError(f"got --over {text}, wanted the lower number first")
    if colon and ends[0] <= 0:
        raise WyhError(f"got --over {text}, but a logarithm wants numbers above 0: begin higher")
    return Span(ends[0], ends[1], whole, bool(colon))


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def best_figure(directory: Path) -> tuple[BestMetric, float]:
    """What a run's best variables are the best by, and its figure, on validation data.

    Raises:
      WyhError: no run, a damaged one, or one without any finite figure.
    """
    run = load_run(directory)
    best: float | None = None
    try:
        for line in (directory / "metrics.jsonl").read_text().splitlines():
            value = json.loads(line).get(run.best_metric.name)
            if value is not None and run.best_metric.improves(value, best):
                best = value
    except (OSError, ValueError) as error:
        raise WyhError(f"{directory / 'metrics.jsonl'} cannot be read: {error}") from None
    if best is None:
        raise WyhError(f"{directory} has no {run.best_metric.name}: train it for longer")
    return run.best_metric, best


@dataclass(frozen=True)
class Trial:
    """One trial of a study.

    Attributes:
      number: from 0.
      state: how far it came.
      settings: what it was tried with, by path.
      figure: the best validation figure of its run, in the metric's own sense.
      secs: it took.
      error: why it failed, one line.
      run: its run directory, on the machine `host`.
      host: name of the machine.
    """

    number: int
    state: State
    settings: Mapping[str, Value]
    figure: float | None = None
    secs: float | None = None
    error: str = ""
    run: str = ""
    host: str = ""


def ranked(trials: Sequence[Trial], metric: BestMetric) -> list[Trial]:
    """The best first; those without a figure last, by number."""
    sign = 1 if metric.better == "lower" else -1
    done = [trial for trial in trials if trial.figure is not None]
    others = [trial for trial in trials if trial.figure is None]
    return sorted(done, key=lambda t: (sign * (t.figure or 0.0), t.number)) + sorted(
        others, key=lambda t: t.number
    )


def table(trials: Sequence[Trial], metric: BestMetric, paths: Sequence[str]) -> str:
    """Trials as a Markdown table, the best first."""
    rows = [["trial", metric.name, *paths, "state", "secs", "error"]]
    for trial in ranked(trials, metric):
        given = [shown(trial.settings.get(path, "")) for path in paths]
        figure, secs = shown(trial.figure), "" if trial.secs is None else f"{trial.secs:.1f}"
        rows.append([str(trial.number), figure, *given, trial.state, secs, trial.error])
    safe = [[" ".join(cell.split()).replace("|", "\\|") for cell in row] for row in rows]
    widths = [max(3, *map(len, column)) for column in zip(*safe, strict=True)]
    lines = [
        " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        for row in (safe[0], ["-" * width for width in widths], *safe[1:])
    ]
    return "".join(f"| {line} |\n" for line in lines)


def shown(value: Value | None) -> str:
    """A value in few digits."""
    return f"{value:.4g}" if isinstance(value, float) else "" if value is None else str(value)
