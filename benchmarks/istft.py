"""The inverse STFT and its gradient against torch.istft and scipy.signal.

    python -m benchmarks.istft

Needs the extra `wyh[bench]`. All get the same spectra (a second of sound, 64 times), the same
window and centred columns, laid in memory as each likes them best, and as many threads as there are
cores; each lives in a process of its own and they take turns. The gradient is that of the sound's
energy, with the energy. Errors are the largest of any sample (or bin) over the RMS of what it
should be, computed in float64 by `scipy.signal.istft` and, for the gradient, by `torch.istft`.
"""

import functools
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from benchmarks.inputs import need_torch
from benchmarks.side_by_side import (
    Repeated,
    Row,
    compared,
    cores,
    interleave,
    processes,
    rounded,
    show,
)
from wyh.cli import run as run_command

SAMPLE_RATE = 22_050
RATIO = 1.5  # wanted against torch.istft
ERROR = 1e-5  # wanted, relative


@dataclass(frozen=True)
class Options:
    """Compare the inverse STFT and its gradient with peers."""

    rounds: int = 15  # of measurements in turn
    repeats: int = 5  # calls in each measurement
    batch_size: int = 64  # spectra of a second


class Sizes(NamedTuple):
    """Of one comparison."""

    n_fft: int
    hop_length: int
    batch_size: int

    def spectrum(self) -> np.ndarray:
        """White noise, `complex64 [batch, columns, bins]`."""
        shape = (
            self.batch_size,
            1 + SAMPLE_RATE // self.hop_length,
            self.n_fft // 2 + 1,
        )
        rng = np.random.default_rng(0)
        parts = rng.standard_normal((2, *shape), np.float32)
        return parts[0] + 1j * parts[1]

    def taper(self) -> np.ndarray:
        """The Hann window, float64: `wyh` makes its own."""
        return 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(self.n_fft) / self.n_fft)


def jax_functions(sizes: Sizes) -> tuple[Any, Any]:
    """The waveform, and `(energy, its gradient)`, of a spectrum."""
    import jax
    import jax.numpy as jnp

    from wyh.signal.stft import istft

    inverse = functools.partial(istft, n_fft=sizes.n_fft, hop_length=sizes.hop_length)
    energy = jax.value_and_grad(lambda spectrum: jnp.sum(jnp.square(inverse(spectrum))))
    return jax.jit(inverse), jax.jit(energy)


def ours(sizes: Sizes, gradient: bool) -> Repeated:
    """`wyh.signal.stft.istft`."""
    import jax

    function = jax_functions(sizes)[gradient]
    spectrum = jax.device_put(sizes.spectrum())

    def run(count: int) -> None:
        for _ in range(count):
            jax.block_until_ready(function(spectrum))

    return run


def torch_energy(spectrum: Any, sizes: Sizes, taper: Any) -> tuple[Any, Any]:
    """`(energy, its gradient)` of a spectrum of leaves; torch's gradient is JAX's conjugate."""
    import torch

    waveform = torch.istft(spectrum, sizes.n_fft, sizes.hop_length, window=taper)
    energy = waveform.square().sum()
    return energy, torch.autograd.grad(energy, spectrum)[0]


def by_torch(sizes: Sizes, gradient: bool) -> Repeated:
    """`torch.istft`, of spectra in memory as `torch.stft` leaves them."""
    import torch

    torch.set_num_threads(cores())
    spectrum = torch.from_numpy(sizes.spectrum()).transpose(1, 2).requires_grad_(gradient)
    taper = torch.from_numpy(sizes.taper()).float()

    def run(count: int) -> None:
        for _ in range(count):
            if gradient:
                torch_energy(spectrum, sizes, taper)
            else:
                torch.istft(spectrum, sizes.n_fft, sizes.hop_length, window=taper)

    return run


def by_scipy(sizes: Sizes) -> Repeated:
    """`scipy.signal.istft`, in float32."""
    import scipy.fft

    spectrum, taper = sizes.spectrum(), sizes.taper().astype(np.float32)

    def run(count: int) -> None:
        with scipy.fft.set_workers(cores()):
            for _ in range(count):
                scipy_istft(spectrum, sizes, taper)

    return run


def by_short_time_fft(sizes: Sizes) -> Repeated:
    """`scipy.signal.ShortTimeFFT.istft`, its successor; it differs at the ends of the sound."""
    import scipy.fft
    import scipy.signal

    taper = sizes.taper().astype(np.float32)
    transform = scipy.signal.ShortTimeFFT(taper, sizes.hop_length, SAMPLE_RATE, phase_shift=None)
    # Its first columns lie before the sound: one more than ours begins with.
    before = ((0, 0), (-transform.p_min, 0), (0, 0))
    spectrum = np.pad(sizes.spectrum(), before)
    samples = SAMPLE_RATE // sizes.hop_length * sizes.hop_length

    def run(count: int) -> None:
        with scipy.fft.set_workers(cores()):
            for _ in range(count):
                transform.istft(spectrum, k1=samples, f_axis=-1, t_axis=-2)

    return run


def scipy_istft(spectrum: np.ndarray, sizes: Sizes, taper: np.ndarray) -> np.ndarray:
    """`scipy.signal.istft`, which takes spectra divided by the window's sum and multiplies them."""
    import scipy.signal

    _, waveform = scipy.signal.istft(
        spectrum,
        window=taper,
        nperseg=sizes.n_fft,
        noverlap=sizes.n_fft - sizes.hop_length,
        time_axis=-2,
        freq_axis=-1,
    )
    return waveform


def relative_error(got: np.ndarray, wanted: np.ndarray) -> float:
    """The largest deviation over the RMS of what is wanted."""
    return float(np.abs(got - wanted).max() / np.sqrt(np.mean(np.abs(wanted) ** 2)))


def errors(sizes: Sizes) -> tuple[float, float]:
    """Relative errors of our waveform and of our gradient."""
    import torch

    inverse, energy = jax_functions(sizes)
    given, taper = sizes.spectrum(), sizes.taper()
    double = given.astype(np.complex128)
    waveform = scipy_istft(double / taper.sum(), sizes, taper)
    leaves = torch.from_numpy(double).transpose(1, 2).requires_grad_()
    _, slope = torch_energy(leaves, sizes, torch.from_numpy(taper))
    slope = slope.transpose(1, 2).conj().resolve_conj().numpy()
    return (
        relative_error(np.asarray(inverse(given)), waveform),
        relative_error(np.asarray(energy(given)[1]), slope),
    )


def compare(sizes: Sizes, options: Options) -> list[Row]:
    """Ratios and errors of one size."""
    about = f"{sizes.batch_size} x 1 s, n_fft {sizes.n_fft}, hop {sizes.hop_length}"
    forward = {
        "wyh": functools.partial(ours, sizes, False),
        "torch.istft": functools.partial(by_torch, sizes, False),
        "scipy.signal.istft": functools.partial(by_scipy, sizes),
        "scipy.signal.ShortTimeFFT": functools.partial(by_short_time_fft, sizes),
    }
    backward = {
        "wyh": functools.partial(ours, sizes, True),
        "torch.istft": functools.partial(by_torch, sizes, True),
    }
    rows = []
    for name, makers in (("istft", forward), ("gradient of istft", backward)):
        with processes(makers, options.repeats) as jobs:
            took = interleave(jobs, options.rounds)
        calls = {by: [secs / options.repeats for secs in times] for by, times in took.items()}
        own = calls.pop("wyh")
        rows += [
            compared(f"{name}, {about}", own, secs, by, RATIO if by == "torch.istft" else None)
            for by, secs in calls.items()
        ]
    unit = "of the RMS"
    for name, error, peer in zip(
        ("error of istft", "error of its gradient"),
        errors(sizes),
        ("scipy.signal.istft in float64", "torch.istft in float64"),
        strict=True,
    ):
        rows.append(Row(f"{name}, {about}", rounded(error), unit, ERROR, "lower", peer))
    return rows


def main(options: Options) -> None:
    """Print one row a comparison."""
    need_torch()
    for n_fft, hop_length in ((1024, 256), (2048, 512)):
        for row in compare(Sizes(n_fft, hop_length, options.batch_size), options):
            show(row)


if __name__ == "__main__":
    run_command(main, Options, "python -m benchmarks.istft")
