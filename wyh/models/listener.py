"""From how loud each band was heard to the code that made it so: a small net along the bands."""

from dataclasses import dataclass
from typing import Any

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float

from wyh.errors import check_range


@dataclass(frozen=True)
class ListenerConfig:
    """Sizes of the listener. It knows the layout of the bands, and nothing of the pictures."""

    width: int = 24  # channels of each layer
    layers: int = 2  # between the first look and the answer
    reach: int = 5  # bands that a layer looks at together, odd

    def __post_init__(self) -> None:
        for name, low, high in (("width", 1, 512), ("layers", 0, 16), ("reach", 1, 31)):
            check_range(name, getattr(self, name), low, high)


class BandListener(nn.Module):
    """Levels of bands -> code. Neighbours count, as each band leaks into the next."""

    config: ListenerConfig

    @nn.compact
    def __call__(self, levels: Float[Array, "batch bands looks"]) -> Float[Array, "batch bands"]:
        """The code that was heard, about in [0, 1].

        Args:
          levels: of each band at several looks around a picture's middle, in units of the code.
        """
        c, bands = self.config, levels.shape[1]
        # Bands hold unlike numbers of bins, and so unlike levels: each has its own zero and scale.
        zero = self.param("zero", nn.initializers.zeros, (bands, levels.shape[2]))
        scale = self.param("scale", nn.initializers.ones, (bands, levels.shape[2]))
        x = (levels + zero[None]) * scale[None] - 0.5
        straight = nn.Dense(1, kernel_init=nn.initializers.constant(1 / levels.shape[2]))(x)
        for _ in range(c.layers):
            x = nn.leaky_relu(nn.Conv(c.width, (c.reach,), kernel_init=_INIT)(x), 0.1)
        correction = nn.Dense(1, kernel_init=nn.initializers.zeros, name="last")(x)
        return (straight + correction)[..., 0] + 0.5


def hear(
    config: ListenerConfig, params: Any, levels: Float[Array, "batch bands looks"]
) -> Float[Array, "batch bands"]:
    """The code that makes these levels."""
    return jnp.asarray(BandListener(config).apply({"params": params}, levels))


_INIT = nn.initializers.glorot_uniform()
