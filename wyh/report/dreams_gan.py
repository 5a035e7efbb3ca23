"""What pictures of a GAN are worth: told by a judge, and beside those it learned from."""

import itertools
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Float32, Int, UInt8

from wyh.judging import seen_as
from wyh.metrics.classes import confusion
from wyh.metrics.galleries import (
    Coverage,
    coverage,
    diversity,
    frechet,
    nearest_of,
    plane,
    sharpness,
)
from wyh.models.dcgan import Gan, latent_at
from wyh.report.dreams_data import Judged, Shown, alike

EACH = 200
"""Pictures of each class that are judged."""

COMPARED = 1000
"""Pictures that are set against as many real ones, at most."""

AXES, NEIGHBOURS = 32, 3
PAIRS, OF_A_PAIR = 45, 20
TICKS = 200
_CHUNK = 100
DRAWS = 8
"""Of pictures for distances, whose mean counts: of one draw they are off by a third."""

_FITTED = 1000  # pictures that the principal components are of, at most


@dataclass(frozen=True, eq=False)
class Dreamer:
    """A GAN that draws."""

    gan: Gan
    variables: Mapping[str, Any]

    @cached_property
    def _drawn(self) -> Any:
        def drawn(variables: Any, latent: Array, mixture: Array) -> Array:
            made = self.gan.pictures(variables, latent, mixture)
            return jnp.rint(255 * made).astype(jnp.uint8)

        return jax.jit(drawn)

    def latents(self, rng: np.random.Generator, count: int) -> Float32[np.ndarray, "count latent"]:
        """Latents of any angles."""
        return self.turned(rng.uniform(0, 2 * np.pi, (count, self.gan.config.angles)))

    def turned(self, angles: Float[np.ndarray, "n angles"]) -> Float32[np.ndarray, "n latent"]:
        """Latents of these angles."""
        return np.asarray(latent_at(jnp.asarray(angles, jnp.float32)))

    def draw(
        self, latent: Float32[np.ndarray, "n latent"], mixture: Float[np.ndarray, "n classes"]
    ) -> UInt8[np.ndarray, "n height width channel"]:
        """Pictures of mixtures of sum 1, as they are shown."""
        made = []
        for first in range(0, len(latent), _CHUNK):
            some, of = latent[first : first + _CHUNK], mixture[first : first + _CHUNK]
            rest = (0, _CHUNK - len(some)), (0, 0)  # one shape: compiled once
            filled = np.pad(some, rest), np.pad(of.astype(np.float32), rest)
            made.append(np.asarray(self._drawn(self.variables, *filled))[: len(some)])
        return np.concatenate(made)

    def of_classes(self, labels: Int[np.ndarray, " n"], rng: np.random.Generator) -> Shown:
        """Pictures of one class each."""
        mixture = np.eye(self.gan.classes)[labels]
        return Shown(self.draw(self.latents(rng, len(labels)), mixture), labels)

    def step_ms(self, ticks: int = TICKS) -> Float[np.ndarray, " ticks"]:
        """Time to draw one picture after another, as live does; the first ones warm up."""
        variables = jax.device_put(dict(self.variables))
        latents = self.latents(np.random.default_rng(0), 16)
        mixture, taken = np.full((1, self.gan.classes), 1 / self.gan.classes, np.float32), []
        for tick in range(ticks):
            began = time.perf_counter()
            np.asarray(self._drawn(variables, latents[tick % 16][None], mixture))
            taken.append(1000 * (time.perf_counter() - began))
        return np.array(taken[-(-ticks // 10) :])


class Mixed(NamedTuple):
    """What is said of pictures that are half of one class and half of another: shares."""

    both: float  # the two are those it is most likely of
    either: float  # one of the two is


@dataclass(frozen=True, eq=False)
class Dreamt:
    """All that is measured of a GAN; what ends in `_real` of real pictures in their place.

    Attributes:
      classes: their names.
      judged: the judge, and the pictures it is checked on.
      counts: what pictures of each class, a row, were taken for.
      of_means: the same of the mean training picture of each class.
      mixed, mixed_real: of halves; of real ones, laid over one another.
      compared: how many pictures are set against as many.
      frechet: distance from the checked pictures in the judge's features, the mean of some draws.
      coverage: of the checked pictures, in a plane of others.
      diversity: within classes.
      sharpness: as the mean change from pixel to pixel.
      sharpness_means: of mean pictures.
      nearest: median distance from the nearest training picture.
      step_ms: time to draw one picture.
    """

    classes: tuple[str, ...]
    judged: Judged
    counts: Int[np.ndarray, "classes classes"]
    of_means: Int[np.ndarray, "classes classes"]
    mixed: Mixed
    mixed_real: Mixed
    compared: int
    frechet: float
    frechet_real: float
    coverage: Coverage
    coverage_real: Coverage
    diversity: float
    diversity_real: float
    sharpness: float
    sharpness_real: float
    sharpness_means: float
    nearest: float
    nearest_real: float
    step_ms: Float[np.ndarray, " ticks"]


def dreamt(
    dreamer: Dreamer, names: tuple[str, ...], training: Shown, found: Judged, each: int = EACH
) -> Dreamt:
    """Measure a GAN.

    Args:
      dreamer: that draws.
      names: of the classes.
      training: what it learned from.
      found: a judge, and pictures that neither has seen.
      each: pictures of each class to judge.
    """
    rng, count = np.random.default_rng(0), len(names)
    judge, checked = found.judge, found.checked
    made = dreamer.of_classes(np.repeat(np.arange(count), each), rng)
    means = np.stack([training.pictures[training.labels == k].mean(axis=0) for k in range(count)])
    means = np.rint(means).astype(np.uint8)
    compared = min(COMPARED, len(checked.labels), len(training.labels))
    checked, real, alone = (
        x.at(rng.permutation(len(x.labels))[:compared]) for x in (checked, training, training)
    )
    beside = dreamer.of_classes(alone.labels, rng)
    channels = judge.channels

    def flat(shown: Shown) -> Float32[np.ndarray, "n pixels"]:
        return seen_as(shown.pictures, channels).reshape(len(shown.labels), -1)

    known, far = judge.say(checked.pictures).features, list[list[float]]()
    for _ in range(DRAWS):
        drawn = training.at(rng.permutation(len(training.labels))[:compared])
        also = dreamer.of_classes(drawn.labels, rng)
        far.append([frechet(judge.say(x.pictures).features, known) for x in (also, drawn)])
    pixels = [flat(shown) for shown in (beside, real, checked)]
    some = found.known.at(rng.permutation(len(found.known.labels))[:_FITTED])
    space = plane(flat(some), AXES)
    placed = [space.of(values) for values in pixels]
    all_known = flat(training)
    nearest = [float(np.median(nearest_of(pixels[k][:EACH], all_known)[1])) for k in (0, 2)]
    return Dreamt(
        classes=names,
        judged=found,
        counts=confusion(made.labels, judge.say(made.pictures).best, count),
        of_means=confusion(np.arange(count), judge.say(means).best, count),
        mixed=_mixed(found, *_halves(dreamer, rng)),
        mixed_real=_mixed(found, *_laid_over(training, dreamer.gan.classes, rng)),
        compared=compared,
        frechet=float(np.mean(far, axis=0)[0]),
        frechet_real=float(np.mean(far, axis=0)[1]),
        coverage=coverage(placed[0], placed[2], NEIGHBOURS),
        coverage_real=coverage(placed[1], placed[2], NEIGHBOURS),
        diversity=diversity(flat(made), made.labels),
        diversity_real=diversity(all_known, training.labels),
        sharpness=sharpness(made.pictures),
        sharpness_real=sharpness(real.pictures),
        sharpness_means=sharpness(means),
        nearest=nearest[0],
        nearest_real=nearest[1],
        step_ms=dreamer.step_ms(),
    )


def pairs_of(classes: int, rng: np.random.Generator) -> Int[np.ndarray, "pairs 2"]:
    """Pairs of classes: all of them, or some where there are many."""
    pairs = np.array(list(itertools.combinations(range(classes), 2)))
    return pairs[np.sort(rng.permutation(len(pairs))[:PAIRS])]


def _halves(
    dreamer: Dreamer, rng: np.random.Generator
) -> tuple[UInt8[np.ndarray, "n height width channel"], Int[np.ndarray, "n 2"]]:
    pairs = np.repeat(pairs_of(dreamer.gan.classes, rng), OF_A_PAIR, axis=0)
    mixture = np.eye(dreamer.gan.classes)[pairs].mean(axis=1)
    return dreamer.draw(dreamer.latents(rng, len(pairs)), mixture), pairs


def _laid_over(
    real: Shown, classes: int, rng: np.random.Generator
) -> tuple[UInt8[np.ndarray, "n height width channel"], Int[np.ndarray, "n 2"]]:
    pairs = np.repeat(pairs_of(classes, rng), OF_A_PAIR, axis=0)
    one, other = (real.pictures[alike(real.labels, pairs[:, k], rng)] for k in (0, 1))
    return ((one.astype(np.uint16) + other) // 2).astype(np.uint8), pairs


def _mixed(
    found: Judged,
    pictures: UInt8[np.ndarray, "n height width channel"],
    pairs: Int[np.ndarray, "n 2"],
) -> Mixed:
    best = np.argsort(-found.judge.say(pictures).likely, axis=1)[:, :2]
    both = (np.sort(best, axis=1) == np.sort(pairs, axis=1)).all(axis=1)
    either = (best[:, :1] == pairs).any(axis=1)
    return Mixed(float(both.mean()), float(either.mean()))
