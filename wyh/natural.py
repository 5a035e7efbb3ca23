"""Pictures in general: what footage may show that it has not shown yet.

Natural pictures have a power spectrum of about 1 / frequency^2 (D. J. Field, "Relations between the
statistics of natural images and the response properties of cortical cells", JOSA A 4, 1987). This
is all that is assumed: waves of a cosine transform, each as strong as its frequency, independent
of one another.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

WAVES = (24, 16)  # a side: in brightness, and in each difference of colours


def wave_strengths(
    pictures: Float[np.ndarray, "n height width channel"],
) -> Float[np.ndarray, "channel waves waves"]:
    """How strong each wave is (RMS) where pictures in general vary as much as these do.

    Brightness and both differences of colours have each the variance that they have in `pictures`.
    """
    _, height, width, channels = pictures.shape
    variance = np.var(pictures @ _colours(channels).T, axis=0, dtype=np.float64).sum(axis=(0, 1))
    strengths = np.zeros((channels, WAVES[0], WAVES[0]))
    for place, total in enumerate(variance):
        most = WAVES[0] if place == 0 else WAVES[1]
        down, across = np.arange(min(most, height)), np.arange(min(most, width))
        rate = np.add.outer((down / height) ** 2, (across / width) ** 2) * height * width
        power = 1 / (rate + 1)  # one more: the mean is not infinitely strong
        power *= total / power.sum()
        strengths[place, : len(down), : len(across)] = np.sqrt(power)
    return strengths.astype(np.float32)


def waves_of(
    strengths: Float[np.ndarray, "channel waves waves"], height: int, width: int
) -> Float[np.ndarray, "m height width channel"]:
    """Each wave as a picture: as a set they have the covariance of pictures in general."""
    channels = len(strengths)
    down, across = _cosines(height), _cosines(width)
    made = np.einsum(
        "suv,uh,vw,sc->suvhwc", strengths, down, across, _colours(channels), optimize=True
    )
    return made.reshape(-1, height, width, channels)[strengths.ravel() > 0]


def mix_in(
    films: Float[Array, "batch time height width channel"],
    key: PRNGKeyArray,
    strengths: Float[np.ndarray, "channel waves waves"],
    amount: float,
) -> Float[Array, "batch time height width channel"]:
    """Films with a random picture on top of each, throughout, of up to `amount` of their variance.

    What comes out has the second moments of pictures half known, half never seen. It may leave
    [0, 1].
    """
    batch, _, height, width, channels = films.shape
    wave_key, share_key = jax.random.split(key)
    share = jax.random.uniform(share_key, (batch, 1, 1, 1), maxval=amount)
    drawn = jax.random.normal(wave_key, (batch, *strengths.shape)) * jnp.sqrt(share)
    down, across, colours = _cosines(height), _cosines(width), _colours(channels)
    made = jnp.einsum("bsuv,suv,uh,vw,sc->bhwc", drawn, strengths, down, across, colours)
    return films + made[:, None]


def _colours(channels: int) -> Float[np.ndarray, "channel channel"]:
    """Brightness, then differences of colours: orthonormal."""
    colours = np.eye(channels) if channels != 3 else np.array([[1, 1, 1], [1, 0, -1], [-1, 2, -1]])
    return (colours / np.linalg.norm(colours, axis=1, keepdims=True)).astype(np.float32)


def _cosines(size: int) -> Float[np.ndarray, "waves size"]:
    """The lowest waves of the orthonormal cosine transform (type II); zero where there are none."""
    waves = np.cos(np.pi / size * np.outer(np.arange(WAVES[0]), np.arange(size) + 0.5))
    waves /= np.linalg.norm(waves, axis=1, keepdims=True)
    waves[min(size, WAVES[0]) :] = 0
    return waves.astype(np.float32)
