"""What a run's pictures are set against: pictures that nobody trained, and one reader for all."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float, Float32, Int, UInt8

from wyh.metrics.painted import Kept, identified, kept
from wyh.metrics.regression import ridge
from wyh.report.album import Album, Heard, all_of, judged_size, looks_after_coding
from wyh.report.painter import SoundPainter
from wyh.report.soundtrack import HELD_OUT, TRAIN, Soundtrack

_GROUPS = 12  # of training seconds, each left out once: of neighbours together
_EXAMPLES = 2000  # training pictures that a reader is fitted to, at most
_STRENGTHS = tuple(10.0**decade for decade in range(-4, 2))
_REACH = 3.0  # standard deviations of a component that become black and white
_MOST = 8  # cells a side of its picture


@dataclass(frozen=True)
class Rival:
    """Some pictures as a reader sees them after H.264.

    Attributes:
      name: in `report.json`.
      label: for people.
      kept: of held-out features.
      found: share of half seconds that are identified.
      own: whether it is the run with its own decoder.
    """

    name: str
    label: str
    kept: Kept
    found: float
    own: bool = False


def judged(
    name: str,
    label: str,
    read: Float[np.ndarray, "n features"],
    facts: Heard,
    halves: Int[np.ndarray, "m pictures"],
    *,
    own: bool = False,
) -> Rival:
    """What was read, of all pictures."""
    held_out = facts.kinds == HELD_OUT
    return Rival(
        name, label, kept(read[held_out], facts.true[held_out]), found(read, facts, halves), own
    )


def found(
    read: Float[np.ndarray, "n features"], facts: Heard, halves: Int[np.ndarray, "m pictures"]
) -> float:
    """R@1 of half seconds: all features of their pictures against those of all true ones."""
    if not len(halves):
        return 0.0
    return identified(read[halves].reshape(len(halves), -1), _flat(facts.true[halves]))


def _flat(values: np.ndarray) -> np.ndarray:
    return values.reshape(len(values), -1)


def by_ridge(
    looks: Float32[np.ndarray, "n values"], facts: Heard
) -> Float[np.ndarray, "n features"]:
    """The closed-form reader: ridge regression from coarse looks, fitted to training pictures."""
    train = np.flatnonzero(facts.kinds == TRAIN)
    train = train[:: -(-len(train) // _EXAMPLES)]
    names, seconds = np.unique(facts.groups[train], return_inverse=True)
    groups = seconds * min(_GROUPS, len(names)) // len(names)
    fit = ridge(looks[train], facts.true[train], groups, _STRENGTHS)
    return fit.predict(looks)


def rivals(
    painter: SoundPainter,
    track: Soundtrack,
    facts: Heard,
    album: Album,
    halves: Int[np.ndarray, "m pictures"],
    folder: Path,
) -> Iterator[Rival]:
    """The run by its own decoder, and pictures of any origin by ridge regression."""
    own = album.read["h264"]
    yield judged("run", "this run, its own decoder", own, facts, halves, own=True)
    read = by_ridge(album.looks, facts)
    yield judged("run_ridge", "this run, ridge regression", read, facts, halves)
    video, shape = judged_size(painter), (painter.video.height, painter.video.width)
    pictures = all_of(painter, track, painter.untrained(), video)
    read = by_ridge(looks_after_coding(pictures, video, shape, folder), facts)
    yield judged("untrained", "untrained generator, ridge regression", read, facts, halves)
    components = component_pictures(facts, video.height, video.width)
    read = by_ridge(looks_after_coding(components, video, shape, folder), facts)
    yield judged("pca", "principal components as cells, ridge regression", read, facts, halves)


def component_pictures(
    facts: Heard, height: int, width: int, at_once: int = 64
) -> Iterator[UInt8[np.ndarray, "_ height width 3"]]:
    """Principal components of the features, each the red, green or blue of a square cell.

    All have the same contrast. The strongest come first, as many as cells have room for.
    """
    train = facts.true[facts.kinds == TRAIN].astype(np.float64)
    mean = train.mean(axis=0)
    _, _, axes = np.linalg.svd(train - mean, full_matrices=False)
    count = min(len(axes), 3 * _MOST**2)
    side = int(np.ceil(np.sqrt(count / 3)))
    values = (facts.true - mean) @ axes[:count].T
    spread = np.maximum(((train - mean) @ axes[:count].T).std(axis=0), 1e-9)
    shades = np.clip(0.5 + values / (2 * _REACH * spread), 0, 1)
    cells = np.full((len(values), side * side * 3), 0.5)
    cells[:, :count] = shades
    colours = np.rint(cells * 255).astype(np.uint8).reshape(-1, side, side, 3)
    rows, columns = (np.arange(size) * side // size for size in (height, width))
    for first in range(0, len(colours), at_once):
        yield colours[first : first + at_once][:, rows][:, :, columns]
