"""The way back: from the sound of a sonifier to the codes, and the pictures, that made it.

A listener knows the layout of the bands and looks at each several times around the middle of a
picture: exactly, where the sound is steady, with the synth's own length and no taper, in which the
partials do not disturb one another; and more broadly, where it is noise. A small net turns what it
reads into the code.
"""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Float32, Int, PRNGKeyArray

from wyh.models.autoencoder import Autoencoder, decode
from wyh.models.listener import BandListener, ListenerConfig, hear
from wyh.signal.levels import db_to_amplitude
from wyh.signal.stft import stft_window
from wyh.specs import VideoSpec, tick_start
from wyh.synths.noise import NoiseSynth
from wyh.transducers.autoencoder import SonifierConfig
from wyh.transducers.protocol import Variables


class Look(NamedTuple):
    """One reading of all bands."""

    window: str
    lengths: int  # of the synth's n_fft
    offset: float  # from the middle of the picture, in frame periods


MIDDLE = Look("hann", 2, 0.0)
"""By which the level of a sound is measured."""

LOOKS = (
    *(Look("rectangular", 1, offset) for offset in (-0.6, -0.3, 0.0, 0.3, 0.6)),
    Look("hann", 2, -0.8),
    MIDDLE,
    Look("hann", 2, 0.8),
)
CHUNK = 128  # frames heard at once
LEAST = -0.3  # the lowest level, in units of the code: what lies under it is noise


class Listener:
    """The pure functions that hear one kind of sonifier; holds constants only."""

    def __init__(
        self,
        sound: SonifierConfig,
        video: VideoSpec,
        config: ListenerConfig = ListenerConfig(),  # noqa: B008
    ) -> None:
        self.sound, self.video, self.config = sound, video, config
        self.model = Autoencoder(sound.model, video.shape)
        self.synth = NoiseSynth(sound.synth, sound.model.code_size)
        self._member = (self.synth.bins == np.arange(sound.model.code_size)[:, None]).astype(
            np.float32
        )
        self.margin = sound.synth.n_fft + round(sound.synth.sample_rate / video.frame_rate) + 1
        """Samples on either side of a picture's middle that its looks reach, at most."""

    def init(self, key: PRNGKeyArray) -> Any:
        """Parameters of the net before training."""
        levels = jnp.zeros((1, self.sound.model.code_size, len(LOOKS)))
        return jax.jit(BandListener(self.config).init)(key, levels)["params"]

    def middles(self, count: int) -> Int[np.ndarray, " count"]:
        """The sample in the middle of each picture's sound, as `render` writes it."""
        rate, frame_rate = self.sound.synth.sample_rate, self.video.frame_rate
        return np.array([tick_start(2 * k + 1, rate, 2 * frame_rate) for k in range(count)])

    def levels(
        self,
        waveform: Float[Array, "batch samples"],
        middles: Int[Array | np.ndarray, "#batch count"],
        looks: tuple[Look, ...] = LOOKS,
    ) -> Float[Array, "batch count bands looks"]:
        """How loud each band is around each picture, in the units of the code.

        Args:
          waveform: at the level where an amplitude of 1 is a code of 1.
          middles: samples; what lies outside the waveform is silence.
          looks: to take.
        """
        period = self.sound.synth.sample_rate / float(self.video.frame_rate)
        padded = jnp.pad(waveform, [(0, 0), (self.margin, self.margin)])
        middles = jnp.clip(jnp.asarray(middles), 0, waveform.shape[1])
        middles = jnp.broadcast_to(middles, (waveform.shape[0], middles.shape[1]))
        looked = []
        for look in looks:
            length = look.lengths * self.sound.synth.n_fft
            first = self.margin + round(look.offset * period) - length // 2
            taper = stft_window(look.window, length)
            cut = jax.vmap(partial(_cut, length=length))(padded, middles + first)
            power = jnp.square(jnp.abs(jnp.fft.rfft(cut * jnp.broadcast_to(taper, cut.shape))))
            power = power * (2 / (length * float(np.sum(taper**2))))
            looked.append(power @ self._fold(look.lengths).T)
        return self._as_code(jnp.stack(looked, axis=-1))

    def codes(
        self, variables: Variables, waveform: Float[np.ndarray, " samples"], count: int
    ) -> Float32[np.ndarray, "count code"]:
        """What was the code of each of `count` pictures, as well as can be heard.

        Args:
          variables: of a run, with its `listener`.
          waveform: at the run's sample rate and any level; sample 0 is the start of frame 0.
          count: frames.
        """
        middles = self.middles(count)
        rms = np.sqrt(np.mean(np.square(waveform, dtype=np.float64)))
        # Bands of codes about 0.5: a level far off would be cut at its lower end, and misread.
        about = np.sqrt(self.sound.model.code_size) / 2
        sound = np.asarray(waveform * (about / max(rms, 1e-9)), np.float32)
        few = middles[:: -(-count // 1024)]
        # A code has the same mean whatever the picture, nearly: that gives the level away.
        for _ in range(2):
            levels = [np.asarray(self._levels(sound, m, (MIDDLE,))) for m in _chunks(few)]
            level = float(np.mean(np.concatenate(levels)[: len(few)]))
            sound = sound * self._gain(level, float(variables["listener"]["level"]))
        heard = [
            np.asarray(_hear(self.config, variables["listener"]["params"], self._levels(sound, m)))
            for m in _chunks(middles)
        ]
        return np.concatenate(heard)[:count]

    def pictures(
        self, variables: Variables, waveform: Float[np.ndarray, " samples"], count: int
    ) -> Float32[np.ndarray, "count height width channel"]:
        """What each of `count` pictures looked like, as well as can be heard, in [0, 1]."""
        return self.seen(variables, self.codes(variables, waveform, count))

    def seen(
        self, variables: Variables, codes: Float[np.ndarray, "count code"]
    ) -> Float32[np.ndarray, "count height width channel"]:
        """The pictures of codes, in [0, 1]."""
        shown = [np.asarray(_see(self.model, variables["params"], some)) for some in _chunks(codes)]
        return np.concatenate(shown)[: len(codes)]

    def _levels(
        self, sound: np.ndarray, middles: np.ndarray, looks: tuple[Look, ...] = LOOKS
    ) -> Array:
        return _levels_of(self, sound[None], middles[None], looks)[0]

    def _fold(self, lengths: int) -> Float[np.ndarray, "bands fine"]:
        """Which bins belong to a band where the spectrum is so many times as fine."""
        if lengths == 1:
            return self._member
        bands, bins = self._member.shape
        fine = np.zeros((bands, self.sound.synth.n_fft * lengths // 2 + 1), np.float32)
        for step in range(-(lengths // 2), lengths // 2 + 1):
            share = 0.5 if 2 * abs(step) == lengths else 1.0
            inside = np.arange(bins) * lengths + step
            kept = (inside >= 0) & (inside < fine.shape[1])
            fine[:, inside[kept]] += share * self._member[:, kept]
        return fine

    def _as_code(self, power: Array) -> Array:
        if self.sound.loudness == "linear":
            return jnp.sqrt(power + 1e-6)
        level = 1 + 10 * jnp.log10(power + 1e-9) / self.sound.range_db
        return jnp.maximum(level, LEAST)

    def _gain(self, level: float, wanted: float) -> np.float32:
        """The gain that turns one mean level into another."""
        if self.sound.loudness == "linear":
            return np.float32(wanted / level)
        return np.float32(db_to_amplitude(jnp.float32((wanted - level) * self.sound.range_db)))


def _cut(waveform: Array, starts: Array, *, length: int) -> Array:
    return jax.vmap(lambda start: jax.lax.dynamic_slice(waveform, (start,), (length,)))(starts)


_levels_of = jax.jit(Listener.levels, static_argnums=(0, 3))
_hear = jax.jit(hear, static_argnums=0)


@partial(jax.jit, static_argnums=0)
def _see(model: Autoencoder, params: Any, codes: Array) -> Array:
    return jnp.clip(decode(model, params, codes), 0.0, 1.0)


def _chunks(values: np.ndarray) -> list[np.ndarray]:
    """Runs of `CHUNK` values, the last filled up with its own end: one shape is compiled."""
    short = -len(values) % CHUNK
    filled = np.pad(values, [(0, short)] + [(0, 0)] * (values.ndim - 1), mode="edge")
    return list(filled.reshape(-1, CHUNK, *values.shape[1:]))
