"""The autoencoder as a sonifier: encoder -> band amplitudes -> noise bands or oscillators."""

from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float, Key, PRNGKeyArray, UInt8

from wyh.models.autoencoder import Autoencoder, AutoencoderConfig, as_picture, encode
from wyh.specs import AudioSpec, StreamSpec, VideoSpec
from wyh.synths.mixture import MixtureCarry, MixtureSynth, TuningConfig
from wyh.synths.noise import NoiseConfig, NoiseSynth
from wyh.synths.prediction import Prediction, glided
from wyh.synths.protocol import Magnitudes
from wyh.transducers.protocol import Transducer, Variables
from wyh.transducers.regard import Regard, init_regard, negated, presence


@dataclass(frozen=True)
class SonifierConfig:
    """What turns a trained autoencoder into sound, beside its parameters."""

    model: AutoencoderConfig = field(default_factory=AutoencoderConfig)
    synth: NoiseConfig = field(default_factory=NoiseConfig)
    tuning: TuningConfig = field(default_factory=TuningConfig)
    loudness: Literal["db", "linear"] = "db"  # what a code value sets
    range_db: float = 20.0  # from code 0 to code 1 where loudness is "db"


class EncoderCarry(NamedTuple):
    """The amplitudes of the last picture, to glide from, and how it was looked at."""

    amplitude: Float[Array, "batch bands"]
    started: Float[Array, ""]  # 0 before the first picture, then 1
    regard: Regard


def amplitudes(code: Float[Array, "*lead bands"], config: SonifierConfig) -> Array:
    """How loud a code makes each band: linear, or `range_db` below full scale for code 0."""
    if config.loudness == "linear":
        return code
    return 10 ** ((code - 1) * (config.range_db / 20))


def one_after_another(
    value: Float[Array, "batch time bands"], before: Float[Array, "batch bands"] | None = None
) -> Magnitudes:
    """Controls of pictures that follow each other, and something before; else nothing changed."""
    first = value[:, 0] if before is None else before
    return Magnitudes(value, jnp.concatenate([first[:, None], value[:, :-1]], axis=1))


def prediction_of(config: SonifierConfig, video: VideoSpec) -> Prediction:
    """What the autoencoder gives a synth: the amplitudes of its bands."""
    return Prediction(config.synth, config.model.code_size, float(video.frame_rate))


def stream_spec(config: SonifierConfig, video: VideoSpec, channels: int = 1) -> StreamSpec:
    """The stream of a sonifier that watches `video`.

    Gliding over one frame period centres a picture's sound half a period late.
    """
    synth = NoiseSynth(config.synth, config.model.code_size)
    glide = round(config.synth.sample_rate / video.frame_rate / 2)
    return StreamSpec(
        direction="see-hear",
        video=video,
        audio=AudioSpec(config.synth.sample_rate, channels),
        block=config.synth.hop_length,
        latency_samples=synth.latency_samples + glide,
    )


def sonifier(config: SonifierConfig, video: VideoSpec, channels: int = 1) -> Transducer:
    """A see -> hear transducer, in mono or, with 2 channels, in stereo.

    Variables: `{"params": ..., "gain_db": float32 []}`, and for stereo `"pan"`, float32 [bands]
    from -1 (left) to 1, as `pan_positions` finds it; without it bands are spread evenly.
    """
    bands = config.model.code_size
    model = Autoencoder(config.model, video.shape)
    synth = MixtureSynth(config.synth, config.tuning, bands, channels)
    frame_rate = float(video.frame_rate)

    def init(
        variables: Variables, key: PRNGKeyArray, batch_size: int
    ) -> tuple[EncoderCarry, MixtureCarry]:
        amplitude = jnp.zeros((batch_size, bands))
        regard = init_regard(batch_size, video.shape)
        return EncoderCarry(amplitude, jnp.float32(0.0), regard), synth.init(key, batch_size)

    def observe_many(
        variables: Variables,
        carry: EncoderCarry,
        frames: UInt8[Array, "batch time height width channel"],
        knobs: dict[str, Any],
        keys: Key[Array, " time"],
    ) -> tuple[EncoderCarry, Magnitudes]:
        batch, time = frames.shape[:2]
        pictures = negated(as_picture(frames), knobs["negative"])
        regard, present = presence(carry.regard, pictures, frame_rate, knobs)
        code = encode(model, variables["params"], pictures.reshape(batch * time, *video.shape))
        value = amplitudes(code, config).reshape(batch, time, bands) * present[..., None]
        before = jnp.where(carry.started > 0, carry.amplitude, value[:, 0])
        after = EncoderCarry(value[:, -1], jnp.float32(1.0), regard)
        return after, one_after_another(value, before)

    def emit_many(
        variables: Variables,
        carry: MixtureCarry,
        controls: Magnitudes,
        ages_secs: Float[Array, " time"],
        knobs: dict[str, Any],
        keys: Key[Array, " time"],
    ) -> tuple[MixtureCarry, Float[Array, "batch samples *channels"]]:
        amplitude = glided(controls, ages_secs * frame_rate, knobs["glide"])
        pan = variables["pan"] if "pan" in variables else jnp.linspace(-1.0, 1.0, bands)
        carry, sound = synth.emit_many(carry, amplitude, variables["gain_db"], pan, knobs, keys)
        return carry, sound if channels == 1 else sound.swapaxes(1, 2)

    needs = frozenset({"params", "gain_db"})
    spec = stream_spec(config, video, channels)
    return Transducer(spec, init, observe_many, emit_many, needs)
