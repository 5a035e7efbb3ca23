from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.fft
import scipy.signal

from wyh.errors import WyhError
from wyh.signal.features import Extractor, FeatureConfig, decibels, window_power

RATE = 8000
SMALL = {
    "sample_rate": RATE,
    "win_length": 400,
    "hop_length": 160,
    "n_fft": 512,
    "bands": 12,
    "low_hz": 50.0,
}
SEED = FeatureConfig(
    sample_rate=44100,
    win_length=3675,  # 83 ms
    hop_length=1837,
    n_fft=8192,
    bands=40,
    low_hz=0.0,
    cepstra=40,
    lifter=22,
    stft_window="rectangular",
)


@cache
def compiled(config):
    extractor = Extractor(config)

    def made(carry, sound):
        carry, windows = extractor.windows(carry, sound)
        if config.kind == "raw":
            return carry, windows
        return carry, extractor.vectors(extractor.power(windows), window_power(windows))

    return jax.jit(made)


def vectors(config, sound, chunks=None):
    """Features of a sound `[samples]`, made in so many blocks at a time; all at once if not so."""
    carry, made, first = Extractor(config).init(1), [], 0
    for count in chunks or (len(sound) // config.hop_length,):
        piece = sound[first : first + count * config.hop_length]
        carry, values = compiled(config)(carry, piece[None])
        made.append(values[0])
        first += len(piece)
    return np.concatenate(made)


def naive_mel(config):
    """Triangles in Hz, their corners evenly spaced in mel, one value at a time."""
    low, high = (2595 * np.log10(1 + hz / 700) for hz in (config.low_hz, config.sample_rate / 2))
    corners = [
        700 * (10 ** ((low + (high - low) * k / (config.bands + 1)) / 2595) - 1)
        for k in range(config.bands + 2)
    ]
    matrix = np.zeros((config.bands, config.n_fft // 2 + 1))
    for band, (left, middle, right) in enumerate(
        zip(corners[:-2], corners[1:-1], corners[2:], strict=True)
    ):
        for k in range(matrix.shape[1]):
            hz = k * config.sample_rate / config.n_fft
            if left < hz <= middle:
                matrix[band, k] = (hz - left) / (middle - left)
            elif middle < hz < right:
                matrix[band, k] = (right - hz) / (right - middle)
    return matrix


def naive(config, sound):
    """The same window by window in float64, from the definitions."""
    c, rows = config, []
    taper = scipy.signal.get_window(c.stft_window.replace("rectangular", "boxcar"), c.win_length)
    mel = naive_mel(c) if c.kind == "fbank" else np.empty(0)
    padded = np.concatenate([np.zeros(c.win_length + 1), sound.astype(np.float64)])
    for tick in range(len(sound) // c.hop_length):
        end = c.win_length + 1 + (tick + 1) * c.hop_length
        window, before = padded[end - c.win_length : end], padded[end - c.win_length - 1 : end - 1]
        if c.kind == "raw":
            rows.append(window)
            continue
        window = window - c.pre_emphasis * before
        power = np.abs(np.fft.rfft(window * taper, c.n_fft)) ** 2 * (2 / taper.sum()) ** 2
        if c.kind == "fbank":
            power = mel @ power
        values = 10 * np.log10(power + 1e-8)
        if c.kind == "fbank" and c.cepstra:
            values = scipy.fft.dct(values, type=2, norm="ortho")[: c.cepstra]
            if c.lifter:
                values = values * (
                    1 + c.lifter / 2 * np.sin(np.pi * np.arange(c.cepstra) / c.lifter)
                )
        if c.energy:
            values = np.append(values, 10 * np.log10(2 * np.mean(window**2) + 1e-8))
        rows.append(values)
    return np.array(rows)


def noise(samples, seed=0):
    return (0.2 * np.random.default_rng(seed).standard_normal(samples)).astype(np.float32)


def sine(hz, rate, samples):
    return np.sin(2 * np.pi * hz * np.arange(samples) / rate).astype(np.float32)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"energy": False},
        {"pre_emphasis": 0.0, "stft_window": "hamming"},
        {"stft_window": "rectangular", "n_fft": 400},
        {"hop_length": 400},
        {"low_hz": 0.0, "bands": 5, "stft_window": "blackman"},
        {"cepstra": 12},
        {"cepstra": 5, "lifter": 0, "energy": False},
        {"cepstra": 12, "lifter": 7},
        {"kind": "fft"},
        {"kind": "fft", "energy": False, "pre_emphasis": 0.5},
        {"kind": "raw"},
    ],
)
def test_as_computed_window_by_window(changes):
    config = FeatureConfig(**SMALL | changes)
    sound = noise(12 * config.hop_length)
    found = vectors(config, sound)
    assert found.shape == (12, config.size)
    # Single precision where a window is cut off hard leaves the faintest bins less exact.
    np.testing.assert_allclose(found, naive(config, sound), atol=2e-2, rtol=1e-4)


def test_the_41_values_of_the_seed():
    """40 liftered cepstra of 40 mel bands and the log energy, 24 a second at 44.1 kHz."""
    assert SEED.size == 41
    assert SEED.sample_rate / SEED.hop_length == pytest.approx(24, rel=1e-3)
    chirp = scipy.signal.chirp(np.arange(44100) / 44100, 50, 1, 8000, method="log")
    sound = (0.3 * chirp + noise(44100)).astype(np.float32)[: 20 * SEED.hop_length]
    np.testing.assert_allclose(vectors(SEED, sound), naive(SEED, sound), atol=0.02)


@pytest.mark.parametrize("changes", [{}, {"hop_length": 400}, {"kind": "raw"}])
def test_windows_in_chunks_are_those_of_one_pass(changes):
    config = FeatureConfig(**SMALL | changes)
    extractor, sound = Extractor(config), noise(6 * config.hop_length)[None]
    windows_of = jax.jit(extractor.windows)
    after, whole = windows_of(extractor.init(1), sound)
    for chunks in ((1,) * 6, (3, 1, 2)):
        carry, first, made = extractor.init(1), 0, []
        for count in chunks:
            piece = sound[:, first : first + count * config.hop_length]
            carry, windows = windows_of(carry, piece)
            made.append(windows)
            first += piece.shape[1]
        np.testing.assert_array_equal(np.concatenate(made, axis=1), whole)
        np.testing.assert_array_equal(carry, after)


@pytest.mark.parametrize("changes", [{}, {"cepstra": 6}, {"kind": "fft"}])
def test_features_in_chunks_are_those_of_one_pass(changes):
    """But for the order of sums."""
    config = FeatureConfig(**SMALL | changes)
    sound = noise(10 * config.hop_length)
    found = vectors(config, sound, chunks=(1, 2, 1, 6))
    np.testing.assert_allclose(found, vectors(config, sound), atol=2e-4)


def test_the_power_of_the_windows_as_they_are():
    """Not pre-emphasised, and the same in chunks."""
    config = FeatureConfig(**SMALL)
    extractor, sound = Extractor(config), noise(5 * config.hop_length)[None]
    whole_of = jax.jit(extractor.whole)
    padded = np.concatenate([np.zeros(400), sound[0]])
    wanted = [2 * np.mean(padded[(k + 1) * 160 :][:400] ** 2) for k in range(5)]
    np.testing.assert_allclose(whole_of(extractor.init(1), sound)[0], wanted, rtol=1e-5)
    carry, _ = jax.jit(extractor.windows)(extractor.init(1), sound[:, :320])
    np.testing.assert_allclose(whole_of(carry, sound[:, 320:])[0], wanted[2:], rtol=1e-5)


def test_streams_of_a_batch_are_apart():
    config = FeatureConfig(**SMALL)
    sounds = np.stack([noise(1600), noise(1600, seed=1)])
    _, found = compiled(config)(Extractor(config).init(2), sounds)
    for row, sound in zip(np.asarray(found), sounds, strict=True):
        np.testing.assert_allclose(row, vectors(config, sound), atol=1e-3)


@pytest.mark.parametrize("stft_window", ["hann", "hamming", "blackman", "rectangular"])
@pytest.mark.parametrize("n_fft", [400, 800, 4096])
def test_a_sine_of_full_scale_is_0_db_in_its_bin_and_in_all(stft_window, n_fft):
    config = FeatureConfig(
        **SMALL | {"kind": "fft", "n_fft": n_fft, "pre_emphasis": 0.0, "stft_window": stft_window}
    )
    found = vectors(config, sine(1000, RATE, 1600))[-1]
    assert np.argmax(found[:-1]) == round(1000 * n_fft / RATE)
    assert found[:-1].max() == pytest.approx(0, abs=0.1)
    assert found[-1] == pytest.approx(0, abs=0.01)


def test_a_sine_in_the_middle_of_a_band_is_loudest_there():
    """A Hann window spreads it over bins: 1.8 dB more, less what the triangle takes."""
    config = FeatureConfig(win_length=1024, n_fft=1024, pre_emphasis=0.0)
    for band in (10, 20, 35):
        hz = Extractor(config).band_hz[band]
        found = vectors(config, sine(hz, config.sample_rate, 2048))[-1]
        assert np.argmax(found[:-1]) == band
        assert found[band] == pytest.approx(0.5, abs=1.3)
        assert found[-1] == pytest.approx(0, abs=0.05)


@pytest.mark.parametrize("kind", ["fbank", "fft"])
def test_silence_is_the_floor(kind):
    config = FeatureConfig(**SMALL | {"kind": kind})
    np.testing.assert_allclose(vectors(config, np.zeros(800, np.float32)), -80, atol=1e-4)
    loud = vectors(config, np.ones(8000, np.float32) * 10)
    assert np.isfinite(loud).all()


def test_a_window_ends_with_its_block():
    """An impulse is in the window of its own block, and nearer the start in the next."""
    config = FeatureConfig(**SMALL | {"kind": "raw"})
    sound = np.zeros(8 * 160, np.float32)
    sound[2 * 160 + 5] = 1
    rows, places = np.nonzero(vectors(config, sound))
    np.testing.assert_array_equal(rows, [2, 3])
    np.testing.assert_array_equal(places, [400 - 160 + 5, 400 - 320 + 5])


@pytest.mark.parametrize("changes", [{}, {"kind": "fft"}, {"low_hz": 0.0}, {"bands": 40}])
def test_registers_share_out_all_bands(changes):
    extractor = Extractor(FeatureConfig(**SMALL | {"n_fft": 2048} | changes))
    bass, middle, treble = registers = extractor.registers
    assert registers.min() >= 0
    np.testing.assert_allclose(registers.sum(axis=0), 1, atol=1e-6)
    hz = extractor.band_hz
    assert (bass[hz < 250 / 2**0.5] == 1).all()
    assert (middle[(hz > 250 * 2**0.5) & (hz < 2500 / 2**0.5)] == 1).all()
    assert (treble[hz > 2500 * 2**0.5] == 1).all()
    assert np.interp(250, hz, bass) == pytest.approx(0.5, abs=0.15)


@pytest.mark.parametrize(
    ("changes", "size"),
    [
        ({}, 13),
        ({"energy": False}, 12),
        ({"cepstra": 5}, 6),
        ({"kind": "fft"}, 258),
        ({"kind": "fft", "energy": False}, 257),
        ({"kind": "raw"}, 400),
    ],
)
def test_sizes(changes, size):
    assert FeatureConfig(**SMALL | changes).size == size


def test_decibels_of_known_powers():
    np.testing.assert_allclose(decibels(jnp.array([1.0, 0.01, 0.0])), [0, -20, -80], atol=1e-4)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"sample_rate": 100}, "got sample_rate 100 Hz, wanted 4000 to 192000 Hz"),
        ({"win_length": 8}, "got win_length 8 samples, wanted 16 to 65536 samples"),
        ({"hop_length": 401}, "got hop_length 401 samples, wanted 16 to 400 samples"),
        ({"n_fft": 256}, "got n_fft 256 samples, wanted 400 to 65536 samples"),
        ({"bands": 1}, "got bands 1, wanted 2 to 512"),
        ({"low_hz": 4000.0}, "got low_hz 4000 Hz, wanted 0 to 3999 Hz"),
        ({"pre_emphasis": 1.5}, "got pre_emphasis 1.5, wanted 0 to 1"),
        ({"cepstra": 13}, "got cepstra 13, wanted 0 to 12"),
        ({"lifter": -1}, "got lifter -1, wanted 0 to 1000"),
        ({"stft_window": "boxcar"}, "got the window 'boxcar', wanted one of hann, hamming"),
    ],
)
def test_what_is_refused(changes, message):
    with pytest.raises(WyhError, match=message.replace("(", r"\(")):
        FeatureConfig(**SMALL | changes)


def test_unknown_kinds_are_refused():
    config = FeatureConfig()
    object.__setattr__(config, "kind", "mfcc")
    with pytest.raises(WyhError, match="got features of the kind 'mfcc', wanted fbank, fft or raw"):
        config.__post_init__()


def test_bands_without_a_bin_are_refused():
    with pytest.raises(WyhError, match="got 300 bands with n_fft 512 at 8000 Hz, wanted a bin in"):
        Extractor(FeatureConfig(**SMALL | {"bands": 300}))
    Extractor(FeatureConfig(**SMALL | {"bands": 300, "kind": "fft"}))
