"""Where in the picture each band comes from, from left to right: its place in stereo."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from wyh.models.autoencoder import Autoencoder, encode


def pan_positions(
    model: Autoencoder,
    params: Any,
    pictures: Float[Array | np.ndarray, "n height width channel"],
) -> Float[np.ndarray, " bands"]:
    """The horizontal centre of the pixels that move each band, -1 (left) to 1 (right).

    A pixel moves a band as much as the slope of its code value (before the sigmoid, which is steep
    only where the code is in the middle of its range) says, times how much the pixel itself moves
    from picture to picture. Every band of a trained code listens to much of the picture, so that
    all centres lie near the middle: they are stretched to be half way out on (quadratic) average.

    Args:
      model: of the code.
      params: of the model.
      pictures: in [0, 1], typical ones; a dozen will do.

    Returns:
      One place for each band; the middle where nothing moves it.
    """
    width = pictures.shape[2]
    weight = np.asarray(_power_by_column(model, params, jnp.asarray(pictures, jnp.float32)))
    places = (np.arange(width) + 0.5) / width * 2 - 1
    total = weight.sum(axis=1)
    centres = np.where(total > 0, weight @ places / np.where(total > 0, total, 1), 0.0)
    spread = np.sqrt(np.mean(centres**2))
    if _LEAST < spread < _SPREAD:
        centres = np.clip(centres * (_SPREAD / spread), -1, 1)
    return centres.astype(np.float32)


_SPREAD = 0.5  # root mean square of the places
_LEAST = 1e-3  # the same of centres that are in the middle, but for rounding


@jax.jit(static_argnums=0)
def _power_by_column(model: Autoencoder, params: Any, pictures: Array) -> Array:
    """Summed over all else: squared slope by pixel variance, `[bands, width]`."""
    variance = jnp.var(pictures, axis=0)
    # A single picture, or ones that are alike, do not tell which pixels move: then all do.
    variance = jnp.where(jnp.max(variance) > 0, variance, jnp.ones_like(variance))

    def of_one(picture: Array) -> Array:
        slopes = code_slopes(model, params, picture, jnp.arange(model.config.code_size))
        return jnp.einsum("bhwc,hwc->bw", jnp.square(slopes), variance)

    return jnp.sum(jax.lax.map(of_one, pictures), axis=0)


def code_slopes(
    model: Autoencoder,
    params: Any,
    picture: Float[Array, "height width channel"],
    bands: Int[Array, " some"],
) -> Float[Array, "some height width channel"]:
    """How much each pixel of a picture moves each of some code values, before the sigmoid."""

    def logits(x: Array) -> Array:
        code = jnp.clip(encode(model, params, x[None])[0], 1e-6, 1 - 1e-6)
        return jax.scipy.special.logit(code)

    value, back = jax.vjp(logits, picture)
    (slopes,) = jax.vmap(back)(jnp.eye(value.size)[bands])
    return slopes
