"""The last stage of a sound that is made as a whole: soft ends, and one limiter for it all."""

from collections.abc import Iterable, Iterator

import jax
import numpy as np
from jaxtyping import Float32

from wyh.signal.levels import Limiter

CEILING_DB = -1.0  # true peak, dBFS
FADE_SECS = 0.005  # in which the sound begins and ends
BLOCK = 16384  # samples limited at once


def finished(
    sound: Iterable[Float32[np.ndarray, " _"]], sample_rate: int
) -> Iterator[Float32[np.ndarray, " _"]]:
    """The same sound, as long and as loud, with no step at its ends and no peak over the ceiling.

    Args:
      sound: in pieces of any length.
      sample_rate: in Hz.
    """
    limiter = Limiter(sample_rate, ceiling_db=CEILING_DB)
    late, carry = limiter.latency_samples, limiter.init(1)

    def limited(block: np.ndarray) -> np.ndarray:
        nonlocal carry
        carry, out = _limit(limiter, carry, np.pad(block, (0, BLOCK - len(block)))[None])
        return np.asarray(out)[0, : len(block)]

    rest, begun, skip = np.zeros(0, np.float32), False, late
    for piece in sound:
        rest = np.concatenate([rest, piece])
        while len(rest) >= 2 * BLOCK:
            block, rest = rest[:BLOCK], rest[BLOCK:]
            yield limited(block if begun else _opened(block, sample_rate))[skip:]
            begun, skip = True, 0
    rest = rest if begun else _opened(rest, sample_rate)
    rest = _opened(rest[::-1], sample_rate)[::-1]
    ended = np.pad(rest, (0, late))
    for first in range(0, len(ended), BLOCK):
        heard = limited(ended[first : first + BLOCK])
        yield heard[skip:]
        skip = max(0, skip - len(heard))


def _opened(sound: np.ndarray, sample_rate: int) -> np.ndarray:
    """Sound that rises from nothing; of a very short one, in half of it."""
    size = min(round(FADE_SECS * sample_rate), len(sound) // 2)
    rise = np.sin(np.pi / 2 * (np.arange(size) + 0.5) / max(1, size)) ** 2
    return np.concatenate([sound[:size] * rise, sound[size:]]).astype(np.float32)


_limit = jax.jit(Limiter.apply, static_argnums=0)
