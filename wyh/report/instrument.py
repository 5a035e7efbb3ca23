"""A run's own way of making sound, compiled once, for any pictures, codes and knobs."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Float32, UInt8

from wyh import knobs
from wyh.knobs import Knobs
from wyh.specs import VideoSpec
from wyh.synths.noise import NoiseSynth
from wyh.synths.protocol import Magnitudes
from wyh.transducers.autoencoder import SonifierConfig, amplitudes, one_after_another, sonifier
from wyh.transducers.compile import Compiled, compile_transducer
from wyh.transducers.offline import (
    EMIT_TICKS,
    OBSERVE_TICKS,
    emit_all,
    observe_all,
    samples_of,
)
from wyh.transducers.protocol import Control, Transducer, Variables

Codes = Float[np.ndarray, "n code"]


class Instrument:
    """Plays whole streams, each from the start. Holds compiled functions only."""

    def __init__(self, transducer: Transducer, variables: Variables, seed: int = 0) -> None:
        self.spec, self.variables = transducer.spec, variables
        self._compiled = compile_transducer(
            transducer,
            variables,
            knobs.defaults(),
            seed=seed,
            observe_ticks=OBSERVE_TICKS,
            emit_ticks=EMIT_TICKS,
        )

    def play(
        self, frames: UInt8[np.ndarray, "n height width channel"], turned: Knobs
    ) -> Float32[np.ndarray, "samples ..."]:
        """The sound of pictures, as `wyh.render` makes it."""
        controls = list(observe_all(self._fresh(), self.variables, [frames], turned))
        joined = jax.tree.map(lambda *parts: np.concatenate(parts, axis=1), *controls)
        return self.emit(joined, turned)

    def emit(
        self, controls: Control, turned: Knobs | None = None, gain_db: float | None = None
    ) -> Float32[np.ndarray, "samples ..."]:
        """The sound of controls `[1, time, ...]`, latency taken out, as long as their pictures."""
        variables = self.variables
        if gain_db is not None:
            variables = variables | {"gain_db": np.float32(gain_db)}
        values = turned or knobs.defaults()
        blocks = emit_all(self._fresh(), variables, self.spec, [controls], values)
        sound = np.concatenate([block for block, _ in blocks])
        count = jax.tree.leaves(controls)[0].shape[1]
        late = self.spec.latency_samples
        return sound[late : late + samples_of(count, self.spec)]

    def _fresh(self) -> Compiled:
        """The compiled functions with memory of their own: they use it up."""
        copied = jax.tree.map(jnp.copy, (self._compiled.carry_in, self._compiled.carry_out))
        return replace(self._compiled, carry_in=copied[0], carry_out=copied[1])


class CodePlayer:
    """The synth of a run, for codes of any number of values and any origin.

    Attributes:
      config: the run's, with so many bands.
    """

    def __init__(self, config: SonifierConfig, video: VideoSpec, code_size: int) -> None:
        self.config = replace(config, model=replace(config.model, code_size=code_size))
        self._synth = NoiseSynth(config.synth, code_size)
        transducer = sonifier(self.config, video)

        def observe_many(variables: Variables, carry, x, knobs, keys):  # type: ignore[no-untyped-def]
            silence = jnp.zeros((*x.shape[:2], code_size))
            return carry, Magnitudes(silence, silence)

        blind = replace(transducer, observe_many=observe_many, needs=frozenset())
        self._instrument = Instrument(blind, {"gain_db": np.float32(0)})

    def play(
        self, codes: Codes, loudness_lufs: float
    ) -> tuple[Float32[np.ndarray, " samples"], float]:
        """The sound of codes, at a loudness before its peaks are limited; and its gain in dB."""
        level = float(self._synth.loudness(amplitudes(jnp.asarray(codes), self.config)))
        gain_db = loudness_lufs - level
        return self._instrument.emit(coded(codes, self.config), gain_db=gain_db), gain_db


def coded(codes: Codes, config: SonifierConfig) -> Magnitudes:
    """Codes as the synth takes them, each gliding from the one before."""
    return one_after_another(amplitudes(jnp.asarray(codes), config)[None])
