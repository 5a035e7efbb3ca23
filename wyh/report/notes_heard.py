"""The sound of notes that are seen: when it begins, and how quickly it is made."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
from jaxtyping import Float, Float32, UInt8

from wyh import knobs
from wyh.metrics.onsets import onsets
from wyh.report.live_cost import live_ms
from wyh.report.notes_films import Take
from wyh.signal.notes import NoteReader
from wyh.specs import StreamSpec
from wyh.synths.protocol import NoteAmplitudes, Strikes
from wyh.transcript import heard_transcript, notes_of
from wyh.transducers.compile import Compiled, compile_transducer, traced
from wyh.transducers.kinds import Player
from wyh.transducers.offline import EMIT_TICKS, OBSERVE_TICKS, emit_all, samples_of

WITHIN_SECS = 0.1
"""By which a sound that begins may be off and still be that of a strike."""

TOGETHER_SECS = 0.05
"""Strikes closer than this begin one sound."""


class Begun(NamedTuple):
    """When sounds begin, against the strikes they belong to.

    Attributes:
      errors_ms: of the sounds that begin, whatever the notes; over 0 where they are late.
      strikes: that are to be heard, those together as one.
      struck_ms: of the strikes of each note that are heard in the sound.
      notes: strikes that are to be heard, each note by itself.
    """

    errors_ms: Float[np.ndarray, " matched"]
    strikes: int
    struck_ms: Float[np.ndarray, " heard"]
    notes: int


def quantile_ms(errors_ms: Float[np.ndarray, " n"], share: float) -> float:
    """Of the size of errors; as large as can be where there are none: nothing is heard."""
    return float(np.quantile(np.abs(errors_ms), share)) if len(errors_ms) else 1000 * WITHIN_SECS


def compiled_of(player: Player) -> Compiled:
    """A player, for many ticks at once."""
    return compile_transducer(
        player.transducer,
        player.variables,
        knobs.defaults(),
        seed=0,
        observe_ticks=OBSERVE_TICKS,
        emit_ticks=EMIT_TICKS,
    )


def true_controls(take: Take, reader: NoteReader, late: int) -> NoteAmplitudes:
    """What would be told of a film if all that is played in it were known: `[1, n, notes]` each.

    Args:
      take: the film.
      reader: of the notes.
      late: pictures by which it is told late.
    """
    value = take.amplitude
    onset, offset = np.zeros_like(value), np.zeros_like(value)
    at = take.strikes.times_secs * float(reader.frame_rate)
    ticks = np.floor(at).astype(int)
    inside = ticks < len(value)
    cells = ticks[inside], notes_of(take.strikes, reader.hz)[inside]
    onset[cells], offset[cells] = 1, (at - ticks - 0.5)[inside]

    def told(part: Float32[np.ndarray, "n notes"], ago: int) -> Any:
        return np.pad(part, ((ago, 0), (0, 0)))[None, : len(part)]

    now, before = (Strikes(told(onset, ago), told(offset, ago)) for ago in (late, late + 1))
    return NoteAmplitudes(told(value, late), told(value, late + 1), now, before)


def sound_of(
    compiled: Compiled, variables: object, spec: StreamSpec, controls: NoteAmplitudes
) -> Float32[np.ndarray, " samples"]:
    """The sound of the controls of a film, as `wyh.render` writes it.

    Args:
      compiled: with its memory, which is given away.
      variables: of its model.
      spec: of what plays.
      controls: `[1, n, notes]` each.
    """
    blocks = emit_all(compiled, variables, spec, [controls], knobs.defaults())
    sound = np.concatenate([block for block, _ in blocks])[spec.latency_samples :]
    return sound[: samples_of(controls.value.shape[1], spec)]


def begun_of(
    sounds: Sequence[Float32[np.ndarray, " _"]], takes: Sequence[Take], reader: NoteReader
) -> Begun:
    """When the sounds of films begin to be heard, against the strikes in them."""
    errors, struck, strikes, notes = [np.zeros(0)], [np.zeros(0)], 0, 0
    for sound, take in zip(sounds, takes, strict=True):
        end = len(sound) / reader.sample_rate - WITHIN_SECS  # what begins later is cut off
        times, mine = take.strikes.times_secs, notes_of(take.strikes, reader.hz)
        counts = times < end
        counts[counts] = take.measured[(times[counts] * float(reader.frame_rate)).astype(int)]
        true = first_of(times[counts])
        found = onsets(sound, reader.sample_rate)
        errors.append(nearest_pairs(found, true, WITHIN_SECS))
        heard = heard_transcript(sound, reader)
        theirs = notes_of(heard, reader.hz)
        for note in np.unique(mine):
            wanted = times[(mine == note) & counts]
            struck.append(nearest_pairs(heard.times_secs[theirs == note], wanted, WITHIN_SECS))
        strikes, notes = strikes + len(true), notes + int(counts.sum())
    return Begun(1000 * np.concatenate(errors), strikes, 1000 * np.concatenate(struck), notes)


def first_of(times_secs: Float[np.ndarray, " n"]) -> Float[np.ndarray, " m"]:
    """The first of all that begin together; in order of time."""
    kept: list[float] = []
    for time in np.sort(times_secs).tolist():
        if not kept or time - kept[-1] >= TOGETHER_SECS:
            kept.append(time)
    return np.array(kept)


def nearest_pairs(
    found: Float[np.ndarray, " n"], true: Float[np.ndarray, " m"], within: float
) -> Float[np.ndarray, " matched"]:
    """By how much those found are later than the true ones, each matched once, nearest first."""
    apart = found[:, None] - true[None]
    rows, columns = np.nonzero(np.abs(apart) <= within)
    errors = apart[rows, columns]
    mine, theirs, kept = set(), set(), []
    for pair in np.argsort(np.abs(errors), kind="stable"):
        if rows[pair] not in mine and columns[pair] not in theirs:
            mine.add(rows[pair])
            theirs.add(columns[pair])
            kept.append(pair)
    return errors[np.array(kept, int)]


def streaming_gap(
    player: Player,
    frames: UInt8[np.ndarray, "n height width channel"],
    controls: NoteAmplitudes,
) -> float:
    """The largest difference of controls, one picture at a time against many at once.

    Args:
      player: of the run.
      frames: the first pictures of a film, as many as are to be compared.
      controls: of that film, many at once.
    """
    values = knobs.defaults()
    compiled = compile_transducer(player.transducer, player.variables, values, seed=0)
    carry, turned, largest = compiled.carry_in, traced(values), 0.0
    for tick, frame in enumerate(frames):
        carry, control = compiled.observe(
            player.variables, carry, frame[None, None], turned, np.int32(tick)
        )
        for one, other in zip(jax.tree.leaves(control), jax.tree.leaves(controls), strict=True):
            apart = np.abs(np.asarray(one)[:, 0] - other[:, tick])
            largest = max(largest, float(apart.max()))
    return largest


def step_ms(player: Player) -> Float[np.ndarray, " ticks"]:
    """Time to observe a picture and emit its sound, as live does, on one core where it can be."""
    with _one_core():
        return np.asarray(live_ms(player).sum(axis=1))


@contextmanager
def _one_core() -> Iterator[None]:
    """Within, all threads of this process share a core; only Linux can do so."""
    tasks = Path("/proc/self/task")
    if not hasattr(os, "sched_setaffinity") or not tasks.is_dir():
        yield
        return
    cores = os.sched_getaffinity(0)
    _move(tasks, {max(cores)})
    try:
        yield
    finally:
        _move(tasks, cores)


def _move(tasks: Path, cores: set[int]) -> None:
    for task in tasks.iterdir():
        try:
            os.sched_setaffinity(int(task.name), cores)
        except OSError:  # it has ended meanwhile
            continue
