import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from wyh.errors import WyhError
from wyh.signal.bands import band_bins
from wyh.synths.noise import NoiseConfig
from wyh.synths.protocol import Column, Magnitudes
from wyh.synths.targets import Target, TargetConfig

RATE, N_FFT, BANDS = 8000, 512, 8
NOISE = NoiseConfig(RATE, 256, 64, low_hz=100.0, high_hz=3500.0)
HANN = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(N_FFT) / N_FFT)
SPECTRA = ("real", "magnitude_phase")
LEVELS = ("magnitude", "exemplar")


def target(kind, frame_rate=10.0, **changes):
    return Target(
        TargetConfig(kind, **{"n_fft": N_FFT, "n_bands": BANDS} | changes), NOISE, frame_rate
    )


def values(wanted, windows):
    return np.asarray(wanted.values(jnp.asarray(windows, jnp.float32)))


def sine(hz, amplitude=1.0, turned=0.0):
    """Its phase is `turned` at the middle sample."""
    along = np.arange(N_FFT) - N_FFT // 2
    return amplitude * np.cos(2 * np.pi * hz / RATE * along + turned)


def spectrum_by_hand(window):
    """Every bin by its definition, counted from the middle; 1 for a sine of full scale."""
    along = np.arange(N_FFT) - N_FFT // 2
    bins = np.arange(N_FFT // 2 + 1)
    waves = np.exp(-2j * np.pi * bins[:, None] * along / N_FFT)
    return waves @ (window * HANN) * 2 / HANN.sum()


@pytest.mark.parametrize(
    ("kind", "changes", "frame_rate", "length", "size"),
    [
        ("pcm", {}, 10.0, 800, 800),
        ("pcm", {}, 24.0, 334, 334),
        ("pcm", {"periods": 1.5}, 10.0, 1200, 1200),
        ("real", {}, 10.0, 512, 257),
        ("magnitude", {}, 10.0, 512, 8),
        ("magnitude", {"n_bands": 0, "n_fft": 64}, 10.0, 64, 32),
        ("magnitude_phase", {}, 10.0, 512, 514),
        ("exemplar", {"n_bands": 16}, 30.0, 512, 16),
    ],
)
def test_sizes(kind, changes, frame_rate, length, size):
    found = target(kind, frame_rate, **changes)
    assert (found.length, found.size) == (length, size)
    assert found.silence.shape == (size,) and found.silence.dtype == np.float32
    assert found.prediction.column == (0 if kind in LEVELS else length)
    if kind in LEVELS:
        assert found.prediction.n_bands == size


def test_the_sizes_of_the_seed():
    """735 samples; 513 real bins; 1025 at 30,720 Hz, where 1024 samples are a frame; 2050."""
    seed, fine = NoiseConfig(22050), NoiseConfig(30720, n_fft=2048)
    assert Target(TargetConfig("pcm"), seed, 30.0).size == 735
    assert Target(TargetConfig("real", n_fft=1024), seed, 30.0).size == 513
    assert Target(TargetConfig("real", n_fft=2048), fine, 30.0).size == 1025
    assert Target(TargetConfig("magnitude_phase", n_fft=2048), fine, 30.0).size == 2050


def test_samples_are_themselves(rng):
    windows = rng.uniform(-1, 1, (2, 3, 800)).astype(np.float32)
    wanted = target("pcm")
    np.testing.assert_array_equal(values(wanted, windows), windows)
    control = wanted.control(jnp.asarray(windows), jnp.zeros((2, 800)))
    assert isinstance(control, Column)
    np.testing.assert_array_equal(control.samples, windows)


def test_spectra_are_those_by_definition(rng):
    windows = rng.uniform(-0.5, 0.5, (2, 3, N_FFT))
    real, both = values(target("real"), windows), values(target("magnitude_phase"), windows)
    for place in np.ndindex(2, 3):
        by_hand = spectrum_by_hand(windows[place])
        np.testing.assert_allclose(real[place], by_hand.real, atol=1e-5)
        levels, phases = np.split(both[place], 2)
        wanted_db = np.maximum(20 * np.log10(np.abs(by_hand)), -80)
        np.testing.assert_allclose(levels, wanted_db, atol=0.02)
        off = np.exp(1j * np.pi * phases) * np.abs(by_hand) - by_hand
        assert np.abs(off).max() < 1e-5
        assert np.abs(phases).max() <= 1 + 1e-6


@pytest.mark.parametrize("turned", [0.0, 1.0, -2.5, np.pi / 2])
def test_phases_are_those_at_the_middle_whatever_the_window(turned):
    """So a sine has the same real part in any spectrum that has it in its middle."""
    hz, level = 50 * RATE / N_FFT, 0.25
    window = sine(hz, level, turned)[None]
    levels, phases = np.split(values(target("magnitude_phase"), window)[0], 2)
    assert levels[50] == pytest.approx(20 * np.log10(level), abs=0.01)
    assert phases[50] == pytest.approx(turned / np.pi, abs=1e-3)
    assert values(target("real"), window)[0, 50] == pytest.approx(level * np.cos(turned), abs=1e-4)


@pytest.mark.parametrize("kind", LEVELS)
def test_levels_are_those_of_bands(kind, rng):
    """By Parseval: the power of a band's bins, of a spectrum that is not divided otherwise."""
    windows = rng.standard_normal((2, 3, N_FFT)) * [[[0.1]], [[0.001]]]
    found = values(target(kind), windows)
    assert found.shape == (2, 3, BANDS)
    coarse = band_bins("linear", BANDS, n_fft=256, sample_rate=RATE, low_hz=100.0, high_hz=3500.0)
    bands = coarse[np.minimum(np.rint(np.arange(N_FFT // 2 + 1) / 2).astype(int), 128)]
    power = np.abs(np.fft.rfft(windows * HANN)) ** 2 * 2 / (N_FFT * np.sum(HANN**2))
    for band in range(BANDS):
        level = 10 * np.log10(power[..., bands == band].sum(axis=-1))
        np.testing.assert_allclose(found[..., band], np.maximum(level, -80), atol=0.02)


def test_the_level_of_a_sine_is_its_rms():
    wanted = target("magnitude")
    for amplitude in (1.0, 0.1, 0.003):
        found = values(wanted, sine(1000.0, amplitude)[None])[0]
        assert found.max() == pytest.approx(20 * np.log10(amplitude / np.sqrt(2)), abs=0.1)
        # In one band, or on the edge of two.
        assert np.sum(found > max(found.max() - 40, -79)) <= 2
    quiet = values(wanted, sine(1000.0, 1e-5)[None])[0]
    np.testing.assert_allclose(quiet, -80)


def test_magnitudes_and_phases_are_the_tapered_samples_again(rng):
    windows = rng.uniform(-0.5, 0.5, (2, 3, N_FFT))
    wanted = target("magnitude_phase", floor_db=-140.0)
    control = wanted.control(jnp.asarray(values(wanted, windows)), jnp.zeros((2, wanted.size)))
    assert isinstance(control, Column)
    np.testing.assert_allclose(control.samples, windows * HANN, atol=2e-5)


def test_real_parts_are_the_even_half_of_the_samples_again(rng):
    windows = rng.standard_normal((2, 30, N_FFT)) / 10
    wanted, tapered = target("real"), windows * HANN
    control = wanted.control(jnp.asarray(values(wanted, windows)), jnp.zeros((2, wanted.size)))
    mirrored = np.roll(tapered[..., ::-1], 1, axis=-1)  # about the middle sample, as by an FFT
    even = np.sqrt(2) * (tapered + mirrored) / 2
    np.testing.assert_allclose(control.samples, even, atol=1e-5)
    # As loud as the whole.
    assert np.sqrt(np.mean(even**2)) == pytest.approx(np.sqrt(np.mean(tapered**2)), rel=0.02)


@pytest.mark.parametrize("kind", LEVELS)
def test_levels_are_amplitudes_again_each_after_the_one_before(kind, rng):
    wanted = target(kind)
    given = rng.uniform(-60, 0, (2, 4, BANDS)).astype(np.float32)
    before = rng.uniform(-60, 0, (2, BANDS)).astype(np.float32)
    control = wanted.control(jnp.asarray(given), jnp.asarray(before))
    assert isinstance(control, Magnitudes)
    np.testing.assert_allclose(control.value, 10 ** (given / 20), rtol=1e-4)
    np.testing.assert_allclose(control.previous[:, 0], 10 ** (before / 20), rtol=1e-4)
    np.testing.assert_array_equal(control.previous[:, 1:], control.value[:, :-1])


def test_amplitudes_fall_to_nothing_at_the_floor_without_a_step():
    wanted = target("magnitude", n_bands=0, n_fft=64, floor_db=-60.0)
    given = np.linspace(-70, -50, 32).astype(np.float32)
    control = wanted.control(jnp.asarray(given[None, None]), jnp.zeros((1, 32)))
    found = np.asarray(control.value)[0, 0]
    assert (found[given <= -60] == 0).all()
    np.testing.assert_allclose(found[given >= -54], 10 ** (given[given >= -54] / 20), rtol=1e-4)
    assert (np.diff(found) >= 0).all() and np.diff(found).max() < 5e-4


@pytest.mark.parametrize("kind", ["pcm", *SPECTRA, *LEVELS])
def test_silence_is_silence_throughout(kind):
    wanted = target(kind)
    np.testing.assert_allclose(
        values(wanted, np.zeros((1, wanted.length)))[0], wanted.silence, atol=1e-4
    )
    quiet = jnp.asarray(wanted.silence)
    control = wanted.control(jnp.tile(quiet, (1, 3, 1)), quiet[None])
    for leaf in jax.tree.leaves(control):
        assert np.abs(leaf).max() == 0


@pytest.mark.parametrize("kind", ["pcm", "real"])
def test_samples_are_standardised_all_alike(kind, rng):
    wanted = target(kind)
    given = 0.2 * rng.standard_normal((50, wanted.size))
    scale = wanted.scale(jnp.asarray(given, jnp.float32))
    assert (np.asarray(scale["mean"]) == 0).all()
    np.testing.assert_allclose(scale["spread"], given.std(), rtol=1e-3)
    silent = wanted.scale(jnp.zeros((5, wanted.size)))
    assert np.asarray(silent["spread"]).min() > 0


def test_levels_are_standardised_one_by_one_and_phases_not_at_all(rng):
    spreads = np.linspace(0.1, 20, BANDS)
    given = rng.standard_normal((200, BANDS)) * spreads - 40
    scale = target("magnitude").scale(jnp.asarray(given, jnp.float32))
    np.testing.assert_allclose(scale["mean"], given.mean(axis=0), rtol=1e-4)
    np.testing.assert_allclose(scale["spread"], np.maximum(given.std(axis=0), 1), rtol=1e-3)
    both = target("magnitude_phase")
    bins = both.size // 2
    given = rng.standard_normal((20, both.size)) * 9 - 40
    scale = both.scale(jnp.asarray(given, jnp.float32))
    np.testing.assert_allclose(scale["mean"][:bins], given[:, :bins].mean(axis=0), rtol=1e-4)
    np.testing.assert_allclose(scale["spread"][:bins], given[:, :bins].std(axis=0), rtol=1e-3)
    assert (np.asarray(scale["mean"])[bins:] == 0).all()
    assert (np.asarray(scale["spread"])[bins:] == 1).all()


def distance(wanted, predicted, truth):
    return float(wanted.distance(*(jnp.asarray(each, jnp.float32) for each in (predicted, truth))))


def test_distances_of_samples_and_of_levels(rng):
    one, other = rng.standard_normal((2, 5, 800))
    assert distance(target("pcm"), one, other) == pytest.approx(
        np.mean((one - other) ** 2), rel=1e-4
    )
    one, other = one[:, :BANDS], other[:, :BANDS]
    for kind in LEVELS:
        found = distance(target(kind), one, other)
        assert found == pytest.approx(np.mean(np.abs(one - other)), rel=1e-4)


def test_the_best_constant_is_the_median_of_levels_and_the_mean_of_samples(rng):
    """Of bands that are loud one time in five."""
    truth = np.where(rng.random((500, BANDS)) < 0.2, 3.0, -0.5) + rng.normal(0, 0.01, (500, BANDS))
    for kind, best in (("magnitude", np.median(truth, axis=0)), ("real", truth.mean(axis=0))):
        wanted = target(kind)
        always = np.broadcast_to(best, truth.shape)
        least = distance(wanted, always, truth)
        for step in (-0.2, -0.05, 0.05, 0.2):
            assert distance(wanted, always + step, truth) > least


def test_the_distance_of_phases_goes_round_and_counts_where_it_is_loud():
    wanted = target("magnitude_phase")
    bins = wanted.size // 2
    levels = np.where(np.arange(bins) == 50, 2.0, -2.0)

    def apart(phase, other, levels=levels, at=slice(None)):
        one, two = np.zeros((2, 1, 2 * bins))
        one[:, :bins] = two[:, :bins] = levels
        one[0, bins:][at], two[0, bins:][at] = phase, other
        return distance(wanted, one, two)

    assert apart(0.3, 0.3) == pytest.approx(0, abs=1e-6)
    assert apart(1.0, -1.0) == pytest.approx(0, abs=1e-6)
    assert apart(0.9, -0.9) == pytest.approx(1 - np.cos(0.2 * np.pi), rel=1e-3)
    assert apart(1.0, 0.0) == pytest.approx(2, rel=1e-4)
    assert apart(1.0, 0.0, at=50) > 50 * apart(1.0, 0.0, at=51)
    off = np.zeros((1, 2 * bins))
    off[:, :bins] = 0.5
    assert distance(wanted, off, np.zeros((1, 2 * bins))) == pytest.approx(0.5, rel=1e-4)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"periods": 0.5}, "got periods 0.5, wanted 1 to 4"),
        ({"n_fft": 32}, "got n_fft 32 samples, wanted 64 to 65536 samples"),
        ({"n_fft": 513}, "got n_fft 513, wanted an even number"),
        ({"n_fft": 128, "n_bands": 65}, "got n_bands 65, wanted 0 to 64"),
        ({"floor_db": 0.0}, "got floor_db 0 dB, wanted -140 to -20 dB"),
    ],
)
def test_configurations_that_cannot_be(given, said):
    with pytest.raises(WyhError, match=f"^{re.escape(said)}$"):
        TargetConfig(**given)
