"""What changes slowly in pictures of sound: a latent, and the base image they are painted on.

It is the same at any frame rate, for it is counted in seconds.
"""

from dataclasses import dataclass
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from wyh.errors import check_range
from wyh.transducers.synesthesia import LATENT


@dataclass(frozen=True)
class DriftConfig:
    """How slow it is."""

    turn_secs: float = 90.0  # in which the slowest part comes round, 1 to 10,000
    base_secs: float = 4.0  # in which the base image follows, 0.01 to 1,000

    def __post_init__(self) -> None:
        check_range("turn_secs", self.turn_secs, 1, 10_000, "s")
        check_range("base_secs", self.base_secs, 0.01, 1000, "s")


class Drift(NamedTuple):
    """What changes slowly: angles, whose sines and cosines are the latent, and the base image."""

    angles: Float[Array, "batch angles"]
    base: Float[Array, "batch rows columns 3"]


def latent_of(angles: Float[Array, "*lead angles"]) -> Float[Array, "*lead latent"]:
    """The latent of some angles."""
    return jnp.concatenate([jnp.cos(angles), jnp.sin(angles)], axis=-1)


def init_drift(
    key: PRNGKeyArray,
    batch_size: int,
    cells: tuple[int, int],
    bases: Float[Array, "pictures rows columns 3"] | None = None,
) -> Drift:
    """A drift that has been going on since long before."""
    angles = 2 * jnp.pi * jax.random.uniform(key, (batch_size, LATENT // 2))
    return Drift(angles, base_of(angles, cells, bases))


def turned(
    angles: Float[Array, "batch angles"], secs: Float[Array, "batch time"], turn_secs: float
) -> Float[Array, "batch time angles"]:
    """Angles at each picture, so many seconds after the one before.

    They turn at rates of their own: the first comes round in `turn_secs`, the last two and a half
    times as fast.
    """
    rates = 2 * np.pi / turn_secs * np.geomspace(1, 2.5, angles.shape[1])
    along = jnp.einsum("bt,a->bta", jnp.cumsum(secs, axis=1), rates.astype(np.float32))
    return angles[:, None] + along


def drifted(
    config: DriftConfig,
    drift: Drift,
    secs: Float[Array, "batch time"],
    bases: Float[Array, "pictures rows columns 3"] | None = None,
) -> tuple[Drift, Drift]:
    """The drift after so many seconds from one picture to the next; and at each picture.

    The base image follows what the angles make of it.
    """
    _, rows, columns, _ = drift.base.shape
    cells = rows, columns
    angles = turned(drift.angles, secs, config.turn_secs)
    keep = jnp.exp(-secs / config.base_secs)

    def follow(base: Array, now: tuple[Array, Array]) -> tuple[Array, Array]:
        wanted, kept = now
        kept = kept[:, None, None, None]
        base = kept * base + (1 - kept) * wanted
        return base, base

    batch, time = secs.shape
    wanted = base_of(angles.reshape(batch * time, -1), cells, bases)
    wanted = wanted.reshape(batch, time, *cells, 3).swapaxes(0, 1)
    last, track = jax.lax.scan(follow, drift.base, (wanted, keep.T))
    after = Drift(angles[:, -1] % (2 * np.pi), last)
    return after, Drift(angles, track.swapaxes(0, 1))


def base_of(
    angles: Float[Array, "n angles"],
    cells: tuple[int, int],
    bases: Float[Array, "pictures rows columns 3"] | None = None,
) -> Float[Array, "n rows columns 3"]:
    """The base image that some angles stand for: long waves in each colour, or one of `bases`."""
    if bases is not None:
        count = len(bases)
        place = angles[:, :1] / (2 * np.pi) % 1 * count
        apart = jnp.abs(place - jnp.arange(count)[None] - 0.5)
        share = jnp.clip(1.5 - jnp.minimum(apart, count - apart) * 1.5, 0, 1) + 1e-6
        share /= share.sum(axis=1, keepdims=True)
        return jnp.einsum("np,prck->nrck", share, jnp.asarray(bases))
    rows, columns = cells
    down = np.linspace(-1, 1, rows)[:, None] if rows > 1 else np.zeros((1, 1))
    right = np.linspace(-1, 1, columns) * columns / rows if columns > 1 else np.zeros(1)
    waves = jnp.zeros((len(angles), rows, columns, 3))
    for number, (x, y) in enumerate(_WAVES):
        phase = np.pi * (x * right + y * down).astype(np.float32)
        at = angles[:, number, None, None] + phase[None]
        colour = np.cos(2 * np.pi * (number / len(_WAVES) + np.arange(3) / 3))
        waves = waves + jnp.sin(at)[..., None] * colour.astype(np.float32)[None, None, None]
    return jnp.asarray(0.5 + 0.5 * jnp.tanh(waves / np.sqrt(len(_WAVES) / 3)))


_WAVES = (
    (0.5, 0.3),
    (-0.4, 0.6),
    (0.8, -0.2),
    (0.2, 0.9),
    (-0.9, -0.6),
    (1.1, 0.4),
    (-0.3, -1.2),
    (0.6, 1.0),
)
"""Directions of the base image's waves, in half cycles from the middle to the edge."""
