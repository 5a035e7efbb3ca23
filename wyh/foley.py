"""Pictures with the sound that belongs to them, for training; and what training leaves to play."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, PRNGKeyArray, UInt8

from wyh import knobs
from wyh.dataset import Dataset
from wyh.errors import WyhError
from wyh.frames import FrameBank, shuffled, thinned
from wyh.journal import Summaries
from wyh.models.dbn import Dbn, inputs_of, standard_inputs
from wyh.soundtracks import Soundtrack
from wyh.synths.noise import NoiseSynth
from wyh.synths.reference import corpus
from wyh.synths.targets import Target
from wyh.transducers.dbn import FoleyConfig, predicted_in_turn, standardised
from wyh.transducers.offline import sonify
from wyh.transducers.protocol import Transducer

MOST_LOUDER_DB, MOST_SOFTER_DB = 30.0, 20.0
"""How far a run's own level may be from that of the sound it learned."""

LEARNED_LUFS = -23.0
"""The loudness that every recording is brought to before anything is learned of it."""

SUMMARY_SECS = 10.0

MOST = 4000  # pictures that scales and levels are found from, at most
FADE = 64  # samples in which a piece of the reference begins, and ends

Scale = Mapping[str, Any]
"""`{"inputs": {"mean", "spread"}, "sound": {"mean", "spread"}}`: how both are standardised."""


class Pairs(NamedTuple):
    """Pictures in a row, and the sound around the middle of each but the first few."""

    films: UInt8[np.ndarray, "batch reach_and_time height width channel"]
    sound: Float[np.ndarray, "batch time length"]  # in [-1, 1], recordings equally loud


@dataclass(frozen=True)
class PairBank:
    """The pictures of a data set and their sound, for training and for choosing the best.

    Attributes:
      training, validation: sequences of frames by number, of `reach + time` each.
      anchors: black and white pictures with silence, as many as so many sequences.
    """

    bank: FrameBank
    track: Soundtrack
    length: int  # samples around each picture's middle
    reach: int  # pictures before the first that has its sound
    training: Int[np.ndarray, "n reach_and_time"]
    validation: Int[np.ndarray, "m reach_and_time"]
    anchors: int

    @classmethod
    def of(
        cls, dataset: Dataset, length: int, reach: int, time: int, anchor_secs: float
    ) -> "PairBank":
        """Read the training part of a data set.

        Args:
          dataset: of films with sound.
          length: samples around each picture's middle.
          reach: pictures before each.
          time: pictures in a row that have their sound.
          anchor_secs: seconds of silence to add, half of them black pictures and half white.

        Raises:
          WyhError: no sound, or too little of both.
        """
        bank = FrameBank(dataset, "train")
        track = Soundtrack(dataset, "train", bank)
        fits = track.fits(length)
        training, validation = bank.divide()
        # Frames between the two, on whose sound nobody learns, may still be seen before others.
        between = np.setdiff1d(np.arange(bank.size), np.union1d(training, validation))
        found = [
            led(bank, chosen[fits[chosen]], np.union1d(chosen, between), reach, time)
            for chosen in (training, validation)
        ]
        if not all(len(sequences) for sequences in found):
            secs = (reach + time) / float(dataset.spec.video.frame_rate)
            raise WyhError(
                f"{dataset.path}: no {secs:.2g} s of pictures and sound in a row to learn from: "
                f"give longer films"
            )
        anchors = round(anchor_secs * float(dataset.spec.video.frame_rate))
        return cls(bank, track, length, reach, found[0], found[1], anchors)

    def step(self, step: int, batch_size: int, seed: int) -> Pairs:
        """The batch of a training step: sequences in an order of their own in every epoch."""
        count = len(self.training)
        chosen = shuffled(step, batch_size, count + self.anchors, seed)
        pairs = self.at(self.training[np.minimum(chosen, count - 1)])
        for row in np.flatnonzero(chosen >= count):
            pairs.films[row], pairs.sound[row] = 255 * (chosen[row] % 2), 0.0
        return pairs

    def at(self, sequences: Int[np.ndarray, "n reach_and_time"]) -> Pairs:
        """Sequences by number."""
        sound = self.track.waveform_at(sequences[:, self.reach :], self.length)
        return Pairs(self.bank.films_at(sequences), sound)

    def some(self, most: int) -> Pairs:
        """Training sequences, evenly spread."""
        return self.at(thinned(self.training, most))

    def held(self, most: int, time: int) -> Pairs:
        """Sequences that choose the best variables, hardly overlapping."""
        return self.at(thinned(self.validation[:: max(1, time // 2)], most))

    def reference(self, target: Target, secs: float) -> dict[str, np.ndarray]:
        """Real sound to choose grains and phases from: up to so many seconds, evenly spread."""
        piece = round(2 * target.prediction.noise.sample_rate)  # samples that follow one another
        fits = np.flatnonzero(self.track.fits(piece))
        few = thinned(fits[:: max(1, round(2 * target.prediction.frame_rate))], round(secs / 2))
        if not len(few):
            few, piece = thinned(self.training[:, -1], 1000), self.length
        ramp = np.minimum((np.arange(piece) + 0.5) / FADE, 1.0)
        sound = (self.track.waveform_at(few, piece) * (ramp * ramp[::-1])[None]).ravel()
        pcm = np.clip(np.rint(sound * 32768), -32768, 32767).astype(np.int16)
        return corpus(pcm, target.prediction)


def led(
    bank: FrameBank,
    chosen: Int[np.ndarray, " n"],
    among: Int[np.ndarray, " k"],
    reach: int,
    time: int,
) -> Int[np.ndarray, "m reach_and_time"]:
    """Runs of `time` frames out of those chosen, each led by the `reach` frames before it.

    Where there are not so many before, the first is held, as it is when playing begins.

    Args:
      bank: of the frames.
      chosen: frames by number, in order.
      among: what leads must be taken from; it contains the chosen ones.
      reach: frames that lead.
      time: frames that follow.
    """
    begins = np.zeros(bank.size, np.int64)  # of the run that each frame is in
    for run in bank.runs(among):
        begins[run] = run[0]
    firsts = [run[: max(0, len(run) - time + 1)] for run in bank.runs(chosen)]
    first = np.concatenate(firsts)
    places = first[:, None] + np.arange(-reach, time)[None]
    return np.maximum(places, begins[first][:, None])


@dataclass(frozen=True, eq=False)
class Foley:
    """What is the same throughout a training. Holds constants only.

    Attributes:
      scale: how inputs and sound are standardised.
      always: the standardised values of a sound that is always the same, and as near as can be.
      reference: real sound to choose grains and phases from.
      loudness_lufs: to which the sound of training pictures is set.
    """

    config: FoleyConfig
    target: Target
    model: Dbn
    scale: Scale
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
        mean, spread = (self.scale["sound"][name][None, None] for name in ("mean", "spread"))
        return (self.target.values(sound) - mean) / spread

    def values(self, scaled: Float[Array, "batch time size"]) -> Float[Array, "batch time size"]:
        """Standardised values as the target has them."""
        mean, spread = (self.scale["sound"][name][None, None] for name in ("mean", "spread"))
        return scaled * spread + mean


def foley_of(
    config: FoleyConfig, target: Target, pairs: PairBank, reference_secs: float, loudness: float
) -> Foley:
    """Find out how a bank's pictures and sound are to be standardised."""
    some = pairs.some(MOST)
    inputs = np.asarray(jax.jit(partial(seen, config))(some.films))
    values = jax.jit(target.values)(some.sound).reshape(-1, target.size)
    sound = jax.tree.map(np.asarray, target.scale(values))
    scale = {
        "inputs": standard_inputs(inputs.reshape(-1, inputs.shape[-1]), config.model),
        "sound": sound,
    }
    always = (np.median(np.asarray(values), axis=0) - sound["mean"]) / sound["spread"]
    reference = pairs.reference(target, reference_secs)
    return Foley(config, target, Dbn(config.model, target.size), scale, always, reference, loudness)


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
    gain_db = jnp.float32(foley.loudness_lufs - LEARNED_LUFS)
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
    found = np.asarray(predictions(foley, params, held.films))
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
