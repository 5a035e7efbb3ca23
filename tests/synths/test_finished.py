import jax.numpy as jnp
import numpy as np
import pytest

from wyh.signal.levels import true_peak_db
from wyh.synths.finished import BLOCK, finished

RATE = 22050


def done(sound, *cuts):
    return np.concatenate(list(finished(np.split(sound, cuts), RATE)))


def sine(samples, amplitude=0.5):
    turn = 2 * np.pi * 440 / RATE
    return (amplitude * np.cos(turn * np.arange(samples))).astype(np.float32)


@pytest.mark.parametrize(
    "samples", [0, 1, 7, 1000, BLOCK, 2 * BLOCK - 20, 2 * BLOCK, 3 * BLOCK + 5]
)
def test_it_is_as_long_as_before_and_on_time(samples):
    sound = sine(samples)
    made = done(sound)
    assert made.shape == (samples,)
    np.testing.assert_allclose(made[200:-200], sound[200:-200], atol=1e-6)


def test_it_begins_and_ends_softly():
    made = done(sine(4000))
    for end in (made, made[::-1]):
        assert abs(end[0]) < 1e-3
        assert np.abs(np.diff(end[:150])).max() < 0.07


def test_the_peak_stays_under_the_ceiling(rng):
    loud = (3 * rng.standard_normal(3 * BLOCK)).astype(np.float32)
    assert float(true_peak_db(jnp.asarray(done(loud)))) < -0.9


def test_pieces_do_not_matter(rng):
    sound = rng.standard_normal(4 * BLOCK).astype(np.float32)
    whole = done(sound)
    for cuts in ([100], [BLOCK, 2 * BLOCK], [1, 2, 3 * BLOCK + 7], [0, 0]):
        np.testing.assert_array_equal(done(sound, *cuts), whole)
