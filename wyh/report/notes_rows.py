"""The figures of a report of played notes."""

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float

from wyh.report.findings import Figure
from wyh.report.notes_heard import WITHIN_SECS, Begun, quantile_ms
from wyh.report.notes_seen import Score

RIVALS = {
    "constant": "always the same",
    "shuffled": "said of other films",
    "forgets": "memory wiped",
}
SOUNDS = {
    "true": "the true sound",
    "additive": "sines",
    "knn": "nearest strikes of the training sound",
    "true_notes": "sines, from the true notes",
}
_TRUE_NOTES = "off at p95, where sines play the true notes"
_F1, _SKILL, _STEP_MS, _GAP = 0.9, 0.8, 10.0, 1e-5


@dataclass(frozen=True)
class Watched:
    """What was measured.

    Attributes:
      score: of the run.
      rivals: of those of `RIVALS`.
      begun: of those of `SOUNDS` that there are.
      step_ms: to see a picture and make its sound, each time.
      gap: between one picture at a time and many at once.
      period_ms: of a picture.
      latency_ms: declared.
      secs: of film.
      films: how many.
      heard: of them without a truth file.
      strikes: that were played in them.
    """

    score: Score
    rivals: dict[str, Score]
    begun: dict[str, Begun]
    step_ms: Float[np.ndarray, " ticks"]
    gap: float
    period_ms: float
    latency_ms: float
    secs: float
    films: int
    heard: int
    strikes: int


def figures(watched: Watched) -> list[Figure]:
    """All figures, in the order of the page."""
    grouped = {
        "which notes are struck, and when": _struck(watched),
        "how loud they are": _loud(watched),
        "the sound of what is seen": _sounding(watched),
        "live": _live(watched),
    }
    return [replace(row, group=group) for group, rows in grouped.items() for row in rows]


def _struck(watched: Watched) -> list[Figure]:
    score, rivals = watched.score, watched.rivals
    rows = [
        Figure(
            "note_f1",
            "strikes of notes, F1",
            score.f1.value,
            "",
            "higher",
            score.f1,
            {name: rival.f1.value for name, rival in rivals.items()},
            "seen within 50 ms of where they are struck, and of the same note to 50 cents",
            wanted=_F1,
            headline="F1 of the strikes it sees, within 50 ms",
        ),
        Figure(
            "note_precision",
            "of those it sees, struck",
            score.notes.precision,
            "",
            "higher",
            baselines={name: rival.notes.precision for name, rival in _striking(rivals)},
        ),
        Figure(
            "note_recall",
            "of those struck, seen",
            score.notes.recall,
            "",
            "higher",
            baselines={name: rival.notes.recall for name, rival in rivals.items()},
        ),
        Figure(
            "memory_f1_gain",
            "what memory adds to F1",
            score.f1.value - rivals["forgets"].f1.value,
            "",
            "higher",
            about="over the same network, its memory wiped before every picture; a network that "
            "was trained without any is to be named with --beside",
        ),
        Figure(
            "worst_film_f1",
            "F1 of the film that is seen worst",
            min(score.each),
            "",
            "higher",
            baselines={"median": float(np.median(score.each)), "best": max(score.each)},
        ),
    ]
    for within, value in score.onsets.items():
        rows.append(
            Figure(
                f"onset_f1_{1000 * within:.0f}ms",
                f"times of strikes within {1000 * within:.0f} ms, F1",
                value,
                "",
                "higher",
                baselines={name: rival.onsets[within] for name, rival in rivals.items()},
                about="whatever the notes",
            )
        )
    return rows


def _striking(rivals: dict[str, Score]) -> list[tuple[str, Score]]:
    """Those that say of anything that it is struck."""
    return [(name, rival) for name, rival in rivals.items() if name != "constant"]


def _loud(watched: Watched) -> list[Figure]:
    score, rivals = watched.score, watched.rivals
    return [
        Figure(
            "skill",
            "skill over the constant",
            score.skill.value,
            "",
            "higher",
            score.skill,
            {name: rival.skill.value for name, rival in rivals.items()},
            "1 less the mean squared error of amplitudes over that of the mean amplitude of each "
            "note in the training recordings: 0 is no better, 1 is perfect",
            wanted=_SKILL,
            headline="skill in amplitude over the mean of each note, 1 being perfect",
        ),
        Figure(
            "amplitude_rmse",
            "error of amplitudes",
            score.error,
            "",
            "lower",
            baselines={name: rival.error for name, rival in rivals.items()},
            about="root of the mean square over all pictures and notes; a note that is struck as "
            "hard as can be has an amplitude of 0.25",
        ),
        Figure(
            "frame_f1",
            "which notes sound in each picture, F1",
            score.sounding.f1,
            "",
            "higher",
            baselines={name: rival.sounding.f1 for name, rival in rivals.items()},
            about="a note sounds that is less than 20 dB under one struck as hard as can be",
        ),
    ]


def _sounding(watched: Watched) -> list[Figure]:
    rows = []
    for name, begun in watched.begun.items():
        rows.append(
            Figure(
                f"sound_onset_p95_ms_{name}",
                f"begins when it should: {SOUNDS[name]}",
                quantile_ms(begun.errors_ms, 0.95),
                "ms",
                "lower",
                baselines={"p50": quantile_ms(begun.errors_ms, 0.5)},
                about=f"p95 of the sounds that begin within {1000 * WITHIN_SECS:.0f} ms of a "
                f"strike, {len(begun.errors_ms)} for {begun.strikes} strikes",
                wanted=watched.period_ms if name == "true_notes" else None,
                headline="off at p95, where sines play the true notes"
                if name == "true_notes"
                else "",
            )
        )
        rows.append(
            Figure(
                f"sound_strike_p95_ms_{name}",
                f"each note when it should: {SOUNDS[name]}",
                quantile_ms(begun.struck_ms, 0.95),
                "ms",
                "lower",
                baselines={
                    "p50": quantile_ms(begun.struck_ms, 0.5),
                    "heard": len(begun.struck_ms) / max(begun.notes, 1),
                },
                about="p95 of the strikes of each note that are heard in the sound",
                wanted=watched.period_ms if name == "true_notes" else None,
            )
        )
    return rows


def _live(watched: Watched) -> list[Figure]:
    p50, p95 = np.quantile(watched.step_ms, [0.5, 0.95])
    return [
        Figure(
            "live_step_p95_ms",
            "to see a picture and make its sound",
            float(p95),
            "ms",
            "lower",
            baselines={"p50": float(p50), "there is time for": watched.period_ms},
            about="p95 on one core of this machine, which was as busy as it was",
            wanted=_STEP_MS,
            headline="to see a picture and make its sound, p95",
        ),
        Figure(
            "streaming_difference",
            "one picture at a time against many at once",
            1e6 * watched.gap,
            "millionths",
            "lower",
            about="the largest difference of what is told",
            wanted=1e6 * _GAP,
        ),
        Figure(
            "latency_ms",
            "declared latency",
            watched.latency_ms,
            "ms",
            "lower",
            about="from the middle of a picture to the middle of its sound, with the picture after "
            "it, which is waited for; taken out of what is rendered",
        ),
    ]
