"""From class probabilities to the mixture that is shown: the greatest few, smoothed in time.

Pure functions, at any tick rate. What is unlikely is left out; where nothing is likely enough,
nothing was heard, and a gate beside the mixture closes. A mixture keeps its parts while it fades.
"""

from dataclasses import dataclass
from typing import Literal, NamedTuple, get_args

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from wyh.errors import check_range

Mode = Literal["top_p", "top_1", "free"]
"""The greatest few probabilities, the greatest alone, or a mixture that is set from outside."""

_EVEN = 1e-4  # weight under which what is left of a mixture gives way to all classes alike


class Settings(NamedTuple):
    """What of a selection can be turned while playing: numbers, or traced scalars."""

    mode: float | Float[Array, ""]  # place in `Mode`
    most: float | Float[Array, ""]
    threshold: float | Float[Array, ""]
    sure: float | Float[Array, ""]
    attack_secs: float | Float[Array, ""]
    release_secs: float | Float[Array, ""]


@dataclass(frozen=True)
class SelectionConfig:
    """What of the probabilities is shown, and how fast it follows them."""

    mode: Mode = "top_p"  # see `Mode`
    most: int = 3  # classes that are shown at once at most, 1 to 1,000
    threshold: float = 0.15  # probability under which a class is not shown, 0 to 1
    sure: float = 0.5  # what those shown must come to, or nothing was heard, 0 to 1
    attack_secs: float = 0.05  # in which what is heard grows to 63 % of its part, 0 to 10
    release_secs: float = 0.5  # in which what is heard no more fades to 37 %, 0 to 60

    def __post_init__(self) -> None:
        check_range("most", self.most, 1, 1000, "classes")
        check_range("threshold", self.threshold, 0, 1)
        check_range("sure", self.sure, 0, 1)
        check_range("attack_secs", self.attack_secs, 0, 10, "s")
        check_range("release_secs", self.release_secs, 0, 60, "s")

    def settings(self) -> Settings:
        """As numbers that a compiled function can be called with, whatever they are."""
        values = (self.most, self.threshold, self.sure, self.attack_secs, self.release_secs)
        return Settings(float(get_args(Mode).index(self.mode)), *map(float, values))


class SelectionCarry(NamedTuple):
    """What a selection remembers from tick to tick."""

    weights: Float[Array, "batch classes"]  # 0 to 1
    gate: Float[Array, " batch"]  # 0 to 1


class Selected(NamedTuple):
    """What is shown at each tick."""

    mixture: Float[Array, "batch time classes"]  # 0 to 1, of sum 1; all alike before any sound
    gate: Float[Array, "batch time"]  # 0 = nothing heard, 1 = surely something


def init_selection(batch_size: int, classes: int) -> SelectionCarry:
    """Before the first tick: nothing was heard."""
    return SelectionCarry(jnp.zeros((batch_size, classes)), jnp.zeros(batch_size))


def select(
    settings: Settings,
    carry: SelectionCarry,
    probabilities: Float[Array, "batch time classes"],
    tick_secs: float | Float[Array, ""],
    free: Float[Array, "batch classes"] | None = None,
) -> tuple[SelectionCarry, Selected]:
    """Select at ticks in a row; one tick at a time gives the same.

    Args:
      settings: from `SelectionConfig.settings`.
      carry: after the tick before.
      probabilities: of the classes. They may come to less than 1: the rest is that of none of
        them. What is no number counts as 0.
      tick_secs: from tick to tick.
      free: for the mode `free`: weights of the classes, 0 or more, that are shown whatever is
        heard, as far as they come to 1. All 0, or None: nothing is shown.

    Returns:
      The carry after the last tick, and what is shown.
    """
    batch, _, classes = probabilities.shape
    wanted, heard = chosen(probabilities, _most(settings), settings.threshold, settings.sure)
    by_hand = jnp.zeros((batch, classes)) if free is None else jnp.where(free > 0, free, 0.0)
    total = by_hand.sum(axis=-1, keepdims=True)
    is_free = settings.mode == float(get_args(Mode).index("free"))
    wanted = jnp.where(is_free, (by_hand / jnp.where(total > 0, total, 1.0))[:, None], wanted)
    opened = jnp.where(is_free, jnp.minimum(total, 1.0), heard.astype(jnp.float32))
    up = _step(tick_secs, settings.attack_secs)
    down = _step(tick_secs, settings.release_secs)

    def follow(at: Array, towards: Array) -> Array:
        return at + jnp.where(towards > at, up, down) * (towards - at)

    def tick(before: SelectionCarry, now: tuple[Array, Array]) -> tuple[SelectionCarry, Selected]:
        target, gate = now
        after = SelectionCarry(follow(before.weights, target), follow(before.gate, gate))
        share = after.weights + _EVEN / classes
        return after, Selected(share / share.sum(axis=-1, keepdims=True), after.gate)

    last, shown = jax.lax.scan(tick, carry, (wanted.swapaxes(0, 1), opened.T))
    return last, Selected(shown.mixture.swapaxes(0, 1), shown.gate.T)


def chosen(
    probabilities: Float[Array, "*lead classes"],
    most: float | Float[Array, ""],
    threshold: float | Float[Array, ""],
    sure: float | Float[Array, ""],
) -> tuple[Float[Array, "*lead classes"], Bool[Array, "*lead"]]:
    """The greatest probabilities, made to come to 1; and whether anything was heard.

    Args:
      probabilities: of the classes, as in `select`.
      most: how many at most; of equal ones the first.
      threshold: lesser ones are left out.
      sure: what they must come to, or nothing was heard.

    Returns:
      All zeros where nothing was heard.
    """
    known = jnp.where(probabilities > 0, probabilities, 0.0)  # not a number: 0
    order = jnp.argsort(-known, axis=-1, stable=True)
    rank = jnp.argsort(order, axis=-1, stable=True)
    kept = jnp.where((rank < most) & (known >= threshold), known, 0.0)
    total = kept.sum(axis=-1)
    heard = (total > 0) & (total >= sure)
    parts = kept / jnp.where(total > 0, total, 1.0)[..., None]
    return jnp.where(heard[..., None], parts, 0.0), heard


def _most(settings: Settings) -> Float[Array, ""]:
    return jnp.where(settings.mode == float(get_args(Mode).index("top_1")), 1.0, settings.most)


def _step(tick_secs: float | Array, secs: float | Array) -> Array:
    """Part of the way that is gone in a tick; all of it where no time is wanted."""
    secs = jnp.asarray(secs)
    return jnp.where(secs > 0, -jnp.expm1(-tick_secs / jnp.where(secs > 0, secs, 1.0)), 1.0)
