"""The excerpts of a report that are heard and drawn: as every synth plays them."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Float32, UInt8

from wyh.metrics.onsets import onset_strength
from wyh.report.charts import coloured
from wyh.report.excerpts import Excerpt
from wyh.report.foretold_rows import RIVALS, SYNTHS
from wyh.report.players import movie, wav
from wyh.specs import StreamSpec

EXCERPTS = 6
_FADE_SECS = 0.005  # where one of them gives way to the next


class Heard(NamedTuple):
    """A sound of the sample."""

    name: str  # "true", or as in `SYNTHS` and `RIVALS`
    label: str
    sound: Float32[np.ndarray, " samples"]
    path: Path


class Sample(NamedTuple):
    """Some excerpts in a row, joined.

    Attributes:
      where: what they are, for people.
      pictures: of them.
      joints_secs: where one ends and the next begins, if that is not what it leads on to.
      heard: the true sound first.
      film: with the sound of the run's own synth.
      sample_rate: in Hz.
    """

    where: str
    pictures: UInt8[np.ndarray, "n height width channel"]
    joints_secs: list[float]
    heard: list[Heard]
    film: Path
    sample_rate: int


def sample_of(
    excerpts: Sequence[Excerpt],
    sounds: Mapping[str, Float32[np.ndarray, "excerpts samples"]],
    own: str,
    spec: StreamSpec,
    out: Path,
) -> Sample:
    """Choose the sample, and write its sounds and its film.

    Args:
      excerpts: all there are.
      sounds: of all of them, by name.
      own: which of them the film is to have.
      spec: of the run.
      out: a folder that is there.

    Raises:
      WyhError: it cannot be written to.
    """
    rate = spec.audio.sample_rate
    first = busiest(sounds["true"], rate)
    chosen = slice(first, first + EXCERPTS)
    some, labels = excerpts[chosen], {"true": "the true sound"} | SYNTHS | RIVALS
    heard = []
    for name, sound in sounds.items():
        whole = joined(sound[chosen], [len(one.before) > 0 for one in some], rate)
        heard.append(Heard(name, labels[name], whole, wav(whole, rate, out / f"{name}.wav")))
    pictures = np.concatenate([one.frames for one in some])
    each = sounds["true"].shape[1] / rate
    joints = [k * each for k, one in enumerate(some) if k and len(one.before)]
    names = list(dict.fromkeys(one.name for one in some))
    times = ", ".join(f"{one.begin_secs:.0f}" for one in some)
    where = f"{', '.join(names[:2])}: from second {times}" + (" on" if len(some) == 1 else "")
    own_sound = next(one.sound for one in heard if one.name == own)
    film = movie(coloured(pictures), own_sound, spec.video.frame_rate, rate, out / "film.mp4")
    return Sample(where, pictures, joints, heard, film, rate)


def busiest(sounds: Float32[np.ndarray, "excerpts samples"], sample_rate: int) -> int:
    """The first of as many excerpts as are shown, in which most begins."""
    begun = np.array([onset_strength(sound, sample_rate)[6:].sum() for sound in sounds])
    count = min(EXCERPTS, len(begun))
    return int(np.convolve(begun, np.ones(count), "valid").argmax())


def joined(
    sounds: Float32[np.ndarray, "excerpts samples"], apart: Sequence[bool], sample_rate: int
) -> Float32[np.ndarray, " all"]:
    """Excerpts one after the other, faded where they do not lead on from one another.

    Args:
      sounds: of the excerpts.
      apart: whether each does not follow from the one before.
      sample_rate: in Hz.
    """
    size = max(1, round(_FADE_SECS * sample_rate))
    rise = (np.sin(np.pi / 2 * (np.arange(size) + 0.5) / size) ** 2).astype(np.float32)
    faded = sounds.copy()
    for place, cut in enumerate(apart):
        if cut or not place:
            faded[place, :size] *= rise
        if place + 1 == len(apart) or apart[place + 1]:
            faded[place, -size:] *= rise[::-1]
    return faded.ravel()
