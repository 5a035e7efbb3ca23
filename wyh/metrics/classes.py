"""How often a class is told rightly, and how often it is as likely as was said."""

import numpy as np
from jaxtyping import Float, Int

BINS = 15
"""Of probabilities, for the calibration error."""

TEMPERATURES = np.geomspace(0.05, 20, 241)
"""Among which the best is taken."""


def confusion(
    labels: Int[np.ndarray, " n"], told: Int[np.ndarray, " n"], classes: int
) -> Int[np.ndarray, "classes classes"]:
    """How many of each class, a row, were told as each class, a column."""
    counts = np.zeros((classes, classes), int)
    np.add.at(counts, (labels, told), 1)
    return counts


def accuracy(counts: Int[np.ndarray, "classes classes"]) -> float:
    """Share of those told rightly; 0 of none."""
    return float(np.trace(counts) / max(counts.sum(), 1))


def f1_of_classes(counts: Int[np.ndarray, "classes classes"]) -> Float[np.ndarray, " classes"]:
    """The harmonic mean of precision and recall of each class; nan where it neither is nor is told.

    Args:
      counts: from `confusion`.
    """
    either = (counts.sum(axis=0) + counts.sum(axis=1)).astype(float)
    return np.where(either > 0, 2 * np.diag(counts) / np.maximum(either, 1), np.nan)


def macro_f1(counts: Int[np.ndarray, "classes classes"]) -> float:
    """The mean over classes of `f1_of_classes`, those left out that neither are nor are told."""
    found = f1_of_classes(counts)
    return float(found[~np.isnan(found)].mean()) if counts.any() else 0.0


def calibration_error(
    probabilities: Float[np.ndarray, "n classes"], labels: Int[np.ndarray, " n"], bins: int = BINS
) -> float:
    """Expected calibration error: how far the greatest probability is from how often it is true.

    In bins of equal width, each weighted by how many are in it. Source: Guo et al., "On calibration
    of modern neural networks", ICML 2017. 0 of none.
    """
    if not len(labels):
        return 0.0
    sure, right = probabilities.max(axis=1), probabilities.argmax(axis=1) == labels
    place = np.clip(np.ceil(sure * bins).astype(int) - 1, 0, bins - 1)  # ends belong to the lower
    away = np.bincount(place, weights=right - sure, minlength=bins)
    return float(np.abs(away).sum() / len(labels))


def log_softmax(logits: Float[np.ndarray, "*lead classes"]) -> Float[np.ndarray, "*lead classes"]:
    """Logarithms of probabilities."""
    shifted = logits - logits.max(axis=-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))


def fit_temperature(
    logits: Float[np.ndarray, "n classes"],
    labels: Int[np.ndarray, " n"],
    weights: Float[np.ndarray, " n"] | None = None,
) -> float:
    """What to divide log odds by so that labels are most likely; 1 where there are none.

    Args:
      logits: as they are trained.
      labels: the truth.
      weights: how much each counts; all alike unless given.
    """
    if not len(labels) or (weights is not None and not weights.any()):
        return 1.0
    rows = np.arange(len(labels))
    likely = [
        np.average(log_softmax(logits / t)[rows, labels], weights=weights) for t in TEMPERATURES
    ]
    return float(TEMPERATURES[int(np.argmax(likely))])
