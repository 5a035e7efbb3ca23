"""Sound back into pictures: what a listener who knows the run makes of a recording of it.

    python -m wyh.listen heard.wav --out seen.mp4
    python -m wyh.listen heard.wav --out seen.mp4 --beside film.mp4

The sound may be at any level, with noise, and some milliseconds early or late; it may come from a
.wav, or from a film that has it as its sound.
"""

import itertools
import math
import sys
from collections.abc import Generator
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import tyro
from tqdm import tqdm

from wyh.cli import run as run_command
from wyh.errors import WyhError
from wyh.media.decode import open_audio, open_video, probe
from wyh.media.encode import MovieWriter
from wyh.media.start import picture_start_secs
from wyh.runs import choose_run
from wyh.specs import VideoSpec
from wyh.transducers.compile import use_compilation_cache
from wyh.transducers.kinds import Player, listener_of, load_player
from wyh.transducers.listener import CHUNK
from wyh.windows import on_grid

SUFFIXES = (".mp4", ".mkv", ".mov")


@dataclass(frozen=True)
class Config:
    """Listen to the sound that a run has made, and show the pictures it tells of."""

    input: tyro.conf.Positional[Path]  # a sound, or a film with that sound
    out: Path  # .mp4, .mkv or .mov, with the pictures and the sound
    run: Path | None = None  # the run that made the sound; the newest under runs/ unless given
    beside: Path | None = None  # the film it was made of, to be shown on the left
    height: int = 256  # of the written pictures in pixels, 16 to 2048
    checkpoint: str = "best"  # best, latest, or a step's number


def main(config: Config) -> None:
    """Write the pictures that are heard."""
    if config.out.suffix.lower() not in SUFFIXES:
        raise WyhError(f"got --out {config.out}, wanted a name in {', '.join(SUFFIXES)}")
    if not 16 <= config.height <= 2048:
        raise WyhError(f"got --height {config.height}, wanted 16 to 2048")
    for given in (config.input, config.beside):
        if given is not None and config.out.exists() and config.out.samefile(given):
            raise WyhError(f"{config.out} is an input itself: choose another --out")
    run, note = choose_run(config.run)
    if note:
        print(note.replace("playing", "listening with"), file=sys.stderr)
    use_compilation_cache()
    player = load_player(run, config.checkpoint)
    listen(config.input, config.out, player, beside=config.beside, height=config.height)
    print(config.out)


def listen(
    source: Path, out: Path, player: Player, *, beside: Path | None = None, height: int = 256
) -> None:
    """Write a film of what is heard in one sound.

    Raises:
      WyhError: no listener, no sound, or the film cannot be written; no output is left.
    """
    listener, spec = listener_of(player), player.transducer.spec
    video, rate = spec.video, spec.audio.sample_rate
    sound = read_sound(source, rate)
    count = max(1, round(len(sound) * video.frame_rate / rate))
    codes = listener.codes(player.variables, sound, count)
    shown = replace(video, width=video.width * (2 if beside else 1))
    scale_to = (height, math.ceil(height * shown.width / shown.height))
    with ExitStack() as stack:
        originals = stack.enter_context(closing(_frames_of(beside, video))) if beside else None
        out.parent.mkdir(parents=True, exist_ok=True)
        movie = stack.enter_context(
            MovieWriter(out, sample_rate=rate, video=shown, scale_to=scale_to)
        )
        movie.write_audio(sound)
        for first in tqdm(range(0, count, CHUNK), desc=source.name, disable=None, leave=False):
            pictures = listener.seen(player.variables, codes[first : first + CHUNK])
            frames = np.rint(pictures * 255).astype(np.uint8)
            if originals is not None:
                left = np.zeros_like(frames)
                for place, frame in enumerate(itertools.islice(originals, len(frames))):
                    left[place] = frame
                frames = np.concatenate([left, frames], axis=2)
            movie.write_frames(frames)


def _frames_of(film: Path, video: VideoSpec) -> Generator[np.ndarray, None, None]:
    """The frames of a film, one by one, as the model sees them."""
    with open_video(film, video) as reader:
        for chunk in on_grid(reader, video.frame_rate):
            yield from chunk


def read_sound(source: Path, sample_rate: int) -> np.ndarray:
    """The sound of a file, `float32 [samples]`, from where its pictures begin if it has any.

    Raises:
      WyhError: there is none, or it is damaged.
    """
    start_secs = picture_start_secs(source) if probe(source).has_video else None
    with open_audio(source, sample_rate, start_secs=start_secs) as sound:
        return np.concatenate(list(sound))


if __name__ == "__main__":
    run_command(main, Config, "wyh listen")
