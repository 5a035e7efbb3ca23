"""All comparisons, one after the other: `make bench`.

    python -m benchmarks                   # all of them, about 18 minutes on 2 quiet cores
    python -m benchmarks istft media       # some
    python -m benchmarks --quick           # all in 5 minutes or so: rough figures

Writes `benchmarks/results/latest.json` and a table beside it. Figures of programs that were not
named stay where they come from the same machine. Quick figures are only printed, unless --out
says where to write them.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import tyro

from benchmarks import table
from benchmarks.inputs import need_torch, short_run
from benchmarks.rbm import need_scikit_learn
from benchmarks.side_by_side import Row
from wyh.cli import run as run_command
from wyh.errors import WyhError

RESULTS = Path(__file__).with_name("results")

# Each program, and its options where figures may be rough.
PROGRAMS = {
    "istft": ("--rounds", "3"),
    "training_step": ("--rounds", "3", "--steps", "3"),
    "live_tick": ("--ticks", "500"),
    "records": ("--rounds", "2"),
    "media": ("--rounds", "1", "--loops", "2"),
    "rbm": ("--rounds", "3", "--epochs", "5"),
    "dbn_epoch": ("--rounds", "3", "--steps", "20"),
    "dcgan_step": ("--rounds", "3", "--steps", "5"),
    "foley_tick": ("--ticks", "50", "--synths", "noise", "exemplar"),
    "overfit": ("--steps", "200"),
}
BUSY = 0.5  # programs that run at once, on average of the last minute
WITH_TORCH = {"istft", "training_step", "dbn_epoch", "dcgan_step"}
WITH_RUN = {"live_tick", "media"}

Name = Literal[
    "istft",
    "training_step",
    "live_tick",
    "records",
    "media",
    "rbm",
    "dbn_epoch",
    "dcgan_step",
    "foley_tick",
    "overfit",
]


@dataclass(frozen=True)
class Options:
    """Compare with peers, side by side on this machine."""

    names: tyro.conf.Positional[tuple[Name, ...]] = ()  # of the programs; all unless given
    quick: bool = False  # few rounds: rough figures
    run: Path | None = None  # to play; one of a few training steps unless given
    out: Path | None = None  # where to write; benchmarks/results unless --quick


def measure(command: Sequence[str]) -> list[Row]:
    """The rows that a program prints, told on as they come.

    Args:
      command: the program and its options.

    Raises:
      WyhError: it failed, or printed none.
    """
    rows = []
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for text in process.stdout:
            rows.append(table.row_of(json.loads(text)))
            print(table.line(rows[-1]), flush=True)
    if process.returncode or not rows:
        raise WyhError(
            f"got exit status {process.returncode} and {len(rows)} rows, wanted 0 and some"
        )
    return rows


def main(options: Options) -> None:
    """Run the programs, each in a process of its own, and write what they found."""
    names = [name for name in PROGRAMS if name in options.names or not options.names]
    if WITH_TORCH & set(names):
        need_torch()
    if "rbm" in names:
        need_scikit_learn()
    if hasattr(os, "getloadavg") and os.getloadavg()[0] > BUSY:
        # PyTorch's threads wait for one another most of all, so that ratios would flatter ours.
        print("other programs keep this machine busy: ratios will be too good", file=sys.stderr)
    about = table.machine(quick=options.quick)
    out = options.out or (None if options.quick else RESULTS)
    earlier = table.read(out, about) if out else {}
    found: dict[str, list[Row]] = {}
    failed = []
    with tempfile.TemporaryDirectory() as folder:
        run = options.run
        if run is None and WITH_RUN & set(names):
            print("training a few steps, for a run to play", file=sys.stderr, flush=True)
            run = short_run(Path(folder))
        for name in names:
            print(f"benchmarks.{name}", file=sys.stderr, flush=True)
            more = ["--run", str(run)] if name in WITH_RUN else []
            more += PROGRAMS[name] if options.quick else []
            try:
                found[name] = measure([sys.executable, "-m", f"benchmarks.{name}", *more])
            except WyhError as error:
                failed.append(f"{name}: {error}")
    if out and found:
        both = earlier | found
        table.write(out, about, {name: both[name] for name in PROGRAMS if name in both})
        print(f"written: {out / 'README.md'}", file=sys.stderr)
    if failed:
        raise WyhError("; ".join(failed))


if __name__ == "__main__":
    run_command(main, Options, "python -m benchmarks")
