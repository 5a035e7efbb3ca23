"""One film of a marimba: all that is drawn for it, its frames, and the file with its truth."""

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import UInt8

from data_prep import inputs
from data_prep.marimba_camera import Camera, Look, draw_camera, draw_look
from data_prep.marimba_motion import Motion
from data_prep.marimba_pictures import Painter, exposure_secs
from data_prep.marimba_score import Score, make_score
from data_prep.marimba_sound import Room, draw_room, render
from data_prep.marimba_truth import write_truth
from wyh.media.encode import MovieWriter
from wyh.media.whole import WholeFile
from wyh.specs import VideoSpec

SAMPLE_RATE = 44_100
SPLITS = ("train", "test")
_CHUNK = 25  # frames drawn at a time


class Plan(NamedTuple):
    """All that is drawn for one recording, before it is."""

    score: Score
    motion: Motion
    camera: Camera
    look: Look
    room: Room
    textures: np.random.Generator
    sound: np.random.Generator


class Task(NamedTuple):
    """One film to be made."""

    out: Path
    split: str
    number: int
    seed: int
    secs: float
    video: VideoSpec

    @property
    def film(self) -> Path:
        """Where it goes."""
        return self.out / self.split / f"{self.split}-{self.number:04d}.mp4"

    @property
    def truth(self) -> Path:
        """Where its truth goes."""
        return self.film.with_suffix(".truth.csv")


def plan(task: Task) -> Plan:
    """Draw a recording; the same one for the same seed, split, number, length and size."""
    root = np.random.SeedSequence([task.seed, SPLITS.index(task.split), task.number])
    score, motion, camera, look, room, textures, sound = map(np.random.default_rng, root.spawn(7))
    played = make_score(score, task.secs)
    return Plan(
        played,
        Motion(played, motion),
        draw_camera(camera, task.video.width, task.video.height),
        draw_look(look),
        draw_room(room),
        textures,
        sound,
    )


def frames(drawn: Plan, video: VideoSpec) -> Iterator[UInt8[np.ndarray, "frames height width 3"]]:
    """The frames of a recording, some at a time. Frame k shows `[k, k + 1) / frame_rate`.

    Args:
      drawn: what is shown.
      video: the frame rate; the size is the camera's.
    """
    painter = Painter(drawn.camera, drawn.look, drawn.textures)
    rate, count = float(video.frame_rate), _frames(drawn.score.secs, video.frame_rate)
    for first in range(0, count, _CHUNK):
        numbers = range(first, min(first + _CHUNK, count))
        times = [exposure_secs(number, rate, drawn.camera.shutter) for number in numbers]
        heads = drawn.motion.heads_m(np.concatenate(times)).reshape(len(times), -1, 2, 3)
        yield np.stack(
            [
                painter.frame(seen, number / rate)
                for seen, number in zip(heads, numbers, strict=True)
            ]
        )


def _frames(secs: float, rate: Fraction) -> int:
    return round(secs * rate)


def make_film(task: Task) -> str:
    """Make a film and its truth, unless both are there; neither is, unless both are whole.

    Returns:
      What became of it, as a line.

    Raises:
      WyhError: the place cannot be written to.
    """
    if task.film.exists() and task.truth.exists():
        inputs.advance(task.secs)
        return f"{task.film} is there already"
    drawn = plan(task)
    secs = float(_frames(task.secs, task.video.frame_rate) / task.video.frame_rate)
    whole = WholeFile(task.truth)
    try:
        write_truth(whole.temporary, drawn.score)
        sound = render(drawn.score, secs, SAMPLE_RATE, drawn.sound, drawn.room)
        with MovieWriter(task.film, sample_rate=SAMPLE_RATE, video=task.video) as movie:
            movie.write_audio(sound)
            for chunk in frames(drawn, task.video):
                movie.write_frames(chunk)
                inputs.advance(len(chunk) / float(task.video.frame_rate))
            whole.keep()
    except BaseException:
        whole.drop()
        if not task.film.exists():
            task.truth.unlink(missing_ok=True)
        raise
    return f"{task.film}: {len(drawn.score.strikes)} strokes"
