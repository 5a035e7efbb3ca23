import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wyh.errors import WyhError
from wyh.signal.bands import (
    LAYOUTS,
    band_bins,
    band_edges,
    band_matrix,
    erb_to_hz,
    fold_bands,
    hz_to_erb,
    hz_to_mel,
    mel_to_hz,
)


def test_mel_and_erb_at_known_points():
    """1,000 Hz is 1,000 mel by construction; Glasberg and Moore's bandwidth at 1 kHz is 132.6."""
    assert float(hz_to_mel(1000)) == pytest.approx(1000, abs=0.02)
    assert float(hz_to_erb(1000)) == pytest.approx(21.4 * np.log10(5.37))
    slope = float(hz_to_erb(1000.5) - hz_to_erb(999.5))
    assert 1 / slope == pytest.approx(24.7 * (4.37 + 1), rel=5e-3)


@pytest.mark.parametrize(("there", "back"), [(hz_to_mel, mel_to_hz), (hz_to_erb, erb_to_hz)])
def test_scales_go_there_and_back(there, back):
    hz = np.linspace(0, 20_000, 50)
    np.testing.assert_allclose(back(there(hz)), hz, atol=1e-8)
    assert (np.diff(there(hz)) > 0).all()


@pytest.mark.parametrize("layout", LAYOUTS)
def test_edges_are_equal_steps_on_their_scale(layout):
    edges = band_edges(layout, 40, 50.0, 8000.0)
    assert edges.shape == (41,)
    assert edges[0] == 50
    assert edges[-1] == 8000
    scale = {"linear": np.asarray, "log": np.log, "mel": hz_to_mel, "erb": hz_to_erb}[layout]
    steps = np.diff(scale(edges))
    np.testing.assert_allclose(steps, steps[0], rtol=1e-9)


def test_the_bands_of_seed_000():
    """100 values of 50 Hz: 5 bins of 10 Hz each, bins 1 to 500, no DC."""
    bands = band_bins("linear", 100, n_fft=1000, sample_rate=10_000, low_hz=5, high_hz=5000)
    np.testing.assert_array_equal(bands, np.r_[-1, np.repeat(np.arange(100), 5)])


@settings(max_examples=100, deadline=None, database=None, derandomize=True)
@given(
    layout=st.sampled_from(LAYOUTS),
    n_bands=st.integers(1, 128),
    n_fft=st.sampled_from([64, 255, 512, 1000, 1024, 2048]),
    sample_rate=st.sampled_from([8000, 10_000, 22_050, 44_100]),
    low_hz=st.floats(1, 200),
    top=st.floats(0.1, 1),
)
def test_bands_are_a_partition(layout, n_bands, n_fft, sample_rate, low_hz, top):
    high_hz = max(low_hz + 1, top * sample_rate / 2)
    sizes = {"n_fft": n_fft, "sample_rate": sample_rate, "low_hz": low_hz, "high_hz": high_hz}
    bin_hz = np.arange(n_fft // 2 + 1) * sample_rate / n_fft
    rounding = 1e-12 * high_hz
    inside = (bin_hz >= low_hz - rounding) & (bin_hz <= high_hz + rounding)
    if inside.sum() < n_bands:
        with pytest.raises(WyhError, match=f"wanted at most {inside.sum()} bands"):
            band_bins(layout, n_bands, **sizes)
        return
    bands = band_bins(layout, n_bands, **sizes)
    np.testing.assert_array_equal(bands >= 0, inside)
    np.testing.assert_array_equal(np.unique(bands[inside]), np.arange(n_bands))
    assert (np.diff(bands[inside]) >= 0).all()


@pytest.mark.parametrize("layout", LAYOUTS)
def test_wide_bands_keep_to_their_edges(layout):
    edges = band_edges(layout, 8, 100.0, 8000.0)
    bands = band_bins(layout, 8, n_fft=8192, sample_rate=22_050, low_hz=100.0, high_hz=8000.0)
    bin_hz = np.arange(4097) * 22_050 / 8192
    expected = np.digitize(bin_hz, edges) - 1
    np.testing.assert_array_equal(bands, np.where(bin_hz > 8000, -1, expected))


def test_as_many_bands_as_bins():
    bands = band_bins("mel", 17, n_fft=32, sample_rate=8000, low_hz=0.0, high_hz=4000.0)
    np.testing.assert_array_equal(bands, np.arange(17))


def test_matrix_and_fold_give_the_mean_of_each_band():
    sizes = {"n_fft": 256, "sample_rate": 16_000, "low_hz": 100.0, "high_hz": 7000.0}
    bands = band_bins("erb", 20, **sizes)
    matrix = band_matrix("erb", 20, **sizes)
    assert matrix.dtype == np.float32
    power = np.random.default_rng(0).uniform(0, 1, (2, 3, 129)).astype(np.float32)
    expected = np.stack([power[..., bands == k].mean(-1) for k in range(20)], axis=-1)
    with jax.numpy_rank_promotion("raise"), jax.numpy_dtype_promotion("strict"):
        got = fold_bands(jnp.asarray(power), matrix)
        np.testing.assert_allclose(got, expected, atol=1e-6)
        folded = jax.jit(fold_bands)(jnp.asarray(power), jnp.asarray(matrix))
        np.testing.assert_allclose(folded, expected, atol=1e-6)
        np.testing.assert_allclose(fold_bands(jnp.ones(129), matrix), 1, atol=1e-6)


@pytest.mark.parametrize(
    ("layout", "n_bands", "low_hz", "high_hz", "message"),
    [
        ("bark", 8, 50.0, 4000.0, "got the layout 'bark', wanted one of linear, log, mel, erb"),
        ("mel", 0, 50.0, 4000.0, "got 0 bands, wanted at least 1"),
        ("mel", 8, 500.0, 400.0, "got bands from 500 to 400 Hz, wanted 0 <= low_hz < high_hz"),
        ("log", 8, 0.0, 4000.0, "got low_hz 0 with the log layout, wanted more than 0 Hz"),
        ("mel", 8, 50.0, 5000.0, "got high_hz 5000, wanted at most half the sample rate, 4000 Hz"),
        (
            "mel",
            200,
            50.0,
            4000.0,
            "got 200 bands from 50 to 4000 Hz but only 127 bins of 31.25 Hz there, wanted at most "
            "127 bands: raise n_fft .now 256. or widen the range",
        ),
    ],
)
def test_errors(layout, n_bands, low_hz, high_hz, message):
    with pytest.raises(WyhError, match=message):
        band_bins(layout, n_bands, n_fft=256, sample_rate=8000, low_hz=low_hz, high_hz=high_hz)
