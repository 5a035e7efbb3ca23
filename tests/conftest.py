"""What all tests share: strict shapes, no user's cache, seeded randomness."""

import os
import tempfile

os.environ.setdefault("WYH_CACHE", tempfile.mkdtemp(prefix="wyh-tests-"))
os.environ.setdefault("JAX_PLATFORMS", "cpu")

import jax
import numpy as np
import pytest

jax.config.update("jax_numpy_rank_promotion", "raise")


@pytest.fixture
def rng() -> np.random.Generator:
    """NumPy's generator, the same in every test."""
    return np.random.default_rng(0)


@pytest.fixture
def key() -> jax.Array:
    """A JAX key, the same in every test."""
    return jax.random.key(0)
