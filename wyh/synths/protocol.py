"""What every synth is: the emit side of a sonifier, with its memory in a carry.

A model predicts, once a picture, how loud bands are, or notes, or some samples around the picture's
middle. What a synth does not take itself is turned into what it takes; notes alone are made of
nothing else.
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


class Strikes(NamedTuple):
    """Which notes are struck in the time of a picture, and when."""

    onset: Float[Array, "*lead notes"]  # probability
    offset: Float[Array, "*lead notes"]  # in picture periods from the middle, -0.5 to 0.5


class NoteAmplitudes(NamedTuple):
    """How loud notes are around this picture and the one before, and how they are struck in both.

    Amplitudes are those that `wyh.signal.notes.NoteReader` reads of a sound. Carrying the picture
    before lets `emit` glide, and strike late in its time, by the control's age alone.
    """

    value: Float[Array, "*lead notes"]  # amplitude of a sine, linear
    previous: Float[Array, "*lead notes"]
    strikes: Strikes
    previous_strikes: Strikes


Predicted = Magnitudes | Column | NoteAmplitudes
"""What models give synths as a control."""


@dataclass(frozen=True)
class Synth:
    """The emit side of a sonifier.

    Attributes:
      name: as `--synth` knows it.
      block: samples of an output tick.
      latency_samples: from the middle of a picture's time to the middle of its sound.
      init: `(variables, key, batch_size) -> carry`.
      emit_many: `(variables, carry, controls, ages_secs, knobs, keys) -> (carry, sound)`, as in
        `wyh.transducers.protocol`; controls are `Predicted`, as the model gives
        them, `variables["gain_db"]` is the run's calibrated level. Mono:
        `float32 [batch, time * block]`.
      needs: names at the top of the variables, without which it cannot play.
    """

    name: str
    block: int
    latency_samples: int
    init: Callable[[Any, PRNGKeyArray, int], Any]
    emit_many: Callable[..., tuple[Any, Array]]
    needs: frozenset[str] = frozenset()
