"""When sounds begin and when pictures change, and how well the two agree."""

import numpy as np
from jaxtyping import Float, Int

from wyh.signal.bands import mel_matrix
from wyh.signal.stft import stft_window

HOP_SECS = 0.01
"""From one time that is looked at to the next."""

_WINDOW_SECS = 0.023  # of sound that is looked at, ending at that time
_BANDS = 24  # of the mel scale, from 60 Hz
_FLOOR_DB = -50.0  # against the loudest band ever: what is under it is silence
_LEAST_DB = 2.0  # the mean rise of all bands that an onset has at least
_AT_ONCE = 4096  # windows


def onset_strength(
    waveform: Float[np.ndarray, " samples"], sample_rate: int
) -> Float[np.ndarray, " times"]:
    """How much begins at each time `k * HOP_SECS`: the spectral flux of mel bands in dB.

    The mean over all bands of how far each rises within two hops, from a window of sound that ends
    one hop before the time to a window that ends one hop after it; falls count as none.
    """
    length = round(_WINDOW_SECS * sample_rate)
    n_fft = 2 ** int(np.ceil(np.log2(sample_rate / 15)))  # bins closer than the narrowest band
    fold = mel_matrix(_BANDS, n_fft=n_fft, sample_rate=sample_rate, low_hz=60.0).T
    taper = stft_window("hann", length).astype(np.float64)
    count = int(len(waveform) / sample_rate / HOP_SECS) + 1
    ends = np.rint(np.arange(-1, count + 1) * HOP_SECS * sample_rate).astype(int)
    ends = np.minimum(ends, len(waveform))  # that it ends is no event
    first = round(HOP_SECS * sample_rate)  # before the beginning there is silence
    padded = np.pad(waveform.astype(np.float64), (length + first, 0))
    windows = np.lib.stride_tricks.sliding_window_view(padded, length)
    power = np.concatenate(
        [
            np.abs(np.fft.rfft(windows[ends[some : some + _AT_ONCE] + first] * taper, n_fft)) ** 2
            @ fold
            for some in range(0, len(ends), _AT_ONCE)
        ]
    )
    most = max(float(power.max()), np.finfo(np.float64).tiny)
    levels = 10 * np.log10(power / most + 10 ** (_FLOOR_DB / 10))
    return np.maximum(levels[2:] - levels[:-2], 0).mean(axis=1)


def onsets(waveform: Float[np.ndarray, " samples"], sample_rate: int) -> Float[np.ndarray, " n"]:
    """When sounds begin, in seconds: the peaks of `onset_strength`."""
    strength = onset_strength(waveform, sample_rate)
    return peaks(strength, 1 / HOP_SECS, least=_LEAST_DB) * HOP_SECS


def peaks(
    values: Float[np.ndarray, " n"],
    rate: float,
    *,
    alone_secs: float = 0.05,
    around_secs: float = 0.5,
    factor: float = 2.0,
    least: float = 0.0,
) -> Int[np.ndarray, " peaks"]:
    """Where values stand out: the largest within a short time, well above the mean around them.

    Args:
      values: 0 or more.
      rate: values a second.
      alone_secs: on either side, in which a peak is the largest, the first of equal ones.
      around_secs: on either side, over which the mean is taken.
      factor: times this mean, which a peak exceeds.
      least: that a peak exceeds too.
    """
    alone, around = max(1, round(alone_secs * rate)), max(1, round(around_secs * rate))
    if not len(values):
        return np.zeros(0, int)
    beside = np.pad(values, alone, constant_values=-np.inf)
    views = np.lib.stride_tricks.sliding_window_view(beside, 2 * alone + 1)
    before, after = views[:, :alone].max(axis=1), views[:, alone + 1 :].max(axis=1)
    total = np.concatenate([[0], np.cumsum(values, dtype=np.float64)])
    low = np.maximum(np.arange(len(values)) - around, 0)
    high = np.minimum(np.arange(len(values)) + around + 1, len(values))
    mean = (total[high] - total[low]) / (high - low)
    stands_out = (values > factor * mean) & (values > least)
    return np.flatnonzero((values > before) & (values >= after) & stands_out)


def f1(
    found_secs: Float[np.ndarray, " n"], true_secs: Float[np.ndarray, " m"], within_secs: float
) -> float:
    """F1 of found events against true ones, each matched with one other at most.

    Both in order of time. As many are matched as can be: with one tolerance for all, the earliest
    that fits is always right. 1 where there is nothing and nothing is found.
    """
    if not len(found_secs) and not len(true_secs):
        return 1.0
    i = j = matched = 0
    while i < len(found_secs) and j < len(true_secs):
        apart = found_secs[i] - true_secs[j]
        if abs(apart) <= within_secs + 1e-9:
            matched, i, j = matched + 1, i + 1, j + 1
        elif apart < 0:
            i += 1
        else:
            j += 1
    return 2 * matched / (len(found_secs) + len(true_secs))


def f1_shuffled(
    found_secs: Float[np.ndarray, " n"],
    true_secs: Float[np.ndarray, " m"],
    within_secs: float,
    secs: float,
    shifts: int = 24,
) -> float:
    """The F1 of events that know nothing: the mean over those found moved round in time.

    Args:
      found_secs: in order of time.
      true_secs: in order of time.
      within_secs: as for `f1`.
      secs: in which all of them lie.
      shifts: how many ways to move them, evenly spread.
    """
    moved = (np.sort((found_secs + secs * (i + 1) / (shifts + 1)) % secs) for i in range(shifts))
    return float(np.mean([f1(some, true_secs, within_secs) for some in moved]))


def lag_secs(
    strength: Float[np.ndarray, " times"],
    change: Float[np.ndarray, " pictures"],
    frame_rate: float,
    reach_secs: float = 0.25,
) -> float:
    """By how much pictures change later than sounds begin: the peak of their cross-correlation.

    Args:
      strength: `onset_strength` of the sound, at `k * HOP_SECS`.
      change: from picture k - 1 to picture k, which is seen at `k / frame_rate`.
      frame_rate: in Hz.
      reach_secs: the largest lag looked for, on either side.
    """
    at = np.arange(len(change)) / frame_rate
    reach = round(reach_secs / HOP_SECS)
    # A change stands for all that begins from the middle of one picture to that of the next.
    wide = max(1, round(1 / frame_rate / HOP_SECS))
    smooth = np.convolve(strength, np.ones(wide) / wide, "same")
    times = np.arange(len(smooth)) * HOP_SECS
    lags = np.arange(-reach, reach + 1)
    centred = change - change.mean()
    agreement = np.array(
        [centred @ np.interp(at - lag * HOP_SECS, times, smooth, left=0, right=0) for lag in lags]
    )
    best = int(agreement.argmax())
    between = 0.0
    if 0 < best < len(lags) - 1:
        before, peak, after = agreement[best - 1 : best + 2]
        curve = before - 2 * peak + after
        between = float((before - after) / (2 * curve)) if curve else 0.0
    return (int(lags[best]) + between) * HOP_SECS
