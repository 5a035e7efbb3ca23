"""Pictures with the names of what they show, for training and for reports."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Int, Int32, UInt8

from wyh.dataset import Dataset
from wyh.errors import WyhError
from wyh.frames import FrameBank
from wyh.windows import Split

EVERY = 10
"""Of so many pictures of a class one chooses the best variables."""

FEWEST = 2
"""Pictures of a class that one can learn from: of one alone, nothing can vary."""


@dataclass(frozen=True)
class ClassPictures:
    """The pictures of a split. `labels` are places in `classes`."""

    classes: tuple[str, ...]
    bank: FrameBank
    labels: Int32[np.ndarray, " n"]

    @classmethod
    def of(cls, dataset: Dataset, split: Split) -> "ClassPictures":
        """Those of a set that was prepared with classes.

        Raises:
          WyhError: the split has no pictures.
        """
        bank = FrameBank(dataset, split)
        return cls(dataset.classes, bank, bank.labels)

    def check(self) -> None:
        """See that there is something to learn of each class.

        Raises:
          WyhError: one class alone, or too few pictures of some; all are named.
        """
        if len(self.classes) < 2:
            raise WyhError(f"got one class, {self.classes[0]}, wanted two or more")
        poor = [
            f"{name} {len(rows)}"
            for name, rows in zip(self.classes, self._of_class, strict=True)
            if len(rows) < FEWEST
        ]
        if poor:
            raise WyhError(
                f"got classes with too few pictures to learn from ({', '.join(poor)}), wanted "
                f"{FEWEST} or more of each: add some, leave the class out, or prepare them again "
                f"with --holdout 0"
            )

    @cached_property
    def held(self) -> Int[np.ndarray, " n"]:
        """Numbers of the pictures that choose the best variables: of each class every tenth.

        All of them, where no class has ten.
        """
        held = np.sort(np.concatenate([rows[EVERY - 1 :: EVERY] for rows in self._of_class]))
        return held if held.size else np.arange(len(self.labels))

    @property
    def others(self) -> Int[np.ndarray, " m"]:
        """Numbers of those that are learned from; every other one, where `held` has all."""
        rows = np.arange(len(self.labels))
        others = np.setdiff1d(rows, self.held)
        return others if others.size else rows[::2]

    def batch(
        self, step: int, batch_size: int, seed: int
    ) -> tuple[UInt8[np.ndarray, "batch height width channel"], Int32[np.ndarray, " batch"]]:
        """The pictures of a training step: all classes alike, however many each has."""
        rng = np.random.default_rng((seed, step))
        labels = np.arange(step * batch_size, (step + 1) * batch_size) % len(self.classes)
        rows = [rng.choice(self._training[label]) for label in labels]
        return self.bank.frames_at(np.array(rows)), labels.astype(np.int32)

    @cached_property
    def _of_class(self) -> list[Int[np.ndarray, " _"]]:
        return [np.flatnonzero(self.labels == label) for label in range(len(self.classes))]

    @cached_property
    def _training(self) -> list[Int[np.ndarray, " _"]]:
        return [rows[np.arange(len(rows)) % EVERY != EVERY - 1] for rows in self._of_class]
