from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.signal
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from jax.test_util import check_grads

from wyh.errors import WyhError
from wyh.signal.stft import WINDOWS, istft, overlap_add, stft, stft_window


@pytest.fixture(autouse=True)
def no_silent_promotion():
    with jax.numpy_rank_promotion("raise"), jax.numpy_dtype_promotion("strict"):
        yield


def noise(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).uniform(-1, 1, shape).astype(np.float32)


def naive_overlap_add(columns: np.ndarray, hop_length: int) -> np.ndarray:
    *batch, count, n_fft = columns.shape
    out = np.zeros((*batch, (count - 1) * hop_length + n_fft))
    for t in range(count):
        out[..., t * hop_length : t * hop_length + n_fft] += columns[..., t, :]
    return out


def naive_stft(x, taper, n_fft, hop_length, center):
    """The definition, in float64: a DFT matrix on windowed columns, one by one."""
    front = n_fft // 2 if center else 0
    x = np.pad(x.astype(np.float64), (front, front))
    spare = n_fft - taper.size
    taper = np.pad(taper, (spare // 2, spare - spare // 2))
    matrix = np.exp(-2j * np.pi * np.outer(np.arange(n_fft), np.arange(n_fft // 2 + 1)) / n_fft)
    starts = range(0, x.size - n_fft + 1, hop_length)
    return np.stack([(x[s : s + n_fft] * taper) @ matrix for s in starts])


@pytest.mark.parametrize("length", [1, 2, 7, 256])
@pytest.mark.parametrize("name", WINDOWS)
def test_window_equals_scipy_periodic(name, length):
    scipy_name = {"rectangular": "boxcar"}.get(name, name)
    expected = scipy.signal.get_window(scipy_name, length, fftbins=True)
    taper = stft_window(name, length)
    assert taper.dtype == np.float32
    np.testing.assert_allclose(taper, expected, atol=1e-7)


@pytest.mark.parametrize("center", [True, False])
@pytest.mark.parametrize(
    ("n_fft", "win_length", "hop_length"),
    [(16, 16, 4), (15, 15, 4), (15, 10, 5), (16, 7, 3), (16, 16, 1), (8, 8, 11), (16, 16, 16)],
)
def test_stft_equals_naive_dft(n_fft, win_length, hop_length, center):
    x = noise(2, 3, 75)
    transform = jax.jit(
        stft, static_argnames=("n_fft", "hop_length", "win_length", "window", "center")
    )
    got = transform(
        jnp.asarray(x),
        n_fft=n_fft,
        hop_length=hop_length,
        win_length=win_length,
        window="hamming",
        center=center,
    )
    assert got.dtype == jnp.complex64
    taper = stft_window("hamming", win_length)
    for i in np.ndindex(2, 3):
        expected = naive_stft(x[i], taper, n_fft, hop_length, center)
        np.testing.assert_allclose(got[i], expected, atol=1e-5)


def test_stft_equals_scipy():
    x = noise(2, 1000)
    _, _, expected = scipy.signal.stft(
        x, nperseg=128, noverlap=96, window="hann", boundary="zeros", padded=False
    )
    got = stft(jnp.asarray(x), n_fft=128, hop_length=32)
    expected = np.swapaxes(expected, -1, -2) * stft_window("hann", 128).sum()
    np.testing.assert_allclose(got, expected, atol=1e-4)


def test_centred_column_count():
    assert stft(jnp.zeros(1000), n_fft=256, hop_length=100).shape == (11, 129)
    assert stft(jnp.zeros(999), n_fft=256, hop_length=100).shape == (10, 129)
    assert stft(jnp.zeros((2, 256)), n_fft=256, hop_length=99, center=False).shape == (2, 1, 129)


@partial(jax.jit, static_argnames=("n_fft", "hop_length", "win_length", "window", "center"))
def round_trip(x, **sizes):
    return istft(stft(x, **sizes), **sizes, length=x.shape[-1])


@pytest.mark.parametrize("window", WINDOWS)
@pytest.mark.parametrize("n_fft", [255, 256, 300])
@pytest.mark.parametrize("hop_length", [64, 75])
def test_round_trip(n_fft, window, hop_length):
    x = jnp.asarray(noise(2, 20 * hop_length))
    back = round_trip(x, n_fft=n_fft, hop_length=hop_length, window=window)
    np.testing.assert_allclose(back, x, atol=1e-5)


@pytest.mark.parametrize(("n_fft", "win_length"), [(256, 200), (255, 100), (300, 299)])
def test_round_trip_of_any_length_with_a_short_window(n_fft, win_length):
    x = jnp.asarray(noise(1777))
    back = round_trip(x, n_fft=n_fft, hop_length=25, win_length=win_length)
    np.testing.assert_allclose(back, x, atol=1e-5)


def test_round_trip_where_columns_just_meet_or_leave_gaps():
    x = jnp.asarray(noise(64))
    for hop_length in (16, 20):
        sizes = {"n_fft": 16, "hop_length": hop_length, "window": "rectangular", "center": False}
        back = istft(stft(x, **sizes), **sizes)
        gap = np.arange(back.size) % hop_length >= 16
        np.testing.assert_allclose(back, np.where(gap, 0, x[: back.size]), atol=1e-6)


@pytest.mark.parametrize("center", [True, False])
@pytest.mark.parametrize("columns", [1, 2, 9])
@pytest.mark.parametrize(("n_fft", "hop_length"), [(16, 5), (15, 4), (16, 16), (9, 14)])
def test_istft_is_least_squares(n_fft, hop_length, columns, center):
    bins = n_fft // 2 + 1
    spectrum = (noise(columns, bins) + 1j * noise(columns, bins, seed=1)).astype(np.complex64)
    taper = stft_window("hamming", n_fft).astype(np.float64)
    waves = np.fft.irfft(spectrum, n=n_fft)
    envelope = naive_overlap_add(np.tile(taper**2, (columns, 1)), hop_length)
    expected = naive_overlap_add(waves * taper, hop_length) / np.where(envelope, envelope, 1)
    front = n_fft // 2 if center else 0
    expected = expected[front : expected.size - front]
    sizes = {"n_fft": n_fft, "hop_length": hop_length, "window": "hamming", "center": center}
    inverse = jax.jit(partial(istft, **sizes), static_argnames="length")
    np.testing.assert_allclose(inverse(jnp.asarray(spectrum)), expected, atol=2e-6)
    longer = inverse(jnp.asarray(spectrum), length=expected.size + 40)
    assert longer.shape == (expected.size + 40,)
    np.testing.assert_allclose(longer[: expected.size], expected, atol=2e-6)
    assert inverse(jnp.asarray(spectrum), length=3).shape == (3,)


def test_istft_does_not_blow_up_where_the_window_is_thin():
    spectrum = jnp.full((5, 513), 1 + 1j, jnp.complex64)
    got = istft(spectrum, n_fft=1024, hop_length=256, center=False)
    columns = np.abs(np.fft.irfft(np.asarray(spectrum[0]))).max()
    assert jnp.abs(got).max() < 1000 * columns
    assert jnp.isfinite(got).all()


@pytest.mark.parametrize("shape", [(1, 8), (4, 8), (2, 3, 9)])
@pytest.mark.parametrize("hop_length", [1, 3, 8, 20])
def test_overlap_add_equals_a_loop(shape, hop_length):
    columns = noise(*shape)
    got = jax.jit(overlap_add, static_argnums=1)(jnp.asarray(columns), hop_length)
    np.testing.assert_allclose(got, naive_overlap_add(columns, hop_length), atol=1e-6)


values = st.floats(-1, 1, width=32)


@settings(max_examples=25, deadline=None, database=None, derandomize=True)
@given(x=hnp.arrays(np.float32, (2, 96), elements=values), hop_length=st.sampled_from([4, 6, 8]))
def test_any_waveform_survives_the_round_trip(x, hop_length):
    back = round_trip(jnp.asarray(x), n_fft=24, hop_length=hop_length)
    np.testing.assert_allclose(back, x, atol=1e-5)


@settings(max_examples=25, deadline=None, database=None, derandomize=True)
@given(
    x=hnp.arrays(np.float32, (3, 10), elements=values),
    y=hnp.arrays(np.float32, (3, 10), elements=values),
    scale=values,
)
def test_overlap_add_is_linear(x, y, scale):
    add = jax.jit(overlap_add, static_argnums=1)
    together = add(jnp.asarray(x + np.float32(scale) * y), 4)
    apart = add(jnp.asarray(x), 4) + np.float32(scale) * add(jnp.asarray(y), 4)
    np.testing.assert_allclose(together, apart, atol=1e-5)


@pytest.mark.parametrize(("n_fft", "hop_length"), [(16, 4), (15, 6), (8, 11)])
def test_gradients(n_fft, hop_length):
    sizes = {"n_fft": n_fft, "hop_length": hop_length}
    x = jnp.asarray(noise(2, 40))

    @jax.jit
    def loudness(x):
        return jnp.sum(jnp.log(0.1 + jnp.square(jnp.abs(stft(x, **sizes) + jnp.complex64(0.1)))))

    @jax.jit
    def energy(parts):
        return jnp.sum(jnp.square(istft(jax.lax.complex(*parts), **sizes)))

    @jax.jit
    def bent(columns):
        return jnp.sin(overlap_add(columns, hop_length))

    shape = stft(x, **sizes).shape
    check_grads(loudness, (x,), order=1, atol=5e-2, rtol=5e-2, eps=1e-2)
    check_grads(energy, ((noise(*shape), noise(*shape, seed=1)),), order=1, atol=1e-2, rtol=1e-2)
    columns = jnp.asarray(noise(2, 5, n_fft))
    check_grads(bent, (columns,), order=1, eps=1e-2)


def test_gradient_of_istft_equals_its_adjoint():
    """<istft(s), x> is linear in s, so its gradient is the windowed, scaled STFT of x."""
    n_fft, hop_length, columns = 16, 5, 7
    sizes = {"n_fft": n_fft, "hop_length": hop_length, "center": False}
    x = noise((columns - 1) * hop_length + n_fft)
    real, imag = jax.grad(
        lambda parts: jnp.sum(jnp.asarray(x) * istft(jax.lax.complex(*parts), **sizes))
    )((jnp.zeros((columns, 9)), jnp.zeros((columns, 9))))
    taper = stft_window("hann", n_fft).astype(np.float64)
    envelope = naive_overlap_add(np.tile(taper**2, (columns, 1)), hop_length)
    scaled = x / np.where(envelope > 1e-6, envelope, 1)
    expected = naive_stft(scaled, taper, n_fft, hop_length, False) / n_fft
    doubled = np.r_[1, np.full(7, 2), 1]
    np.testing.assert_allclose(real, expected.real * doubled, atol=1e-5)
    np.testing.assert_allclose(imag[:, 1:-1], expected.imag[:, 1:-1] * 2, atol=1e-5)


def test_compiles_and_maps():
    x = jnp.asarray(noise(3, 2, 200))
    sizes = {"n_fft": 32, "hop_length": 10}
    direct = istft(stft(x, **sizes), **sizes)
    mapped = jax.jit(jax.vmap(lambda x: istft(stft(x, **sizes), **sizes)))(x)
    np.testing.assert_allclose(direct, mapped, atol=1e-6)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: stft_window("kaiser", 8), "got the window 'kaiser', wanted one of hann"),
        (lambda: stft_window("hann", 0), "got a window of 0 samples"),
        (lambda: stft(jnp.zeros(9), n_fft=8, hop_length=0), "got a hop_length of 0 samples"),
        (
            lambda: stft(jnp.zeros(9), n_fft=8, hop_length=2, win_length=9),
            "got a win_length of 9 samples, wanted 1 to n_fft, 8",
        ),
        (
            lambda: stft(jnp.zeros(7), n_fft=8, hop_length=2, center=False),
            "got 7 samples, wanted at least n_fft, 8",
        ),
        (
            lambda: istft(jnp.zeros((3, 5), jnp.complex64), n_fft=10, hop_length=2),
            "got 5 bins, wanted n_fft // 2 [+] 1 = 6",
        ),
    ],
)
def test_errors(call, message):
    with pytest.raises(WyhError, match=message):
        call()
