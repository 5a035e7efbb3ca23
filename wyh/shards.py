"""Finishing a data set: its parts joined into shards, and what TFDS and wyh want to know of them.

`wyh.json` is written last and makes the directory valid.
"""

import json
import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from wyh.dataset import FORMAT, INDEX, NAME, DataSpec, Recording, Shard
from wyh.errors import WyhError
from wyh.parts import SHARD_BYTES, Part, write_json


def finish(
    out: Path,
    work: Path,
    mark: str,
    spec: DataSpec,
    parts: Sequence[Part],
    recordings: Sequence[Recording],
    classes: Sequence[str] = (),
    limit: int = SHARD_BYTES,
) -> None:
    """Join the parts, in order, into shards; write the metadata; remove the work folder.

    Can be interrupted anywhere and called again.

    Raises:
      WyhError: when a part has disappeared.
    """
    shards: dict[str, list[Shard]] = {}
    for split in ("train", "test"):
        groups = _group([part for part in parts if part.split == split], limit)
        shards[split] = [
            _join(out, work, f"{NAME}-{split}.tfrecord-{k:05d}-of-{len(groups):05d}", group)
            for k, group in enumerate(groups)
        ]
    _write_tfds(out, spec, shards)
    index = {
        "format": FORMAT,
        "fingerprint": mark,
        "spec": spec.to_json(),
        "classes": list(classes),
        "recordings": [recording._asdict() for recording in recordings],
        "shards": {split: [shard._asdict() for shard in of] for split, of in shards.items()},
    }
    write_json(out / INDEX, index)
    shutil.rmtree(work)


def _group(parts: Sequence[Part], limit: int) -> list[list[Part]]:
    """Neighbours together, up to `limit` bytes."""
    groups: list[list[Part]] = []
    size = limit
    for part in parts:
        if size + part.bytes > limit:
            groups.append([])
            size = 0
        groups[-1].append(part)
        size += part.bytes
    return groups


def _join(out: Path, work: Path, name: str, group: Sequence[Part]) -> Shard:
    """One shard of several parts, which are removed when it is whole."""
    size = sum(part.bytes for part in group)
    shard = Shard(name, sum(part.records for part in group), size)
    final = out / name
    if final.exists() and final.stat().st_size == size:  # from an interrupted call
        return shard
    sources = [work / part.file for part in group]
    for source in sources:
        if not source.exists():
            raise WyhError(f"{source}: this part is missing; delete {work} and prepare again")
    if len(group) == 1:
        os.replace(sources[0], final)
        return shard
    whole = work / f"{name}.part"
    with open(whole, "wb") as target:
        for source in sources:
            with open(source, "rb") as file:
                shutil.copyfileobj(file, target, 1 << 20)
        target.flush()
        os.fsync(target.fileno())
    os.replace(whole, final)
    for source in sources:
        source.unlink()
    return shard


def _write_tfds(out: Path, spec: DataSpec, shards: Mapping[str, Sequence[Shard]]) -> None:
    """`features.json` and `dataset_info.json`, so that TFDS reads the directory."""
    import numpy as np
    import tensorflow_datasets as tfds

    def tensor(shape: tuple[int, ...], dtype: Any) -> Any:
        return tfds.features.Tensor(shape=shape, dtype=dtype, encoding="bytes")

    features = {
        "frames": tensor(spec.frames_shape, np.uint8),
        "audio": tensor((spec.window.window_samples,), np.int16),
        "start_secs": tensor((), np.float64),
        "recording": tfds.features.Text(),
    }
    for name, wanted in (("label", spec.labelled), ("fold", spec.folded)):
        if wanted:
            features[name] = tfds.features.Scalar(dtype=np.int64)
    template = "{DATASET}-{SPLIT}.{FILEFORMAT}-{SHARD_X_OF_Y}"
    splits = [
        tfds.core.SplitInfo(
            name=split,
            shard_lengths=[shard.records for shard in of],
            num_bytes=sum(shard.bytes for shard in of),
            filename_template=tfds.core.ShardedFileTemplate(
                data_dir=out,
                dataset_name=NAME,
                split=split,
                filetype_suffix="tfrecord",
                template=template,
            ),
        )
        for split, of in shards.items()
        if of
    ]
    tfds.folder_dataset.write_metadata(
        data_dir=out,
        features=tfds.features.FeaturesDict(features),
        split_infos=splits,
        version="1.0.0",
        description=f"Windows of pictures and sound in sync: {json.dumps(spec.to_json())}",
        check_data=False,
    )
