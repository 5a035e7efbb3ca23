"""What is predicted, as noise bands and oscillators: the instrument of `mixture`, in mono."""

from typing import Any

import jax.numpy as jnp
from jaxtyping import Array, Float, Key, PRNGKeyArray

from wyh.synths.mixture import MixtureCarry, MixtureSynth, TuningConfig
from wyh.synths.prediction import Prediction
from wyh.synths.protocol import Predicted, Synth


def glide_samples(prediction: Prediction) -> int:
    """How late amplitudes are by gliding over a picture's period: half of it, in samples.

    Predicted samples do not glide: their amplitudes hold for as long as their picture.
    """
    return 0 if prediction.column else round(prediction.period / 2)


def mixture(prediction: Prediction, tuning: TuningConfig) -> Synth:
    """The synth "noise", which the knobs `phase`, `timbre`, `scale` and `glide` turn.

    Raises:
      WyhError: the bands do not fit, as for `NoiseSynth`.
    """
    synth = MixtureSynth(prediction.noise, tuning, prediction.n_bands)

    def init(variables: Any, key: PRNGKeyArray, batch_size: int) -> MixtureCarry:
        return synth.init(key, batch_size)

    def emit_many(
        variables: Any,
        carry: MixtureCarry,
        controls: Predicted,
        ages_secs: Float[Array, " time"],
        knobs: dict[str, Any],
        keys: Key[Array, " time"],
    ) -> tuple[MixtureCarry, Float[Array, "batch samples"]]:
        amplitude = prediction.amplitudes(controls, ages_secs, knobs["glide"])
        middle = jnp.zeros(prediction.n_bands)
        return synth.emit_many(carry, amplitude, variables["gain_db"], middle, knobs, keys)

    return Synth(
        name="noise",
        block=prediction.noise.hop_length,
        latency_samples=synth.latency_samples + glide_samples(prediction),
        init=init,
        emit_many=emit_many,
        needs=frozenset({"gain_db"}),
    )
