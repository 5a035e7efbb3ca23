from fractions import Fraction

import jax
import numpy as np
import pytest

from tests.conftest import TINY_MODEL, TINY_SYNTH, untrained
from wyh.models.autoencoder import as_picture, encode
from wyh.models.listener import ListenerConfig
from wyh.specs import VideoSpec
from wyh.transducers import tuning
from wyh.transducers.autoencoder import SonifierConfig, amplitudes
from wyh.transducers.listener import Listener
from wyh.transducers.panning import pan_positions
from wyh.transducers.tuning import tuned

VIDEO = VideoSpec(Fraction(10), 16, 16)


@pytest.mark.parametrize("loudness", ["db", "linear"])
def test_what_is_measured_goes_with_what_was_trained(loudness, rng, monkeypatch):
    sound = SonifierConfig(TINY_MODEL, TINY_SYNTH, loudness=loudness)
    listener = Listener(sound, VIDEO, ListenerConfig(width=4))
    params = untrained(sound, VIDEO)["params"]
    heard = []
    monkeypatch.setattr(
        tuning, "mean_level", lambda listener, codes: heard.append(codes) or np.float32(0.6)
    )
    films = rng.integers(0, 256, (5, 3, 16, 16, 3), dtype=np.uint8)
    variables = tuned(listener, params, {"net": 1}, films, -30.0)
    assert variables.keys() == {"params", "gain_db", "pan", "listener"}
    assert variables["params"] is params
    assert variables["listener"] == {"params": {"net": 1}, "level": np.float32(0.6)}

    pictures = as_picture(films.reshape(-1, 16, 16, 3))
    codes = jax.jit(encode, static_argnums=0)(listener.model, params, pictures)
    np.testing.assert_allclose(heard[0], codes.reshape(5, 3, 8), atol=1e-6)
    level = float(listener.synth.loudness(amplitudes(codes, sound)))
    assert level + variables["gain_db"] == pytest.approx(-30, abs=1e-3)
    # Of eight pictures at most, evenly spread.
    expected = pan_positions(listener.model, params, pictures[::2])
    np.testing.assert_allclose(variables["pan"], expected, atol=1e-6)
