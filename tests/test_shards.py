"""Parts, shards and the data set made of them: `wyh.parts`, `wyh.shards`, `wyh.dataset`."""

import importlib.util
import json
import os
import subprocess
import sys
from fractions import Fraction

import numpy as np
import pytest
import tensorflow_datasets as tfds

from wyh import parts, shards
from wyh.dataset import (
    INDEX,
    DataSpec,
    Recording,
    batches,
    encode_window,
    is_dataset,
    load_frames,
    open_dataset,
    to_waveform,
)
from wyh.errors import WyhError
from wyh.parts import Entry, Part, Written
from wyh.records import Source, decode_example, read_records
from wyh.specs import AudioSpec, VideoSpec

SPEC = DataSpec(VideoSpec(Fraction(24000, 1001), 8, 12, 3), AudioSpec(4000), 2)
MARK = "0123456789abcdef"


def example(number, spec=SPEC):
    rng = np.random.default_rng(number)
    frames = rng.integers(0, 256, spec.frames_shape, np.uint8)
    audio = rng.uniform(-1, 1, spec.window.window_samples).astype(np.float32)
    return frames, audio, number / 3, f"{'ab'[number % 2]}.mp4"


def make(out, count=40, spec=SPEC, limit=4000):
    """A data set of `count` training examples of two recordings, and 5 to test."""
    with parts.work_folder(out, MARK) as work:
        extra = [7] * spec.labelled + [3] * spec.folded
        made = parts.write_parts(
            work,
            "0",
            (
                Entry("train" if i < count else "test", i, encode_window(*example(i, spec), *extra))
                for i in range(count + 5)
            ),
            limit,
        )
        found = [Recording("a.mp4", count // 2, 3), Recording("b.mp4", count // 2, 2)]
        shards.finish(out, work, MARK, spec, made, found, limit=limit)
    return open_dataset(out)


def test_a_data_set_comes_back(tmp_path):
    dataset = make(tmp_path / "set")
    assert dataset.spec == SPEC
    assert dataset.fingerprint == MARK
    assert dataset.recordings == (Recording("a.mp4", 20, 3), Recording("b.mp4", 20, 2))
    assert (dataset.count("train"), dataset.count("test")) == (40, 5)
    assert all(shard.bytes <= 4000 for shard in dataset.shards["train"])
    batch = dataset.decode(list(dataset.split("train")))
    for i in range(40):
        frames, audio, start, recording = example(i)
        np.testing.assert_array_equal(batch["frames"][i], frames)
        np.testing.assert_allclose(to_waveform(batch["audio"][i]), audio, atol=0.5001 / 32768)
        assert batch["start_secs"][i] == start
        assert dataset.recordings[batch["recording"][i]].name == recording
    assert {name: (values.dtype.str, values.shape[1:]) for name, values in batch.items()} == {
        "frames": ("|u1", (2, 8, 12, 3)),
        "audio": ("<i2", (334,)),
        "start_secs": ("<f8", ()),
        "recording": ("<i4", ()),
    }
    assert batch["frames"].flags.writeable


def test_loud_sound_is_cut_off_at_16_bits():
    spec = DataSpec(VideoSpec(Fraction(240), 8, 8, 1), AudioSpec(4000))
    audio = np.linspace(-2, 2, 17, dtype=np.float32)
    data = encode_window(np.zeros(spec.frames_shape, np.uint8), audio, 0.0, "a")
    stored = np.frombuffer(decode_example(data)["audio"], "<i2")
    np.testing.assert_array_equal(
        stored, [*[-32768] * 5, *range(-24576, 24577, 8192), *[32767] * 5]
    )


def test_labels_and_folds(tmp_path):
    spec = DataSpec(SPEC.video, SPEC.audio, 2, labelled=True, folded=True)
    dataset = make(tmp_path, spec=spec)
    batch = dataset.decode(list(dataset.split("test")))
    assert batch["label"].tolist() == [7] * 5
    assert batch["fold"].tolist() == [3] * 5
    assert open_dataset(tmp_path).spec == spec


def test_equal_data_gives_equal_shards(tmp_path):
    first, second = make(tmp_path / "1"), make(tmp_path / "2")
    for one, other in zip(first.paths("train"), second.paths("train"), strict=True):
        assert one.read_bytes() == other.read_bytes()
    assert (tmp_path / "1" / INDEX).read_bytes() == (tmp_path / "2" / INDEX).read_bytes()


def test_batches_are_shuffled_whole_epochs_that_depend_on_seed_and_step_alone(tmp_path):
    dataset = make(tmp_path)
    ours = batches(dataset, "train", 10, seed=5)
    epochs = [
        np.concatenate([ours[step]["start_secs"] for step in range(first, first + 4)])
        for first in (0, 4)
    ]
    everything = [i / 3 for i in range(40)]
    assert sorted(epochs[0]) == sorted(epochs[1]) == everything
    assert list(epochs[0]) != everything
    assert list(epochs[0]) != list(epochs[1])
    again = batches(open_dataset(tmp_path), "train", 10, seed=5)
    for name, values in again[6].items():
        np.testing.assert_array_equal(values, ours[6][name])
    other = batches(dataset, "train", 10, seed=6)
    assert list(other[0]["start_secs"]) != list(ours[0]["start_secs"])
    assert ours[1000]["frames"].shape == (10, 2, 8, 12, 3)


def test_batches_larger_than_the_set_go_on_into_the_next_epoch(tmp_path):
    batch = batches(make(tmp_path), "test", 12, seed=0)[0]
    starts = (batch["start_secs"] * 3).round().astype(int).tolist()
    assert sorted(starts[:5]) == sorted(starts[5:10]) == [40, 41, 42, 43, 44]


def test_load_frames(tmp_path):
    frames = load_frames(make(tmp_path), "test")
    expected = np.concatenate([example(i)[0] for i in range(40, 45)])
    np.testing.assert_array_equal(frames.pixels, expected)
    second = 40 / 3 + 1001 / 24000
    np.testing.assert_allclose(frames.start_secs[:3], [40 / 3, second, 41 / 3], atol=1e-12)
    assert frames.recording.tolist() == [0, 0, 1, 1, 0, 0, 1, 1, 0, 0]


def test_a_split_without_examples(tmp_path):
    with parts.work_folder(tmp_path, MARK) as work:
        made = parts.write_parts(work, "0", [Entry("train", 0, encode_window(*example(0)))])
        shards.finish(tmp_path, work, MARK, SPEC, made, [Recording("a.mp4", 1, 0)])
    dataset = open_dataset(tmp_path)
    assert dataset.count("test") == len(dataset.split("test")) == 0
    assert load_frames(dataset, "test").pixels.shape == (0, 8, 12, 3)
    with pytest.raises(WyhError, match="the split 'test' has no examples"):
        batches(dataset, "test", 1, 0)


def test_tfds_reads_the_metadata_and_the_examples(tmp_path):
    dataset = make(tmp_path)
    builder = tfds.builder_from_directory(tmp_path)
    assert builder.info.splits["train"].num_examples == 40
    assert builder.info.splits["test"].num_examples == 5
    assert [os.fspath(path) for path in builder.info.splits["train"].filepaths] == [
        str(path) for path in dataset.paths("train")
    ]
    for i, record in enumerate(dataset.split("train")):
        values = builder.info.features.deserialize_example_np(record)
        frames, audio, start, recording = example(i)
        np.testing.assert_array_equal(values["frames"], frames)
        np.testing.assert_allclose(values["audio"] / 32768, audio, atol=0.5001 / 32768)
        assert values["start_secs"] == start
        assert values["recording"] == recording.encode()


@pytest.mark.skipif(
    importlib.util.find_spec("tensorflow") is None, reason="the extra [tf] is not installed"
)
def test_tensorflow_loads_the_directory(tmp_path):
    # `tfds.load` finds a data set by folders of its name and version.
    out = tmp_path / "wyh_windows" / "1.0.0"
    make(out)
    # In a process of its own: TensorFlow's warnings are not ours.
    code = (
        "import sys, tensorflow_datasets as tfds\n"
        "data = tfds.load('wyh_windows', split='train', data_dir=sys.argv[1])\n"
        "print([(e['recording'].decode(), float(e['start_secs']), e['frames'].shape,"
        " int(e['audio'].astype('int64').sum())) for e in tfds.as_numpy(data)])"
    )
    told = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True
    )
    dataset = open_dataset(out)
    batch = dataset.decode(list(dataset.split("train")))
    expected = [
        (f"{'ab'[i % 2]}.mp4", i / 3, (2, 8, 12, 3), int(batch["audio"][i].astype(int).sum()))
        for i in range(40)
    ]
    assert sorted(eval(told.stdout.splitlines()[-1])) == sorted(expected)


def test_opening_what_is_not_there(tmp_path):
    with pytest.raises(WyhError, match="no such directory"):
        open_dataset(tmp_path / "none")
    with pytest.raises(WyhError, match="no data set"):
        open_dataset(tmp_path)
    with pytest.raises(WyhError, match="its preparation was interrupted"):
        with parts.work_folder(tmp_path, MARK):
            open_dataset(tmp_path)
    assert not is_dataset(tmp_path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format": 99}, "got format version 99, wanted 1"),
        ({"spec": {}}, "damaged"),
        ({"shards": {"train": []}}, "damaged"),
    ],
)
def test_opening_a_foreign_index(tmp_path, change, message):
    make(tmp_path)
    index = tmp_path / INDEX
    index.write_text(json.dumps({**json.loads(index.read_text()), **change}))
    with pytest.raises(WyhError, match=message):
        open_dataset(tmp_path)
    index.write_text("{")
    with pytest.raises(WyhError, match="damaged"):
        open_dataset(tmp_path)


def test_missing_short_and_foreign_shards(tmp_path):
    dataset = make(tmp_path)
    shard = dataset.paths("train")[1]
    data = shard.read_bytes()
    os.truncate(shard, 100)
    with pytest.raises(WyhError, match=rf"{shard.name}: got 100 bytes, wanted {len(data)}"):
        open_dataset(tmp_path)
    shard.unlink()
    with pytest.raises(WyhError, match=rf"{shard.name}: this shard is missing"):
        open_dataset(tmp_path)
    foreign = encode_window(*example(0, DataSpec(SPEC.video, SPEC.audio)))
    with pytest.raises(WyhError, match=r"the shards do not fit wyh.json"):
        dataset.decode([foreign])


def entries(counts, size=100):
    """`counts[i]` records of block i."""
    return [Entry("train", i, bytes(size)) for i, count in enumerate(counts) for _ in range(count)]


def test_parts_are_cut_at_block_edges_only(tmp_path):
    made = parts.write_parts(tmp_path, "k", entries([3] * 7), limit=1000)
    assert [part.records for part in made] == [6, 6, 6, 3]
    assert [part.file for part in made] == [f"k-train-{i:05d}.tfrecord" for i in range(4)]
    assert all(part.bytes == (tmp_path / part.file).stat().st_size for part in made)
    whole = parts.write_parts(tmp_path, "j", entries([30]), limit=1000)
    assert [part.records for part in whole] == [30]


def test_no_part_is_left_when_writing_fails(tmp_path):
    def failing():
        yield from entries([3, 3])
        yield Entry("test", 0, b"")
        raise WyhError("bad footage")

    with pytest.raises(WyhError, match="bad footage"):
        parts.write_parts(tmp_path, "k", failing())
    assert os.listdir(tmp_path) == []


def test_notes(tmp_path):
    result = Written((Part("a", "test", 3, 99),), (Recording("x.mp4", 0, 3),))
    assert parts.written(tmp_path, "k") is None
    parts.note(tmp_path, "k", result)
    assert parts.written(tmp_path, "k") == result
    (tmp_path / "k.json").write_text("{")
    assert parts.written(tmp_path, "k") is None


def test_small_parts_share_a_shard_and_finishing_can_be_interrupted(tmp_path, monkeypatch):
    data = [encode_window(*example(i)) for i in range(6)]
    made, found = [], [Recording("a.mp4", 3, 0), Recording("b.mp4", 3, 0)]

    def prepare():
        with parts.work_folder(tmp_path, MARK) as work:
            if not made:
                for i, record in enumerate(data):
                    made.extend(parts.write_parts(work, str(i), [Entry("train", 0, record)]))
            limit = 3 * len(data[0]) + 100
            shards.finish(tmp_path, work, MARK, SPEC, made, found, limit=limit)

    def stop(*_):
        raise KeyboardInterrupt

    for name in ("_write_tfds", "write_json"):
        with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
            patch.setattr(shards, name, stop)
            prepare()
        with pytest.raises(WyhError, match="interrupted"):
            open_dataset(tmp_path)
    prepare()
    dataset = open_dataset(tmp_path)
    assert [shard.records for shard in dataset.shards["train"]] == [3, 3]
    assert list(Source(dataset.paths("train"))) == data
    assert [record for path in dataset.paths("train") for record in read_records(path)] == data
    assert not list(tmp_path.glob(".preparing*"))


def test_a_part_that_disappeared(tmp_path):
    with parts.work_folder(tmp_path, MARK) as work:
        with pytest.raises(WyhError, match=r"this part is missing; delete .* and prepare again"):
            shards.finish(tmp_path, work, MARK, SPEC, [Part("x", "train", 1, 10)], [])


def test_work_folder_is_none_when_ready_and_refuses_another_set(tmp_path):
    make(tmp_path)
    with parts.work_folder(tmp_path, MARK) as work:
        assert work is None
    with pytest.raises(WyhError, match="already holds a data set of other inputs or options"):
        with parts.work_folder(tmp_path, "f" * 16):
            pass
    (tmp_path / "file").touch()
    with pytest.raises(WyhError, match="cannot be written"):
        with parts.work_folder(tmp_path / "file", MARK):
            pass


def test_work_folder_removes_what_another_preparation_left(tmp_path):
    with parts.work_folder(tmp_path, "f" * 16):
        (tmp_path / "wyh_windows-train.tfrecord-00000-of-00001").touch()
        (tmp_path / "mine.txt").touch()
    with parts.work_folder(tmp_path, MARK) as work:
        assert sorted(path.name for path in tmp_path.iterdir()) == sorted([work.name, "mine.txt"])


def test_fingerprint_is_of_names_content_and_options(tmp_path, monkeypatch):
    monkeypatch.setattr(parts, "SAMPLE_BYTES", 10)
    one, copy = tmp_path / "one", tmp_path / "copy"
    one.write_bytes(bytes(50))
    copy.write_bytes(bytes(50))
    mark = parts.fingerprint({"a": one}, {"x": 1})
    assert parts.fingerprint({"a": copy}, {"x": 1}) == mark
    others = [
        parts.fingerprint({"b": one}, {"x": 1}),
        parts.fingerprint({"a": one}, {"x": 2}),
        parts.fingerprint({"a": one, "b": one}, {"x": 1}),
    ]
    for position in (3, 45):
        copy.write_bytes(bytes(position) + b"1" + bytes(49 - position))
        others.append(parts.fingerprint({"a": copy}, {"x": 1}))
    assert len({mark, *others}) == 6
