"""The figures of a report of learned sound, and what it says in sentences."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from wyh.metrics.intervals import Interval
from wyh.report.findings import Figure
from wyh.report.nearness import MEASURES, Nearness, pooled_distance
from wyh.report.screening import Screening
from wyh.report.synth_trial import STILL, Trial
from wyh.specs import StreamSpec

SYNTHS = {
    "noise": "noise bands",
    "continuous_phase": "continuous phase",
    "reference_phase": "a recording's phases",
    "overlap": "overlap-add",
    "granular": "grains on time",
    "exemplar": "grains of the training sound",
    "raw": "raw, end to end",
}
"""Synths by their names, as `--synth` knows them."""

RIVALS = {
    "silence": "silence",
    "mean_spectrum": "the mean spectrum as noise",
    "shuffled": "the run, shown other seconds",
    "nearest_picture": "the sound of the nearest picture",
}
"""What the run has to be better than."""

SMOOTH = ("continuous_phase", "overlap", "granular", "exemplar")
"""Synths in which the frame rate is not to be heard."""

_MOST_HARMONICS_DB, _AHEAD_PERCENT = 3.0, 5.0
_STILL = "by which the frame rate stands out while nothing moves"
_ENOUGH_SECS = 60.0  # held out, for a figure that is to be reached


@dataclass(frozen=True)
class Foretold:
    """All that figures are made of.

    Attributes:
      own: the run's own synth.
      trials: by synth.
      near: the nearness of its sound to the true one, by synth.
      rivals: the same of what `RIVALS` names.
      ahead: by how much the distance is smaller than that of the best rival, in percent.
      secs: of sound that is held out.
    """

    own: str
    trials: dict[str, Trial]
    near: dict[str, Nearness]
    rivals: dict[str, Nearness]
    ahead: Interval
    secs: float

    @property
    def best(self) -> str:
        """The rival that comes nearest."""
        return min(self.rivals, key=lambda name: pooled_distance(self.rivals[name].apart))


def figures(told: Foretold) -> list[Figure]:
    """All figures, in the order of the page; those of each synth beside its own come last."""
    return [*_near(told), *_smooth(told), *_by_synth(told)]


def _near(told: Foretold) -> list[Figure]:
    rows = [
        Figure(
            "ahead_of_best_percent",
            "nearer to the true sound than the best of all four",
            told.ahead.value,
            "%",
            "higher",
            told.ahead,
            about="by how much the distance is smaller than that of the best of silence, the mean "
            "spectrum, the run shown other seconds and the nearest picture's sound",
            wanted=_AHEAD_PERCENT if told.secs >= _ENOUGH_SECS else None,
            headline="nearer to the true sound than the best of four references",
        )
    ]
    heads = {
        "stft_distance": "distance from the true sound",
        "onset_f1_50ms": "F1 of sounds that begin",
    }
    for measure in MEASURES:
        near = told.near[told.own]
        rows.append(
            Figure(
                measure.name,
                measure.label,
                measure.value(near),
                measure.unit,
                measure.better,
                measure.interval(near),
                {name: measure.value(rival) for name, rival in told.rivals.items()},
                measure.about,
                headline=heads.get(measure.name, ""),
            )
        )
    return [replace(row, group="the sound that belongs to the pictures") for row in rows]


def _smooth(told: Foretold) -> list[Figure]:
    rows = []
    for name, trial in told.trials.items():
        rows.append(
            Figure(
                f"harmonics_{name}_db",
                f"frame rate heard: {SYNTHS[name]}",
                max(trial.harmonics_db),
                "dB",
                "lower",
                baselines={"median": float(np.median(trial.harmonics_db))},
                about="the largest multiple of the frame rate over the median around it, the worst "
                f"of {len(trial.harmonics_db)} pictures that stand still",
                wanted=_MOST_HARMONICS_DB if name in SMOOTH else None,
                headline=_STILL if name == told.own else "",
            )
        )
    for name, trial in told.trials.items():
        rows.append(
            Figure(
                f"click_{name}_db",
                f"clicks: {SYNTHS[name]}",
                trial.click_db,
                "dB",
                "lower",
                about="squared differences at the joints of pictures and blocks, against between",
            )
        )
    return [replace(row, group="while the picture stands still") for row in rows]


def _by_synth(told: Foretold) -> list[Figure]:
    return [
        Figure(
            f"{measure.name}_{name}",
            f"{measure.label}: {SYNTHS[name]}",
            measure.value(near),
            measure.unit,
            measure.better,
            group="synths",
        )
        for measure in MEASURES
        for name, near in told.near.items()
    ]


def sentence(told: Foretold) -> str:
    """The result in a sentence."""
    value, low, high = told.ahead
    best = RIVALS[told.best]
    way, size = ("nearer to", value) if value >= 0 else ("further from", -value)
    said = (
        f"In {told.secs:.0f} s of film that it never trained on, what the run makes of the "
        f"pictures is {size:.1f} % {way} the true sound than the best of four references, {best}"
    )
    interval = f"{low:.1f} to {high:.1f} %".replace("-", "\N{MINUS SIGN}")
    chance = "; that may be chance" if low <= 0 <= high else ""
    return f"{said}{chance} (95 % interval {interval})."


def method(screening: Screening, spec: StreamSpec, mute: Mapping[str, str]) -> list[str]:
    """How it was measured, in sentences.

    Args:
      screening: what was measured on.
      spec: of the run.
      mute: why synths cannot play the run, by name.
    """
    each = len(screening.excerpts[0].frames) / float(spec.video.frame_rate)
    known = sum(len(stretch.frames) for stretch in screening.training)
    said = [
        f"Measured on {len(screening.excerpts)} excerpts of {each:.3g} s: {screening.source}. None "
        f"of them was trained on, and nothing here was tuned on them. References are made of "
        f"{known} training pictures and their sound.",
        "Each excerpt is played after the pictures before it, up to a second, whose sound is cut "
        "off: so models that remember have something to remember. Where these are not known, its "
        "first picture stands still for a second.",
        "The true sound of each recording is brought to the loudness that the run plays at, by one "
        "gain, as in training: that which its training seconds need, or all of it where it has "
        "none.",
        "Silence is silence. The mean spectrum is Gaussian noise with the mean power spectrum of "
        "the training sound. Other seconds: the run's own sounds, moved round from excerpt to "
        "excerpt, the mean of up to 5 ways. Nearest picture: for each picture the true sound of "
        "the training picture that is nearest pixel by pixel, joined by crossfades of 5 ms.",
        "How much nearer the run is than the best of the four: excerpts are drawn again with "
        "replacement, run and rivals together, and the best rival is looked for each time. All "
        "intervals are of 95 %.",
        "Sounds begin where the mean rise of 24 mel bands within 20 ms peaks; those within 50 ms "
        "of the start of an excerpt, where it is cut, do not count. Centroids count where the true "
        "sound is over -80 dB.",
        f"Still pictures: {STILL} from the middle of excerpts, each for 2 s before its sound "
        f"counts and then for 20 s or longer. Multiples of the frame rate up to the 20th are "
        f"looked at; noise measures about 1.5 dB.",
        "Drawn and heard are the six excerpts in a row in which most begins, joined; every sound "
        "of them is on the same scale.",
    ]
    said += [f"Not played by {SYNTHS[name]}: {why}." for name, why in mute.items()]
    return said
