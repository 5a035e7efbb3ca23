"""Layer upon layer of hidden units: pictures, and those before, -> the sound that belongs to them.

Trained as a whole this is a multilayer perceptron. Its layers may be pretrained one by one as
restricted Boltzmann machines (`wyh.contrastive`), which makes it a deep belief network. Source:
Hinton, Osindero and Teh, "A fast learning algorithm for deep belief nets", Neural Computation 2006.
"""

from dataclasses import dataclass
from typing import Any, Literal

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from wyh.errors import WyhError, check_range
from wyh.models.layers import averaged

_LEAST_WAVE = 1 / 512  # amplitude of the strongest wave: half of a grey level


@dataclass(frozen=True)
class DbnConfig:
    """Sizes of the network, and what it sees."""

    widths: tuple[int, ...] = (512, 512)  # hidden units of each layer
    units: Literal["sigmoid", "relu"] = "relu"  # sigmoid is what a Boltzmann machine's units are
    view: Literal["pixels", "waves"] = "pixels"  # waves: magnitudes of the 2-D Fourier transform
    shrink: int = 4  # pixels a side averaged into one, 1 to 64
    context: tuple[int, ...] = (1, 2, 4, 8)  # earlier pictures seen, in frames ago, 1 to 64
    seen_of: Literal["motion", "differences", "pictures"] = "motion"
    """What is seen of earlier pictures: how much has changed since (its square root, so that small
    motion counts), what has changed, or all of them."""
    context_shrink: int = 16  # pixels a side of earlier pictures averaged into one, 1 to 64
    standardised: bool = True  # every input has mean 0 and variance 1 on the training pictures
    context_sound: int = 0  # predictions before this one that are fed back, 0 to 32
    dropout: float = 0.2  # share of hidden units left out in each training step, 0 to 0.9

    def __post_init__(self) -> None:
        for width in self.widths:
            check_range("a hidden layer's width", width, 1, 65536)
        if not 1 <= len(self.widths) <= 16:
            raise WyhError(f"got {len(self.widths)} hidden layers, wanted 1 to 16")
        check_range("shrink", self.shrink, 1, 64, "pixels")
        check_range("context_shrink", self.context_shrink, 1, 64, "pixels")
        for ago in self.context:
            check_range("context", ago, 1, 64, "frames ago")
        check_range("context_sound", self.context_sound, 0, 32)
        check_range("dropout", self.dropout, 0, 0.9)

    @property
    def reach(self) -> int:
        """Earlier pictures that must be known."""
        return max(self.context, default=0)

    def inputs(self, shape: tuple[int, int, int]) -> int:
        """Numbers that the first layer sees of pictures `[height, width, channel]`."""
        now, ago = (np.prod(cells(shape, size)) for size in (self.shrink, self.context_shrink))
        return shape[2] * int(now + len(self.context) * ago)


def cells(shape: tuple[int, int, int], size: int) -> tuple[int, int]:
    """Rows and columns that pictures `[height, width, channel]` are averaged into."""
    return max(1, round(shape[0] / size)), max(1, round(shape[1] / size))


class Dbn(nn.Module):
    """Inputs -> standardised values of the sound."""

    config: DbnConfig
    size: int  # values predicted

    def setup(self) -> None:
        """Name the layers, so that each can be trained by itself."""
        for number, width in enumerate(self.config.widths):
            setattr(self, f"layer_{number}", nn.Dense(width))
        self.out = nn.Dense(self.size)

    def hidden(
        self, x: Float[Array, "batch inputs"], depth: int, key: Array | None = None
    ) -> Float[Array, "batch units"]:
        """What the units of layer `depth` do, the inputs where that is 0."""
        activate = nn.sigmoid if self.config.units == "sigmoid" else nn.relu
        for number in range(depth):
            x = activate(getattr(self, f"layer_{number}")(x))
            if key is not None and self.config.dropout:
                keep = 1 - self.config.dropout
                kept = jax.random.bernoulli(jax.random.fold_in(key, number), keep, x.shape)
                x = jnp.where(kept, x / keep, 0.0)
        return x

    def __call__(
        self, x: Float[Array, "batch inputs"], key: Array | None = None
    ) -> Float[Array, "batch size"]:
        """Predict; with a key, hidden units are left out at random."""
        return jnp.asarray(self.out(self.hidden(x, len(self.config.widths), key)))


def hidden(
    model: Dbn, params: Any, x: Float[Array, "batch inputs"], depth: int
) -> Float[Array, "batch units"]:
    """What the first `depth` layers make of inputs."""
    return jnp.asarray(model.apply({"params": params}, x, depth, method="hidden"))


def predict(
    model: Dbn, params: Any, x: Float[Array, "batch inputs"], key: Array | None = None
) -> Float[Array, "batch size"]:
    """The standardised values that belong to inputs."""
    return jnp.asarray(model.apply({"params": params}, x, key))


def inputs_of(
    pictures: Float[Array, "batch time height width channel"], config: DbnConfig
) -> Float[Array, "batch inner inputs"]:
    """What the network sees at each picture: it, and something of those before.

    Args:
      pictures: in a row, in [0, 1]; the first `config.reach` are only there for the others.
      config: what is seen.
    """
    reach, time = config.reach, pictures.shape[1]
    now = _coarse(pictures[:, reach:], config.shrink)
    if config.view == "waves":
        now = waves(now)
    seen = [now]
    for back in config.context:
        ago = pictures[:, reach - back : time - back]
        if config.seen_of == "motion":
            ago = jnp.abs(pictures[:, reach:] - ago)
        elif config.seen_of == "differences":
            ago = pictures[:, reach:] - ago
        ago = _coarse(ago, config.context_shrink)
        seen.append(jnp.sqrt(ago) if config.seen_of == "motion" else ago)
    return jnp.concatenate([each.reshape(*each.shape[:2], -1) for each in seen], axis=-1)


def _coarse(
    pictures: Float[Array, "batch time height width channel"], size: int
) -> Float[Array, "batch time rows columns channel"]:
    """Means over squares of `size` pixels a side."""
    batch, time, *shape = pictures.shape
    height, width, channels = shape
    rows, columns = cells((height, width, channels), size)
    flat = averaged(pictures.reshape(-1, *shape), rows, columns)
    return flat.reshape(batch, time, rows, columns, channels)


def waves(
    pictures: Float[Array, "*lead height width channel"],
) -> Float[Array, "*lead height width channel"]:
    """Magnitudes of the 2-D Fourier transform of each channel, the strongest being 1.

    The mean is left out: it would be the strongest always, and say nothing. A picture of one colour
    has no waves: what rounding leaves of it stays small.
    """
    about = pictures - pictures.mean(axis=(-3, -2), keepdims=True)
    magnitude = jnp.abs(jnp.fft.fft2(about, axes=(-3, -2)))
    strongest = jnp.max(magnitude, axis=(-3, -2, -1), keepdims=True)
    height, width = pictures.shape[-3:-1]
    return magnitude / jnp.maximum(strongest, _LEAST_WAVE * height * width / 2)


def standard_inputs(
    inputs: Float[np.ndarray, "n inputs"], config: DbnConfig
) -> dict[str, Float[np.ndarray, " inputs"]]:
    """The mean and spread of each input, that they are standardised by; 0 and 1 if not at all.

    A spread is a tenth of the mean spread at least: a pixel that never changed may once do so.
    """
    if not config.standardised:
        count = inputs.shape[1]
        return {"mean": np.zeros(count, np.float32), "spread": np.ones(count, np.float32)}
    mean, spread = inputs.mean(axis=0), inputs.std(axis=0)
    least = max(float(spread.mean()) / 10, 1e-3)
    return {"mean": mean.astype(np.float32), "spread": np.maximum(spread, least).astype(np.float32)}
