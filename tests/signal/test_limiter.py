import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.signal
from hypothesis import given, settings
from hypothesis import strategies as st

from wyh.errors import WyhError
from wyh.signal.levels import Limiter, true_peak_db

RATE = 22_050


@pytest.fixture(autouse=True)
def no_silent_promotion():
    with jax.numpy_rank_promotion("raise"), jax.numpy_dtype_promotion("strict"):
        yield


apply = jax.jit(Limiter.apply, static_argnums=0)


def limit(limiter: Limiter, x: np.ndarray) -> np.ndarray:
    """The whole at once and its tail."""
    x = np.pad(x, ((0, 0), (0, limiter.latency_samples)))
    _, y = apply(limiter, limiter.init(x.shape[0]), jnp.asarray(x, jnp.float32))
    return np.asarray(y)


def loud_waveforms(samples: int = 6000) -> dict[str, np.ndarray]:
    """All that a limiter should fear, up to 20 dB over full scale."""
    rng = np.random.default_rng(0)
    n = np.arange(samples)
    steps = np.repeat(10 ** rng.uniform(-2, 1, samples // 50), 50)
    impulses = np.zeros(samples)
    impulses[rng.choice(samples, 60)] = 10 * rng.choice([-1, 1], 60)
    edges = np.zeros(samples)
    edges[[0, -1]] = 10
    return {
        "white noise": 10 * rng.normal(size=samples),
        "just over": 0.4 * rng.normal(size=samples),
        "bursts": rng.normal(size=samples) * steps,
        "spikes": rng.normal(size=samples) * 10 ** rng.uniform(-3, 1, samples),
        "random bits": rng.choice([-1, 1], samples) * steps,
        "square": 10 * np.sign(np.sin(0.03 * n + 0.01)),
        "fast square": 10 * np.sign(np.sin(2.9 * n + 0.01)),
        "impulses": impulses,
        "first and last": edges,
        "half sample rate": 10 * np.cos(np.pi * n) * (n > samples // 2),
        "phase flips": 10 * np.cos(np.pi * (n + n // 16 % 2)),
        "swelling": 10 * np.sin(1.5 * n) * n / samples,
        "constant": np.full(samples, 10.0),
    }


def test_channels_are_turned_down_together(rng):
    limiter, size = Limiter(RATE), 4000
    both = 0.1 * rng.standard_normal((3, 2, size))
    both[0, 0, 1000] = both[1, 1, 2000] = 5
    padded = jnp.asarray(np.pad(both, ((0, 0), (0, 0), (0, limiter.latency_samples))), jnp.float32)
    carry, found = apply(limiter, limiter.init(3, 2), padded)
    assert carry.shape == limiter.init(3, 2).shape
    found = np.asarray(found)[..., limiter.latency_samples :]
    assert np.all(np.asarray(true_peak_db(jnp.asarray(found))) <= -1 + 0.1)
    gain = found / both
    # What one channel needs, the other gets too; the third row needs nothing.
    np.testing.assert_allclose(gain[:, 0], gain[:, 1], rtol=1e-4)
    assert gain[0].min() < 0.3 and gain[1].min() < 0.3
    np.testing.assert_allclose(gain[2], 1, rtol=1e-5)
    pieces, carry = [], limiter.init(3, 2)
    for part in np.split(np.asarray(padded), [1, 700, 2500], axis=-1):
        carry, piece = apply(limiter, carry, jnp.asarray(part))
        pieces.append(np.asarray(piece))
    whole = np.concatenate(pieces, axis=-1)[..., limiter.latency_samples :]
    np.testing.assert_allclose(whole, found, atol=1e-6)


@pytest.mark.parametrize(
    "limiter",
    [
        Limiter(RATE),
        Limiter(RATE, ceiling_db=-6.0, lookahead_ms=1.0, hold_ms=0.0),
        Limiter(4000, lookahead_ms=0.0, hold_ms=0.0),
        Limiter(48_000, ceiling_db=0.0, lookahead_ms=5.0),
    ],
    ids=str,
)
def test_no_true_peak_over_the_ceiling(limiter):
    waveforms = loud_waveforms()
    y = limit(limiter, np.stack(list(waveforms.values())))
    over = np.asarray(true_peak_db(jnp.asarray(y))) - limiter.ceiling_db
    assert dict(zip(waveforms, over > 0.1, strict=True)) == dict.fromkeys(waveforms, False)
    assert over.min() > -1  # and none is turned down for nothing


def test_ceiling_holds_for_another_meter():
    """Exact interpolation by Fourier, of sound without the top fifth (short meters blur it)."""
    low_pass = scipy.signal.firwin(201, 0.8)
    x = scipy.signal.fftconvolve(np.random.default_rng(0).normal(size=(4, 5000)), low_pass[None])
    limiter = Limiter(RATE)
    y = limit(limiter, 10 * x)
    y = np.pad(y, ((0, 0), (99, 99)))
    peak = np.abs(scipy.signal.resample(y, 4 * y.shape[-1], axis=-1)).max()
    assert 20 * np.log10(peak) <= limiter.ceiling_db + 0.1


@settings(max_examples=25, deadline=None, database=None, derandomize=True)
@given(seed=st.integers(0, 10_000), spread=st.floats(0, 3), tilt=st.floats(-0.99, 0.99))
def test_ceiling_holds_for_any_noise(seed, spread, tilt):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=2000) * 10 ** rng.uniform(1 - spread, 1, 2000)
    x = scipy.signal.lfilter([1], [1, tilt], x)
    limiter = Limiter(RATE)
    y = limit(limiter, x[None])
    assert float(true_peak_db(jnp.asarray(y))[0]) <= limiter.ceiling_db + 0.1


@settings(max_examples=15, deadline=None, database=None, derandomize=True)
@given(data=st.data(), seed=st.integers(0, 10_000))
def test_cutting_into_blocks_changes_nothing(data, seed):
    limiter = Limiter(RATE, lookahead_ms=1.5)
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(2, 1200)).astype(np.float32) * 3
    _, whole = apply(limiter, limiter.init(2), jnp.asarray(x))
    carry, parts, start = limiter.init(2), [], 0
    while start < 1200:
        size = data.draw(st.sampled_from([1, 7, 64, 256, 500]))
        carry, y = apply(limiter, carry, jnp.asarray(x[:, start : start + size]))
        parts.append(y)
        start += size
    np.testing.assert_allclose(np.concatenate(parts, axis=-1), whole, atol=1e-6)


@pytest.mark.parametrize("rate", [4000, 22_050, 48_000])
def test_sound_under_the_ceiling_passes_late_but_unchanged(rate):
    limiter = Limiter(rate)
    x = np.random.default_rng(0).uniform(-0.3, 0.3, (2, 3000)).astype(np.float32)
    assert float(true_peak_db(jnp.asarray(x)).max()) < limiter.ceiling_db
    y = limit(limiter, x)
    delay = limiter.latency_samples
    np.testing.assert_array_equal(y[:, :delay], 0)
    np.testing.assert_allclose(y[:, delay:], x, atol=1e-6)


def test_latency_is_a_few_ms_and_exact():
    limiter = Limiter(RATE)
    assert 1.5 <= 1000 * limiter.latency_samples / RATE <= 5
    for peak in (0.5, 5.0):
        x = np.zeros((1, 2000), np.float32)
        x[0, 700] = peak
        y = limit(limiter, x)
        np.testing.assert_array_equal(np.flatnonzero(y), [700 + limiter.latency_samples])
        expected = min(peak, 10 ** (limiter.ceiling_db / 20))
        np.testing.assert_allclose(y.max(), expected, rtol=1e-5)


def test_a_steady_tone_is_turned_down_not_distorted():
    t = np.arange(RATE) / RATE
    limiter = Limiter(RATE)
    y = limit(limiter, 4 * np.sin(2 * np.pi * 60 * t)[None])[0, 5000:15_000]
    basis = np.stack([f(2 * np.pi * 60 * np.arange(y.size) / RATE) for f in (np.sin, np.cos)], 1)
    rest = y - basis @ np.linalg.lstsq(basis, y, rcond=None)[0]
    assert 20 * np.log10(rest.std() / y.std()) < -80


def test_gain_moves_smoothly():
    limiter = Limiter(RATE)
    x = np.full((1, 6000), 0.1, np.float32)
    x[0, 3000] = 8
    y = limit(limiter, x)[0, limiter.latency_samples :]
    gain = np.delete(y / 0.1, 3000)
    slope = np.abs(np.diff(gain)).max()
    assert slope <= 2 / (1e-3 * limiter.lookahead_ms * RATE)
    np.testing.assert_allclose(gain[[0, -1]], 1, atol=1e-6)


def test_a_damaged_sample_is_forgotten():
    limiter = Limiter(RATE)
    x = np.zeros((1, 4000), np.float32)
    x[0, 100] = np.nan
    x[0, 3000] = 0.5
    y = limit(limiter, x)
    assert np.isfinite(y[0, 2000:]).all()
    assert y[0, 3000 + limiter.latency_samples] == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"sample_rate": 100}, "got the limiter's sample_rate 100, wanted 1000 to 400000"),
        ({"ceiling_db": 3.0}, "got the limiter's ceiling_db 3, wanted -60 to 0"),
        ({"lookahead_ms": -1.0}, "got the limiter's lookahead_ms -1, wanted 0 to 50"),
        ({"hold_ms": 500.0}, "got the limiter's hold_ms 500, wanted 0 to 200"),
    ],
)
def test_errors(settings, message):
    with pytest.raises(WyhError, match=message):
        Limiter(**{"sample_rate": RATE} | settings)
