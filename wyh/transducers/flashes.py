"""A limit on flashes, for those whom they make ill: light changes less where it would flash.

A pixel changes when its relative luminance has gone by a tenth of the full range or more, up or
down, since it last turned round, and the darker end is below 0.8. A general flash is a change of
more than a quarter of the picture at once and the opposite one; three a second are allowed (WCAG
2.2, criterion 2.3.1; Recommendation ITU-R BT.1702). Nor may more than a quarter of the picture
flash more often than that bit by bit. Here all this is taken a little more strictly, since
compression moves the light of every pixel: what is recorded is to keep the limit too.

Every picture is checked before it is shown, pixel by pixel, as the screen's 8 bits will have it.
Where it would flash, pixels whose light would change go as far towards it as they can without. The
picture before, once more, changes nothing, so there is always one that may be shown. Whatever
flashes much more often, as a strobe does, is followed slowly instead.
"""

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, UInt

from wyh.specs import LUMA

CHANGE = 0.09  # of luminance
BRIGHT = 0.8 + 2e-6  # a change that is all above this is none; by the error of `luminance`
AREA = 0.2  # more than this share of the picture is general
SPARE = 0.01  # of luminance, by which eased pixels stay away from a change
MOST = 6  # changes a second: three flashes
STROBE, STROBE_AREA = 12, 0.25  # changes of what comes beyond which pictures follow slowly
CALM_SECS = 0.6  # in which they do
EASED_STEPS = 4  # halvings in search of how far a pixel may go: more are slower, hardly better

_NEVER_UP, _NEVER_DOWN = 2.0, -1.0
"""The darkest that nothing is so far above, and the brightest that nothing is so far below."""


class Watch(NamedTuple):
    """What is known of some pictures, to tell whether they flash."""

    darkest: Float[Array, "batch height width"]  # luminance since the last change, if that was down
    brightest: Float[Array, "batch height width"]  # if it was up; both where there was none yet
    changed: UInt[Array, "batch words height width"]  # bit k: it changed k pictures ago
    general_way: Int[Array, " batch"]  # of the last general change
    general: Int[Array, "batch changes"]  # how many pictures ago the last were: one above the most


class FlashCarry(NamedTuple):
    """What was shown, and what would have been."""

    shown: Float[Array, "batch height width 3"]
    output: Watch  # of the pictures as they were shown
    input: Watch  # of some pixels of those that came
    slow: Int[Array, " batch"]  # for how many pictures to come they change slowly


def init_flashes(batch_size: int, height: int, width: int, frame_secs: float) -> FlashCarry:
    """Before the first picture."""
    second = second_of(frame_secs)

    def watch(height: int, width: int, most: int) -> Watch:
        shape = batch_size, height, width
        return Watch(
            jnp.full(shape, _NEVER_UP),
            jnp.full(shape, _NEVER_DOWN),
            jnp.zeros((batch_size, math.ceil(second / 32), height, width), jnp.uint32),
            jnp.zeros(batch_size, jnp.int32),
            jnp.full((batch_size, most + 1), second, jnp.int32),
        )

    shown = jnp.zeros((batch_size, height, width, 3))
    rows, columns = _some(shown).shape[1:3]
    slow = jnp.zeros(batch_size, jnp.int32)
    return FlashCarry(shown, watch(height, width, MOST), watch(rows, columns, STROBE), slow)


def second_of(frame_secs: float) -> int:
    """How many pictures begin within any one second, at most."""
    return math.ceil(1 / frame_secs - 1e-6)


def unflashed(
    carry: FlashCarry,
    pictures: Float[Array, "batch time height width 3"],
    frame_secs: float,
    limit: Float[Array, ""],
) -> tuple[FlashCarry, Float[Array, "batch time height width 3"]]:
    """Pictures as they may be shown; those that do not flash are as they came.

    Where they would flash more often than they may, they are `eased`. Where they flash as a strobe
    does, what is shown follows their mean slowly until they have not done so for a second.

    Args:
      carry: from `init_flashes` or the call before.
      pictures: in [0, 1].
      frame_secs: from one picture to the next.
      limit: 0 shows all pictures as they come.
    """
    second = second_of(frame_secs)
    slowly = 1 - math.exp(-frame_secs / CALM_SECS)

    def step(carry: FlashCarry, picture: Array) -> tuple[FlashCarry, Array]:
        seen = watched(carry.input, _some(picture), second, STROBE_AREA)
        slow = jnp.where(allowed(seen, second, STROBE_AREA), carry.slow, second)
        free = limit <= 0
        before = carry.shown
        wanted = _where(free | (slow == 0), picture, before + slowly * (picture - before))
        moved = watched(carry.output, wanted, second)
        fits = free | allowed(moved, second)

        def gentler() -> tuple[Array, Watch]:
            gentle = eased(carry.output, before, wanted)
            seen = watched(carry.output, gentle, second)
            may, still = allowed(seen, second), held(carry.output, second)
            output = jax.tree.map(
                lambda this, that, last: _where(fits, this, _where(may, that, last)),
                *(moved, seen, still),
            )
            return _where(fits, wanted, _where(may, gentle, before)), output

        # Nearly always nothing is to be done, which is to cost nothing.
        shown, output = jax.lax.cond(jnp.all(fits), lambda: (wanted, moved), gentler)
        return FlashCarry(shown, output, seen, jnp.maximum(slow - 1, 0)), shown

    after, shown = jax.lax.scan(step, carry, pictures.swapaxes(0, 1))
    return after, shown.swapaxes(0, 1)


def _some(picture: Float[Array, "batch height width 3"]) -> Array:
    """Some of the pixels: enough to see that pictures flash, though not to rule it out."""
    height, width = picture.shape[1:3]
    return picture[:, :: max(1, height // 32), :: max(1, width // 32)]


def watched(
    watch: Watch,
    picture: Float[Array, "batch height width 3"],
    second: int,
    general_area: float = AREA,
) -> Watch:
    """What is known after one more picture, where `second` of them begin in one."""
    light, darkest, brightest = luminance(picture), watch.darkest, watch.brightest
    up, down = _changes(watch, light, 0.0)
    # After a change up nothing but a change down is awaited, and the reverse.
    no_up = up | ((darkest == _NEVER_UP) & (brightest != _NEVER_DOWN))
    no_down = down | ((brightest == _NEVER_DOWN) & (darkest != _NEVER_UP))
    darker = jnp.where(no_up & ~down, _NEVER_UP, jnp.minimum(darkest, light))
    brighter = jnp.where(no_down & ~up, _NEVER_DOWN, jnp.maximum(brightest, light))
    after = held(watch._replace(darkest=darker, brightest=brighter), second, up | down)
    # Both are counted in one go: rows are shorter than 65,536.
    rows = (up.astype(jnp.uint32) | down.astype(jnp.uint32) << 16).sum(axis=2)
    area = general_area * up[0].size
    ups, downs = (rows & 0xFFFF).sum(axis=1) > area, (rows >> 16).sum(axis=1) > area
    last = watch.general_way
    event = (ups & (last <= 0)) | (downs & (last >= 0))
    # Where both come at once, the one that is opposite to the last counts.
    last = jnp.where(ups & downs, -last, jnp.where(ups, 1, jnp.where(downs, -1, last)))
    newer = jnp.concatenate([jnp.zeros_like(after.general[:, :1]), after.general[:, :-1]], axis=1)
    general = jnp.where(event[:, None], newer, after.general)
    return after._replace(general_way=last, general=general)


def eased(
    watch: Watch,
    before: Float[Array, "batch height width 3"],
    picture: Float[Array, "batch height width 3"],
) -> Float[Array, "batch height width 3"]:
    """A picture in which no pixel's light changes; pixels whose light would not are as they came.

    The others stop on the way from the picture before, in 16ths, `SPARE` from where it would.
    """

    def at(way: Array) -> Array:
        return before + way[..., None] * (picture - before)

    def changes(seen: Array, spare: float) -> Array:
        up, down = _changes(watch, luminance(seen), spare)
        return up | down

    way = jnp.zeros(picture.shape[:-1])
    for step in range(1, EASED_STEPS + 1):
        further = way + 2.0**-step
        way = jnp.where(changes(at(further), SPARE), way, further)
    return jnp.where(changes(picture, 0.0)[..., None], at(way), picture)


def _changes(
    watch: Watch, light: Float[Array, "batch height width"], spare: float
) -> tuple[Bool[Array, "batch height width"], Bool[Array, "batch height width"]]:
    """Which pixels change up with this luminance, and which down, or nearly so, by `spare`."""
    up = (light - watch.darkest >= CHANGE - spare) & (watch.darkest < BRIGHT)
    down = (watch.brightest - light >= CHANGE - spare) & (light < BRIGHT + spare)
    return up, down


def held(
    watch: Watch, second: int, changes: Bool[Array, "batch height width"] | None = None
) -> Watch:
    """What is known one picture later, in which these pixels changed, or none."""
    words = watch.changed
    new = jnp.zeros_like(words[:, :1])
    if changes is not None:
        new = changes[:, None].astype(jnp.uint32)
    kept = np.full((1, words.shape[1], 1, 1), 0xFFFFFFFF, np.uint32)
    kept[:, -1] = (2 << (second - 1) % 32) - 1
    changed = (words << 1 | jnp.concatenate([new, words[:, :-1] >> 31], axis=1)) & kept
    return watch._replace(changed=changed, general=jnp.minimum(watch.general + 1, second))


def allowed(watch: Watch, second: int, general_area: float = AREA) -> Bool[Array, " batch"]:
    """Whether there were no more changes in the last second than there may be."""
    most = watch.general.shape[1] - 1
    often = jax.lax.population_count(watch.changed).sum(axis=1) > most
    pixels = often.astype(jnp.int32).sum(axis=(1, 2))
    return (watch.general[:, -1] >= second) & (pixels <= general_area * often[0].size)


def luminance(picture: Float[Array, "*lead 3"]) -> Float[Array, "*lead"]:
    """Relative luminance of sRGB, 0 to 1, as 8 bits will have it, within 0.000001."""
    value = jnp.rint(picture * 255) / 255
    linear = jnp.full_like(value, _CURVE[-1])
    for factor in _CURVE[-2::-1]:
        linear = linear * value + factor
    linear = jnp.where(value <= 0.04045, value / 12.92, linear)
    red, green, blue = LUMA
    return red * linear[..., 0] + green * linear[..., 1] + blue * linear[..., 2]


_CURVE = [
    float(factor)
    for factor in np.polynomial.Chebyshev.interpolate(
        lambda value: ((value + 0.055) / 1.055) ** 2.4, 9, domain=(0.04, 1)
    )
    .convert(kind=np.polynomial.Polynomial)
    .coef
]
"""The bent part of sRGB's curve as a polynomial: a power takes ten times as long."""


def _where(choice: Bool[Array, " batch"], this: Array, that: Array) -> Array:
    return jnp.where(choice.reshape(-1, *[1] * (this.ndim - 1)), this, that)
