"""The synths by name, as `--synth` knows them."""

from wyh.specs import SynthName
from wyh.synths.bands import mixture
from wyh.synths.columns import overlap, raw
from wyh.synths.continuous import ContinuousConfig, continuous
from wyh.synths.exemplar import ExemplarConfig, exemplar
from wyh.synths.granular import granular
from wyh.synths.mixture import TuningConfig
from wyh.synths.prediction import Prediction
from wyh.synths.protocol import Synth


def synth_named(name: SynthName, prediction: Prediction) -> Synth:
    """The synth of a name, for what a model predicts."""
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
