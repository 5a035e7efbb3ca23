"""The autoencoder as a sonifier: encoder -> band amplitudes -> noise synth."""

from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float, Key, PRNGKeyArray, UInt8

from wyh.models.autoencoder import Autoencoder, AutoencoderConfig, as_picture, encode
from wyh.specs import AudioSpec, StreamSpec, VideoSpec
from wyh.synths.noise import NoiseCarry, NoiseConfig, NoiseSynth
from wyh.transducers.protocol import Magnitudes, Transducer, Variables


@dataclass(frozen=True)
class SonifierConfig:
    """What turns a trained autoencoder into sound, beside its parameters."""

    model: AutoencoderConfig = field(default_factory=AutoencoderConfig)
    synth: NoiseConfig = field(default_factory=NoiseConfig)
    loudness: Literal["db", "linear"] = "db"  # what a code value sets
    range_db: float = 40.0  # from code 0 to code 1 where loudness is "db"


class EncoderCarry(NamedTuple):
    """The amplitudes of the last picture, to glide from."""

    amplitude: Float[Array, "batch bands"]
    started: Float[Array, ""]  # 0 before the first picture, then 1


def amplitudes(code: Float[Array, "*lead bands"], config: SonifierConfig) -> Array:
    """How loud a code makes each band: linear, or `range_db` below full scale for code 0."""
    if config.loudness == "linear":
        return code
    return 10 ** ((code - 1) * (config.range_db / 20))


def stream_spec(config: SonifierConfig, video: VideoSpec) -> StreamSpec:
    """The stream of a sonifier that watches `video`.

    Gliding over one frame period centres a picture's sound half a period late.
    """
    synth = NoiseSynth(config.synth, config.model.code_size)
    glide = round(config.synth.sample_rate / video.frame_rate / 2)
    return StreamSpec(
        direction="see-hear",
        video=video,
        audio=AudioSpec(config.synth.sample_rate),
        block=config.synth.hop_length,
        latency_samples=synth.latency_samples + glide,
    )


def sonifier(config: SonifierConfig, video: VideoSpec) -> Transducer:
    """A see -> hear transducer. Variables: `{"params": ..., "gain_db": float32 []}`."""
    model = Autoencoder(config.model, video.shape)
    synth = NoiseSynth(config.synth, config.model.code_size)
    frame_rate = float(video.frame_rate)

    def init(
        variables: Variables, key: PRNGKeyArray, batch_size: int
    ) -> tuple[EncoderCarry, NoiseCarry]:
        amplitude = jnp.zeros((batch_size, config.model.code_size))
        return EncoderCarry(amplitude, jnp.float32(0.0)), synth.init(key, batch_size)

    def observe_many(
        variables: Variables,
        carry: EncoderCarry,
        frames: UInt8[Array, "batch time height width channel"],
        knobs: dict[str, Any],
        keys: Key[Array, " time"],
    ) -> tuple[EncoderCarry, Magnitudes]:
        batch, time = frames.shape[:2]
        pictures = as_picture(frames.reshape(batch * time, *frames.shape[2:]))
        code = encode(model, variables["params"], pictures)
        value = amplitudes(code, config).reshape(batch, time, -1)
        before = jnp.where(carry.started > 0, carry.amplitude, value[:, 0])
        previous = jnp.concatenate([before[:, None], value[:, :-1]], axis=1)
        return EncoderCarry(value[:, -1], jnp.float32(1.0)), Magnitudes(value, previous)

    def emit_many(
        variables: Variables,
        carry: NoiseCarry,
        controls: Magnitudes,
        ages_secs: Float[Array, " time"],
        knobs: dict[str, Any],
        keys: Key[Array, " time"],
    ) -> tuple[NoiseCarry, Float[Array, "batch samples"]]:
        # Whatever the glide, its middle is half a period late: the latency stays as declared.
        glide = knobs["glide"]
        along = ages_secs * frame_rate - (1 - glide) / 2
        mix = jnp.clip(along / jnp.maximum(glide, 1e-3), 0.0, 1.0)[None, :, None]
        amplitude = controls.previous + (controls.value - controls.previous) * mix
        return synth.emit_many(carry, amplitude, variables["gain_db"], knobs, keys)

    needs = frozenset({"params", "gain_db"})
    return Transducer(stream_spec(config, video), init, observe_many, emit_many, needs)
