"""The pair of networks of a run that paints sound: a generator, and the decoder that reads it back.

Two generators share an interface: `painter`, and `seed`, the seed's own. Beside the features of the
sound, both take a slow latent and a base image, which the transducer keeps and lets drift.
"""

from dataclasses import dataclass, field
from typing import Any, Literal

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from wyh.errors import WyhError, check_range
from wyh.models.layers import applied, averaged, spread
from wyh.models.painter import Painter, PainterConfig, coloured
from wyh.models.synesthesia import GridDecoder, SeedDecoder, SeedGenerator

LATENT = 16
"""Values of the slow latent: cosine and sine of eight angles."""


@dataclass(frozen=True)
class SynesthesiaConfig:
    """Which networks."""

    generator: Literal["painter", "seed"] = "painter"
    painter: PainterConfig = field(default_factory=PainterConfig)
    decoder: Literal["grid", "seed"] = "grid"
    look: int = 32  # pixels of the short side that the grid decoder sees, a multiple of 8

    def __post_init__(self) -> None:
        if self.generator not in ("painter", "seed"):
            raise WyhError(f"got the generator {self.generator!r}, wanted painter or seed")
        if self.decoder not in ("grid", "seed"):
            raise WyhError(f"got the decoder {self.decoder!r}, wanted grid or seed")
        check_range("look", self.look, 8, 256, "pixels")
        if self.look % 8:
            raise WyhError(f"got a look of {self.look} pixels, wanted a multiple of 8")

    def base_cells(self, height: int, width: int) -> tuple[int, int]:
        """Rows and columns of the base image: one flat colour for the seed's generator."""
        return self.painter.cells(height, width) if self.generator == "painter" else (1, 1)


class Synesthesia:
    """The pure functions of one config, for pictures of one shape; holds constants only.

    Args:
      config: which networks.
      features: how many values describe the sound.
      height: of the pictures trained on, in pixels; others have the same grid.
      width: of these.
    """

    def __init__(self, config: SynesthesiaConfig, features: int, height: int, width: int) -> None:
        self.config, self.features = config, features
        self.base_cells = config.base_cells(height, width)
        grid = config.painter.cells(height, width)
        self._painter = Painter(config.painter, grid)
        self._seed = SeedGenerator(height)
        short = min(height, width)
        self.look = tuple(
            max(8, round(config.look * side / short / 8) * 8) for side in (height, width)
        )
        self._size = height, width
        self._seen = self.look if config.decoder == "grid" else self._size

    def init(self, key: Any) -> dict[str, Any]:
        """`{"generator", "decoder"}`: new parameters. Jit it: eagerly it takes seconds."""
        generator_key, decoder_key = jax.random.split(key)
        features = jnp.zeros((1, self.features))
        base = jnp.zeros((1, *self.base_cells, 3))
        if self.config.generator == "painter":
            generator = self._painter.init(generator_key, features, jnp.zeros((1, LATENT)), base)
        else:
            generator = self._seed.init(generator_key, features, jnp.zeros((1, *self._size, 3)))
        decoder = self._decoder.init(decoder_key, jnp.zeros((1, *self._seen, 3)))
        return {"generator": generator["params"], "decoder": decoder["params"]}

    @property
    def _decoder(self) -> Any:
        decoder = GridDecoder if self.config.decoder == "grid" else SeedDecoder
        return decoder(self.features)

    def paint(
        self,
        params: Any,
        features: Float[Array, "n features"],
        latent: Float[Array, "n latent"],
        base: Float[Array, "n rows columns 3"],
        height: int,
        width: int,
        palette: Float[Array, "colours 3"] | None = None,
    ) -> Float[Array, "n height width 3"]:
        """Pictures in [0, 1].

        Args:
          params: of the generator.
          features: normalised.
          latent: slow.
          base: the base images, `base_cells`.
          height: of the pictures, any.
          width: of the pictures, any.
          palette: colours in place of the painter's own.
        """
        if self.config.generator == "seed":
            flat = jnp.broadcast_to(base, (len(base), *self._size, 3))
            made = applied(self._seed, params, features, flat)
            least = (min(pair) for pair in zip(self._size, (height, width), strict=True))
            return spread(averaged(made, *least), height, width)
        fields, own = applied(self._painter, params, features, latent, base)
        edges = self.config.painter.edges
        return coloured(fields, own if palette is None else palette, edges, height, width)

    def read(
        self, params: Any, pictures: Float[Array, "n height width 3"]
    ) -> Float[Array, "n features"]:
        """The features that can be read from pictures of any size.

        Args:
          params: of the decoder.
          pictures: in [0, 1].
        """
        seen = averaged(pictures, *self._seen)
        return jnp.asarray(applied(self._decoder, params, seen))
