"""Rendering and data preparation against plain ffmpeg, which only decodes.

    python -m benchmarks.media FILM.mp4 --run RUN

Use ten minutes of 720p. Each command is a process of its own, in turn with
`ffmpeg -i FILM.mp4 -map 0:v -f null -`; the ratio is ffmpeg's time over ours, pair by pair. What a
command needs on the first second of the film alone counts as its start-up and is taken off.
"""

import json
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import imageio_ffmpeg
import tyro


@dataclass(frozen=True)
class Options:
    """Time whole commands in turn."""

    film: tyro.conf.Positional[Path]
    run: Path  # to render with
    rounds: int = 5


def seconds(command: list[str]) -> float:
    """Wall time of a command that must succeed."""
    start = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return time.perf_counter() - start


def main(options: Options) -> None:
    """Print one JSON object a command."""
    ffmpeg = imageio_ffmpeg.get_ffmpeg_exe()
    with tempfile.TemporaryDirectory() as folder:
        short = f"{folder}/short.mp4"
        cut = [ffmpeg, "-v", "error", "-i", str(options.film), "-t", "1", "-c", "copy", short]
        subprocess.run(cut, check=True)

        def decode(film: str) -> list[str]:
            return [ffmpeg, "-v", "error", "-i", film, "-map", "0:v:0", "-f", "null", "-"]

        def render(film: str, suffix: str) -> list[str]:
            out = f"{folder}/out{suffix}"
            command = [sys.executable, "-m", "wyh.render", film]
            return [*command, "--run", str(options.run), "--out", out]

        def prepare(film: str) -> list[str]:
            out = tempfile.mkdtemp(dir=folder)
            return [sys.executable, "-m", "data_prep.video", film, "--out", f"{out}/data"]

        def compare(name: str, command: object) -> None:
            assert callable(command)
            seconds(command(short))  # fills the compilation cache
            start = statistics.median(seconds(command(short)) for _ in range(3))
            pairs = []
            for _ in range(options.rounds):
                own = seconds(command(str(options.film))) - start
                pairs.append((seconds(decode(str(options.film))), own))
            ratios = [plain / own for plain, own in pairs]
            print(
                json.dumps(
                    {
                        "command": name,
                        "ratio": round(statistics.median(ratios), 3),
                        "ratio_range": [round(min(ratios), 3), round(max(ratios), 3)],
                        "secs": round(statistics.median(own for _, own in pairs), 2),
                        "start_secs": round(start, 2),
                        "ffmpeg_secs": round(statistics.median(plain for plain, _ in pairs), 2),
                    }
                ),
                flush=True,
            )

        compare("wyh.render to .wav", lambda film: render(film, ".wav"))
        compare("wyh.render to .mp4", lambda film: render(film, ".mp4"))
        compare("data_prep.video", prepare)


if __name__ == "__main__":
    main(tyro.cli(Options))
