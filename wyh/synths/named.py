"""The synths by name, as `--synth` knows them."""

import math

import numpy as np

from wyh.errors import WyhError
from wyh.specs import SynthName
from wyh.synths.additive import AdditiveConfig, additive
from wyh.synths.bands import mixture
from wyh.synths.columns import overlap, raw
from wyh.synths.continuous import ContinuousConfig, continuous
from wyh.synths.exemplar import ExemplarConfig, exemplar
from wyh.synths.granular import granular
from wyh.synths.mixture import TuningConfig
from wyh.synths.prediction import Prediction
from wyh.synths.protocol import Synth

ANYTHING: tuple[SynthName, ...] = (
    "noise",
    "continuous_phase",
    "reference_phase",
    "overlap",
    "granular",
    "exemplar",
    "raw",
)
"""Synths that play whatever is predicted."""

NOTES: tuple[SynthName, ...] = ("additive", "knn")
"""Synths that play notes alone."""


def synths_for(prediction: Prediction) -> tuple[SynthName, ...]:
    """Names of the synths that can play what a model predicts."""
    return ANYTHING + NOTES if prediction.notes_hz else ANYTHING


def synth_named(name: SynthName, prediction: Prediction) -> Synth:
    """The synth of a name, for what a model predicts.

    Raises:
      WyhError: it plays notes, and none are predicted; or as the synth itself raises.
    """
    if name in NOTES and not prediction.notes_hz:
        raise WyhError(
            f"got --synth {name}, which plays notes, but this run predicts none: choose another "
            f"synth, such as noise"
        )
    noise, frame_rate = prediction.noise, prediction.frame_rate
    notes_hz = np.array(prediction.notes_hz)
    match name:
        case "noise":
            return mixture(prediction, TuningConfig())
        case "continuous_phase":
            return continuous(prediction, ContinuousConfig())
        case "reference_phase":
            return continuous(prediction, ContinuousConfig(phases="reference"))
        case "overlap":
            return overlap(prediction)
        case "granular":
            return granular(prediction)
        case "exemplar":
            return exemplar(prediction, ExemplarConfig())
        case "raw":
            return raw(prediction)
        case "additive":
            sounding = AdditiveConfig(block=_block(prediction), ceiling_db=noise.ceiling_db)
            return additive(notes_hz, frame_rate, noise.sample_rate, sounding)
        case "knn":
            from wyh.synths.knn import KnnConfig, knn

            chosen = KnnConfig(block=_block(prediction), ceiling_db=noise.ceiling_db)
            return knn(notes_hz, frame_rate, noise.sample_rate, chosen)


def _block(prediction: Prediction) -> int:
    """Samples of a tick: no more than a picture's period, or strikes would be left out."""
    return min(AdditiveConfig().block, math.floor(prediction.period))
