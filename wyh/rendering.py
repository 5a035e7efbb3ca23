"""One file rendered into one file: a film's sound, or the pictures of a sound."""

from contextlib import ExitStack
from itertools import chain
from pathlib import Path

from tqdm import tqdm

from wyh.errors import WyhError
from wyh.knobs import Knobs
from wyh.media.decode import open_audio, open_video, probe
from wyh.media.encode import MovieWriter, WavWriter
from wyh.transducers.kinds import Player
from wyh.transducers.offline import sonify, visualize
from wyh.windows import on_grid

# tqdm has no total where the file does not tell its length, or tells less than there is.
_BAR = "{desc}: {percentage:3.0f}%|{bar}| {n:.0f}/{total_fmt} s [{elapsed}<{remaining}]"


def render_sound(source: Path, out: Path, player: Player, turned: Knobs, *, seed: int = 0) -> None:
    """Write the sound of a film, alone or with the film's own pictures.

    Args:
      source: a video.
      out: .wav for the sound alone, .mp4, .mkv or .mov for both; its folder is made.
      player: of a run that makes sound.
      turned: the knobs.
      seed: of the sound's random phases.

    Raises:
      WyhError: the source cannot be read whole or the output cannot be written; no output is left.
    """
    spec = player.transducer.spec
    with ExitStack() as stack:
        bar = stack.enter_context(_progress(source))
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
            movie = stack.enter_context(
                MovieWriter(
                    out,
                    sample_rate=rate,
                    channels=channels,
                    copy_from=source,
                    start_secs=reader.start_secs,
                )
            )
            write = movie.write_audio
        seen = chain([first], frames)
        for block in sonify(player.transducer, player.variables, seen, turned, seed=seed):
            write(block)
            bar.update(len(block) / rate)


def render_pictures(
    source: Path, out: Path, player: Player, turned: Knobs, *, seed: int = 0
) -> str | None:
    """Write the pictures of a sound, with that sound.

    Nothing but the output is written to disk, and memory does not grow with the length.

    Args:
      source: any file with sound; of a film, the pictures do not count.
      out: .mp4, .mkv or .mov; its folder is made.
      player: of a run that makes pictures.
      turned: the knobs.
      seed: of the drift.

    Returns:
      What is wrong with the source, in one line, where it is damaged: what can be heard of it was
      rendered. None where all is well.

    Raises:
      WyhError: the source cannot be heard or the output cannot be written; no output is left.
    """
    spec = player.transducer.spec
    with ExitStack() as stack:
        bar = stack.enter_context(_progress(source))
        rate = spec.audio.sample_rate
        heard = stack.enter_context(open_audio(source, rate, start_secs=None, strict=False))
        pictures = visualize(player.transducer, player.variables, heard, turned, seed=seed)
        first = next(pictures)  # nothing is written of what cannot be heard
        out.parent.mkdir(parents=True, exist_ok=True)
        movie = MovieWriter(out, video=spec.video, sound_from=source, scaling="bicubic")
        stack.enter_context(movie)
        for frames in chain([first], pictures):
            movie.write_frames(frames)
            bar.update(len(frames) / float(spec.video.frame_rate))
    return heard.damage


def _progress(source: Path) -> "tqdm[None]":
    """A bar of seconds."""
    secs = probe(source).duration_secs
    total = round(secs) if secs else None
    return tqdm(desc=source.name, total=total, disable=None, leave=False, bar_format=_BAR)
