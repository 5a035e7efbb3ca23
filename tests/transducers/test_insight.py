from dataclasses import replace
from fractions import Fraction

import jax.numpy as jnp
import numpy as np
import pytest

from tests.conftest import TINY_MODEL, TINY_SYNTH, untrained
from wyh.models.autoencoder import Autoencoder, as_picture, decode, encode
from wyh.specs import VideoSpec
from wyh.synths.protocol import Magnitudes
from wyh.transducers.autoencoder import SonifierConfig, amplitudes
from wyh.transducers.insight import code_of, insight

SOUND = SonifierConfig(TINY_MODEL, TINY_SYNTH)
VIDEO = VideoSpec(Fraction(10), 16, 16)


@pytest.mark.parametrize("loudness", ["db", "linear"])
def test_the_code_is_found_again_in_the_amplitudes(loudness, rng):
    config = replace(SOUND, loudness=loudness)
    code = jnp.asarray(rng.random((5, 8)), jnp.float32)
    np.testing.assert_allclose(code_of(amplitudes(code, config), config), code, atol=1e-5)


def test_silence_is_the_code_zero():
    for loudness in ("db", "linear"):
        np.testing.assert_array_equal(code_of(jnp.zeros(8), replace(SOUND, loudness=loudness)), 0)


def test_the_picture_is_what_the_decoder_makes_of_the_code(rng):
    model, variables = Autoencoder(TINY_MODEL, VIDEO.shape), untrained(SOUND, VIDEO)
    frames = rng.integers(0, 256, (1, *VIDEO.shape), dtype=np.uint8)
    code = encode(model, variables["params"], as_picture(frames))
    value = amplitudes(code, SOUND)[:, None]
    found, picture = insight(SOUND, VIDEO)(variables, Magnitudes(value, value))
    np.testing.assert_allclose(found, code[0], atol=1e-5)
    expected = np.clip(np.asarray(decode(model, variables["params"], code))[0], 0, 1) * 255
    assert picture.dtype == np.uint8
    np.testing.assert_allclose(picture, expected, atol=0.6)
