"""A prepared data set: what it holds, opening it, and batches of it for training.

A directory of TFRecord shards beside TFDS's own metadata, so that `tfds.load` reads it too, and
`wyh.json`, which is written last: a directory without it is not whole. Nothing here needs TFDS.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float32, Float64, Int16, Int32, UInt8

from wyh.errors import WyhError
from wyh.records import Source, Value, decode_example, encode_example, read_records
from wyh.specs import AudioSpec, VideoSpec, as_rate
from wyh.windows import Split, WindowSpec

FORMAT = 1
NAME = "wyh_windows"
INDEX = "wyh.json"
WORK = ".preparing-"
"""How the folder of an unfinished preparation begins."""
TRUTH = "truth"
"""The folder of what was played."""

Batch = dict[str, np.ndarray]
"""`frames` uint8 [batch time height width channel], `audio` int16 [batch samples],
`start_secs` float64 [batch], `recording` int32 [batch] (place in `Dataset.recordings`), and int64
[batch] `label` and `fold` where the set has them."""


@dataclass(frozen=True)
class DataSpec:
    """The shape of every example of a data set."""

    video: VideoSpec
    audio: AudioSpec
    frames_per_window: int = 1  # 1 to 4,096
    labelled: bool = False  # examples have a `label`, a place in `Dataset.classes`
    folded: bool = False  # examples have a `fold`

    @property
    def window(self) -> WindowSpec:
        """How recordings are cut."""
        return WindowSpec(self.video.frame_rate, self.audio.sample_rate, self.frames_per_window)

    @property
    def frames_shape(self) -> tuple[int, int, int, int]:
        """`(time, height, width, channels)` of an example."""
        return self.frames_per_window, *self.video.shape

    def to_json(self) -> dict[str, Any]:
        """Plain values; `from_json` reads them back."""
        values = asdict(self)
        values["video"]["frame_rate"] = str(self.video.frame_rate)
        del values["audio"]["channels"]  # always mono
        return values

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "DataSpec":
        """Read what `to_json` wrote."""
        video = dict(values["video"])
        video["frame_rate"] = as_rate(video["frame_rate"])
        rest = {k: v for k, v in values.items() if k not in ("video", "audio")}
        return cls(video=VideoSpec(**video), audio=AudioSpec(**values["audio"]), **rest)


def encode_window(
    frames: UInt8[np.ndarray, "time height width channel"],
    audio: Float32[np.ndarray, " samples"],
    start_secs: float,
    recording: str,
    label: int | None = None,
    fold: int | None = None,
) -> bytes:
    """An example as it stands in a shard.

    Args:
      frames: pictures.
      audio: waveform in [-1, 1]; what is louder is cut off. Stored as 16 bits.
      start_secs: after the recording's first frame.
      recording: its name.
      label: the class, as a number.
      fold: the part for cross-validation.
    """
    pcm = np.clip(np.rint(audio * 32768), -32768, 32767).astype("<i2")
    features: dict[str, Value] = {
        "frames": frames.tobytes(),
        "audio": pcm.tobytes(),
        # As the bytes of a float64: the float of a tf.train.Example has 24 bits.
        "start_secs": np.array(start_secs, "<f8").tobytes(),
        "recording": recording.encode(),
    }
    if label is not None:
        features["label"] = label
    if fold is not None:
        features["fold"] = fold
    return encode_example(features)


def to_waveform(audio: Int16[np.ndarray, "*lead"]) -> Float32[np.ndarray, "*lead"]:
    """Stored sound as a waveform in [-1, 1)."""
    return audio.astype(np.float32) / np.float32(32768)


class Recording(NamedTuple):
    """A source file of a data set and how many windows each split has of it."""

    name: str
    train: int
    test: int


class Shard(NamedTuple):
    """A file of a data set."""

    file: str
    records: int
    bytes: int


@dataclass(frozen=True)
class Dataset:
    """A data set that is whole. `fingerprint` tells one made of other inputs or options."""

    path: Path
    spec: DataSpec
    fingerprint: str
    recordings: tuple[Recording, ...]
    shards: Mapping[Split, tuple[Shard, ...]]
    classes: tuple[str, ...] = ()

    def describe(self) -> dict[str, object]:
        """What a run tells of the data it was trained on."""
        names = [recording.name for recording in self.recordings]
        return {"fingerprint": self.fingerprint, "recordings": names}

    def count(self, split: Split) -> int:
        """Examples of a split. `test` may have none: short footage, or `--holdout 0`."""
        return sum(shard.records for shard in self.shards[split])

    def paths(self, split: Split) -> list[Path]:
        """The shards of a split."""
        return [self.path / shard.file for shard in self.shards[split]]

    def truth(self, recording: str) -> Path | None:
        """What was played in a recording, a file for `wyh.transcript`, if there is one."""
        path = self.path / TRUTH / f"{recording}.csv"
        return path if path.is_file() else None

    def split(self, split: Split) -> Source:
        """Random access to the records of a split; `decode` reads them."""
        return Source(self.paths(split))

    @cached_property
    def _places(self) -> dict[Value, int]:
        """Recordings as they are named in the records."""
        return {recording.name.encode(): i for i, recording in enumerate(self.recordings)}

    def decode(self, records: Sequence[bytes]) -> Batch:
        """Records as one batch.

        Raises:
          WyhError: when they do not have this data set's shape.
        """
        return self._decode(records, len(records))

    def read(self, source: Source, indices: Sequence[int]) -> Batch:
        """Those records of a source, as one batch. Raises what `decode` and `Source` raise."""
        return self._decode((source[index] for index in indices), len(indices))

    def _decode(self, records: Iterable[bytes], count: int) -> Batch:
        # One record at a time: the memory of one serves the next, which is twice as fast.
        spec = self.spec
        batch: Batch = {
            "frames": np.empty((count, *spec.frames_shape), np.uint8),
            "audio": np.empty((count, spec.window.window_samples), np.int16),
            "start_secs": np.empty(count, np.float64),
            "recording": np.empty(count, np.int32),
        }
        stored = [("frames", "u1"), ("audio", "<i2"), ("start_secs", "<f8")]
        numbers = ["label"] * spec.labelled + ["fold"] * spec.folded
        batch.update({name: np.empty(count, np.int64) for name in numbers})
        try:
            for row, record in enumerate(records):
                example: Mapping[str, Any] = decode_example(record)
                for name, dtype in stored:
                    target = batch[name]
                    target[row] = np.frombuffer(example[name], dtype).reshape(target.shape[1:])
                batch["recording"][row] = self._places[example["recording"]]
                for name in numbers:
                    batch[name][row] = example[name]
        except (KeyError, ValueError, TypeError):
            raise WyhError(
                f"{self.path}: the shards do not fit {INDEX}; prepare the data again"
            ) from None
        return batch


def is_dataset(path: Path) -> bool:
    """Is this the directory of a data set (rather than of footage)?"""
    return (path / INDEX).is_file()


def open_dataset(path: Path) -> Dataset:
    """Open what `data_prep` has written. Reads no shard, but sees that all are there.

    Raises:
      WyhError: when the directory is missing, foreign, not finished, of another version or damaged.
    """
    if not path.is_dir():
        raise WyhError(f"{path}: no such directory; make one with python -m data_prep.video")
    if not is_dataset(path):
        if any(path.glob(f"{WORK}*")):
            raise WyhError(f"{path}: its preparation was interrupted; run it again to finish it")
        raise WyhError(f"{path}: no data set ({INDEX} is missing); prepare one with data_prep")
    index = path / INDEX
    try:
        values = json.loads(index.read_text())
        version = values["format"]
        if version != FORMAT:
            raise WyhError(
                f"{index}: got format version {version!r}, wanted {FORMAT}; prepare the data again"
            )
        dataset = Dataset(
            path,
            DataSpec.from_json(values["spec"]),
            str(values["fingerprint"]),
            tuple(Recording(**recording) for recording in values["recordings"]),
            {
                "train": tuple(Shard(**shard) for shard in values["shards"]["train"]),
                "test": tuple(Shard(**shard) for shard in values["shards"]["test"]),
            },
            tuple(values["classes"]),
        )
    except (ValueError, KeyError, TypeError) as error:
        raise WyhError(f"{index}: damaged ({error!r}); prepare the data again") from None
    for shard in (*dataset.shards["train"], *dataset.shards["test"]):
        file = path / shard.file
        if not file.is_file():
            raise WyhError(f"{file}: this shard is missing; prepare the data again")
        if file.stat().st_size != shard.bytes:
            raise WyhError(
                f"{file}: got {file.stat().st_size} bytes, wanted {shard.bytes}; "
                "the shard is damaged: prepare the data again"
            )
    return dataset


def batches(dataset: Dataset, split: Split, batch_size: int, seed: int) -> Any:
    """Endless shuffled batches, a `grain.MapDataset`: `batches(...)[step]` is the batch of a step.

    Every epoch has its own order. It depends on the seed alone, so resuming needs no iterator's
    state, and all processes of a distributed run see the same batches.

    Raises:
      WyhError: when the split is empty.
    """
    import grain  # 0.5 s: only training needs it

    source = dataset.split(split)
    if not len(source):
        raise WyhError(f"{dataset.path}: the split {split!r} has no examples; give more footage")
    order = grain.MapDataset.range(len(source)).seed(seed).shuffle().repeat()
    return order.batch(batch_size, batch_fn=partial(dataset.read, source))


class Frames(NamedTuple):
    """Every frame of a split, in order. `recording` is the place in `Dataset.recordings`."""

    pixels: UInt8[np.ndarray, "n height width channel"]
    start_secs: Float64[np.ndarray, " n"]
    recording: Int32[np.ndarray, " n"]


def load_frames(dataset: Dataset, split: Split) -> Frames:
    """All frames of a split in memory, for small sets: no window, no sound."""
    time = dataset.spec.frames_per_window
    count = dataset.count(split)
    pixels = np.empty((count, time, *dataset.spec.video.shape), np.uint8)
    starts = np.empty((count, time), np.float64)
    recording = np.empty((count, time), np.int32)
    after = np.arange(time) / float(dataset.spec.video.frame_rate)
    row = 0
    for path in dataset.paths(split):
        for record in read_records(path):
            batch = dataset.decode([record])
            pixels[row] = batch["frames"][0]
            starts[row] = batch["start_secs"][0] + after
            recording[row] = batch["recording"][0]
            row += 1
    return Frames(pixels.reshape(-1, *dataset.spec.video.shape), starts.ravel(), recording.ravel())
