"""A closed-form start of the autoencoder: principal components, with a prior for what is unseen.

Half a minute of film does not show everything that the next minute will. The components are
therefore those of the training pictures and of pictures in general together (`wyh.natural`). With
it, 128 values keep 8.2 dB of seconds never seen, without it 6.5; but where a camera stands still,
nearly everything has been seen. How much to expect is found out on pictures that were left out.
"""

from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
import scipy.linalg
from jaxtyping import Float

from wyh.models.autoencoder import GREY, AutoencoderConfig
from wyh.natural import wave_strengths, waves_of
from wyh.signal.smoothing import smooth

PRIORS = (0.5, 0.1, 0.02, 0.004)
"""Variance of pictures in general, to that of the training pictures: what is tried."""

_ABOUT = 1.05  # a greater prior may lose so much more than the best: it is the safer one
_LEAST = 1e-3  # std of a component: less is rounding, a grey level of one value has 4e-3
_TO_UNIFORM = 1.45  # of a logit's std: the sigmoid of what is about normal is about uniform
_STRENGTH = 0.9  # how far strong components stay stronger: 0 makes all equal, 1 keeps them
_LEAST_WAVE = 0.05  # waves that smoothing leaves less of are not restored
_HEARD_NOISE = 0.25  # of a logit, as a listener hears it: about 0.05 of a code value


class _Linear(NamedTuple):
    """A linear code: padded logits = flat @ encode, flat = smoothed logits @ decode, less means."""

    encode: Float[np.ndarray, "pixels padded"]
    decode: Float[np.ndarray, "code pixels"]
    lost: float  # mean squared error of pictures that were left out, heard with noise


def principal_start(
    params: Any,
    pictures: Float[np.ndarray, "n height width channel"],
    config: AutoencoderConfig,
    left_out: Float[np.ndarray, "m height width channel"] | None = None,
) -> tuple[Any, float]:
    """Parameters that begin as principal component analysis, the network adding nothing yet.

    Each value of the code is a mixture of all components. They are laid along the code as the waves
    of a cosine transform, the strong ones as slow waves: so neighbours say similar things, every
    value is used, and what smoothing takes away is the weakest. There is no constant wave: a
    picture is never heard by its loudness, so a listener need not know how loud the sound was. The
    sigmoid makes the mixtures, which are about normal, about uniform. The decoder's linear path is
    ridge regression back to the pictures, from logits that are heard with some noise.

    Args:
      params: of `Autoencoder.init`, with a linear path.
      pictures: in [0, 1], a few hundred to a thousand.
      config: the model's.
      left_out: other pictures, by which the prior is chosen; without any it is the first.

    Returns:
      Parameters of the same shapes, and the prior: one of `PRIORS`.
    """
    mean = pictures.mean(axis=0, dtype=np.float64)
    flat = (pictures - mean).reshape(len(pictures), -1)
    general = waves_of(wave_strengths(pictures), *pictures.shape[1:3])
    unseen = np.sqrt(len(flat)) * general.reshape(-1, flat.shape[1])
    both = np.concatenate([flat, unseen])
    # By the products of pictures, several times faster than the decomposition of their pixels.
    products = both @ both.T / len(flat)
    judges = None if left_out is None else (left_out - mean).reshape(len(left_out), -1)
    found = {
        prior: _laid_along(both, products, len(flat), prior, config, judges)
        for prior in (PRIORS if judges is not None else PRIORS[:1])
    }
    least = min(linear.lost for linear in found.values())
    prior = next(prior for prior in PRIORS if found[prior].lost <= _ABOUT * least)
    linear = found[prior]
    encoder, decoder = dict(params["encoder"]), dict(params["decoder"])
    encoder["linear"] = {"kernel": linear.encode.astype(np.float32)}
    encoder["last"] = {
        "kernel": np.zeros_like(encoder["last"]["kernel"]),
        "bias": ((GREY - mean.ravel()) @ linear.encode).astype(np.float32),
    }
    decoder["linear"] = {
        "kernel": linear.decode.astype(np.float32),
        "bias": mean.ravel().astype(np.float32),
    }
    decoder["last"] = {
        "kernel": np.zeros_like(decoder["last"]["kernel"]),
        "bias": np.zeros_like(decoder["last"]["bias"]),
    }
    return {"encoder": encoder, "decoder": decoder}, prior


def _laid_along(
    both: Float[np.ndarray, "m pixels"],
    products: Float[np.ndarray, "m m"],
    count: int,
    prior: float,
    config: AutoencoderConfig,
    judges: Float[np.ndarray, "n pixels"] | None,
) -> _Linear:
    """The linear code of `count` pictures and, with the weight of a prior, of all after them."""
    weight = np.ones(len(both))
    weight[count:] = np.sqrt(prior)
    size, count_all = config.code_size, len(both)
    strongest = (max(0, count_all - max(1, size - 1)), count_all - 1)  # they come last
    variance, mixing = scipy.linalg.eigh(
        products * weight * weight[:, None], subset_by_index=strongest, overwrite_a=True
    )
    spread = np.sqrt(np.maximum(variance[::-1], 0))
    # Components that the pictures do not have, being too alike or too few, have no wave.
    known = int(np.sum(spread > _LEAST))
    components = (mixing.T[::-1][:known] * weight) @ both
    components /= np.linalg.norm(components, axis=1, keepdims=True)
    # Either sign would do; libraries differ in theirs, the same film shall give the same code.
    strongest_pixel = np.argmax(np.abs(components), axis=1)
    components *= np.sign(components[np.arange(known), strongest_pixel])[:, None]
    place = (np.arange(size) + 0.5)[:, None] * (np.arange(known) + (size > 1))
    waves = np.cos(np.pi / size * place) * spread[:known] ** (_STRENGTH - 1)
    mixtures = waves @ components
    # By the pictures that were seen: theirs are the codes that shall be about uniform.
    loudness = np.std(both[:count] @ mixtures.T, axis=0)
    mixtures *= _TO_UNIFORM / np.maximum(loudness, _LEAST)[:, None]
    smoothing = np.asarray(smooth(jnp.eye(size + 2 * config.smoothing), config.smoothing))
    encode = mixtures.T @ np.linalg.pinv(smoothing, rcond=_LEAST_WAVE)
    logits = (both @ encode @ smoothing) * weight[:, None]
    noise = _HEARD_NOISE**2 * count * np.eye(size)
    decode = np.linalg.solve(logits.T @ logits + noise, (logits * weight[:, None]).T @ both)
    lost = 0.0
    if judges is not None:
        heard = _HEARD_NOISE**2 * np.sum(np.square(decode))
        missed = np.square(judges - judges @ encode @ smoothing @ decode)
        lost = float(np.mean(np.sum(missed, axis=1)) + heard)
    return _Linear(encode, decode, lost)
