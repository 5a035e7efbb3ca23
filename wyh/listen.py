"""The inverse of a run: pictures out of the sound it made, or sound out of the pictures it made.

    python -m wyh.listen heard.wav --out seen.mp4
    python -m wyh.listen heard.wav --out seen.mp4 --beside film.mp4
    python -m wyh.listen seen.mp4 --run runs/synesthesia --out heard.wav
    python -m wyh.listen photo.png --run runs/synesthesia --out heard.wav --duration 10

Which of the two it is, the run decides. Sound may be at any level, with noise, and some
milliseconds early or late; it may come from a .wav, or from a film that has it as its sound.
Pictures may have any size and any rate.
"""

import sys
from dataclasses import dataclass
from pathlib import Path

import tyro

from wyh.cli import run as run_command
from wyh.errors import WyhError, check_range
from wyh.listening import hear_again, see_again
from wyh.run_choice import choose_run
from wyh.specs import Direction
from wyh.transducers.compile import use_compilation_cache
from wyh.transducers.kinds import load_player
from wyh.transducers.reader import Target

SUFFIXES: dict[Direction, tuple[str, ...]] = {
    "see-hear": (".mp4", ".mkv", ".mov"),
    "hear-see": (".wav",),
}

KINDS: dict[Direction, str] = {"see-hear": "autoencoder", "hear-see": "synesthesia"}
"""Of the runs that have an inverse."""


@dataclass(frozen=True)
class Config:
    """Listen to what a run has made: show the pictures that its sound tells of, or the reverse."""

    input: tyro.conf.Positional[Path]  # sound, or a film with it; or a film, or a picture
    out: Path  # .mp4, .mkv or .mov for pictures with their sound; .wav for sound
    run: Path | None = None  # the run that made the input; the newest that fits unless given
    checkpoint: str = "best"  # best, latest, or a step's number
    beside: Path | None = None  # of sound: the film it was made of, to be shown on the left
    height: int | None = None  # of written pictures: in pixels, 16 to 2048; 256 unless given
    target: Target = "features"  # of pictures: noise as it was heard, or raw, the waveform itself
    duration: float | None = None  # of pictures: seconds, 0.05 to 3600; 4 of a single one
    seed: int = 0  # of the noise


def main(config: Config) -> None:
    """Write what is seen or heard."""
    suffix = config.out.suffix.lower()
    made = next((way for way, suffixes in SUFFIXES.items() if suffix in suffixes), None)
    kind = KINDS[made] if made else None  # the newest run may be one that has no inverse
    run, note = choose_run(config.run, direction=made, kind=kind)
    use_compilation_cache()
    player = load_player(run, config.checkpoint)
    direction = player.transducer.spec.direction
    check(config, run.directory, direction)
    if note:
        print(note.replace("playing", "listening with"), file=sys.stderr)
    if direction == "see-hear":
        height = 256 if config.height is None else config.height
        see_again(config.input, config.out, player, beside=config.beside, height=height)
    else:
        hear_again(
            config.input,
            config.out,
            player,
            target=config.target,
            secs=config.duration,
            seed=config.seed,
        )
    print(config.out)


def check(config: Config, run: Path, direction: Direction) -> None:
    """Refuse options that cannot be, or are of no use for the run.

    Raises:
      WyhError: with what to do instead.
    """
    sees = direction == "see-hear"
    made, back = ("sound", "pictures") if sees else ("pictures", "sound")
    unfit = {
        "--beside": not sees and config.beside is not None,
        "--height": not sees and config.height is not None,
        "--target": sees and config.target != "features",
        "--duration": sees and config.duration is not None,
    }
    for option, given in unfit.items():
        if given:
            raise WyhError(
                f"got {option}, but {run} makes {made}, which is turned back into {back}: leave it "
                f"out"
            )
    suffixes = SUFFIXES[direction]
    if config.out.suffix.lower() not in suffixes:
        raise WyhError(f"got --out {config.out}, wanted a name in {', '.join(suffixes)}")
    if config.height is not None and not 16 <= config.height <= 2048:
        raise WyhError(f"got --height {config.height}, wanted 16 to 2048")
    if config.duration is not None:
        check_range("--duration", config.duration, 0.05, 3600, "s")
    for source in (config.input, config.beside):
        if source is not None and config.out.exists() and config.out.samefile(source):
            raise WyhError(f"{config.out} is an input itself: choose another --out")


if __name__ == "__main__":
    run_command(main, Config, "wyh listen")
