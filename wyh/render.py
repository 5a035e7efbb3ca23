"""Video files -> their sound, or the same videos with that sound; or sounds -> their pictures.

python -m wyh.render film.mp4 --out heard.mp4
python -m wyh.render one.mp4 two.mkv --out heard/ --format wav
python -m wyh.render song.mp3 --run runs/synesthesia --out seen.mp4 --size 1280x720
python -m wyh.render song.mp3 --run runs/hallucinate --out dream.mp4 --refine 8

Which of the two it is, the run decides.
"""

import re
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import tyro

from wyh import knobs
from wyh.cli import run as run_command
from wyh.errors import WyhError, check_range
from wyh.media.find import find_files, kind_by_name
from wyh.palette import with_palette
from wyh.reference import read_reference
from wyh.rendering import render_pictures, render_sound
from wyh.run_choice import choose_run
from wyh.runs import Run
from wyh.specs import Direction, SynthName, VideoSpec, as_rate
from wyh.transducers.compile import use_compilation_cache
from wyh.transducers.kinds import Player, load_player

SUFFIXES = (".wav", ".mp4", ".mkv", ".mov")


@dataclass(frozen=True)
class Config:
    """Play a model over files: each picture's sound, or each sound's pictures, in sync."""

    # Videos (for a run that makes pictures: any files with sound), or folders with some. Such runs
    # also take lists: .txt, .m3u or .m3u8 with a path in each line.
    inputs: tyro.conf.Positional[tuple[Path, ...]]
    out: Path  # .mp4, .mkv, .mov or, of sound, .wav; a directory where there are several inputs
    run: Path | None = None  # the run to play; the newest under runs/ unless given
    checkpoint: str = "best"  # best, latest, or a step's number
    format: Literal["mp4", "mkv", "mov", "wav"] = "mp4"  # of the files in an output directory
    synth: SynthName | None = None  # what makes the sound; the run's own unless given
    reference: Path | None = None  # a recording to take phases or grains from; the run's own
    stereo: bool = False  # two channels: what is left in the picture sounds from the left
    size: str | None = None  # of the pictures made, WIDTHxHEIGHT; those trained on unless given
    frame_rate: str | None = None  # of the pictures made, in Hz, such as 60 or 30000/1001
    palette: Path | None = None  # a picture whose colours to paint with
    refine: int = 0  # steps towards what each dreamt picture is to show, 0 to 1000: slow
    set: tuple[str, ...] = ()  # knobs as name=value, such as phase=random gain_db=-6
    seed: int = 0  # of the sound's random phases, or of where the forms begin
    transducer: str | None = None  # module:function, for a kind of your own


def main(config: Config) -> None:
    """Render all inputs; those that cannot be are listed on stderr."""
    knobs.parse(config.set)  # before anything is loaded
    run, note = choose_run(config.run, direction=wanted(config))
    turned = knobs.parse(config.set, knobs.begun_with(run.config))
    use_compilation_cache()
    player = open_player(config, run)
    direction = player.transducer.spec.direction
    jobs = plan(config, direction)
    for _, out in jobs:
        if out.exists() and any(source.exists() and out.samefile(source) for source, _ in jobs):
            raise WyhError(f"{out} is an input itself: choose another --out")
    if note:
        print(note, file=sys.stderr)
    failed: dict[Path, WyhError] = {}
    for source, out in jobs:
        try:
            if direction == "see-hear":
                render_sound(source, out, player, turned, seed=config.seed)
            elif damage := render_pictures(source, out, player, turned, seed=config.seed):
                print(f"rendered as far as it can be heard: {damage}", file=sys.stderr)
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


def open_player(config: Config, run: Run) -> Player:
    """What plays a run as the options want it.

    Raises:
      WyhError: the run cannot be played, or an option is out of range or of no use for it.
    """
    check_range("--refine", config.refine, 0, 1000, "steps")
    video = pictures_wanted(config, run)
    player = load_player(
        run,
        config.checkpoint,
        config.transducer,
        stereo=config.stereo,
        video=video,
        synth=config.synth,
        reference=read_reference(config.reference, run),
        refine=config.refine,
    )
    spec = player.transducer.spec
    for word in config.set:
        useful = knobs.of_run(spec.direction, run.kind, knobs.KNOBS)
        if (name := word.partition("=")[0]) not in useful:
            raise WyhError(f"got the knob {name!r}, wanted one of {', '.join(useful)}")
    if video and video != spec.video:
        only = f"{spec.video.width}x{spec.video.height} pixels at {spec.video.frame_rate} Hz"
        raise WyhError(f"{config.transducer} makes {only} alone: leave --size, --frame-rate out")
    return with_palette(player, config.palette) if config.palette else player


def pictures_wanted(config: Config, run: Run) -> VideoSpec | None:
    """The pictures that a run is to make; None where no option says so.

    Raises:
      WyhError: a size or rate that cannot be, or options of the other direction.
    """
    if run.stream is None:
        return None
    if run.stream.direction == "hear-see" and config.stereo:
        raise WyhError(f"got --stereo, but {run.directory} makes pictures: leave it out")
    if not (config.size or config.frame_rate):
        return None
    if run.stream.direction == "see-hear":
        given = "--size" if config.size else "--frame-rate"
        raise WyhError(f"got {given}, but {run.directory} makes sound: leave it out")
    video = run.stream.video
    if config.size:
        match = re.fullmatch(r"(\d{1,5})x(\d{1,5})", config.size)
        if not match:
            raise WyhError(
                f"got --size {config.size}, wanted WIDTHxHEIGHT in pixels, such as 1280x720"
            )
        video = replace(video, width=int(match[1]), height=int(match[2]))
    return replace(video, frame_rate=as_rate(config.frame_rate or video.frame_rate))


def wanted(config: Config) -> Direction | None:
    """The direction that inputs and output ask for, where they tell."""
    if all(kind_by_name(path) == "audio" for path in config.inputs):
        return "hear-see"
    return "see-hear" if "wav" in (config.out.suffix.lower()[1:], config.format) else None


def plan(config: Config, direction: Direction = "see-hear") -> list[tuple[Path, Path]]:
    """What is rendered into which file.

    Raises:
      WyhError: nothing to render, or an output of an unknown kind.
    """
    sees = direction == "see-hear"
    wanted, kinds = ("video", ("video", "")) if sees else ("sound", ("audio", "video", ""))
    suffixes = SUFFIXES if sees else SUFFIXES[1:]
    named, found = find_files(config.inputs, leave_out=config.out, lists=not sees)
    sources = named + [path for path in found if kind_by_name(path) in kinds]
    if not sources:
        raise WyhError(f"got no {wanted} files, wanted at least one")
    suffix = config.out.suffix.lower()
    to_file = bool(suffix) and not config.out.is_dir()
    if to_file and suffix not in suffixes:
        why = "" if sees else ": this run makes pictures"
        raise WyhError(f"got --out {config.out}, wanted a name in {', '.join(suffixes)}{why}")
    if not to_file and f".{config.format}" not in suffixes:
        raise WyhError(f"got --format {config.format}, but this run makes pictures: choose mp4")
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


if __name__ == "__main__":
    run_command(main, Config, "wyh render")
