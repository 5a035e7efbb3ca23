"""Rendering and data preparation against plain ffmpeg, which only decodes.

    python -m benchmarks.media [FILM.mp4] [--run RUN]

The film is ten minutes of 720p, made of the bundled half minute, unless one is given. Each command
is a process of its own, in turn with `ffmpeg -i FILM.mp4 -map 0:v:0 -f null -`; the ratio is
ffmpeg's time over ours, pair by pair. What a command needs for the first second of the film alone
counts as its start-up and is taken off.
"""

import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import imageio_ffmpeg
import tyro

from benchmarks.inputs import LOOPS, long_film, short_run
from benchmarks.side_by_side import Job, Row, compared, interleave, rounded, show
from wyh.cli import run as run_command
from wyh.errors import WyhError

STARTS = 3  # start-ups, of which the median counts
START_SECS = 2.5  # wanted of a start of wyh.render, to the end of a film of one second


@dataclass(frozen=True)
class Options:
    """Time whole commands in turn."""

    film: tyro.conf.Positional[Path | None] = None  # ten minutes of 720p unless given
    run: Path | None = None  # to render with; one of a few training steps unless given
    rounds: int = 3  # of every command in turn with ffmpeg
    loops: int = LOOPS  # half minutes that the film is made of


class Command(NamedTuple):
    """One of ours, and the part of ffmpeg's speed that is wanted of it."""

    name: str
    of: Callable[[str], list[str]]  # the command line for a film, to a new place each time
    wanted: float
    start_secs: float | None = None  # wanted of a start-up


def call(command: list[str]) -> None:
    """Run a command that must succeed.

    Raises:
      WyhError: it failed.
    """
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["nothing"])[-1]
        raise WyhError(f"got exit status {done.returncode}, wanted 0; it said: {last}")


def compare(command: Command, film: str, short: str, decode: list[str], rounds: int) -> list[Row]:
    """The ratio to ffmpeg, and the time of a start-up.

    Args:
      command: ours.
      film: the long one.
      short: its first second.
      decode: ffmpeg's command for the long one.
      rounds: pairs of measurements.
    """
    # The round before fills the compilation cache.
    starts = interleave({"start": lambda: call(command.of(short))}, STARTS)["start"]
    start = statistics.median(starts)
    pair: dict[str, Job] = {
        "wyh": lambda: call(command.of(film)),
        "ffmpeg": lambda: call(decode),
    }
    took = interleave(pair, rounds, warm_up=0)
    own = [secs - start for secs in took["wyh"]]
    if min(own) <= 0:
        raise WyhError("got a film that takes no longer than the start-up, wanted a longer one")
    spread = rounded(min(starts)), rounded(max(starts))
    what = f"{command.name}, a film of 1 s, start and all"
    return [
        compared(command.name, own, took["ffmpeg"], "ffmpeg, decoding alone", command.wanted),
        Row(what, rounded(start), "s", command.start_secs, "lower", range=spread),
    ]


def main(options: Options) -> None:
    """Print two rows a command."""
    ffmpeg = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error"]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        film = str(options.film or long_film(folder, options.loops))
        short = str(folder / "short.mp4")
        call([*ffmpeg, "-i", film, "-t", "1", "-c", "copy", short])
        run = str(options.run or short_run(folder))
        decode = [*ffmpeg, "-i", film, "-map", "0:v:0", "-f", "null", "-"]

        def render(film: str, suffix: str) -> list[str]:
            out = str(folder / f"out{suffix}")
            return [sys.executable, "-m", "wyh.render", film, "--run", run, "--out", out]

        def prepare(film: str) -> list[str]:
            out = tempfile.mkdtemp(dir=folder)
            return [sys.executable, "-m", "data_prep.video", film, "--out", f"{out}/data"]

        for command in (
            Command("wyh.render to .wav", lambda film: render(film, ".wav"), 0.8, START_SECS),
            Command("wyh.render to .mp4", lambda film: render(film, ".mp4"), 0.7, START_SECS),
            Command("data_prep.video", prepare, 0.8),
        ):
            for row in compare(command, film, short, decode, options.rounds):
                show(row)


if __name__ == "__main__":
    run_command(main, Options, "python -m benchmarks.media")
