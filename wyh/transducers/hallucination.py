"""Sound -> what it is -> pictures of it: a recogniser, a selection, a generator that dreams."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, get_args

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key, PRNGKeyArray

from wyh.errors import WyhError, check_range
from wyh.models.dcgan import Gan, GanConfig, latent_at
from wyh.models.layers import averaged, spread
from wyh.models.sound_classifier import ClassifierCarry, ClassifierConfig, Recogniser, blank
from wyh.selection import (
    Mode,
    Selected,
    SelectionCarry,
    SelectionConfig,
    Settings,
    init_selection,
    select,
)
from wyh.specs import AudioSpec, StreamSpec, VideoSpec
from wyh.transducers.dreaming import refined, zoomed
from wyh.transducers.drift import turned
from wyh.transducers.flashes import FlashCarry, init_flashes, unflashed
from wyh.transducers.protocol import Transducer, Variables
from wyh.transducers.visualizer import recoloured


@dataclass(frozen=True)
class HallucinationConfig:
    """What turns sound into pictures of what it is, beside its parameters."""

    hears: ClassifierConfig = field(default_factory=ClassifierConfig)
    heard: int = 2  # classes that it tells apart
    dreams: GanConfig = field(default_factory=GanConfig)
    shown: int = 2  # classes that there are pictures of
    selection: SelectionConfig = field(default_factory=SelectionConfig)
    turn_secs: float = 90.0  # in which the slowest part of the latent comes round, 1 to 10,000

    def __post_init__(self) -> None:
        check_range("the classes heard", self.heard, 1, 100_000)
        check_range("the classes shown", self.shown, 1, 100_000)
        check_range("turn_secs", self.turn_secs, 1, 10_000, "s")


class Recognised(NamedTuple):
    """What is to be shown, at this input tick and at the one before: `emit` glides between them."""

    now: Selected
    before: Selected


class ListeningCarry(NamedTuple):
    """What is remembered of the sound."""

    recogniser: ClassifierCarry
    selection: SelectionCarry
    last: Selected  # of the tick before


class DreamCarry(NamedTuple):
    """What is remembered of the pictures."""

    angles: Float[Array, "batch angles"]  # of the latent's walk
    offset: Float[Array, "batch latent"]  # that refining has brought it to
    before: Float[Array, "batch size size channel"]  # the last picture
    flashes: FlashCarry


def stream_spec(config: HallucinationConfig, video: VideoSpec) -> StreamSpec:
    """The stream of a hallucination that makes `video`.

    From the middle of a window to its end, a block to glide over, and half a picture. How long it
    takes until a sound is recognised depends on the sound.
    """
    features, block = config.hears.features, config.hears.block
    half = round(features.sample_rate / video.frame_rate / 2)
    return StreamSpec(
        direction="hear-see",
        video=video,
        audio=AudioSpec(features.sample_rate),
        block=block,
        latency_samples=features.centre_samples + block + half,
    )


def hallucination(config: HallucinationConfig, video: VideoSpec, refine: int = 0) -> Transducer:
    """A hear -> see transducer.

    Variables: `{"recogniser", "gan", "shown"}`: those of `Recogniser` and of `Gan`, and float32
    [classes heard, classes shown], 1 where one stands for the other, else 0.

    Args:
      config: of the run.
      video: the pictures to make, of any size and rate. Of another shape than a square they have
        black beside them.
      refine: steps that are taken with each picture towards what it is to show. Each takes as long
        as several pictures.

    Raises:
      WyhError: features that cannot be made.
    """
    hears, dreams = config.hears, config.dreams
    recogniser, gan = Recogniser(hears, config.heard), Gan(dreams, config.shown)
    frame_secs = 1 / float(video.frame_rate)

    def init(
        variables: Variables, key: PRNGKeyArray, batch_size: int
    ) -> tuple[ListeningCarry, DreamCarry]:
        check_variables(config, variables)
        nothing = jnp.full((batch_size, config.shown), 1 / config.shown)
        listening = ListeningCarry(
            recogniser.init(batch_size),
            init_selection(batch_size, config.shown),
            Selected(nothing, jnp.zeros(batch_size)),
        )
        size = dreams.size
        return listening, DreamCarry(
            2 * jnp.pi * jax.random.uniform(key, (batch_size, dreams.angles)),
            jnp.zeros((batch_size, 2 * dreams.angles)),
            jnp.zeros((batch_size, size, size, dreams.channels)),
            init_flashes(batch_size, video.height, video.width, frame_secs),
        )

    def observe_many(
        variables: Variables,
        carry: ListeningCarry,
        blocks: Float[Array, "batch time block"],
        knobs: dict[str, Any],
        keys: Key[Array, " time"],
    ) -> tuple[ListeningCarry, Recognised]:
        sound = blocks.reshape(len(blocks), -1)
        after, heard = recogniser(variables["recogniser"], carry.recogniser, sound)
        shown = heard @ jnp.asarray(variables["shown"])
        by_hand = jnp.broadcast_to(_place(knobs["show"], config.shown), shown[:, 0].shape)
        settings = _settings(knobs)
        selection, now = select(settings, carry.selection, shown, hears.tick_secs, by_hand)
        before = jax.tree.map(
            lambda last, track: jnp.concatenate([last[:, None], track[:, :-1]], axis=1),
            *(carry.last, now),
        )
        last = jax.tree.map(lambda track: track[:, -1], now)
        return ListeningCarry(after, selection, last), Recognised(now, before)

    def emit_many(
        variables: Variables,
        carry: DreamCarry,
        controls: Recognised,
        ages_secs: Float[Array, " time"],
        knobs: dict[str, Any],
        keys: Key[Array, " time"],
    ) -> tuple[DreamCarry, Float[Array, "batch time height width 3"]]:
        now, before = controls
        along = jnp.clip(ages_secs / hears.tick_secs, 0.0, 1.0)[None]
        mixture = before.mixture + (now.mixture - before.mixture) * along[..., None]
        gate = before.gate + (now.gate - before.gate) * along
        secs = jnp.full(gate.shape, frame_secs * knobs["speed"])
        angles = turned(carry.angles, secs, config.turn_secs)
        latent, offset = knobs["variety"] * latent_at(angles), carry.offset
        if refine:
            offset, latent = refined(gan, variables["gan"], offset, latent, mixture, keys, refine)
        dreamt = gan.pictures(variables["gan"], _flat(latent), _flat(mixture))
        dreamt = dreamt.reshape(*gate.shape, *dreamt.shape[1:]) * gate[..., None, None, None]
        last, dreamt = zoomed(carry.before, dreamt, knobs["zoom"], frame_secs)
        pictures = recoloured(framed(_flat(dreamt), video.height, video.width), knobs)
        pictures = pictures.reshape(*gate.shape, *pictures.shape[1:])
        flashes, pictures = unflashed(carry.flashes, pictures, frame_secs, knobs["flash_limit"])
        return DreamCarry(angles[:, -1] % (2 * np.pi), offset, last, flashes), pictures

    needs = frozenset({"recogniser", "gan", "shown"})
    return Transducer(stream_spec(config, video), init, observe_many, emit_many, needs)


def check_variables(config: HallucinationConfig, variables: Variables) -> None:
    """See that all arrays are there and have the sizes that they must have.

    Raises:
      WyhError: one is missing, or another model's.
    """
    hears, key = config.hears, jax.random.key(0)
    recogniser, gan = Recogniser(hears, config.heard), Gan(config.dreams, config.shown)
    values = jax.ShapeDtypeStruct((hears.features.size,), jnp.float32)
    columns = jnp.zeros((1, hears.block // hears.features.hop_length, *values.shape))
    network = jax.eval_shape(recogniser.model.init, key, columns, blank(hears, 1))
    wanted = {
        "recogniser": {
            **network,
            "mean": values,
            "std": values,
            "temperature": jax.ShapeDtypeStruct((), jnp.float32),
        },
        "gan": jax.eval_shape(gan.init, key),
        "shown": jax.ShapeDtypeStruct((config.heard, config.shown), jnp.float32),
    }
    found = _shapes(variables)
    for name, shape in _shapes(wanted).items():
        if found.get(name) != shape:
            raise WyhError(
                f"the variables do not fit the model ({name} is {found.get(name, 'missing')}, "
                f"wanted {shape}): copy the run again, or join its parts again"
            )


def _shapes(tree: Any) -> dict[str, tuple[int, ...]]:
    return {
        jax.tree_util.keystr(path, simple=True, separator="/"): tuple(jnp.shape(leaf))
        for path, leaf in jax.tree_util.tree_leaves_with_path(tree)
    }


def framed(
    pictures: Float[Array, "n size size channel"], height: int, width: int
) -> Float[Array, "n height width 3"]:
    """In colour, as large as fits, in the middle of black."""
    side = min(height, width)
    resized = spread if side > pictures.shape[1] else averaged
    pictures = jnp.clip(resized(pictures, side, side), 0, 1)
    above, left = (height - side) // 2, (width - side) // 2
    beside = (0, 0), (above, height - side - above), (left, width - side - left), (0, 0)
    coloured = jnp.broadcast_to(pictures, (*pictures.shape[:3], 3))
    return jnp.pad(coloured, beside)


def _settings(knobs: Mapping[str, Any]) -> Settings:
    """The selection that the knobs ask for."""
    modes = get_args(Mode)
    mode = jnp.where(knobs["show"] < 1, modes.index("top_p"), modes.index("free"))
    return Settings(
        mode, knobs["classes"], knobs["threshold"], knobs["sure"], knobs["appear"], knobs["fade"]
    )


def _place(show: Float[Array, ""], classes: int) -> Float[Array, "1 classes"]:
    """The mixture at a place along the classes, the first of which is at 1."""
    at = jnp.clip(show, 1, classes)
    return jnp.maximum(1 - jnp.abs(at - 1 - jnp.arange(classes)), 0)[None]


def _flat(x: Array) -> Array:
    """Of all pictures of a batch, one after another."""
    return x.reshape(-1, *x.shape[2:])
