"""An independent judge of pictures: a classifier that is trained on pictures a GAN has never seen.

What a GAN has learned from would flatter it: its judge is therefore trained on the part of the data
that was held out, and checked on a part of that which it was not trained on either.
"""

from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float, Float32, Int, UInt8

from wyh.errors import WyhError
from wyh.models.judge import SIDE, JudgeNetwork
from wyh.specs import LUMA

STEPS = 1500
"""Of training at most; on fewer pictures three for every eight, `FEWEST` at least."""

FEWEST = 150
CHECKED = 5
"""One picture of so many of each class is kept to check the judge on."""

_BATCH = 64
_CHUNK = 256
_RATE = 2e-3
_MOVED = 2.0  # pixels, at most
_BENT = 0.12  # of each value of the matrix that turns, shears and scales, at most
_NOISE = 0.05  # standard deviation


class Said(NamedTuple):
    """What a judge says of pictures."""

    features: Float32[np.ndarray, "n features"]
    likely: Float32[np.ndarray, "n classes"]  # probabilities

    @property
    def best(self) -> Int[np.ndarray, " n"]:
        """The class that each is most likely of."""
        return self.likely.argmax(axis=1)


@dataclass(frozen=True, eq=False)
class Judge:
    """A trained judge of so many classes, of pictures in colour (3 channels) or grey (1)."""

    classes: int
    channels: int
    params: Any

    @cached_property
    def _see(self) -> Any:
        network = JudgeNetwork(self.classes)

        def see(params: Any, pictures: Array) -> tuple[Array, Array]:
            found: Any = network.apply({"params": params}, pictures)
            return found[0], jax.nn.softmax(found[1])

        return jax.jit(see)

    def say(self, pictures: UInt8[np.ndarray, "n height width channel"]) -> Said:
        """What it says of pictures of any size, in colour or grey."""
        features, likely = [], []
        for first in range(0, len(pictures), _CHUNK):
            some = seen_as(pictures[first : first + _CHUNK], self.channels)
            filled = np.pad(some, ((0, _CHUNK - len(some)), (0, 0), (0, 0), (0, 0)))
            found = self._see(self.params, filled)  # one shape: compiled once
            features.append(np.asarray(found[0])[: len(some)])
            likely.append(np.asarray(found[1])[: len(some)])
        return Said(np.concatenate(features), np.concatenate(likely))


def seen_as(
    pictures: UInt8[np.ndarray, "n height width channel"], channels: int
) -> Float32[np.ndarray, "n 32 32 channels"]:
    """Pictures in [0, 1] at the size that is judged, each pixel the mean of the area it covers."""
    seen = pictures.astype(np.float32) / np.float32(255)
    if seen.shape[-1] != channels:
        grey = seen @ np.array(LUMA, np.float32) if seen.shape[-1] == 3 else seen[..., 0]
        seen = np.repeat(grey[..., None], channels, axis=-1)
    rows, columns = (areas(side) for side in seen.shape[1:3])
    if seen.shape[1:3] == (SIDE, SIDE):
        return seen
    down = np.einsum("sh,nhwc->nswc", rows, seen, optimize=True)
    return np.einsum("tw,nswc->nstc", columns, down, optimize=True).astype(np.float32)


def areas(side: int) -> Float32[np.ndarray, "32 side"]:
    """How much of each of `SIDE` equal parts of a line is in each of `side` equal parts of it."""
    edges, own = np.arange(SIDE + 1) / SIDE, np.arange(side + 1) / side
    last = np.minimum(edges[1:, None], own[None, 1:])
    first = np.maximum(edges[:-1, None], own[None, :-1])
    return (np.maximum(last - first, 0) * SIDE).astype(np.float32)


def apart(
    labels: Int[np.ndarray, " n"], names: tuple[str, ...]
) -> tuple[Int[np.ndarray, " m"], Int[np.ndarray, " k"]]:
    """Held-out pictures to train the judge on, and those to check it on: of each class some.

    Raises:
      WyhError: there are fewer than two of a class; all these are named.
    """
    rows = [np.flatnonzero(labels == label) for label in range(len(names))]
    poor = [f"{name} {len(row)}" for name, row in zip(names, rows, strict=True) if len(row) < 2]
    if poor:
        raise WyhError(
            f"got too few held-out pictures to judge by ({', '.join(poor)}), wanted 2 or more of "
            f"each class: prepare the pictures again with a larger --holdout, or more of them"
        )
    checked = np.concatenate([row[::CHECKED] for row in rows])
    return np.setdiff1d(np.concatenate(rows), checked), np.sort(checked)


def train_judge(
    pictures: UInt8[np.ndarray, "n height width channel"],
    labels: Int[np.ndarray, " n"],
    classes: int,
    steps: int | None = None,
    seed: int = 0,
) -> Judge:
    """Train a judge on pictures of any size, all classes alike, in a minute or so.

    Each picture is turned, sheared, scaled and moved a little, and has a little noise.

    Args:
      pictures: to learn from.
      labels: of each, 0 up to `classes`; there is one of each at least.
      classes: how many there are.
      steps: of 64 pictures; by their number unless given.
      seed: of chance.
    """
    steps = steps or int(np.clip(3 * len(pictures) // 8, FEWEST, STEPS))
    channels = pictures.shape[-1]
    order = np.argsort(labels, kind="stable")
    seen = jnp.asarray(seen_as(pictures[order], channels))
    counts = np.bincount(labels, minlength=classes)
    firsts = np.cumsum(counts) - counts
    network, key = JudgeNetwork(classes), jax.random.key(seed)
    rng = np.random.default_rng(seed)

    def begin(key: Array, some: Array) -> tuple[Any, Any]:
        params = network.init(key, some)["params"]
        return params, _optimizer(steps).init(params)

    params, state = jax.jit(begin)(key, seen[:1])
    for number in range(steps):
        labelled = np.arange(number * _BATCH, (number + 1) * _BATCH) % classes
        rows = firsts[labelled] + (rng.random(_BATCH) * counts[labelled]).astype(int)
        chance = jax.random.fold_in(key, number)
        params, state = _step(network, steps, params, state, seen, rows, labelled, chance)
    return Judge(classes, channels, params)


def _optimizer(steps: int) -> optax.GradientTransformation:
    return optax.adam(optax.cosine_decay_schedule(_RATE, steps))


@partial(jax.jit, static_argnums=(0, 1), donate_argnums=(2, 3))
def _step(
    network: JudgeNetwork,
    steps: int,
    params: Any,
    state: Any,
    seen: Float[Array, "n 32 32 channel"],
    rows: Int[Array, " batch"],
    labels: Int[Array, " batch"],
    key: Array,
) -> tuple[Any, Any]:
    moved, noisy, left_out = jax.random.split(key, 3)
    pictures = _moved(seen[rows], moved)
    pictures = pictures + _NOISE * jax.random.normal(noisy, pictures.shape)

    def loss(params: Any) -> Array:
        found: Any = network.apply({"params": params}, pictures, left_out)
        each = optax.softmax_cross_entropy_with_integer_labels(found[1], labels)
        return jnp.mean(each)

    updates, state = _optimizer(steps).update(jax.grad(loss)(params), state, params)
    return optax.apply_updates(params, updates), state


def _moved(pictures: Float[Array, "n 32 32 channel"], key: Array) -> Array:
    """Each turned, sheared, scaled and moved a little about its middle, its edges repeated."""
    bend, shift = jax.random.split(key)
    n, middle = len(pictures), (SIDE - 1) / 2
    about = np.mgrid[:SIDE, :SIDE].reshape(2, -1) - middle
    bent = jax.random.uniform(bend, (n, 2, 2), minval=-_BENT, maxval=_BENT) + np.eye(2)[None]
    by = jax.random.uniform(shift, (n, 2, 1), minval=-_MOVED, maxval=_MOVED)
    places = bent @ jnp.asarray(about, jnp.float32)[None] + middle + by
    places = jnp.clip(places, 0, SIDE - 1).reshape(n, 2, SIDE, SIDE)
    first = jnp.minimum(places.astype(jnp.int32), SIDE - 2)
    part = (places - first)[..., None]
    which, top, left = np.arange(n)[:, None, None], first[:, 0], first[:, 1]
    down, right = part[:, 0], part[:, 1]
    above, below = (
        pictures[which, row, left] * (1 - right) + pictures[which, row, left + 1] * right
        for row in (top, top + 1)
    )
    return above * (1 - down) + below * down
