"""What every synth is: the emit side of a sonifier, with its memory in a carry.

A model predicts, once a picture, how loud each band is or some samples around the picture's middle.
Any synth plays either: what it does not take itself is turned into what it takes.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

from jaxtyping import Array, Float, PRNGKeyArray


class Magnitudes(NamedTuple):
    """How loud each band is, at this input tick and at the one before.

    Carrying both lets `emit` glide from one to the other by the control's age alone.
    """

    value: Float[Array, "*lead bands"]  # amplitude (RMS of the band), linear
    previous: Float[Array, "*lead bands"]


class Column(NamedTuple):
    """The samples around the middle of a picture's time, as a model predicts them."""

    samples: Float[Array, "*lead n"]  # in [-1, 1]


@dataclass(frozen=True)
class Synth:
    """The emit side of a sonifier.

    Attributes:
      name: as `--synth` knows it.
      block: samples of an output tick.
      latency_samples: from the middle of a picture's time to the middle of its sound.
      init: `(variables, key, batch_size) -> carry`.
      emit_many: `(variables, carry, controls, ages_secs, knobs, keys) -> (carry, sound)`, as in
        `wyh.transducers.protocol`; controls are `Magnitudes` or `Column` as the model gives them,
        `variables["gain_db"]` is the run's calibrated level. Mono: `float32 [batch, time * block]`.
      needs: names at the top of the variables, without which it cannot play.
    """

    name: str
    block: int
    latency_samples: int
    init: Callable[[Any, PRNGKeyArray, int], Any]
    emit_many: Callable[..., tuple[Any, Array]]
    needs: frozenset[str] = frozenset()
