import jax.numpy as jnp
import numpy as np
import pytest

from wyh.errors import WyhError
from wyh.synths.additive import AdditiveConfig, additive
from wyh.synths.knn import KnnConfig, knn
from wyh.synths.strikes import explained, latest, seen_at, share


def test_a_reading_has_the_share_of_a_strike_that_lies_in_its_window():
    x = np.linspace(-1, 1, 200_001)
    window = 0.54 + 0.46 * np.cos(np.pi * x)
    for rate in (1e-3, 0.4, 3.0):
        at = np.linspace(-1.2, 1.2, 13)
        fall = np.exp(-rate * (x[None] - np.clip(at, -1, None)[:, None])) * (x[None] >= at[:, None])
        expected = (fall * window[None]).sum(axis=1) / window.sum()
        rates = jnp.full((1, 1, 1), rate)
        found = share(jnp.asarray(at, jnp.float32)[None, :, None], rates)[0, :, 0]
        np.testing.assert_allclose(found, expected, atol=1e-3)


def test_a_softer_strike_does_not_quieten_what_rings():
    loud = jnp.full((1, 1, 3), 0.2)
    peak, _ = explained(loud, loud * 2, jnp.zeros((1, 1, 3)), jnp.full((1, 1, 3), 0.3))
    np.testing.assert_allclose(peak, 0.2, rtol=1e-6)


@pytest.mark.parametrize("decay", [1.0, 3.0])
@pytest.mark.parametrize("offset", [-0.5, -0.1, 0.3])
def test_readings_of_one_strike_are_explained_exactly(decay, offset):
    """Of a note that was silent before: its own amplitude, and silence."""
    at, rate = jnp.full((1, 1, 1), offset), jnp.full((1, 1, 1), 1.5 / decay)
    value, previous = 0.3 * share(at / 1.5, rate), 0.3 * share((at + 1) / 1.5, rate)
    peak, before = explained(value, previous, at, rate)
    assert float(peak[0, 0, 0]) == pytest.approx(0.3, rel=0.02)
    assert float(before[0, 0, 0]) == pytest.approx(0, abs=0.02)


def test_controls_are_new_where_their_age_falls():
    # Pictures every 100 samples, blocks of 40; one picture is left out.
    starts = np.array([0, 0, 0, 100, 100, 200, 200, 200, 200, 200, 400, 400])
    ages = np.arange(len(starts)) * 40.0 - starts
    first, rest = (jnp.asarray(some, jnp.float32) for some in (ages[:4], ages[4:]))
    begin = seen_at(jnp.float32(jnp.inf), jnp.bool_(False), first, period=100.0, block=40)
    then = seen_at(first[-1], begin.joined[-1], rest, period=100.0, block=40)
    newer = np.concatenate([begin.newer, then.newer])
    np.testing.assert_array_equal(np.flatnonzero(newer), [0, 3, 5, 10])
    joined = np.concatenate([begin.joined, then.joined])
    np.testing.assert_array_equal(joined, [False] * 3 + [True] * 7 + [False] * 2)


def test_the_latest_is_that_of_the_last_tick_chosen(rng):
    chosen, values = rng.random((2, 9, 3)) < 0.3, rng.random((2, 9, 3))
    first = rng.random((2, 3))
    found = latest(jnp.asarray(first), jnp.asarray(chosen), jnp.asarray(values))
    expected = [first]
    for tick in range(9):
        expected.append(np.where(chosen[:, tick], values[:, tick], expected[-1]))
    np.testing.assert_allclose(found, np.stack(expected, axis=1), rtol=1e-6)


@pytest.mark.parametrize(("play", "config"), [(additive, AdditiveConfig()), (knn, KnnConfig())])
@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"notes_hz": np.zeros(0)}, "got no notes to play, wanted one at least"),
        ({"notes_hz": np.array([440.0, 4983.6])}, "at 4983.6 Hz, wanted 1 to 4000 Hz"),
        ({"notes_hz": np.array([0.5, 440.0])}, "got a note to play at 0.5 Hz, wanted 1 to"),
        ({"frame_rate": 0.5}, "got frame rate 0.5 Hz, wanted 1 to 240 Hz"),
    ],
)
def test_notes_that_cannot_be_played(play, config, change, message):
    arguments = {"notes_hz": np.array([440.0]), "frame_rate": 25.0, "sample_rate": 8000} | change
    with pytest.raises(WyhError, match=message):
        play(**arguments, config=config)
