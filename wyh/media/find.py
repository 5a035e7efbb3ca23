"""Which files are meant by the paths a command was given."""

import mimetypes
import os
from collections.abc import Iterable
from pathlib import Path

from wyh.errors import WyhError

_TYPES = mimetypes.MimeTypes(filenames=())  # Python's own table: the same on every machine
_MORE = {
    "video": "mkv m4v ts mts m2ts wmv flv ogv 3gp 3g2 mxf vob y4m",
    "audio": "flac m4a ogg oga wma aiff",
    "image": "webp avif",
}
for _kind, _endings in _MORE.items():
    for _ending in _endings.split():
        _TYPES.add_type(f"{_kind}/{_ending}", f".{_ending}")


def find_files(inputs: Iterable[Path], leave_out: Path) -> tuple[list[Path], list[Path]]:
    """The files that `inputs` name, and those in the folders among them.

    Args:
      inputs: files and folders.
      leave_out: what is to be written, a file or a folder: not among what is found.

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
                    file = Path(folder, name)
                    if not name.startswith(".") and file != skipped:
                        found.setdefault(file.resolve(), file)
        elif path.exists():
            named.setdefault(path.resolve(), path)
        else:
            raise WyhError(f"{given}: no such file or directory")
    return list(named.values()), [found[key] for key in found if key not in named]


def kind_by_name(path: Path) -> str:
    """`video`, `audio`, `image`, `text` ... by the extension; empty when it tells nothing."""
    guessed, packed = _TYPES.guess_type(path.name)
    return (guessed or "").partition("/")[0] if not packed else "application"
