"""Sounds for pictures that nobody trained a model for: what it has to be better than."""

from collections.abc import Iterator, Sequence
from fractions import Fraction
from itertools import pairwise

import numpy as np
from jaxtyping import Float, Float32, Int, UInt8

from wyh.report.excerpts import Excerpt, Stretch, samples_each
from wyh.signal.stft import stft_window
from wyh.specs import tick_start

N_FFT = 2048  # of the mean spectrum
FADE_SECS = 0.005  # in which a picture's sound gives way to the next one's
_SLACK = 4  # samples: ticks are rounded
_SHUFFLES = 5
_AT_ONCE = 512  # pictures, or columns


def mean_power(sounds: Sequence[Float32[np.ndarray, " _"]]) -> Float[np.ndarray, " bins"]:
    """The mean power spectrum of training sound, scaled so that its sum over bins is the power.

    The sum counts what lies between 0 Hz and half the sample rate twice, for its mirror image.
    """
    taper = stft_window("hann", N_FFT).astype(np.float64)
    total, columns = np.zeros(N_FFT // 2 + 1), 0
    for heard in sounds:
        sound = np.pad(heard, (0, max(0, N_FFT - len(heard))))
        cut = np.lib.stride_tricks.sliding_window_view(sound, N_FFT)[:: N_FFT // 2]
        for first in range(0, len(cut), _AT_ONCE):
            spectrum = np.fft.rfft(cut[first : first + _AT_ONCE] * taper)
            total += np.sum(np.square(np.abs(spectrum)), axis=0)
        columns += len(cut)
    return total / (max(columns, 1) * N_FFT * np.sum(np.square(taper)))


def stationary_noise(
    power: Float[np.ndarray, " bins"], count: int, samples: int, rng: np.random.Generator
) -> Float32[np.ndarray, "count samples"]:
    """Gaussian noise of a power spectrum as `mean_power` has it."""
    # The product of spectra goes round: the noise is as stationary at its ends as within.
    spectrum = np.fft.rfft(rng.standard_normal((count, samples)))
    places = np.linspace(0, 1, spectrum.shape[1])
    shape = np.sqrt(np.interp(places, np.linspace(0, 1, len(power)), power) * N_FFT)
    return np.fft.irfft(spectrum * shape[None], samples).astype(np.float32)


def nearest_pictures(
    seen: UInt8[np.ndarray, "n height width channel"],
    known: UInt8[np.ndarray, "m height width channel"],
) -> Int[np.ndarray, " n"]:
    """Which known picture is nearest to each, by the squared differences of all pixels."""
    mean = known.mean(axis=0, dtype=np.float64).astype(np.float32).ravel()

    def flat(pictures: np.ndarray) -> Iterator[np.ndarray]:
        for first in range(0, len(pictures), _AT_ONCE):
            some = pictures[first : first + _AT_ONCE]
            yield some.reshape(len(some), -1).astype(np.float32) - mean

    best = np.full(len(seen), np.inf)
    nearest = np.zeros(len(seen), int)
    for part, there in enumerate(flat(known)):
        length = np.sum(np.square(there), axis=1)
        for piece, here in enumerate(flat(seen)):
            # The length of `here` is the same for all.
            apart = length - 2 * here @ there.T
            found, rows = apart.argmin(axis=1), np.arange(len(here))
            places = piece * _AT_ONCE + rows
            closer = apart[rows, found] < best[places]
            best[places] = np.where(closer, apart[rows, found], best[places])
            nearest[places] = np.where(closer, part * _AT_ONCE + found, nearest[places])
    return nearest


def neighbours_sound(
    excerpts: Sequence[Excerpt],
    stretches: Sequence[Stretch],
    sample_rate: int,
    frame_rate: Fraction,
) -> Float32[np.ndarray, "excerpts samples"]:
    """For each picture the true sound of the training picture nearest to it, crossfaded."""
    sizes = np.array([len(stretch.frames) for stretch in stretches])
    firsts = np.cumsum(sizes) - sizes
    known = np.concatenate([stretch.frames for stretch in stretches])
    nearest = nearest_pictures(np.concatenate([one.frames for one in excerpts]), known)
    half = max(1, round(FADE_SECS * sample_rate / 2))
    padded = [np.pad(stretch.sound, half + _SLACK) for stretch in stretches]
    rise = np.sin(np.pi / 4 * (np.arange(2 * half) + 0.5) / half) ** 2
    samples, pictures = samples_each(frame_rate, sample_rate), len(excerpts[0].frames)
    starts = [tick_start(k, sample_rate, frame_rate) for k in range(pictures + 1)]
    made = np.zeros((len(excerpts), starts[-1] + 2 * half))
    for row, chosen in zip(made, nearest.reshape(len(excerpts), pictures), strict=True):
        for picture, (begin, end) in zip(chosen.tolist(), pairwise(starts), strict=True):
            stretch = int(np.searchsorted(firsts, picture, side="right")) - 1
            at = _SLACK + tick_start(picture - int(firsts[stretch]), sample_rate, frame_rate)
            piece = padded[stretch][at : at + end - begin + 2 * half].astype(np.float64)
            if begin:
                piece[: 2 * half] *= rise
            if end < starts[-1]:
                piece[-2 * half :] *= rise[::-1]
            row[begin : end + 2 * half] += piece
    return made[:, half : half + samples].astype(np.float32)


def shuffles(count: int) -> list[Int[np.ndarray, " count"]]:
    """Ways to give each excerpt another's, none its own: moved round, by evenly spread steps."""
    steps = np.unique(np.rint(np.arange(1, _SHUFFLES + 1) * count / (_SHUFFLES + 1)).astype(int))
    return [(np.arange(count) + step) % count for step in steps if 0 < step < count]
