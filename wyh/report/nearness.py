"""How near sounds are to the ones that belong to the pictures, by several measures."""

from collections.abc import Callable, Sequence
from typing import Literal, NamedTuple

import jax
import numpy as np
from jaxtyping import Float, Float32

from wyh.metrics.intervals import Interval, bootstrap_interval
from wyh.metrics.onsets import f1, onsets
from wyh.metrics.spectral import (
    centroid_error_octaves,
    log_spectral_distance_db,
    loudness_error_lu,
)
from wyh.wave_losses import Apart, apart, distance_of

WITHIN_SECS = 0.05
"""As near as events are in time to be the same."""

RESAMPLES = 1000
_AT_ONCE = 16  # sounds, all of one length: nothing compiles twice
_apart = jax.jit(apart)


class Nearness(NamedTuple):
    """Of sounds to true ones, each by itself."""

    apart: Float[np.ndarray, "n 3 resolutions"]  # `wyh.wave_losses.Apart`
    spectrum_db: Float[np.ndarray, " n"]  # `log_spectral_distance_db`
    loudness_lu: Float[np.ndarray, " n"]
    centroid_octaves: Float[np.ndarray, " n"]
    matched: Float[np.ndarray, " n"]  # onsets
    events: Float[np.ndarray, " n"]  # onsets of both

    @property
    def distance(self) -> Float[np.ndarray, " n"]:
        """`multi_resolution_stft` of each by itself."""
        return np.asarray(distance_of(Apart(*np.moveaxis(self.apart, 1, 0))))

    def mean(self, others: Sequence["Nearness"]) -> "Nearness":
        """The mean with others, excerpt by excerpt."""
        return Nearness(*(np.mean(each, axis=0) for each in zip(self, *others, strict=True)))


class Measure(NamedTuple):
    """A figure of many excerpts."""

    name: str  # in `report.json`
    label: str
    unit: str
    better: Literal["higher", "lower"]
    about: str
    fields: tuple[str, ...]  # of `Nearness`
    statistic: Callable[..., float]

    def value(self, near: Nearness) -> float:
        """The figure."""
        return self.statistic(*self._of(near))

    def interval(self, near: Nearness) -> Interval:
        """The figure with its 95 % interval over excerpts."""
        return bootstrap_interval(self.statistic, *self._of(near), resamples=RESAMPLES)

    def _of(self, near: Nearness) -> list[np.ndarray]:
        return [getattr(near, field) for field in self.fields]


def _mean(values: Float[np.ndarray, " n"]) -> float:
    return float(np.mean(values))


def pooled_distance(apart: Float[np.ndarray, "n 3 resolutions"]) -> float:
    """The distance of all sounds as one: else those that are nearly silent would count most."""
    difference, truth, logarithms = np.mean(apart, axis=0)
    return float(np.mean(np.sqrt((difference + 1e-12) / (truth + 1e-12)) + logarithms))


def _f1(matched: Float[np.ndarray, " n"], events: Float[np.ndarray, " n"]) -> float:
    total = float(np.sum(events))
    return 2 * float(np.sum(matched)) / total if total else 1.0


MEASURES = (
    Measure(
        "stft_distance",
        "distance from the true sound",
        "",
        "lower",
        "multi-resolution STFT distance: spectral convergence and the mean difference of log "
        "magnitudes at 256, 512, 1024 and 2048 points, of all held-out seconds as one sound",
        ("apart",),
        pooled_distance,
    ),
    Measure(
        "log_spectral_distance_db",
        "log-spectral distance",
        "dB",
        "lower",
        "root mean square difference of levels over the bins of a column, 1024 points; the mean "
        "over columns and seconds",
        ("spectrum_db",),
        _mean,
    ),
    Measure(
        "loudness_error_lu",
        "loudness off",
        "LU",
        "lower",
        "absolute difference of the loudness (ITU-R BS.1770) of each second",
        ("loudness_lu",),
        _mean,
    ),
    Measure(
        "centroid_error_octaves",
        "brightness off",
        "octaves",
        "lower",
        "absolute difference of the spectral centroid, wherever the true sound is audible",
        ("centroid_octaves",),
        _mean,
    ),
    Measure(
        "onset_f1_50ms",
        "sounds that begin when they should",
        "",
        "higher",
        "F1 of onsets within 50 ms of the true ones, all seconds together",
        ("matched", "events"),
        _f1,
    ),
)


def nearness(
    made: Float32[np.ndarray, "n samples"], true: Float32[np.ndarray, "n samples"], sample_rate: int
) -> Nearness:
    """How near each sound is to the true one.

    Args:
      made: sounds.
      true: of the same shape.
      sample_rate: in Hz.
    """
    spectral: list[list[np.ndarray]] = []
    for first in range(0, len(made), _AT_ONCE):
        places = np.minimum(np.arange(first, first + _AT_ONCE), len(made) - 1)
        pair = made[places], true[places]
        each = (
            np.stack(_apart(*pair), axis=1),
            log_spectral_distance_db(*pair),
            loudness_error_lu(*pair, sample_rate),
            centroid_error_octaves(*pair, sample_rate),
        )
        spectral.append([np.asarray(values, np.float64) for values in each])
    parts, spectrum, loudness, centroid = (
        np.concatenate(values)[: len(made)] for values in zip(*spectral, strict=True)
    )
    begun = [[_begins(sound, sample_rate) for sound in sounds] for sounds in (made, true)]
    events = np.array([len(ours) + len(theirs) for ours, theirs in zip(*begun, strict=True)], float)
    agreed = [f1(ours, theirs, WITHIN_SECS) for ours, theirs in zip(*begun, strict=True)]
    matched = np.array(agreed) * events / 2
    return Nearness(parts, spectrum, loudness, centroid, matched, events)


def _begins(sound: Float32[np.ndarray, " samples"], sample_rate: int) -> np.ndarray:
    """When sounds begin, but for the very start: there it is cut."""
    found = onsets(sound, sample_rate)
    return found[found > WITHIN_SECS]


def ahead_percent(own: Nearness, others: Sequence[Nearness]) -> Interval:
    """By how much the own distance is smaller than that of the best of others, in percent.

    The interval is of pairs: own and others are of the same seconds, which are drawn together, and
    each time the best of the others is looked for anew.
    """

    def ahead(own: np.ndarray, *others: np.ndarray) -> float:
        best = min(pooled_distance(other) for other in others)
        return 100 * (1 - pooled_distance(own) / max(best, 1e-9))

    parts = [own.apart, *(other.apart for other in others)]
    return bootstrap_interval(ahead, *parts, resamples=RESAMPLES)
