"""The noise synth with an output of its own, which the instrument shares among its voices."""

from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float, Int, PRNGKeyArray

from wyh.synths.noise import NoiseSynth
from wyh.synths.output import OutputCarry, init_output, output


class AloneCarry(NamedTuple):
    """What it remembers from block to block."""

    tail: Float[Array, "batch tail"]
    tick: Int[Array, ""]  # of the next column
    key: PRNGKeyArray  # of the anchors
    output: OutputCarry


class NoiseAlone(NoiseSynth):
    """Noise, volume and limiter; nothing else."""

    def init(self, key, batch_size):
        """The memory before the first block: silence."""
        begin = init_output(self.limiter, batch_size)
        return AloneCarry(self.silence(batch_size), jnp.int32(0), key, begin)

    def emit_many(self, carry, amplitude, gain_db, knobs, keys):
        """One block of sound for each column of amplitudes `[batch, time, bands]`."""
        ticks = carry.tick + jnp.arange(amplitude.shape[1])
        tail, sound, scale = self.sound_many(carry.tail, ticks, carry.key, amplitude, knobs, keys)
        last, sound = output(
            self.limiter, carry.output, [sound], [scale], gain_db, knobs, self.config.hop_length
        )
        return AloneCarry(tail, ticks[-1] + 1, carry.key, last), sound
