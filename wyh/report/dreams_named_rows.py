"""The figures of a report of a run that names sounds."""

import numpy as np
from jaxtyping import Float

from wyh.classifying import Figures
from wyh.metrics.intervals import bootstrap_interval
from wyh.report.findings import Figure

SILENT_SECS = 1.0
"""Before noise that begins."""

LABELS = {"chance": "chance", "then": "after training", "before": "before temperature"}


def sentence(found: Figures) -> str:
    """The result in a sentence."""
    return (
        f"Of {int(found.confusion.sum())} sounds that it never trained on, it tells "
        f"{100 * found.accuracy:.1f} % rightly, and in {100 * found.false_alarms:.1f} % of silence "
        f"and noise it hears something."
    )


def figures(
    found: Figures,
    then: Figures | None,
    begun: float,
    taken_ms: Float[np.ndarray, " ticks"],
    budget_ms: float,
) -> list[Figure]:
    """The table.

    Args:
      found: what was measured.
      then: what was measured after training, if it is known.
      begun: share of noises that begin after silence in which something is heard.
      taken_ms: time for one block of sound.
      budget_ms: how long such a block lasts.
    """
    counts = found.confusion
    right, total = int(np.trace(counts)), int(counts.sum())
    hits = np.repeat([1.0, 0.0], [right, total - right])
    each = np.diag(counts) / np.maximum(counts.sum(axis=1), 1)

    def beside(name: str, **more: float) -> dict[str, float]:
        known = {} if then is None else {"then": 100 * float(getattr(then, name))}
        return known | more

    return [
        Figure(
            "sound_accuracy",
            "sounds told rightly",
            100 * found.accuracy,
            "%",
            "higher",
            bootstrap_interval(lambda x: 100 * float(x.mean()), hits, resamples=1000),
            beside("accuracy", chance=100 * counts.sum(axis=1).max() / max(total, 1)),
            about="chance: always the class that there is most of",
            headline="of sounds are told rightly",
            group="what is told",
        ),
        Figure(
            "macro_f1",
            "F1, the mean over classes",
            100 * found.macro_f1,
            "%",
            "higher",
            baselines=beside("macro_f1"),
            headline="F1, the mean over classes",
            group="what is told",
        ),
        Figure(
            "sound_worst_class",
            "sounds of the worst class told rightly",
            100 * float(each[counts.sum(axis=1) > 0].min(initial=1.0)),
            "%",
            "higher",
            group="what is told",
        ),
        Figure(
            "calibration_error",
            "how far probabilities are from how often they are true",
            found.calibration_error,
            "",
            "lower",
            baselines={"before": found.calibration_error_before},
            wanted=0.03,
            headline="calibration error",
            group="how sure it is",
        ),
        Figure(
            "sounds_heard",
            "windows in which something is heard",
            100 * found.heard,
            "%",
            "higher",
            baselines=beside("heard"),
            group="how sure it is",
        ),
        Figure(
            "false_alarms",
            "silence and noise in which something is heard",
            100 * found.false_alarms,
            "%",
            "lower",
            baselines=beside("false_alarms"),
            wanted=5.0,
            headline="false alarms",
            group="how sure it is",
        ),
        Figure(
            "begun_false_alarms",
            "noise that begins after silence, in which something is heard",
            100 * begun,
            "%",
            "lower",
            about=f"{SILENT_SECS:g} s of silence, then 2 s of noise",
            wanted=5.0,
            group="how sure it is",
        ),
        Figure(
            "block_p95_ms",
            "one block of sound, p95",
            float(np.quantile(taken_ms, 0.95)),
            "ms",
            "lower",
            baselines={"p50": float(np.median(taken_ms))},
            about=f"a block lasts {budget_ms:.3g} ms",
            wanted=budget_ms,
            group="speed",
        ),
    ]
