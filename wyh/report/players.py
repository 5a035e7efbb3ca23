"""What of a report is heard: a film of what is seen and what is known, and sounds."""

from pathlib import Path

import numpy as np

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
    height, width = frames.shape[1:3]
    times = max(1, round(SHOWN_HEIGHT / height))
    video = VideoSpec(rate, height, width)
    with MovieWriter(
        path,
        sample_rate=findings.sample_rate,
        video=video,
        scale_to=(height * times // 2 * 2, width * times // 2 * 2),
        scaling="bicubic",
    ) as movie:
        movie.write_frames(frames)
        movie.write_audio(pictures.sound[: tick_start(count, findings.sample_rate, rate)])
    return path


def sounds(findings: Findings, folder: Path) -> list[Path]:
    """One .wav for each variation, in order."""
    paths = []
    for number, variation in enumerate(findings.variations):
        name = "".join(c if c.isalnum() else "-" for c in variation.label)
        path = folder / f"{number:02d}-{name}.wav"
        channels = 1 if variation.sound.ndim == 1 else 2
        with WavWriter(path, findings.sample_rate, channels=channels) as wav:
            wav.write(variation.sound)
        paths.append(path)
    return paths
