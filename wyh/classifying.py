"""What naming sounds is learned with: targets, temperatures and figures.

In time a class is said while its sound is heard and shortly after; then nothing is. How well a
sound is told is asked of all its estimates together, each as far as something is heard in it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Float32, Int, PRNGKeyArray

from wyh.metrics.classes import (
    accuracy,
    calibration_error,
    confusion,
    fit_temperature,
    log_softmax,
    macro_f1,
)
from wyh.models.sound_classifier import Recogniser, level_db
from wyh.selection import SelectionConfig, chosen
from wyh.sound_set import SoundSet
from wyh.sound_variation import coloured_noise

AUDIBLE_DB, UNDER_PEAK_DB = -70.0, 35.0
"""What is quieter, or so much quieter than the loudest of its window, is nothing."""

HELD_SECS, GIVEN_UP_SECS = 0.25, 0.4
"""After its sound a class is still said so long, and nothing is said from the second on."""

RECOGNISED_SECS = 0.3
"""From when it begins until a sound counts in full: nobody knows it at once."""

FEATURE_WINDOWS = 400
"""From which the mean and the standard deviation of features are found."""

_CHUNK = 64
_LEAST = 0.1  # what a sound's first estimate counts


class Targets(NamedTuple):
    """What is to be said at each tick, and how much it counts."""

    likely: Float[Array, "batch ticks classes_and_nothing"]
    weight: Float[Array, "batch ticks"]


@dataclass(frozen=True)
class Held:
    """Windows that are not trained on, with the sounds they are of."""

    windows: Float32[np.ndarray, "n samples"]
    labels: Int[np.ndarray, " n"]
    sound: Int[np.ndarray, " n"]

    @classmethod
    def of(cls, sounds: SoundSet, rows: Int[np.ndarray, " n"], samples: int) -> "Held":
        """Some windows of a set, so many samples of each."""
        of = np.unique(sounds.sound_of[rows], return_inverse=True)[1]
        return cls(sounds.waveforms(rows)[:, :samples], sounds.labels[rows], of)

    @property
    def truth(self) -> Int[np.ndarray, " sounds"]:
        """The class of each sound."""
        return self.labels[np.unique(self.sound, return_index=True)[1]]


@dataclass(frozen=True)
class Figures:
    """How well sounds are told."""

    accuracy: float
    macro_f1: float
    calibration_error: float  # after temperature
    calibration_error_before: float
    heard: float  # share of windows in which something is heard
    false_alarms: float  # share of windows of silence and noise in which something is
    confusion: Int[np.ndarray, "classes classes"]

    def numbers(self, before: str = "") -> dict[str, float]:
        """All but the confusion, by name."""
        return {f"{before}{n}": v for n, v in vars(self).items() if n != "confusion"}


@dataclass(frozen=True, eq=False)
class Classifying:
    """What is the same throughout a training. Holds constants only."""

    recogniser: Recogniser
    classes: int
    mean: Float32[np.ndarray, " features"]
    std: Float32[np.ndarray, " features"]

    @classmethod
    def of(
        cls, recogniser: Recogniser, classes: int, windows: Float32[np.ndarray, "n samples"]
    ) -> "Classifying":
        """Find out how features are to be normalised, from windows of whole blocks."""
        step = max(1, -(-len(windows) // FEATURE_WINDOWS))
        some = jnp.asarray(windows[::step])
        before = recogniser.init(len(some)).sound
        columns = np.asarray(jax.jit(recogniser.features)(before, some)[1])
        heard = columns[columns.mean(axis=-1) > AUDIBLE_DB]
        found = heard if len(heard) else columns.reshape(-1, columns.shape[-1])
        std = np.maximum(found.std(axis=0), 1.0)
        return cls(recogniser, classes, found.mean(axis=0), std)

    def init(self, key: PRNGKeyArray) -> Any:
        """Parameters of the network before training."""
        config = self.recogniser.config
        x = jnp.zeros((1, config.stride ** len(config.channels), config.features.size))
        network = self.recogniser.init(1).network
        return jax.jit(self.recogniser.model.init)(key, x, network)["params"]

    def variables(
        self, params: Any, temperature: float = 1.0, of_sounds: float = 1.0
    ) -> dict[str, Any]:
        """What a run is played with.

        Args:
          params: of the network.
          temperature: of the estimates in time.
          of_sounds: of whole sounds.
        """
        return {
            "params": params,
            "mean": self.mean,
            "std": self.std,
            "temperature": np.float32(temperature),
            "sound_temperature": np.float32(of_sounds),
        }


def targets_of(
    sound: Float[Array, "batch windows samples"],
    labels: Int[Array, "batch windows"],
    classes: int,
    block: int,
    tick_secs: float,
) -> Targets:
    """What is to be said of windows that are heard one after the other, each of one class.

    Args:
      sound: without noise, of whole blocks.
      labels: of the windows.
      classes: how many there are.
      block: samples of a tick.
      tick_secs: from tick to tick.
    """
    level = level_db(sound, block)
    least = jnp.maximum(level.max(axis=-1, keepdims=True) - UNDER_PEAK_DB, AUDIBLE_DB)
    active = (level > least).reshape(len(sound), -1)
    ticks = jnp.arange(active.shape[1])[None]
    window = ticks // level.shape[2]
    last = _newest(active, ticks)
    since_secs = jnp.where(last >= 0, (ticks - last) * tick_secs, jnp.inf)
    shifted = jnp.pad(since_secs, ((0, 0), (1, 0)), constant_values=jnp.inf)[:, :-1]
    new = jnp.pad(window[:, 1:] != window[:, :-1], ((0, 0), (1, 0)), constant_values=True)
    begins = active & ((shifted > HELD_SECS) | new)
    known_secs = (ticks - _newest(begins, ticks) + 1) * tick_secs
    said = jnp.take_along_axis(labels, jnp.maximum(last, 0) // level.shape[2], axis=1)
    classed = since_secs <= HELD_SECS
    label = jnp.where(classed, said, classes)
    sure = jnp.clip(known_secs / RECOGNISED_SECS, _LEAST, 1.0)
    weight = jnp.where(classed, sure, (since_secs > GIVEN_UP_SECS).astype(jnp.float32))
    return Targets(jax.nn.one_hot(label, classes + 1), weight)


def _newest(there: Bool[Array, "batch ticks"], ticks: Int[Array, "1 ticks"]) -> Array:
    """For each tick the newest one that is there; -1 before."""
    return jax.lax.cummax(jnp.where(there, ticks, -1), axis=1)


def only_what_is_heard(targets: Targets) -> Targets:
    """Targets of sounds that are mixed: nothing is said only where none of them is heard."""
    named = targets.likely[..., :-1]
    total = named.sum(axis=-1, keepdims=True)
    likely = jnp.concatenate([named / jnp.where(total > 0, total, 1.0), 1.0 * (total == 0)], -1)
    return Targets(likely, targets.weight)


_targets_of = jax.jit(targets_of, static_argnums=(2, 3, 4))
_chosen = jax.jit(chosen)
_coloured_noise = jax.jit(coloured_noise, static_argnums=(1, 2))


@partial(jax.jit, static_argnums=0)
def _logits(
    learned: Classifying, variables: Any, sound: Float[Array, "batch samples"]
) -> Float[Array, "batch ticks classes_and_nothing"]:
    return learned.recogniser.logits(variables, learned.recogniser.init(len(sound)), sound)[1]


def logits_of(
    learned: Classifying, params: Any, windows: Float32[np.ndarray, "n samples"]
) -> Float32[np.ndarray, "n ticks classes_and_nothing"]:
    """Log odds at each tick of windows, each from a blank memory."""
    variables, found = learned.variables(params), []
    for first in range(0, len(windows), _CHUNK):
        part = windows[first : first + _CHUNK]
        filled = np.pad(part, ((0, _CHUNK - len(part)), (0, 0)))  # one shape: compiled once
        found.append(np.asarray(_logits(learned, variables, filled))[: len(part)])
    return np.concatenate(found)


def of_sounds(
    logits: Float32[np.ndarray, "n ticks classes_and_nothing"], sound: Int[np.ndarray, " n"]
) -> Float32[np.ndarray, "sounds classes"]:
    """Log odds of the classes of whole sounds: the mean of all estimates of all their windows.

    Each counts as much as it is likely that there is something to be heard.
    """
    named = log_softmax(logits[..., :-1])
    heard = 1 - np.exp(log_softmax(logits)[..., -1:]) + 1e-6
    sounds = int(sound.max()) + 1
    total, weight = np.zeros((sounds, named.shape[-1])), np.zeros((sounds, 1))
    np.add.at(total, sound, (heard * named).sum(axis=1))
    np.add.at(weight, sound, heard.sum(axis=1))
    return (total / weight).astype(np.float32)


def tuned(learned: Classifying, params: Any, held: Held) -> dict[str, Any]:
    """What the run is played with, its temperatures as they are best for held-out sounds."""
    config, logits = learned.recogniser.config, logits_of(learned, params, held.windows)
    of = fit_temperature(of_sounds(logits, held.sound), held.truth)
    sound, labels = jnp.asarray(held.windows)[:, None], jnp.asarray(held.labels)[:, None]
    targets = _targets_of(sound, labels, learned.classes, config.block, config.tick_secs)
    said, weight = np.asarray(targets.likely.argmax(axis=-1)), np.asarray(targets.weight)
    flat = logits.reshape(-1, logits.shape[-1])
    return learned.variables(params, fit_temperature(flat, said.ravel(), weight.ravel()), of)


def figures_of(learned: Classifying, variables: Mapping[str, Any], held: Held) -> Figures:
    """How well held-out sounds are told, with the temperatures of the variables."""
    logits = logits_of(learned, variables["params"], held.windows)
    odds, truth = of_sounds(logits, held.sound), held.truth
    counts = confusion(truth, odds.argmax(axis=1), learned.classes)
    before, after = (np.exp(log_softmax(odds / t)) for t in (1, variables["sound_temperature"]))
    samples = held.windows.shape[1]
    quiet = nothing_to_hear(samples)
    # What begins is more like a sound than what goes on.
    begun = np.where(np.arange(samples)[None] < samples // 2, np.float32(0), quiet)
    quiet = np.concatenate([quiet, begun])
    alarms = logits_of(learned, variables["params"], quiet)
    temperature = variables["temperature"]
    return Figures(
        accuracy(counts),
        macro_f1(counts),
        calibration_error(after, truth),
        calibration_error(before, truth),
        float(any_heard(logits, temperature).mean()),
        float(any_heard(alarms, temperature).mean()),
        counts,
    )


def any_heard(
    logits: Float32[np.ndarray, "n ticks classes_and_nothing"], temperature: Any
) -> Bool[np.ndarray, " n"]:
    """Whether a selection as it is by default hears something at any tick."""
    settings = SelectionConfig().settings()
    likely = np.exp(log_softmax(logits / np.float32(temperature)))[..., :-1]
    heard = _chosen(likely, settings.most, settings.threshold, settings.sure)[1]
    return np.any(np.asarray(heard), axis=1)


@cache
def nothing_to_hear(samples: int, each: int = 5) -> Float32[np.ndarray, "n samples"]:
    """Silence, and white, pink and brown noise at -60, -40 and -20 dB against a sine."""
    found = [np.zeros((1, samples), np.float32)]
    for number, tilt in enumerate((0.0, 1.0, 2.0)):
        key = jax.random.key(number)
        noise = np.asarray(_coloured_noise(key, 3 * each, samples, jnp.full(3 * each, tilt)))
        rms = 10 ** (np.repeat([-60.0, -40.0, -20.0], each) / 20) / np.sqrt(2)
        found.append((noise * rms[:, None]).astype(np.float32))
    return np.concatenate(found)


def confusion_picture(counts: Int[np.ndarray, "classes classes"], side: int = 16) -> np.ndarray:
    """Squares, uint8 [height, width, 1]: true classes down, told ones across, all is white."""
    share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    return np.kron(np.rint(255 * share).astype(np.uint8), np.ones((side, side), np.uint8))[
        ..., None
    ]
