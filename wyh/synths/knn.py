"""Note amplitudes -> real sound: at each strike that is predicted, one of that note is played.

Of the strikes of the note in the training sound the one nearest in loudness is taken, and plays on
from its own onset until the note is struck again. The distance is that of levels in dB, within the
note alone: each note has a voice of its own and every piece has one note in it
(`wyh.synths.note_reference`), so that chords, rolls and what still rings are sums of voices. To
look for whole chords instead would find few, at times that are not the predicted ones, and play
notes that nobody struck as soon as the recording goes on otherwise than the prediction.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, Key, PRNGKeyArray

from wyh.errors import WyhError, check_range
from wyh.signal.levels import Limiter, db_to_amplitude
from wyh.synths.additive import APART_SECS
from wyh.synths.note_reference import EMPTY_DB, LEAD_SECS
from wyh.synths.output import OutputCarry, init_output, output
from wyh.synths.protocol import Magnitudes, NoteAmplitudes, Synth
from wyh.synths.strikes import Due, check_notes, decay_samples, latest, seen_at, strikes_due

_LONG_AGO = -(1 << 29)  # samples
_QUIETEST_DB = -100.0


@dataclass(frozen=True)
class KnnConfig:
    """How strikes are chosen and played."""

    threshold: float = 0.5  # probability from which on a strike is one, 0 to 1
    raise_db: float = 12.0  # by which one is made louder at most; softer at will, 0 to 40
    turns_db: float = 3.0  # two that differ by no more take turns, so that rolls live, 0 to 20
    decay_secs: float = 0.18  # in which a strike at 440 Hz falls to 1 / e, for reading its loudness
    decay_slope: float = 1 / 3  # by which power of the frequency higher notes fall faster, 0 to 2
    block: int = 256  # samples
    ceiling_db: float = -1.0  # true peak, dBFS

    def __post_init__(self) -> None:
        check_range("threshold", self.threshold, 0, 1)
        check_range("raise_db", self.raise_db, 0, 40, "dB")
        check_range("turns_db", self.turns_db, 0, 20, "dB")
        check_range("decay_secs", self.decay_secs, 0.01, 60, "s")
        check_range("decay_slope", self.decay_slope, 0, 2)
        check_range("block", self.block, 16, 65536, "samples")


class Voice(NamedTuple):
    """What sounds of each note."""

    begun: Int[Array, "*lead notes"]  # samples from the start of the next block; 0 or before it
    start: Int[Array, "*lead notes"]  # where the piece begins in the reference
    length: Int[Array, "*lead notes"]
    gain: Float[Array, "*lead notes"]


class KnnCarry(NamedTuple):
    """What is remembered from block to block."""

    age: Float[Array, ""]  # of the control at the last tick, in samples; infinite before the first
    joined: Bool[Array, ""]  # that control came a period after the one before it
    asked: Int[Array, "batch notes"]  # when a strike was last predicted, be it the same one again
    strikes: Int[Array, "batch notes"]  # so far, even or odd
    voice: Voice
    former: Voice  # that it took over from
    output: OutputCarry


class KnnSynth:
    """The pure functions of a voice for each note; holds constants only.

    Attributes:
      latency_samples: from a strike's time to where it is heard.
    """

    def __init__(
        self,
        notes_hz: Float[np.ndarray, " notes"],
        frame_rate: float,
        sample_rate: int,
        config: KnnConfig,
    ) -> None:
        """Arguments and errors as for `knn`."""
        check_notes(notes_hz, frame_rate, sample_rate)
        self.config, self.sample_rate, self.notes = config, sample_rate, len(notes_hz)
        self.period = sample_rate / frame_rate
        self.limiter = Limiter(sample_rate, ceiling_db=config.ceiling_db)
        self.lead = round(LEAD_SECS * sample_rate)
        late = config.block + round(self.period / 2) + self.lead
        self.latency_samples = late + self.limiter.latency_samples
        self._decay = decay_samples(notes_hz, sample_rate, config.decay_secs, config.decay_slope)

    def init(self, batch_size: int) -> KnnCarry:
        """The memory before the first block: silence."""
        shape = (batch_size, self.notes)

        def silent() -> Voice:  # each its own arrays: the carry is donated
            return Voice(
                begun=jnp.full(shape, _LONG_AGO, jnp.int32),
                start=jnp.zeros(shape, jnp.int32),
                length=jnp.zeros(shape, jnp.int32),
                gain=jnp.zeros(shape),
            )

        return KnnCarry(
            age=jnp.float32(jnp.inf),
            joined=jnp.bool_(False),
            asked=jnp.full(shape, _LONG_AGO, jnp.int32),
            strikes=jnp.zeros(shape, jnp.int32),
            voice=silent(),
            former=silent(),
            output=init_output(self.limiter, batch_size),
        )

    def emit_many(
        self,
        reference: dict[str, Array],
        carry: KnnCarry,
        controls: NoteAmplitudes | Magnitudes,
        ages_secs: Float[Array, " time"],
        gain_db: Float[Array, ""],
        knobs: dict[str, Any],
    ) -> tuple[KnnCarry, Float[Array, "batch samples"]]:
        """One block of sound for each control; those without strikes strike nothing."""
        block, time = self.config.block, len(ages_secs)
        ages = ages_secs * self.sample_rate
        seen = seen_at(carry.age, carry.joined, ages, period=self.period, block=block)
        due = strikes_due(
            controls,
            controls.value,
            seen,
            period=self.period,
            block=block,
            decay=self._decay,
            threshold=self.config.threshold,
        )
        starts = jnp.arange(time) * block
        at = starts[None, :, None] + jnp.rint(due.at).astype(jnp.int32)
        asked = latest(carry.asked, due.asked, at)
        struck = due.asked & (at - asked[:, :-1] >= round(APART_SECS * self.sample_rate))
        count = carry.strikes[:, None] + jnp.cumsum(struck, axis=1)
        chosen = self.chosen(reference, due, at, count)
        voice = jax.tree.map(lambda first, new: latest(first, struck, new), carry.voice, chosen)
        former = jax.tree.map(
            lambda first, of: latest(first, struck, of[:, :-1]), carry.former, voice
        )

        now = starts[None, :, None, None] + jnp.arange(block)[None, None, None]
        new = now >= voice.begun[:, 1:, :, None]

        def heard(some: Voice) -> Voice:
            """Of each sample: the voice after this tick's strike, or before it."""
            return jax.tree.map(
                lambda leaf: jnp.where(new, leaf[:, 1:, :, None], leaf[:, :-1, :, None]), some
            )

        current, ending = heard(voice), heard(former)
        turn = jnp.clip((now - current.begun + 0.5) / self.lead, 0.0, 1.0) * (np.pi / 2)
        sound = self.played(reference, current, now) * jnp.sin(turn)
        # Equal power, before the attack.
        sound = sound + self.played(reference, ending, now) * jnp.cos(turn)
        mono = jnp.sum(sound, axis=2).reshape(-1, time * block)
        last, mono = output(
            self.limiter, carry.output, [mono], [jnp.float32(1)], gain_db, knobs, block
        )
        end = time * block

        def at_end(some: Voice) -> Voice:
            some = jax.tree.map(lambda leaf: leaf[:, -1], some)
            return some._replace(begun=jnp.maximum(some.begun - end, _LONG_AGO))

        return KnnCarry(
            age=seen.ages[-1],
            joined=seen.joined[-1],
            asked=jnp.maximum(asked[:, -1] - end, _LONG_AGO),
            strikes=count[:, -1] % 2,
            voice=at_end(voice),
            former=at_end(former),
            output=last,
        ), mono

    def chosen(
        self,
        reference: dict[str, Array],
        due: Due,
        at: Int[Array, "batch time notes"],
        count: Int[Array, "batch time notes"],
    ) -> Voice:
        """The piece that each strike would be: the nearest in loudness, or one of two by turns."""
        config, levels = self.config, jnp.asarray(reference["levels_db"])[None, None]
        wanted = 20 * jnp.log10(jnp.maximum(due.peak, 10 ** (_QUIETEST_DB / 20)))
        far = jnp.abs(levels - wanted[..., None])
        first = jnp.argmin(far, axis=-1)
        pieces = jnp.arange(levels.shape[-1])[None, None, None]
        others = jnp.where(pieces == first[..., None], jnp.inf, far)
        second = jnp.argmin(others, axis=-1)
        near = jnp.min(others, axis=-1) - jnp.min(far, axis=-1) <= config.turns_db
        # By their place, not by which is nearer: that may itself change from strike to strike.
        turn = jnp.where(count % 2 == 0, jnp.minimum(first, second), jnp.maximum(first, second))
        piece = jnp.where(near, turn, first)

        def of_piece(table: Array) -> Array:
            notes = jnp.arange(self.notes)[None, None]
            return jnp.asarray(table)[notes, piece]

        level = of_piece(reference["levels_db"])
        gain = db_to_amplitude(jnp.minimum(wanted - level, config.raise_db))
        return Voice(
            begun=at,
            start=of_piece(reference["starts"]),
            length=of_piece(reference["lengths"]),
            gain=jnp.where(level > EMPTY_DB, gain, 0.0),
        )

    def played(
        self, reference: dict[str, Array], voice: Voice, now: Int[Array, "1 time 1 block"]
    ) -> Float[Array, "batch time notes block"]:
        """Each note's piece, nothing after its end."""
        since = now - voice.begun
        inside = (since >= 0) & (since < voice.length)
        place = voice.start + jnp.where(inside, since, 0)
        samples = jnp.asarray(reference["sound"])[place].astype(jnp.float32)
        return jnp.where(inside, samples * (voice.gain / 32768), 0.0)


def knn(
    notes_hz: Float[np.ndarray, " notes"],
    frame_rate: float,
    sample_rate: int,
    config: KnnConfig,
) -> Synth:
    """The synth "knn", which takes `NoteAmplitudes`; `Magnitudes`, never struck, are silent.

    Variables: `{"gain_db": float32 [], "note_reference": what
    wyh.synths.note_reference.note_corpus returns}` for the same notes and sample rate. A note of
    amplitude a begins as a sine of amplitude a, at a `gain_db` of 0; a note without pieces is
    silent.

    Args:
      notes_hz: frequency of each note, in any order, 1 Hz to half the sample rate.
      frame_rate: in Hz, 1 to 240.
      sample_rate: in Hz.
      config: how strikes are chosen and played.

    Raises:
      WyhError: no notes, or something out of range; from `init`, a reference of other notes.
    """
    synth = KnnSynth(notes_hz, frame_rate, sample_rate, config)

    def init(variables: Any, key: PRNGKeyArray, batch_size: int) -> KnnCarry:
        held = len(variables["note_reference"]["levels_db"])
        if held != synth.notes:
            raise WyhError(
                f"got a note reference of {held} notes, wanted {synth.notes}: make it of the notes "
                f"that are played"
            )
        return synth.init(batch_size)

    def emit_many(
        variables: Any,
        carry: KnnCarry,
        controls: NoteAmplitudes | Magnitudes,
        ages_secs: Float[Array, " time"],
        knobs: dict[str, Any],
        keys: Key[Array, " time"],
    ) -> tuple[KnnCarry, Float[Array, "batch samples"]]:
        reference, gain_db = variables["note_reference"], variables["gain_db"]
        return synth.emit_many(reference, carry, controls, ages_secs, gain_db, knobs)

    return Synth(
        name="knn",
        block=config.block,
        latency_samples=synth.latency_samples,
        init=init,
        emit_many=emit_many,
        needs=frozenset({"gain_db", "note_reference"}),
    )
