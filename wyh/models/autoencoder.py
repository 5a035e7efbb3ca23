"""The autoencoder of seed 000: picture -> code in [0, 1] -> picture.

The code is played as a spectrum, so it is smoothed along its axis before the sigmoid: values next
to each other share what they say. Source: WYHIWYS, M. Bachl, 2021 (re-implemented from its facts).
"""

import math
from dataclasses import dataclass
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Float, UInt8

from wyh.errors import WyhError, check_range
from wyh.models.layers import DownConv, UpConv, applied
from wyh.signal.smoothing import smooth


@dataclass(frozen=True)
class AutoencoderConfig:
    """Sizes of the autoencoder. The decoder mirrors the encoder."""

    code_size: int = 128  # values of the code, 1 to 512
    smoothing: int = 1  # half-size of the triangle along the code, in values, 0 to 32
    widths: tuple[int, ...] = (32, 64, 128)  # channels after each convolution of the encoder
    strides: tuple[int, ...] = (4, 2, 2)  # how much each convolution shrinks the picture
    hidden: int = 256  # units of the dense layer on either side of the code
    linear: bool = True  # adds a linear path beside the network, both ways; see wyh.principal
    negative_slope: float = 0.1  # of the leaky ReLU

    def __post_init__(self) -> None:
        for name, low, high in (("code_size", 1, 512), ("smoothing", 0, 32), ("hidden", 1, 65536)):
            check_range(name, getattr(self, name), low, high)
        if len(self.widths) != len(self.strides) or min(self.widths, default=0) < 1:
            raise WyhError(
                f"got widths {self.widths} and strides {self.strides}, wanted one or more, "
                f"as many of each"
            )
        if not set(self.strides) <= {2, 4}:
            raise WyhError(f"got strides {self.strides}, wanted 2 or 4 each")

    def check(self, height: int, width: int) -> None:
        """Refuse pictures that the strides do not divide.

        Raises:
          WyhError: naming the size that would do.
        """
        shrink = math.prod(self.strides)
        if height % shrink or width % shrink:
            raise WyhError(
                f"got pictures of {width}x{height}, wanted both sides a multiple of {shrink} "
                f"for this model: prepare the data with another --size"
            )


class Encoder(nn.Module):
    """Picture -> code."""

    config: AutoencoderConfig

    @nn.compact
    def __call__(
        self, picture: Float[Array, "batch height width channel"]
    ) -> Float[Array, "batch code"]:
        """Apply the encoder to pictures in [0, 1]."""
        c = self.config
        x = picture
        for features, stride in zip(c.widths, c.strides, strict=True):
            x = nn.leaky_relu(DownConv(features, stride)(x), c.negative_slope)
        x = x.reshape(x.shape[0], -1)
        x = nn.leaky_relu(nn.Dense(c.hidden, kernel_init=_INIT)(x), c.negative_slope)
        padded = c.code_size + 2 * c.smoothing
        logits = nn.Dense(padded, kernel_init=_INIT, name="last")(x)
        if c.linear:
            flat = picture.reshape(picture.shape[0], -1) - GREY
            logits += nn.Dense(padded, use_bias=False, kernel_init=_INIT, name="linear")(flat)
        return nn.sigmoid(smooth(logits, c.smoothing))


class Decoder(nn.Module):
    """Code -> picture, linear at the end: clip to [0, 1] to show it."""

    config: AutoencoderConfig
    shape: tuple[int, int, int]  # height, width, channels

    @nn.compact
    def __call__(
        self, code: Float[Array, "batch code"]
    ) -> Float[Array, "batch height width channel"]:
        """Apply the decoder."""
        c = self.config
        height, width, channels = self.shape
        shrink = math.prod(c.strides)
        low_height, low_width = height // shrink, width // shrink
        logits = logits_of(code)
        x = logits if c.linear else code
        x = nn.leaky_relu(nn.Dense(c.hidden, kernel_init=_INIT)(x), c.negative_slope)
        if low_height * low_width > 1:
            x = nn.Dense(low_height * low_width * c.widths[-1], kernel_init=_INIT)(x)
            x = nn.leaky_relu(x, c.negative_slope)
        x = x.reshape(code.shape[0], low_height, low_width, -1)
        for features, stride in zip(c.widths[-2::-1], c.strides[:0:-1], strict=True):
            x = nn.leaky_relu(UpConv(features, stride)(x), c.negative_slope)
        picture = UpConv(channels, c.strides[0], name="last")(x)
        if c.linear:
            flat = nn.Dense(height * width * channels, kernel_init=_INIT, name="linear")(logits)
            picture += flat.reshape(picture.shape)
        return picture


class Autoencoder(nn.Module):
    """Both halves; `method="encode"` and `method="decode"` apply one of them."""

    config: AutoencoderConfig
    shape: tuple[int, int, int]  # height, width, channels

    def setup(self) -> None:
        """Name the halves."""
        self.encoder = Encoder(self.config)
        self.decoder = Decoder(self.config, self.shape)

    def __call__(
        self, picture: Float[Array, "batch height width channel"]
    ) -> tuple[Float[Array, "batch code"], Float[Array, "batch height width channel"]]:
        """The code of pictures in [0, 1], and the pictures decoded from it."""
        code = self.encoder(picture)
        return code, self.decoder(code)

    def encode(
        self, picture: Float[Array, "batch height width channel"]
    ) -> Float[Array, "batch code"]:
        """The code of pictures in [0, 1]."""
        return self.encoder(picture)

    def decode(
        self, code: Float[Array, "batch code"]
    ) -> Float[Array, "batch height width channel"]:
        """The picture of a code."""
        return self.decoder(code)


def encode(
    model: Autoencoder, params: Any, pictures: Float[ArrayLike, "batch height width channel"]
) -> Float[Array, "batch code"]:
    """The code of pictures in [0, 1].

    Raises:
      WyhError: the parameters are another model's; so does `decode`.
    """
    return applied(model, params, jnp.asarray(pictures), method="encode")


def decode(
    model: Autoencoder, params: Any, code: Float[ArrayLike, "batch code"]
) -> Float[Array, "batch height width channel"]:
    """The picture of a code, not clipped."""
    return applied(model, params, jnp.asarray(code), method="decode")


def logits_of(code: Float[Array, "*lead code"]) -> Float[Array, "*lead code"]:
    """What the encoder's sigmoid made the code of; a clip keeps the slope finite."""
    return jax.scipy.special.logit(jnp.clip(code, _EDGE, 1 - _EDGE))


encode_jit = jax.jit(encode, static_argnums=0)
decode_jit = jax.jit(decode, static_argnums=0)


_INIT = nn.initializers.glorot_uniform()
_EDGE = 0.003  # codes nearer to 0 or 1 than this count as this
GREY = 0.5  # taken off for the linear path: small sums are exact ones


def as_picture(
    frames: UInt8[ArrayLike, "*lead height width channel"],
) -> Float[Array, "*lead height width channel"]:
    """Frames as the models see them: float32 in [0, 1]."""
    return jnp.asarray(frames, jnp.float32) / 255.0
