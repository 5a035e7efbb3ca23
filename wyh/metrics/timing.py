"""When a picture is heard."""

from fractions import Fraction

import numpy as np
from jaxtyping import Float

from wyh.errors import WyhError
from wyh.specs import tick_start


def offset_ms(
    brightness: Float[np.ndarray, " frames"],
    waveform: Float[np.ndarray, " samples"],
    sample_rate: int,
    frame_rate: Fraction,
    *,
    reach_ms: float = 200.0,
) -> float:
    """From the middle of a picture's time on the screen to the middle of its sound, in ms.

    The film flashes, its sound is the louder the brighter it is, and what is measured is by how
    much the power of the sound must be moved to agree best with the brightness (the peak of their
    covariance, between samples by a parabola). Flashes should last several frames and come at
    uneven intervals, more than `reach_ms` apart.

    Args:
      brightness: of each frame, on any scale; the power expected of its sound is best.
      waveform: starts with frame 0; silence follows where it is shorter than the film.
      sample_rate: in Hz.
      frame_rate: in Hz.
      reach_ms: the largest offset looked for, on either side.

    Returns:
      Above 0 where the sound comes late.

    Raises:
      WyhError: brightness or sound that never changes, or no agreement within reach.
    """
    starts = [tick_start(k, sample_rate, frame_rate) for k in range(len(brightness) + 1)]
    power = np.square(waveform[: starts[-1]].astype(np.float64))
    power = np.pad(power, (0, starts[-1] - len(power)))
    if not np.ptp(brightness) or not np.ptp(power):
        raise WyhError("got brightness or sound that never changes, wanted a film that flashes")
    reach = round(reach_ms * sample_rate / 1000)
    # Sums of power up to each sample give its sum over a frame at any lag as one difference; both
    # are taken from their means, so that the ends, beyond which nothing is known, do not matter.
    energy = np.pad(np.cumsum(power - power.mean()), (1 + reach, reach))
    samples = np.diff(starts)
    bright = brightness.astype(np.float64)
    bright = bright - bright @ samples / starts[-1]
    covariance = np.zeros(2 * reach + 1)
    for start, step in zip(starts, -np.diff(bright, prepend=0, append=0), strict=True):
        covariance += step * energy[start : start + 2 * reach + 1]
    best = int(np.argmax(covariance))
    if best in (0, 2 * reach):
        raise WyhError(
            f"the sound agrees with the pictures nowhere within {reach_ms:g} ms, wanted sound "
            f"that is louder where the film is brighter"
        )
    before, peak, after = covariance[best - 1 : best + 2]
    between = (before - after) / (2 * (before - 2 * peak + after))
    return float((best - reach + between) * 1000 / sample_rate)
