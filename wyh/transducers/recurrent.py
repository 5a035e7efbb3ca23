"""A network that watches an instrument being played as a sonifier: notes, played by any synth.

It sees three pictures at a time and tells of the middle one, so that it is one picture late; that
is part of the declared latency.
"""

from dataclasses import dataclass, field
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key, PRNGKeyArray, UInt8

from wyh.models.autoencoder import Autoencoder, AutoencoderConfig, encode, logits_of
from wyh.models.recurrent import (
    Memory,
    Notes,
    Recurrent,
    RecurrentConfig,
    blank,
    in_threes,
    watch,
)
from wyh.signal.notes import MARIMBA, Note, parse_notes
from wyh.specs import AudioSpec, StreamSpec, SynthName, VideoSpec
from wyh.synths.named import synth_named
from wyh.synths.noise import NoiseConfig
from wyh.synths.prediction import Prediction
from wyh.synths.protocol import NoteAmplitudes, Strikes
from wyh.transducers.protocol import Transducer, Variables
from wyh.transducers.regard import Regard, following, init_regard, negated, presence

BANDS = 64  # in which synths that know nothing of notes play them
LEAD = 2  # pictures before the newest that are looked at with it


@dataclass(frozen=True)
class PlayerConfig:
    """What turns a trained network into sound, beside its parameters."""

    model: RecurrentConfig = field(default_factory=RecurrentConfig)
    notes: str = MARIMBA  # that are listened for and played: F#4,Bb4,60,440hz
    features: AutoencoderConfig | None = None  # of the run whose codes an fc_lstm sees
    noise: NoiseConfig = field(
        default_factory=lambda: NoiseConfig(layout="mel", low_hz=20.0, high_hz=11_000.0)
    )
    synth: SynthName = "additive"  # that the run is played with, unless --synth says otherwise


class WatchCarry(NamedTuple):
    """What was seen and predicted before."""

    pictures: UInt8[Array, "batch lead height width channel"]
    memory: Memory
    last: Float[Array, "batch notes"]  # amplitudes of the picture before
    strikes: Strikes  # and its strikes
    started: Float[Array, ""]  # 0 before the first picture, then 1
    regard: Regard


def notes_of(config: PlayerConfig) -> tuple[Note, ...]:
    """The notes that are predicted, in the order of the network's outputs.

    Raises:
      WyhError: unknown ones, or none.
    """
    return parse_notes(config.notes)


def prediction_of(config: PlayerConfig, video: VideoSpec) -> Prediction:
    """What the network gives a synth: the amplitudes of notes."""
    hz = tuple(note.hz for note in notes_of(config))
    return Prediction(config.noise, BANDS, float(video.frame_rate), notes_hz=hz)


def player(config: PlayerConfig, video: VideoSpec) -> Transducer:
    """A see -> hear transducer that plays the notes it sees being played.

    Variables: `{"params", "gain_db": float32 [], "scale": {"mean", "spread": float32 [notes]},
    "shift": float32 []}`, where `scale` is of the amplitudes and `shift` is added to the log odds
    of strikes; `"features"`, parameters of an autoencoder, with such a model; and
    `"note_reference"` for the synth "knn".

    Raises:
      WyhError: unknown notes, or pictures of a size that the network cannot look at.
    """
    if config.model.kind == "gaze_lstm":
        config.model.gaze.check(video.height, video.width)
    notes = len(notes_of(config))
    synth = synth_named(config.synth, prediction_of(config, video))
    model = Recurrent(config.model, notes)

    def init(variables: Variables, key: PRNGKeyArray, batch_size: int) -> tuple[WatchCarry, Any]:
        shape = (batch_size, notes)
        carry = WatchCarry(
            jnp.zeros((batch_size, LEAD, *video.shape), jnp.uint8),
            blank(config.model, notes, batch_size, video.height, video.width),
            jnp.zeros(shape),
            Strikes(jnp.zeros(shape), jnp.zeros(shape)),
            jnp.float32(0.0),
            init_regard(batch_size, video.shape),
        )
        return carry, synth.init(variables, key, batch_size)

    def observe_many(
        variables: Variables,
        carry: WatchCarry,
        frames: UInt8[Array, "batch time height width channel"],
        knobs: dict[str, Any],
        keys: Key[Array, " time"],
    ) -> tuple[WatchCarry, NoteAmplitudes]:
        known, time = following(carry.pictures, frames, carry.started), frames.shape[1]
        pictures = negated(known.astype(jnp.float32) / 255, knobs["negative"])
        told_of = pictures[:, 1:-1]  # not the newest
        regard, present = presence(carry.regard, told_of, float(video.frame_rate), knobs)
        found, memory = seen(config, model, variables, pictures, carry.memory)
        value, strikes = told(found, variables, present)
        last = jnp.where(carry.started > 0, carry.last, value[:, 0])
        earlier = Strikes(*map(_behind, strikes, carry.strikes))
        after = WatchCarry(
            known[:, time:],
            memory,
            value[:, -1],
            Strikes(strikes.onset[:, -1], strikes.offset[:, -1]),
            jnp.float32(1.0),
            regard,
        )
        return after, NoteAmplitudes(value, _behind(value, last), strikes, earlier)

    late = round(config.noise.sample_rate / video.frame_rate)
    spec = StreamSpec(
        direction="see-hear",
        video=video,
        audio=AudioSpec(config.noise.sample_rate),
        block=synth.block,
        latency_samples=synth.latency_samples + late,
    )
    needs = frozenset({"params", "gain_db", "scale", "shift"}) | synth.needs
    if config.features is not None:
        needs |= {"features"}
    return Transducer(spec, init, observe_many, synth.emit_many, needs, late)


def seen(
    config: PlayerConfig,
    model: Recurrent,
    variables: Variables,
    pictures: Float[Array, "batch time_and_two height width channel"],
    memory: Memory,
    key: PRNGKeyArray | None = None,
) -> tuple[Notes, Memory]:
    """What the network tells of all pictures but the first and the last.

    Args:
      config: of the run.
      model: its network.
      variables: `params`, and `features` where the network sees those.
      pictures: in [0, 1].
      memory: before the first.
      key: of the dropout, for training.
    """
    if config.features is not None:
        pictures = features_of(config.features, variables["features"], pictures)
    return watch(model, variables["params"], in_threes(pictures, config.model), memory, key)


def told(
    found: Notes, variables: Variables, present: Float[Array, "batch time"]
) -> tuple[Float[Array, "batch time notes"], Strikes]:
    """Predictions as synths take them: amplitudes, and strikes with their probability.

    Args:
      found: as the network has it, amplitudes standardised.
      variables: with `scale` and `shift`.
      present: how loud the knobs leave each picture.
    """
    scale = variables["scale"]
    mean, spread = (jnp.asarray(scale[name])[None, None] for name in ("mean", "spread"))
    value = jnp.maximum(found.amplitude * spread + mean, 0.0) * present[..., None]
    return value, Strikes(jax.nn.sigmoid(found.onset + variables["shift"]), found.offset)


def features_of(
    config: AutoencoderConfig, params: Any, pictures: Float[Array, "batch time h w channel"]
) -> Float[Array, "batch time code"]:
    """Pictures as an autoencoder knows them: its codes, before they were made 0 to 1."""
    batch, time, *shape = pictures.shape
    model = Autoencoder(config, (shape[0], shape[1], shape[2]))
    code = encode(model, params, pictures.reshape(batch * time, *shape))
    return logits_of(code).reshape(batch, time, -1)


def _behind(
    values: Float[Array, "batch time notes"], first: Float[Array, "batch notes"]
) -> Float[Array, "batch time notes"]:
    """What was there one picture before."""
    return jnp.concatenate([first[:, None], values[:, :-1]], axis=1)
