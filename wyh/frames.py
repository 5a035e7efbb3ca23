"""Single frames of a data set for training: which to use when, in memory where they fit."""

import functools
from collections.abc import Iterator

import numpy as np
from jaxtyping import Bool, Float64, Int, Int32, Shaped, UInt8

from wyh.dataset import Batch, Dataset, load_frames
from wyh.errors import WyhError
from wyh.records import read_records
from wyh.windows import GUARD, Split

MEMORY_BYTES = 2 << 30
"""Larger sets are read from their shards frame by frame."""

EVERY = 10
"""One block, or one recording, of so many is kept for validation."""


class FrameBank:
    """The frames of a split by number, whatever the length of their windows.

    Raises:
      WyhError: the split has no frames.
    """

    def __init__(self, dataset: Dataset, split: Split, memory_bytes: int = MEMORY_BYTES) -> None:
        spec = dataset.spec
        self._dataset, self._split, self._time = dataset, split, spec.frames_per_window
        self.size = dataset.count(split) * self._time
        if not self.size:
            raise WyhError(f"{dataset.path}: no pictures to train on: give more footage")
        self._loaded = None
        if self.size * spec.video.frame_bytes <= memory_bytes:
            self._loaded = load_frames(dataset, split)
        else:  # only then: shards that are mapped count as memory too
            self._source = dataset.split(split)

    def frames_at(
        self, indices: Int[np.ndarray, " n"]
    ) -> UInt8[np.ndarray, "n height width channel"]:
        """Frames by number."""
        if self._loaded is not None:
            return self._loaded.pixels[indices]
        batch = self._dataset.decode([self._source[int(i)] for i in indices // self._time])
        return batch["frames"][np.arange(len(indices)), indices % self._time]

    def films_at(
        self, indices: Int[np.ndarray, "n time"]
    ) -> UInt8[np.ndarray, "n time height width channel"]:
        """Sequences of frames by number."""
        frames = self.frames_at(indices.ravel())
        return frames.reshape(*indices.shape, *frames.shape[1:])

    def divide(self) -> tuple[Int[np.ndarray, " training"], Int[np.ndarray, " validation"]]:
        """Numbers of the frames to train on, and of those that choose the best variables.

        Validation takes every tenth recording, or of a single recording blocks of a second with
        the guard of `wyh.windows` around them. Footage too short for either validates on what it
        trains on.
        """
        starts, recordings = self.places
        seen = np.unique(recordings)
        if len(seen) > 1:
            held = np.isin(
                recordings, seen[EVERY // 2 :: EVERY] if len(seen) > EVERY else seen[-1:]
            )
            near = held
        else:
            held, near = _held_blocks(starts)
        if not held.any() or near.all():
            return np.arange(self.size), np.arange(self.size)
        return np.flatnonzero(~near), np.flatnonzero(held)

    def runs(self, chosen: Int[np.ndarray, " n"]) -> list[Int[np.ndarray, " _"]]:
        """Frames by number, divided into those that follow one another."""
        starts, recordings = self.places
        period = 1 / float(self._dataset.spec.video.frame_rate)
        chosen = np.sort(chosen)
        apart = (np.diff(chosen) != 1) | (np.diff(recordings[chosen]) != 0)
        apart |= np.abs(np.diff(starts[chosen]) - period) > period / 2
        return np.split(chosen, np.flatnonzero(apart) + 1)

    def sequences(self, chosen: Int[np.ndarray, " n"], length: int) -> Int[np.ndarray, "m length"]:
        """Runs of frames that follow one another, all of them among `chosen`, by number.

        One starts at each frame that has enough after it. A shorter run, such as a photo, gives one
        sequence, in which its last frame is held.
        """
        found = []
        for run in self.runs(chosen):
            first = np.arange(max(1, len(run) - length + 1))
            found.append(run[np.minimum(first[:, None] + np.arange(length), len(run) - 1)])
        return np.concatenate(found)

    @functools.cached_property
    def places(self) -> tuple[Float64[np.ndarray, " n"], Int32[np.ndarray, " n"]]:
        """Start in seconds, and recording as in `Dataset.recordings`, of every frame."""
        if self._loaded is not None:
            return self._loaded.start_secs, self._loaded.recording
        count = self.size // self._time
        starts, recordings = np.empty(count, np.float64), np.empty(count, np.int32)
        for row, window in enumerate(each_window(self._dataset, self._split)):
            starts[row], recordings[row] = window["start_secs"][0], window["recording"][0]
        after = np.arange(self._time) / float(self._dataset.spec.video.frame_rate)
        return (starts[:, None] + after).ravel(), np.repeat(recordings, self._time)

    @functools.cached_property
    def labels(self) -> Int32[np.ndarray, " n"]:
        """The class of every frame, as in `Dataset.classes`, of a set that has some."""
        windows = each_window(self._dataset, self._split)
        labels = np.concatenate([window["label"] for window in windows])
        return np.repeat(labels, self._time).astype(np.int32)


def each_window(dataset: Dataset, split: Split) -> Iterator[Batch]:
    """The windows of a split in the order of their numbers, each as a batch of one."""
    for path in dataset.paths(split):
        for record in read_records(path):
            yield dataset.decode([record])


def _held_blocks(
    starts: Float64[np.ndarray, " n"],
) -> tuple[Bool[np.ndarray, " n"], Bool[np.ndarray, " n"]]:
    """Frames of every tenth second, and all frames within the guard of those."""
    second = np.floor(starts + 1e-6)
    held_seconds = np.unique(second[second % EVERY == EVERY - 3])
    held = np.isin(second, held_seconds)
    distance = np.full(len(starts), np.inf)
    for block in held_seconds:
        distance = np.minimum(distance, np.maximum(block - starts, starts - (block + 1)))
    return held, distance <= GUARD


def thinned(values: Shaped[np.ndarray, "n ..."], most: int) -> Shaped[np.ndarray, "m ..."]:
    """At most so many of the values, evenly spread."""
    return values[:: max(1, -(-len(values) // most))]


def shuffled(step: int, batch_size: int, size: int, seed: int) -> Int[np.ndarray, " batch"]:
    """Which of `size` examples step `step` trains on; every epoch is a new permutation.

    A function of the step alone, so that resuming needs no iterator's state. An epoch runs on into
    the next: no example is left out.
    """
    first = step * batch_size
    places = np.arange(first, first + batch_size)
    epochs = np.unique(places // size)
    orders = {int(epoch): _order(int(epoch), size, seed) for epoch in epochs}
    return np.array([orders[int(place // size)][place % size] for place in places])


@functools.lru_cache(maxsize=4)
def _order(epoch: int, size: int, seed: int) -> Int[np.ndarray, " size"]:
    return np.random.default_rng((seed, epoch)).permutation(size)
