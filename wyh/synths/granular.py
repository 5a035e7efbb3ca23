"""Samples around pictures as clouds of grains: many short pieces, each from and at a random place.

Every grain of a picture begins within that picture's time. It is read at the rate at which it was
predicted, so that what is heard has the pitch that was meant.
"""

import math
from dataclasses import dataclass
from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, Key

from wyh.errors import check_range
from wyh.synths.columns import drawn_for, laid
from wyh.synths.prediction import Prediction
from wyh.synths.protocol import Predicted, Synth

Envelope = Literal["hann", "triangle"]

_POWER = {"hann": 3 / 8, "triangle": 1 / 3}  # mean square of an envelope


@dataclass(frozen=True)
class GranularConfig:
    """What the grains are like. Loudness does not depend on it."""

    shortest_secs: float = 0.010  # of grains, whose lengths are drawn evenly; 0.001 to 0.5
    longest_secs: float = 0.035  # from the shortest to 0.5
    density_hz: float = 240.0  # grains a second, 1 to 4,000; at least one a picture
    envelope: Envelope = "hann"

    def __post_init__(self) -> None:
        check_range("shortest_secs", self.shortest_secs, 0.001, 0.5, "s")
        check_range("longest_secs", self.longest_secs, self.shortest_secs, 0.5, "s")
        check_range("density_hz", self.density_hz, 1, 4000, "Hz")


class Grains(NamedTuple):
    """The grains of pictures, as they are drawn."""

    onset: Int[Array, "batch time grains"]  # samples after the beginning of the picture's sound
    length: Int[Array, "batch time grains"]  # samples
    read: Int[Array, "batch time grains"]  # where in the column a grain begins to read
    sign: Float[Array, "batch time grains"]  # -1 or 1: so that powers add up, whatever is read


class Cloud:
    """The pure functions of a config for what is predicted; holds constants only.

    Attributes:
      count: grains a picture.
      shortest, longest: samples of a grain, never more than are predicted.
      column: samples that are read from.
      length: samples of a picture's whole cloud.
    """

    def __init__(self, prediction: Prediction, config: GranularConfig) -> None:
        self._prediction, self._config = prediction, config
        rate, period = prediction.noise.sample_rate, prediction.period
        longest = max(2, round(config.longest_secs * rate))
        self.column = prediction.column or max(longest, math.ceil(2 * period))
        self.longest = min(longest, self.column)
        self.shortest = min(max(2, round(config.shortest_secs * rate)), self.longest)
        self.count = max(1, round(config.density_hz / prediction.frame_rate))
        self.length = math.ceil(period) + self.longest
        lengths = range(self.shortest, self.longest + 1)
        mean = sum(lengths) / len(lengths)
        self._scale = math.sqrt(period / (self.count * mean * _POWER[config.envelope]))

    def draw(self, keys: Key[Array, " time"], batch: int) -> Grains:
        """Random grains: one begins in each of `count` even parts of a period."""
        drawn = drawn_for(keys, batch, self.count, 4)
        part = self._prediction.period / self.count
        onset = jnp.floor((jnp.arange(self.count)[None, None] + drawn[..., 0]) * part)
        length = self.shortest + jnp.floor(drawn[..., 1] * (self.longest - self.shortest + 1))
        length = jnp.minimum(length, self.longest)
        room = self.column - length
        read = jnp.minimum(jnp.floor(drawn[..., 2] * (room + 1)), room)
        sign = jnp.where(drawn[..., 3] < 0.5, -1.0, 1.0)
        onset = jnp.minimum(onset, math.ceil(self._prediction.period) - 1)
        onset, length, read = (value.astype(jnp.int32) for value in (onset, length, read))
        return Grains(onset, length, read, sign)

    def grains(
        self, controls: Predicted, keys: Key[Array, " time"]
    ) -> Float[Array, "batch time length"]:
        """The cloud of each picture: the sum of its grains."""
        columns = self._prediction.columns(controls, self.column, keys)
        return jax.vmap(jax.vmap(self._summed))(columns, self.draw(keys, len(columns)))

    def _summed(self, column: Float[Array, " n"], drawn: Grains) -> Float[Array, " length"]:
        # Zeros that no grain reads: they lie where its envelope is 0.
        padded = jnp.pad(column, self.length)

        def one(grain: Grains) -> Array:
            share = (jnp.arange(self.length) - grain.onset + 0.5) / grain.length
            start = self.length + grain.read - grain.onset
            samples = jax.lax.dynamic_slice_in_dim(padded, start, self.length)
            return samples * self._envelope(share) * grain.sign

        return self._scale * jnp.sum(jax.vmap(one)(drawn), axis=0)

    def _envelope(self, share: Float[Array, " n"]) -> Float[Array, " n"]:
        """At a share of a grain from 0 to 1; 0 before and after it."""
        if self._config.envelope == "triangle":
            return jnp.maximum(1 - jnp.abs(2 * share - 1), 0.0)
        # Hann's, sin(pi * share)^2, within 0.002, in a fifth of the time.
        arc = jnp.maximum(4 * share * (1 - share), 0.0)
        return jnp.square(arc * (0.775 + 0.225 * arc))


def granular(
    prediction: Prediction, config: GranularConfig | None = None, block: int = 256
) -> Synth:
    """Grains of what was predicted, each beginning within its picture's time.

    The sound of picture k begins a block after it, as with every synth that lays grains: from there
    on, grains begin for exactly one period, none before and none later. So it is after `render` has
    taken the latency out too: that is a block, though the middle of grains is half a grain later.

    Args:
      prediction: what it is to play.
      config: what the grains are like; the defaults unless given.
      block: samples of a tick, at most a picture's period.

    Raises:
      WyhError: pictures come faster than blocks.
    """
    cloud = Cloud(prediction, config or GranularConfig())
    return laid("granular", prediction, block, cloud.grains, cloud.length, prediction.period / 2)
