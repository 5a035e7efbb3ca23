"""Pictures with the names of what they show, for training and for reports."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Int, Int32, UInt8

from wyh.dataset import Dataset
from wyh.errors import WyhError
from wyh.frames import FrameBank
from wyh.windows import Split

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
          WyhError: one class alone, or too few pictures of one; all are named.
        """
        if len(self.classes) < 2:
            raise WyhError(f"got one class, {self.classes[0]}, wanted two or more")
        counts = np.bincount(self.labels, minlength=len(self.classes))
        poor = [
            f"{name} {count}"
            for name, count in zip(self.classes, counts, strict=True)
            if count < FEWEST
        ]
        if poor:
            raise WyhError(
                f"got classes with too few pictures to learn from ({', '.join(poor)}), wanted "
                f"{FEWEST} or more of each: add some, or leave the class out"
            )

    def batch(
        self, step: int, batch_size: int, seed: int
    ) -> tuple[UInt8[np.ndarray, "batch height width channel"], Int32[np.ndarray, " batch"]]:
        """The pictures of a training step: all classes alike, however many each has."""
        rng = np.random.default_rng((seed, step))
        labels = np.arange(step * batch_size, (step + 1) * batch_size) % len(self.classes)
        rows = [rng.choice(self._of_class[label]) for label in labels]
        return self.bank.frames_at(np.array(rows)), labels.astype(np.int32)

    @cached_property
    def _of_class(self) -> list[Int[np.ndarray, " _"]]:
        return [np.flatnonzero(self.labels == label) for label in range(len(self.classes))]
