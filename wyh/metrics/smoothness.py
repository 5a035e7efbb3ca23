"""Whether blocks and frames can be heard as such."""

import math
from fractions import Fraction
from typing import NamedTuple

import numpy as np
import scipy.signal
from jaxtyping import Float, Int

from wyh.errors import WyhError

NEAR = 4
"""Samples on either side of a boundary where a click is looked for."""

HARMONICS = 20
"""Multiples of the frame rate that are looked at."""

_PERIODS = 32  # frame periods in one spectrum: its bins lie a 32nd of the frame rate apart
_SPECTRA = 4  # that long, at least, must the sound be: the spectrum of less is too rough
_FLOOR = 1e-6  # of the mean power: what is 60 dB down is not heard, whatever its shape


def click_db(waveform: Float[np.ndarray, " samples"], boundaries: Int[np.ndarray, " n"]) -> float:
    """Mean squared first difference near boundaries against that in the middle of blocks, in dB.

    Near is within `NEAR` samples: differences `x[i] - x[i - 1]` for i from 4 before to 4 after.
    0 where boundaries are like any other place, and in silence; finite where the rest is silent.

    Args:
      waveform: sound.
      boundaries: the first samples of blocks, or of frame periods, rising; blocks of at least 20
        samples, so that their middle is not near their ends. Those too near the ends of the
        waveform are left out.
    """
    squared = np.square(np.diff(waveform.astype(np.float64)))  # of i is at i - 1
    near = _near(squared, boundaries)
    middle = _near(squared, (boundaries[:-1] + boundaries[1:]) // 2)
    # 120 dB under the mean counts as nothing.
    nothing = max(1e-12 * squared.mean(), np.finfo(np.float64).tiny) if squared.size else 1.0
    return 10 * math.log10(max(near, nothing) / max(middle, nothing))


def _near(squared: np.ndarray, places: np.ndarray) -> float:
    places = places[(places - 1 >= NEAR) & (places - 1 < len(squared) - NEAR)]
    at = places[:, None] - 1 + np.arange(-NEAR, NEAR + 1)
    return float(squared[at].mean()) if at.size else 0.0


class Harmonics(NamedTuple):
    """Level over what lies around, in dB, of multiples of the frame rate."""

    largest: float
    mean: float


def frame_rate_harmonics_db(
    waveform: Float[np.ndarray, " samples"], sample_rate: int, frame_rate: Fraction
) -> Harmonics:
    """How far lines at multiples of the frame rate stand out of the sound of a static picture.

    The power spectrum (Welch: Hann windows of 32 frame periods, overlapping by half) at each of
    the first 20 multiples, mean of the 3 bins of a line, against the median of the bins up to half
    a frame rate away, but for the 5 around each line. About 0 dB for noise; its largest value is
    about 2 dB for 10 s and 1 dB for 30 s of noise at 24 Hz. Power 60 dB under the mean is not
    told from none. Partials of the sound that lie on multiples by chance stand out as well. Noise
    that only swells and fades with the frames has a flat spectrum: see `frame_rate_flutter_db`.

    Args:
      waveform: the sound of a picture that does not change.
      sample_rate: in Hz.
      frame_rate: in Hz.

    Raises:
      WyhError: sound shorter than 128 frame periods.
    """
    return _lines_over_neighbours(waveform.astype(np.float64), sample_rate, frame_rate)


def frame_rate_flutter_db(
    waveform: Float[np.ndarray, " samples"], sample_rate: int, frame_rate: Fraction
) -> Harmonics:
    """As `frame_rate_harmonics_db`, of the loudness: the spectrum is that of the squared waveform.

    This hears noise whose level changes with the frames, which is rough or buzzing to the ear.
    """
    power = np.square(waveform.astype(np.float64))
    return _lines_over_neighbours(power, sample_rate, frame_rate)


def _lines_over_neighbours(x: np.ndarray, sample_rate: int, frame_rate: Fraction) -> Harmonics:
    length = round(_PERIODS * sample_rate / frame_rate)
    if len(x) < _SPECTRA * length:
        wanted_secs = _SPECTRA * length / sample_rate
        raise WyhError(
            f"got {len(x) / sample_rate:.2f} s of sound, wanted at least {wanted_secs:.2f} s to "
            f"look for multiples of {float(frame_rate):g} Hz"
        )
    _, power = scipy.signal.welch(x, sample_rate, "hann", length, length // 2)
    power = power + max(_FLOOR * power.mean(), np.finfo(np.float64).tiny)
    spacing = float(frame_rate * length / sample_rate)  # of the lines, in bins: _PERIODS or nearly
    half = _PERIODS // 2
    fit = int((len(power) - 1 - half) / spacing)
    lines = np.round(np.arange(1, min(HARMONICS, fit) + 1) * spacing).astype(int)
    around = np.arange(-half, half + 1)
    around = around[np.abs(around) > 2]
    level = power[lines[:, None] + np.arange(-1, 2)].mean(axis=1)
    over = 10 * np.log10(level / np.median(power[lines[:, None] + around], axis=1))
    return Harmonics(float(over.max()), float(over.mean()))
