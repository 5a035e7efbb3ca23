"""Bands of FFT bins: which bins belong to which of n bands, on four frequency scales."""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from wyh.errors import WyhError

LAYOUTS = ("linear", "log", "mel", "erb")
"""Frequency scales that `band_edges` knows."""

Hertz = float | int


def hz_to_mel(hz: Hertz | np.ndarray) -> np.ndarray:
    """Mel value of a frequency, the formula that HTK uses: 2595 log10(1 + f / 700).

    Source: O'Shaughnessy, "Speech Communication: Human and Machine", 1987, p. 150.
    """
    return np.asarray(2595 * np.log10(1 + np.asarray(hz) / 700))


def mel_to_hz(mel: Hertz | np.ndarray) -> np.ndarray:
    """Frequency in Hz of a mel value; undoes `hz_to_mel`."""
    return np.asarray(700 * (10 ** (np.asarray(mel) / 2595) - 1))


def hz_to_erb(hz: Hertz | np.ndarray) -> np.ndarray:
    """Number of equivalent rectangular bandwidths below a frequency (the ERB-rate).

    Source: Glasberg and Moore, "Derivation of auditory filter shapes from notched-noise data",
    Hearing Research 47, 1990: 21.4 log10(1 + 0.00437 f).
    """
    return np.asarray(21.4 * np.log10(1 + 0.00437 * np.asarray(hz)))


def erb_to_hz(erb: Hertz | np.ndarray) -> np.ndarray:
    """Frequency in Hz of an ERB-rate; undoes `hz_to_erb`."""
    return np.asarray((10 ** (np.asarray(erb) / 21.4) - 1) / 0.00437)


def band_edges(
    layout: str, n_bands: int, low_hz: Hertz, high_hz: Hertz
) -> Float[np.ndarray, " edges"]:
    """Edges of `n_bands` bands of equal width on a scale, in Hz: `[n_bands + 1]`, rising, float64.

    Raises:
      WyhError: unknown layout, no band, or frequencies out of order.
    """
    if n_bands < 1:
        raise WyhError(f"got {n_bands} bands, wanted at least 1")
    if not 0 <= low_hz < high_hz:
        raise WyhError(f"got bands from {low_hz:g} to {high_hz:g} Hz, wanted 0 <= low_hz < high_hz")
    match layout:
        case "linear":
            edges = np.linspace(low_hz, high_hz, n_bands + 1)
        case "log":
            if low_hz == 0:
                raise WyhError("got low_hz 0 with the log layout, wanted more than 0 Hz")
            edges = np.geomspace(low_hz, high_hz, n_bands + 1)
        case "mel":
            edges = mel_to_hz(np.linspace(hz_to_mel(low_hz), hz_to_mel(high_hz), n_bands + 1))
        case "erb":
            edges = erb_to_hz(np.linspace(hz_to_erb(low_hz), hz_to_erb(high_hz), n_bands + 1))
        case _:
            raise WyhError(f"got the layout {layout!r}, wanted one of {', '.join(LAYOUTS)}")
    edges[[0, -1]] = low_hz, high_hz  # exact, for the scales go there and back
    return edges


def band_bins(
    layout: str,
    n_bands: int,
    *,
    n_fft: int,
    sample_rate: int,
    low_hz: Hertz,
    high_hz: Hertz,
) -> Int[np.ndarray, " bins"]:
    """The band of every FFT bin, or -1 for bins outside `[low_hz, high_hz]` (both included).

    Bands are runs of neighbouring bins and each has at least one: where bands are narrower than
    the bins lie apart, edges are pushed up (and, at the top, back down) by as few bins as it
    takes. Bin k lies at `k * sample_rate / n_fft` Hz; DC takes part only if `low_hz` is 0.

    Raises:
      WyhError: as `band_edges`; `high_hz` above half the sample rate; or fewer bins than bands.
    """
    edges = band_edges(layout, n_bands, low_hz, high_hz)
    if high_hz > sample_rate / 2:
        raise WyhError(
            f"got high_hz {high_hz:g}, wanted at most half the sample rate, {sample_rate / 2:g} Hz"
        )
    bin_hz = np.arange(n_fft // 2 + 1) * (sample_rate / n_fft)
    # Bins that lie on an edge up to rounding belong to the band above it.
    starts = np.searchsorted(bin_hz * (1 + 1e-12), edges[:-1])
    end = int(np.searchsorted(bin_hz, high_hz * (1 + 1e-12), side="right"))
    fit = end - int(starts[0])
    if fit < n_bands:
        raise WyhError(
            f"got {n_bands} bands from {low_hz:g} to {high_hz:g} Hz but only {fit} bins of "
            f"{sample_rate / n_fft:g} Hz there, wanted at most {fit} bands: raise n_fft (now "
            f"{n_fft}) or widen the range"
        )
    order = np.arange(n_bands)
    starts = np.maximum.accumulate(starts - order) + order
    starts = np.minimum(starts, end - n_bands + order)
    bands = np.full(bin_hz.size, -1)
    bands[starts[0] : end] = np.repeat(order, np.diff(starts, append=end))
    return bands


def band_matrix(
    layout: str,
    n_bands: int,
    *,
    n_fft: int,
    sample_rate: int,
    low_hz: Hertz,
    high_hz: Hertz,
) -> Float[np.ndarray, "bands bins"]:
    """`band_bins` as a float32 matrix: 1 where the bin belongs to the band, else 0."""
    bands = band_bins(
        layout, n_bands, n_fft=n_fft, sample_rate=sample_rate, low_hz=low_hz, high_hz=high_hz
    )
    return (bands == np.arange(n_bands)[:, None]).astype(np.float32)


def mel_matrix(
    bands: int, *, n_fft: int, sample_rate: int, low_hz: float = 0.0
) -> Float[np.ndarray, "bands bins"]:
    """Triangles from `low_hz` to half the sample rate, equally wide in mel (as HTK has it).

    They peak at 1, and end where the next one peaks. Triangles narrower than bins may be empty.
    """
    edges = mel_edges_hz(bands, sample_rate, low_hz)[:, None]
    hz = np.arange(n_fft // 2 + 1) * (sample_rate / n_fft)
    rising = (hz - edges[:-2]) / (edges[1:-1] - edges[:-2])
    falling = (edges[2:] - hz) / (edges[2:] - edges[1:-1])
    return np.maximum(np.minimum(rising, falling), 0)


def mel_edges_hz(bands: int, sample_rate: int, low_hz: float = 0.0) -> Float[np.ndarray, " edges"]:
    """Where the triangles of `mel_matrix` start, peak and end: `[bands + 2]`, in Hz."""
    return mel_to_hz(np.linspace(hz_to_mel(low_hz), hz_to_mel(sample_rate / 2), bands + 2))


def fold_bands(
    power: Float[Array, "*batch bins"], matrix: Float[np.ndarray | Array, "bands bins"]
) -> Float[Array, "*batch bands"]:
    """Mean power of the bins of each band; `matrix` as `band_matrix` gives it."""
    return power @ jnp.asarray(matrix / matrix.sum(axis=1, keepdims=True)).T
