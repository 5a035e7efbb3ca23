import jax
import jax.numpy as jnp
import numpy as np
import pytest

from wyh.signal.features import (
    FLOOR_DB,
    Extractor,
    FeatureConfig,
    decibels,
    window_power,
)
from wyh.synths.shaped import COLUMNS, MARGIN, ShapedNoise, glided

RATE = 8000
MIDDLES = (np.arange(60) + 0.5) / 20  # 3 s of pictures


def config(**changes):
    sizes = {"win_length": 256, "hop_length": 80, "n_fft": 256, "bands": 12, "low_hz": 60.0}
    return FeatureConfig(sample_rate=RATE, **{**sizes, **changes})


def music():
    """Noise that falls with frequency and swells, and two tones that come and go: 3 s."""
    rng = np.random.default_rng(0)
    secs = np.arange(3 * RATE) / RATE
    spectrum = np.fft.rfft(rng.standard_normal(len(secs)))
    hz = np.fft.rfftfreq(len(secs), 1 / RATE)
    noise = np.fft.irfft(spectrum / (1 + hz / 200)) * 10 ** np.sin(2 * np.pi * 0.8 * secs)
    tones = np.sin(2 * np.pi * 330 * secs) * np.sin(2 * np.pi * 0.7 * secs) ** 2
    tones += 0.3 * np.sin(2 * np.pi * 1900 * secs) * np.cos(2 * np.pi * 1.3 * secs) ** 2
    return (0.05 * noise + 0.03 * tones).astype(np.float32)


def features_of(sound, settings, middles_secs=MIDDLES):
    """Features of the windows around these times."""
    extractor, length = Extractor(settings), settings.win_length
    starts = np.rint(middles_secs * RATE).astype(int) - length // 2
    padded = np.pad(sound, (length + 1, length))
    joined = np.stack([padded[start + length : start + 2 * length + 1] for start in starts])
    windows = jnp.asarray(joined[:, 1:] - settings.pre_emphasis * joined[:, :-1])[None]
    return np.asarray(extractor.vectors(extractor.power(windows), window_power(windows))[0])


def made_of(values, settings, samples=3 * RATE, middles_secs=MIDDLES, seed=0):
    pieces = ShapedNoise(settings).sound(middles_secs, values, samples, seed=seed)
    return np.concatenate(list(pieces))


@pytest.mark.parametrize(
    ("changes", "error_db"),
    [
        ({}, 1.0),
        ({"cepstra": 12}, 1.0),
        ({"cepstra": 12, "lifter": 0, "energy": False}, 1.0),
        ({"stft_window": "hamming"}, 1.0),
        ({"n_fft": 512}, 1.0),
        ({"pre_emphasis": 0.0, "energy": False}, 1.0),
        ({"kind": "fft"}, 2.5),
    ],
)
def test_the_sound_has_the_features_it_was_made_of(changes, error_db):
    settings = config(**changes)
    wanted = features_of(music(), settings)
    made = features_of(made_of(wanted, settings), settings)
    noise = ShapedNoise(settings)
    levels = [decibels(noise.powers(jnp.asarray(values))) for values in (made, wanted)]
    assert jnp.abs(levels[0] - levels[1]).mean() < error_db
    missed = jnp.square(levels[0] - levels[1]).mean() / levels[1].var(axis=0).mean()
    assert missed < 0.1


def test_fewer_cepstra_than_bands_keep_the_outline():
    settings = config(cepstra=6)
    wanted, whole = (features_of(music(), each) for each in (settings, config()))
    made = features_of(made_of(wanted, settings), config())
    assert np.abs(made - whole)[:, :-1].mean() < 6


def test_levels_are_absolute():
    settings = config()
    made = made_of(features_of(music(), settings), settings)
    quiet = made_of(features_of(music() / 10, settings), settings)
    assert 20 * np.log10(made.std() / music().std()) == pytest.approx(0, abs=1.5)
    assert 20 * np.log10(made.std() / quiet.std()) == pytest.approx(20, abs=0.5)


def test_silence_is_silent():
    silent = np.full((3, config().size), FLOOR_DB, np.float32)
    assert np.abs(made_of(silent, config(), middles_secs=np.arange(3.0))).max() < 1e-6


def test_a_misread_level_has_an_end():
    loud = np.full((1, config().size), 3000.0, np.float32)
    made = made_of(loud, config(), middles_secs=np.zeros(1))
    assert np.isfinite(made).all()
    assert np.abs(made).max() < 1000


def test_where_it_is_cut_changes_nothing():
    """Each piece is made by itself, with enough around it."""
    settings = config()
    noise, key = ShapedNoise(settings), jax.random.key(0)
    rng = np.random.default_rng(0)
    columns = 2 * MARGIN + 60
    values = (-40 + 10 * rng.standard_normal((columns + 10, settings.size))).astype(np.float32)
    early = np.asarray(noise.waveform(jnp.asarray(values[:columns]), 5, key))
    late = np.asarray(noise.waveform(jnp.asarray(values[10:]), 15, key))
    hop = noise.hop
    np.testing.assert_allclose(early[10 * hop :], late[: 50 * hop], atol=1e-4 * early.std())


def test_it_is_as_long_as_it_is_to_be():
    one = features_of(music(), config())[:1]
    hop = ShapedNoise(config()).hop
    for samples in (1, hop, hop + 1, COLUMNS * hop, COLUMNS * hop + 1):
        made = made_of(one, config(), samples, np.zeros(1))
        assert made.shape == (samples,) and made.dtype == np.float32


def test_the_seed_alone_decides_the_noise():
    wanted = features_of(music(), config())
    first, again, other = (made_of(wanted, config(), 4000, seed=seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert abs(np.corrcoef(first, other)[0, 1]) < 0.2


def test_values_glide_on_straight_lines(rng):
    known, values = np.sort(rng.uniform(0, 3, 20)), rng.standard_normal((20, 4))
    at = np.linspace(-1, 4, 301)
    naive = np.stack([np.interp(at, known, column) for column in values.T], axis=1)
    np.testing.assert_allclose(glided(at, known, values), naive, atol=1e-5)
    np.testing.assert_allclose(glided(at, known[:1], values[:1]), values[:1].repeat(301, 0), 1e-6)
