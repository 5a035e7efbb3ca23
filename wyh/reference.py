"""A recording that a synth takes phases or grains from, as `--reference` names it."""

from pathlib import Path

import numpy as np
from jaxtyping import Int16

from wyh.errors import WyhError
from wyh.loudness import recording_gain
from wyh.media.decode import open_audio
from wyh.runs import Run

MOST_SECS = 600.0
"""More of a recording is not looked at: every picture searches all of it."""


def read_reference(path: Path | None, run: Run) -> Int16[np.ndarray, " samples"] | None:
    """The sound of a file at the rate of a run, as loud as what runs learn from; None for None.

    Raises:
      WyhError: no such file, no sound in it, or a run that makes pictures.
    """
    if path is None:
        return None
    if run.stream is None or run.stream.direction != "see-hear":
        raise WyhError(f"got --reference, but {run.directory} makes no sound: leave it out")
    rate = run.stream.audio.sample_rate
    pieces, samples = [], 0
    with open_audio(path, rate, start_secs=None) as reader:
        for piece in reader:
            pieces.append(piece)
            samples += len(piece)
            if samples >= MOST_SECS * rate:
                break
    if not samples:
        raise WyhError(f"{path}: no sound to take from, wanted a recording with some")
    sound = np.concatenate(pieces)[: round(MOST_SECS * rate)]
    sound = sound * recording_gain(sound, rate)
    return np.clip(np.rint(sound * 32768), -32768, 32767).astype(np.int16)
