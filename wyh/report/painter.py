"""A run that paints sound, for reports: what is true of a sound, and what is read in pictures."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Float32, Int, UInt8

from wyh import knobs
from wyh.models.layers import averaged
from wyh.runs import Run
from wyh.signal.features import Extractor, FeatureConfig, window_power
from wyh.specs import VideoSpec
from wyh.transducers.compile import compile_transducer, traced
from wyh.transducers.kinds import Player, load_player, reader_of, visualizer_config
from wyh.transducers.offline import observe_all, pictures_of, visualize
from wyh.transducers.synesthesia import Synesthesia

LOOK = 16  # cells a side of the coarse look that closed-form readers take
_AT_ONCE = 64  # pictures, or windows
_EMIT = 32  # pictures that are made at once to be read before they are rounded

Waveform = Float32[np.ndarray, " samples"]


class SoundPainter:
    """A run and what it takes to judge it.

    Attributes:
      player: of pictures of the size that it was trained on.
      video: these pictures.
      frame_rate: of these, in Hz.
      sample_rate: of the sound, in Hz.
      features: of the sound.
      reader: that makes sound of pictures.

    Raises:
      WyhError: as `load_player` and `reader_of`.
    """

    def __init__(self, run: Run, checkpoint: str) -> None:
        self.reader = reader_of(load_player(run, checkpoint))
        self.video, config = self.reader.video, visualizer_config(run)
        self.player = load_player(run, checkpoint, video=self.video)
        self.spec = self.player.transducer.spec
        self.sample_rate = self.spec.audio.sample_rate
        self.frame_rate = float(self.video.frame_rate)
        self.features = config.features
        self.model = self.reader.model
        self.variables = self.player.variables
        self._run, self._checkpoint = run, checkpoint
        self._players = {self.video: self.player}

    def sized(self, short: int) -> VideoSpec:
        """Pictures of the run's shape whose short side has so many pixels, an even number."""
        least = min(self.video.height, self.video.width)
        height, width = (
            round(short * side / least / 2) * 2 for side in (self.video.height, self.video.width)
        )
        return replace(self.video, height=height, width=width)

    def at(self, video: VideoSpec) -> Player:
        """What plays it in pictures of another size."""
        if video not in self._players:
            self._players[video] = load_player(self._run, self._checkpoint, video=video)
        return self._players[video]

    def paint(
        self,
        waveform: Waveform,
        video: VideoSpec,
        variables: Any = None,
        **turned: float | str,
    ) -> Iterator[UInt8[np.ndarray, "_ height width 3"]]:
        """The pictures of a sound as `wyh.render` makes them, in runs of any length."""
        player = self.at(video)
        values = player.variables if variables is None else variables
        yield from visualize(player.transducer, values, [waveform], knobs.defaults(**turned))

    def untrained(self) -> dict[str, Any]:
        """Variables whose networks have learned nothing."""
        params = jax.jit(self.model.init)(jax.random.key(7))
        return self.variables | {"params": jax.tree.map(np.asarray, params)}

    def true_features(
        self, waveform: Waveform, middles: Int[np.ndarray, " n"]
    ) -> Float32[np.ndarray, "n features"]:
        """Features of the windows around some samples, normalised; silence is all around."""
        length = self.features.win_length
        # One sample more at the front: pre-emphasis takes from it.
        before = length // 2 + 1
        padded = np.pad(waveform, (before + length, 2 * length))
        begin = middles - before + before + length
        windows = np.lib.stride_tricks.sliding_window_view(padded, length + 1)[begin]
        whole = _in_chunks(partial(_described, self._extractor), windows)
        return (whole - self.variables["mean"]) / self.variables["std"]

    @property
    def _extractor(self) -> Extractor:
        return _extractors.setdefault(self.features, Extractor(self.features))

    def read(
        self, pictures: UInt8[np.ndarray, "n height width 3"]
    ) -> Float32[np.ndarray, "n features"]:
        """Features that the run's decoder reads from pictures of any size, normalised."""
        decoder = self.variables["params"]["decoder"]
        shape = self.video.height, self.video.width
        return _in_chunks(partial(_read, self.model, shape, decoder), pictures)

    def read_before_rounding(
        self, waveform: Waveform, **turned: float | str
    ) -> Float32[np.ndarray, "n features"]:
        """Features read from pictures of a sound that were never rounded to 8 bits."""
        transducer, values = self.player.transducer, knobs.defaults(**turned)
        compiled = compile_transducer(
            transducer, self.variables, values, seed=0, observe_ticks=_AT_ONCE
        )
        spec, block = self.spec, self.spec.block
        count = pictures_of(len(waveform), spec)
        rest = spec.latency_samples + round((_EMIT + 1) / self.frame_rate * self.sample_rate)
        sound = np.pad(waveform, (0, rest + 2 * block))
        blocks = sound[: len(sound) // block * block].reshape(-1, block)
        chunks = list(observe_all(compiled, self.variables, [blocks], values))
        controls = jax.tree.map(lambda *parts: np.concatenate(parts, axis=1), *chunks)
        carry, found = compiled.carry_out, []
        for first in range(0, count, _EMIT):
            due, ages = spec.picture_schedule(first, _EMIT, late=spec.latency_samples)
            chosen = jax.tree.map(lambda leaf, due=due: leaf[:, due], controls)
            carry, read = _emit_and_read(
                transducer.emit_many,
                self.model,
                self.variables,
                carry,
                chosen,
                ages.astype(np.float32),
                traced(values),
            )
            found.append(np.asarray(read))
        return np.concatenate(found)[:count]


def looks_of(pictures: UInt8[np.ndarray, "n height width 3"]) -> Float32[np.ndarray, "n values"]:
    """A coarse look at pictures: the means of `LOOK` times `LOOK` cells, in [0, 1]."""
    return _in_chunks(_look, pictures)


def chunked(pictures: Iterable[np.ndarray], size: int = _AT_ONCE) -> Iterator[np.ndarray]:
    """The same pictures in runs of `size`, but for the last."""
    held: list[np.ndarray] = []
    for some in pictures:
        held.append(some)
        while sum(map(len, held)) >= size:
            joined = np.concatenate(held)
            yield joined[:size]
            held = [joined[size:]]
    rest = np.concatenate(held) if held else np.zeros(0)
    if len(rest):
        yield rest


def _in_chunks(function: Any, values: np.ndarray) -> np.ndarray:
    """A function of many, a fixed number at once, so that one shape is compiled."""
    found = []
    for first in range(0, len(values), _AT_ONCE):
        some = values[first : first + _AT_ONCE]
        filled = np.concatenate([some, np.repeat(some[-1:], _AT_ONCE - len(some), axis=0)])
        found.append(np.asarray(function(filled))[: len(some)])
    return np.concatenate(found)


_extractors: dict[FeatureConfig, Extractor] = {}


@partial(jax.jit, static_argnums=0)
def _described(extractor: Extractor, sound: Float[Array, "n samples"]) -> Array:
    hop = extractor.config.hop_length
    _, windows = extractor.windows(sound[:, :-hop], sound[:, -hop:])
    if extractor.config.kind == "raw":
        return windows[:, 0]
    return extractor.vectors(extractor.power(windows), window_power(windows))[:, 0]


@partial(jax.jit, static_argnums=(0, 1))
def _read(model: Synesthesia, shape: tuple[int, int], params: Any, pictures: Array) -> Array:
    return model.read(params, averaged(pictures.astype(jnp.float32) / 255, *shape))


@jax.jit
def _look(pictures: Array) -> Array:
    coarse = averaged(pictures.astype(jnp.float32) / 255, LOOK, LOOK)
    return coarse.reshape(len(pictures), -1)


@partial(jax.jit, static_argnums=(0, 1))
def _emit_and_read(
    emit_many: Any,
    model: Synesthesia,
    variables: Any,
    carry: Any,
    controls: Any,
    ages: Array,
    values: Any,
) -> tuple[Any, Array]:
    keys = jax.random.split(jax.random.key(0), len(ages))
    carry, pictures = emit_many(variables, carry, controls, ages, values, keys)
    return carry, model.read(variables["params"]["decoder"], pictures[0])
