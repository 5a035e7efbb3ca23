"""Pictures as another camera, or another light, would have seen them. Pure, one key a batch."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

Pictures = Float[Array, "batch height width channel"]


def move_camera(pictures: Pictures, key: PRNGKeyArray, zoom: float) -> Pictures:
    """Zoom into each picture by 1 to `1 + zoom`, anywhere within what that leaves to choose.

    Nothing from outside the picture is needed, so no border is made up.
    """
    zoom_key, place_key = jax.random.split(key)
    batch, height, width, _ = pictures.shape
    scale = 1 + zoom * jax.random.uniform(zoom_key, (batch, 1))
    room = (scale - 1) * jnp.array([[height, width]])
    shift = -room * jax.random.uniform(place_key, (batch, 2))

    def one(picture: Array, scale: Array, shift: Array) -> Array:
        return jax.image.scale_and_translate(
            picture, picture.shape, (0, 1), jnp.repeat(scale, 2), shift, "linear", antialias=False
        )

    return jax.vmap(one)(pictures, scale, shift)


def turn_light(pictures: Pictures, key: PRNGKeyArray, amount: float) -> Pictures:
    """Brighten or darken each picture by up to `amount`, each colour by up to half as much."""
    light_key, tint_key = jax.random.split(key)
    batch, channels = pictures.shape[0], pictures.shape[-1]
    light = jax.random.uniform(light_key, (batch, 1, 1, 1), minval=-amount, maxval=amount)
    tint = jax.random.uniform(tint_key, (batch, 1, 1, channels), minval=-amount, maxval=amount)
    return jnp.clip(pictures * (1 + light + tint / 2), 0.0, 1.0)
