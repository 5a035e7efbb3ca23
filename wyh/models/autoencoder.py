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
import numpy as np
from flax.errors import FlaxError
from jaxtyping import Array, ArrayLike, Float, UInt8

from wyh.errors import WyhError, check_range
from wyh.models.layers import DownConv, UpConv
from wyh.signal.smoothing import smooth


@dataclass(frozen=True)
class AutoencoderConfig:
    """Sizes of the autoencoder. The decoder mirrors the encoder."""

    code_size: int = 64  # values of the code, 1 to 512
    smoothing: int = 1  # half-size of the triangle along the code, in values, 0 to 32
    widths: tuple[int, ...] = (32, 64, 128)  # channels after each convolution of the encoder
    strides: tuple[int, ...] = (4, 2, 2)  # how much each convolution shrinks the picture
    hidden: int = 256  # units of the dense layer on either side of the code
    linear: bool = True  # adds a linear path beside the network, both ways; see principal_start
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
            flat = picture.reshape(picture.shape[0], -1) - _GREY
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
        # The linear path undoes the encoder's sigmoid; the clip keeps its slope finite.
        logits = jax.scipy.special.logit(jnp.clip(code, _EDGE, 1 - _EDGE))
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
    return _applied(model, params, pictures, "encode")


def decode(
    model: Autoencoder, params: Any, code: Float[ArrayLike, "batch code"]
) -> Float[Array, "batch height width channel"]:
    """The picture of a code, not clipped."""
    return _applied(model, params, code, "decode")


def _applied(model: Autoencoder, params: Any, x: ArrayLike, method: str) -> Array:
    try:
        return jnp.asarray(model.apply({"params": params}, jnp.asarray(x), method=method))
    except FlaxError as error:
        what = str(error).partition(" (http")[0]
        raise WyhError(f"the variables do not fit the model ({what}): copy the run again") from None


def principal_start(
    params: Any, pictures: Float[np.ndarray, "n height width channel"], config: AutoencoderConfig
) -> Any:
    """Parameters that begin as principal component analysis, the network adding nothing yet.

    Each value of the code is a mixture of all components. They are laid along the code as the waves
    of a cosine transform, the strong ones as slow waves: so neighbours say similar things, every
    value is used, and what smoothing takes away is the weakest. The sigmoid makes the mixtures,
    which are about normal, about uniform. The decoder's linear path is ridge regression back to the
    pictures, from logits that are heard with some noise.

    Args:
      params: of `Autoencoder.init`, with a linear path.
      pictures: in [0, 1], a few hundred to a few thousand.
      config: the model's.

    Returns:
      Parameters of the same shapes.
    """
    flat = pictures.reshape(len(pictures), -1).astype(np.float64)
    mean = flat.mean(axis=0)
    flat -= mean
    # By the products of pictures, several times faster than the decomposition of their pixels.
    variance, mixing = np.linalg.eigh(flat @ flat.T / len(flat))
    spread = np.sqrt(np.maximum(variance[::-1], 0))
    size = config.code_size
    # Components that the pictures do not have, being too alike or too few, have no wave.
    known = min(size, int(np.sum(spread > _LEAST)))
    components = mixing.T[::-1][:known] @ flat
    components /= np.linalg.norm(components, axis=1, keepdims=True)
    place = (np.arange(size) + 0.5)[:, None] * np.arange(known)
    waves = np.cos(np.pi / size * place)
    waves[:, :1] /= np.sqrt(2)  # else they would not be orthonormal, but for a common factor
    waves *= spread[:known] ** (_STRENGTH - 1)
    mixtures = waves @ components
    loudness = np.sqrt(np.sum((waves * spread[:known]) ** 2, axis=1, keepdims=True))
    mixtures *= _TO_UNIFORM / np.maximum(loudness, _LEAST)
    smoothing = np.asarray(smooth(jnp.eye(size + 2 * config.smoothing), config.smoothing))
    encode = mixtures.T @ np.linalg.pinv(smoothing, rcond=_LEAST_WAVE)
    logits = flat @ encode @ smoothing
    noise = _HEARD_NOISE**2 * len(flat) * np.eye(size)
    decode = np.linalg.solve(logits.T @ logits + noise, logits.T @ flat)
    encoder, decoder = dict(params["encoder"]), dict(params["decoder"])
    encoder["linear"] = {"kernel": encode.astype(np.float32)}
    encoder["last"] = {
        "kernel": np.zeros_like(encoder["last"]["kernel"]),
        "bias": ((_GREY - mean) @ encode).astype(np.float32),
    }
    decoder["linear"] = {"kernel": decode.astype(np.float32), "bias": mean.astype(np.float32)}
    decoder["last"] = {
        "kernel": np.zeros_like(decoder["last"]["kernel"]),
        "bias": np.zeros_like(decoder["last"]["bias"]),
    }
    return {"encoder": encoder, "decoder": decoder}


_INIT = nn.initializers.glorot_uniform()
_LEAST = 1e-3  # std of a component: less is rounding, a grey level of one value has 4e-3
_EDGE = 0.003  # codes nearer to 0 or 1 than this count as this
_GREY = 0.5  # taken off for the linear path: small sums are exact ones
_TO_UNIFORM = 1.7  # sigmoid(1.7 z) is within 0.01 of the normal distribution function
_STRENGTH = 0.75  # how far strong components stay stronger: 0 makes all equal, 1 keeps them
_LEAST_WAVE = 0.05  # waves that smoothing leaves less of are not restored
_HEARD_NOISE = 0.15  # of a logit: about 0.03 of a code value in the middle of its range


def as_picture(
    frames: UInt8[ArrayLike, "*lead height width channel"],
) -> Float[Array, "*lead height width channel"]:
    """Frames as the models see them: float32 in [0, 1]."""
    return jnp.asarray(frames, jnp.float32) / 255.0
