"""A deep belief network as a sonifier: the sound that belongs to pictures, played by any synth."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key, PRNGKeyArray, UInt8

from wyh.models.dbn import Dbn, DbnConfig, inputs_of, predict
from wyh.specs import AudioSpec, StreamSpec, SynthName, VideoSpec
from wyh.synths.named import synth_named
from wyh.synths.noise import NoiseConfig
from wyh.synths.protocol import Column, Magnitudes
from wyh.synths.targets import Target, TargetConfig
from wyh.transducers.protocol import Transducer, Variables
from wyh.transducers.regard import Regard, following, init_regard, negated, presence


@dataclass(frozen=True)
class FoleyConfig:
    """What turns a trained network into sound, beside its parameters."""

    model: DbnConfig = field(default_factory=DbnConfig)
    target: TargetConfig = field(default_factory=TargetConfig)
    noise: NoiseConfig = field(
        default_factory=lambda: NoiseConfig(layout="mel", low_hz=20.0, high_hz=11_000.0)
    )
    synth: SynthName = "noise"  # that the run is played with, unless --synth says otherwise


class LookCarry(NamedTuple):
    """What was seen and predicted before."""

    pictures: UInt8[Array, "batch reach height width channel"]  # those before
    sound: Float[Array, "batch sounds size"]  # predictions before, standardised, oldest first
    last: Float[Array, "batch size"]  # the values of the picture before
    present: Float[Array, " batch"]  # how loud the knobs left it
    started: Float[Array, ""]  # 0 before the first picture, then 1
    regard: Regard


def target_of(config: FoleyConfig, video: VideoSpec) -> Target:
    """What is predicted, once a picture."""
    return Target(config.target, config.noise, float(video.frame_rate))


def foley(config: FoleyConfig, video: VideoSpec) -> Transducer:
    """A see -> hear transducer that plays what it has learned to hear in pictures.

    Variables: `{"params", "gain_db": float32 [], "scale": {"inputs": {"mean", "spread"}, "sound":
    {"mean", "spread"}}}`, and `"reference"` for synths that play by a recording.
    """
    frame_rate = float(video.frame_rate)
    target = target_of(config, video)
    model = Dbn(config.model, target.size)
    player = synth_named(config.synth, target.prediction)
    reach, sounds = config.model.reach, config.model.context_sound

    def init(variables: Variables, key: PRNGKeyArray, batch_size: int) -> tuple[LookCarry, Any]:
        carry = LookCarry(
            jnp.zeros((batch_size, reach, *video.shape), jnp.uint8),
            jnp.zeros((batch_size, sounds, target.size)),
            jnp.broadcast_to(target.silence, (batch_size, target.size)),
            jnp.ones(batch_size),
            jnp.float32(0.0),
            init_regard(batch_size, video.shape),
        )
        return carry, player.init(variables, key, batch_size)

    def observe_many(
        variables: Variables,
        carry: LookCarry,
        frames: UInt8[Array, "batch time height width channel"],
        knobs: dict[str, Any],
        keys: Key[Array, " time"],
    ) -> tuple[LookCarry, Magnitudes | Column]:
        known, time = following(carry.pictures, frames, carry.started), frames.shape[1]
        pictures = negated(known.astype(jnp.float32) / 255, knobs["negative"])
        regard, present = presence(carry.regard, pictures[:, reach:], frame_rate, knobs)
        inputs = standardised(inputs_of(pictures, config.model), variables["scale"]["inputs"])
        scaled, heard = predicted_in_turn(model, variables["params"], inputs, carry.sound)
        values = restored(scaled, variables["scale"]["sound"])
        last = jnp.where(carry.started > 0, carry.last, values[:, 0])
        faint = jnp.where(carry.started > 0, carry.present, present[:, 0])
        control = faded(target.control(values, last), present, faint)
        after = LookCarry(
            known[:, time:], heard, values[:, -1], present[:, -1], jnp.float32(1.0), regard
        )
        return after, control

    def emit_many(
        variables: Variables,
        carry: Any,
        controls: Magnitudes | Column,
        ages_secs: Float[Array, " time"],
        knobs: dict[str, Any],
        keys: Key[Array, " time"],
    ) -> tuple[Any, Float[Array, "batch samples"]]:
        return player.emit_many(variables, carry, controls, ages_secs, knobs, keys)

    spec = StreamSpec(
        direction="see-hear",
        video=video,
        audio=AudioSpec(config.noise.sample_rate),
        block=player.block,
        latency_samples=player.latency_samples,
    )
    needs = frozenset({"params", "gain_db", "scale"}) | player.needs
    return Transducer(spec, init, observe_many, emit_many, needs)


Scale = Mapping[str, Float[Array | np.ndarray, " values"]]
"""`{"mean", "spread"}` of each value: how inputs, or the sound, are standardised."""


def standardised(
    values: Float[Array, "*lead values"], scale: Scale
) -> Float[Array, "*lead values"]:
    """Inputs as the first layer takes them, or sound as the last one gives it."""
    mean, spread = _along(values, scale)
    return (values - mean) / spread


def restored(scaled: Float[Array, "*lead values"], scale: Scale) -> Float[Array, "*lead values"]:
    """What `standardised` was given."""
    mean, spread = _along(scaled, scale)
    return scaled * spread + mean


def _along(values: Array, scale: Scale) -> list[Any]:
    lead = (1,) * (values.ndim - 1)
    return [scale[name].reshape(*lead, -1) for name in ("mean", "spread")]


def predicted_in_turn(
    model: Dbn,
    params: Any,
    inputs: Float[Array, "batch time inputs"],
    sound: Float[Array, "batch sounds size"],
) -> tuple[Float[Array, "batch time size"], Float[Array, "batch sounds size"]]:
    """Standardised predictions of pictures in a row, each fed back to those after it.

    Args:
      model: of the network.
      params: of the network.
      inputs: of the pictures, standardised.
      sound: predictions before the first, oldest first; none where nothing is fed back.

    Returns:
      The predictions, and those to remember.
    """
    batch, time = inputs.shape[:2]
    if not sound.shape[1]:
        values = predict(model, params, inputs.reshape(batch * time, -1))
        return values.reshape(batch, time, -1), sound

    def step(sound: Array, x: Array) -> tuple[Array, Array]:
        known = jnp.concatenate([x, sound.reshape(batch, -1)], axis=-1)
        value = predict(model, params, known)
        return jnp.concatenate([sound[:, 1:], value[:, None]], axis=1), value

    sound, values = jax.lax.scan(step, sound, inputs.swapaxes(0, 1))
    return values.swapaxes(0, 1), sound


def faded(
    control: Magnitudes | Column,
    present: Float[Array, "batch time"],
    before: Float[Array, " batch"],
) -> Magnitudes | Column:
    """A control as loud as the knobs for black and still pictures leave it.

    Args:
      control: of pictures in a row.
      present: what the knobs leave of each.
      before: and of the picture before the first, from which a glide begins.
    """
    if isinstance(control, Column):
        return Column(control.samples * present[..., None])
    earlier = jnp.concatenate([before[:, None], present[:, :-1]], axis=1)
    return Magnitudes(control.value * present[..., None], control.previous * earlier[..., None])
