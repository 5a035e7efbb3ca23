"""What is predicted -> real sound: grains of a recording that sound most like it, joined.

When a picture's grain is due, the one is taken that is near to the prediction in its bands and
fits to the grain before it; to go on in the recording fits best. Owens et al., "Visually Indicated
Sounds", CVPR 2016, take whole events in this way, this takes a picture's period at a time.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, Int16, Key, PRNGKeyArray

from wyh.errors import check_range
from wyh.signal.levels import Limiter
from wyh.synths.columns import check_pace
from wyh.synths.laying import LayingCarry, due, init_laying, lay
from wyh.synths.output import OutputCarry, init_output, output
from wyh.synths.prediction import Prediction
from wyh.synths.protocol import Predicted, Synth
from wyh.synths.reference import GrainSizes, band_levels, compared, grain_sizes, power_of

REMEMBERED = 8  # grains that are not soon played again
_LONG_AGO = 1 << 20  # samples
_NOTHING = 1e-9


@dataclass(frozen=True)
class ExemplarConfig:
    """What a grain is chosen for. Costs are differences of levels in dB, over the bands."""

    candidates: int = 48  # grains nearest to the prediction, of which one is taken, 1 to 256
    join: float = 0.5  # share of the difference from how the last grain would go on, 0 to 10
    repeat_db: float = 6.0  # what it costs to play again what was just played, 0 to 60
    chance_db: float = 1.0  # of the costs is chance, so that no grain comes with every picture
    raise_db: float = 6.0  # by which a grain is made louder at most; softer at will, 0 to 40

    def __post_init__(self) -> None:
        check_range("candidates", self.candidates, 1, 256)
        check_range("join", self.join, 0, 10)
        check_range("repeat_db", self.repeat_db, 0, 60, "dB")
        check_range("chance_db", self.chance_db, 0, 20, "dB")
        check_range("raise_db", self.raise_db, 0, 40, "dB")


class Voice(NamedTuple):
    """Which grains were played."""

    since: Int[Array, ""]  # samples from where the newest grain began to the next block
    recent: Int[Array, "batch remembered"]  # where they begin in the reference, newest first;
    # far below 0 before there were so many


class ExemplarCarry(NamedTuple):
    """What is remembered from block to block."""

    laying: LayingCarry
    voice: Voice
    output: OutputCarry


class Wanted(NamedTuple):
    """What a grain is to sound like."""

    levels: Float[Array, "*lead groups"]  # dB
    power: Float[Array, "*lead"]


def exemplar(prediction: Prediction, config: ExemplarConfig) -> Synth:
    """The synth "exemplar".

    Variables: `{"gain_db": float32 [], "reference": what wyh.synths.reference.corpus returns}`.
    Pictures do not glide: each has a grain of its own, and crossfades do what the knob would.

    Raises:
      WyhError: the bands do not fit, as for `band_bins`; pictures come faster than blocks.
    """
    noise, sizes, groups = prediction.noise, grain_sizes(prediction), compared(prediction)
    block = noise.hop_length
    check_pace(prediction, block)
    limiter = Limiter(noise.sample_rate, ceiling_db=noise.ceiling_db)
    chooser = Chooser(config, sizes)

    def init(variables: Any, key: PRNGKeyArray, batch_size: int) -> ExemplarCarry:
        never = jnp.full((batch_size, REMEMBERED), -_LONG_AGO, jnp.int32)
        return ExemplarCarry(
            init_laying(batch_size, sizes.length),
            Voice(jnp.int32(_LONG_AGO), never),
            init_output(limiter, batch_size),
        )

    def wanted(controls: Predicted, time: int) -> Wanted:
        """A picture's own bands: where a glide to it has come to its end."""
        ended = jnp.full(time, 1 / prediction.frame_rate)
        amplitude = prediction.amplitudes(controls, ended, 1.0)
        return Wanted(band_levels(amplitude, groups), jnp.sum(jnp.square(amplitude), axis=-1))

    def emit_many(
        variables: Any,
        carry: ExemplarCarry,
        controls: Predicted,
        ages_secs: Float[Array, " time"],
        knobs: dict[str, Any],
        keys: Key[Array, " time"],
    ) -> tuple[ExemplarCarry, Float[Array, "batch samples"]]:
        batch, time = jax.tree.leaves(controls)[0].shape[:2]
        age, when = due(
            carry.laying.age,
            ages_secs * noise.sample_rate,
            period=prediction.period,
            block=block,
        )
        nothing = Wanted(jnp.zeros((batch, time, groups.shape[1])), jnp.zeros((batch, time)))
        like = jax.lax.cond(jnp.any(when.laid), lambda: wanted(controls, time), lambda: nothing)

        def tick(voice: Voice, now: tuple[Wanted, Array, Array, Array]) -> tuple[Voice, Array]:
            like, laid, offset, key = now

            def begun() -> tuple[Voice, Array]:
                starts, grains = chooser.grains(
                    variables["reference"], like, voice, voice.since + offset, key
                )
                recent = jnp.concatenate([starts[:, None], voice.recent[:, :-1]], axis=1)
                return Voice(block - offset, recent), grains

            def going_on() -> tuple[Voice, Array]:
                since = jnp.minimum(voice.since + block, _LONG_AGO)
                return voice._replace(since=since), jnp.zeros((batch, sizes.length))

            return jax.lax.cond(laid, begun, going_on)

        in_time = Wanted(like.levels.swapaxes(0, 1), like.power.swapaxes(0, 1))
        voice, grains = jax.lax.scan(tick, carry.voice, (in_time, when.laid, when.offset, keys))
        tail, sound = lay(carry.laying.tail, grains.swapaxes(0, 1), when, block)
        last, sound = output(
            limiter,
            carry.output,
            [sound],
            [jnp.float32(1.0)],
            variables["gain_db"],
            knobs,
            block,
        )
        return ExemplarCarry(LayingCarry(age, tail), voice, last), sound

    return Synth(
        name="exemplar",
        block=block,
        latency_samples=block
        + round((sizes.length - prediction.period) / 2)
        + limiter.latency_samples,
        init=init,
        emit_many=emit_many,
        needs=frozenset({"gain_db", "reference"}),
    )


class Chooser:
    """Takes grains out of a reference; holds constants only."""

    def __init__(self, config: ExemplarConfig, sizes: GrainSizes) -> None:
        self.config, self.sizes = config, sizes
        along = (np.arange(sizes.fade) + 0.5) / sizes.fade
        turned = np.pi / 2 * np.sin(np.pi / 2 * along) ** 2
        self.fall = np.cos(turned).astype(np.float32)
        """How every grain ends."""

    def grains(
        self,
        reference: dict[str, Array],
        like: Wanted,
        voice: Voice,
        spacing: Int[Array, ""],
        key: PRNGKeyArray,
    ) -> tuple[Int[Array, " batch"], Float[Array, "batch length"]]:
        """Where in the reference each next grain begins, and the grain as it is laid.

        Args:
          reference: as `corpus` returns it.
          like: for each of a batch.
          voice: before this grain.
          spacing: samples from where the last grain began to where this one does.
          key: of chance.
        """
        sound, levels = jnp.asarray(reference["sound"]), jnp.asarray(reference["levels"])

        def one(like: Wanted, recent: Array, key: Array) -> tuple[Array, Array]:
            start, follows = self.choose(sound, levels, like, recent, spacing, key)
            start, alike = self.aligned(sound, start, recent[0] + spacing, follows)
            # What is left of the last grain is gone if pictures stood still for long.
            alike = jnp.where((recent[0] >= 0) & (spacing < self.sizes.length), alike, 0.0)
            grain = _cut(sound, start, self.sizes.length) * self.envelope(alike)
            power = power_of(levels[self.nearest(sound, levels, start)])
            gain = jnp.sqrt(like.power / jnp.maximum(power, _NOTHING))
            return start, grain * jnp.minimum(gain, 10 ** (self.config.raise_db / 20))

        return jax.vmap(one)(like, voice.recent, jax.random.split(key, voice.recent.shape[0]))

    def choose(
        self,
        sound: Int16[Array, " samples"],
        levels: Float[Array, "grains groups"],
        like: Wanted,
        recent: Int[Array, " remembered"],
        spacing: Int[Array, ""],
        key: PRNGKeyArray,
    ) -> tuple[Int[Array, ""], Bool[Array, ""]]:
        """Where in the reference a grain begins, and whether it is where the last one goes on."""
        config, sizes = self.config, self.sizes
        # A band 40 dB under the loudest counts a tenth.
        weights = 10 ** ((like.levels - jnp.max(like.levels)) / 40)
        weights = (weights / jnp.sum(weights))[None]

        def apart_db(some: Array, other: Array) -> Array:
            return jnp.sqrt(jnp.sum(weights * jnp.square(some - other[None]), axis=-1))

        far = apart_db(levels, like.levels)
        goes_on = recent[0] + spacing
        can = (recent[0] >= 0) & (goes_on <= sound.shape[0] - sizes.length)
        next_grain = self.nearest(sound, levels, goes_on)
        _, nearest = jax.lax.top_k(-far, min(config.candidates, len(levels)))
        grains = jnp.concatenate([nearest, next_grain[None]])
        starts = jnp.concatenate([nearest * sizes.hop(sound.shape[0]), goes_on[None]])
        jump = apart_db(levels[grains], levels[next_grain]) * can
        jump = jump.at[-1].set(0.0)
        again = jnp.any(jnp.abs(starts[:, None] - recent[None]) < sizes.body // 2, axis=1)
        cost = far[grains] + config.join * jump + config.repeat_db * again
        cost = cost - config.chance_db * jax.random.gumbel(key, cost.shape)
        cost = cost.at[-1].set(jnp.where(can, cost[-1], jnp.inf))
        taken = jnp.argmin(cost)
        return starts[taken], taken == cost.size - 1

    def aligned(
        self,
        sound: Int16[Array, " samples"],
        start: Int[Array, ""],
        goes_on: Int[Array, ""],
        follows: Bool[Array, ""],
    ) -> tuple[Int[Array, ""], Float[Array, ""]]:
        """A start nearby that runs most in step with how the last grain goes on.

        Returns:
          The start, and the correlation of the two over the crossfade, 0 to 1.
        """
        fade, reach = self.sizes.fade, self.sizes.reach
        latest = sound.shape[0] - self.sizes.length - 2 * reach
        first = jnp.clip(start - reach, 0, latest)
        heard = _cut(sound, first, fade + 2 * reach)
        before = _cut(sound, jnp.maximum(goes_on, 0), fade)
        energy = jnp.correlate(jnp.square(heard), jnp.ones(fade), mode="valid")
        scale = jnp.sqrt(energy * jnp.sum(jnp.square(before)))
        alike = jnp.correlate(heard, before, mode="valid") / jnp.maximum(scale, _NOTHING)
        moved = jnp.abs(first + jnp.arange(2 * reach + 1) - start)
        best = jnp.argmax(alike - 1e-3 * moved / (reach + 1))  # of equals the nearest
        place = jnp.where(follows, start - first, best)
        return first + place, jnp.clip(alike[place], 0.0, 1.0)

    def envelope(self, alike: Float[Array, ""]) -> Float[Array, " length"]:
        """How a grain begins, so that with the end of the last one the power stays: and its end.

        For a falling share c and a correlation r, the rising share x has x^2 + 2 r c x + c^2 = 1:
        a sine beside the cosine where r is 0, what is missing from 1 where r is 1.
        """
        fall = jnp.asarray(self.fall)
        rise = jnp.sqrt(1 - jnp.square(fall) * (1 - jnp.square(alike))) - alike * fall
        return jnp.concatenate([rise, jnp.ones(self.sizes.body - self.sizes.fade), fall])

    def nearest(
        self,
        sound: Int16[Array, " samples"],
        levels: Float[Array, "grains groups"],
        start: Int[Array, ""],
    ) -> Int[Array, ""]:
        """The grain whose levels are those of sound that begins at a sample."""
        hop = self.sizes.hop(sound.shape[0])
        return jnp.clip((start + hop // 2) // hop, 0, len(levels) - 1)


def _cut(
    sound: Int16[Array, " samples"], start: Int[Array, ""], length: int
) -> Float[Array, " length"]:
    """Samples of a recording, in [-1, 1]."""
    return jax.lax.dynamic_slice_in_dim(sound, start, length).astype(jnp.float32) / 32768
