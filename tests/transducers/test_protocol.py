from dataclasses import replace
from fractions import Fraction

import jax.numpy as jnp
import numpy as np
import pytest

from wyh import knobs
from wyh.specs import AudioSpec, StreamSpec, VideoSpec
from wyh.synths.columns import raw
from wyh.synths.noise import NoiseConfig
from wyh.synths.prediction import Prediction
from wyh.synths.protocol import Column
from wyh.transducers.offline import samples_of, sonify
from wyh.transducers.protocol import Transducer

RATE, PERIOD = 8000, 320
VIDEO = VideoSpec(Fraction(RATE, PERIOD), 8, 8)
NOISE = NoiseConfig(RATE, 256, 64, low_hz=100.0, high_hz=3500.0)
PREDICTION = Prediction(NOISE, 8, 25.0, PERIOD)
SHAPE = np.hanning(PERIOD).astype(np.float32)


def observed(late):
    """A transducer that tells how bright a picture is, at once or with the next one."""

    def init(variables, key, batch_size):
        return jnp.zeros((batch_size, late)), None

    def observe_many(variables, carry, frames, turned, keys):
        bright = jnp.mean(frames.astype(jnp.float32), axis=(2, 3, 4)) / 510
        known = jnp.concatenate([carry, bright], axis=1)
        told = known[:, : bright.shape[1], None] * jnp.asarray(SHAPE)[None, None]
        return known[:, bright.shape[1] :], Column(told)

    spec = StreamSpec("see-hear", VIDEO, AudioSpec(RATE), 64)
    return Transducer(spec, init, observe_many, print, late_samples=late * PERIOD)


@pytest.mark.parametrize("chunks", [(), (1, 2, 9)])
def test_what_is_told_late_is_heard_in_time(chunks, rng):
    frames = rng.integers(0, 256, (20, 1, 1, 1), np.uint8) + np.zeros((8, 8, 3), np.uint8)
    synth, sounds = raw(PREDICTION), []
    for late in (0, 1):
        player = observed(late).played_by(synth)
        assert player.spec.latency_samples == synth.latency_samples + late * PERIOD
        assert player.late_samples == late * PERIOD
        played = sonify(
            player, {"gain_db": np.float32(0)}, np.split(frames, chunks), knobs.defaults()
        )
        sounds.append(np.concatenate(list(played)))
        assert len(sounds[-1]) == samples_of(20, player.spec)
    wanted = frames[:, :1, 0, 0] / 510 * SHAPE[None]
    np.testing.assert_allclose(sounds[0], wanted.reshape(-1), atol=1e-5)
    # The last picture is told with one that does not come any more.
    np.testing.assert_allclose(sounds[1][:-PERIOD], sounds[0][:-PERIOD], atol=1e-6)


def test_another_synth_keeps_the_lateness():
    once = observed(1).played_by(raw(PREDICTION))
    other = raw(replace(PREDICTION, frame_rate=50.0), block=128)
    assert once.played_by(other).spec.latency_samples == other.latency_samples + PERIOD
