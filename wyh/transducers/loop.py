"""The whole way round, differentiable: codes -> sound -> what a listener reads in it.

The sound is made by the very functions that play it; on its way it is mixed with noise, and the
listener does not know exactly when or how loud it was. Training through this makes the *sound*
keep the picture, not only the code.
"""

from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from wyh import knobs
from wyh.errors import check_range
from wyh.models.listener import hear
from wyh.synths.prediction import glided
from wyh.transducers.autoencoder import amplitudes, one_after_another, stream_spec
from wyh.transducers.listener import LOOKS, MIDDLE, Listener, Look
from wyh.transducers.offline import samples_of
from wyh.transducers.protocol import tick_keys


@dataclass(frozen=True)
class RoomConfig:
    """What happens to the sound between the synth and the listener, while training."""

    snr_low_db: float = 15.0  # white noise, against the sound's own RMS: at worst, -20 to 100
    snr_high_db: float = 40.0  # and at best
    late_ms: float = 3.0  # early or late by up to this much, 0 to 100
    level: float = 0.02  # louder or quieter than expected, up to this much of the code's range
    other_phases: float = 0.2  # share of steps played with another phase policy than the default's

    def __post_init__(self) -> None:
        check_range("snr_low_db", self.snr_low_db, -20, self.snr_high_db, "dB")
        check_range("snr_high_db", self.snr_high_db, self.snr_low_db, 100, "dB")
        check_range("late_ms", self.late_ms, 0, 100, "ms")
        check_range("level", self.level, 0, 0.5)
        check_range("other_phases", self.other_phases, 0, 1)


QUIET = RoomConfig(snr_low_db=100, snr_high_db=100, late_ms=0, level=0, other_phases=0)
"""Nothing happens to the sound."""


def heard_codes(
    listener: Listener,
    params: Any,
    codes: Float[Array, "batch time code"],
    key: PRNGKeyArray,
    room: RoomConfig,
) -> Float[Array, "n code"]:
    """What a listener with these parameters makes of the sound: codes of all inner frames."""
    levels = heard_levels(listener, codes, key, room)
    return hear(listener.config, params, levels.reshape(-1, *levels.shape[2:]))


@partial(jax.jit, static_argnums=0)
def hear_again(
    listener: Listener, params: Any, codes: Float[Array, "batch time code"]
) -> Float[Array, "n code"]:
    """`heard_codes` at 20 dB SNR, with the same noise every time: to compare models by."""
    room = replace(QUIET, snr_low_db=20.0, snr_high_db=20.0)
    return heard_codes(listener, params, codes, jax.random.key(0), room)


@partial(jax.jit, static_argnums=0)
def mean_level(listener: Listener, codes: Float[Array, "batch time code"]) -> Float[Array, ""]:
    """What a listener reads on average: by it, it finds out how loud a sound was."""
    return jnp.mean(heard_levels(listener, codes, jax.random.key(0), QUIET, (MIDDLE,)))


def heard_levels(
    listener: Listener,
    codes: Float[Array, "batch time code"],
    key: PRNGKeyArray,
    room: RoomConfig,
    looks: tuple[Look, ...] = LOOKS,
) -> Float[Array, "batch inner bands looks"]:
    """The levels that a listener reads in the sound of short films.

    Args:
      listener: for a sonifier.
      codes: of films; their first and last frames are there for the others' sake, so that
        inner = time - 2.
      key: of phases, noise, level and delay.
      room: between synth and listener.
      looks: to take.
    """
    batch, time, _ = codes.shape
    keys = dict(zip(_CHANCES, jax.random.split(key, len(_CHANCES)), strict=True))
    sound = _played(listener, codes, keys["policy"], keys["anchors"], keys["ticks"], room)

    power = jax.lax.stop_gradient(jnp.mean(jnp.square(sound), axis=1, keepdims=True))
    snr_db = jax.random.uniform(
        keys["snr"], (batch, 1), minval=room.snr_low_db, maxval=room.snr_high_db
    )
    noise = jax.random.normal(keys["noise"], sound.shape)
    sound = sound + noise * jnp.sqrt(power * 10 ** (-snr_db / 10))

    most = round(room.late_ms / 1000 * listener.synth.config.sample_rate)
    late = jax.random.randint(keys["late"], (batch, 1), -most, most + 1)
    levels = listener.levels(sound, listener.middles(time)[None, 1:-1] + late, looks)
    wrong = jax.random.uniform(
        keys["level"], (batch, 1, 1, 1), minval=-room.level, maxval=room.level
    )
    return levels + wrong


_CHANCES = ("policy", "anchors", "ticks", "snr", "noise", "late", "level")


def _played(
    listener: Listener,
    codes: Float[Array, "batch time code"],
    policy_key: PRNGKeyArray,
    anchor_key: PRNGKeyArray,
    tick_key: PRNGKeyArray,
    room: RoomConfig,
) -> Float[Array, "batch samples"]:
    """The sound of codes, before volume and limiter: by the synth itself, at full scale."""
    synth, spec = listener.synth, stream_spec(listener.sound, listener.video)
    batch, time, _ = codes.shape
    late = spec.latency_samples - synth.limiter.latency_samples
    samples = samples_of(time, spec)
    count = -(-(samples + late) // spec.block)
    due, ages_secs = spec.schedule(0, count)
    shown = np.minimum(due, time - 1)
    ages = ages_secs * float(spec.video.frame_rate) + (due - shown)
    turned = {name: jnp.float32(value) for name, value in knobs.defaults().items()}
    turned["phase"] = _policy(policy_key, room.other_phases)
    controls = one_after_another(amplitudes(codes, listener.sound))
    controls = jax.tree.map(lambda leaf: leaf[:, shown], controls)
    amplitude = glided(controls, jnp.asarray(ages, jnp.float32), turned["glide"])
    _, sound, scale = synth.sound_many(
        synth.silence(batch),
        jnp.arange(count),
        anchor_key,
        amplitude,
        turned,
        tick_keys(tick_key, 0, count),
    )
    return (sound * scale)[:, late : late + samples]


def _policy(key: PRNGKeyArray, others: float) -> Float[Array, ""]:
    """The default phase policy, or sometimes one of the others."""
    default = int(knobs.KNOBS["phase"].default)
    rest = [place for place in range(len(knobs.PHASES)) if place != default]
    chance, which = jax.random.split(key)
    other = jnp.array(rest, jnp.float32)[jax.random.randint(which, (), 0, len(rest))]
    return jnp.where(jax.random.uniform(chance) < others, other, jnp.float32(default))
