"""Closed-form references that a learned sound has to beat: none of them is trained.

Codes in [0, 1] for the same synth (principal components, random projection), the mean picture,
and The vOICe, which plays a picture as a scan of its columns.
"""

import math
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np
from jaxtyping import Float

from wyh.specs import LUMA, tick_start

Pictures = Float[np.ndarray, "n height width channel"]

REACH = 2.5
"""Standard deviations of the strongest component that a plain code holds on either side."""

VOICE_ROWS = 64
VOICE_LOW_HZ, VOICE_HIGH_HZ = 500.0, 8000.0
VOICE_SECS = 1.05


@dataclass(frozen=True)
class LinearCode:
    """A linear map of pictures, then each value brought to [0, 1].

    Attributes:
      mean: the mean training picture, flat.
      weights: of the pixels in each value.
      reach: what becomes 0 and 1 lies so far on either side of the mean, the same for all values;
        None where each value goes through its own distribution function instead.
      ranked: the training pictures' values, each column sorted.
    """

    mean: Float[np.ndarray, " pixels"]
    weights: Float[np.ndarray, "pixels size"]
    reach: float | None
    ranked: Float[np.ndarray, "n size"]

    def encode(self, pictures: Pictures) -> Float[np.ndarray, "m size"]:
        """Codes of pictures, float32 in [0, 1]."""
        values = (pictures.reshape(len(pictures), -1) - self.mean) @ self.weights
        if self.reach is not None:
            return np.clip(0.5 + values / (2 * self.reach), 0, 1).astype(np.float32)
        shares = [
            (np.searchsorted(known, own) + np.searchsorted(known, own, side="right")) / 2
            for known, own in zip(self.ranked.T, values.T, strict=True)
        ]
        return (np.stack(shares, axis=1) / len(self.ranked)).astype(np.float32)

    def first(self, size: int) -> "LinearCode":
        """The first values alone. Scaled as before, so the strongest must be among them."""
        return replace(self, weights=self.weights[:, :size], ranked=self.ranked[:, :size])

    def made_uniform(self) -> "LinearCode":
        """The same with each value uniform on [0, 1], as far as the training pictures tell."""
        return replace(self, reach=None)


def mean_picture(pictures: Pictures) -> Float[np.ndarray, "height width channel"]:
    """The mean training picture: what one knows without listening."""
    return pictures.mean(axis=0, dtype=np.float64).astype(np.float32)


def pca(pictures: Pictures, size: int, uniform: bool = False) -> LinearCode:
    """Principal components, the strongest first.

    Args:
      pictures: to fit, in [0, 1].
      size: values of the code. Those that the pictures have no component for stand still.
      uniform: whether each value is made uniform on [0, 1], as far as the training pictures tell;
        else all are scaled alike, so that the strongest reaches `REACH` standard deviations.
    """
    flat = pictures.reshape(len(pictures), -1).astype(np.float64)
    mean = flat.mean(axis=0)
    flat -= mean
    # By the products of pictures, several times faster than the decomposition of their pixels.
    power, mixing = np.linalg.eigh(flat @ flat.T)
    power, mixing = power[::-1], mixing[:, ::-1]
    known = min(size, int(np.sum(power > 1e-9 * max(power[0], 1e-9))))
    weights = np.zeros((flat.shape[1], size))
    weights[:, :known] = flat.T @ (mixing[:, :known] / np.sqrt(power[:known]))
    code = _fitted(flat, mean, weights)
    return code.made_uniform() if uniform else code


def random_projection(
    pictures: Pictures, size: int, rng: np.random.Generator, uniform: bool = False
) -> LinearCode:
    """Directions drawn by `rng`, of length 1; scaled as in `pca`."""
    flat = pictures.reshape(len(pictures), -1).astype(np.float64)
    mean = flat.mean(axis=0)
    weights = rng.standard_normal((flat.shape[1], size))
    weights /= np.linalg.norm(weights, axis=0)
    code = _fitted(flat - mean, mean, weights)
    return code.made_uniform() if uniform else code


def _fitted(centred: np.ndarray, mean: np.ndarray, weights: np.ndarray) -> LinearCode:
    values = centred @ weights
    reach = REACH * float(values.std(axis=0).max(initial=0))
    return LinearCode(mean, weights, max(reach, 1e-9), np.sort(values, axis=0))


def voice(
    frames: Pictures,
    frame_rate: Fraction,
    sample_rate: int,
    scan_secs: float | None = None,
) -> Float[np.ndarray, " samples"]:
    """The vOICe: height is pitch, left to right is time, brightness is loudness.

    64 sines from 500 to 8000 Hz (or 0.45 of the sample rate), each higher than the one before by
    the same factor, the top row highest; 64 columns, one after the other, between whose middles
    brightness is interpolated. Every scan starts with the same phases. White is an RMS of 0.09.
    Source: Meijer, "An experimental system for auditory image representations", IEEE Trans.
    Biomed. Eng. 39, 1992.

    Args:
      frames: in [0, 1]. Made grey and 64x64, whatever their size.
      frame_rate: in Hz.
      sample_rate: in Hz.
      scan_secs: how long a scan takes, `VOICE_SECS` in the original; it shows the frame at its
        start. None: one scan in each frame period.

    Returns:
      float32, as long as the frames.
    """
    samples = tick_start(len(frames), sample_rate, frame_rate)
    rate = frame_rate if scan_secs is None else 1 / Fraction(scan_secs).limit_denominator(100_000)
    scans = math.ceil(len(frames) * rate / frame_rate)
    starts = np.array([tick_start(k, sample_rate, rate) for k in range(scans + 1)])
    shown = [math.floor(k * frame_rate / rate) for k in range(scans)]
    columns = _grey(frames)[shown].transpose(2, 0, 1)  # [column, scan, row]
    length = int(np.max(np.diff(starts), initial=0))
    time = np.arange(length)
    high_hz = min(VOICE_HIGH_HZ, 0.45 * sample_rate)
    hz = np.geomspace(high_hz, VOICE_LOW_HZ, VOICE_ROWS)[:, None]
    phase = np.random.default_rng(0).uniform(0, 2 * np.pi, (VOICE_ROWS, 1))
    sines = np.sin(hz * (time * 2 * np.pi / sample_rate) + phase) / VOICE_ROWS
    place = np.clip(time * float(rate) / sample_rate * VOICE_ROWS - 0.5, 0, VOICE_ROWS - 1)
    left = np.minimum(place.astype(int), VOICE_ROWS - 2)
    right = place - left
    heard = np.empty((scans, length))
    for column in range(VOICE_ROWS - 1):
        at = left == column
        heard[:, at] = columns[column] @ (sines[:, at] * (1 - right[at]))
        heard[:, at] += columns[column + 1] @ (sines[:, at] * right[at])
    waveform = np.concatenate(
        [scan[:size] for scan, size in zip(heard, np.diff(starts), strict=True)] or [np.zeros(0)]
    )
    return waveform[:samples].astype(np.float32)


def _grey(frames: Pictures) -> Float[np.ndarray, "n row column"]:
    """Brightness of 64x64 areas."""
    grey = frames @ np.array(LUMA) if frames.shape[-1] == 3 else frames[..., 0].astype(np.float64)
    rows, columns = (_areas(size) for size in grey.shape[1:])
    return np.einsum("rh,nhw,cw->nrc", rows, grey, columns, optimize=True)


def _areas(size: int) -> np.ndarray:
    """How much of each pixel lies in each of 64 equal parts of a side, as means."""
    edges = np.linspace(0, size, VOICE_ROWS + 1)[:, None]
    pixel = np.arange(size)
    overlap = np.minimum(edges[1:], pixel + 1) - np.maximum(edges[:-1], pixel)
    return np.maximum(overlap, 0) * (VOICE_ROWS / size)
