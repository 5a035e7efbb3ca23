"""What of a report is heard: a film of what is seen and what is known, and sounds."""

from fractions import Fraction
from pathlib import Path

import numpy as np
from jaxtyping import Float32, UInt8

from wyh.media.encode import MovieWriter, WavWriter
from wyh.report.charts import as_bytes
from wyh.report.findings import Findings
from wyh.specs import VideoSpec, as_rate, tick_start

FILM_SECS = 10.0
SHOWN_HEIGHT = 240  # of the film's pictures, about
_GAP = 2  # pixels of the model between them


def film(findings: Findings, path: Path) -> Path:
    """The held-out pictures beside what their sound knows, with that sound."""
    rate = as_rate(findings.run["frame_rate"])
    pictures = findings.pictures
    count = min(len(pictures.seen), int(FILM_SECS * rate))
    seen = as_bytes(pictures.seen[:count].astype(np.float32) / 255)
    known = as_bytes(pictures.known[:count])
    between = np.zeros((count, seen.shape[1], _GAP, 3), np.uint8)
    frames = np.concatenate([seen, between, known], axis=2)
    sound = pictures.sound[: tick_start(count, findings.sample_rate, rate)]
    return movie(frames, sound, rate, findings.sample_rate, path)


def movie(
    frames: UInt8[np.ndarray, "n height width 3"],
    sound: Float32[np.ndarray, "samples ..."],
    frame_rate: Fraction,
    sample_rate: int,
    path: Path,
) -> Path:
    """A film of small pictures, shown larger, with their sound."""
    height, width = frames.shape[1:3]
    times = max(1, round(SHOWN_HEIGHT / height))
    with MovieWriter(
        path,
        sample_rate=sample_rate,
        video=VideoSpec(frame_rate, height, width),
        scale_to=(height * times // 2 * 2, width * times // 2 * 2),
        scaling="bicubic",
    ) as writer:
        writer.write_frames(frames)
        writer.write_audio(sound)
    return path


def sounds(findings: Findings, folder: Path) -> list[Path]:
    """One .wav for each variation, in order."""
    paths = []
    for number, variation in enumerate(findings.variations):
        name = "".join(c if c.isalnum() else "-" for c in variation.label)
        path = folder / f"{number:02d}-{name}.wav"
        paths.append(wav(variation.sound, findings.sample_rate, path))
    return paths


def wav(sound: Float32[np.ndarray, "samples ..."], sample_rate: int, path: Path) -> Path:
    """A file of a sound, mono or `[samples, 2]`."""
    with WavWriter(path, sample_rate, channels=1 if sound.ndim == 1 else 2) as file:
        file.write(sound)
    return path
