"""Which files are meant by the paths a command was given."""

import mimetypes
import os
from collections.abc import Iterable
from pathlib import Path

from wyh.errors import WyhError

_TYPES = mimetypes.MimeTypes(filenames=())  # Python's own table: the same on every machine


def find_files(inputs: Iterable[Path], leave_out: Path) -> tuple[list[Path], list[Path]]:
    """The files that `inputs` name, and those in the folders among them, but for `leave_out`'s.

    Returns:
      Files named outright, and files found in folders: hidden ones left out, and nothing twice.

    Raises:
      WyhError: when one does not exist.
    """
    named: dict[Path, Path] = {}
    found: dict[Path, Path] = {}
    skipped = Path(os.path.abspath(leave_out))
    for given in inputs:
        path = Path(os.path.abspath(given))
        if path.is_dir():
            for folder, folders, files in os.walk(path):
                folders[:] = sorted(
                    name
                    for name in folders
                    if not name.startswith(".") and Path(folder, name) != skipped
                )
                for name in sorted(files):
                    if not name.startswith("."):
                        file = Path(folder, name)
                        found.setdefault(file.resolve(), file)
        elif path.exists():
            named.setdefault(path.resolve(), path)
        else:
            raise WyhError(f"{given}: no such file or directory")
    return list(named.values()), [found[key] for key in found if key not in named]


def kind_by_name(path: Path) -> str:
    """`video`, `audio`, `image`, `text` ... by the extension; empty when it tells nothing."""
    return (_TYPES.guess_type(path.name)[0] or "").partition("/")[0]
