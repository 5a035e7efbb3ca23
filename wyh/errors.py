"""The one exception that means: the user can mend this, and here is how."""


class WyhError(Exception):
    """Bad input. The message is one line: what was got, what was wanted, what to do.

    Commands print it on stderr and exit with status 2 (`wyh.cli.run`).
    """
