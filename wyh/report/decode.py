"""Closed-form listeners: what is heard in each frame period, and ridge regression to pictures."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import jax
import numpy as np
from jaxtyping import Float, Int64, UInt8

from wyh.baselines import mean_picture
from wyh.metrics.heard import add_noise, log_mel
from wyh.metrics.intervals import Interval, bootstrap_interval
from wyh.metrics.pictures import gain_of_errors, ranks, squared_errors
from wyh.metrics.regression import ridge
from wyh.report.footage import Footage
from wyh.specs import VideoSpec
from wyh.transducers.listener import LOOKS, Listener

NOISE_DB = 20.0
"""Signal-to-noise ratio at which all listening is done, unless said otherwise."""

_GROUPS = 60  # of training seconds at most: each is left out once for each ridge regression
_RESAMPLES = 1000
_STRENGTHS = tuple(10.0**decade for decade in range(-4, 3))  # of ridge regression


class Sounds(NamedTuple):
    """The sound of the training pictures, and of those held out."""

    training: Float[np.ndarray, " samples"]
    held_out: Float[np.ndarray, " samples"]

    def noisy(self) -> "Sounds":
        """Both with noise, each against its own RMS."""
        draws = np.random.default_rng(1), np.random.default_rng(2)
        return Sounds(*(add_noise(x, NOISE_DB, rng) for x, rng in zip(self, draws, strict=True)))


class Score(NamedTuple):
    """What pictures decoded from sound are worth."""

    gain_db: Interval
    found: Interval  # R@1, the share that is nearest to its own picture


Features = Float[np.ndarray, "_ features"]


class Reader:
    """Reads the levels of a code's own bands around each picture, as the run's listener does.

    Args:
      listener: for codes of this size.
    """

    def __init__(self, listener: Listener) -> None:
        self._listener = listener

    def read(self, sounds: Sounds, counts: tuple[int, int], gain_db: float) -> list[Features]:
        """Readings of so many pictures of each sound, played at a gain, in units of the code."""
        # Both sounds as one, and every chunk as long: one shape is compiled.
        whole = np.concatenate(sounds) * np.float32(10 ** (-gain_db / 20))
        first = self._listener.middles(counts[0])
        second = self._listener.middles(counts[1]) + len(sounds.training)
        middles = np.concatenate([first, second])
        filled = np.pad(middles, (0, -len(middles) % _AT_ONCE), mode="edge")
        chunks = [
            np.asarray(_levels(self._listener, whole[None], some[None]))[0]
            for some in filled.reshape(-1, _AT_ONCE)
        ]
        looks = np.concatenate(chunks)
        # Looks through the same window are of the same kind: their mean says as much as they do.
        kinds = dict.fromkeys(look.window for look in LOOKS)
        alike = [[i for i, look in enumerate(LOOKS) if look.window == kind] for kind in kinds]
        levels = np.concatenate([looks[..., some].mean(axis=-1) for some in alike], axis=1)
        return [levels[: counts[0]], levels[counts[0] : len(middles)]]


_AT_ONCE = 128  # pictures
_levels = jax.jit(Listener.levels, static_argnums=0)


@dataclass(frozen=True)
class Gallery:
    """The pictures of a report as targets: decoded pictures are judged here, all alike."""

    footage: Footage
    video: VideoSpec
    sample_rate: int

    @cached_property
    def training(self) -> Float[np.ndarray, "n height width channel"]:
        """In [0, 1]."""
        return _as_pictures(self.footage.training.frames)

    @cached_property
    def held_out(self) -> Float[np.ndarray, "m height width channel"]:
        """In [0, 1]."""
        return _as_pictures(self.footage.held_out.frames)

    @cached_property
    def mean(self) -> Float[np.ndarray, "height width channel"]:
        """The mean training picture."""
        return mean_picture(self.training)

    @cached_property
    def _axes(self) -> tuple[Float[np.ndarray, "n axes"], Float[np.ndarray, "axes pixels"]]:
        """Training pictures, less their mean, in orthonormal axes of their own; and these.

        All that a linear decoder can say lies on them, so it may work there, where there are as
        many numbers as pictures rather than as pixels.
        """
        flat = (self.training - self.mean).reshape(len(self.training), -1)
        power, mixing = np.linalg.eigh(flat.astype(np.float64) @ flat.T)
        kept = power > 1e-7 * max(power[-1], 1e-9)
        length = np.sqrt(power[kept])
        return mixing[:, kept] * length, (mixing[:, kept] / length).T.astype(np.float32) @ flat

    @cached_property
    def places(self) -> Float[np.ndarray, "m 1 1 axes"]:
        """Held-out pictures as points that are as far from each other, in fewer numbers."""
        flat = self.held_out.reshape(len(self.held_out), -1).astype(np.float64)
        flat -= flat.mean(axis=0)
        power, mixing = np.linalg.eigh(flat @ flat.T)
        return (mixing * np.sqrt(np.maximum(power, 0)))[:, None, None]

    @cached_property
    def groups(self) -> Int64[np.ndarray, " n"]:
        """The second of each training picture, neighbours joined where there are many."""
        _, numbers = np.unique(self.footage.training.seconds, return_inverse=True)
        count = int(numbers.max()) + 1
        return numbers * min(count, _GROUPS) // count

    def mel(self, sound: Float[np.ndarray, " samples"], count: int) -> Features:
        """40 log-mel bands of each frame period: a listener that knows nothing of the code."""
        return log_mel(sound, self.sample_rate, self.video.frame_rate, count)

    def decode(self, training: Features, held_out: Features) -> np.ndarray:
        """Held-out pictures by ridge regression, clipped to [0, 1]."""
        targets, axes = self._axes
        fitted = ridge(training, targets, self.groups, _STRENGTHS)
        flat = fitted.predict(held_out).astype(np.float32) @ axes
        return np.clip(self.mean + flat.reshape(self.held_out.shape), 0, 1)

    def decode_mel(self, sounds: Sounds) -> np.ndarray:
        """Held-out pictures from noisy sound by log-mel bands."""
        heard = sounds.noisy()
        return self.decode(
            self.mel(heard.training, len(self.training)),
            self.mel(heard.held_out, len(self.held_out)),
        )

    def decode_bands(self, sounds: Sounds, reader: Reader, gain_db: float) -> np.ndarray:
        """Held-out pictures from noisy sound, played at a gain, by readings of the code's bands."""
        counts = len(self.training), len(self.held_out)
        return self.decode(*reader.read(sounds.noisy(), counts, gain_db))

    def gain_db(self, decoded: np.ndarray) -> float:
        """The gain alone, over the mean picture."""
        return gain_of_errors(*squared_errors(decoded, self.held_out, self.mean))

    def score(self, decoded: np.ndarray) -> Score:
        """Gain over the mean picture and R@1, with intervals over seconds."""
        seconds = self.footage.held_out.seconds
        errors = squared_errors(decoded, self.held_out, self.mean)
        found = ranks(decoded, self.held_out) < 1
        return Score(
            bootstrap_interval(gain_of_errors, *errors, groups=seconds, resamples=_RESAMPLES),
            bootstrap_interval(_share, found, groups=seconds, resamples=_RESAMPLES),
        )


def _share(found: np.ndarray) -> float:
    return float(np.mean(found))


def _as_pictures(frames: UInt8[np.ndarray, "*shape"]) -> Float[np.ndarray, "*shape"]:
    return frames.astype(np.float32) / 255


def mono(sound: Float[np.ndarray, "samples ..."]) -> Float[np.ndarray, " samples"]:
    """Both channels of stereo together, as one loudspeaker plays them."""
    return sound if sound.ndim == 1 else sound.mean(axis=1)


def best(scores: Sequence[Score]) -> Score:
    """The one with the largest gain."""
    return max(scores, key=lambda score: score.gain_db.value)
