import functools
from fractions import Fraction

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.conftest import TINY_MODEL, TINY_SYNTH
from tests.synths.from_variables import (
    BANDS,
    bursts,
    bursts_are_late,
    columns,
    magnitudes,
    play,
    predicted,
)
from wyh import knobs
from wyh.specs import VideoSpec
from wyh.synths.bands import mixture
from wyh.synths.mixture import TuningConfig
from wyh.synths.prediction import Prediction
from wyh.synths.protocol import Magnitudes
from wyh.transducers.autoencoder import SonifierConfig, sonifier
from wyh.transducers.compile import traced
from wyh.transducers.protocol import tick_keys

made = functools.cache(mixture)
VIDEO = VideoSpec(Fraction(12), 16, 16)


@pytest.mark.parametrize("turned", [{}, {"timbre": 0.4, "scale": "just", "phase": "random"}])
def test_it_is_what_an_autoencoder_plays(turned, rng):
    config = SonifierConfig(TINY_MODEL, TINY_SYNTH)
    whole = sonifier(config, VIDEO)
    synth = mixture(Prediction(TINY_SYNTH, 8, 12.0), TuningConfig())
    assert synth.block == whole.spec.block
    assert synth.latency_samples == whole.spec.latency_samples
    values = jnp.asarray(rng.random((2, 30, 8)), jnp.float32) * 0.1
    controls, ages = Magnitudes(values, values[:, ::-1]), jnp.asarray(rng.random(30) / 12)
    rest = traced(knobs.defaults(**turned)), tick_keys(jax.random.key(0), 0, 30)
    variables, key = {"gain_db": jnp.float32(-3.0)}, jax.random.key(1)
    _, wanted = jax.jit(whole.emit_many)(
        variables, whole.init(variables, key, 2)[1], controls, ages.astype(jnp.float32), *rest
    )
    _, sound = jax.jit(synth.emit_many)(
        variables, synth.init(variables, key, 2), controls, ages.astype(jnp.float32), *rest
    )
    np.testing.assert_allclose(sound, wanted, atol=1e-6)
    assert np.abs(sound).max() > 0.01


@pytest.mark.parametrize("glide", [0.0, 1.0])
def test_bursts_of_magnitudes_come_when_they_are_said_to(glide):
    prediction, controls = predicted(), magnitudes(bursts(np.full(BANDS, 0.05)))
    synth = made(prediction, TuningConfig())
    late = bursts_are_late(synth, prediction, controls, phase="random", glide=glide)
    assert late == pytest.approx(synth.latency_samples, abs=16)  # 2 ms


def test_bursts_of_samples_come_when_they_are_said_to(rng):
    prediction = predicted(Fraction(24), column=320)  # they begin between blocks
    controls = columns(bursts(0.1 * rng.standard_normal(320)))
    synth = made(prediction, TuningConfig())
    late = bursts_are_late(synth, prediction, controls, phase="random")
    assert late == pytest.approx(synth.latency_samples, abs=16)


def test_black_is_silent():
    prediction = predicted()
    black = magnitudes(np.zeros((1, 4, BANDS)))
    assert not play(made(prediction, TuningConfig()), prediction, black).any()
