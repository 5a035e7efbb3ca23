import jax
import jax.numpy as jnp
import numpy as np
import pyloudnorm
import pytest
import scipy.signal
from hypothesis import given, settings
from hypothesis import strategies as st
from jax.test_util import check_grads

from wyh.signal.levels import (
    FLOOR_DB,
    FLOOR_LUFS,
    amplitude_to_db,
    db_to_amplitude,
    integrated_loudness,
    k_weighting,
    rms_db,
    true_peak_db,
)


@pytest.fixture(autouse=True)
def no_silent_promotion():
    with jax.numpy_rank_promotion("raise"), jax.numpy_dtype_promotion("strict"):
        yield


def sine(hz: float, level_db: float, secs: float, rate: int) -> np.ndarray:
    t = np.arange(round(secs * rate)) / rate
    return (10 ** (level_db / 20) * np.sin(2 * np.pi * hz * t)).astype(np.float32)


def loudness(x: np.ndarray, rate: int) -> np.ndarray:
    return np.asarray(integrated_loudness(jnp.asarray(x, jnp.float32), rate))


def test_db_and_back():
    db = jnp.asarray([-100.0, -6.0206, 0.0, 20.0])
    np.testing.assert_allclose(db_to_amplitude(db), [1e-5, 0.5, 1, 10], rtol=1e-5)
    np.testing.assert_allclose(amplitude_to_db(-db_to_amplitude(db)), db, atol=1e-4)
    np.testing.assert_allclose(amplitude_to_db(jnp.zeros(2)), FLOOR_DB)
    np.testing.assert_allclose(amplitude_to_db(jnp.asarray(0.01), floor_db=-20.0), -20, atol=1e-5)


def test_rms_of_known_waveforms():
    x = jnp.asarray(np.stack([np.ones(100), np.full(100, 0.1), np.zeros(100)]), jnp.float32)
    np.testing.assert_allclose(rms_db(x), [0, -20, FLOOR_DB], atol=1e-4)
    full_scale = rms_db(jnp.asarray(sine(1000, 0, 1, 8000)))
    np.testing.assert_allclose(full_scale, -10 * np.log10(2), atol=1e-4)


@pytest.mark.parametrize("measure", [rms_db, true_peak_db, lambda x: integrated_loudness(x, 8000)])
def test_gradients_are_finite_in_silence_and_right_in_sound(measure):
    assert not jnp.any(jax.grad(measure)(jnp.zeros(4000)))
    x = np.random.default_rng(0).normal(size=64).astype(np.float32)
    x[30] = 4  # one clear peak
    check_grads(jax.jit(measure), (x,), order=1, modes=["rev"], atol=2e-2, rtol=2e-2, eps=1e-2)


def test_k_weighting_runs_at_48_khz_as_the_recursive_filter_does():
    x = np.random.default_rng(0).normal(size=48_000).astype(np.float32)
    y = scipy.signal.lfilter(
        [1.53512485958697, -2.69169618940638, 1.19839281085285],
        [1, -1.69065929318241, 0.73248077421585],
        x.astype(np.float64),
    )
    y = scipy.signal.lfilter([1, -2, 1], [1, -1.99004745483398, 0.99007225036621], y)
    blocks = [np.mean(y[s : s + 19_200] ** 2) for s in range(0, 28_801, 4800)]
    expected = -0.691 + 10 * np.log10(np.mean(blocks))
    np.testing.assert_allclose(loudness(x, 48_000), expected, atol=1e-4)


def test_k_weighting_of_known_frequencies():
    """No DC; 4 dB more at the top; 997 Hz passes with the 0.691 dB that the formula takes out."""
    gain_db = 20 * np.log10(np.abs(k_weighting(np.array([1.0, 997.0, 20_000.0, 90_000.0]))))
    assert gain_db[0] < -60
    np.testing.assert_allclose(gain_db[1:], [0.691, 4, 4], atol=0.06)


@pytest.mark.parametrize("rate", [4000, 10_000, 11_025, 22_050, 44_100, 48_000, 96_000])
def test_full_scale_sine_is_minus_3_01_lufs_at_any_rate(rate):
    """BS.1770: a 0 dBFS sine of 997 Hz in one channel is -3.01 LKFS."""
    got = loudness(np.stack([sine(997, 0, 2, rate), sine(997, -20, 2, rate)]), rate)
    np.testing.assert_allclose(got, [-3.01, -23.01], atol=0.01)


def test_ebu_tech_3341_cases():
    """Stereo sines of 1 kHz: the channels' power adds, so one channel reads 3.01 LU less.

    Cases 1 and 2 are steady; 3 to 5 have parts that the relative or absolute gate shuts out.
    """
    rate = 48_000

    def stereo(*parts: tuple[float, float]) -> float:
        x = np.concatenate([sine(1000, level, secs, rate) for level, secs in parts])
        return float(loudness(x, rate)) + 10 * np.log10(2)

    assert stereo((-23, 20)) == pytest.approx(-23, abs=0.1)
    assert stereo((-33, 20)) == pytest.approx(-33, abs=0.1)
    assert stereo((-36, 10), (-23, 60), (-36, 10)) == pytest.approx(-23, abs=0.1)
    assert stereo((-72, 10), (-36, 10), (-23, 60), (-36, 10), (-72, 10)) == pytest.approx(
        -23, abs=0.1
    )
    assert stereo((-26, 20), (-20, 20.1), (-26, 20)) == pytest.approx(-23, abs=0.1)


@pytest.mark.parametrize("rate", [16_000, 22_050, 44_100, 48_000])
def test_loudness_agrees_with_pyloudnorm(rate):
    """Which models the filters by slightly other parameters, hence the tolerance of 0.1 LU."""
    rng = np.random.default_rng(rate)
    level = np.repeat(10 ** rng.uniform(-2.5, 0, 40), rate // 10)
    x = (0.3 * rng.normal(size=level.size) * level).astype(np.float32)
    expected = pyloudnorm.Meter(rate).integrated_loudness(x)
    np.testing.assert_allclose(loudness(x, rate), expected, atol=0.1)


def test_short_sounds_are_one_ungated_block():
    rate = 16_000
    x = sine(997, -10, 0.25, rate)
    np.testing.assert_allclose(loudness(x, rate), -13.01, atol=0.1)
    assert loudness(np.zeros(0), rate) == FLOOR_LUFS


def test_silence_is_the_floor():
    np.testing.assert_array_equal(loudness(np.zeros((2, 8000)), 8000), FLOOR_LUFS)
    assert loudness(sine(997, -80, 1, 8000), 8000) == FLOOR_LUFS


@settings(max_examples=20, deadline=None, database=None, derandomize=True)
@given(gain_db=st.floats(-30, 0), seed=st.integers(0, 100))
def test_loudness_follows_gain(gain_db, seed):
    x = np.random.default_rng(seed).normal(size=8000) * 0.3
    louder = loudness(np.stack([x, x * 10 ** (gain_db / 20)]), 8000)
    np.testing.assert_allclose(louder[1] - louder[0], gain_db, atol=1e-3)


@pytest.mark.parametrize(
    ("cycles", "degrees", "over_db"),
    [(1 / 4, 45, 3.0103), (1 / 4, 0, 0), (1 / 6, 30, 0), (1 / 6, 60, 1.2494), (1 / 3, 90, 0)],
)
def test_true_peak_of_sines_between_their_samples(cycles, degrees, over_db):
    """EBU Tech 3341, cases 15 to 19: the true peak is 0, whatever the samples reach.

    Tapered, for a sine that begins at once overshoots by itself.
    """
    n = np.arange(2000)
    x = np.sin(2 * np.pi * cycles * n + np.radians(degrees)) * scipy.signal.windows.tukey(2000, 0.5)
    assert 20 * np.log10(np.abs(x).max()) == pytest.approx(-over_db, abs=0.01)
    got = true_peak_db(jnp.asarray(np.stack([x, x / 2]), jnp.float32))
    # 4 times oversampling may miss the crest by an eighth of a sample period.
    missed = 20 * np.log10(np.cos(np.pi * cycles / 4))
    assert missed - 0.02 <= float(got[0]) <= 0.02
    np.testing.assert_allclose(got[0] - got[1], 20 * np.log10(2), atol=1e-4)


def test_true_peak_agrees_with_band_limited_interpolation():
    rng = np.random.default_rng(0)
    low_pass = scipy.signal.firwin(201, 0.8)  # up to 0.4 of the sample rate
    x = scipy.signal.fftconvolve(rng.normal(size=(20, 2000)), low_pass[None])
    exact = np.abs(scipy.signal.resample(x, 4 * x.shape[-1], axis=-1)).max(-1)
    got = true_peak_db(jnp.asarray(x, jnp.float32))
    np.testing.assert_allclose(got, 20 * np.log10(exact), atol=0.05)


def test_true_peak_is_never_under_the_sample_peak():
    x = np.zeros((3, 50), np.float32)
    x[0, 0], x[1, 49], x[2, 20] = 0.5, -1, 2
    np.testing.assert_allclose(true_peak_db(jnp.asarray(x)), [-6.0206, 0, 6.0206], atol=1e-3)
    np.testing.assert_allclose(true_peak_db(jnp.zeros((1, 5))), FLOOR_DB)
