"""Files that appear under their name only when they are whole."""

import atexit
import itertools
import os
from pathlib import Path

from wyh.errors import WyhError
from wyh.media.ffmpeg import shown

_COUNTER = itertools.count()
_UNFINISHED: set[Path] = set()


class WholeFile:
    """A file written under a temporary name beside its own, then kept or dropped."""

    def __init__(self, path: str | Path):
        self.path = Path(path)
        if self.path.is_dir():
            raise WyhError(f"{shown(path)} is a directory, wanted the name of a file")
        try:
            self.temporary = _reserve(self.path)
        except OSError as error:
            raise self.failure(error.strerror or str(error)) from None

    def failure(self, why: str) -> WyhError:
        """The error of a file that could not be written."""
        return WyhError(f"{shown(self.path)} cannot be written: {why}")

    def keep(self) -> None:
        """Give the file its name, over one of the same name."""
        try:
            os.replace(self.temporary, self.path)
        except OSError as error:
            self.drop()
            raise self.failure(error.strerror or str(error)) from None
        _UNFINISHED.discard(self.temporary)

    def drop(self) -> None:
        """Remove what was written."""
        self.temporary.unlink(missing_ok=True)
        _UNFINISHED.discard(self.temporary)


def _reserve(path: Path) -> Path:
    temporary = path.with_name(f".wyh-{os.getpid()}-{next(_COUNTER)}.part")
    _UNFINISHED.add(temporary)
    try:
        with open(temporary, "xb"):
            return temporary
    except OSError:
        _UNFINISHED.discard(temporary)
        raise


@atexit.register
def _sweep() -> None:
    """Remove what nobody could: Ctrl-C may come before there is anybody to drop a file."""
    for path in tuple(_UNFINISHED):
        if path.name.startswith(f".wyh-{os.getpid()}-"):  # not those of the process before a fork
            path.unlink(missing_ok=True)
