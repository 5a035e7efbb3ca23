"""A coarse look at a picture -> the samples that are heard while it is shown."""

from dataclasses import dataclass
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from wyh.errors import check_range

_INIT = nn.initializers.he_uniform()
_HEAR_DB = -50.0  # of an atom before training
_RANGE_DB = 90.0  # below a sine of full scale, that an atom can be


@dataclass(frozen=True)
class WaveConfig:
    """Sizes of the decoder of waveforms."""

    hidden: int = 256  # of what it makes of the picture
    atoms: int = 256  # waveforms that it mixes
    low_hz: float = 40.0  # where they lie before training
    high_hz: float = 10_000.0  # no more than 0.45 of the sample rate counts

    def __post_init__(self) -> None:
        check_range("hidden", self.hidden, 8, 4096)
        check_range("atoms", self.atoms, 2, 4096)
        check_range("low_hz", self.low_hz, 10, 1000, "Hz")
        check_range("high_hz", self.high_hz, 1000, 96_000, "Hz")


class WaveDecoder(nn.Module):
    """Chooses how loud each of some learned waveforms is, in decibels, and adds them up.

    Sound spans six orders of magnitude, which the sum of a dense layer's weights does not.
    """

    config: WaveConfig
    samples: int
    sample_rate: int

    @nn.compact
    def __call__(self, look: Float[Array, "n rows columns 3"]) -> Float[Array, "n samples"]:
        """The samples of each picture, before they are faded into their neighbours'."""
        c, n = self.config, len(look)
        x = 2 * look - 1
        for width in (16, 24, 32):
            x = nn.leaky_relu(nn.Conv(width, (4, 4), (2, 2), kernel_init=_INIT)(x), 0.1)
        x = nn.leaky_relu(nn.Dense(c.hidden, kernel_init=_INIT)(x.reshape(n, -1)), 0.1)
        loud = nn.Dense(c.atoms, kernel_init=nn.initializers.normal(0.01))(x)
        loud_db = jnp.clip(20 * loud + _HEAR_DB, -_RANGE_DB, 0.0)
        atoms = self.param("atoms", self._start)
        return 10 ** (loud_db / 20) @ jnp.asarray(atoms)

    def _start(self, key: Any) -> Float[Array, "atoms samples"]:
        """Sines of all heights, closer together where they are low, each with a phase of its own.

        They sound as long as a window: none lasts for whole periods of another.
        """
        c = self.config
        high = min(c.high_hz, 0.45 * self.sample_rate)
        mel = np.linspace(np.log(700 + c.low_hz), np.log(700 + high), c.atoms)
        turn = 2 * np.pi * (np.exp(mel) - 700) / self.sample_rate
        phase = jax.random.uniform(key, (c.atoms, 1), maxval=2 * np.pi)
        along = jnp.asarray(np.outer(turn, np.arange(self.samples)).astype(np.float32))
        return jnp.sin(along + phase)
