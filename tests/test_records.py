import os
import pickle
import struct
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import google_crc32c
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tensorflow_datasets.proto import tf_example_pb2

from wyh.errors import WyhError
from wyh.records import (
    OVERHEAD,
    Source,
    Writer,
    decode_example,
    encode_example,
    read_records,
)

names = st.text(min_size=1, max_size=200)
numbers = st.integers(-(2**63), 2**63 - 1)
floats = st.floats(width=32, allow_nan=False)
features = st.dictionaries(names, st.binary(max_size=20_000) | numbers | floats, max_size=8)


def official(data):
    """Read an example with the protocol buffers library."""
    example = tf_example_pb2.Example.FromString(data)
    values = {}
    for name, feature in example.features.feature.items():
        (value,) = getattr(feature, feature.WhichOneof("kind")).value
        values[name] = value
    return values


@given(features)
def test_examples_are_read_by_the_official_library_and_back(values):
    data = encode_example(values)
    assert official(data) == values
    assert decode_example(data) == values
    assert decode_example(tf_example_pb2.Example.FromString(data).SerializeToString()) == values


@given(features)
def test_equal_features_give_equal_bytes(values):
    backwards = dict(reversed(values.items()))
    assert encode_example(backwards) == encode_example(values)


@pytest.mark.parametrize(
    ("tail", "value"), [(b"\x1a\x02\x08\x05", 5), (b"\x12\x05\x0d\x00\x00\x80?", 1.0)]
)
def test_numbers_that_are_not_packed(tail, value):
    feature = b"\x0a\x01a\x12" + bytes([len(tail)]) + tail
    entry = b"\x0a" + bytes([len(feature)]) + feature
    data = b"\x0a" + bytes([len(entry)]) + entry
    assert official(data) == decode_example(data) == {"a": value}


def test_what_is_no_example_of_single_values():
    two = tf_example_pb2.Example()
    two.features.feature["a"].int64_list.value.extend([1, 2])
    none = tf_example_pb2.Example()
    none.features.feature["a"].bytes_list.value.extend([])
    for data in (two.SerializeToString(), none.SerializeToString(), b"hello", b"\x0a\xff"):
        with pytest.raises(WyhError, match=r"no tf\.train\.Example of single values"):
            decode_example(data)


def write(path, records):
    with Writer(path) as writer:
        for record in records:
            writer.write(record)
    assert writer.records == len(records)
    assert writer.bytes_written == path.stat().st_size


RECORDS = [b"first", b"", bytes(range(256)) * 300, b"last"]


def test_records_come_back(tmp_path):
    write(tmp_path / "a", RECORDS)
    assert list(read_records(tmp_path / "a")) == RECORDS
    write(tmp_path / "b", [])
    assert list(read_records(tmp_path / "b")) == []
    assert sorted(os.listdir(tmp_path)) == ["a", "b"]


def test_the_format_is_that_of_tfrecord(tmp_path):
    def masked(data):
        crc = google_crc32c.value(data)
        return struct.pack("<I", ((crc >> 15 | crc << 17) + 0xA282EAD8) % 2**32)

    assert google_crc32c.value(b"123456789") == 0xE3069283  # the check value of CRC-32C
    write(tmp_path / "a", [b"abc"])
    length = struct.pack("<Q", 3)
    assert (tmp_path / "a").read_bytes() == length + masked(length) + b"abc" + masked(b"abc")


def test_nothing_appears_when_writing_fails(tmp_path):
    with pytest.raises(KeyboardInterrupt), Writer(tmp_path / "a") as writer:
        writer.write(b"record")
        raise KeyboardInterrupt
    assert os.listdir(tmp_path) == []


# The second of three records: length at 20, its checksum at 28, data at 32, checksum at 36.
@pytest.mark.parametrize("bit", [0, 7])
@pytest.mark.parametrize(
    ("byte", "what"),
    [
        (20, "checksum of a record's length is wrong"),
        (27, "checksum of a record's length is wrong"),
        (28, "checksum of a record's length is wrong"),
        (31, "checksum of a record's length is wrong"),
        (32, "checksum of a record is wrong"),
        (35, "checksum of a record is wrong"),
        (36, "checksum of a record is wrong"),
        (39, "checksum of a record is wrong"),
    ],
)
def test_a_flipped_bit_is_found(tmp_path, byte, bit, what):
    path = tmp_path / "a.tfrecord"
    write(path, [b"1234"] * 3)
    data = bytearray(path.read_bytes())
    data[byte] ^= 1 << bit
    path.write_bytes(data)
    with pytest.raises(WyhError, match=f"a.tfrecord: damaged at byte 20: the {what}"):
        list(read_records(path))
    with pytest.raises(WyhError, match=f"a.tfrecord: damaged at byte 20: the {what}"):
        Source([path])[1]


@pytest.mark.parametrize("size", [*range(21, 40), *range(41, 60)])
def test_truncation_is_found(tmp_path, size):
    path = tmp_path / "a.tfrecord"
    write(path, [b"1234"] * 3)
    os.truncate(path, size)
    where = 20 if size < 40 else 40
    with pytest.raises(WyhError, match=f"damaged at byte {where}: the file ends inside a record"):
        list(read_records(path))
    with pytest.raises(WyhError, match=f"damaged at byte {where}: the file ends inside a record"):
        Source([path])


def test_a_missing_shard(tmp_path):
    with pytest.raises(WyhError, match="no such shard"):
        Source([tmp_path / "none"])


@pytest.fixture
def source(tmp_path):
    rng = np.random.default_rng(3)
    paths, records = [], []
    for shard, count in enumerate([5, 0, 1, 70]):
        some = [rng.bytes(int(rng.integers(0, 5000))) for _ in range(count)]
        paths.append(Path(tmp_path / f"{shard}.tfrecord"))
        write(paths[-1], some)
        records += some
    return Source(paths), records


def test_source_reads_any_record_of_any_shard(source):
    source, records = source
    assert len(source) == len(records) == 76
    order = np.random.default_rng(0).permutation(76)
    assert [source[i] for i in order] == [records[i] for i in order]
    assert list(source) == records
    for outside in (-1, 76):
        with pytest.raises(IndexError):
            source[outside]
    assert len(Source([])) == 0


def test_source_can_be_pickled_and_shared_by_threads(source):
    source, records = source
    again = pickle.loads(pickle.dumps(source))
    order = np.random.default_rng(0).integers(0, 76, 2000)
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(again.__getitem__, order)) == [records[i] for i in order]


def test_bytes_per_record(tmp_path):
    write(tmp_path / "a", [b"12345"])
    assert (tmp_path / "a").stat().st_size == 5 + OVERHEAD
