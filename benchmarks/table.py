"""Results as JSON and as a Markdown table."""

import json
import os
import platform
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from benchmarks.side_by_side import Row, cores
from wyh.errors import WyhError

PACKAGES = {"jax": "JAX", "numpy": "NumPy", "scipy": "SciPy", "torch": "PyTorch"}
FILE = "latest.json"

HEAD = """\
# Results

Written by `make bench`; the same figures are in `{file}`. {machine}

A ratio (x) is the peer's time over ours, so more than 1 is faster than the peer; it is the median
of rounds in which both took turns, with the range of the rounds beside it. Times are medians, ours
first.
"""


def machine(*, quick: bool = False) -> dict[str, Any]:
    """What the figures depend on.

    Args:
      quick: whether fewer rounds than usual were run.
    """
    found: dict[str, Any] = {
        "cores": cores(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
    }
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = None
    return found | {"quick": quick}


def sentence(about: Mapping[str, Any]) -> str:
    """`machine()` in plain words."""
    named = {"python": "Python"} | PACKAGES
    versions = [f"{name} {about[key]}" for key, name in named.items() if about[key]]
    plural = "" if about["cores"] == 1 else "s"
    told = (
        f"Measured on {about['cores']} CPU core{plural} ({about['system']}) with "
        f"{', '.join(versions)}."
    )
    return f"{told} Few rounds: the figures are rough." if about["quick"] else told


def number(value: float) -> str:
    """In few digits, without an exponent unless it is tiny."""
    if value and abs(value) < 0.001:
        return f"{value:.1e}"
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def line(row: Row) -> str:
    """A row of the table."""
    unit = "x" if row.unit == "x" else f" {row.unit}"
    spread = f"{number(row.range[0])} to {number(row.range[1])}" if row.range else ""
    wanted = ""
    if row.wanted is not None:
        sign = "at least" if row.better == "higher" else "at most"
        wanted = f"{sign} {number(row.wanted)}{'' if row.reached else ', **missed**'}"
    against = row.peer
    if row.own_ms is not None and row.peer_ms is not None:
        against += f" ({number(row.own_ms)} against {number(row.peer_ms)} ms)"
    return f"| {row.what} | {number(row.value)}{unit} | {spread} | {wanted} | {against} |"


def markdown(about: Mapping[str, Any], results: Mapping[str, Sequence[Row]]) -> str:
    """A page: the machine, and a table for every program."""
    parts = [HEAD.format(file=FILE, machine=sentence(about))]
    for name, rows in results.items():
        lines = ["| what | measured | range | wanted | against |", "|---|---|---|---|---|"]
        parts.append("\n".join([f"## {name}", "", *lines, *map(line, rows), ""]))
    return "\n".join(parts)


def read(folder: Path, about: Mapping[str, Any]) -> dict[str, list[Row]]:
    """Earlier results of the same machine and packages; nothing where there are none.

    Raises:
      WyhError: a file that `write` has not written.
    """
    path = folder / FILE
    if not path.exists():
        return {}
    try:
        found = json.loads(path.read_text())
        if found["machine"] != about:
            return {}
        return {
            name: [row_of(fields) for fields in rows] for name, rows in found["results"].items()
        }
    except (ValueError, TypeError, KeyError) as error:
        raise WyhError(f"{path}: got {error!r}, wanted results; remove the file") from None


def row_of(fields: Mapping[str, Any]) -> Row:
    """A row of its JSON object.

    Raises:
      TypeError: it lacks a field or has an unknown one.
    """
    row = Row(**fields)
    return row if row.range is None else row._replace(range=(row.range[0], row.range[1]))


def write(folder: Path, about: Mapping[str, Any], results: Mapping[str, Sequence[Row]]) -> None:
    """Write `latest.json` and `README.md`, each at once or not at all."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = {name: [row._asdict() for row in found] for name, found in results.items()}
    data = json.dumps({"machine": about, "results": rows}, indent=1)
    for name, text in ((FILE, f"{data}\n"), ("README.md", markdown(about, results))):
        temporary = folder / f"{name}.tmp"
        temporary.write_text(text, encoding="utf-8")
        os.replace(temporary, folder / name)
