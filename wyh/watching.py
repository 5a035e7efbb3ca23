"""What watching an instrument is learned with, and what training leaves to play."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Float32, PRNGKeyArray

from wyh import knobs
from wyh.errors import WyhError
from wyh.journal import Summaries
from wyh.loudness import recording_gain
from wyh.metrics.notes import Agreement, Events, events_of, note_f1, skill
from wyh.models.autoencoder import AutoencoderConfig
from wyh.models.recurrent import Recurrent, blank, in_threes
from wyh.plain import from_plain
from wyh.played import LOUDEST, NoteTruth, Played, PlayedBank
from wyh.runs import load_run, load_variables
from wyh.signal.notes import NoteReader
from wyh.specs import VideoSpec
from wyh.synths.note_reference import Struck, note_corpus
from wyh.synths.protocol import Strikes
from wyh.transcript import notes_of as notes_in
from wyh.transducers.autoencoder import SonifierConfig
from wyh.transducers.offline import sonify
from wyh.transducers.protocol import Transducer
from wyh.transducers.recurrent import PlayerConfig, notes_of, seen, told

SUMMARY_SECS = 10.0
SHIFTS = np.linspace(-1.5, 1.5, 7).tolist()
"""Of the log odds of strikes, among which the best is taken."""

_MOST_LOUDER_DB = 30.0


@dataclass(frozen=True, eq=False)
class Watching:
    """What is the same throughout a training. Holds constants only.

    Attributes:
      scale: of the amplitudes of notes.
      features: parameters of an autoencoder, if the network sees its codes.
      reference: real strikes, for the synth "knn"; none where no strike is alone.
      gain_db: at which recordings, as they are learned from, have the run's loudness.
    """

    config: PlayerConfig
    video: VideoSpec
    reader: NoteReader
    model: Recurrent
    scale: Mapping[str, Float32[np.ndarray, " notes"]]
    features: Any
    reference: Mapping[str, np.ndarray] | None
    gain_db: float

    @classmethod
    def of(
        cls,
        config: PlayerConfig,
        video: VideoSpec,
        bank: PlayedBank,
        loudness: float,
        features: Any,
    ) -> "Watching":
        """Find out how a bank's notes are to be scaled."""
        reader = reader_of(config, video)
        amplitude = bank.truth.amplitude[np.unique(bank.training)]
        # Notes that are hardly ever played are not to count more than all others.
        spread = np.maximum(amplitude.std(axis=0), 0.3 * amplitude.std())
        return cls(
            config,
            video,
            reader,
            Recurrent(config.model, len(reader.notes)),
            {"mean": amplitude.mean(axis=0), "spread": spread},
            features,
            _reference(bank, reader),
            _gain_db(bank, reader.sample_rate, loudness),
        )

    def init(self, key: PRNGKeyArray) -> Any:
        """Parameters of the network before training."""
        x = jnp.zeros((1, 3, *self.video.shape))
        if self.config.features is not None:
            x = jnp.zeros((1, 3, self.config.features.code_size))
        memory = self.blank(1)
        made = jax.jit(self.model.init)(key, in_threes(x, self.config.model), memory)
        return made["params"]

    def blank(self, batch_size: int) -> Any:
        """What is remembered before the first picture."""
        video = self.video
        return blank(
            self.config.model, len(self.reader.notes), batch_size, video.height, video.width
        )

    def see(self, params: Any, films: Array, key: PRNGKeyArray | None = None) -> Any:
        """What the network tells of films, uint8 or in [0, 1], from a blank memory."""
        return self.watch(params, films, self.blank(len(films)), key)[0]

    def watch(
        self, params: Any, films: Array, memory: Any, key: PRNGKeyArray | None = None
    ) -> tuple[Any, Any]:
        """What the network tells of films, and what it remembers; with a key, for training."""
        pictures = films / jnp.float32(255) if films.dtype == jnp.uint8 else films
        variables = {"params": params, "features": self.features}
        return seen(self.config, self.model, variables, pictures, memory, key)

    def variables(self, params: Any, shift: float = 0.0) -> dict[str, Any]:
        """What the run plays with; `shift` is added to the log odds of strikes."""
        found = {
            "params": params,
            "gain_db": jnp.float32(self.gain_db),
            "scale": dict(self.scale),
            "shift": jnp.float32(shift),
        }
        if self.features is not None:
            found["features"] = self.features
        if self.reference is not None:
            found["note_reference"] = dict(self.reference)
        return found


def encoder_of(path: Path) -> tuple[AutoencoderConfig, VideoSpec, Any]:
    """The model, the pictures and the encoder's parameters of a run, whose codes can be watched.

    Raises:
      WyhError: no run of `experiments.autoencoder`, or a damaged one.
    """
    run = load_run(path)
    if run.kind != "autoencoder" or run.stream is None:
        raise WyhError(
            f"got --features {path}, a run of the kind {run.kind}, wanted one of "
            f"experiments.autoencoder"
        )
    sound = from_plain(SonifierConfig, run.config.get("sound"))
    params = load_variables(run)["params"]
    return sound.model, run.stream.video, {"encoder": params["encoder"]}


def reader_of(config: PlayerConfig, video: VideoSpec) -> NoteReader:
    """What reads a run's notes from sound.

    Raises:
      WyhError: notes that cannot be read at these rates.
    """
    return NoteReader(notes_of(config), config.noise.sample_rate, video.frame_rate)


def _gain_db(bank: PlayedBank, sample_rate: int, loudness: float) -> float:
    """What brings recordings, as they are learned from, to a loudness; their median."""
    gains = [recording_gain(r.waveform, sample_rate, loudness) for r in bank.recordings]
    return float(np.clip(20 * np.log10(np.median(gains)), -_MOST_LOUDER_DB, _MOST_LOUDER_DB))


def _reference(bank: PlayedBank, reader: NoteReader) -> dict[str, np.ndarray] | None:
    """Real strikes of the training recordings."""
    recordings = []
    for recording in bank.recordings:
        pcm = np.clip(np.rint(recording.waveform * 32768), -32768, 32767).astype(np.int16)
        inside = recording.strikes.times_secs <= len(pcm) / reader.sample_rate
        notes = notes_in(recording.strikes, reader.hz)
        recordings.append(Struck(pcm, recording.strikes.times_secs[inside], notes[inside]))
    try:
        return note_corpus(recordings, reader.sample_rate, reader.hz)
    except WyhError:  # nothing that could be played alone: then there is "additive"
        return None


@partial(jax.jit, static_argnums=0)
def _told(
    watching: Watching, params: Any, films: Array
) -> tuple[Float[Array, "batch time notes"], Strikes]:
    found = watching.see(params, films)
    present = jnp.ones(found.amplitude.shape[:2])
    return told(found, watching.variables(params), present)


class _Seen(NamedTuple):
    """What is told of held-out films, and what is true."""

    values: list[np.ndarray]  # amplitudes [time, notes]
    onsets: list[np.ndarray]  # probabilities [time, notes]
    offsets: list[np.ndarray]
    truths: list[NoteTruth]


def _seen(watching: Watching, params: Any, held: list[Played]) -> _Seen:
    told_of = [jax.device_get(_told(watching, params, played.films)) for played in held]
    return _Seen(
        [value[0] for value, _ in told_of],
        [strikes.onset[0] for _, strikes in told_of],
        [strikes.offset[0] for _, strikes in told_of],
        [NoteTruth(*(each[0] for each in played.truth)) for played in held],
    )


def _agreement(watching: Watching, some: _Seen, shift: float) -> Agreement:
    """How well strikes are told where so much is added to their log odds."""
    hz, rate = watching.reader.hz, float(watching.video.frame_rate)
    least = 1 / (1 + np.exp(shift))

    def events(onsets: list[np.ndarray], offsets: list[np.ndarray], least: float) -> Events:
        after, found = 0.0, []
        for onset, offset in zip(onsets, offsets, strict=True):
            here = events_of(onset, offset, hz, rate, least)
            found.append(here._replace(times_secs=here.times_secs + after))
            after += len(onset) / rate + 1
        return Events(*(np.concatenate(each) for each in zip(*found, strict=True)))

    struck = [truth.onset.astype(np.float32) for truth in some.truths]
    true = events(struck, [truth.offset for truth in some.truths], 0.5)
    return note_f1(events(some.onsets, some.offsets, least), true)


def _best_shift(watching: Watching, some: _Seen) -> float:
    """What makes the most of the strikes of held-out films; of equals the least."""
    if not watching.config.model.onsets:
        return 0.0
    return max(SHIFTS, key=lambda shift: (_agreement(watching, some, shift).f1, -abs(shift)))


def tuned(watching: Watching, params: Any, held: list[Played]) -> dict[str, Any]:
    """What the run plays with, its odds of strikes as they are best for held-out films."""
    return watching.variables(params, _best_shift(watching, _seen(watching, params, held)))


def figures_of(watching: Watching, params: Any, held: list[Played]) -> dict[str, float]:
    """How near predictions come to what is played in held-out films."""
    some = _seen(watching, params, held)
    truth = np.concatenate([truth.amplitude for truth in some.truths])
    figures = {"val_skill": skill(np.concatenate(some.values), truth, watching.scale["mean"])}
    if watching.config.model.onsets:
        agreed = _agreement(watching, some, _best_shift(watching, some))
        figures |= {
            "val_note_f1": agreed.f1,
            "val_precision": agreed.precision,
            "val_recall": agreed.recall,
        }
    return figures


def summaries_of(
    watching: Watching, transducer: Transducer, variables: Mapping[str, Any], held: list[Played]
) -> Summaries:
    """The notes of a held-out film, true above predicted, and their sound."""
    played = held[0]
    value, _ = _told(watching, variables["params"], played.films)
    rolls = [np.clip(each[0] / LOUDEST, 0, 1) for each in (played.truth.amplitude, value)]
    image = np.concatenate([np.asarray(roll).T[::-1] for roll in rolls])[..., None]
    few = round(SUMMARY_SECS * float(watching.video.frame_rate))
    frames = played.films[0, :few]
    sound = np.concatenate([*sonify(transducer, variables, [frames], knobs.defaults())])
    return Summaries(
        {"notes, true above predicted": np.rint(255 * image).astype(np.uint8)},
        {"sound": (sound, transducer.spec.audio.sample_rate)},
    )
