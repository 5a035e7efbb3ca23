"""The figures of a report of hallucinations, and how they were measured."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from wyh.metrics.intervals import bootstrap_interval
from wyh.report.dreams_heard import JUDGED_SECS, Alarms, Heard
from wyh.report.dreams_track import AFTER_SECS, Track
from wyh.report.findings import Figure

_RIGHT, _ALARMS, _DELAY_MS, _FPS = 95.0, 5.0, 300.0, 60.0

LABELS = {
    "chance": "chance",
    "shuffled": "other sounds",
    "parts": "both parts by themselves",
    "steady": "after its first second",
}


@dataclass(frozen=True)
class Hallucinated:
    """All that is measured of a hallucination.

    Attributes:
      names: of the classes heard.
      labels: of the sounds.
      heard: what came of each.
      shuffled: the share right if each had been another sound.
      alarms: pictures of silence and noise that are not dark.
      quiet: how many silences and noises there are.
      told: the share of the same sounds that the recogniser tells rightly by itself.
      made: the share of made pictures of a class that the judge tells rightly.
      judge: of real pictures.
      frame_ms: observe and emit, for each picture.
      latency_ms: declared.
    """

    names: tuple[str, ...]
    labels: Int[np.ndarray, " sounds"]
    heard: Heard
    shuffled: float
    alarms: Alarms
    quiet: int
    told: float
    made: float
    judge: float
    frame_ms: Float[np.ndarray, "ticks stages"]
    latency_ms: float

    @property
    def each(self) -> Float[np.ndarray, " classes"]:
        """The share right of each class; nan where there is none."""
        return np.array(
            [
                self.heard.right[self.labels == k].mean() if (self.labels == k).any() else np.nan
                for k in range(len(self.names))
            ]
        )


def shuffled_share(
    track: Track, heard: Heard, shown: Float[np.ndarray, "heard shown"], seed: int = 0
) -> float:
    """The share right if each sound had been another of the track: what chance would give."""
    rng, shares = np.random.default_rng(seed), []
    for _ in range(20):
        labels = rng.permutation(track.labels)
        shares.append(np.mean((heard.seen >= 0) & (shown[labels, heard.seen] > 0)))
    return float(np.mean(shares))


def sentence(found: Hallucinated) -> str:
    """The result in a sentence."""
    return (
        f"Of {len(found.labels)} sounds that it never trained on, "
        f"{100 * found.heard.right.mean():.1f} % are followed by a picture that a judge takes for "
        f"the right class; half of these pictures are there "
        f"{_when(float(np.median(found.heard.delay_ms)))}."
    )


def _when(delay_ms: float) -> str:
    return (
        f"{delay_ms:.0f} ms after the sound has ended"
        if delay_ms >= 0
        else f"{-delay_ms:.0f} ms before the sound has ended"
    )


def figures(found: Hallucinated) -> list[Figure]:
    """The table."""
    right, each = found.heard.right.astype(float), 100 * found.each
    p50, p95 = (float(x) for x in np.quantile(found.heard.delay_ms, [0.5, 0.95]))
    worst, total = int(np.nanargmin(each)), found.frame_ms.sum(axis=1)
    parts = 100 * found.told * found.made
    return [
        Figure(
            "right_pictures",
            "sounds whose picture is of the right class",
            100 * float(right.mean()),
            "%",
            "higher",
            bootstrap_interval(lambda x: 100 * float(x.mean()), right, resamples=1000),
            {"parts": parts, "shuffled": 100 * found.shuffled},
            about=f"by the judge, over {JUDGED_SECS:g} s after the end of each sound",
            wanted=_RIGHT,
            headline="of held-out sounds give the right picture",
            group="from sound to picture",
        ),
        Figure(
            "right_worst_class",
            f"the same of the worst class, {found.names[worst]}",
            float(each[worst]),
            "%",
            "higher",
            group="from sound to picture",
        ),
        Figure(
            "right_picture_p95_ms",
            "from the end of a sound to its picture, p95",
            p95,
            "ms",
            "lower",
            baselines={"p50": p50},
            about=f"live, with {found.latency_ms:.0f} ms of declared latency; below 0: before the "
            f"end; never counts as {1000 * AFTER_SECS:.0f}",
            wanted=_DELAY_MS,
            headline="from the end of a sound to the right picture, p95",
            group="from sound to picture",
        ),
        Figure(
            "dream_false_alarms",
            "pictures of silence and noise that are not dark",
            100 * found.alarms.all,
            "%",
            "lower",
            baselines={"steady": 100 * found.alarms.steady},
            about=f"{found.quiet} of 2 s each, after silence; {100 * found.alarms.any:.0f} % of "
            "them have one",
            wanted=_ALARMS,
            headline="of pictures of silence and noise are not dark",
            group="from sound to picture",
        ),
        Figure(
            "told_accuracy",
            "sounds for testing, told rightly by the recogniser alone",
            100 * found.told,
            "%",
            "higher",
            baselines={"chance": 100 / len(found.names)},
            group="its parts",
        ),
        Figure(
            "generated_accuracy",
            "made pictures of one class, taken for it by the judge",
            100 * found.made,
            "%",
            "higher",
            group="its parts",
        ),
        Figure(
            "judge_accuracy",
            "the judge on real pictures",
            100 * found.judge,
            "%",
            "higher",
            group="its parts",
        ),
        Figure(
            "fps",
            "pictures a second, one at a time, with their sound",
            1000 / float(np.median(total)),
            "",
            "higher",
            wanted=_FPS,
            headline="pictures a second",
            group="speed",
        ),
        Figure(
            "live_step_p95_ms",
            "one picture with its sound, p95",
            float(np.quantile(total, 0.95)),
            "ms",
            "lower",
            baselines={
                "hear": float(np.median(found.frame_ms[:, 0])),
                "draw": float(np.median(found.frame_ms[:, 1])),
            },
            group="speed",
        ),
    ]


def method(found: Hallucinated, tested: str, known: int) -> list[str]:
    """How it was measured, in sentences.

    Args:
      found: what was measured.
      tested: what the sounds are.
      known: how many pictures trained the judge.
    """
    return [
        f"{len(found.labels)} sounds that were kept for testing ({tested}) are played as one "
        f"stream, 0.5 s of silence before each and {AFTER_SECS:g} s after it, at 25 pictures a "
        "second of the generator's own size; the flash limit is off, all knobs are at their "
        "defaults.",
        f"A judge that {known} pictures trained, none of which the generator has seen, names what "
        f"is shown. The picture of a sound is right when the mean of what the judge says of all "
        f"pictures shown in the {JUDGED_SECS:g} s after the end of the sound is most for a class "
        "that stands for it; dark pictures are left out, and where all are dark it is wrong.",
        "A sound ends where its level last is above -70 dB and within 35 dB of its loudest. Its "
        "picture has come with the first of two in a row, from the beginning of the sound on, that "
        "the judge takes for the right class.",
        "Other sounds: the same pictures, each given to another sound. Both parts by themselves: "
        "the share that the recogniser tells rightly, times the share of made pictures that the "
        "judge does.",
        "Silence and noise: white, pink and brown at -60, -40 and -20 dB against a sine. A picture "
        "is dark when no pixel of it is as bright as a tenth of white.",
        "Speed: hearing as many blocks of sound as a picture lasts, then the picture, one after "
        "the other as live does, on all cores that the process may use.",
    ]
