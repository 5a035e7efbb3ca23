import jax.numpy as jnp
import numpy as np
import pyloudnorm
import pytest

from wyh.loudness import MOST_DB, recording_gain, recording_loudness
from wyh.signal.levels import FLOOR_LUFS, integrated_loudness

RATE = 8000


def noise(rng, secs, level=0.05):
    return (level * rng.standard_normal(round(secs * RATE))).astype(np.float32)


@pytest.mark.parametrize("secs", [0.2, 2.3, 10.0, 25.7])
def test_a_recording_is_as_loud_as_the_standard_has_it(rng, secs):
    x = noise(rng, secs)
    assert recording_loudness(x, RATE) == pytest.approx(
        float(integrated_loudness(jnp.asarray(x), RATE)), abs=0.1
    )


def test_pieces_are_gated_against_one_another(rng):
    """Quiet scenes of a loud film do not count, wherever they lie in the pieces."""
    secs = np.arange(47 * RATE) / RATE
    film = noise(rng, 47) * np.where(secs // 7 % 3 == 0, 1.0, 0.03).astype(np.float32)
    expected = pyloudnorm.Meter(RATE).integrated_loudness(film.astype(float))
    assert recording_loudness(film, RATE) == pytest.approx(expected, abs=0.2)
    slow = noise(rng, 47) * (10 ** (-2 * secs / 47)).astype(np.float32)
    expected = pyloudnorm.Meter(RATE).integrated_loudness(slow.astype(float))
    assert recording_loudness(slow, RATE) == pytest.approx(expected, abs=0.6)


@pytest.mark.parametrize(("level", "target"), [(0.3, -23.0), (0.003, -23.0), (0.02, -14.0)])
def test_a_gain_brings_a_recording_to_the_loudness_wanted(rng, level, target):
    x = noise(rng, 12, level)
    gain = recording_gain(x, RATE, target)
    assert isinstance(gain, float)
    after = float(integrated_loudness(jnp.asarray(np.float32(gain) * x), RATE))
    assert after == pytest.approx(target, abs=0.1)


def test_hiss_is_turned_up_by_30_db_at_most(rng):
    gain = recording_gain(noise(rng, 3, 6e-4), RATE)
    assert gain == pytest.approx(10 ** (MOST_DB / 20))


@pytest.mark.parametrize("level", [0.0, 1e-5])
@pytest.mark.parametrize("secs", [0, 0.3, 11])
def test_silence_is_left_as_it_is(rng, level, secs):
    assert recording_loudness(noise(rng, secs, level), RATE) == FLOOR_LUFS
    assert recording_gain(noise(rng, secs, level), RATE) == 1.0
