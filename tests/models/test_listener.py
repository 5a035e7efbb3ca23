import jax
import jax.numpy as jnp
import numpy as np
import pytest

from wyh.errors import WyhError
from wyh.models.listener import BandListener, ListenerConfig, hear

CONFIG = ListenerConfig(width=3, layers=2, reach=3)
hear_jit = jax.jit(hear, static_argnums=0)


def begun(bands=12, looks=4, config=CONFIG):
    model = BandListener(config)
    return jax.jit(model.init)(jax.random.key(0), jnp.zeros((1, bands, looks)))["params"]


def test_before_training_it_takes_the_mean_of_its_looks(rng):
    levels = rng.random((3, 12, 4)).astype(np.float32)
    np.testing.assert_allclose(hear_jit(CONFIG, begun(), levels), levels.mean(axis=-1), atol=1e-5)


def test_each_look_at_each_band_has_its_own_zero_and_scale(rng):
    levels = rng.random((3, 12, 4)).astype(np.float32)
    zero, scale = rng.random((2, 12, 4)).astype(np.float32)
    params = begun() | {"zero": zero, "scale": scale}
    expected = np.mean((levels + zero) * scale, axis=-1)
    np.testing.assert_allclose(hear_jit(CONFIG, params, levels), expected, atol=1e-5)


def test_it_looks_as_far_along_the_bands_as_its_layers_reach(rng):
    shapes = begun()
    params = jax.tree.map(lambda leaf: rng.standard_normal(leaf.shape).astype(np.float32), shapes)
    levels = rng.random((1, 12, 4)).astype(np.float32)
    other = levels.copy()
    other[:, 6] += 1
    change = np.abs(hear_jit(CONFIG, params, levels) - hear_jit(CONFIG, params, other))[0]
    np.testing.assert_array_equal(np.flatnonzero(change > 1e-5), [4, 5, 6, 7, 8])


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"width": 0}, "got width 0, wanted 1 to 512"),
        ({"layers": -1}, "got layers -1, wanted 0 to 16"),
        ({"reach": 32}, "got reach 32, wanted 1 to 31"),
    ],
)
def test_sizes_out_of_range(setting, message):
    with pytest.raises(WyhError, match=message):
        ListenerConfig(**setting)
