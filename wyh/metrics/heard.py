"""What is heard in each frame period, for listeners that do not know the code."""

import math
from fractions import Fraction

import numpy as np
from jaxtyping import Float

from wyh.signal.bands import mel_edges_hz, mel_matrix
from wyh.signal.stft import stft_window
from wyh.specs import tick_start

FLOOR = 1e-6
"""Power under which nothing is heard, against the mean over all bands and periods: -60 dB."""

_AT_ONCE = 512  # periods


def periods(
    waveform: Float[np.ndarray, " samples"],
    sample_rate: int,
    frame_rate: Fraction,
    first: int,
    count: int,
) -> Float[np.ndarray, "count period"]:
    """The sound of each of `count` frames from frame `first` (0 or later) on.

    Frame k starts at `tick_start(k)`, as everywhere. Periods differ by a sample where frames do
    not come in whole samples; all are cut to the shortest. After the end there is silence.
    """
    length = math.floor(sample_rate / frame_rate)
    ticks = range(first, first + count)
    starts = np.array([tick_start(k, sample_rate, frame_rate) for k in ticks], np.int64)
    begin, end = (starts[0], starts[-1] + length) if count else (0, length)
    heard = waveform[begin:end]
    heard = np.pad(heard, (0, end - begin - len(heard)))
    return np.lib.stride_tricks.sliding_window_view(heard, length)[starts - begin]


def log_mel(
    waveform: Float[np.ndarray, " samples"],
    sample_rate: int,
    frame_rate: Fraction,
    count: int,
    bands: int = 40,
    *,
    first: int = 0,
) -> Float[np.ndarray, "count bands"]:
    """Level of mel bands from 0 Hz to half the sample rate in each frame period, in dB.

    The power spectrum of the period under a Hann window, folded by `mel_matrix`; zeros are added
    to short periods so that every band has a bin. `FLOOR` times the mean power of all is added,
    so that a louder waveform has the same levels and a constant, and silence is finite.

    Args:
      waveform: starts with frame 0.
      sample_rate: in Hz.
      frame_rate: in Hz.
      count: of frames.
      bands: of the mel scale.
      first: frame to begin with.
    """
    length = math.floor(sample_rate / frame_rate)
    # Bins as close as the lowest band is half as wide: the others are wider.
    n_fft = max(length, math.ceil(sample_rate / mel_edges_hz(bands, sample_rate)[1]))
    fold = mel_matrix(bands, n_fft=n_fft, sample_rate=sample_rate).T
    taper = stft_window("hann", length).astype(np.float64)
    power = np.empty((count, bands))
    for begin in range(0, count, _AT_ONCE):
        some = min(_AT_ONCE, count - begin)
        cut = periods(waveform, sample_rate, frame_rate, first + begin, some)
        power[begin : begin + some] = np.abs(np.fft.rfft(cut * taper, n_fft)) ** 2 @ fold
    floor = FLOOR * power.mean() if count else 0.0
    return 10 * np.log10(power + max(floor, np.finfo(np.float64).tiny))


def add_noise(
    waveform: Float[np.ndarray, " samples"], snr_db: float, rng: np.random.Generator
) -> Float[np.ndarray, " samples"]:
    """White Gaussian noise added, `snr_db` under the RMS of the whole waveform. Nothing is clipped.

    Returns:
      The dtype of `waveform`.
    """
    rms = math.sqrt(np.mean(np.square(waveform, dtype=np.float64))) if waveform.size else 0.0
    noise = rng.standard_normal(waveform.shape) * (rms * 10 ** (-snr_db / 20))
    return (waveform + noise).astype(waveform.dtype)
