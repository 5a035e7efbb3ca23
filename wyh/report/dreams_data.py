"""What dreams are measured against: the pictures of a run's set, and a judge that learns of them.

The GAN has seen the training split alone. Of each class of the test split, four of five pictures
train the judge, and the fifth is to check it and the GAN on.
"""

from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Int, UInt8

from wyh.dataset import Dataset, is_dataset, open_dataset
from wyh.errors import WyhError
from wyh.frames import thinned
from wyh.judging import Judge, apart, train_judge
from wyh.metrics.classes import accuracy, confusion
from wyh.picture_classes import ClassPictures
from wyh.report.footage import prepared
from wyh.report.telling import class_names
from wyh.runs import Run
from wyh.windows import Split

MOST = 20_000
"""Pictures of a split, at most: evenly spread."""


class Shown(NamedTuple):
    """Pictures and the class of each."""

    pictures: UInt8[np.ndarray, "n height width channel"]
    labels: Int[np.ndarray, " n"]

    def at(self, rows: Int[np.ndarray, " m"]) -> "Shown":
        """Some of them."""
        return Shown(self.pictures[rows], self.labels[rows])


class Judged(NamedTuple):
    """Held-out pictures, the judge that four of five of them trained, and what it is worth."""

    known: Shown  # that trained the judge
    checked: Shown
    judge: Judge
    counts: Int[np.ndarray, "classes classes"]  # of those checked: true classes down

    @property
    def accuracy(self) -> float:
        """Of the judge, on real pictures that it has never seen."""
        return accuracy(self.counts)


def find_pictures(run: Run, inputs: tuple[Path, ...]) -> Dataset:
    """The set that a run's pictures came from: that which is given, or its own.

    Raises:
      WyhError: it is not there, or without classes, or with others than the run's.
    """
    given = [path for path in inputs if is_dataset(path)]
    dataset = open_dataset(given[0]) if given else prepared(run)
    if dataset is None:
        raise WyhError(
            f"{run.directory}: the pictures it was trained on are not here: name a set of them "
            f"that python -m data_prep.images --labelled has made"
        )
    wanted = class_names(run)
    if dataset.classes != wanted:
        raise WyhError(
            f"{dataset.path}: got pictures of {_listed(dataset.classes)}, wanted those of the run: "
            f"{_listed(wanted)}"
        )
    return dataset


def split_of(dataset: Dataset, split: Split) -> Shown:
    """The pictures of a split.

    Raises:
      WyhError: there are none.
    """
    if not dataset.count(split):
        raise WyhError(
            f"{dataset.path}: got no pictures in its {split} split, wanted some of each class: "
            f"prepare it again with --holdout 0.2 or more"
        )
    pictures = ClassPictures.of(dataset, split)
    rows = thinned(np.arange(pictures.bank.size), MOST)
    return Shown(pictures.bank.frames_at(rows), pictures.labels[rows].astype(int))


def judged(held: Shown, names: tuple[str, ...], steps: int | None = None) -> Judged:
    """Train a judge on held-out pictures, and see what it is worth on others.

    Args:
      held: that the GAN has never seen.
      names: of the classes.
      steps: of training; by the number of pictures unless given.

    Raises:
      WyhError: too few of a class.
    """
    trained, checked = (held.at(rows) for rows in apart(held.labels, names))
    judge = train_judge(trained.pictures, trained.labels, len(names), steps)
    counts = confusion(checked.labels, judge.say(checked.pictures).best, len(names))
    return Judged(trained, checked, judge, counts)


def alike(
    labels: Int[np.ndarray, " n"], wanted: Int[np.ndarray, " m"], rng: np.random.Generator
) -> Int[np.ndarray, " m"]:
    """For each wanted class one of it, none twice before all have been.

    Args:
      labels: of which there is one of each wanted class at least.
      wanted: classes.
      rng: of chance.
    """
    rows = np.empty(len(wanted), int)
    for label in np.unique(wanted):
        places = np.flatnonzero(wanted == label)
        pool = rng.permutation(np.flatnonzero(labels == label))
        rows[places] = np.resize(pool, len(places))
    return rows


def _listed(names: tuple[str, ...]) -> str:
    more = ", ..." if len(names) > 12 else ""
    return (", ".join(names[:12]) + more) or "no classes"
