"""What a window tells of the newest sound: its spectrum and its level. NumPy alone."""

import math
from typing import NamedTuple

import numpy as np
from jaxtyping import Float32, Float64

RANGE_DB = 36.0  # from the bottom of the spectrum to its top
LEAST_DB = -60.0  # of a level
_WINDOW_SECS = 0.1
_LEVEL_SECS = 0.1
_FALL_DB = 60.0  # a second, of the spectrum
_TOP_DB = -65.0  # of the spectrum, at least: a sine at full scale is at 0
_TOP_FALL_DB = 3.0  # a second
_STEP_HZ = 500.0  # of the axis
_FAINT_DB = 40.0  # under the loudest: what is fainter does not make the axis longer
_PEAK_FALL_DB = 15.0  # a second, of a level


class Level(NamedTuple):
    """How loud a channel is, dB of full scale, `LEAST_DB` at least."""

    rms_db: float
    peak_db: float


class Spectrum:
    """The spectrum of a sound: each column rises at once, and falls slowly.

    Its axis begins at 0 Hz, is linear and as long as the sound has needed so far; so bars for the
    bands of a linear layout stand about where these are. Its top follows the loudest column.

    Attributes:
      heights: of each column, 0 to 1 for `RANGE_DB`.
      end_hz: of the axis.
    """

    def __init__(self, columns: int, sample_rate: int):
        """Begin with silence."""
        self._length = 2 ** round(math.log2(sample_rate * _WINDOW_SECS))
        self._hann = np.hanning(self._length + 1)[:-1].astype(np.float32)
        self._bins_hz = np.fft.rfftfreq(self._length, 1 / sample_rate)
        self._columns_db = np.full(columns, -math.inf)
        self._top_db, self._heard = _TOP_DB, False
        self.heights: Float64[np.ndarray, " columns"] = np.zeros(columns)
        self.end_hz = 0.0
        self._lengthen(2 * _STEP_HZ)

    def update(self, sound: Float32[np.ndarray, "samples ..."], secs: float) -> None:
        """Look at the newest samples, `secs` after the last time."""
        channels = np.atleast_2d(sound[-self._length :].T)
        filled = np.zeros((len(channels), self._length), np.float32)
        filled[:, self._length - channels.shape[1] :] = channels
        lines = np.abs(np.fft.rfft(filled * self._hann)) * (2 / self._hann.sum())
        power_db = 10 * np.log10(np.mean(np.square(lines), axis=0) + 1e-15)
        loudest = float(np.max(power_db))
        if loudest > _TOP_DB - RANGE_DB:
            self._lengthen(float(self._bins_hz[power_db > loudest - _FAINT_DB][-1]))
            self._heard = True
        self._top_db = max(_TOP_DB, loudest, self._top_db - _TOP_FALL_DB * secs)
        # Where a column is narrower than a bin, the line between bins; else its loudest bin.
        columns = np.where(
            self._wide,
            np.maximum.reduceat(power_db, self._first),
            np.interp(self._centres, self._bins_hz, power_db),
        )
        self._columns_db = np.maximum(columns, self._columns_db - _FALL_DB * secs)
        self.heights = np.clip(1 + (self._columns_db - self._top_db) / RANGE_DB, 0.0, 1.0)

    def _lengthen(self, hz: float) -> None:
        """Let the axis reach so far, at least."""
        if hz <= self.end_hz:
            return
        columns = len(self._columns_db)
        self.end_hz = min(float(self._bins_hz[-1]), math.ceil(hz / _STEP_HZ) * _STEP_HZ)
        edges = np.linspace(0, self.end_hz, columns + 1)
        self._centres = (edges[1:] + edges[:-1]) / 2
        first = np.searchsorted(self._bins_hz, edges)
        self._wide = np.diff(first) >= 1
        self._first = np.minimum(first[:-1], len(self._bins_hz) - 1)
        self._columns_db[:] = -math.inf

    def marks(self) -> list[float]:
        """Round frequencies on the axis, Hz; none before the first sound."""
        if not self._heard:
            return []
        step = next(s for s in (100, 200, 500, 1000, 2000, 5000, 10_000) if self.end_hz / s < 9)
        return [float(hz) for hz in np.arange(step, self.end_hz, step)]


class Levels:
    """RMS of the newest tenth of a second, and a peak that falls slowly, of each channel."""

    def __init__(self) -> None:
        self.channels: list[Level] = []

    def update(
        self, sound: Float32[np.ndarray, "samples ..."], sample_rate: int, secs: float
    ) -> None:
        """Look at the newest samples, `secs` after the last time."""
        each = np.atleast_2d(sound[-round(sample_rate * _LEVEL_SECS) :].T)
        if not each.size:
            each = np.zeros((1, 1), np.float32)
        before = self.channels if len(self.channels) == len(each) else [None] * len(each)
        self.channels = []
        for samples, last in zip(each, before, strict=True):
            rms_db = _db(float(np.sqrt(np.mean(np.square(samples)))))
            held = LEAST_DB if last is None else last.peak_db - _PEAK_FALL_DB * secs
            peak_db = max(LEAST_DB, held, _db(float(np.max(np.abs(samples)))))
            self.channels.append(Level(rms_db, peak_db))


def _db(amplitude: float) -> float:
    return max(LEAST_DB, 20 * math.log10(max(amplitude, 1e-9)))
