"""Pictures -> the waveform itself, by a decoder that learned it: windows that fade into each other.

A window lasts two picture periods, with the picture's time on the screen in its middle, so that
each moment is told by two pictures, and by each the less the further it is from its middle.
"""

import math
from fractions import Fraction
from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, PRNGKeyArray

from wyh.models.wave_decoder import WaveConfig, WaveDecoder
from wyh.specs import tick_start
from wyh.synths.joined import joined


class WaveReader:
    """The pure functions of one decoder of waveforms; holds constants only.

    Args:
      config: its sizes.
      look: rows and columns that it sees of a picture, both multiples of 8: `Synesthesia.look`.
      sample_rate: of the sound, in Hz.
      frame_rate: of the pictures.
    """

    def __init__(
        self, config: WaveConfig, look: tuple[int, ...], sample_rate: int, frame_rate: Fraction
    ) -> None:
        self.look, self.sample_rate, self.frame_rate = look, sample_rate, frame_rate
        self.period = math.ceil(sample_rate / frame_rate)
        self._model = WaveDecoder(config, 2 * self.period, sample_rate)

    def init(self, key: PRNGKeyArray) -> Any:
        """New parameters, those that belong in `variables["params"]["wave"]`. Jit it."""
        return self._model.init(key, jnp.zeros((1, *self.look, 3)))["params"]

    def windows(
        self, params: Any, looks: Float[Array | np.ndarray, "n rows columns 3"]
    ) -> Float[Array, "n window"]:
        """The window of samples that each picture tells of."""
        return jnp.asarray(self._model.apply({"params": params}, jnp.asarray(looks)))

    def sound(
        self, params: Any, looks: Float[Array | np.ndarray, "batch time rows columns 3"]
    ) -> Float[Array, "batch samples"]:
        """The sound of some pictures in a row: `round(time * sample_rate / frame_rate)` samples.

        Its first sample is heard when the first picture appears.

        Args:
          params: from `init`.
          looks: pictures in [0, 1], brought to the size `look` (`wyh.models.layers.averaged`).
        """
        batch, time = looks.shape[:2]
        windows = self.windows(params, looks.reshape(batch * time, *looks.shape[2:]))
        windows = windows.reshape(batch, time, -1)
        return joined(windows, self.middles(time), self.samples(time), self.period)

    def middles(self, count: int) -> Int[np.ndarray, " count"]:
        """The sample in the middle of each picture's time on the screen."""
        rate, frame_rate = self.sample_rate, 2 * self.frame_rate
        return np.array([tick_start(2 * k + 1, rate, frame_rate) for k in range(count)])

    def samples(self, count: int) -> int:
        """How many samples so many pictures last."""
        return tick_start(count, self.sample_rate, self.frame_rate)
