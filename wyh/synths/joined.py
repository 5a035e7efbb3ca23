"""Windows of samples, each around the middle of a picture -> one sound, without seams."""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

_LEAST_RAMP = 32  # samples in which a window that no other overlaps begins and ends


def joined(
    windows: Float[Array | np.ndarray, "batch time length"],
    middles: Int[np.ndarray, " time"],
    samples: int,
    period: int,
) -> Float[Array, "batch samples"]:
    """Windows laid down around their middles, each fading into the next.

    Where windows are just long enough, two of them share each moment and their shares add up to 1;
    from longer ones the middle two periods are taken. Shorter ones leave silence between them.

    Args:
      windows: samples.
      middles: the sample on which each window is centred, rising.
      samples: of the result, which starts at sample 0.
      period: samples from middle to middle, rounded up.
    """
    length = min(windows.shape[-1], 2 * period)
    cut = (windows.shape[-1] - length) // 2
    taper = faded(length, period)
    places = (middles - length // 2)[:, None] + np.arange(length)
    inside = (places >= 0) & (places < samples)
    places = np.where(inside, places, samples)  # what lies outside is added to one more sample
    total = np.zeros(samples + 1)
    np.add.at(total, places, np.broadcast_to(taper, places.shape))
    # At either end a picture is alone, and has half of its share.
    share = (taper / np.maximum(total[places], 0.5)).astype(np.float32)
    shaped = jnp.asarray(windows)[..., cut : cut + length] * jnp.asarray(share)[None]
    silence = jnp.zeros((windows.shape[0], samples + 1))
    return silence.at[:, places].add(shaped)[:, :samples]


def faded(length: int, period: int) -> Float[np.ndarray, " length"]:
    """The share of each sample of a window: squared sines up and down, 1 where it is alone."""
    ramp = max(length - period, min(_LEAST_RAMP, length // 2))
    from_end = length / 2 - np.abs(np.arange(length) + 0.5 - length / 2)
    return np.asarray(np.sin(np.pi / 2 * np.clip(from_end / ramp, 0, 1)) ** 2)
