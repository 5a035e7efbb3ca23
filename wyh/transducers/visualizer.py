"""Sound -> pictures: features of the sound, a slow drift, a generator, a limit on flashes."""

from dataclasses import dataclass, field
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key, PRNGKeyArray

from wyh.errors import check_range
from wyh.signal.features import FeatureConfig
from wyh.specs import AudioSpec, StreamSpec, VideoSpec
from wyh.transducers.drift import Drift, DriftConfig, drifted, init_drift, latent_of
from wyh.transducers.flashes import FlashCarry, init_flashes, unflashed
from wyh.transducers.hearing import Hearing, HearingCarry
from wyh.transducers.protocol import SoundFeatures, Transducer, Variables
from wyh.transducers.synesthesia import Synesthesia, SynesthesiaConfig

QUIET_DB, LOUD_DB = -60.0, -15.0
"""Levels between which the drift goes from a quarter of its speed to all of it."""


@dataclass(frozen=True)
class VisualizerConfig:
    """What turns sound into pictures, beside its parameters."""

    features: FeatureConfig = field(default_factory=FeatureConfig)
    model: SynesthesiaConfig = field(default_factory=SynesthesiaConfig)
    drift: DriftConfig = field(default_factory=DriftConfig)
    height: int = 64  # of the pictures in training, in pixels, 16 to 1024; later any size
    width: int = 64  # as `height`

    def __post_init__(self) -> None:
        check_range("height", self.height, 16, 1024, "pixels")
        check_range("width", self.width, 16, 1024, "pixels")


class VisualizerCarry(NamedTuple):
    """The drift, and what was shown, to limit flashes by."""

    drift: Drift
    flashes: FlashCarry


def stream_spec(config: VisualizerConfig, video: VideoSpec) -> StreamSpec:
    """The stream of a visualizer that makes `video`.

    From the middle of a window to its end, a block to glide over, and half a picture: a picture's
    middle is half its time on the screen after its tick.
    """
    features = config.features
    half = round(features.sample_rate / video.frame_rate / 2)
    return StreamSpec(
        direction="hear-see",
        video=video,
        audio=AudioSpec(features.sample_rate),
        block=features.hop_length,
        latency_samples=features.centre_samples + features.hop_length + half,
    )


def visualizer(config: VisualizerConfig, video: VideoSpec) -> Transducer:
    """A hear -> see transducer.

    Variables: `{"params": {"generator", ...}, "mean", "std"}`, the last two float32 [features];
    also `"palette"`, float32 [colours, 3], for other colours than those that were learned, and
    `"bases"`, float32 [pictures, rows, columns, 3], for base images to drift between.

    Args:
      config: of the run.
      video: the pictures to make, of any size and rate.
    """
    model = Synesthesia(config.model, config.features.size, config.height, config.width)
    hearing = Hearing(config.features)
    block_secs, frame_secs = hearing.block_secs, 1 / float(video.frame_rate)

    def init(
        variables: Variables, key: PRNGKeyArray, batch_size: int
    ) -> tuple[HearingCarry, VisualizerCarry]:
        drift = init_drift(key, batch_size, model.base_cells, variables.get("bases"))
        flashes = init_flashes(batch_size, video.height, video.width, frame_secs)
        return hearing.init(batch_size), VisualizerCarry(drift, flashes)

    def observe_many(
        variables: Variables,
        carry: HearingCarry,
        blocks: Float[Array, "batch time block"],
        knobs: dict[str, Any],
        keys: Key[Array, " time"],
    ) -> tuple[HearingCarry, SoundFeatures]:
        return hearing(variables, carry, blocks, knobs)

    def emit_many(
        variables: Variables,
        carry: VisualizerCarry,
        controls: SoundFeatures,
        ages_secs: Float[Array, " time"],
        knobs: dict[str, Any],
        keys: Key[Array, " time"],
    ) -> tuple[VisualizerCarry, Float[Array, "batch time height width 3"]]:
        along = jnp.clip(ages_secs / block_secs, 0.0, 1.0)[None, :, None]
        heard = controls.previous + (controls.value - controls.previous) * along
        secs = frame_secs * knobs["speed"] * liveliness(controls.level_db)
        drift, along_time = drifted(config.drift, carry.drift, secs, variables.get("bases"))
        batch, time = heard.shape[:2]
        flat = jax.tree.map(lambda x: x.reshape(batch * time, *x.shape[2:]), along_time)
        pictures = model.paint(
            variables["params"]["generator"],
            heard.reshape(batch * time, -1),
            latent_of(flat.angles),
            flat.base,
            video.height,
            video.width,
            variables.get("palette"),
        )
        pictures = recoloured(pictures, knobs).reshape(batch, time, *pictures.shape[1:])
        flashes, pictures = unflashed(carry.flashes, pictures, frame_secs, knobs["flash_limit"])
        return VisualizerCarry(drift, flashes), pictures

    needs = frozenset({"params", "mean", "std"})
    return Transducer(stream_spec(config, video), init, observe_many, emit_many, needs)


def liveliness(level_db: Float[Array, "*lead"]) -> Float[Array, "*lead"]:
    """How fast things drift while the sound is so loud: a quarter, up to 1."""
    return 0.25 + 0.75 * jnp.clip((level_db - QUIET_DB) / (LOUD_DB - QUIET_DB), 0, 1)


def recoloured(
    pictures: Float[Array, "n height width 3"], knobs: dict[str, Any]
) -> Float[Array, "n height width 3"]:
    """What the knobs `hue`, `colour` and `negative` make of pictures."""
    turn = 2 * jnp.pi * knobs["hue"]
    cosine, sine = jnp.cos(turn), jnp.sin(turn)
    # A turn about the axis of greys, that keeps how colourful they are.
    axis = (1 - cosine) / 3
    around = sine / np.sqrt(3)
    matrix = cosine * jnp.eye(3) + axis + around * jnp.array([[0, -1, 1], [1, 0, -1], [-1, 1, 0]])
    grey = jnp.full((3, 3), 1 / 3)
    matrix = grey + knobs["colour"] * (matrix - grey)
    negative = knobs["negative"]
    return jnp.clip(negative + (1 - 2 * negative) * (pictures @ matrix), 0, 1)
