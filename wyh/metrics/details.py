"""How like the details of two sets of pictures are, from the finest to the coarsest."""

import numpy as np
from jaxtyping import Float

COARSEST = 16
"""Pixels a side of the smallest pictures that patches are taken of."""

SIDE = 7
"""Pixels a side of a patch."""

PATCHES, LINES = 16_384, 256

Pictures = Float[np.ndarray, "_ _ _ _"]  # number, height, width, channels


def detail_distances(
    made: Pictures, real: Pictures, rng: np.random.Generator
) -> Float[np.ndarray, " levels"]:
    """Distance of the patches of two sets of pictures, finest detail first, 0 if alike.

    Pictures are halved until they have `COARSEST` pixels; of each size, what the next one lacks is
    cut into patches, in which each channel has the real ones' mean taken off and is divided by
    their standard deviation. Even few pictures have many of them. Source: Karras et al.,
    "Progressive growing of GANs for improved quality, stability, and variation", ICLR 2018.

    Args:
      made: in [0, 1], of as many as you like; square, a power of two of pixels a side.
      real: of the same size.
      rng: of chance, for where patches are, and the lines on which they are compared.

    Returns:
      In 1/1000 of a standard deviation; the last one is of the smallest pictures themselves.
    """
    found = []
    for some, others in zip(_levels(made), _levels(real), strict=True):
        one, other = (_patches(level, rng) for level in (some, others))
        mean, std = other.mean(axis=(0, 1, 2)), other.std(axis=(0, 1, 2)) + 1e-6
        flat = [((part - mean[None]) / std[None]).reshape(PATCHES, -1) for part in (one, other)]
        found.append(1000 * sliced(flat[0], flat[1], rng))
    return np.array(found)


def sliced(
    some: Float[np.ndarray, "n values"],
    others: Float[np.ndarray, "n values"],
    rng: np.random.Generator,
) -> float:
    """The mean Wasserstein distance of two sets as they lie on lines of any direction.

    Source: Rabin et al., "Wasserstein barycenter and its application to texture mixing", 2011.

    Args:
      some: as many as there are others.
      others: see above.
      rng: of chance, for the lines.
    """
    lines = rng.standard_normal((some.shape[1], LINES)).astype(np.float32)
    lines /= np.linalg.norm(lines, axis=0, keepdims=True)
    # On a line, the nearest way from one set to the other keeps their order.
    one, other = (np.sort(values.astype(np.float32) @ lines, axis=0) for values in (some, others))
    return float(np.abs(one - other).mean())


def _levels(pictures: Pictures) -> list[Pictures]:
    """What each size has and the next lacks, and the smallest size."""
    levels, rest = [], pictures
    while rest.shape[1] > COARSEST:
        n, height, width, channels = rest.shape
        half = rest.reshape(n, height // 2, 2, width // 2, 2, channels).mean(axis=(2, 4))
        levels.append(rest - half.repeat(2, axis=1).repeat(2, axis=2))
        rest = half
    return [*levels, rest]


def _patches(
    pictures: Pictures, rng: np.random.Generator
) -> Float[np.ndarray, "n side side channel"]:
    """So many from anywhere in any of the pictures."""
    n, height, width, _ = pictures.shape
    which = rng.integers(0, n, PATCHES)[:, None, None]
    top, left = (rng.integers(0, size - SIDE + 1, PATCHES) for size in (height, width))
    along = np.arange(SIDE)[None]
    return pictures[which, (top[:, None] + along)[..., None], (left[:, None] + along)[:, None]]
