"""What a window or a page shows of a stream."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float32, UInt8


class View(NamedTuple):
    """A stream at one moment.

    Attributes:
      picture: what the model sees, or the newest that it made; None before the first one.
      known: what the sound still knows of it, of the same size; None where a model cannot tell.
      code: how loud each band is, 0 to 1; None where a model has no code.
      sound: the newest samples that went out, for a spectrum.
      sample_rate: of these, Hz.
      knobs: every knob's value by name.
      latency_ms: from a picture to its sound, or the reverse, the median so far; None before it is
        known.
      underruns: times that sound was not there when it was due.
      secs: of sound that went out, or came in.
      message: the newest line that the player should read; "" for none.
    """

    picture: UInt8[np.ndarray, "height width channels"] | None
    known: UInt8[np.ndarray, "height width channels"] | None
    code: Float32[np.ndarray, " bands"] | None
    sound: Float32[np.ndarray, "samples ..."]
    sample_rate: int
    knobs: dict[str, float]
    latency_ms: float | None
    underruns: int
    secs: float
    message: str
