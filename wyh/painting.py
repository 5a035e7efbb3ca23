"""Sound, the pictures painted of it, and what is read back from them: one way round, for training.

Everything starts from a stretch of sound, long enough for the windows of a few pictures in a row.
"""

from fractions import Fraction
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray, UInt8

from wyh.journal import Summaries
from wyh.models.layers import averaged
from wyh.models.painter import inside
from wyh.models.wave_decoder import WaveConfig
from wyh.palette import chosen_colours
from wyh.signal.features import Extractor, window_power
from wyh.specs import LUMA, VideoSpec
from wyh.transducers.drift import drifted, init_drift, latent_of
from wyh.transducers.synesthesia import Synesthesia
from wyh.transducers.visualizer import VisualizerConfig
from wyh.transducers.wave import WaveReader
from wyh.viewing import CLEAR, viewed

BASES = 8
"""Pictures of a style that the base image drifts between."""


SHOWN = 512
"""Pixels of the short side of pictures that can be of any size."""


class Given(NamedTuple):
    """What a run knows before training: it plays with these, and does not change them."""

    mean: Float[Array | np.ndarray, " features"]
    std: Float[Array | np.ndarray, " features"]
    bases: Float[Array, "pictures rows columns 3"] | None = None

    def variables(self, params: Any) -> dict[str, Any]:
        """All that a run with these parameters plays with; no critic is among them."""
        played = {name: part for name, part in params.items() if name != "critic"}
        rest = {name: value for name, value in self._asdict().items() if value is not None}
        return {"params": played} | rest


class Painting:
    """The pure functions of one config for pictures in a row; holds constants only.

    Args:
      visual: the run's.
      frame_rate: of the pictures, in Hz.
      time: how many in a row.
      wave: sizes of the decoder of waveforms.

    Attributes:
      before: samples from the start of a stretch to the middle of its first picture.
      samples: of a stretch.
    """

    def __init__(
        self, visual: VisualizerConfig, frame_rate: Fraction, time: int, wave: WaveConfig
    ) -> None:
        self.visual, self.frame_rate, self.time = visual, frame_rate, time
        self.model = Synesthesia(visual.model, visual.features.size, visual.height, visual.width)
        self.extractor = Extractor(visual.features)
        rate = visual.features.sample_rate
        self.wave = WaveReader(wave, self.model.look, rate, frame_rate)
        self._middles = self.wave.middles(time)
        half = visual.features.win_length // 2
        self.before = max(half + 1, int(self._middles[0]))
        self.after = self.before + int(self._middles[-1] - self._middles[0])
        self.samples = self.before + self.after

    def described(
        self, sound: Float[Array, "batch samples"]
    ) -> Float[Array, "batch time features"]:
        """What is heard in the middle of each picture, not normalised: as it is live."""
        config = self.extractor.config
        first = self.before - config.win_length // 2 - 1  # a sample more, for the pre-emphasis
        starts = first + self._middles - self._middles[0]
        windows = sound[:, starts[:, None] + np.arange(config.win_length + 1)]
        windows = windows.reshape(-1, config.win_length + 1)
        hop = config.hop_length
        _, windows = self.extractor.windows(windows[:, :-hop], windows[:, -hop:])
        if config.kind == "raw":
            values = windows
        else:
            values = self.extractor.vectors(self.extractor.power(windows), window_power(windows))
        return values.reshape(len(sound), self.time, -1)

    def heard(
        self, given: Given, sound: Float[Array, "batch samples"]
    ) -> Float[Array, "batch time features"]:
        """The features of each picture's sound, normalised."""
        values = self.described(sound)
        return (values - given.mean[None, None]) / given.std[None, None]

    def shown(self, sound: Float[Array, "batch samples"]) -> Float[Array, "batch during"]:
        """The sound during which the pictures are on the screen."""
        start = self.before - self._middles[0]
        return sound[:, start : start + self.wave.samples(self.time)]

    def painted(
        self,
        params: Any,
        given: Given,
        heard: Float[Array, "batch time features"],
        key: PRNGKeyArray,
    ) -> tuple[Float[Array, "n height width 3"], Float[Array, "n rows columns 3"]]:
        """Pictures in a row, from anywhere in the drift; and their base images."""
        batch, time, _ = heard.shape
        drift = init_drift(key, batch, self.model.base_cells, given.bases)
        secs = jnp.full((batch, time), 1 / float(self.frame_rate))
        _, track = drifted(self.visual.drift, drift, secs, given.bases)
        angles, base = (x.reshape(batch * time, *x.shape[2:]) for x in track)
        pictures = self.model.paint(
            params["generator"],
            heard.reshape(batch * time, -1),
            latent_of(angles),
            base,
            self.visual.height,
            self.visual.width,
        )
        # Of the painter's, what lies behind the picture.
        return pictures, inside(base) if self.visual.model.generator == "painter" else base

    def in_time(
        self, pictures: Float[Array, "n height width 3"]
    ) -> Float[Array, "batch time height width 3"]:
        """Pictures in rows, as `painted` has them."""
        return pictures.reshape(-1, self.time, *pictures.shape[1:])

    def heard_again(
        self, params: Any, pictures: Float[Array, "n height width 3"]
    ) -> Float[Array, "batch during"]:
        """The waveform that is read from pictures in a row."""
        looks = averaged(pictures, *self.model.look)
        return self.wave.sound(params["wave"], self.in_time(looks))


def shown_by(visual: VisualizerConfig, frame_rate: Fraction) -> VideoSpec:
    """The pictures that a run shows unless told otherwise.

    Those of the painter, which look the same at any size, are larger than in training.
    """
    larger = 1
    if visual.model.generator == "painter":
        larger = max(1, SHOWN // min(visual.height, visual.width))
    return VideoSpec(frame_rate, larger * visual.height, larger * visual.width)


def given_by(painting: Painting, sound: Float[np.ndarray, "n samples"]) -> Given:
    """Mean and standard deviation of each feature over some stretches of sound."""
    values = np.asarray(jax.jit(painting.described)(sound)).reshape(-1, painting.model.features)
    # Where a feature hardly changes, it is not blown up: silence in it stays silence.
    return Given(values.mean(axis=0), np.maximum(values.std(axis=0), 1e-3))


def in_style(
    painting: Painting, given: Given, params: Any, pictures: UInt8[np.ndarray, "n height width 3"]
) -> tuple[Given, Any]:
    """Base images and a palette from pictures that somebody likes, of the size in training."""
    likes = pictures / np.float32(255)
    bases = averaged(jnp.asarray(likes), *painting.model.base_cells)
    generator = params["generator"]
    if "palette" in generator:
        colours = chosen_colours(likes.reshape(-1, 3)[::7], len(generator["palette"]))
        # What was to be dark stays dark.
        order = np.argsort(np.argsort(np.asarray(generator["palette"]) @ LUMA))
        generator = generator | {"palette": jnp.asarray(colours[order])}
    return given._replace(bases=bases), params | {"generator": generator}


def figures_of(
    painting: Painting, given: Given, params: Any, sound: Float[np.ndarray, "n samples"]
) -> dict[str, float]:
    """How much of held-out sound can be read from its pictures, and how these look.

    Returns:
      `val_r2`, the share of the features' variance that is read rightly; `val_worst`, of the worst
      feature; `val_std` and `val_change`, spread of a picture and mean absolute change from one to
      the next, of 255.
    """
    heard, read, pictures = (np.asarray(x) for x in _read(painting, given, params, sound))
    error, whole = np.square(read - heard).sum(axis=0), np.square(heard - heard.mean(axis=0))
    share = 1 - error / np.maximum(whole.sum(axis=0), 1e-9)
    films = pictures.reshape(-1, painting.time, *pictures.shape[1:])
    return {
        "val_r2": float(1 - error.sum() / max(whole.sum(), 1e-9)),
        "val_worst": float(share.min()),
        "val_std": float(255 * pictures.std(axis=(1, 2)).mean()),
        "val_change": float(255 * np.abs(np.diff(films, axis=1)).mean()),
    }


def summaries_of(
    painting: Painting, given: Given, params: Any, sound: Float[np.ndarray, "n samples"]
) -> Summaries:
    """For TensorBoard: pictures of held-out sound; and its features, heard above and read below."""
    heard, read, pictures = (np.asarray(x) for x in _read(painting, given, params, sound))
    some = pictures[:: max(1, len(pictures) // 24)][:24]
    rows = [np.concatenate(list(some[k : k + 8]), axis=1) for k in range(0, len(some) // 8 * 8, 8)]
    both = np.concatenate([heard[::-1].T, read[::-1].T])
    grey = np.clip(0.5 + both / 6, 0, 1)
    drawn = {"pictures": np.concatenate(rows or list(some[:1])), "heard_read": grey[..., None]}
    return Summaries({name: np.rint(255 * x).astype(np.uint8) for name, x in drawn.items()}, {})


def _read(painting: Painting, given: Given, params: Any, sound: Any) -> tuple[Array, Array, Array]:
    """Features heard and read, and the pictures between, by the same chances every time."""

    @jax.jit
    def read(params: Any, sound: Array) -> tuple[Array, Array, Array]:
        heard = painting.heard(given, sound)
        pictures, _ = painting.painted(params, given, heard, jax.random.key(0))
        seen = viewed(pictures, jax.random.key(1), CLEAR)
        flat = heard.reshape(-1, heard.shape[-1])
        return flat, painting.model.read(params["decoder"], seen), pictures

    return read(params, sound)
