"""The way back: from the pictures of a visualizer to the sound that made them.

The run's decoder reads from each picture what was heard in its middle. From that, noise is made
which has these features. Where a decoder of waveforms was trained beside it, that one tells the
samples themselves.
"""

from collections.abc import Iterable, Iterator
from fractions import Fraction
from functools import partial
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Float32, UInt8

from wyh.errors import WyhError
from wyh.models.layers import averaged
from wyh.models.wave_decoder import WaveConfig
from wyh.specs import VideoSpec, tick_start
from wyh.synths.finished import finished
from wyh.synths.joined import joined
from wyh.synths.shaped import ShapedNoise
from wyh.transducers.protocol import Variables
from wyh.transducers.synesthesia import Synesthesia
from wyh.transducers.visualizer import VisualizerConfig
from wyh.transducers.wave import WaveReader

CHUNK = 64  # pictures read at once
FURTHEST = 6.0  # standard deviations from its mean that a feature can be: else it is misread

Pictures = Iterable[UInt8[np.ndarray, "_ height width 3"]]
Target = Literal["features", "raw"]


class Reader:
    """The pure functions that read one run's pictures; holds constants only.

    Args:
      config: of the run.
      video: the pictures that it was trained on; others are brought to this size first.
      wave: sizes of its decoder of waveforms.
    """

    def __init__(
        self,
        config: VisualizerConfig,
        video: VideoSpec,
        wave: WaveConfig = WaveConfig(),  # noqa: B008
    ) -> None:
        self.config, self.video = config, video
        self.sample_rate = config.features.sample_rate
        self.model = Synesthesia(config.model, config.features.size, video.height, video.width)
        self.wave = WaveReader(wave, self.model.look, self.sample_rate, video.frame_rate)
        self._noise = None if config.features.kind == "raw" else ShapedNoise(config.features)

    def features(self, variables: Variables, pictures: Pictures) -> Float32[np.ndarray, "n size"]:
        """What was heard in the middle of each picture: features, not normalised.

        Args:
          variables: of the run.
          pictures: of the size of `video`, in runs of any length.
        """
        return np.concatenate(list(self._features(variables, pictures)))

    def _features(
        self, variables: Variables, pictures: Pictures
    ) -> Iterator[Float32[np.ndarray, "_ size"]]:
        for some, count in _chunks(pictures):
            read = np.asarray(_read(self.model, variables["params"]["decoder"], some))[:count]
            near = np.clip(read, -FURTHEST, FURTHEST)
            yield (near * variables["std"] + variables["mean"]).astype(np.float32)

    def samples_of(self, target: Target) -> bool:
        """Whether samples are read: then pictures must come at the run's own rate."""
        return target == "raw" or self._noise is None

    def sound(
        self,
        variables: Variables,
        pictures: Pictures,
        frame_rate: Fraction,
        *,
        target: Target = "features",
        seed: int = 0,
    ) -> Iterator[Float32[np.ndarray, " _"]]:
        """The sound that is read from pictures, in blocks: exactly as long as these last.

        Args:
          variables: of the run.
          pictures: of the size of `video`, in runs of any length.
          frame_rate: of these, in Hz.
          target: noise that has the features read, or the waveform as it is read.
          seed: of the noise.

        Raises:
          WyhError: the run has no decoder of waveforms.
        """
        if target == "raw":
            if "wave" not in variables["params"]:
                raise WyhError(
                    "got --target raw, but this run learned no waveforms: train one with "
                    "--weights.wave 1, or leave --target out"
                )
            made = self._laid(self._windows(variables["params"]["wave"], pictures))
        elif self._noise is None:
            made = self._laid(self._features(variables, pictures))
        else:
            features = self.features(variables, pictures)
            middles_secs = (np.arange(len(features)) + 0.5) / float(frame_rate)
            samples = tick_start(len(features), self.sample_rate, frame_rate)
            made = self._noise.sound(middles_secs, features, samples, seed=seed)
        return finished(made, self.sample_rate)

    def _windows(self, params: Any, pictures: Pictures) -> Iterator[np.ndarray]:
        for some, count in _chunks(pictures):
            yield np.asarray(_heard(self.wave, params, some))[:count]

    def _laid(
        self, windows: Iterable[Float[np.ndarray, "_ length"]]
    ) -> Iterator[Float32[np.ndarray, " _"]]:
        """One sound of the windows of pictures at the run's own rate."""
        wave = self.wave
        held: np.ndarray | None = None  # windows from picture `first` on, the last not yet heard
        first, told = 0, 0

        def laid(upto: int) -> np.ndarray:
            assert held is not None
            start = wave.samples(first)
            middles = wave.middles(first + len(held))[first:] - start
            sound = joined(held[None], middles, upto - start, wave.period)
            return np.asarray(sound)[0, told - start :]

        for some in windows:
            held = some if held is None else np.concatenate([held, some])
            upto = wave.samples(first + len(held) - 1)
            yield laid(upto)
            # The next piece begins within the last picture, which the one before reaches into.
            first, held, told = first + len(held) - min(2, len(held)), held[-2:], upto
        if held is not None:
            yield laid(wave.samples(first + len(held)))


def _chunks(pictures: Pictures) -> Iterator[tuple[np.ndarray, int]]:
    """Runs of `CHUNK` pictures and how many of them count: the last is filled up with its own end.

    So one shape is compiled.
    """
    held: list[np.ndarray] = []
    for some in pictures:
        held.append(some)
        while sum(map(len, held)) >= CHUNK:
            joint = np.concatenate(held)
            held = [joint[CHUNK:]]
            yield joint[:CHUNK], CHUNK
    rest = np.concatenate(held) if held else np.zeros(0)
    if len(rest):
        filled = np.concatenate([rest, np.repeat(rest[-1:], CHUNK - len(rest), axis=0)])
        yield filled, len(rest)


@partial(jax.jit, static_argnums=0)
def _read(model: Synesthesia, params: Any, pictures: Array) -> Array:
    return model.read(params, pictures.astype(jnp.float32) / 255)


@partial(jax.jit, static_argnums=0)
def _heard(wave: WaveReader, params: Any, pictures: Array) -> Array:
    return wave.windows(params, averaged(pictures.astype(jnp.float32) / 255, *wave.look))
