"""What a run sees being played, and how well that agrees with what was played."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float, UInt8

from wyh import knobs
from wyh.metrics.intervals import Interval, bootstrap_interval
from wyh.metrics.notes import (
    TOLERANCES_SECS,
    Agreement,
    Events,
    amplitude_error,
    events_of,
    frame_f1,
    note_f1,
    onset_f1,
    skill,
)
from wyh.played import LOUDEST
from wyh.report.notes_films import Take
from wyh.signal.notes import NoteReader
from wyh.specs import StreamSpec
from wyh.synths.protocol import NoteAmplitudes
from wyh.transcript import notes_of
from wyh.transducers.compile import Compiled, traced
from wyh.transducers.kinds import Player
from wyh.transducers.offline import observe_all
from wyh.transducers.recurrent import LEAD

SOUNDS = LOUDEST / 10
"""Amplitude from which on a note sounds: 20 dB under one that is struck as hard as can be."""

PIECE_SECS = 5.0
"""Of film, that are drawn again together: neighbouring strikes are alike."""

_AT_ONCE = 64  # pictures that are seen without memory in one go


class Seen(NamedTuple):
    """What is said of pictures."""

    amplitude: Float[np.ndarray, "n notes"]
    onset: Float[np.ndarray, "n notes"]  # probability that a note is struck in its time
    offset: Float[np.ndarray, "n notes"]  # in periods from its middle, -0.5 to 0.5


class Score(NamedTuple):
    """How well what is said of films agrees with what is played in them.

    Attributes:
      notes: strikes, by time and note.
      f1: of these, with the interval over pieces of film.
      onsets: F1 of the times of strikes alone, by tolerance in seconds.
      sounding: which notes sound in which pictures.
      error: root of the mean squared difference of amplitudes.
      skill: over the constant, with the interval over pieces of film.
      each: F1 of the notes of each film.
    """

    notes: Agreement
    f1: Interval
    onsets: dict[float, float]
    sounding: Agreement
    error: float
    skill: Interval
    each: list[float]


def late_of(spec: StreamSpec, late_samples: int) -> int:
    """How many pictures later a control comes than the picture it is about."""
    return round(late_samples * spec.video.frame_rate / spec.audio.sample_rate)


def fresh(compiled: Compiled) -> Compiled:
    """The same, to be played once: whoever plays it gives its memory away."""
    carries = (jax.tree.map(jnp.copy, each) for each in (compiled.carry_in, compiled.carry_out))
    carry_in, carry_out = carries
    return replace(compiled, carry_in=carry_in, carry_out=carry_out)


def controls_of(
    compiled: Compiled, variables: Any, frames: UInt8[np.ndarray, "n height width channel"]
) -> NoteAmplitudes:
    """The controls of a film, as `wyh.render` plays it: `[1, n, notes]` each."""
    chunks = observe_all(fresh(compiled), variables, [frames], knobs.defaults())
    return NoteAmplitudes(*jax.tree.map(lambda *parts: np.concatenate(parts, axis=1), *chunks))


def seen_of(controls: NoteAmplitudes, late: int) -> Seen:
    """What controls say of each picture of a film but the last ones, of which none is told.

    Args:
      controls: of one film, `[1, n, notes]` each.
      late: pictures by which they are late.
    """
    parts = (controls.value, *controls.strikes)
    return Seen(*(np.asarray(part)[0, late:] for part in parts))


def forgetful(player: Player, frames: UInt8[np.ndarray, "n height width channel"]) -> Seen:
    """What the same network says of each picture, its memory wiped before it.

    It still sees the pictures before it that it always sees with it.
    """
    transducer, values = player.transducer, traced(knobs.defaults())

    def look(variables: Any, pictures: Any, values: Any) -> Any:
        key = jax.random.key(0)
        carry, _ = transducer.init(variables, key, _AT_ONCE)
        carry = carry._replace(pictures=pictures[:, :LEAD], started=jnp.float32(1.0))
        _, control = transducer.observe_many(
            variables, carry, pictures[:, LEAD:], values, jax.random.split(key, 1)
        )
        return control.value[:, 0], control.strikes.onset[:, 0], control.strikes.offset[:, 0]

    looked, found = jax.jit(look), []
    places = np.maximum(np.arange(len(frames))[:, None] + np.arange(-LEAD, 1)[None], 0)
    places = np.pad(places, ((0, -len(places) % _AT_ONCE), (0, 0)), mode="edge")
    for first in range(0, len(frames), _AT_ONCE):
        some = frames[places[first : first + _AT_ONCE]]
        found.append(jax.device_get(looked(player.variables, some, values)))
    late = late_of(transducer.spec, transducer.late_samples)
    parts = (np.concatenate(part)[late : len(frames)] for part in zip(*found, strict=True))
    return Seen(*parts)


def shuffled(seen: Sequence[Seen]) -> list[Seen]:
    """What is said of another film, begun in its middle; of the same where there is but one."""
    others = [*seen[1:], seen[0]]
    return [
        Seen(*(np.resize(np.roll(part, len(part) // 2, axis=0), own.onset.shape) for part in other))
        for own, other in zip(seen, others, strict=True)
    ]


def always(constant: Float[np.ndarray, " notes"], seen: Sequence[Seen]) -> list[Seen]:
    """The same amplitudes in every picture, and no strikes."""
    return [
        Seen(
            np.broadcast_to(constant[None], each.amplitude.shape),
            np.zeros_like(each.onset),
            np.zeros_like(each.offset),
        )
        for each in seen
    ]


def found_events(seen: Seen, measured: Bool[np.ndarray, " n"], reader: NoteReader) -> Events:
    """The strikes that are seen in pictures that are measured."""
    rate = float(reader.frame_rate)
    events = events_of(seen.onset, seen.offset, reader.hz, rate)
    return _within(events, measured[: len(seen.onset)], rate)


def true_events(take: Take, count: int, reader: NoteReader) -> Events:
    """The strikes of the first `count` pictures of a film, of those that are measured."""
    hz = reader.hz[notes_of(take.strikes, reader.hz)]
    events = Events(take.strikes.times_secs, hz)
    return _within(events, take.measured[:count], float(reader.frame_rate))


def _within(events: Events, measured: Bool[np.ndarray, " n"], rate: float) -> Events:
    ticks = np.floor(events.times_secs * rate + 1e-9).astype(int)
    inside = (ticks >= 0) & (ticks < len(measured))
    inside[inside] = measured[ticks[inside]]
    return Events(events.times_secs[inside], events.hz[inside])


def score_of(
    seen: Sequence[Seen],
    takes: Sequence[Take],
    constant: Float[np.ndarray, " notes"],
    reader: NoteReader,
) -> Score:
    """How well what is said of films agrees with what is played in them.

    Args:
      seen: of each film.
      takes: the films.
      constant: mean amplitude of each note in the training recordings.
      reader: of the notes.
    """
    rate, after = float(reader.frame_rate), 0.0
    found: list[Events] = []
    true: list[Events] = []
    each, said, meant, numbers = [], [], [], []
    for one, take in zip(seen, takes, strict=True):
        count = len(one.onset)
        measured = take.measured[:count]
        mine, theirs = found_events(one, measured, reader), true_events(take, count, reader)
        each.append(note_f1(mine, theirs).f1)
        for events, all_events in ((mine, found), (theirs, true)):
            all_events.append(events._replace(times_secs=events.times_secs + after))
        said.append(one.amplitude[measured])
        meant.append(take.amplitude[:count][measured])
        numbers.append((after + np.flatnonzero(measured) / rate) // PIECE_SECS)
        # On a piece of its own, and too far off to be matched with another film's.
        after += np.ceil((count / rate + 1) / PIECE_SECS) * PIECE_SECS
    mine, theirs = _joined(found), _joined(true)
    amplitude, truth = np.concatenate(said), np.concatenate(meant)
    notes = note_f1(mine, theirs)
    counts = _counts(mine, theirs, np.unique(np.concatenate(numbers)))
    return Score(
        notes,
        bootstrap_interval(_f1, counts)._replace(value=notes.f1),
        onset_f1(mine, theirs, TOLERANCES_SECS),
        frame_f1(amplitude > SOUNDS, truth > SOUNDS),
        amplitude_error(amplitude, truth),
        _skill(amplitude, truth, constant, np.concatenate(numbers)),
        each,
    )


def _joined(events: Sequence[Events]) -> Events:
    return Events(*(np.concatenate(each) for each in zip(*events, strict=True)))


def _counts(found: Events, true: Events, pieces: np.ndarray) -> Float[np.ndarray, "pieces 3"]:
    """How many strikes are matched, found and true in each piece of film."""
    rows = []
    for piece in pieces:
        one, other = (
            Events(each.times_secs[inside], each.hz[inside])
            for each in (found, true)
            for inside in [each.times_secs // PIECE_SECS == piece]
        )
        matched = note_f1(one, other).precision * len(one.hz) if len(one.hz) else 0.0
        rows.append((matched, len(one.hz), len(other.hz)))
    return np.array(rows, float)


def _f1(counts: Float[np.ndarray, "pieces 3"]) -> float:
    matched, found, true = counts.sum(axis=0)
    return float(2 * matched / (found + true)) if found + true else 1.0


def _skill(
    amplitude: Float[np.ndarray, "n notes"],
    truth: Float[np.ndarray, "n notes"],
    constant: Float[np.ndarray, " notes"],
    numbers: Float[np.ndarray, " n"],
) -> Interval:
    """Over the constant, with the interval over pieces of film."""
    _, piece = np.unique(numbers, return_inverse=True)
    error, least = (
        np.bincount(piece, np.square(truth - other).sum(axis=1))
        for other in (amplitude, constant[None])
    )

    def of_errors(error: np.ndarray, least: np.ndarray) -> float:
        return float(1 - error.sum() / max(least.sum(), 1e-12))

    value = float(max(skill(amplitude, truth, constant), -1e6))  # minus infinity is no figure
    value = round(value, 9) + 0.0  # nor is what rounding leaves of nothing
    return bootstrap_interval(of_errors, error, least)._replace(value=value)
