"""Which sounds there are and what they are of, as several data sets tell it.

- `folders`: a folder for each class, with sounds at any depth.
- `csv`: `path,label[,start_secs,end_secs,fold,group]`; paths are relative to the file.
- `esc50`: `meta/esc50.csv` and `audio/`; its folds, grouped by `src_file`.
- `urbansound8k`: `metadata/UrbanSound8K.csv`, `audio/fold1` to `fold10`; its folds, by `fsID`.
- `urbansound`: `data/CLASS/ID.wav`, and `ID.csv` of lines `start,end,salience,class`; by `ID`.
- `freesound`: sounds named `ID...` or `NAME`, and JSON as Freesound gives it, `NAME.json` beside
  each or lists in any file. The one of `--classes` among its tags is a sound's class; by user.
- `fsdd`: spoken digits, `DIGIT_SPEAKER_INDEX.wav`; by speaker. Fold 0 is index 0 to 4, which is the
  official test, fold 1 is index 5 to 9, and so on.

Sounds of one group were recorded together: of one source, by one person. Folds that are made here
keep them together.
"""

import json
import os
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from glob import escape
from pathlib import Path
from typing import Any, Literal, NamedTuple

from data_prep.sound_tables import natural, read_table
from wyh.errors import WyhError
from wyh.media.find import find_files, kind_by_name

Layout = Literal[
    "auto", "folders", "csv", "esc50", "urbansound8k", "urbansound", "freesound", "fsdd"
]

FSDD_TEST = 5
"""Of each speaker's recordings of a digit, the first that are the official test."""

_ESC50 = Path("meta/esc50.csv")
_URBAN8K = Path("metadata/UrbanSound8K.csv")
_DIGIT = re.compile(r"(\d)_(.+)_(\d+)")
_ID = re.compile(r"(\d+)(?!\d)")
_NAMED_MISSING = 3  # of a folder's missing files that are named one by one


class Listed(NamedTuple):
    """A sound: a file, or part of one."""

    name: str  # no two are the same
    path: Path
    label: str
    group: str
    fold: int | None = None
    start_secs: float = 0.0
    end_secs: float | None = None


class Listing(NamedTuple):
    """The sounds of a layout, and why others cannot be used."""

    sounds: list[Listed]
    unusable: dict[str, str]
    test_fold: int | None = None  # the official one


def list_sounds(
    given: Path, layout: Layout, classes: Sequence[str] = (), leave_out: Path = Path()
) -> Listing:
    """Look for sounds, without opening them.

    Args:
      given: a folder, or the CSV file of the layout `csv`.
      layout: `auto` tells by the files there which it is, but for `fsdd`.
      classes: for `freesound`, the tags that are classes.
      leave_out: what is to be written.

    Raises:
      WyhError: no such file or folder, or its tables lack something.
    """
    if not given.exists():
        raise WyhError(f"{given}: no such file or directory")
    read: dict[str, Callable[[], Listing]] = {
        "folders": lambda: _folders(given, leave_out),
        "csv": lambda: _csv(given),
        "esc50": lambda: _esc50(given),
        "urbansound8k": lambda: _urbansound8k(given),
        "urbansound": lambda: _urbansound(given, leave_out),
        "freesound": lambda: _freesound(given, classes, leave_out),
        "fsdd": lambda: _fsdd(given, leave_out),
    }
    listing = read[_detected(given) if layout == "auto" else layout]()
    missing: dict[Path, list[Path]] = {}
    for path in dict.fromkeys(sound.path for sound in listing.sounds if not sound.path.is_file()):
        missing.setdefault(path.parent, []).append(path)
    for folder, paths in missing.items():
        if len(paths) > _NAMED_MISSING:
            listing.unusable[str(folder)] = (
                f"{len(paths)} of its files are missing, {paths[0].name} for one"
            )
        else:
            listing.unusable.update({str(path): "no such file" for path in paths})
    there = [sound for sound in listing.sounds if sound.path.is_file()]
    return listing._replace(sounds=_named(sorted(there, key=lambda sound: sound.name)))


def _detected(given: Path) -> Layout:
    if given.is_file():
        return "csv"
    if (given / _ESC50).is_file():
        return "esc50"
    if (given / _URBAN8K).is_file():
        return "urbansound8k"
    tables = _urban_root(given).glob("*/*.csv")
    if any(_is_sound(path) for table in tables for path in _beside(table)):
        return "urbansound"
    return "freesound" if any(_tells_tags(path) for path in given.rglob("*.json")) else "folders"


def _is_sound(path: Path) -> bool:
    return kind_by_name(path) in ("audio", "video")


def _beside(table: Path) -> Iterator[Path]:
    return table.parent.glob(f"{escape(table.stem)}.*")


def _tells_tags(path: Path) -> bool:
    try:
        return bool(_told_by(path))
    except WyhError:
        return False


def _named(sounds: list[Listed]) -> list[Listed]:
    """No name twice: parts of one file are told apart by their time, the rest by number."""
    count = Counter(sound.name for sound in sounds)
    named, seen = [], Counter[str]()
    for sound in sounds:
        name = sound.name
        if count[name] > 1:
            end = "" if sound.end_secs is None else f"{sound.end_secs:g}"
            name = f"{name}@{sound.start_secs:g}-{end}"
        seen[name] += 1
        named.append(sound._replace(name=name if seen[name] == 1 else f"{name}#{seen[name]}"))
    return named


def _sound_files(root: Path, leave_out: Path) -> tuple[list[Path], dict[str, str]]:
    """Sounds below a folder, and files that are none by their name."""
    if not root.is_dir():
        raise WyhError(f"{root}: is a file, wanted a folder; --layout csv reads lists")
    _, found = find_files([root], leave_out)
    sounds = [path for path in found if _is_sound(path)]
    others = {
        str(path): f"not a sound, by its name ({path.suffix})"
        for path in found
        if not _is_sound(path) and path.suffix.lower() not in (".csv", ".json")
    }
    return sounds, others


def _below(root: Path, path: Path) -> str:
    return path.relative_to(os.path.abspath(root)).as_posix()


def _folders(root: Path, leave_out: Path) -> Listing:
    files, unusable = _sound_files(root, leave_out)
    sounds = []
    for path in files:
        name = _below(root, path)
        label, slash, _ = name.partition("/")
        if slash:
            sounds.append(Listed(name, path, label, name))
        else:
            unusable[str(path)] = f"{path}: lies in no folder of a class, wanted CLASS/{name}"
    return Listing(sounds, unusable)


def _fsdd(root: Path, leave_out: Path) -> Listing:
    files, unusable = _sound_files(root, leave_out)
    sounds = []
    for path in files:
        if found := _DIGIT.fullmatch(path.stem):
            digit, speaker, index = found.groups()
            fold = int(index) // FSDD_TEST
            sounds.append(Listed(_below(root, path), path, digit, speaker, fold))
        else:
            unusable[str(path)] = f"{path}: wanted a name like 7_jackson_32{path.suffix}"
    return Listing(sounds, unusable, test_fold=0)


def _csv(path: Path) -> Listing:
    rows = read_table(path, ("path", "label"))
    sounds = []
    for row in rows:
        name, fold = row.text("path"), row.optional("fold")
        start = row.secs("start_secs") if row.optional("start_secs") else 0.0
        end = row.secs("end_secs") if row.optional("end_secs") else None
        row.check_order(start, end)
        group, number = row.optional("group") or name, row.whole("fold") if fold else None
        sounds.append(
            Listed(name, path.parent / name, row.text("label"), group, number, start, end)
        )
    for row, sound in zip(rows, sounds, strict=True):
        if sound.fold is None and any(other.fold is not None for other in sounds):
            raise WyhError(f"{row.where}: got no fold, wanted one as in other lines: all or none")
    return Listing(sounds, {})


def _esc50(root: Path) -> Listing:
    sounds = []
    for row in read_table(root / _ESC50, ("filename", "fold", "category")):
        name = row.text("filename")
        group = row.optional("src_file") or name
        fold = row.whole("fold")
        sounds.append(Listed(name, root / "audio" / name, row.text("category"), group, fold))
    return Listing(sounds, {})


def _urbansound8k(root: Path) -> Listing:
    """Its columns `start` and `end` tell where a file was cut from: they are not times of it."""
    sounds = []
    for row in read_table(root / _URBAN8K, ("slice_file_name", "fsID", "fold", "class")):
        fold = row.whole("fold")
        name = f"fold{fold}/{row.text('slice_file_name')}"
        path = root / "audio" / name
        sounds.append(Listed(name, path, row.text("class"), row.text("fsID"), fold))
    return Listing(sounds, {})


def _urban_root(root: Path) -> Path:
    return root / "data" if (root / "data").is_dir() else root


def _urbansound(root: Path, leave_out: Path) -> Listing:
    base = _urban_root(root)
    files, unusable = _sound_files(base, leave_out)
    sounds = []
    for path in files:
        table = path.with_suffix(".csv")
        if not table.is_file():
            unusable[str(path)] = f"{path}: {table.name} is missing, which tells its times"
            continue
        for row in read_table(table, ("start", "end", "salience", "class"), header=False):
            start, end = row.secs("start"), row.secs("end")
            row.check_order(start, end)
            label, name = row.text("class"), _below(base, path)
            sounds.append(Listed(name, path, label, path.stem, None, start, end))
    return Listing(sounds, unusable)


def _freesound(root: Path, classes: Sequence[str], leave_out: Path) -> Listing:
    if not classes:
        raise WyhError(
            f"{root}: Freesound's JSON tells tags, not classes: name those that are classes, such "
            "as --classes dog rain"
        )
    files, unusable = _sound_files(root, leave_out)
    _, found = find_files([root], leave_out)
    known: dict[str, dict[str, Any]] = {}  # by id and by file
    for path in found:
        if path.suffix.lower() == ".json":
            known.update(_told_by(path))
    sounds, wanted = [], {name.lower(): name for name in classes}
    for path in files:
        by_id = _ID.match(path.stem)
        told = known.get(str(path.with_suffix(""))) or known.get(by_id[1] if by_id else "")
        if told is None:
            unusable[str(path)] = f"{path}: no JSON tells of it"
            continue
        tags = {str(tag).lower() for tag in told["tags"]}
        labels = sorted({wanted[tag] for tag in tags & wanted.keys()}, key=natural)
        name = _below(root, path)
        if len(labels) == 1:
            group = str(told.get("username") or told.get("uploader") or name)
            sounds.append(Listed(name, path, labels[0], group))
        else:
            what = f"the classes {', '.join(labels)}" if labels else "no class"
            unusable[str(path)] = f"{path}: its tags name {what}, wanted one"
    return Listing(sounds, unusable)


def _told_by(path: Path) -> dict[str, dict[str, Any]]:
    """What a file of JSON tells, by the sounds' ids, or by its own name where it is of one."""
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise WyhError(f"{path}: cannot be read as JSON ({error})") from None
    if isinstance(values, dict) and "tags" in values:
        values = {str(path.with_suffix("")): values, str(values.get("id", "")): values}
    elif isinstance(values, dict) and isinstance(values.get("results"), list):
        values = values["results"]
    if isinstance(values, list):
        values = {str(of.get("id", "")): of for of in values if isinstance(of, dict)}
    told = values if isinstance(values, dict) else {}
    return {
        str(key): of
        for key, of in told.items()
        if key and isinstance(of, dict) and isinstance(of.get("tags"), list)
    }
