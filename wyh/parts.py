"""A data set in the making: a work folder with the parts of each recording.

It lies inside the directory. A part has its name only when it is whole, and beside the parts of a
task lies a note that says what they hold: a preparation that is run again goes on where it stopped.
"""

import hashlib
import json
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

from wyh.dataset import FORMAT, INDEX, NAME, WORK, Recording, is_dataset
from wyh.errors import WyhError
from wyh.records import Writer
from wyh.windows import Split

try:
    import fcntl
except ImportError:  # Windows: two preparations of one set at once are not kept apart there
    fcntl = None  # type: ignore[assignment]

SHARD_BYTES = 256 << 20
"""Size at which a new shard begins."""

SAMPLE_BYTES = 1 << 20
"""Bytes at each end of an input that its fingerprint looks at."""


class Entry(NamedTuple):
    """A record on its way to a part. Parts are cut only where `block` changes."""

    part: Split | Literal["whole"]
    block: int
    data: bytes


class Part(NamedTuple):
    """A file of the work folder. `split` is `whole` until it is decided for the recording."""

    file: str
    split: Split | Literal["whole"]
    records: int
    bytes: int


@dataclass(frozen=True)
class Written:
    """What a finished task has left in the work folder."""

    parts: tuple[Part, ...]
    recordings: tuple[Recording, ...]


def fingerprint(files: Mapping[str, Path], options: Mapping[str, Any]) -> str:
    """A hash of the inputs' names, sizes, both ends of their content, and the options.

    Copies of the same inputs have the same fingerprint, wherever and whenever they were made.
    """
    digest = hashlib.sha256(json.dumps([FORMAT, options], sort_keys=True).encode())
    for name in sorted(files):
        size = files[name].stat().st_size
        digest.update(f"\0{name}\0{size}\0".encode())
        with open(files[name], "rb") as file:
            digest.update(file.read(SAMPLE_BYTES))
            file.seek(max(SAMPLE_BYTES, size - SAMPLE_BYTES))
            digest.update(file.read(SAMPLE_BYTES))
    return digest.hexdigest()


@contextmanager
def work_folder(out: Path, mark: str) -> Iterator[Path | None]:
    """The work folder for a data set with the fingerprint `mark`, this process's alone.

    Waits while another process prepares the same set. None when `out` is ready.

    Raises:
      WyhError: when `out` is a file, cannot be written or holds another data set; in place of
        an `OSError` from within, such as a full disk.
    """
    while (work := _begin(out, mark)) is not None:
        with open(work / "lock", "w") as lock:
            if fcntl is not None:
                fcntl.flock(lock, fcntl.LOCK_EX)
            if not Path(lock.name).exists():  # it was another's, who has finished
                continue
            try:
                yield work
            except OSError as error:  # a full disk, above all
                raise WyhError(
                    f"{error.filename or out}: {error.strerror or error}; mend that and run it "
                    "again, it goes on where it stopped"
                ) from None
            return
    yield None


def _begin(out: Path, mark: str) -> Path | None:
    """The work folder, made if need be; None when `out` is ready.

    Raises:
      WyhError: when `out` is a file, cannot be written or holds another data set.
    """
    if is_dataset(out):
        with suppress(ValueError, KeyError, TypeError):
            if json.loads((out / INDEX).read_text())["fingerprint"] == mark:
                return None
        raise WyhError(
            f"{out}: already holds a data set of other inputs or options; "
            "delete it or choose another --out"
        )
    work = out / f"{WORK}{mark[:12]}"
    try:
        if not work.is_dir() and out.is_dir():
            # What another preparation has left unfinished cannot be of use.
            for stale in (*out.glob(f"{NAME}-*.tfrecord-*"), *out.glob(f"{WORK}*")):
                shutil.rmtree(stale) if stale.is_dir() else stale.unlink()
        work.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise WyhError(
            f"{out}: cannot be written ({error.strerror}); choose another --out"
        ) from None
    return work


def abandon(out: Path, work: Path) -> None:
    """Remove the work folder, and the directory where nothing else is in it."""
    shutil.rmtree(work)
    with suppress(OSError):
        out.rmdir()


def written(work: Path, key: str) -> Written | None:
    """What the task `key` has written, if it had finished."""
    try:
        values = json.loads((work / f"{key}.json").read_text())
        return Written(
            tuple(Part(**part) for part in values["parts"]),
            tuple(Recording(**recording) for recording in values["recordings"]),
        )
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return None


def note(work: Path, key: str, result: Written) -> None:
    """Note that the task `key` has finished."""
    values = {
        "parts": [part._asdict() for part in result.parts],
        "recordings": [recording._asdict() for recording in result.recordings],
    }
    write_json(work / f"{key}.json", values)


def write_parts(
    work: Path, key: str, entries: Iterable[Entry], limit: int = SHARD_BYTES
) -> tuple[Part, ...]:
    """Write records to the parts `KEY-SPLIT-NUMBER.tfrecord`, about `limit` bytes long at most."""
    parts: list[Part] = []
    streams: dict[str, _Stream] = {}
    try:
        for entry in entries:
            stream = streams.get(entry.part)
            if stream is None:
                stream = streams[entry.part] = _Stream(work, key, entry.part, limit)
            stream.write(entry.block, entry.data)
        for stream in streams.values():
            parts += stream.close()
    except BaseException:
        for stream in streams.values():
            stream.discard()
        raise
    return tuple(parts)


class _Stream:
    """The parts of one split of one task."""

    def __init__(self, work: Path, key: str, split: Any, limit: int) -> None:
        self._name = str(work / f"{key}-{split}")
        self._split, self._limit = split, limit
        self._block: int | None = None
        self._block_start = 0  # bytes of the part when the block began
        self._writer: Writer | None = None
        self._parts: list[Part] = []

    def write(self, block: int, data: bytes) -> None:
        if self._writer is not None and block != self._block:
            size = self._writer.bytes_written
            # The block to come is taken to be as long as the one before it.
            if 2 * size - self._block_start > self._limit:
                self._end()
            else:
                self._block_start = size
        if self._writer is None:
            self._writer = Writer(Path(f"{self._name}-{len(self._parts):05d}.tfrecord"))
            self._block_start = 0
        self._block = block
        self._writer.write(data)

    def _end(self) -> None:
        if self._writer is not None:
            self._writer.close()
            size = self._writer.bytes_written
            self._parts.append(
                Part(self._writer.path.name, self._split, self._writer.records, size)
            )
            self._writer = None

    def close(self) -> list[Part]:
        self._end()
        return self._parts

    def discard(self) -> None:
        if self._writer is not None:
            self._writer.discard()


def write_json(path: Path, values: Any) -> None:
    """Atomically."""
    part = path.with_name(path.name + ".part")
    with open(part, "w", encoding="utf-8") as file:
        json.dump(values, file, indent=1)
        file.flush()
        os.fsync(file.fileno())
    os.replace(part, path)
