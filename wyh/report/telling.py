"""What reports do alike: read a run, say how far they are, write figures and page."""

import json
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from wyh.errors import WyhError
from wyh.plain import from_plain
from wyh.report.findings import Figure, report_json
from wyh.runs import Run, replace_file

T = TypeVar("T")


def teller() -> Callable[[str], None]:
    """What says things on stderr, each with the seconds since now."""
    began = time.perf_counter()

    def say(what: str) -> None:
        print(f"{time.perf_counter() - began:5.1f} s  {what}", file=sys.stderr, flush=True)

    return say


def write_report(run: Run, figures: Sequence[Figure], page: str, out: Path) -> Path:
    """Write `report.json` and, last, the page, whose path is returned.

    Raises:
      WyhError: the folder cannot be written.
    """
    text = json.dumps(report_json(figures, str(run.directory), run.kind), indent=2, allow_nan=False)
    replace_file(out / "report.json", f"{text}\n".encode())
    index = out / "index.html"
    replace_file(index, page.encode())
    return index


def configured(run: Run, wanted: type[T], name: str) -> T:
    """A part of a run's configuration.

    Raises:
      WyhError: it is not there, or damaged.
    """
    try:
        return from_plain(wanted, run.config.get(name))
    except WyhError as error:
        raise WyhError(f"{run.directory}/config.json is damaged: {error}") from None


def class_names(run: Run, name: str = "classes") -> tuple[str, ...]:
    """The names of a run's classes.

    Raises:
      WyhError: they are not there.
    """
    names = run.data.get(name)
    if not isinstance(names, list) or not names or not all(isinstance(each, str) for each in names):
        raise WyhError(f"{run.directory}/config.json is damaged: it lacks the names of classes")
    return tuple(names)
