import math
from fractions import Fraction

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from experiments.autoencoder import PRESETS
from tests.conftest import TINY_MODEL, untrained
from wyh.errors import WyhError
from wyh.models.autoencoder import Autoencoder, AutoencoderConfig, as_picture, decode, encode
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
