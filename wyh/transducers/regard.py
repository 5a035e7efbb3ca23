"""How pictures are looked at before they are heard: as negatives, and whether at all.

What the knobs `negative`, `black` and `still` turn. At their defaults pictures and sound are as
they would be without them, exactly.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, UInt8

from wyh.specs import LUMA

BLACK = 0.1  # mean brightness from which on a picture is as loud as ever
STILL_SECS = 1.5  # in which the sound of a picture that stands still falls to 1 / e
MEMORY_SECS = 0.25  # over which earlier pictures are averaged, to be compared with
STILL_LEVEL, MOVING_LEVEL = 0.004, 0.012  # root mean squared change: a camera's noise; for sure
_CELLS = 16  # a side at which changes are looked for: noise averages out


class Regard(NamedTuple):
    """What is remembered of the pictures before, to tell whether anything moves."""

    average: Float[Array, "batch cells"]  # a moving average of the pictures, coarse
    liveliness: Float[Array, " batch"]  # 1 with movement, then falling
    compared: Float[Array, ""]  # 1 where the two hold, 0 where nobody asked for them


def init_regard(batch_size: int, shape: tuple[int, int, int]) -> Regard:
    """Before the first picture, which counts as movement."""
    cells = min(_CELLS, shape[0]) * min(_CELLS, shape[1]) * shape[2]
    return Regard(jnp.zeros((batch_size, cells)), jnp.ones(batch_size), jnp.float32(0.0))


def following(
    before: UInt8[Array, "batch reach height width channel"],
    frames: UInt8[Array, "batch time height width channel"],
    started: Float[Array, ""],
) -> UInt8[Array, "batch reach_and_time height width channel"]:
    """Pictures with those before them; until there were any (`started` is 0), the first one."""
    begin = jnp.where(started > 0, before, jnp.broadcast_to(frames[:, :1], before.shape))
    return jnp.concatenate([begin, frames], axis=1)


def negated(pictures: Float[Array, "*lead"], negative: Float[Array, ""]) -> Float[Array, "*lead"]:
    """Pictures in [0, 1] as so much of a negative."""
    return pictures + negative * (1 - 2 * pictures)


def presence(
    before: Regard,
    pictures: Float[Array, "batch time height width channel"],
    frame_rate: float,
    knobs: dict[str, Any],
) -> tuple[Regard, Float[Array, "batch time"]]:
    """The factor for the amplitudes of each picture: 1, less where it is black or stands still."""
    black = 1 - knobs["black"] * (1 - jnp.minimum(_brightness(pictures) / BLACK, 1.0))

    def looked() -> tuple[Regard, Array]:
        after, lively = _liveliness(before, pictures, frame_rate)
        return after, 1 - knobs["still"] * (1 - lively)

    def overlooked() -> tuple[Regard, Array]:
        return before._replace(compared=jnp.float32(0.0)), jnp.ones_like(black)

    after, still = jax.lax.cond(knobs["still"] > 0, looked, overlooked)
    return after, black * still


def _brightness(pictures: Float[Array, "batch time height width channel"]) -> Array:
    channels = pictures.mean(axis=(2, 3))
    return channels @ jnp.array(LUMA) if channels.shape[-1] == 3 else channels[..., 0]


def _liveliness(
    before: Regard, pictures: Float[Array, "batch time height width channel"], frame_rate: float
) -> tuple[Regard, Float[Array, "batch time"]]:
    """1 while pictures differ from the average of those before, then falling exponentially.

    Both memories are linear recurrences (the second of maxima), solved for all ticks together by a
    triangle of powers.
    """
    batch, time, height, width, _ = pictures.shape
    rows, columns = _means(height), _means(width)
    coarse = jnp.einsum("bthwc,hr,wk->btrkc", pictures, rows, columns).reshape(batch, time, -1)
    started = before.compared > 0
    begin = jnp.where(started, before.average, coarse[:, 0])
    alive = jnp.where(started, before.liveliness, 1.0)

    keep = np.exp(-1 / (frame_rate * MEMORY_SECS))
    first, triangle = _powers(keep, time)
    average = jnp.einsum("ts,bsc->btc", (1 - keep) * triangle, coarse)
    average += first[None, :, None] * begin[:, None]
    known = jnp.concatenate([begin[:, None], average[:, :-1]], axis=1)
    change = jnp.sqrt(jnp.mean(jnp.square(coarse - known), axis=-1))
    moving = jnp.clip((change - STILL_LEVEL) / (MOVING_LEVEL - STILL_LEVEL), 0.0, 1.0)

    first, triangle = _powers(np.exp(-1 / (frame_rate * STILL_SECS)), time)
    lively = jnp.max(triangle[None] * moving[:, None], axis=-1)
    lively = jnp.maximum(lively, first[None] * alive[:, None])
    return Regard(average[:, -1], lively[:, -1], jnp.float32(1.0)), lively


def _powers(
    keep: float, time: int
) -> tuple[Float[np.ndarray, " time"], Float[np.ndarray, "time time"]]:
    """What tick t keeps of what was before the first, and of each tick s up to t."""
    ticks = np.arange(time)
    ago = ticks[:, None] - ticks
    triangle = np.where(ago >= 0, keep ** np.maximum(ago, 0), 0.0)
    return (keep ** (ticks + 1)).astype(np.float32), triangle.astype(np.float32)


def _means(size: int) -> Float[np.ndarray, "size cells"]:
    """Averages over nearly equal runs of pixels, `_CELLS` of them or one a pixel."""
    cells = min(_CELLS, size)
    member = (np.arange(size) * cells // size)[:, None] == np.arange(cells)
    return (member / member.sum(axis=0)).astype(np.float32)
