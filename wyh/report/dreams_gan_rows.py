"""The figures of a GAN's report, and how they were measured."""

from dataclasses import replace

import numpy as np

from wyh.metrics.classes import accuracy
from wyh.metrics.intervals import bootstrap_interval
from wyh.report.dreams_gan import EACH, Dreamt
from wyh.report.findings import Figure

_SURE, _EVERY_CLASS, _FPS = 98.0, 95.0, 60.0

LABELS = {
    "real": "real pictures",
    "means": "mean pictures",
    "chance": "chance",
    "laid_over": "two real ones laid over",
}


def sentence(seen: Dreamt) -> str:
    """The result in a sentence."""
    return (
        f"Of {int(seen.counts.sum())} pictures that it made, {100 * accuracy(seen.counts):.1f} % "
        f"are taken for what they are meant to be by a judge that has never seen the pictures it "
        f"learned from, and that knows {100 * seen.judged.accuracy:.1f} % of real ones."
    )


def figures(seen: Dreamt) -> list[Figure]:
    """The table."""
    grouped = {
        "what the pictures show": _shows(seen),
        "against real pictures": _beside(seen),
        "speed": _speed(seen),
    }
    return [replace(row, group=group) for group, rows in grouped.items() for row in rows]


def each_class(counts: np.ndarray) -> np.ndarray:
    """The share of each class that is told rightly."""
    return np.diag(counts) / np.maximum(counts.sum(axis=1), 1)


def _shows(seen: Dreamt) -> list[Figure]:
    real, means = 100 * seen.judged.accuracy, 100 * accuracy(seen.of_means)
    each, count = 100 * each_class(seen.counts), len(seen.classes)
    hits = np.repeat([1.0, 0.0], [np.trace(seen.counts), seen.counts.sum() - np.trace(seen.counts)])
    # A judge that is less sure itself cannot ask for so much.
    asked = real >= _SURE - 0.05
    beside = {"real": real, "means": means, "chance": 100 / count}
    worst_real = float(100 * each_class(seen.judged.counts).min())
    return [
        Figure(
            "generated_accuracy",
            "made pictures taken for what they are meant to be",
            100 * accuracy(seen.counts),
            "%",
            "higher",
            bootstrap_interval(lambda x: 100 * float(x.mean()), hits, resamples=1000),
            beside,
            about=f"{EACH} of each class, by the judge",
            wanted=_SURE if asked else None,
            headline="of made pictures are what they are meant to be",
        ),
        Figure(
            "generated_worst_class",
            f"the same of the worst class, {seen.classes[int(each.argmin())]}",
            float(each.min()),
            "%",
            "higher",
            baselines={"real": worst_real, "chance": 100 / count},
            wanted=_EVERY_CLASS if asked else None,
            headline="of the worst class",
        ),
        Figure(
            "judge_accuracy",
            "the judge on real pictures",
            real,
            "%",
            "higher",
            about=f"{int(seen.judged.counts.sum())} that it was not trained on either",
        ),
        Figure(
            "mixture_both",
            "halves of two classes: both are seen",
            100 * seen.mixed.both,
            "%",
            "higher",
            baselines={
                "laid_over": 100 * seen.mixed_real.both,
                "chance": 200 / (count * (count - 1)),
            },
            about="the two classes are the two that the judge finds most likely",
            headline="of mixtures show both of their classes",
        ),
        Figure(
            "mixture_either",
            "halves of two classes: one of the two is seen",
            100 * seen.mixed.either,
            "%",
            "higher",
            baselines={"laid_over": 100 * seen.mixed_real.either, "chance": 200 / count},
        ),
    ]


def _beside(seen: Dreamt) -> list[Figure]:
    return [
        Figure(
            "frechet_ratio",
            "Frechet distance, to that of real pictures",
            seen.frechet / max(seen.frechet_real, 1e-9),
            "",
            "lower",
            baselines={"real": 1.0},
            about=f"in the judge's features, {seen.compared} against as many, mean of draws",
            wanted=2.0,
            headline="times as far from held-out pictures as the real ones it learned from",
        ),
        Figure(
            "frechet",
            "Frechet distance from held-out pictures",
            seen.frechet,
            "",
            "lower",
            baselines={"real": seen.frechet_real},
        ),
        Figure(
            "precision",
            "made pictures that lie among real ones",
            100 * seen.coverage.precision,
            "%",
            "higher",
            baselines={"real": 100 * seen.coverage_real.precision},
            about="precision by 3 nearest neighbours in a plane of 32 principal components",
        ),
        Figure(
            "recall",
            "real pictures that lie among made ones",
            100 * seen.coverage.recall,
            "%",
            "higher",
            baselines={"real": 100 * seen.coverage_real.recall},
        ),
        Figure(
            "diversity_ratio",
            "diversity within a class, to that of the data",
            seen.diversity / max(seen.diversity_real, 1e-9),
            "",
            "higher",
            baselines={"real": 1.0, "means": 0.0},
            about="the mean distance between pictures of one class",
            wanted=0.9,
            headline="of the data's diversity",
        ),
        Figure(
            "sharpness_ratio",
            "sharpness, to that of the data",
            seen.sharpness / max(seen.sharpness_real, 1e-9),
            "",
            "higher",
            baselines={"real": 1.0, "means": seen.sharpness_means / max(seen.sharpness_real, 1e-9)},
            about="the mean change from pixel to pixel; noise is sharp as well",
            wanted=0.9,
        ),
        Figure(
            "nearest_ratio",
            "distance from the nearest training picture, to that of held-out ones",
            seen.nearest / max(seen.nearest_real, 1e-9),
            "",
            "higher",
            baselines={"real": 1.0},
            about="medians; near 0, it would have learned its pictures by heart",
        ),
    ]


def _speed(seen: Dreamt) -> list[Figure]:
    p50, p95 = (float(x) for x in np.quantile(seen.step_ms, [0.5, 0.95]))
    return [
        Figure(
            "fps",
            "pictures a second, one at a time",
            1000 / p50,
            "",
            "higher",
            wanted=_FPS,
            headline="pictures a second, one at a time",
        ),
        Figure("step_p95_ms", "one picture, p95", p95, "ms", "lower", baselines={"p50": p50}),
    ]


def method(seen: Dreamt, training: int, held: int) -> list[str]:
    """How it was measured, in sentences."""
    trained, checked = (len(x.labels) for x in (seen.judged.known, seen.judged.checked))
    return [
        f"The run learned from {training} pictures. A judge, a small convolutional network, was "
        f"trained for this report on {trained} of {held} others, and checked on the rest, "
        f"{checked}. It sees pictures of 32x32 pixels, each the mean of what it covers.",
        f"All pictures are of 8 bits. Judged are {EACH} of each class, of latents drawn by chance; "
        "mean pictures are those of the training pictures of each class. Half and half are up to "
        "45 pairs of classes, 20 pictures each; beside them two training pictures laid over one "
        "another.",
        f"The Frechet distance is between normal distributions fitted to the judge's 128 features, "
        f"of {seen.compared} pictures on either side: held-out ones, and made ones of classes as "
        "frequent as in training; for real pictures as many training ones take their place.",
        "Precision and recall: whether a picture is within the reach of one of the other set, each "
        "reaching to its third nearest neighbour in its own. The plane is that of 32 principal "
        "components of the judge's training pictures. Distances are of pictures of 32x32 pixels.",
        "Speed is that of the generator alone, batch 1, on all cores that the process may use.",
    ]
