"""Laying grains of sound into a stream, each where its picture's time begins, to the sample.

A picture comes with its age at the start of a block, which tells where in the block before it its
time began; one block later is where its sound begins. A grain that has begun plays to its end,
whatever comes next. While a picture is held, its grain is laid again with every period.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from wyh.synths.output import join_columns


class Due(NamedTuple):
    """Which ticks begin a grain, and how many samples after the start of their block."""

    laid: Bool[Array, " time"]
    offset: Int[Array, " time"]  # 0 to block


class LayingCarry(NamedTuple):
    """What is remembered from block to block."""

    age: Float[Array, ""]  # of the control at the last tick, in samples; infinite before the first
    tail: Float[Array, "batch tail"]  # of grains that play on


def init_laying(batch_size: int, grain_length: int) -> LayingCarry:
    """Before the first block: silence."""
    return LayingCarry(jnp.float32(jnp.inf), jnp.zeros((batch_size, grain_length)))


def due(
    age: Float[Array, ""], ages: Float[Array, " time"], *, period: float, block: int
) -> tuple[Float[Array, ""], Due]:
    """When the grains of pictures begin.

    Args:
      age: of the control at the tick before, in samples.
      ages: of the controls at these ticks, in samples.
      period: samples from picture to picture, any number above 0.
      block: samples of a tick.

    Returns:
      The age to remember, and what is to be laid.
    """
    before = jnp.concatenate([age[None], ages[:-1]])
    newer = ages < before + block - period / 2
    repeats = _repeats(ages, period)
    held = repeats > _repeats(before, period)
    since = ages - repeats * period  # since the picture's time, or its repeat, began
    offset = jnp.clip(jnp.rint(block - since), 0, block).astype(jnp.int32)
    return ages[-1], Due(newer | held, offset)


def _repeats(ages: Float[Array, " time"], period: float) -> Float[Array, " time"]:
    """How many periods have passed since a picture's own began.

    The times of pictures are whole samples, so that the last sample of one may lie up to a sample
    before its period is over, never after it. A repeat that is seen a block later than it could be
    begins at the same sample: with offset 0, not the block before with offset `block`.
    """
    return jnp.floor(jnp.maximum(ages - 0.25, 0.0) / period)


def lay(
    tail: Float[Array, "batch tail"], grains: Float[Array, "batch time n"], when: Due, block: int
) -> tuple[Float[Array, "batch tail"], Float[Array, "batch samples"]]:
    """Sum the grains that are due over those that play on.

    Args:
      tail: as long as a grain.
      grains: one for each tick; those not due are left out.
      when: from `due`.
      block: samples of a tick.

    Returns:
      The new tail, and `time * block` samples.
    """
    length = grains.shape[-1] + block
    padded = jnp.pad(grains * when.laid[None, :, None], ((0, 0), (0, 0), (block, block)))

    def moved(grain: Array, offset: Array) -> Array:
        return jax.lax.dynamic_slice_in_dim(grain, block - offset, length, axis=-1)

    columns = jax.vmap(moved, in_axes=(1, 0), out_axes=1)(padded, when.offset)
    return join_columns(tail, columns, block)


def follow(
    last: Float[Array, "batch n"],
    begun: Int[Array, ""],
    grains: Float[Array, "batch time n"],
    when: Due,
    block: int,
) -> tuple[Float[Array, "batch n"], Int[Array, ""], Float[Array, "batch samples"]]:
    """Each grain from where it is due until the next is, or it ends: none over another.

    Args:
      last: the grain that is heard.
      begun: where it began, in samples from the start of the first block: 0, or before it.
      grains: one for each tick; those not due are left out.
      when: from `due`.
      block: samples of a tick.

    Returns:
      The grain that is heard at the end, where the next block will find that it began, and
      `time * block` samples.
    """
    time, length = grains.shape[1:]
    known = jnp.concatenate([last[:, None], grains], axis=1)
    ticks = jnp.arange(time)
    begins = jnp.concatenate([begun[None], ticks * block + when.offset])
    # The newest that was laid at this tick or before; 0 is the one from before the first.
    newest = jax.lax.cummax(jnp.where(when.laid, ticks + 1, 0))
    before = jnp.concatenate([jnp.zeros(1, newest.dtype), newest[:-1]])
    along = jnp.arange(block)[None]
    here = when.laid[:, None] & (along >= when.offset[:, None])
    heard = jnp.where(here, newest[:, None], before[:, None])
    place = ticks[:, None] * block + along - begins[heard]
    inside = (place < length)[None]
    found = known[:, heard, jnp.minimum(place, length - 1)]
    sound = jnp.where(inside, found, 0.0).reshape(len(last), time * block)
    end = jnp.maximum(begins[newest[-1]] - time * block, -length)
    return known[:, newest[-1]], end, sound
