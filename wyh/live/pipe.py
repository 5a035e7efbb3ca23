"""Raw pictures or sound on standard output."""

import os
import sys

from wyh.errors import WyhError


def standard_output(does: str) -> int:
    """The file of standard output.

    Written to past Python's own buffer, which would be flushed once more at exit, into a closed
    pipe.

    Args:
      does: what a program would do with it, for the message.

    Raises:
      WyhError: it is a terminal.
    """
    if sys.stdout.isatty():
        raise WyhError(f"standard output is a terminal: pipe it into something that {does}")
    return sys.stdout.fileno()


def write_all(file: int, data: bytes) -> None:
    """Write bytes; blocks as long as the reader does."""
    view = memoryview(data)
    while view:
        view = view[os.write(file, view) :]
