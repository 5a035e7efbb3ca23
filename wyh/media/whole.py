"""Files that appear under their name only when they are whole."""

import itertools
import os
from pathlib import Path

from wyh.errors import WyhError
from wyh.media.ffmpeg import shown

_COUNTER = itertools.count()


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

    def drop(self) -> None:
        """Remove what was written."""
        self.temporary.unlink(missing_ok=True)


def _reserve(path: Path) -> Path:
    temporary = path.with_name(f".wyh-{os.getpid()}-{next(_COUNTER)}.part")
    with open(temporary, "xb"):
        return temporary
