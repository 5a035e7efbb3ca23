import math
from fractions import Fraction

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from data_prep.given import SAMPLE
from experiments.autoencoder import PRESETS
from tests.conftest import TINY_MODEL, untrained
from wyh.errors import WyhError
from wyh.media.decode import open_video
from wyh.metrics.pictures import gain_db
from wyh.models.autoencoder import (
    Autoencoder,
    AutoencoderConfig,
    as_picture,
    decode,
    encode,
    principal_start,
)
from wyh.specs import VideoSpec
from wyh.transducers.autoencoder import SonifierConfig

SHAPE = (16, 16, 1)
VIDEO = VideoSpec(Fraction(24), 16, 16, 1)
MODEL = Autoencoder(TINY_MODEL, SHAPE)
PARAMS = untrained(SonifierConfig(TINY_MODEL), VIDEO)["params"]
encode_jit, decode_jit = jax.jit(encode, static_argnums=0), jax.jit(decode, static_argnums=0)


def size_of(tree):
    return sum(math.prod(leaf.shape) for leaf in jax.tree.leaves(tree))


def shapes_of(config, shape):
    model = Autoencoder(config, shape)
    return jax.eval_shape(model.init, jax.random.key(0), jnp.zeros((1, *shape)))["params"]


def test_wyhiwys_has_exactly_the_seeds_parameters():
    params = shapes_of(PRESETS["wyhiwys"].sound.model, (64, 64, 3))
    assert size_of(params["encoder"]) == 237_034
    assert size_of(params["decoder"]) == 331_515
    assert size_of(params) == 568_549
    assert params["encoder"]["last"]["kernel"].shape == (256, 114)


def test_wyhiwys_is_the_seeds_network(rng):
    """Layer by layer as the seed describes it, by plain convolutions and a loop for smoothing."""
    config = PRESETS["wyhiwys"].sound.model
    params = jax.tree.map(
        lambda leaf: (
            (rng.standard_normal(leaf.shape) / math.sqrt(size_of(leaf))).astype(np.float32) * 8
        ),
        shapes_of(config, (64, 64, 3)),
    )
    picture = rng.random((2, 64, 64, 3)).astype(np.float32)
    leaky = lambda x: np.where(x > 0, x, 0.1 * x)  # noqa: E731
    layout = ("NHWC", "HWIO", "NHWC")

    x, encoder = picture, params["encoder"]
    for i, stride in enumerate((2, 2, 2, 2, 4)):
        layer = encoder[f"DownConv_{i}"]
        conv = jax.lax.conv_general_dilated(
            x, layer["kernel"], (stride, stride), "SAME", dimension_numbers=layout
        )
        x = leaky(np.asarray(conv) + layer["bias"])
    x = leaky(x.reshape(2, 128) @ encoder["Dense_0"]["kernel"] + encoder["Dense_0"]["bias"])
    logits = x @ encoder["last"]["kernel"] + encoder["last"]["bias"]
    weights = np.array([1, 2, 3, 4, 5, 6, 7, 8, 7, 6, 5, 4, 3, 2, 1]) / 64
    smoothed = np.stack([logits[:, i : i + 15] @ weights for i in range(100)], axis=1)
    code = 1 / (1 + np.exp(-smoothed))

    x, decoder = code.astype(np.float32), params["decoder"]
    x = leaky(x @ decoder["Dense_0"]["kernel"] + decoder["Dense_0"]["bias"]).reshape(2, 1, 1, 256)
    for i, stride in enumerate((4, 2, 2, 2, 2)):
        layer = decoder[f"UpConv_{i}" if i < 4 else "last"]
        conv = jax.lax.conv_transpose(
            x, layer["kernel"], (stride, stride), "SAME", dimension_numbers=layout
        )
        x = np.asarray(conv) + layer["bias"]
        x = leaky(x) if i < 4 else x

    model = Autoencoder(config, (64, 64, 3))
    found, decoded = jax.jit(model.apply)({"params": params}, picture)
    assert np.ptp(code) > 0.15 and x.std() > 0.02
    np.testing.assert_allclose(found, code, atol=2e-5)
    np.testing.assert_allclose(decoded, x, rtol=1e-4, atol=1e-4)


def test_the_code_is_in_range_whatever_the_picture():
    for scale in (0.0, 1.0, 1e4):
        code = encode_jit(MODEL, PARAMS, scale * jnp.ones((2, *SHAPE)))
        assert code.shape == (2, 8)
        assert (code >= 0).all() and (code <= 1).all()


def test_halves_are_the_whole(rng):
    pictures = jnp.asarray(rng.random((3, *SHAPE)), jnp.float32)
    code, decoded = jax.jit(MODEL.apply)({"params": PARAMS}, pictures)
    np.testing.assert_allclose(encode_jit(MODEL, PARAMS, pictures), code, atol=1e-6)
    np.testing.assert_allclose(decode_jit(MODEL, PARAMS, code), decoded, atol=1e-5)


@pytest.mark.parametrize("code", [0.0, 1.0])
def test_extreme_codes_decode_to_finite_pictures_with_finite_slopes(code):
    codes = jnp.full((1, 8), code)
    assert jnp.isfinite(decode_jit(MODEL, PARAMS, codes)).all()
    slope = jax.jit(jax.grad(lambda c: jnp.sum(decode(MODEL, PARAMS, c))))(codes)
    assert jnp.isfinite(slope).all()


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


def pca(pictures, values):
    flat = pictures.reshape(len(pictures), -1).astype(np.float64)
    mean = flat.mean(0)
    _, _, ways = np.linalg.svd(flat - mean, full_matrices=False)
    return mean, ways[:values]


def reconstructed(pictures, given, values):
    mean, ways = pca(given, values)
    flat = pictures.reshape(len(pictures), -1) - mean
    return (mean + flat @ ways.T @ ways).reshape(pictures.shape)


def begun_on(pictures, smoothing):
    """A model that begins on these pictures, and its codes of them."""
    config = AutoencoderConfig(8, smoothing, (4, 8, 8), (4, 2, 2), 16)
    model = Autoencoder(config, SHAPE)
    begun = untrained(SonifierConfig(config), VIDEO)["params"]
    params = principal_start(begun, pictures, config)
    assert jax.tree.map(np.shape, params) == jax.tree.map(np.shape, begun)
    assert {leaf.dtype for leaf in jax.tree.leaves(params)} == {np.dtype(np.float32)}
    return model, params, np.asarray(encode_jit(model, params, pictures))


@pytest.mark.parametrize(("smoothing", "lost_db"), [(0, 0.5), (1, 2.0)])
def test_the_principal_start_keeps_what_principal_components_keep(rng, smoothing, lost_db):
    pictures = low_rank(rng, 200, 12, noise=0.01)
    model, params, code = begun_on(pictures, smoothing)
    decoded = np.asarray(decode_jit(model, params, code))
    mean = pictures.mean(axis=0)
    ideal = gain_db(reconstructed(pictures, pictures, 8), pictures, mean)
    assert ideal - lost_db < gain_db(decoded, pictures, mean) <= ideal + 0.01


def test_neighbours_in_the_principal_start_say_similar_things():
    pictures = film()
    _, _, code = begun_on(pictures, 1)
    alike = np.abs(np.corrcoef(code.T))
    neighbours = np.mean(np.diagonal(alike, 1))
    apart = np.mean([np.mean(np.diagonal(alike, lag)) for lag in (4, 5, 6)])
    assert neighbours > apart + 0.2


def test_the_principal_start_makes_codes_about_uniform(rng):
    pictures = low_rank(rng, 1000, 8)
    params = principal_start(PARAMS, pictures, TINY_MODEL)
    code = np.sort(np.asarray(encode_jit(MODEL, params, pictures)), axis=0)
    ideal = (np.arange(1000) + 0.5) / 1000
    assert np.abs(code - ideal[:, None]).max() < 0.06


@pytest.mark.parametrize("count", [1, 2, 3])
def test_a_few_pictures_are_enough(rng, count):
    pictures = rng.random((count, *SHAPE)).astype(np.float32)
    params = principal_start(PARAMS, pictures, TINY_MODEL)
    decoded = np.asarray(decode_jit(MODEL, params, encode_jit(MODEL, params, pictures)))
    np.testing.assert_allclose(decoded, pictures, atol=0.02)


def test_footage_that_stands_still_gives_a_start_that_is_finite(rng):
    still = np.broadcast_to(rng.random((1, *SHAPE)), (20, *SHAPE)).astype(np.float32)
    params = principal_start(PARAMS, still, TINY_MODEL)
    code = encode_jit(MODEL, params, rng.random((4, *SHAPE)).astype(np.float32))
    np.testing.assert_allclose(code, 0.5, atol=1e-6)
    np.testing.assert_allclose(decode_jit(MODEL, params, code), still[:4], atol=1e-5)


def test_frames_become_pictures():
    frames = np.array([[[[0, 51, 255]]]], np.uint8)
    np.testing.assert_allclose(as_picture(frames), frames / 255.0, atol=1e-7)
    assert as_picture(frames).dtype == jnp.float32


@pytest.mark.parametrize(("height", "width"), [(64, 72), (60, 64), (8, 16)])
def test_pictures_that_the_strides_do_not_divide(height, width):
    message = f"got pictures of {width}x{height}, wanted both sides a multiple of 16"
    with pytest.raises(WyhError, match=message):
        AutoencoderConfig().check(height, width)
    AutoencoderConfig().check(64, 96)


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"code_size": 0}, "got code_size 0, wanted 1 to 512"),
        ({"code_size": 513}, "got code_size 513, wanted 1 to 512"),
        ({"smoothing": -1}, "got smoothing -1, wanted 0 to 32"),
        ({"hidden": 0}, "got hidden 0, wanted 1 to 65536"),
        ({"widths": (4, 8)}, "wanted one or more, as many of each"),
        ({"widths": (), "strides": ()}, "wanted one or more, as many of each"),
        ({"widths": (4, 0, 8)}, "wanted one or more, as many of each"),
        ({"strides": (4, 3, 2)}, r"got strides \(4, 3, 2\), wanted 2 or 4 each"),
    ],
)
def test_sizes_out_of_range(setting, message):
    with pytest.raises(WyhError, match=message):
        AutoencoderConfig(**setting)


@pytest.mark.parametrize("damage", ["lacking", "misshapen"])
def test_the_parameters_of_another_model(damage):
    params = jax.tree.map(np.asarray, PARAMS)
    if damage == "lacking":
        params["encoder"].pop("last")
    else:
        params["encoder"]["last"]["kernel"] = np.zeros((16, 99), np.float32)
    with pytest.raises(WyhError, match="the variables do not fit the model") as error:
        encode(MODEL, params, jnp.zeros((1, *SHAPE)))
    assert "\n" not in str(error.value) and "http" not in str(error.value)


@pytest.mark.parametrize("linear", [True, False])
@pytest.mark.parametrize(
    ("widths", "strides", "shape"),
    [((2,), (4,), (8, 8, 1)), ((2, 2), (2, 4), (8, 16, 3)), ((2, 2, 3, 2), (2, 2, 2, 2), SHAPE)],
)
def test_every_form_of_it_runs(widths, strides, shape, linear):
    config = AutoencoderConfig(5, 2, widths, strides, 4, linear)
    params = jax.tree.map(lambda leaf: np.zeros(leaf.shape, np.float32), shapes_of(config, shape))
    model = Autoencoder(config, shape)
    code, decoded = jax.eval_shape(model.apply, {"params": params}, jnp.zeros((2, *shape)))
    assert code.shape == (2, 5) and decoded.shape == (2, *shape)
