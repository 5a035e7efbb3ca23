"""Video files -> their sound, or the same videos with that sound.

python -m wyh.render film.mp4 --out heard.mp4
python -m wyh.render one.mp4 two.mkv --out heard/ --format wav
"""

import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import tyro
from tqdm import tqdm

from wyh import knobs
from wyh.cli import run as run_command
from wyh.errors import WyhError
from wyh.media.decode import open_video, probe
from wyh.media.encode import MovieWriter, WavWriter
from wyh.media.find import find_files, kind_by_name
from wyh.runs import choose_run
from wyh.transducers.compile import use_compilation_cache
from wyh.transducers.kinds import Player, load_player
from wyh.transducers.offline import sonify
from wyh.windows import on_grid

SUFFIXES = (".wav", ".mp4", ".mkv", ".mov")


@dataclass(frozen=True)
class Config:
    """Play a model over files: each picture's sound, in sync, as long as the pictures."""

    inputs: tyro.conf.Positional[tuple[Path, ...]]  # videos, or folders with some
    out: Path  # .wav, .mp4, .mkv or .mov; a directory where there are several inputs
    run: Path | None = None  # the run to play; the newest under runs/ unless given
    checkpoint: str = "best"  # best, latest, or a step's number
    format: Literal["mp4", "mkv", "mov", "wav"] = "mp4"  # of the files in an output directory
    stereo: bool = False  # two channels: what is left in the picture sounds from the left
    set: tuple[str, ...] = ()  # knobs as name=value, such as phase=random gain_db=-6
    seed: int = 0  # of the sound's random phases
    transducer: str | None = None  # module:function, for a kind of your own


def main(config: Config) -> None:
    """Render all inputs; those that cannot be are listed on stderr."""
    turned = knobs.parse(config.set)
    jobs = plan(config)
    for _, out in jobs:
        if out.exists() and any(out.samefile(source) for source, _ in jobs):
            raise WyhError(f"{out} is an input itself: choose another --out")
    run, note = choose_run(config.run)
    if note:
        print(note, file=sys.stderr)
    use_compilation_cache()
    player = load_player(run, config.checkpoint, config.transducer, stereo=config.stereo)
    if player.transducer.spec.direction != "see-hear":
        raise WyhError(f"{run.directory} makes pictures from sound: give it sound to render")
    failed: dict[Path, WyhError] = {}
    for source, out in jobs:
        try:
            render(source, out, player, turned, seed=config.seed)
        except WyhError as error:
            failed[source] = error
    if len(failed) == len(jobs):
        more = f" (and {len(failed) - 1} more)" if len(failed) > 1 else ""
        raise WyhError(f"{next(iter(failed.values()))}{more}")
    for reason in failed.values():
        print(f"left out: {reason}", file=sys.stderr)
    for source, out in jobs:
        if source not in failed:
            print(out)


def plan(config: Config) -> list[tuple[Path, Path]]:
    """What is rendered into which file.

    Raises:
      WyhError: nothing to render, or an output of an unknown kind.
    """
    named, found = find_files(config.inputs, leave_out=config.out)
    sources = named + [path for path in found if kind_by_name(path) in ("video", "")]
    if not sources:
        raise WyhError("got no video files, wanted at least one")
    suffix = config.out.suffix.lower()
    to_file = bool(suffix) and not config.out.is_dir()
    if to_file and suffix not in SUFFIXES:
        raise WyhError(f"got --out {config.out}, wanted a name in {', '.join(SUFFIXES)}")
    if to_file and len(sources) > 1:
        raise WyhError(f"got --out {config.out} for {len(sources)} inputs, wanted a directory")
    if to_file:
        return [(sources[0], config.out)]
    jobs: dict[Path, Path] = {}
    for source in sources:
        out, number = config.out / f"{source.stem}.{config.format}", 1
        while out in jobs:
            number += 1
            out = config.out / f"{source.stem}-{number}.{config.format}"
        jobs[out] = source
    return [(source, out) for out, source in jobs.items()]


def render(source: Path, out: Path, player: Player, turned: knobs.Knobs, *, seed: int = 0) -> None:
    """Render one video file.

    Raises:
      WyhError: the source cannot be read whole or the output cannot be written; no output is left.
    """
    spec = player.transducer.spec
    with ExitStack() as stack:
        secs = probe(source).duration_secs
        total = round(secs) if secs else None
        bar = stack.enter_context(
            tqdm(desc=source.name, total=total, disable=None, leave=False, bar_format=_BAR)
        )
        reader = stack.enter_context(open_video(source, spec.video))
        frames = on_grid(reader, spec.video.frame_rate)
        first = next(frames, None)
        if first is None:
            raise WyhError(f"{source}: no pictures, wanted a video")
        out.parent.mkdir(parents=True, exist_ok=True)
        rate, channels = spec.audio.sample_rate, spec.audio.channels
        if out.suffix.lower() == ".wav":
            wav = stack.enter_context(WavWriter(out, rate, channels=channels))
            write = wav.write
        else:
            movie = MovieWriter(
                out,
                sample_rate=rate,
                channels=channels,
                copy_from=source,
                start_secs=reader.start_secs,
            )
            write = stack.enter_context(movie).write_audio

        def all_frames() -> Iterator[np.ndarray]:
            yield first
            yield from frames

        sound = sonify(player.transducer, player.variables, all_frames(), turned, seed=seed)
        for block in sound:
            write(block)
            bar.update(len(block) / rate)


# tqdm has no total where the file does not tell its length, or tells less than there is.
_BAR = "{desc}: {percentage:3.0f}%|{bar}| {n:.0f}/{total_fmt} s [{elapsed}<{remaining}]"

if __name__ == "__main__":
    run_command(main, Config, "wyh render")
