import jax.numpy as jnp
import numpy as np
import pytest

from wyh.natural import WAVES, mix_in, wave_strengths, waves_of


def pictures(rng, size=(32, 40), channels=3, count=30):
    """Unlike variances of the colours, and of the places."""
    spread = 0.02 + 0.1 * rng.random((*size, channels)) * np.linspace(1, 0.2, channels)
    noise = rng.standard_normal((count, *size, channels)) * spread
    return (0.5 + noise).astype(np.float32)


def colours():
    rows = np.array([[1, 1, 1], [1, 0, -1], [-1, 2, -1]], float)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def test_each_colour_varies_as_much_as_in_the_pictures(rng):
    given = pictures(rng)
    expected = np.var(given @ colours().T, axis=0).sum(axis=(0, 1))
    np.testing.assert_allclose((wave_strengths(given) ** 2).sum(axis=(1, 2)), expected, rtol=1e-5)
    grey = pictures(rng, channels=1)
    total = np.var(grey, axis=0).sum()
    np.testing.assert_allclose((wave_strengths(grey) ** 2).sum(), total, rtol=1e-5)


def test_power_falls_with_the_square_of_the_frequency(rng):
    strengths = wave_strengths(pictures(rng))
    # Cycles a picture's side count; a pixel is as wide as it is high.
    down, across = np.arange(WAVES[0]) / 32, np.arange(WAVES[0]) / 40
    square = (down[:, None] ** 2 + across**2) * 32 * 40
    for place, most in enumerate((WAVES[0], WAVES[1], WAVES[1])):
        power = strengths[place, :most, :most] ** 2
        flat = power * (square[:most, :most] + 1)
        np.testing.assert_allclose(flat, flat[0, 0], rtol=1e-4)
        assert not strengths[place, most:].any() and not strengths[place, :, most:].any()


@pytest.mark.parametrize(("size", "channels"), [((32, 40), 3), ((8, 16), 3), ((8, 8), 1)])
def test_waves_are_orthogonal_and_as_strong_as_declared(rng, size, channels):
    strengths = wave_strengths(pictures(rng, size, channels))
    waves = waves_of(strengths, *size)
    assert waves.shape == (np.count_nonzero(strengths), *size, channels)
    flat = waves.reshape(len(waves), -1)
    strongest = np.argsort(-np.linalg.norm(flat, axis=1))[:60]
    np.testing.assert_allclose(
        flat[strongest] @ flat[strongest].T,
        np.diag(strengths[strengths > 0][strongest] ** 2),
        atol=1e-5 * strengths.max() ** 2,
    )


def test_what_is_mixed_in_has_the_declared_variance_throughout_a_film(rng, key):
    given = pictures(rng, (8, 12))
    strengths = wave_strengths(given)
    films = jnp.full((4000, 3, 8, 12, 3), 0.5)
    for amount in (1.0, 0.3):
        mixed = np.asarray(mix_in(films, key, strengths, amount))
        added = mixed - 0.5
        np.testing.assert_array_equal(added, np.broadcast_to(added[:, :1], added.shape))
        # The share is uniform from 0 to the amount.
        variance = np.mean(np.sum(added[:, 0] ** 2, axis=(1, 2, 3)))
        assert variance == pytest.approx(amount / 2 * np.sum(strengths**2), rel=0.05)
        # Shared among the colours as in the pictures.
        found = np.mean(np.sum((added[:, 0] @ colours().T) ** 2, axis=(1, 2)), axis=0)
        expected = amount / 2 * np.sum(strengths**2, axis=(1, 2))
        np.testing.assert_allclose(found, expected, rtol=0.1)


def test_pictures_that_stand_still_say_nothing_of_others(key):
    still = np.full((1, 8, 8, 3), 0.3, np.float32)
    strengths = wave_strengths(still)
    assert waves_of(strengths, 8, 8).shape == (0, 8, 8, 3)
    films = jnp.asarray(still[None])
    np.testing.assert_array_equal(mix_in(films, key, strengths, 1.0), films)
