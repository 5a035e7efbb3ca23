"""When struck notes begin within the blocks of a stream, and how loud.

Pictures come with amplitudes read over three of them, so that a strike is partly in the reading of
the picture before, and not wholly in its own. Its time says which part.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Float32, Shaped

from wyh.errors import WyhError, check_range
from wyh.synths.protocol import Magnitudes, NoteAmplitudes, Strikes

REACH = 1.5
"""Periods that a reading reaches to either side of a picture's middle."""

_LEAST_SHARE = 0.2  # of a reading: a strike that is hardly in it says nothing of its amplitude
_STEADY = 1e-3  # a rate of decay that is as good as none


class Seen(NamedTuple):
    """What is known of the controls at ticks."""

    ages: Float[Array, " time"]  # in samples
    newer: Bool[Array, " time"]  # than that of the tick before
    joined: Bool[Array, " time"]  # it came a period after the one before: none was left out


class Due(NamedTuple):
    """Strikes at ticks, and amplitudes without strikes that are still to come."""

    asked: Bool[Array, "batch time notes"]  # one begins in this tick's block
    at: Float[Array, "batch time notes"]  # samples from the start of the block
    peak: Float[Array, "batch time notes"]  # amplitude at which it begins
    level: Float[Array, "batch time notes"]


def check_notes(notes_hz: Float[np.ndarray, " notes"], frame_rate: float, sample_rate: int) -> None:
    """See that notes can be played.

    Args:
      notes_hz: frequency of each, 1 Hz to half the sample rate.
      frame_rate: of the pictures, in Hz, 1 to 240.
      sample_rate: in Hz.

    Raises:
      WyhError: no notes, or something out of range.
    """
    check_range("frame rate", frame_rate, 1, 240, "Hz")
    if not len(notes_hz):
        raise WyhError("got no notes to play, wanted one at least")
    for hz in (notes_hz.min(), notes_hz.max()):
        check_range("a note to play at", float(hz), 1, sample_rate / 2, "Hz")


def decay_samples(
    notes_hz: Float[np.ndarray, " notes"], sample_rate: int, secs: float, slope: float
) -> Float32[np.ndarray, " notes"]:
    """In which each note, once struck, falls to 1 / e.

    Args:
      notes_hz: frequency of each.
      sample_rate: in Hz.
      secs: of a note at 440 Hz.
      slope: by which power of the frequency higher notes fall faster.
    """
    return (secs * (440 / notes_hz) ** slope * sample_rate).astype(np.float32)


def unstruck(value: Float[Array, "*lead notes"]) -> Strikes:
    """Strikes of notes of which none is struck."""
    return Strikes(jnp.zeros_like(value), jnp.zeros_like(value))


def seen_at(
    age: Float[Array, ""],
    joined: Bool[Array, ""],
    ages: Float[Array, " time"],
    *,
    period: float,
    block: int,
) -> Seen:
    """Which controls are new.

    Args:
      age: of the control at the tick before, in samples; infinite where there was none.
      joined: of that control, as in `Seen`.
      ages: of the controls at these ticks, in samples.
      period: samples from picture to picture.
      block: samples of a tick.
    """
    expected = jnp.concatenate([age[None], ages[:-1]]) + block
    newer = ages < expected - period / 2
    known = jnp.concatenate([joined[None], expected - ages < 1.5 * period])
    newest = jax.lax.cummax(jnp.where(newer, jnp.arange(len(ages)) + 1, 0))
    return Seen(ages, newer, known[newest])


def strikes_due(
    controls: NoteAmplitudes | Magnitudes,
    level: Float[Array, "batch time notes"],
    seen: Seen,
    *,
    period: float,
    block: int,
    decay: Float[np.ndarray, " notes"],
    threshold: float,
) -> Due:
    """The strikes that begin in the block of each tick: from `age - block` up to `age`.

    They are half a period late, as amplitudes are that glide.

    Args:
      controls: at each tick; there are no strikes in `Magnitudes`.
      level: amplitudes, as they glide.
      seen: of the controls.
      period: samples from picture to picture.
      block: samples of a tick.
      decay: samples in which each note falls to 1 / e.
      threshold: probability from which on a strike is one.
    """
    nothing = jnp.zeros_like(level)
    due = Due(jnp.zeros(level.shape, bool), nothing, nothing, level)
    if isinstance(controls, Magnitudes):
        return due
    begin = (seen.ages - block)[None, :, None]
    # The times of pictures are whole samples: a strike at a seam is looked for on both sides.
    since = begin - 1
    late = jnp.where(seen.newer[None, :, None], -jnp.inf, since)
    rate = (REACH * period / jnp.asarray(decay))[None, None]
    for strikes, back, sure, earliest in (
        (controls.strikes, 0.0, True, late),
        (controls.previous_strikes, 1.0, seen.joined[None, :, None], since),
    ):
        wanted = (strikes.onset >= threshold) & sure
        offset = strikes.offset - back  # from the middle of the newest picture
        when = (1 + offset) * period
        peak, before = explained(controls.value, controls.previous, offset, rate)
        here = wanted & (when >= earliest) & (when < begin + block)
        due = Due(
            due.asked | here,
            jnp.where(here, jnp.maximum(when - begin, 0.0), due.at),
            jnp.where(here, peak, due.peak),
            jnp.where(wanted & (when >= begin), jnp.minimum(due.level, before), due.level),
        )
    return due


def explained(
    value: Float[Array, "batch time notes"],
    previous: Float[Array, "batch time notes"],
    offset: Float[Array, "batch time notes"],
    rate: Float[Array, "1 1 notes"],
) -> tuple[Float[Array, "batch time notes"], Float[Array, "batch time notes"]]:
    """The amplitude a strike has at its beginning, and that of what sounded before it.

    Phases are anyone's guess, so powers add. A strike never makes a note quieter than it is.

    Args:
      value: read around a picture.
      previous: read around the picture before.
      offset: of the strike, in periods from the middle of the newer one.
      rate: of the decay, as for `share`.
    """
    own = jnp.maximum(share(offset / REACH, rate), _LEAST_SHARE)
    rest = previous * (1 - share(offset / REACH, jnp.full_like(rate, _STEADY)))
    alone = jnp.sqrt(jnp.maximum(jnp.square(value) - jnp.square(rest), 0.0)) / own
    peak = jnp.maximum(alone, value)
    known = peak * share((offset + 1) / REACH, rate)
    return peak, jnp.sqrt(jnp.maximum(jnp.square(previous) - jnp.square(known), 0.0))


def share(
    at: Float[Array, "batch time notes"], rate: Float[Array, "1 1 notes"]
) -> Float[Array, "batch time notes"]:
    """How much of its amplitude a reading has of a note that begins within it and decays.

    The integral of the Hamming window times the decay, over that of the window.

    Args:
      at: the beginning, -1 and 1 at the ends of the window.
      rate: of the decay: it falls to 1 / e in `1 / rate`.
    """
    at = jnp.clip(at, -1.0, 1.0)
    left = jnp.exp(-rate * (1 - at))
    plain = 0.54 * (1 - left) / rate
    turned = (jnp.exp(1j * np.pi * at) + left) / (rate - 1j * np.pi)
    return (plain + 0.46 * turned.real) / 1.08


def latest(
    first: Shaped[Array, "batch notes"],
    chosen: Bool[Array, "batch time notes"],
    values: Shaped[Array, "batch time notes"],
) -> Shaped[Array, "batch ticks notes"]:
    """The value at the last tick that was chosen: before the first tick, then after each."""
    ticks = jnp.arange(values.shape[1])[None, :, None] + 1
    newest = jax.lax.cummax(jnp.where(chosen, ticks, 0), axis=1)
    newest = jnp.pad(newest, ((0, 0), (1, 0), (0, 0)))
    return jnp.take_along_axis(jnp.concatenate([first[:, None], values], axis=1), newest, axis=1)
