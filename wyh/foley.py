"""What the sound that belongs to pictures is learned with, and what training leaves to play."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray, UInt8

from wyh import knobs
from wyh.journal import Summaries
from wyh.loudness import TARGET_LUFS
from wyh.models.dbn import Dbn, inputs_of, standard_inputs
from wyh.pairs import PairBank, Pairs
from wyh.synths.noise import NoiseSynth
from wyh.synths.targets import Target
from wyh.transducers.dbn import FoleyConfig, Scale, predicted_in_turn, restored, standardised
from wyh.transducers.offline import sonify
from wyh.transducers.protocol import Transducer

MOST_LOUDER_DB, MOST_SOFTER_DB = 30.0, 20.0
"""How far a run's own level may be from that of the sound it learned."""

SUMMARY_SECS = 10.0

MOST = 4000  # pictures that scales and levels are found from, at most


@dataclass(frozen=True, eq=False)
class Foley:
    """What is the same throughout a training. Holds constants only.

    Attributes:
      scale: of `inputs`, and of `sound`.
      always: the standardised values of a sound that is always the same, and as near as can be.
      reference: real sound to choose grains and phases from.
      loudness_lufs: at which the films' own sound would be played.
    """

    config: FoleyConfig
    target: Target
    model: Dbn
    scale: Mapping[str, Scale]
    always: Float[np.ndarray, " size"]
    reference: Mapping[str, np.ndarray]
    loudness_lufs: float

    def init(self, key: PRNGKeyArray) -> Any:
        """Parameters of the network before training."""
        net = self.config.model
        inputs = len(self.scale["inputs"]["mean"]) + net.context_sound * self.target.size
        return jax.jit(self.model.init)(key, jnp.zeros((1, inputs)))["params"]

    def inputs(self, films: Array) -> Float[Array, "batch time inputs"]:
        """What the network sees of films, standardised. Films: uint8, or float in [0, 1]."""
        return standardised(seen(self.config, films), self.scale["inputs"])

    def truth(self, sound: Float[Array, "batch time length"]) -> Float[Array, "batch time size"]:
        """What is to be predicted, standardised."""
        return standardised(self.target.values(sound), self.scale["sound"])

    def values(self, scaled: Float[Array, "batch time size"]) -> Float[Array, "batch time size"]:
        """Standardised values as the target has them."""
        return restored(scaled, self.scale["sound"])


def foley_of(
    config: FoleyConfig, target: Target, pairs: PairBank, reference_secs: float, loudness: float
) -> Foley:
    """Find out how a bank's pictures and sound are to be standardised."""
    some = pairs.some(MOST)
    see = jax.jit(partial(seen, config))
    inputs = np.concatenate([np.asarray(see(films)) for films in _pieces(some.films)])
    values = jax.jit(target.values)(some.sound).reshape(-1, target.size)
    sound = jax.tree.map(np.asarray, target.scale(values))
    scale = {
        "inputs": standard_inputs(inputs.reshape(-1, inputs.shape[-1]), config.model),
        "sound": sound,
    }
    always = (np.median(np.asarray(values), axis=0) - sound["mean"]) / sound["spread"]
    reference = pairs.reference(target, reference_secs)
    return Foley(config, target, Dbn(config.model, target.size), scale, always, reference, loudness)


def _pieces(films: UInt8[np.ndarray, "n time height width channel"]) -> list[np.ndarray]:
    """Some at a time: thousands of films at once, as floats, took 1.3 GB."""
    return np.array_split(films, -(-len(films) // 250))


def seen(config: FoleyConfig, films: Array) -> Float[Array, "batch time inputs"]:
    """What a network sees of films."""
    pictures = films / jnp.float32(255) if films.dtype == jnp.uint8 else films
    return inputs_of(pictures, config.model)


@partial(jax.jit, static_argnums=0)
def predictions(foley: Foley, params: Any, films: Array) -> Float[Array, "batch time size"]:
    """Standardised predictions of films, as they are made while playing."""
    inputs = foley.inputs(films)
    before = jnp.zeros((len(films), foley.config.model.context_sound, foley.target.size))
    return predicted_in_turn(foley.model, params, inputs, before)[0]


@partial(jax.jit, static_argnums=0)
def expected_loudness(foley: Foley, scaled: Float[Array, "batch time size"]) -> Float[Array, ""]:
    """Of the sound of standardised values, in LUFS, before any gain."""
    target = foley.target
    values = foley.values(scaled)
    control = target.control(values, values[:, 0])
    ages = jnp.ones(values.shape[1]) / target.prediction.frame_rate
    levels = target.prediction.amplitudes(control, ages, jnp.float32(0.0))
    synth = NoiseSynth(target.prediction.noise, target.prediction.n_bands)
    return synth.loudness(levels.reshape(-1, levels.shape[-1]))


def tuned(foley: Foley, params: Any, pairs: Pairs) -> dict[str, Any]:
    """What the run plays with.

    Levels are predicted as they are; samples, whose phases hardly anything tells, are predicted far
    too softly, and are made as loud as they should be.

    Returns:
      `{"params", "gain_db", "scale", "reference"}`.
    """
    gain_db = jnp.float32(foley.loudness_lufs - TARGET_LUFS)
    if foley.target.prediction.column:
        lufs = expected_loudness(foley, predictions(foley, params, pairs.films))
        gain_db = jnp.clip(foley.loudness_lufs - lufs, -MOST_SOFTER_DB, MOST_LOUDER_DB)
    return {
        "params": params,
        "gain_db": gain_db,
        "scale": foley.scale,
        "reference": foley.reference,
    }


def figures_of(foley: Foley, params: Any, held: Pairs) -> dict[str, float]:
    """How near predictions come to the sound of held-out films."""
    truth = np.asarray(jax.jit(foley.truth)(held.sound))
    pieces = [np.asarray(predictions(foley, params, films)) for films in _pieces(held.films)]
    found = np.concatenate(pieces)
    flat = [each.reshape(-1, each.shape[-1]) for each in (found, truth)]
    distance = jax.jit(foley.target.distance)
    always = np.broadcast_to(foley.always, flat[1].shape)
    # Where all that was held out is silence, it may be just what is always predicted.
    apart = max(float(distance(always, flat[1])), 1e-6)
    figures = {"val_skill": 1 - float(distance(*flat)) / apart}
    if foley.target.config.kind in ("magnitude", "exemplar"):
        off = np.abs(flat[0] - flat[1]) * foley.scale["sound"]["spread"]
        figures["val_level_db"] = float(np.mean(off))
    return figures


def summaries_of(
    foley: Foley, transducer: Transducer, variables: Mapping[str, Any], held: Pairs
) -> Summaries:
    """The sound of held-out films, and, where levels are predicted, these beside the true ones."""
    spec, pictures = transducer.spec, {}
    if foley.target.config.kind in ("magnitude", "exemplar"):
        both = [
            jax.jit(foley.truth)(held.sound),
            predictions(foley, variables["params"], held.films),
        ]
        drawn = [
            np.clip(np.asarray(each).reshape(-1, each.shape[-1]) / 6 + 0.5, 0, 1) for each in both
        ]
        image = np.concatenate([each.T[::-1] for each in drawn])[..., None]
        pictures["levels, true above predicted"] = np.rint(255 * image).astype(np.uint8)
    few = round(SUMMARY_SECS * float(spec.video.frame_rate))
    films = held.films[:, -1][:few]
    sound = np.concatenate([*sonify(transducer, variables, [films], knobs.defaults())])
    return Summaries(pictures, {"sound": (sound, spec.audio.sample_rate)})
