from dataclasses import replace
from fractions import Fraction

import jax
import numpy as np
import pytest

from tests.conftest import TINY_MODEL, TINY_SYNTH, left_to_right, untrained
from wyh import knobs
from wyh.models.autoencoder import Autoencoder, encode
from wyh.specs import VideoSpec
from wyh.transducers.autoencoder import SonifierConfig, sonifier
from wyh.transducers.offline import sonify
from wyh.transducers.panning import pan_positions

VIDEO = VideoSpec(Fraction(10), 16, 16)
CONFIG = SonifierConfig(replace(TINY_MODEL, smoothing=0), TINY_SYNTH, loudness="linear")
MODEL = Autoencoder(CONFIG.model, VIDEO.shape)


def test_bands_lie_where_their_pixels_are(rng):
    variables = left_to_right(CONFIG, VIDEO)
    found = pan_positions(MODEL, variables["params"], rng.random((6, 16, 16, 3), np.float32))
    # Each of the 8 bands hears two columns of the 16; already wide, it is not stretched.
    np.testing.assert_allclose(found, np.arange(-7, 8, 2) / 8, atol=0.03)


def naive(params, pictures):
    """From slopes that are measured: each pixel is moved by itself."""
    encode_jit, step = jax.jit(encode, static_argnums=0), 2e-3
    variance, weight = pictures.var(axis=0), np.zeros((8, 16))
    for picture in pictures:
        moved = picture + step * np.eye(picture.size, dtype=np.float32).reshape(-1, *picture.shape)
        codes = np.asarray(encode_jit(MODEL, params, np.concatenate([picture[None], moved])))
        logits = np.log(codes / (1 - codes))
        slope = ((logits[1:] - logits[:1]) / step).reshape(*picture.shape, 8)
        weight += np.einsum("hwcb,hwc->bw", slope**2, variance)
    return weight @ ((np.arange(16) - 7.5) / 8) / weight.sum(axis=1)


def test_against_slopes_that_are_measured(rng):
    params = untrained(CONFIG, VIDEO)["params"]
    pictures = rng.random((3, 16, 16, 3), np.float32)
    pictures[:, :, :4] = 0.5  # never moves: has no say
    centres = naive(params, pictures)
    expected = np.clip(centres * 0.5 / np.sqrt(np.mean(centres**2)), -1, 1)
    found = pan_positions(MODEL, params, pictures)
    np.testing.assert_allclose(found, expected, atol=0.03)
    assert found.dtype == np.float32 and np.abs(found).max() <= 1


def test_one_picture_is_enough_and_nothing_is_in_the_middle(rng):
    variables = left_to_right(CONFIG, VIDEO)
    one = pan_positions(MODEL, variables["params"], rng.random((1, 16, 16, 3), np.float32))
    np.testing.assert_allclose(one, np.arange(-7, 8, 2) / 8, atol=0.03)
    deaf = jax.tree.map(np.zeros_like, variables["params"])
    found = pan_positions(MODEL, deaf, np.full((2, 16, 16, 3), 0.5, np.float32))
    np.testing.assert_array_equal(found, 0)


@pytest.mark.parametrize("timbre", [0, 1])
@pytest.mark.parametrize("side", ["left", "right"])
def test_what_is_bright_at_one_side_is_louder_there(timbre, side):
    variables = left_to_right(CONFIG, VIDEO)
    frames = np.zeros((20, 16, 16, 3), np.uint8)
    lit = slice(0, 6) if side == "left" else slice(10, 16)
    frames[:, :, lit] = 255
    pan = pan_positions(MODEL, variables["params"], frames[:1] / np.float32(255))
    transducer = sonifier(CONFIG, VIDEO, 2)
    turned = knobs.defaults(timbre=timbre)
    sound = np.concatenate(list(sonify(transducer, variables | {"pan": pan}, [frames], turned)))
    assert sound.shape == (16000, 2)
    level = 10 * np.log10(np.mean(sound[2000:] ** 2, axis=0))
    louder, other = level if side == "left" else level[::-1]
    assert louder - other > 6
