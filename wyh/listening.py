"""One file listened to: the sound of pictures seen again, or pictures of sound heard again."""

import itertools
import math
from collections.abc import Generator, Iterable, Iterator
from contextlib import ExitStack, closing
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
from tqdm import tqdm

from wyh.errors import WyhError
from wyh.media.decode import measure_frame_rate, open_audio, open_video, probe
from wyh.media.encode import MovieWriter, WavWriter
from wyh.media.start import picture_start_secs
from wyh.specs import VideoSpec
from wyh.transducers.kinds import Player, listener_of, reader_of
from wyh.transducers.listener import CHUNK
from wyh.transducers.reader import Target
from wyh.windows import TimedFrames, on_grid

STILL_SECS = 4.0
"""How long one picture sounds."""

FASTEST = Fraction(240)
"""Pictures a second that are read at most."""


def see_again(
    source: Path, out: Path, player: Player, *, beside: Path | None = None, height: int = 256
) -> None:
    """Write a film of what is heard in one sound.

    Args:
      source: a sound that the run has made, or a film with that sound.
      out: .mp4, .mkv or .mov; its folder is made.
      player: of a run that makes sound.
      beside: the film the sound was made of, to be shown on the left.
      height: of the pictures.

    Raises:
      WyhError: no listener, no sound, or the film cannot be written; no output is left.
    """
    listener, spec = listener_of(player), player.transducer.spec
    if not probe(source).has_audio:
        raise WyhError(
            f"{source} has no sound, but {player.run.directory} makes sound: give listen such sound"
        )
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


def hear_again(
    source: Path,
    out: Path,
    player: Player,
    *,
    target: Target = "features",
    secs: float | None = None,
    seed: int = 0,
) -> None:
    """Write the sound that is read from a film or from one picture, whatever its size and shape.

    Args:
      source: pictures that the run has made.
      out: .wav; its folder is made.
      player: of a run that makes pictures.
      target: noise that has the features read, or the waveform as it is read.
      secs: of the sound: of one picture `STILL_SECS` unless given, of a film all at most.
      seed: of the noise.

    Raises:
      WyhError: the run cannot be read so, no picture, or the sound cannot be written; no output is
        left.
    """
    reader = reader_of(player)
    if not probe(source).has_video:
        raise WyhError(
            f"{source} has only sound, but {player.run.directory} makes pictures: give listen such "
            f"pictures"
        )
    # Pictures of another shape were made by stretching.
    video = replace(reader.video, fit="stretch")
    with ExitStack() as stack:
        chunks = iter(stack.enter_context(open_video(source, video)))
        first = next(chunks)  # there is one, or this raises
        pictures: Iterator[np.ndarray]
        if len(first.pixels) == 1 and next(chunks, None) is None:
            rate = video.frame_rate
            pictures = itertools.repeat(first.pixels, max(1, round((secs or STILL_SECS) * rate)))
        else:
            film = itertools.chain([first], chunks)
            rate = min(measure_frame_rate(source), FASTEST)
            if reader.samples_of(target):
                pictures, rate = _at_middles(film, video.frame_rate), video.frame_rate
            else:
                pictures = on_grid(film, rate)
            if secs:
                pictures = _cut(pictures, max(1, round(secs * rate)))
        bar = tqdm(desc=source.name, unit=" pictures", disable=None, leave=False)
        counted = _counted(pictures, stack.enter_context(bar))
        sound = reader.sound(player.variables, counted, rate, target=target, seed=seed)
        begin = next(sound)  # nothing is written of what cannot be read
        out.parent.mkdir(parents=True, exist_ok=True)
        wav = stack.enter_context(WavWriter(out, reader.sample_rate))
        for block in itertools.chain([begin], sound):
            wav.write(block)


def _at_middles(film: Iterable[TimedFrames], frame_rate: Fraction) -> Iterator[np.ndarray]:
    """The pictures of a film of any rate that are seen in the middle of each tick of another."""
    odd = 1  # of the next run of half ticks, which of its pictures is in the middle of a tick
    for run in on_grid(film, 2 * frame_rate):
        yield run[odd::2]
        odd = (odd + len(run)) % 2


def _cut(pictures: Iterable[np.ndarray], count: int) -> Iterator[np.ndarray]:
    for some in pictures:
        yield some[:count]
        count -= len(some)
        if count <= 0:
            return


def _counted(pictures: Iterable[np.ndarray], bar: "tqdm[None]") -> Iterator[np.ndarray]:
    for some in pictures:
        bar.update(len(some))
        yield some
