"""The whole instrument as a performer starts it: how soon, how late, without a gap, at what cost.

    python -m benchmarks.on_stage                  # a minute of playing, about 3 minutes in all
    python -m benchmarks.on_stage --secs 600

`python -m wyh.live` plays a film of 30 frames a second, again and again, into a speaker of a
PulseAudio server of its own, at the run's rate. What the monitor of that speaker recorded is
compared, sample by sample, with a replay of the live log. Needs the Debian packages pulseaudio and
pulseaudio-utils.
"""

import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float32

from benchmarks.inputs import short_run
from benchmarks.side_by_side import Row, rounded, show
from tests.media import pulse
from wyh import knobs
from wyh.cli import run as run_command
from wyh.errors import WyhError
from wyh.live.log import read_log
from wyh.live.output import FADE_IN_SECS, FADE_OUT_SECS
from wyh.live.replay import replay
from wyh.media import ffmpeg
from wyh.media.decode import open_video
from wyh.runs import load_run
from wyh.samples import SAMPLE
from wyh.transducers.compile import compile_transducer
from wyh.transducers.kinds import Player, load_player

FRAME_RATE = 30
_CHUNK, _SEARCH_SECS, _SAME = 2048, 2.0, 2e-5


@dataclass(frozen=True)
class Options:
    """Play, record, and compare."""

    secs: float = 60.0
    run: Path | None = None  # to play; one of a few training steps unless given


def film_of_30(folder: Path) -> Path:
    """The bundled film at 30 frames a second, without its sound."""
    film = folder / "film30.mp4"
    look = ["-vf", f"fps={FRAME_RATE}", "-an", "-c:v", "libx264", "-preset", "veryfast"]
    ffmpeg.output_of(["-i", ffmpeg.as_argument(SAMPLE), *look, ffmpeg.as_argument(film)])
    return film


class Playing:
    """A `wyh live` of its own, watched from outside."""

    def __init__(self, run: Path, environment: dict[str, str], *words: str):
        command = [sys.executable, "-m", "wyh.live", "--run", str(run), "--json", *words]
        self._process = subprocess.Popen(
            command, env=os.environ | environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        self.memory_mb: list[float] = []
        self.cpu_secs = 0.0
        threading.Thread(target=self._watch, daemon=True).start()

    def _watch(self) -> None:
        about = Path(f"/proc/{self._process.pid}")
        tick, page = os.sysconf("SC_CLK_TCK"), os.sysconf("SC_PAGE_SIZE")
        try:
            while self._process.poll() is None:
                fields = (about / "stat").read_text().rpartition(")")[2].split()
                self.cpu_secs = (int(fields[11]) + int(fields[12])) / tick
                self.memory_mb.append(int(fields[21]) * page / 1e6)
                time.sleep(1.0)
        except (OSError, IndexError):
            return

    def summary(self) -> dict[str, Any]:
        """Wait for the end."""
        out, err = self._process.communicate()
        if self._process.returncode:
            raise WyhError(f"wyh live failed: {err.decode().splitlines()[-1]}")
        found: dict[str, Any] = json.loads(out)
        return found


def expected(player: Player, film: Path, log: Path) -> Float32[np.ndarray, " samples"]:
    """What the log says was played."""
    spec = player.transducer.spec
    with open_video(film, spec.video) as reader:
        frames = np.concatenate([some.pixels for some in reader])
    compiled = compile_transducer(
        player.transducer, player.variables, knobs.defaults(), seed=0, emit_ticks=16
    )
    events = read_log(log)

    class Again(dict[int, np.ndarray]):
        def __missing__(self, number: int) -> np.ndarray:
            return np.asarray(frames[number % len(frames)])

    return replay(compiled, player.variables, Again(), events, knobs.defaults())


def compare(
    heard: Float32[np.ndarray, " samples"], played: Float32[np.ndarray, " samples"], rate: int
) -> dict[str, int]:
    """How many samples of `played` are missing, or there twice, in what was heard of it.

    The fades at both ends are left out.
    """
    at = round(FADE_IN_SECS * rate) + _CHUNK
    end = len(played) - round(FADE_OUT_SECS * rate) - _CHUNK
    place = _find(heard, played[at : at + _CHUNK], 0, len(heard))
    if place is None:
        raise WyhError("nothing of what was played is in the recording")
    found = {"missing": 0, "repeated": 0, "compared": 0}
    while at + _CHUNK <= end:
        chunk = played[at : at + _CHUNK]
        there = heard[place : place + _CHUNK]
        if len(there) < _CHUNK or np.abs(there - chunk).max() > _SAME:
            near = round(_SEARCH_SECS * rate)
            again = _find(heard, chunk, max(0, place - near), place + near)
            if again is None:
                found["missing"] += _CHUNK
                at += _CHUNK
                continue
            found["missing" if again < place else "repeated"] += abs(again - place)
            place = again
        found["compared"] += _CHUNK
        at, place = at + _CHUNK, place + _CHUNK
    return found


def _find(heard: np.ndarray, chunk: np.ndarray, first: int, last: int) -> int | None:
    """Where a piece of sound begins in what was heard."""
    candidates = first + np.flatnonzero(np.abs(heard[first:last] - chunk[0]) <= _SAME)
    for place in candidates:
        there = heard[place : place + len(chunk)]
        if len(there) == len(chunk) and np.abs(there - chunk).max() <= _SAME:
            return int(place)
    return None


def starts(run: Path, film: Path, folder: Path, environment: dict[str, str]) -> None:
    """How soon there is sound."""
    environment = environment | {"WYH_CACHE": str(folder / "cache")}
    words = ("--source", str(film), "--sink", "speaker", "--duration", "1")
    for what, wanted in (("first ever", 4.0), ("again", 2.0)):
        secs = Playing(run, environment, *words).summary()["first_sound_secs"]
        show(Row(f"launch to first sound, {what}", secs, "s", wanted, "lower"))


def delays(run: Path, environment: dict[str, str]) -> None:
    """How late a picture is heard, by the loopback of the speaker."""
    for what, words, wanted in (
        ("default", (), 160.0),
        ("--performance", ("--performance",), 80.0),
    ):
        listening = ("--sink", "speaker", "--measure", "--listen", "mic:loopback")
        found = Playing(run, environment, *listening, *words).summary()["flash_to_sound_ms"]
        for point in ("begins", "half"):
            spread = (found[point]["min"], found[point]["max"])
            show(
                Row(
                    f"flash to sound, {what}, {point}, p50",
                    found[point]["p50"],
                    "ms",
                    wanted if point == "begins" else None,
                    "lower",
                    range=spread,
                )
            )


def main(options: Options) -> None:
    """Print one row a figure."""
    if pulse.MISSING:
        raise WyhError(f"got no {', '.join(pulse.MISSING)}; it {pulse.REASON}")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        run = options.run or short_run(folder / "run")
        player, film = load_player(load_run(run)), film_of_30(folder)
        rate = player.transducer.spec.audio.sample_rate
        with pulse.serve(rate) as server:
            environment, log = server.environment, folder / "log.jsonl"
            starts(run, film, folder, environment)
            delays(run, environment)
            with server.recording() as recording:
                words = ("--source", str(film), "--loop", "--sink", "speaker", "--log", str(log))
                playing = Playing(run, environment, *words, "--duration", str(options.secs))
                summary = playing.summary()
                time.sleep(1.0)  # what is under way to the monitor
                heard = recording.samples()
        found = compare(heard, expected(player, film, log), rate)
        for name, samples in found.items():
            what, fine = f"{options.secs:g} s of playing: {name}", name == "compared"
            wanted = None if fine else 0.0
            show(Row(what, samples, "samples", wanted, "higher" if fine else "lower"))
        show(Row("underruns", summary["underruns"], "", 0.0, "lower"))
        share = 100 * playing.cpu_secs / summary["secs"]
        show(Row("processor, of one core, start included", rounded(share), "%", 60.0, "lower"))
        settled = playing.memory_mb[min(10, len(playing.memory_mb) // 2) :]
        growth = 100 * (settled[-1] / settled[0] - 1)
        show(Row("memory, from 10 s on: growth", rounded(growth), "%", 2.0, "lower"))
        show(Row("memory", rounded(settled[-1]), "MB", better="lower"))


if __name__ == "__main__":
    run_command(main, Options, "python -m benchmarks.on_stage")
