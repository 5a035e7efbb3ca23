"""Short-time Fourier transform and its inverse, by reshapes and shifted adds.

Axis order is `batch columns bins`. No sample is ever addressed by itself and nothing scans: a
column is a run of hops, so columns are cut out by whole hops and laid together by shifted adds.
"""

import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Complex, Float

from wyh.errors import WyhError

WINDOWS = ("hann", "hamming", "blackman", "bartlett", "rectangular")
"""Names that `stft_window` knows; bartlett is the triangle that starts at 0."""

_THIN = 1e-6  # of the largest summed squared window; dividing by less makes clicks, not samples


def stft_window(name: str, length: int) -> Float[np.ndarray, " length"]:
    """A periodic STFT window (one more sample would repeat the first), float32.

    Args:
      name: one of `WINDOWS`.
      length: samples, >= 1. A window of 1 sample is 1.

    Raises:
      WyhError: unknown name or no length.
    """
    if length < 1:
        raise WyhError(f"got a window of {length} samples, wanted at least 1")
    turn = 2 * np.pi * np.arange(length) / length
    match name:
        case _ if length == 1 and name in WINDOWS:
            taper = np.ones(1)
        case "hann":
            taper = 0.5 - 0.5 * np.cos(turn)
        case "hamming":
            taper = 0.54 - 0.46 * np.cos(turn)
        case "blackman":
            taper = 0.42 - 0.5 * np.cos(turn) + 0.08 * np.cos(2 * turn)
        case "bartlett":
            taper = 1 - np.abs(turn / np.pi - 1)
        case "rectangular":
            taper = np.ones(length)
        case _:
            raise WyhError(f"got the window {name!r}, wanted one of {', '.join(WINDOWS)}")
    return np.maximum(taper, 0).astype(np.float32)


def _centred_window(
    name: str, win_length: int | None, n_fft: int, hop_length: int
) -> Float[np.ndarray, " n_fft"]:
    """The window in the middle of `n_fft` samples, zeros around it; checks the sizes."""
    length = n_fft if win_length is None else win_length
    if hop_length < 1:
        raise WyhError(f"got a hop_length of {hop_length} samples, wanted at least 1")
    if not 1 <= length <= n_fft:
        raise WyhError(f"got a win_length of {length} samples, wanted 1 to n_fft, {n_fft}")
    front = (n_fft - length) // 2
    return np.pad(stft_window(name, length), (front, n_fft - length - front))


def _fit(waveform: Array, front: int, samples: int) -> Array:
    """Zeros put before (or samples cut, if negative), then cut or filled to `samples`."""
    back = samples - front - waveform.shape[-1]
    config = [(0, 0, 0)] * (waveform.ndim - 1) + [(front, back, 0)]
    return lax.pad(waveform, jnp.zeros((), waveform.dtype), config)


def stft(
    waveform: Float[Array, "*batch samples"],
    *,
    n_fft: int,
    hop_length: int,
    win_length: int | None = None,
    window: str = "hann",
    center: bool = True,
) -> Complex[Array, "*batch columns bins"]:
    """Spectrum of windowed columns, one every `hop_length` samples.

    Args:
      waveform: float32.
      n_fft: samples of a column, odd or even; bins = n_fft // 2 + 1.
      hop_length: samples from column to column, >= 1.
      win_length: samples of the window, centred in the column; n_fft when None.
      window: one of `WINDOWS`.
      center: column t is centred on sample t * hop_length (zeros lie beyond the ends) and there
        are 1 + samples // hop_length columns for even n_fft; else it starts there.

    Raises:
      WyhError: a size out of range, or a waveform shorter than one column.
    """
    taper = _centred_window(window, win_length, n_fft, hop_length)
    front = n_fft // 2 if center else 0
    samples = waveform.shape[-1] + 2 * front
    if samples < n_fft:
        raise WyhError(f"got {waveform.shape[-1]} samples, wanted at least n_fft, {n_fft}")
    columns = 1 + (samples - n_fft) // hop_length
    runs = -(-n_fft // hop_length)
    padded = _fit(waveform, front, (columns - 1 + runs) * hop_length)
    rows = padded.reshape(*waveform.shape[:-1], columns - 1 + runs, hop_length)
    picked = rows[..., np.arange(columns)[:, None] + np.arange(runs), :]
    cut = picked.reshape(*waveform.shape[:-1], columns, runs * hop_length)[..., :n_fft]
    return jnp.fft.rfft(cut * jnp.broadcast_to(taper, cut.shape))


def _add_rows(
    columns: Float[Array, "*batch columns n_fft"], hop_length: int
) -> Float[Array, "*batch rows hop"]:
    """Overlap-add into rows of one hop: rows = columns + ceil(n_fft / hop) - 1."""
    *batch, count, n_fft = columns.shape
    lead = [(0, 0)] * len(batch)
    runs = -(-n_fft // hop_length)
    filled = jnp.pad(columns, [*lead, (0, 0), (0, runs * hop_length - n_fft)])
    filled = filled.reshape(*batch, count, runs, hop_length)
    total = jnp.pad(filled[..., 0, :], [*lead, (0, runs - 1), (0, 0)])
    for j in range(1, runs):
        total = total + jnp.pad(filled[..., j, :], [*lead, (j, runs - 1 - j), (0, 0)])
    return total


def overlap_add(
    columns: Float[Array, "*batch columns n_fft"], hop_length: int
) -> Float[Array, "*batch samples"]:
    """Sum of columns laid `hop_length` samples apart (any hop >= 1; beyond n_fft leaves gaps).

    Returns:
      `samples = (columns - 1) * hop_length + n_fft`.
    """
    *batch, count, n_fft = columns.shape
    rows = _add_rows(columns, hop_length)
    return rows.reshape(*batch, -1)[..., : (count - 1) * hop_length + n_fft]


def _row_scale(taper: np.ndarray, hop_length: int, columns: int) -> Array:
    """1 / (summed squared windows) in rows of one hop, as `_add_rows` lays them.

    All rows between the ends are alike, so that only the ends are stored as constants.
    """
    runs = -(-taper.size // hop_length)
    squared = np.pad(taper.astype(np.float64) ** 2, (0, runs * hop_length - taper.size))
    few = min(columns, runs)
    envelope = np.zeros((few + runs - 1, hop_length))
    for column in range(few):
        envelope[column : column + runs] += squared.reshape(runs, hop_length)
    solid = envelope > _THIN * envelope.max()
    scale = jnp.asarray(1 / np.where(solid, envelope, 1), jnp.float32)
    if columns <= runs:
        return scale
    middle = jnp.broadcast_to(scale[runs - 1], (columns - runs + 1, hop_length))
    return jnp.concatenate([scale[: runs - 1], middle, scale[runs:]])


def istft(
    spectrum: Complex[Array, "*batch columns bins"],
    *,
    n_fft: int,
    hop_length: int,
    win_length: int | None = None,
    window: str = "hann",
    center: bool = True,
    length: int | None = None,
) -> Float[Array, "*batch samples"]:
    """The waveform whose STFT is nearest to `spectrum` in the least-squares sense.

    Windowed inverse columns are added and divided by the sum of the squared windows; samples
    (almost) no window reaches are left as they are, near 0. Source: Griffin and Lim, "Signal
    estimation from modified short-time Fourier transform", IEEE Trans. ASSP 32, 1984.

    Args:
      spectrum: as `stft` returns it, with the same sizes, window and `center`.
      n_fft: samples of a column; odd or even cannot be told from the bins.
      hop_length: samples from column to column, >= 1.
      win_length: samples of the window; n_fft when None.
      window: one of `WINDOWS`.
      center: whether column t is centred on sample t * hop_length.
      length: samples to return, cut or filled with zeros; all that the columns span when None,
        less `n_fft // 2` at either end when `center`.

    Raises:
      WyhError: a size out of range, or bins that n_fft does not give.
    """
    taper = _centred_window(window, win_length, n_fft, hop_length)
    *batch, count, bins = spectrum.shape
    if bins != n_fft // 2 + 1:
        raise WyhError(f"got {bins} bins, wanted n_fft // 2 + 1 = {n_fft // 2 + 1}")
    columns = jnp.fft.irfft(spectrum, n=n_fft)
    rows = _add_rows(columns * jnp.broadcast_to(taper, columns.shape), hop_length)
    rows = rows * jnp.broadcast_to(_row_scale(taper, hop_length, count), rows.shape)
    front = n_fft // 2 if center else 0
    samples = (count - 1) * hop_length + n_fft
    waveform = rows.reshape(*batch, -1)[..., front:samples]
    return _fit(waveform, 0, samples - 2 * front if length is None else length)
