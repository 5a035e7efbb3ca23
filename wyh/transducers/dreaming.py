"""What a generator's pictures are dreamt with: steps towards what is meant, and a zoom without end.

The steps are those of plug-and-play generation: through the picture up the likelihood of the
classes, back towards the latent they began at, and a little noise. Here they move an offset that is
kept from picture to picture, so that pictures still flow.
Nguyen et al., "Plug & play generative networks: conditional iterative generation of images in
latent space", CVPR 2017; Mordvintsev et al., "Inceptionism: going deeper into neural networks",
2015.
"""

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key

from wyh.models.dcgan import Gan

STEP = 0.3  # of the latent, up the likelihood, at most
PULL = 0.3  # of an offset, back towards none, beside it
NOISE = 0.01  # of each value, in each step
GROWTH = 1.6  # times larger that what shines through gets in a second
ZOOM_SECS = 1.0  # in which it fades to 37 %, at the most zoom


def refined(
    gan: Gan,
    variables: Mapping[str, Any],
    offset: Float[Array, "batch latent"],
    walk: Float[Array, "batch time latent"],
    mixture: Float[Array, "batch time classes"],
    keys: Key[Array, " time"],
    steps: int,
) -> tuple[Float[Array, "batch latent"], Float[Array, "batch time latent"]]:
    """Latents whose pictures are more surely of their mixture; and the last one's offset.

    Args:
      gan: whose discriminator tells classes.
      variables: of it.
      offset: of the picture before.
      walk: latents to begin at. Of an offset as much is kept as keeps a latent as long as these.
      mixture: of each picture, of sum 1.
      keys: of the noise.
      steps: for each picture.
    """

    def climb(offset: Array, walk: Array, mixture: Array) -> Array:
        ahead = jax.grad(_likelihood, argnums=2)(gan, variables, walk + offset, mixture)
        ahead = ahead / jnp.maximum(jnp.linalg.norm(ahead), 1.0)
        latent, usual = walk + offset, jnp.linalg.norm(walk)
        length = jnp.sqrt(jnp.sum(jnp.square(latent)) + 1e-12)
        return STEP * (ahead - PULL * (offset + (1 - usual / length) * latent))

    def picture(offset: Array, now: tuple[Array, Array, Array]) -> tuple[Array, Array]:
        walk, mixture, key = now

        def step(offset: Array, noise: Array) -> tuple[Array, None]:
            return offset + jax.vmap(climb)(offset, walk, mixture) + NOISE * noise, None

        noise = jax.random.normal(key, (steps, *offset.shape))
        offset, _ = jax.lax.scan(step, offset, noise)
        return offset, walk + offset

    along = walk.swapaxes(0, 1), mixture.swapaxes(0, 1), keys
    last, latents = jax.lax.scan(picture, offset, along)
    return last, latents.swapaxes(0, 1)


def _likelihood(
    gan: Gan,
    variables: Mapping[str, Any],
    latent: Float[Array, " latent"],
    mixture: Float[Array, " classes"],
) -> Float[Array, ""]:
    """Log probability that the picture of a latent, by itself, is of a mixture's classes.

    Together, not each as much as its part: a picture that is a little of something else is asked
    for nowhere.
    """
    pictures = gan.pictures(variables, latent[None], mixture[None])
    odds = gan.opinion(variables, pictures, mixture[None]).classes[0]
    return jax.nn.logsumexp(jax.nn.log_softmax(odds), b=mixture)


def zoomed(
    before: Float[Array, "batch height width channel"],
    pictures: Float[Array, "batch time height width channel"],
    zoom: Float[Array, ""],
    frame_secs: float,
) -> tuple[
    Float[Array, "batch height width channel"], Float[Array, "batch time height width channel"]
]:
    """Pictures under which the one before shines through, ever larger; and the last one.

    Args:
      before: the last one of the call before.
      pictures: in [0, 1].
      zoom: 0 to 1: how long it shines through; 0 leaves pictures as they are.
      frame_secs: from one picture to the next.
    """
    rows, columns = (_magnifier(side, GROWTH**frame_secs) for side in before.shape[1:3])
    keep = jnp.exp(-frame_secs / (jnp.maximum(zoom, 1e-6) * ZOOM_SECS))

    def step(before: Array, picture: Array) -> tuple[Array, Array]:
        larger = jnp.einsum("bhwc,rh->brwc", before, jnp.asarray(rows))
        larger = jnp.einsum("brwc,sw->brsc", larger, jnp.asarray(columns))
        now = jnp.clip(picture + keep * (larger - picture), 0, 1)
        return now, now

    def flowing() -> tuple[Array, Array]:
        last, track = jax.lax.scan(step, before, pictures.swapaxes(0, 1))
        return last, track.swapaxes(0, 1)

    return jax.lax.cond(zoom > 0, flowing, lambda: (pictures[:, -1], pictures))


def _magnifier(pixels: int, times: float) -> Float[np.ndarray, "pixels pixels"]:
    """How much of each pixel is in each pixel of a picture enlarged about its middle.

    Cubic: it is done again and again, and must not blur. Keys, "Cubic convolution interpolation for
    digital image processing", IEEE Transactions on Acoustics, Speech and Signal Processing 1981.
    """
    middle = (pixels - 1) / 2
    at = middle + (np.arange(pixels) - middle) / times
    far = np.abs(at[:, None] - np.arange(pixels))
    near = (1.5 * far - 2.5) * far**2 + 1
    beside = ((2.5 - 0.5 * far) * far - 4) * far + 2
    shares = np.where(far < 1, near, np.where(far < 2, beside, 0))
    # At the edge the pixels that are missing are those that are there.
    return (shares / shares.sum(axis=1, keepdims=True)).astype(np.float32)
