"""What is played through a hallucination: sounds one after the other, then silence and noise.

All is one stream with silence between, so that the run remembers what came before, as it does live.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Float32, Int

from wyh.classifying import AUDIBLE_DB, UNDER_PEAK_DB, nothing_to_hear
from wyh.models.sound_classifier import level_db
from wyh.report.dreams_sounds import Kept

BEFORE_SECS, AFTER_SECS = 0.5, 1.5
"""Silence around each sound."""

SOUNDS = 300
LONGEST_SECS = 5.0
QUIET_SECS, QUIET_EACH = 2.0, 7  # each of three colours at three levels, and silence once
_LEVEL_SECS = 0.01


@dataclass(frozen=True)
class Track:
    """Sounds one after the other, then silence and noise.

    Attributes:
      waveform: of all.
      labels: of the sounds.
      begins, ends: of what can be heard of each sound, in seconds.
      quiet: of silence and noises: when each begins, and ends.
      sample_rate: in Hz.
    """

    waveform: Float32[np.ndarray, " samples"]
    labels: Int[np.ndarray, " sounds"]
    begins: Float[np.ndarray, " sounds"]
    ends: Float[np.ndarray, " sounds"]
    quiet: Float[np.ndarray, "noises 2"]
    sample_rate: int


def sounds_of(kept: Kept, most: int = SOUNDS) -> tuple[list[np.ndarray], Int[np.ndarray, " n"]]:
    """Sounds for testing and their labels, in turn one of each class; of all classes as many.

    A sound is its windows in a row, 5 s of them at most.
    """
    of, longest = kept.sounds.sound_of, round(LONGEST_SECS * kept.sounds.sample_rate)
    numbers = np.unique(of[kept.rows])
    labels = np.array([kept.sounds.sounds[number].label for number in numbers])
    rank = np.array([np.sum(labels[:place] == label) for place, label in enumerate(labels)])
    order = np.lexsort((labels, rank))[:most]
    waves = [
        kept.sounds.waveforms(kept.rows[of[kept.rows] == numbers[place]]).ravel()[:longest]
        for place in order
    ]
    return waves, labels[order]


def track_of(
    sounds: Sequence[Float32[np.ndarray, " _"]],
    labels: Int[np.ndarray, " sounds"],
    sample_rate: int,
    quiet_each: int,
) -> Track:
    """A track of sounds in this order.

    Args:
      sounds: mono.
      labels: of each.
      sample_rate: in Hz.
      quiet_each: noises of each of three colours at each of three levels.
    """
    before, after = (round(secs * sample_rate) for secs in (BEFORE_SECS, AFTER_SECS))
    parts, places, at = [], [], 0
    for sound in sounds:
        begin, end = audible(sound, sample_rate)
        places.append(
            (at / sample_rate + BEFORE_SECS + begin, at / sample_rate + BEFORE_SECS + end)
        )
        parts.append(np.pad(sound, (before, after)))
        at += len(parts[-1])
    quiet = []
    for noise in nothing_to_hear(round(QUIET_SECS * sample_rate), quiet_each):
        first = at / sample_rate + BEFORE_SECS
        quiet.append([first, first + QUIET_SECS])
        parts.append(np.pad(noise, (before, after)))
        at += len(parts[-1])
    begins, ends = np.array(places).T
    waveform = np.concatenate(parts).astype(np.float32)
    return Track(waveform, labels, begins, ends, np.array(quiet), sample_rate)


def audible(sound: Float32[np.ndarray, " _"], sample_rate: int) -> tuple[float, float]:
    """When what can be heard of a sound begins and ends, in seconds; all of it if nothing can."""
    block = round(_LEVEL_SECS * sample_rate)
    level = np.asarray(level_db(jnp.pad(sound, (0, -len(sound) % block)), block))
    loud = np.flatnonzero(level > max(level.max() - UNDER_PEAK_DB, AUDIBLE_DB))
    if not len(loud):
        return 0.0, len(sound) / sample_rate
    return loud[0] * block / sample_rate, (loud[-1] + 1) * block / sample_rate
