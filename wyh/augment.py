"""Pictures as another camera, or another light, would have seen them. Pure, one key a batch.

Of films each is seen by one camera, in one light, throughout.
"""

from dataclasses import dataclass, replace

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from wyh.errors import check_range
from wyh.natural import mix_in

Pictures = Float[Array, "batch *time height width channel"]


@dataclass(frozen=True)
class AugmentConfig:
    """How unlike the footage the pictures are that a model trains on."""

    camera: float = 0.1  # zoom up to this much, and the shift that leaves free, 0 to 1
    light: float = 0.15  # brightness and tint, up to this much, 0 to 1
    unseen: float = 1.0  # pictures in general laid over, of up to this much variance, 0 to 1

    def __post_init__(self) -> None:
        for name in ("camera", "light", "unseen"):
            check_range(name, getattr(self, name), 0, 1)


def as_needed(config: AugmentConfig, prior: float) -> AugmentConfig:
    """Less of everything, in proportion, where pictures that were left out show little new.

    Where a camera stands still, pictures from elsewhere or in another light only take room.
    """
    share = min(1.0, prior / _MUCH)
    return replace(
        config,
        camera=config.camera * share,
        light=config.light * share,
        unseen=config.unseen * share,
    )


_MUCH = 0.1  # a prior from which on everything is augmented in full


def augmented(
    films: Float[Array, "batch time height width channel"],
    key: PRNGKeyArray,
    strengths: Float[np.ndarray, "channel waves waves"],
    config: AugmentConfig,
) -> Float[Array, "batch time height width channel"]:
    """Films as another camera, in another light, would have taken them, of things never seen.

    Args:
      films: in [0, 1].
      key: of the batch.
      strengths: of the waves of pictures in general (`wyh.natural.wave_strengths`).
      config: how much of each.
    """
    camera_key, light_key, unseen_key = jax.random.split(key, 3)
    if config.camera:
        films = move_camera(films, camera_key, config.camera)
    if config.light:
        films = turn_light(films, light_key, config.light)
    if config.unseen:
        films = mix_in(films, unseen_key, strengths, config.unseen)
    return films


def move_camera(pictures: Pictures, key: PRNGKeyArray, zoom: float) -> Pictures:
    """Zoom into each picture by 1 to `1 + zoom`, anywhere within what that leaves to choose.

    Nothing from outside the picture is needed, so no border is made up.
    """
    zoom_key, place_key = jax.random.split(key)
    batch, (height, width, channels) = pictures.shape[0], pictures.shape[-3:]
    scale = 1 + zoom * jax.random.uniform(zoom_key, (batch, 1))
    room = (scale - 1) * jnp.array([[height, width]])
    shift = -room * jax.random.uniform(place_key, (batch, 2))

    def one(film: Array, scale: Array, shift: Array) -> Array:
        return jax.image.scale_and_translate(
            film, film.shape, (1, 2), jnp.repeat(scale, 2), shift, "linear", antialias=False
        )

    films = pictures.reshape(batch, -1, height, width, channels)
    return jax.vmap(one)(films, scale, shift).reshape(pictures.shape)


def turn_light(pictures: Pictures, key: PRNGKeyArray, amount: float) -> Pictures:
    """Brighten or darken each picture by up to `amount`, each colour by up to half as much."""
    light_key, tint_key = jax.random.split(key)
    batch, channels = pictures.shape[0], pictures.shape[-1]
    one = (batch, *(1,) * (pictures.ndim - 2))
    light = jax.random.uniform(light_key, (*one, 1), minval=-amount, maxval=amount)
    tint = jax.random.uniform(tint_key, (*one, channels), minval=-amount, maxval=amount)
    return jnp.clip(pictures * (1 + light + tint / 2), 0.0, 1.0)
