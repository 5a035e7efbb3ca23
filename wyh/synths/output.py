"""The last stage of every synth: volume, mute, the sum of the parts and one limiter for it."""

from collections.abc import Sequence
from functools import reduce
from typing import Any, NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float

from wyh.signal.levels import Limiter, db_to_amplitude
from wyh.signal.stft import overlap_add


class OutputCarry(NamedTuple):
    """What the last stage remembers from block to block."""

    gains: Float[Array, " parts"]  # at the end of the last block, so that the next ramps from them
    limited: Float[Array, "batch *channels memory"]


def init_output(
    limiter: Limiter, batch_size: int, parts: int = 1, channels: int = 1
) -> OutputCarry:
    """The memory before the first block: silence."""
    return OutputCarry(jnp.zeros(parts), limiter.init(batch_size, channels))


def output(
    limiter: Limiter,
    carry: OutputCarry,
    sounds: Sequence[Float[Array, "batch *channels samples"]],
    scales: Sequence[Float[Array, ""]],
    gain_db: Float[Array, ""],
    knobs: dict[str, Any],
    ramp: int,
) -> tuple[OutputCarry, Float[Array, "batch *channels samples"]]:
    """The limited sum of `scale * sound` of all parts, under the knobs `gain_db` and `mute`.

    Each part's gain ramps from where it was over `ramp` samples, so that no turn of a knob clicks.
    """
    gain = db_to_amplitude(gain_db + knobs["gain_db"]) * (1 - knobs["mute"])
    along = jnp.minimum((jnp.arange(sounds[0].shape[-1]) + 1) / ramp, 1.0)
    gains = jnp.stack([scale * gain for scale in scales])
    ramps = carry.gains[:, None] + (gains - carry.gains)[:, None] * along[None]
    ramped = [
        sound * jnp.broadcast_to(part, sound.shape)
        for sound, part in zip(sounds, ramps, strict=True)
    ]
    limited, sound = limiter.apply(carry.limited, reduce(jnp.add, ramped))
    return OutputCarry(gains, limited), sound


def join_columns(
    tail: Float[Array, "batch *channels tail"],
    columns: Float[Array, "batch *channels time n_fft"],
    hop_length: int,
) -> tuple[Float[Array, "batch *channels tail"], Float[Array, "batch *channels samples"]]:
    """Lay columns over the ends of earlier ones; `samples = time * hop_length`, the rest later."""
    sound = overlap_add(columns, hop_length)
    sound = sound.at[..., : tail.shape[-1]].add(tail)
    cut = columns.shape[-2] * hop_length
    return sound[..., cut:], sound[..., :cut]
