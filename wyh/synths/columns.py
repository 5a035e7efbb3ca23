"""Samples around pictures as sound: one picture after another, or cut up and overlapping.

- `raw`: each picture's own samples, with nothing done to them. Where one meets the next there is a
  step, and a picture that does not change repeats: a hum at the frame rate and all its multiples.
  It is what seed 003 did, and exists to compare with.
- `overlap`: pieces of them that fade into one another, each with a polarity drawn at random, which
  cannot be heard in itself. No two repeats of a picture add up to a hum.
"""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Key, PRNGKeyArray

from wyh.errors import WyhError
from wyh.signal.levels import Limiter
from wyh.synths.laying import Due, LayingCarry, due, follow, init_laying, lay
from wyh.synths.output import OutputCarry, init_output, output
from wyh.synths.prediction import Prediction
from wyh.synths.protocol import Predicted, Synth

_SPARE = 2  # samples after a picture's own, for a held one's repeats may be a sample apart


class LaidCarry(NamedTuple):
    """What a synth that lays grains remembers."""

    laying: LayingCarry
    output: OutputCarry


class RawCarry(NamedTuple):
    """What `raw` remembers."""

    age: Float[Array, ""]  # as in `LayingCarry`
    last: Float[Array, "batch n"]  # the samples of the picture that is heard
    begun: Int[Array, ""]  # the sample of the next block at which they began: 0, or negative
    output: OutputCarry


def raw(prediction: Prediction, block: int = 256) -> Synth:
    """One picture's samples after another's, each until the next begins.

    Its RMS is that of the samples as they are predicted. Columns shorter than a period leave
    silence. From amplitudes, each period is noise of its own, which does not hum.

    Args:
      prediction: what it is to play.
      block: samples of a tick, at most a picture's period.

    Raises:
      WyhError: pictures come faster than blocks.
    """
    check_pace(prediction, block)
    noise, size = prediction.noise, math.ceil(prediction.period - 1e-6)
    limiter = Limiter(noise.sample_rate, ceiling_db=noise.ceiling_db)

    def init(variables: Any, key: PRNGKeyArray, batch_size: int) -> RawCarry:
        silence = jnp.zeros((batch_size, size + _SPARE))
        return RawCarry(
            jnp.float32(jnp.inf), silence, jnp.int32(0), init_output(limiter, batch_size)
        )

    def emit_many(
        variables: Any,
        carry: RawCarry,
        controls: Predicted,
        ages_secs: Float[Array, " time"],
        knobs: dict[str, Any],
        keys: Key[Array, " time"],
    ) -> tuple[RawCarry, Float[Array, "batch samples"]]:
        ages = ages_secs * noise.sample_rate
        age, when = due(carry.age, ages, period=prediction.period, block=block)

        def own() -> Array:
            return prediction.columns(controls, size + 2 * _SPARE, keys)[..., _SPARE:]

        grains = where_due(when, own, (len(carry.last), ages.size, size + _SPARE))
        last, begun, sound = follow(carry.last, carry.begun, grains, when, block)
        after, sound = _finished(limiter, carry.output, sound, variables, knobs, block)
        return RawCarry(age, last, begun, after), sound

    return Synth(
        name="raw",
        block=block,
        latency_samples=block + limiter.latency_samples,
        init=init,
        emit_many=emit_many,
        needs=frozenset({"gain_db"}),
    )


def overlap(prediction: Prediction, block: int = 256) -> Synth:
    """Overlapping pieces of each picture's samples, in their order, as loud as they were predicted.

    Windows of a period at most, roots of Hann's, so that powers add up to 1: two a period from
    columns of one and a half periods or more, three from those of one. Longer ones would tell
    frequencies apart that lie closer than the frame rate, and of a picture that stands still would
    leave some that happen to be multiples of it standing out by 3 to 7 dB.

    Each piece is read from about its own place, up to a hop from it, drawn at random, so that its
    loudness does not repeat with the frames either.

    Args:
      prediction: what it is to play.
      block: samples of a tick, at most a picture's period.

    Raises:
      WyhError: pictures come faster than blocks.
    """
    period = prediction.period
    column = prediction.column or math.ceil(2 * period)
    count = max(2, math.ceil(3 * period / column - 1e-6))
    hop = period / count
    size = min(max(2, round(2 * hop)), column)
    window = np.sin(np.pi * (np.arange(size) + 0.5) / size)
    window *= math.sqrt(hop / np.sum(window**2))
    places = np.rint(np.arange(count) * hop).astype(int)
    length, room = int(places[-1]) + size, column - size
    span = min(room, int(places[-1]))
    own = (room - span) / 2 + span * np.arange(count) / (count - 1)
    first = np.rint(np.maximum(own - hop, 0)).astype(int)
    choices = np.rint(np.minimum(own + hop, room)).astype(int) - first + 1

    def grains(controls: Predicted, keys: Key[Array, " time"]) -> Float[Array, "batch time length"]:
        columns = prediction.columns(controls, column, keys)
        drawn = drawn_for(keys, len(columns), count, 2)
        starts = first[None, None] + jnp.floor(drawn[..., 0] * choices[None, None]).astype(
            jnp.int32
        )
        pieces = _read(columns, jnp.minimum(starts, room), size)
        signs = jnp.where(drawn[..., 1] < 0.5, -1.0, 1.0)
        pieces = pieces * signs[..., None] * window.astype(np.float32)[None, None, None]
        total = jnp.zeros((*columns.shape[:2], length))
        for i, place in enumerate(places):
            total = total.at[..., place : place + size].add(pieces[:, :, i])
        return total

    return laid("overlap", prediction, block, grains, length, middle=length / 2)


def laid(
    name: str,
    prediction: Prediction,
    block: int,
    grains: Callable[..., Float[Array, "batch time length"]],
    length: int,
    middle: float,
) -> Synth:
    """A synth that lays one grain a picture, which begins a block after it.

    Args:
      name: of the synth.
      prediction: what it is to play.
      block: samples of a tick, at most a picture's period.
      grains: `(controls, keys) -> grains`, one for each tick.
      length: of a grain.
      middle: of its sound, in samples from its start.

    Raises:
      WyhError: pictures come faster than blocks.
    """
    check_pace(prediction, block)
    noise = prediction.noise
    limiter = Limiter(noise.sample_rate, ceiling_db=noise.ceiling_db)

    def init(variables: Any, key: PRNGKeyArray, batch_size: int) -> LaidCarry:
        return LaidCarry(init_laying(batch_size, length), init_output(limiter, batch_size))

    def emit_many(
        variables: Any,
        carry: LaidCarry,
        controls: Predicted,
        ages_secs: Float[Array, " time"],
        knobs: dict[str, Any],
        keys: Key[Array, " time"],
    ) -> tuple[LaidCarry, Float[Array, "batch samples"]]:
        ages, tail = ages_secs * noise.sample_rate, carry.laying.tail
        age, when = due(carry.laying.age, ages, period=prediction.period, block=block)
        shape = (len(tail), ages.size, length)
        tail, sound = lay(tail, where_due(when, lambda: grains(controls, keys), shape), when, block)
        after, sound = _finished(limiter, carry.output, sound, variables, knobs, block)
        return LaidCarry(LayingCarry(age, tail), after), sound

    late = round(block + middle - prediction.period / 2)
    return Synth(
        name=name,
        block=block,
        latency_samples=late + limiter.latency_samples,
        init=init,
        emit_many=emit_many,
        needs=frozenset({"gain_db"}),
    )


def where_due(when: Due, make: Callable[[], Array], shape: tuple[int, ...]) -> Array:
    """What `make` makes; live, where a tick is alone, only if it is to be laid."""
    if when.laid.size > 1:
        return make()
    return jax.lax.cond(when.laid[0], make, lambda: jnp.zeros(shape))


def drawn_for(
    keys: Key[Array, " time"], batch: int, grains: int, values: int
) -> Float[Array, "batch time grains values"]:
    """So many values from 0 to 1 for each grain of a tick, apart from the phases of its noise."""
    own = jax.vmap(lambda key: jax.random.fold_in(key, 1))(keys)
    drawn = jax.vmap(lambda key: jax.random.uniform(key, (batch, grains, values)))(own)
    return drawn.swapaxes(0, 1)


def check_pace(prediction: Prediction, block: int) -> None:
    """Raise WyhError where pictures come faster than blocks."""
    if not 1 <= block <= prediction.period:
        raise WyhError(
            f"got blocks of {block} samples and {prediction.frame_rate:g} pictures a second, "
            f"wanted blocks of 1 to {math.floor(prediction.period)} samples: lower the frame rate"
        )


def _finished(
    limiter: Limiter,
    carry: OutputCarry,
    sound: Float[Array, "batch samples"],
    variables: Any,
    knobs: dict[str, Any],
    block: int,
) -> tuple[OutputCarry, Float[Array, "batch samples"]]:
    scale = jnp.float32(1.0)
    return output(limiter, carry, [sound], [scale], variables["gain_db"], knobs, block)


def _read(
    columns: Float[Array, "batch time n"], starts: Int[Array, "batch time pieces"], size: int
) -> Float[Array, "batch time pieces size"]:
    """Pieces of columns from where they start."""

    def one(column: Array, start: Array) -> Array:
        return jax.lax.dynamic_slice_in_dim(column, start, size)

    of_column = jax.vmap(one, in_axes=(None, 0))
    return jax.vmap(jax.vmap(of_column))(columns, starts)
