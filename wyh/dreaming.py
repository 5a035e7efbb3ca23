"""What is the same throughout the training of a pair that dreams pictures: draws, figures, sheets.

Pictures are varied before the discriminator sees them, real and made ones alike, so that few are
not learned by heart, and what is varied is not made: Zhao et al., "Differentiable augmentation for
data-efficient GAN training", NeurIPS 2020.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, PRNGKeyArray, UInt8

from wyh.augment import turn_light
from wyh.errors import WyhError, check_range
from wyh.metrics.details import detail_distances
from wyh.metrics.galleries import frechet, plane
from wyh.models.dcgan import Gan, drawn_latent
from wyh.runs import load_run, load_variables

OF_CLASSES = {
    ("generator", "params", "told", "kernel"): 0,
    ("discriminator", "params", "of_mixture", "kernel"): 0,
    ("discriminator", "params", "classes", "kernel"): 1,
    ("discriminator", "params", "classes", "bias"): 0,
}
"""Parameters with an entry for each class, and the axis it is along."""

AXES = 32
"""Principal components of the pictures, in which those made are compared with those kept out."""

COMPARED = 1000
"""Pictures of each kind for that, at most."""

ROWS, COLUMNS = 12, 10
"""Of a sheet of pictures."""

_LEAST = 1e-6  # distance of real pictures: those that are all the same are at none

Picture = UInt8[np.ndarray, "height width channel"]
Pictures = UInt8[np.ndarray, "_ height width channel"]
Distances = Float[np.ndarray, "2"]


@dataclass(frozen=True)
class VaryConfig:
    """How pictures are varied in training, real and made ones alike."""

    shift: float = 0.03  # of a side by which they are moved, up to, 0 to 0.5; edges are drawn out
    light: float = 0.0  # brightness and tint, up to this much, 0 to 1
    mirror: bool = False  # every other one left to right: not where that is another thing

    def __post_init__(self) -> None:
        check_range("shift", self.shift, 0, 0.5)
        check_range("light", self.light, 0, 1)


def varied(
    pictures: Float[Array, "n height width channel"], key: PRNGKeyArray, config: VaryConfig
) -> Float[Array, "n height width channel"]:
    """Each picture moved, in another light, or mirrored, at random."""
    n, height, width, _ = pictures.shape
    keys = jax.random.split(key, 4)
    rows, columns = round(config.shift * height), round(config.shift * width)
    if rows or columns:
        down = jax.random.randint(keys[0], (n, 1), -rows, rows + 1) + jnp.arange(height)[None]
        along = jax.random.randint(keys[1], (n, 1), -columns, columns + 1) + jnp.arange(width)[None]
        # Products with ones and zeros: on a CPU the gradient of a gather is slow.
        from_rows = jax.nn.one_hot(jnp.clip(down, 0, height - 1), height)
        from_columns = jax.nn.one_hot(jnp.clip(along, 0, width - 1), width)
        pictures = jnp.einsum("nhwc,nyh->nywc", pictures, from_rows)
        pictures = jnp.einsum("nywc,nxw->nyxc", pictures, from_columns)
    if config.light:
        pictures = turn_light(pictures, keys[2], config.light)
    if config.mirror:
        turned = jax.random.bernoulli(keys[3], 0.5, (n, 1, 1, 1))
        pictures = jnp.where(turned, pictures[:, :, ::-1], pictures)
    return pictures


def drawn_mixtures(
    key: PRNGKeyArray, count: int, classes: int, mixed: float
) -> Float[Array, "count classes"]:
    """Classes, all as often; of a share of them mixtures of two, neither under 0.3."""
    keys = jax.random.split(key, 4)
    one = jax.nn.one_hot(jax.random.randint(keys[0], (count,), 0, classes), classes)
    other = jax.nn.one_hot(jax.random.randint(keys[1], (count,), 0, classes), classes)
    part = jax.random.uniform(keys[2], (count, 1), minval=0.3, maxval=0.7)
    part = jnp.where(jax.random.bernoulli(keys[3], mixed, (count, 1)), part, 0.0)
    return (1 - part) * one + part * other


class Dreaming:
    """What pictures made in training are compared with. Holds constants only.

    Args:
      gan: the pair.
      held: pictures that are kept out of training.
      real: others, which show how far real pictures are from those.
      labels: the class of each of `real`; as many of each are made.
    """

    def __init__(self, gan: Gan, held: Pictures, real: Pictures, labels: Int[np.ndarray, " m"]):
        """Measure the real ones."""
        self.gan = gan
        self._held = held / np.float32(255)
        self._plane = plane(_flat(self._held), AXES)
        self._make = jax.jit(gan.pictures)
        self._mixtures = np.eye(gan.classes, dtype=np.float32)[labels]
        self._own = self._distances(real / np.float32(255))

    def figures_of(self, variables: Mapping[str, Any]) -> dict[str, float]:
        """How unlike the pictures that are kept out those made are: 1 is as real ones are.

        In form, by their principal components, in which few details are left; in detail, by their
        patches, which know nothing of the whole; and the mean of both.
        """
        made = self.made(variables, jax.random.key(0), self._mixtures)
        form, detail = self._distances(made) / np.maximum(self._own, _LEAST)
        return {
            "val_distance": float(form + detail) / 2,
            "val_form": float(form),
            "val_detail": float(detail),
        }

    def _distances(self, pictures: Float[np.ndarray, "n height width channel"]) -> Distances:
        form = frechet(*(self._plane.of(_flat(some)) for some in (pictures, self._held)))
        detail = detail_distances(pictures, self._held, np.random.default_rng(0)).mean()
        return np.array([form, detail])

    def made(
        self,
        variables: Mapping[str, Any],
        key: PRNGKeyArray,
        mixtures: Float[np.ndarray, "n classes"],
    ) -> Float[np.ndarray, "n height width channel"]:
        """Pictures of mixtures, a hundred at a time."""
        latents = np.asarray(drawn_latent(key, len(mixtures), self.gan.config))
        parts = [
            np.asarray(self._make(variables, latents[i : i + 100], mixtures[i : i + 100]))
            for i in range(0, len(mixtures), 100)
        ]
        return np.concatenate(parts)

    def sheets(self, variables: Mapping[str, Any]) -> dict[str, Picture]:
        """Pictures of each class in a row of its own, and half of a class and half of the next."""
        each = np.eye(self.gan.classes, dtype=np.float32)
        half = (each + np.roll(each, -1, axis=0)) / 2
        return {
            "a class a row": self._sheet(variables, each[:ROWS]),
            "half a class, half the next": self._sheet(variables, half[:ROWS]),
        }

    def _sheet(
        self, variables: Mapping[str, Any], mixtures: Float[np.ndarray, "rows classes"]
    ) -> Picture:
        made = self.made(variables, jax.random.key(1), np.repeat(mixtures, COLUMNS, axis=0))
        _, height, width, channels = made.shape
        rows = made.reshape(len(mixtures), COLUMNS, height, width, channels).swapaxes(1, 2)
        sheet = rows.reshape(len(mixtures) * height, COLUMNS * width, channels)
        return np.rint(255 * sheet).astype(np.uint8)


def started_from(path: Path, fresh: Mapping[str, Any], classes: Sequence[str]) -> dict[str, Any]:
    """The variables of another run, brought to these classes: those it knows are as they were.

    Args:
      path: of the run.
      fresh: new variables; what of them belongs to classes that the run does not know stays.
      classes: their names.

    Raises:
      WyhError: no run, one of another kind, or of other sizes.
    """
    run = load_run(path)
    if run.kind != "dcgan":
        raise WyhError(f"{path} is a run of {run.kind}, wanted dcgan: choose another --init-from")
    known = {name: place for place, name in enumerate(run.data["classes"])}
    pairs = [(place, known[name]) for place, name in enumerate(classes) if name in known]

    def brought(where: Any, new: Any, old: Any) -> Any:
        axis = OF_CLASSES.get(tuple(key.key for key in where))
        if axis is not None:
            new, old = np.moveaxis(np.array(new), axis, 0), np.moveaxis(np.asarray(old), axis, 0)
            if new.shape[1:] == old.shape[1:]:
                for place, before in pairs:
                    new[place] = old[before]
                return np.moveaxis(new, 0, axis)
        if np.shape(new) != np.shape(old):
            raise ValueError
        return old

    try:
        return jax.tree_util.tree_map_with_path(brought, dict(fresh), load_variables(run))
    except ValueError:
        raise WyhError(
            f"{path} has other sizes: train with its preset and --model.size, or without it"
        ) from None


def _flat(pictures: Float[np.ndarray, "n height width channel"]) -> Float[np.ndarray, "n pixels"]:
    return pictures.reshape(len(pictures), -1)
