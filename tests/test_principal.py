import math
from fractions import Fraction

import jax
import numpy as np
import pytest

from tests.conftest import TINY_MODEL, untrained
from wyh import principal
from wyh.media.decode import open_video
from wyh.metrics.pictures import gain_db
from wyh.models.autoencoder import Autoencoder, AutoencoderConfig, decode, encode
from wyh.natural import wave_strengths, waves_of
from wyh.principal import principal_start
from wyh.samples import SAMPLE
from wyh.specs import VideoSpec
from wyh.transducers.autoencoder import SonifierConfig

SHAPE = (16, 16, 1)
VIDEO = VideoSpec(Fraction(24), 16, 16, 1)
MODEL = Autoencoder(TINY_MODEL, SHAPE)
PARAMS = untrained(SonifierConfig(TINY_MODEL), VIDEO)["params"]
encode_jit, decode_jit = jax.jit(encode, static_argnums=0), jax.jit(decode, static_argnums=0)


@pytest.fixture
def no_prior(monkeypatch):
    """Nothing but the pictures themselves is known."""
    monkeypatch.setattr(principal, "PRIORS", (0.0,))


def film():
    """Real pictures: eight seconds of the bundled film."""
    spec = VideoSpec(Fraction(12), *SHAPE)
    with open_video(SAMPLE.with_name("bbb_252s_8s_160x90_12fps.mp4"), spec) as reader:
        return np.concatenate([frames.pixels for frames in reader]).astype(np.float32) / 255


def low_rank(rng, count, rank, noise=0.0):
    """Pictures in [0, 1] that differ in so many ways only."""
    ways = np.linalg.qr(rng.standard_normal((math.prod(SHAPE), rank)))[0].T
    strength = np.linspace(1.5, 0.7, rank)
    pictures = 0.5 + (rng.standard_normal((count, rank)) * strength) @ ways
    pictures += noise * rng.standard_normal(pictures.shape)
    return pictures.reshape(count, *SHAPE).astype(np.float32)


def reconstructed(pictures, given, values):
    """By principal component analysis of the given pictures."""
    flat = given.reshape(len(given), -1).astype(np.float64)
    mean = flat.mean(0)
    _, _, ways = np.linalg.svd(flat - mean, full_matrices=False)
    centred = pictures.reshape(len(pictures), -1) - mean
    return (mean + centred @ ways[:values].T @ ways[:values]).reshape(pictures.shape)


def begun_on(pictures, smoothing):
    """A model that begins on these pictures, and its codes of them."""
    config = AutoencoderConfig(8, smoothing, (4, 8, 8), (4, 2, 2), 16)
    model = Autoencoder(config, SHAPE)
    begun = untrained(SonifierConfig(config), VIDEO)["params"]
    params, _ = principal_start(begun, pictures, config)
    assert jax.tree.map(np.shape, params) == jax.tree.map(np.shape, begun)
    assert {leaf.dtype for leaf in jax.tree.leaves(params)} == {np.dtype(np.float32)}
    return model, params, np.asarray(encode_jit(model, params, pictures))


@pytest.mark.parametrize(("smoothing", "lost_db"), [(0, 0.5), (1, 2.0)])
def test_the_principal_start_keeps_what_principal_components_keep(
    rng, smoothing, lost_db, no_prior
):
    pictures = low_rank(rng, 200, 12, noise=0.01)
    model, params, code = begun_on(pictures, smoothing)
    decoded = np.asarray(decode_jit(model, params, code))
    mean = pictures.mean(axis=0)
    # One less than values, as there is no constant wave.
    ideal = gain_db(reconstructed(pictures, pictures, 7), pictures, mean)
    assert ideal - lost_db < gain_db(decoded, pictures, mean) <= ideal + 0.01


def test_with_a_prior_it_keeps_more_of_pictures_never_seen(rng, monkeypatch):
    seen = low_rank(rng, 100, 8)
    waves = waves_of(wave_strengths(seen), 16, 16)
    drawn = rng.standard_normal((500, len(waves)))
    unseen = 0.5 + np.tensordot(drawn, waves, axes=1).astype(np.float32)
    kept = {}
    for prior in (0.0, 0.5):
        monkeypatch.setattr(principal, "PRIORS", (prior,))
        model, params, code = begun_on(seen, 0)
        decoded = {"seen": np.asarray(decode_jit(model, params, code))}
        code = encode_jit(model, params, unseen)
        decoded["unseen"] = np.asarray(decode_jit(model, params, code))
        for name, pictures in (("seen", seen), ("unseen", unseen)):
            kept[name, prior] = gain_db(decoded[name], pictures, seen.mean(axis=0))
    assert kept["unseen", 0.5] > kept["unseen", 0.0] + 0.5
    assert kept["seen", 0.5] > 8


def test_the_prior_is_the_one_that_suits_pictures_left_out(rng):
    every = low_rank(rng, 300, 5)
    seen, like_them = every[:200], every[200:]
    waves = waves_of(wave_strengths(seen), 16, 16)
    others = 0.5 + np.tensordot(rng.standard_normal((100, len(waves))), waves, axes=1)
    chosen = {
        name: principal_start(PARAMS, seen, TINY_MODEL, left_out)[1]
        for name, left_out in (
            ("nothing", None),
            ("like them", like_them),
            ("others", others.astype(np.float32)),
        )
    }
    first, *_, last = principal.PRIORS
    assert chosen == {"nothing": first, "like them": last, "others": first}


def test_neighbours_in_the_principal_start_say_similar_things():
    _, _, code = begun_on(film(), 1)
    alike = np.corrcoef(code.T)
    neighbours = np.mean(np.diagonal(alike, 1))
    apart = np.mean([np.mean(np.diagonal(alike, lag)) for lag in (4, 5, 6)])
    assert neighbours > max(0, apart) + 0.2


def test_no_picture_is_heard_by_its_loudness():
    _, _, code = begun_on(film(), 1)
    assert code.std(axis=0).min() > 0.1
    assert code.mean(axis=1).std() < 0.3 * code.std(axis=0).mean()


def test_the_principal_start_makes_codes_about_uniform(rng):
    pictures = low_rank(rng, 1000, 8)
    params, _ = principal_start(PARAMS, pictures, TINY_MODEL)
    code = np.sort(np.asarray(encode_jit(MODEL, params, pictures)), axis=0)
    ideal = (np.arange(1000) + 0.5) / 1000
    assert np.abs(code - ideal[:, None]).max() < 0.06


@pytest.mark.parametrize("count", [1, 2, 3])
def test_a_few_pictures_are_enough(rng, count, no_prior):
    pictures = rng.random((count, *SHAPE)).astype(np.float32)
    params, _ = principal_start(PARAMS, pictures, TINY_MODEL)
    decoded = np.asarray(decode_jit(MODEL, params, encode_jit(MODEL, params, pictures)))
    np.testing.assert_allclose(decoded, pictures, atol=0.02)


@pytest.mark.parametrize("count", [1, 2, 3])
def test_a_few_pictures_and_the_prior_give_a_start_that_is_finite(rng, count):
    pictures = rng.random((count, *SHAPE)).astype(np.float32)
    params, _ = principal_start(PARAMS, pictures, TINY_MODEL)
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(params))


def test_footage_that_stands_still_gives_a_start_that_is_finite(rng):
    still = np.broadcast_to(rng.random((1, *SHAPE)), (20, *SHAPE)).astype(np.float32)
    params, _ = principal_start(PARAMS, still, TINY_MODEL)
    code = encode_jit(MODEL, params, rng.random((4, *SHAPE)).astype(np.float32))
    np.testing.assert_allclose(code, 0.5, atol=1e-6)
    np.testing.assert_allclose(decode_jit(MODEL, params, code), still[:4], atol=1e-5)
