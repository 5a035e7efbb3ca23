"""A few seconds of a report's sound, as film and as sound that is read back from that film."""

from dataclasses import dataclass, replace
from pathlib import Path

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float32, UInt8

from wyh.media.decode import open_video
from wyh.media.encode import MovieWriter, WavWriter
from wyh.metrics.onsets import HOP_SECS, onset_strength
from wyh.report.painter import SoundPainter
from wyh.report.soundtrack import HELD_OUT, Soundtrack
from wyh.transducers.reader import Target
from wyh.wave_losses import RESOLUTIONS, multi_resolution_stft

SAMPLE_SECS = 9.0
FILM_SHORT = 480  # pixels of the film's short side


@dataclass(frozen=True)
class ReadBack:
    """Sound that was read from the film.

    Attributes:
      name: in `report.json`.
      label: for people.
      path: of the sound.
      distance: from the original, by `multi_resolution_stft`.
      shuffled: the same of sound read from the film's pictures in random order.
    """

    name: str
    label: str
    path: Path
    distance: float
    shuffled: float


@dataclass(frozen=True)
class Sample:
    """Some seconds to look at and to listen to.

    Attributes:
      waveform: of these.
      begin_secs: where they begin in their stretch.
      stretch: which one.
      film: of them, with sound.
      original: their sound alone.
      back: what is read from the film.
    """

    waveform: Float32[np.ndarray, " samples"]
    begin_secs: float
    stretch: int
    film: Path
    original: Path
    back: list[ReadBack]


def chosen(track: Soundtrack, sample_rate: int) -> tuple[int, int]:
    """Which stretch, and from which second on: where most begins."""
    best, found = -1.0, (0, 0)
    for number, stretch in enumerate(track.stretches):
        if not (stretch.kinds == HELD_OUT).any():
            continue
        strength = onset_strength(stretch.waveform, sample_rate)
        sums = np.concatenate([[0], np.cumsum(strength)])
        second, length = round(1 / HOP_SECS), round(SAMPLE_SECS / HOP_SECS)
        for begin in range(0, max(1, len(strength) - length), second):
            total = float(sums[min(begin + length, len(sums) - 1)] - sums[begin])
            if total > best:
                best, found = total, (number, begin // second)
        break  # one is enough: a long track has many
    return found


def make(painter: SoundPainter, track: Soundtrack, folder: Path) -> Sample:
    """Paint the sample, write it, and read it back.

    Raises:
      WyhError: the folder cannot be written.
    """
    number, begin = chosen(track, painter.sample_rate)
    rate = painter.sample_rate
    cut = slice(begin * rate, round((begin + SAMPLE_SECS) * rate))
    waveform = track.stretches[number].waveform[cut]
    film, video = folder / "sample.mp4", painter.sized(FILM_SHORT)
    with MovieWriter(film, sample_rate=rate, video=video) as movie:
        movie.write_audio(waveform)
        for pictures in painter.paint(waveform, video):
            movie.write_frames(pictures)
    original = _wav(folder / "heard.wav", waveform, rate)
    seen_as = replace(painter.video, fit="stretch")
    with open_video(film, seen_as) as frames:
        pictures = np.concatenate([some.pixels for some in frames])
    back = [_read_back(painter, pictures, waveform, target, folder) for target in _targets(painter)]
    return Sample(waveform, float(begin), number, film, original, back)


def _targets(painter: SoundPainter) -> list[Target]:
    learned = "wave" in painter.variables["params"]
    return ["features", "raw"] if learned and painter.features.kind != "raw" else ["features"]


def _read_back(
    painter: SoundPainter,
    pictures: UInt8[np.ndarray, "n height width 3"],
    waveform: Float32[np.ndarray, " samples"],
    target: Target,
    folder: Path,
) -> ReadBack:
    reader, rate = painter.reader, painter.video.frame_rate

    def sound(seen: np.ndarray) -> np.ndarray:
        blocks = reader.sound(painter.variables, [seen], rate, target=target)
        return np.concatenate(list(blocks))

    heard = sound(pictures)
    order = np.random.default_rng(0).permutation(len(pictures))
    path = _wav(folder / f"read_{target}.wav", heard, painter.sample_rate)
    distances = [_distance(some, waveform) for some in (heard, sound(pictures[order]))]
    plain = target == "features"
    name = "read_back_distance" if plain else "read_back_raw_distance"
    label = "noise shaped by what is read" if plain else "the waveform as it is read"
    return ReadBack(name, label, path, *distances)


def _distance(one: Float32[np.ndarray, " n"], other: Float32[np.ndarray, " m"]) -> float:
    count = max(len(one), len(other), max(RESOLUTIONS))
    both = [jnp.asarray(np.pad(sound, (0, count - len(sound)))) for sound in (one, other)]
    return float(multi_resolution_stft(*both))


def _wav(path: Path, sound: Float32[np.ndarray, " samples"], sample_rate: int) -> Path:
    with WavWriter(path, sample_rate) as wav:
        wav.write(sound)
    return path
