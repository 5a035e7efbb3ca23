"""Pictures of an instrument -> what happens at each of its notes.

A picture becomes columns, from left to right. Where notes lie side by side, as bars and keys do,
what tells the camera's place apart from the playing is where all of them begin and how far they are
apart: two numbers, read from the whole picture, say where each note looks. Elsewhere each note
finds its columns by their looks, which takes longer to learn (attention; Bahdanau et al., "Neural
machine translation by jointly learning to align and translate", ICLR 2015). Either way, wherever
the camera stands, what is learned of one note is known of all.

Convolutions of pictures are avoided on purpose: on a processor their gradients cost ten times as
much as everything here together.
"""

from dataclasses import dataclass
from typing import Literal

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from wyh.errors import WyhError, check_range

Order = Literal["rising", "falling", "none"]
"""Notes lie from left to right as they are listed; from right to left; or anywhere."""


@dataclass(frozen=True)
class GazeConfig:
    """Sizes of a network that finds notes in pictures."""

    order: Order = "rising"
    patch: tuple[int, int] = (8, 2)  # height and width in pixels of what is seen as one, 1 to 64
    embed: int = 24  # values of a patch, 1 to 4096
    width: int = 64  # values of a column, and of a note, 1 to 4096
    layers: int = 2  # in which columns hear of their neighbours, 0 to 16
    reach: int = 9  # columns in a row, each, 1 to 63
    sharpness: float = 0.05  # share of the picture's width that a note looks at first, 0.001 to 1
    scene: int = 64  # values of the picture as a whole, such as where hands are, 1 to 4096
    look: int = 32  # values by which notes without an order know their columns, 1 to 1024

    def __post_init__(self) -> None:
        for pixels in self.patch:
            check_range("a patch's side", pixels, 1, 64, "pixels")
        for width in (self.embed, self.width, self.scene):
            check_range("a layer's width", width, 1, 4096)
        check_range("layers", self.layers, 0, 16)
        check_range("reach", self.reach, 1, 63, "columns")
        check_range("sharpness", self.sharpness, 0.001, 1)
        check_range("look", self.look, 1, 1024)

    def check(self, height: int, width: int) -> None:
        """Refuse pictures that patches do not fill.

        Raises:
          WyhError: naming the size that would do.
        """
        if height % self.patch[0] or width % self.patch[1]:
            raise WyhError(
                f"got pictures of {width}x{height}, wanted a width that is a multiple of "
                f"{self.patch[1]} and a height of {self.patch[0]}: choose another --size"
            )


class Gaze(nn.Module):
    """Pictures -> values of each note, and of the picture as a whole."""

    config: GazeConfig
    notes: int

    @nn.compact
    def __call__(
        self, x: Float[Array, "n height width channel"]
    ) -> tuple[Float[Array, "n notes values"], Float[Array, "n scene"]]:
        """Look at pictures, each by itself."""
        c = self.config
        n, height, width, channels = x.shape
        rows, columns = height // c.patch[0], width // c.patch[1]
        x = x.reshape(n, rows, c.patch[0], columns, c.patch[1] * channels)
        x = x.transpose(0, 3, 1, 2, 4).reshape(n, columns, rows, -1)
        x = _normed(nn.Dense(c.embed, name="embed")(x), "embed_norm").reshape(n, columns, -1)
        x = _normed(nn.Dense(c.width, name="columns")(x), "columns_norm")
        x = x + self.param("places", _SPREAD, x.shape[1:])[None]
        for number in range(c.layers):
            more = nn.Conv(c.width, (c.reach,), name=f"neighbours_{number}")(x)
            x = x + _normed(more, f"neighbours_{number}_norm")
        logits = self._by_looks(x) if c.order == "none" else self._by_place(x)
        own = jax.nn.softmax(logits, axis=-1) @ nn.Dense(c.width, name="value")(x)
        named = self.param("notes", nn.initializers.normal(0.1), (self.notes, c.width))
        scene = nn.relu(nn.Dense(_FEW, name="sights")(x)).reshape(n, -1)
        scene = _normed(nn.Dense(c.scene, name="scene")(scene), "scene_norm")
        return nn.relu(nn.Dense(c.width, name="note")(own + named[None])), scene

    def _by_place(self, x: Float[Array, "n columns values"]) -> Float[Array, "n notes columns"]:
        """How much each note looks at each column: a bell around where it lies."""
        c = self.config
        n, columns, _ = x.shape
        whole = nn.relu(nn.Dense(_FEW, name="marks")(x)).reshape(n, -1)
        whole = _normed(nn.Dense(c.width, name="whole")(whole), "whole_norm")
        # The camera's own place, small at first: shift and zoom.
        camera = _CAREFUL * nn.Dense(2, kernel_init=_SMALL, name="camera")(whole)
        ends = (-_SPAN, _SPAN) if c.order == "rising" else (_SPAN, -_SPAN)
        lie = self.param("lie", lambda _: jnp.linspace(*ends, self.notes))
        width = self.param("bell", lambda _: jnp.full(self.notes, np.log(c.sharpness)))
        middle = lie[None] * jnp.exp(camera[:, 1:]) + camera[:, :1]
        places = (jnp.arange(columns) + 0.5) / columns - 0.5
        away = (places[None, None] - middle[:, :, None]) * jnp.exp(-width)[None, :, None]
        return -jnp.square(away) / 2

    def _by_looks(self, x: Float[Array, "n columns values"]) -> Float[Array, "n notes columns"]:
        """How much each note looks at each column: those that look as it does."""
        key = nn.Dense(self.config.look, name="key")(x)
        query = self.param("query", _SPREAD, (self.notes, self.config.look))
        return jnp.einsum("kd,ncd->nkc", query, key)


def _normed(x: Array, name: str) -> Array:
    return nn.relu(nn.LayerNorm(name=name)(x))


_SPREAD = nn.initializers.normal(0.3)
_SMALL = nn.initializers.normal(0.01)
_CAREFUL = 0.1
_FEW = 8  # values of a column that tell of the whole
_SPAN = 0.4  # of the picture's width, from its middle to the outermost notes
