"""How fast records are written and read, in examples a second.

    python -m benchmarks.records

An example is 3 frames of 64x64x3 and 735 samples of 16 bits. One core, files in the page cache.
`--clock cpu` leaves out the time in which other programs had the core.
"""

import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Literal

import numpy as np

from benchmarks.side_by_side import Job, interleave, per_second, show, use_one_core
from wyh import parts, shards
from wyh.cli import run as run_command
from wyh.dataset import DataSpec, Recording, batches, encode_window, load_frames, open_dataset
from wyh.parts import Entry
from wyh.records import read_records
from wyh.specs import AudioSpec, VideoSpec

EXAMPLES = 6000
BATCH = 64
SPEC = DataSpec(VideoSpec(Fraction(30)), AudioSpec(7350), frames_per_window=3)
IN_ORDER, SHUFFLED = "records read in order", "records shuffled, parsed, in batches of 64"
WANTED = {IN_ORDER: 40_000.0, SHUFFLED: 10_000.0}  # examples a second
CLOCKS = {"wall": time.perf_counter, "cpu": time.process_time}


@dataclass(frozen=True)
class Options:
    """Time the writing and reading of records."""

    rounds: int = 5  # of every job in turn
    clock: Literal["wall", "cpu"] = "wall"  # wall, or cpu: the time of this program alone


@contextmanager
def jobs() -> Iterator[dict[str, Job]]:
    """What is timed; each goes through `EXAMPLES` examples, or what batches make of them."""
    rng = np.random.default_rng(0)
    frames = rng.integers(0, 256, (64, *SPEC.frames_shape), np.uint8)
    audio = rng.uniform(-1, 1, (64, SPEC.window.window_samples)).astype(np.float32)

    def entries() -> Iterator[Entry]:
        for i in range(EXAMPLES):
            data = encode_window(frames[i % 64], audio[i % 64], i / 10, "a.mp4")
            yield Entry("train", i, data)

    def write(work: Path) -> tuple[parts.Part, ...]:
        return parts.write_parts(work, "all", entries(), limit=8 << 20)

    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder)
        with parts.work_folder(out, "0" * 16) as work:
            assert work is not None
            made, found = write(work), [Recording("a.mp4", EXAMPLES, 0)]
            shards.finish(out, work, "0" * 16, SPEC, made, found, limit=8 << 20)
        dataset = open_dataset(out)
        source = dataset.split("train")
        shuffled = batches(dataset, "train", BATCH, seed=0)
        order = rng.permutation(EXAMPLES).tolist()
        yield {
            "records encoded and written": lambda: write(out),
            "records indexed": lambda: len(dataset.split("train")),
            IN_ORDER: lambda: [None for path in dataset.paths("train") for _ in read_records(path)],
            "records read at random": lambda: [None for i in order if source[i]],
            SHUFFLED: lambda: [
                None for step in range(EXAMPLES // BATCH) if shuffled[step]["frames"].size
            ],
            "records loaded into memory": lambda: load_frames(dataset, "train"),
        }


def main(options: Options) -> None:
    """Print one row a job."""
    use_one_core()
    with jobs() as found:
        took = interleave(found, options.rounds, clock=CLOCKS[options.clock])
    for name, secs in took.items():
        count = EXAMPLES // BATCH * BATCH if name == SHUFFLED else EXAMPLES
        show(per_second(name, count, secs, "examples/s", WANTED.get(name)))


if __name__ == "__main__":
    run_command(main, Options, "python -m benchmarks.records")
