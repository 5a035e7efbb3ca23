import jax
import jax.numpy as jnp
import numpy as np
import pytest

from wyh.errors import WyhError
from wyh.transducers.drift import Drift, DriftConfig, base_of, drifted, init_drift, latent_of
from wyh.transducers.synesthesia import LATENT

CELLS = (8, 12)
CONFIG = DriftConfig(turn_secs=20.0, base_secs=1.0)


def start(key, batch_size=1, bases=None):
    return jax.jit(init_drift, static_argnums=(1, 2))(key, batch_size, CELLS, bases)


def steps(secs, rate, batch_size=1):
    return jnp.full((batch_size, round(secs * rate)), 1 / rate, jnp.float32)


drifting = jax.jit(drifted, static_argnums=0)


def at_end(drift, secs, rate, config=CONFIG, bases=None):
    return drifting(config, drift, steps(secs, rate), bases)[0]


def same_way(one, other, atol):
    np.testing.assert_allclose(latent_of(one.angles), latent_of(other.angles), atol=atol)
    np.testing.assert_allclose(one.base, other.base, atol=atol)


@pytest.mark.parametrize("rate", [10, 60, 144])
def test_the_frame_rate_makes_no_difference(key, rate):
    """Between its pictures the base image has fallen behind by as little as one picture lasts."""
    slow, quick = at_end(start(key), 10, 24), at_end(start(key), 10, rate)
    np.testing.assert_allclose(latent_of(slow.angles), latent_of(quick.angles), atol=1e-4)
    np.testing.assert_allclose(slow.base, quick.base, atol=0.05)
    still = jnp.abs(slow.base - start(key).base).mean()
    assert jnp.abs(slow.base - quick.base).mean() < 0.05 * still


def test_chunks_are_as_one_pass(key):
    whole, track = drifting(CONFIG, start(key), steps(4, 24))
    assert track.angles.shape == (1, 96, LATENT // 2)
    drift, angles, bases = start(key), [], []
    for count in (1, 31, 32, 32):
        drift, made = drifting(CONFIG, drift, steps(count / 24, 24))
        angles.append(made.angles)
        bases.append(made.base)
    same_way(drift, whole, 1e-5)
    same_way(Drift(jnp.concatenate(angles, 1), jnp.concatenate(bases, 1)), track, 1e-5)


def test_a_step_is_as_long_as_it_is_said_to_be(key):
    """Skipping three of four pictures leaves the same latent: only the time counts."""
    secs = jnp.array([[0.1, 0.3, 0.05, 0.55]])
    many, _ = drifting(CONFIG, start(key), secs)
    once, _ = drifting(CONFIG, start(key), secs.sum(axis=1, keepdims=True))
    np.testing.assert_allclose(latent_of(many.angles), latent_of(once.angles), atol=1e-5)


def test_at_speed_0_it_stands_still(key):
    before = start(key)
    after, track = drifting(CONFIG, before, jnp.zeros((1, 5)))
    same_way(after, before, 1e-6)
    for number in range(5):
        same_way(jax.tree.map(lambda leaf, n=number: leaf[:, n], track), before, 1e-6)


def test_the_slowest_part_comes_round_in_its_time(key):
    """And the quickest two and a half times."""
    before, after = start(key), at_end(start(key), 20, 24)
    turned = (after.angles - before.angles)[0]
    turns = np.geomspace(1, 2.5, LATENT // 2)
    off = np.angle(np.exp(1j * (np.asarray(turned) - 2 * np.pi * turns)))
    np.testing.assert_allclose(off, 0, atol=1e-3)
    assert ((after.angles >= 0) & (after.angles < 2 * np.pi)).all()


def test_the_base_image_follows_in_its_time(key):
    """In one time constant by 63 %, where what it follows stands still."""
    far, secs = start(key)._replace(base=jnp.full((1, *CELLS, 3), 3.0)), jnp.full((1, 1), 1.0)
    slowest = DriftConfig(turn_secs=10_000, base_secs=1.0)
    after, _ = drifting(slowest, far, secs)
    wanted = base_of(after.angles, CELLS)
    np.testing.assert_allclose(
        (after.base - far.base) / (wanted - far.base), 1 - np.exp(-1), atol=1e-4
    )


def test_two_of_a_batch_are_two(key):
    before = start(key, 2)
    assert np.abs(before.angles[0] - before.angles[1]).max() > 0.1
    assert np.abs(before.base[0] - before.base[1]).max() > 0.1
    secs = jnp.concatenate([steps(1, 24), jnp.zeros((1, 24))])
    after, _ = drifting(CONFIG, before, secs)
    moved = jnp.abs(after.base - before.base).max(axis=(1, 2, 3))
    assert moved[0] > 1e-3
    assert moved[1] < 1e-6


@pytest.mark.parametrize("count", [1, 2, 3, 5])
def test_pictures_fade_into_one_another_and_return(rng, count):
    bases = jnp.asarray(rng.random((count, *CELLS, 3)), jnp.float32)
    angles = np.zeros((601, LATENT // 2), np.float32)
    angles[:, 0] = np.linspace(0, 2 * np.pi, 601)
    track = np.asarray(jax.jit(base_of, static_argnums=1)(angles, CELLS, bases))
    np.testing.assert_allclose(track[-1], track[0], atol=1e-4)
    assert np.abs(np.diff(track, axis=0)).max() < 0.03
    for number in range(count):  # each has its time alone
        middle = round((number + 0.5) / count * 600)
        np.testing.assert_allclose(track[middle], bases[number], atol=1e-4)
    # Between two it is one and the other, half each, and never anything else.
    for number in range(count):
        edge = round((number + 1) / count * 600)
        half = (bases[number] + bases[(number + 1) % count]) / 2
        np.testing.assert_allclose(track[edge], half, atol=0.03)
    assert track.min() >= bases.min() - 1e-5
    assert track.max() <= bases.max() + 1e-5


def test_drifting_between_pictures_returns(key, rng):
    bases = jnp.asarray(rng.random((3, *CELLS, 3)), jnp.float32)
    quick = DriftConfig(turn_secs=20.0, base_secs=0.01)
    before = start(key, bases=bases)
    halfway = at_end(before, 10, 24, quick, bases)
    after = at_end(before, 20, 24, quick, bases)
    assert np.abs(halfway.base - before.base).mean() > 0.05
    np.testing.assert_allclose(after.base, before.base, atol=0.02)


def test_base_images_are_of_their_cells(key):
    assert start(key, 3).base.shape == (3, *CELLS, 3)
    flat = init_drift(key, 2, (1, 1)).base
    assert flat.shape == (2, 1, 1, 3)
    assert np.isfinite(flat).all()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"turn_secs": 0.5}, "got turn_secs 0.5 s, wanted 1 to 10000 s"),
        ({"base_secs": 0.0}, "got base_secs 0 s, wanted 0.01 to 1000 s"),
    ],
)
def test_what_is_refused(changes, message):
    with pytest.raises(WyhError, match=message):
        DriftConfig(**changes)
