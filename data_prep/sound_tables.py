"""Tables of sounds: CSV files whose every wrong line is told by its number."""

import csv
import math
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from wyh.errors import WyhError


class Row(NamedTuple):
    """A line of a table. `where` names it."""

    where: str
    values: dict[str, str]

    def optional(self, name: str) -> str:
        """What stands in a column, or nothing."""
        return self.values.get(name, "")

    def text(self, name: str) -> str:
        """What stands in a column.

        Raises:
          WyhError: nothing does.
        """
        if not (value := self.optional(name)):
            raise WyhError(f"{self.where}: got no {name}, wanted one in every line")
        return value

    def whole(self, name: str) -> int:
        """A whole number, 0 or more.

        Raises:
          WyhError: it is none.
        """
        value = self.text(name)
        if not (value.isdecimal() and value.isascii()):
            raise WyhError(f"{self.where}: got the {name} {value!r:.40}, wanted a whole number")
        return int(value)

    def secs(self, name: str) -> float:
        """A time in seconds, 0 or more.

        Raises:
          WyhError: it is none.
        """
        value = self.text(name)
        try:
            number = float(value)
        except ValueError:
            number = math.nan
        if not 0 <= number < math.inf:
            raise WyhError(f"{self.where}: got the {name} {value!r:.40}, wanted seconds, 0 or more")
        return number

    def check_order(self, start_secs: float, end_secs: float | None) -> None:
        """See that something lies between two times.

        Raises:
          WyhError: nothing does.
        """
        if end_secs is not None and end_secs <= start_secs:
            raise WyhError(
                f"{self.where}: got {start_secs:g} to {end_secs:g} s, wanted an end after the start"
            )


def read_table(path: Path, wanted: Sequence[str], *, header: bool = True) -> list[Row]:
    """The lines of a CSV file, empty ones left out.

    Args:
      path: of the file.
      wanted: columns that there must be.
      header: the first line names the columns; else they are `wanted`, in this order, and a first
        line that names them is left out.

    Raises:
      WyhError: no such file, no text, a column or all lines are missing, or a line is too long.
    """
    try:
        lines = list(csv.reader(path.read_text(encoding="utf-8-sig").splitlines()))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        why = getattr(error, "strerror", None) or error
        raise WyhError(f"{path}: cannot be read as CSV ({why})") from None
    cells = [(line, [cell.strip() for cell in row]) for line, row in enumerate(lines, 1)]
    cells = [(line, row) for line, row in cells if any(row)]
    columns = list(wanted)
    if header:
        columns = cells.pop(0)[1] if cells else []
        if lacking := [name for name in wanted if name not in columns]:
            raise WyhError(
                f"{path}: got the columns {','.join(columns)!r:.80}, wanted {','.join(wanted)}: "
                f"{', '.join(lacking)} missing"
            )
    elif cells and cells[0][1] == columns:
        cells.pop(0)
    if not cells:
        raise WyhError(f"{path}: names no sounds, wanted a line for each")
    rows = []
    for line, row in cells:
        if len(row) > len(columns):
            raise WyhError(
                f"{path} line {line}: got {len(row)} values, wanted {len(columns)}: "
                f"{','.join(columns)}; names with a comma need quotes"
            )
        rows.append(Row(f"{path} line {line}", dict(zip(columns, row, strict=False))))
    return rows


def natural(label: str) -> tuple[bool, int, str]:
    """For sorting: numbers by size, then words."""
    return not label.isdecimal(), int(label) if label.isdecimal() else 0, label
