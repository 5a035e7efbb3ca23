"""The one exception that means: the user can mend this, and here is how."""


class WyhError(Exception):
    """Bad input. The message is one line: what was got, what was wanted, what to do.

    Commands print it on stderr and exit with status 2 (`wyh.cli.run`).
    """


def check_range(name: str, value: float, low: float, high: float, unit: str = "") -> None:
    """Refuse a value out of range.

    Raises:
      WyhError: `value` is not from `low` to `high`.
    """
    if not low <= value <= high:
        unit = unit and f" {unit}"
        raise WyhError(f"got {name} {value:g}{unit}, wanted {low:g} to {high:g}{unit}")
