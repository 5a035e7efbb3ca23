"""How fast records are written and read: one JSON line a figure, in examples a second.

    python -m benchmarks.records

An example is 3 frames of 64x64x3 and 735 samples of 16 bits. One core; best of 5 rounds, files in
the page cache. `per_cpu_sec` leaves out the time in which other programs had the core.
"""

import json
import os
import tempfile
import time
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import numpy as np

from wyh import parts, shards
from wyh.dataset import DataSpec, Recording, batches, encode_window, load_frames, open_dataset
from wyh.parts import Entry
from wyh.records import read_records
from wyh.specs import AudioSpec, VideoSpec

EXAMPLES = 6000
BATCH = 64
SPEC = DataSpec(VideoSpec(Fraction(30)), AudioSpec(7350), frames_per_window=3)


def best(name: str, round_: Callable[[], int], rounds: int = 5) -> None:
    """Print the best rate of some rounds; each returns its number of examples."""
    wall, cpu = [], []
    for _ in range(rounds):
        start, cpu_start = time.perf_counter(), time.process_time()
        count = round_()
        wall.append(count / (time.perf_counter() - start))
        cpu.append(count / (time.process_time() - cpu_start))
    figures = {"examples_per_sec": round(max(wall)), "per_cpu_sec": round(max(cpu))}
    print(json.dumps({"name": name, **figures}), flush=True)


def main() -> None:
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    rng = np.random.default_rng(0)
    frames = rng.integers(0, 256, (64, *SPEC.frames_shape), np.uint8)
    audio = rng.uniform(-1, 1, (64, SPEC.window.window_samples)).astype(np.float32)
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder)

        def write(work: Path) -> tuple[parts.Part, ...]:
            return parts.write_parts(
                work,
                "all",
                (
                    Entry("train", i, encode_window(frames[i % 64], audio[i % 64], i / 10, "a.mp4"))
                    for i in range(EXAMPLES)
                ),
                limit=8 << 20,
            )

        def timed_write() -> int:
            return sum(part.records for part in write(out))

        best("encoded and written", timed_write)
        with parts.work_folder(out, "0" * 16) as work:
            assert work is not None
            made, found = write(work), [Recording("a.mp4", EXAMPLES, 0)]
            shards.finish(out, work, "0" * 16, SPEC, made, found, limit=8 << 20)
        dataset = open_dataset(out)
        source = dataset.split("train")
        shuffled = batches(dataset, "train", BATCH, seed=0)
        steps = EXAMPLES // BATCH
        best("indexed", lambda: len(dataset.split("train")))
        best(
            "read in order",
            lambda: sum(1 for path in dataset.paths("train") for _ in read_records(path)),
        )
        order = rng.permutation(EXAMPLES).tolist()
        best("read at random", lambda: sum(1 for i in order if source[i]))
        best(
            "shuffled, parsed, in batches of 64",
            lambda: sum(len(shuffled[step]["frames"]) for step in range(steps)),
        )
        best("loaded into memory", lambda: len(load_frames(dataset, "train").pixels) // 3)


if __name__ == "__main__":
    main()
