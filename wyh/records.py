"""Records on disk: `tf.train.Example` in TFRecord files, without TensorFlow.

A TFRecord file is a row of records, each `length u64 | crc of length u32 | data | crc of data u32`,
little-endian, the checksums CRC-32C masked as in tensorflow/core/lib/hash/crc32c.h. Every byte that
is read here has been checked. Wire format of the messages: tensorflow/core/example/example.proto.
"""

import mmap
import os
import struct
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO

import google_crc32c
import numpy as np

from wyh.errors import WyhError

_HEADER = struct.Struct("<QI")
_CRC = struct.Struct("<I")
OVERHEAD = _HEADER.size + _CRC.size
"""Bytes of a record beside its data."""

Value = bytes | int | float
"""One feature. A tensor is stored as its little-endian bytes, a text as UTF-8."""


def _masked_crc(data: bytes) -> int:
    crc = google_crc32c.value(data)
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


class Writer:
    """Writes records to `path`, which appears whole when the `with` block ends well, or not at all.

    Until then they are in `path` + `.part`.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.bytes_written = 0
        self.records = 0
        self._part = path.with_name(path.name + ".part")
        self._file: BinaryIO = open(self._part, "wb", buffering=1 << 20)

    def write(self, data: bytes) -> None:
        """Append one record."""
        length = _HEADER.pack(len(data), 0)[:8]
        self._file.write(length + _CRC.pack(_masked_crc(length)))
        self._file.write(data)
        self._file.write(_CRC.pack(_masked_crc(data)))
        self.bytes_written += len(data) + OVERHEAD
        self.records += 1

    def close(self) -> None:
        """Bring every byte to the disk, then give the file its name."""
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        os.replace(self._part, self.path)

    def discard(self) -> None:
        """Drop what was written."""
        try:
            self._file.close()
        except OSError:  # a full disk: the bytes still buffered are lost anyway
            pass
        self._part.unlink(missing_ok=True)

    def __enter__(self) -> "Writer":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is None:
            self.close()
        else:
            self.discard()


class _Shard:
    """One TFRecord file, mapped into memory."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            with open(path, "rb") as file:
                self.size = os.fstat(file.fileno()).st_size
                # An empty file cannot be mapped; it is a shard of no records.
                self.bytes: mmap.mmap | bytes = (
                    mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) if self.size else b""
                )
        except FileNotFoundError:
            raise WyhError(f"{path}: no such shard; prepare the data again") from None

    def length_at(self, offset: int) -> int:
        """Length of the data of the record at `offset`, checked."""
        header = self.bytes[offset : offset + _HEADER.size]
        if len(header) < _HEADER.size:
            raise self._damaged(offset, "the file ends inside a record")
        length, crc = _HEADER.unpack(header)
        if _masked_crc(header[:8]) != crc:
            raise self._damaged(offset, "the checksum of a record's length is wrong")
        if offset + length + OVERHEAD > self.size:
            raise self._damaged(offset, "the file ends inside a record")
        return int(length)

    def data_at(self, offset: int, length: int) -> bytes:
        """Data of the record at `offset`, checked."""
        start = offset + _HEADER.size
        data = self.bytes[start : start + length]
        (crc,) = _CRC.unpack(self.bytes[start + length : start + length + _CRC.size])
        if _masked_crc(data) != crc:
            raise self._damaged(offset, "the checksum of a record is wrong")
        return data

    def offsets(self) -> Iterator[tuple[int, int]]:
        """`(offset, length)` of every record."""
        offset = 0
        while offset < self.size:
            length = self.length_at(offset)
            yield offset, length
            offset += length + OVERHEAD

    def _damaged(self, offset: int, what: str) -> WyhError:
        return WyhError(
            f"{self.path}: damaged at byte {offset}: {what}; delete the data set and prepare again"
        )


def read_records(path: Path) -> Iterator[bytes]:
    """The data of every record of a file, in order.

    Raises:
      WyhError: with the file and the offset of the record, when a byte is wrong or missing.
    """
    shard = _Shard(path)
    for offset, length in shard.offsets():
        yield shard.data_at(offset, length)


class Source(Sequence[bytes]):
    """Random access to the records of many shards. Can be pickled, and shared by threads."""

    def __init__(self, paths: Sequence[Path]) -> None:
        """Find every record by hopping from header to header (some us a record, no index file).

        Raises:
          WyhError: when a shard is missing, or damaged in its structure.
        """
        self._shards = [_Shard(path) for path in paths]
        places = [
            np.array(list(shard.offsets()), np.int64).reshape(-1, 2) for shard in self._shards
        ]
        self._places = np.concatenate(places) if places else np.zeros((0, 2), np.int64)
        self._starts = np.cumsum([0, *map(len, places)])

    def __len__(self) -> int:
        return len(self._places)

    def __getitem__(self, index: Any) -> Any:  # bytes; no slices
        """The data of record `index`, checked.

        Raises:
          IndexError: outside 0 to len - 1.
          WyhError: with the file and the offset of the record, when a byte is wrong.
        """
        if not 0 <= index < len(self):
            raise IndexError(f"record {index} of {len(self)}")
        shard = self._shards[int(self._starts.searchsorted(index, side="right")) - 1]
        offset, length = self._places[index].tolist()
        return shard.data_at(offset, length)

    def __getstate__(self) -> dict[str, Any]:
        return {
            "paths": [shard.path for shard in self._shards],
            "places": self._places,
            "starts": self._starts,
        }

    def __setstate__(self, state: dict[str, Any]) -> None:
        self._shards = [_Shard(path) for path in state["paths"]]
        self._places, self._starts = state["places"], state["starts"]


def _varint(value: int) -> bytes:
    """An unsigned number in groups of 7 bits, lowest first."""
    groups = bytearray()
    while value > 0x7F:
        groups.append(value & 0x7F | 0x80)
        value >>= 7
    groups.append(value)
    return bytes(groups)


def _field(number: int, data: bytes) -> bytes:
    """A length-delimited field."""
    return bytes((number << 3 | 2,)) + _varint(len(data)) + data


def encode_example(features: Mapping[str, Value]) -> bytes:
    """A `tf.train.Example`. Features are ordered by name: equal features give equal bytes."""
    entries = []
    for name in sorted(features):
        value = features[name]
        if isinstance(value, bytes):
            feature = _field(1, _field(1, value))
        elif isinstance(value, float):
            feature = _field(2, _field(1, struct.pack("<f", value)))
        else:
            feature = _field(3, _field(1, _varint(value & 0xFFFFFFFFFFFFFFFF)))
        entries.append(_field(1, _field(1, name.encode()) + _field(2, feature)))
    return _field(1, b"".join(entries))


def decode_example(data: bytes) -> dict[str, Value]:
    """Read a `tf.train.Example` whose features have one value each, whoever wrote it.

    Raises:
      WyhError: when it is none, or a feature has more or fewer values.
    """
    features: dict[str, Value] = {}
    try:
        for message in _fields(data, 0, len(data)):
            for entry in _fields(data, *message[1:]):
                (_, *name), (_, *feature) = sorted(_fields(data, *entry[1:]))
                ((kind, *values),) = _fields(data, *feature)
                features[data[name[0] : name[1]].decode()] = _value(data, kind, *values)
    except (IndexError, ValueError, struct.error):
        raise WyhError("a record is no tf.train.Example of single values") from None
    return features


def _read_varint(data: bytes, at: int) -> tuple[int, int]:
    """`(value, position after it)`."""
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7


def _fields(data: bytes, at: int, end: int) -> list[tuple[int, int, int]]:
    """`(number, start, end)` of every length-delimited field in `data[at:end]`."""
    fields = []
    while at < end:
        tag = data[at]
        if tag & 7 != 2:
            raise ValueError("not length-delimited")
        length, at = _read_varint(data, at + 1)
        if at + length > end:
            raise ValueError("longer than its message")
        fields.append((tag >> 3, at, at + length))
        at += length
    return fields


def _value(data: bytes, kind: int, at: int, end: int) -> Value:
    """The value in `data[at:end]`, a BytesList (1), FloatList (2) or Int64List (3)."""
    # Numbers may come packed (one length-delimited field) or, from old writers, with a tag each.
    if kind == 1 or data[at] & 7 == 2:
        ((_, at, stop),) = _fields(data, at, end)
    else:
        at, stop = at + 1, end
    if kind == 1:
        return data[at:stop]
    if kind == 2:
        return float(struct.unpack("<f", data[at:stop])[0])
    value, after = _read_varint(data, at)
    if kind != 3 or after != stop:
        raise ValueError("not one number")
    return value - (1 << 64) if value >> 63 else value
