"""Which files are meant by the paths a command was given."""

import mimetypes
import os
from codecs import BOM_UTF8
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import unquote

from wyh.errors import WyhError

_TYPES = mimetypes.MimeTypes(filenames=())  # Python's own table: the same on every machine
_MORE = {
    "video": "mkv m4v ts mts m2ts wmv flv ogv 3gp 3g2 mxf vob y4m",
    "audio": "flac m4a ogg oga wma aiff",
    "image": "webp avif",
}
LISTS = (".txt", ".m3u", ".m3u8")
for _kind, _endings in _MORE.items():
    for _ending in _endings.split():
        _TYPES.add_type(f"{_kind}/{_ending}", f".{_ending}")


def find_files(
    inputs: Iterable[Path], leave_out: Path, *, lists: bool = False
) -> tuple[list[Path], list[Path]]:
    """The files that `inputs` name, and those in the folders among them.

    Args:
      inputs: files and folders.
      leave_out: what is to be written, a file or a folder: not among what is found.
      lists: take files named as in `LISTS` for lists of files and folders. What a list names is
        named outright, even where there is no such file.

    Returns:
      Files named outright, and files found in folders: hidden ones left out, and nothing twice.

    Raises:
      WyhError: when one does not exist, or a list cannot be read.
    """
    named: dict[Path, Path] = {}
    found: dict[Path, Path] = {}
    skipped = Path(os.path.abspath(leave_out))
    paths: list[tuple[Path, bool]] = []  # with whether it must exist
    for given in inputs:
        if lists and given.suffix.lower() in LISTS and given.is_file():
            paths += [(path, False) for path in read_list(given)]
        else:
            paths.append((given, True))
    for given, needed in paths:
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
        elif path.exists() or not needed:
            named.setdefault(path.resolve(), path)
        else:
            raise WyhError(f"{given}: no such file or directory")
    return list(named.values()), [found[key] for key in found if key not in named]


def read_list(path: Path) -> list[Path]:
    """The paths that a list names, one a line; relative ones lie beside the list.

    Lines that begin with # are comments; `file://` addresses are paths too.

    Raises:
      WyhError: it cannot be read, is no text, or names nothing.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise WyhError(f"{path} cannot be read: {error.strerror}") from None
    if b"\0" in content:
        raise WyhError(f"{path} is no list of files: it is no text")
    # Names are bytes: so they are found whatever their coding.
    lines = [os.fsdecode(line).strip() for line in content.removeprefix(BOM_UTF8).splitlines()]
    names = [line for line in lines if line and not line.startswith("#")]
    if not names:
        raise WyhError(f"{path} names no files, wanted a path in each line")
    scheme = "file:///" if os.name == "nt" else "file://"
    return [
        path.parent / (unquote(name.removeprefix(scheme)) if name.startswith(scheme) else name)
        for name in names
    ]


def kind_by_name(path: Path) -> str:
    """`video`, `audio`, `image`, `text` ... by the extension; empty when it tells nothing."""
    guessed, packed = _TYPES.guess_type(path.name)
    return (guessed or "").partition("/")[0] if not packed else "application"
