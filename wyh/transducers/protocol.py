"""What everything playable is: two pure functions with two clocks, joined by a control.

`observe` runs once an input tick and makes a control; `emit` runs once an output tick and makes
sound or a picture from the newest control and its age. Both come in a form over many ticks, which
is the one that is written; the form for one tick is the same function over a time axis of 1, so
live and offline cannot drift apart.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key, PRNGKeyArray

from wyh.specs import StreamSpec
from wyh.synths.protocol import Synth

Variables = Any
"""A pytree of arrays: all that a model needs to play. An argument, so that it can be swapped."""

Carry = Any
"""A pytree of arrays: recurrent or streaming memory. Donated by whoever compiles the functions."""

Control = Any
"""A NamedTuple of arrays with leading axes `[batch, ...]`, or `[batch, time, ...]` for many."""

KnobValues = dict[str, Any]
"""The knobs of `wyh.knobs`, each a scalar, traced."""


class SoundFeatures(NamedTuple):
    """What is heard, at this input tick and at the one before: `emit` glides between them."""

    value: Float[Array, "*lead features"]  # as the model takes them, about standard normal
    previous: Float[Array, "*lead features"]
    level_db: Float[Array, "*lead"]  # of the window, against a sine of full scale


@dataclass(frozen=True)
class Transducer:
    """A playable: its spec and its pure functions.

    Attributes:
      spec: rates, shapes, block size, declared latency.
      init: `(variables, key, batch_size) -> (carry_in, carry_out)`.
      observe_many: `(variables, carry_in, x, knobs, keys) -> (carry_in, controls)`; x, keys and
        controls have a time axis after the batch axis (keys: time alone). x are pictures, or
        blocks of sound `float32 [batch, time, block]`.
      emit_many: `(variables, carry_out, controls, ages_secs, knobs, keys) -> (carry_out, y)`;
        controls, ages and keys have one entry for each output tick. Sound comes back joined:
        `float32 [batch, time * block]`, in stereo `[batch, time * block, 2]`, left first; pictures
        as `float32 [batch, time, height, width, 3]` in [0, 1].
      needs: names at the top of the variables, without which it cannot play.
      late_samples: by which what observe tells lags behind the middle of the picture it was told
        with. A control at tick t that is about picture t - 1 is a frame's period late.
    """

    spec: StreamSpec
    init: Callable[[Variables, PRNGKeyArray, int], tuple[Carry, Carry]]
    observe_many: Callable[..., tuple[Carry, Control]]
    emit_many: Callable[..., tuple[Carry, Array]]
    needs: frozenset[str] = frozenset()
    late_samples: int = 0

    def played_by(self, synth: Synth) -> "Transducer":
        """The same sonifier with another emit side."""

        def init(variables: Variables, key: PRNGKeyArray, batch_size: int) -> tuple[Carry, Carry]:
            carry_in, _ = self.init(variables, key, batch_size)
            return carry_in, synth.init(variables, key, batch_size)

        late = synth.latency_samples + self.late_samples
        return replace(
            self,
            spec=replace(self.spec, block=synth.block, latency_samples=late),
            init=init,
            emit_many=synth.emit_many,
            needs=self.needs | synth.needs,
        )

    def observe(
        self, variables: Variables, carry_in: Carry, x: Array, knobs: KnobValues, key: PRNGKeyArray
    ) -> tuple[Carry, Control]:
        """One input tick: `x` is one picture `[batch, ...]` or one block `[batch, samples]`."""
        carry_in, controls = self.observe_many(
            variables, carry_in, x[:, None], knobs, jnp.expand_dims(key, 0)
        )
        return carry_in, jax.tree.map(lambda leaf: leaf[:, 0], controls)

    def emit(
        self,
        variables: Variables,
        carry_out: Carry,
        control: Control,
        age_secs: Float[Array, ""],
        knobs: KnobValues,
        key: PRNGKeyArray,
    ) -> tuple[Carry, Array]:
        """One output tick, from a control that is `age_secs` old."""
        controls = jax.tree.map(lambda leaf: leaf[:, None], control)
        return self.emit_many(
            variables, carry_out, controls, age_secs[None], knobs, jnp.expand_dims(key, 0)
        )


def tick_keys(key: PRNGKeyArray, first: Any, count: int) -> Key[Array, " count"]:
    """Keys of `count` ticks from `first`: `fold_in(key, tick)`, never a chain.

    Skipping a tick therefore changes no other.
    """
    return jax.vmap(lambda tick: jax.random.fold_in(key, tick))(first + jnp.arange(count))
