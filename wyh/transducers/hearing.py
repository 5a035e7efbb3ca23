"""How sound is listened to before it is painted: sensitivity, automatic gain, attack and release.

What the knobs of these names turn. At their defaults the features are as they would be without
them, exactly.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from wyh.signal.features import Extractor, FeatureConfig, decibels, window_power
from wyh.transducers.protocol import SoundFeatures, Variables

WANTED_DB = -20.0  # the level that automatic gain brings sound to, against a sine of full scale
MOST_GAIN_DB = 40.0  # what automatic gain adds or takes at most
AUDIBLE_DB = -60.0  # sound under this level does not move it
GAIN_SECS = 3.0  # in which automatic gain follows


class HearingCarry(NamedTuple):
    """The sound before, its level, and what was heard of it last."""

    before: Float[Array, "batch before"]
    level_db: Float[Array, " batch"]  # slow, for automatic gain
    heard: Float[Array, "batch features"]  # after attack and release
    started: Float[Array, ""]  # 0 before the first block, then 1


class Hearing:
    """The pure functions of one `FeatureConfig`; holds constants only."""

    def __init__(self, config: FeatureConfig) -> None:
        self.config, self.extractor = config, Extractor(config)
        self.block_secs = config.hop_length / config.sample_rate

    def init(self, batch_size: int) -> HearingCarry:
        """Before the first block: silence, at the level that needs no gain."""
        return HearingCarry(
            self.extractor.init(batch_size),
            jnp.full(batch_size, WANTED_DB),
            jnp.zeros((batch_size, self.config.size)),
            jnp.float32(0.0),
        )

    def __call__(
        self,
        variables: Variables,
        carry: HearingCarry,
        blocks: Float[Array, "batch time block"],
        knobs: dict[str, Any],
    ) -> tuple[HearingCarry, SoundFeatures]:
        """The features of each block, normalised by `mean` and `std` of the variables."""
        extractor, raw = self.extractor, self.config.kind == "raw"
        sound = blocks.reshape(len(blocks), -1)
        before, windows = extractor.windows(carry.before, sound)
        level_db = decibels(extractor.whole(carry.before, sound))
        slow_db, gain_db = self._gain(carry.level_db, level_db, knobs["auto_gain"])
        if raw:
            values = windows * 10 ** (gain_db / 20)[..., None]
        else:
            turned = jnp.stack([knobs["bass"], knobs["middle"], knobs["treble"]])
            boost_db = gain_db[..., None] + (turned @ jnp.asarray(extractor.registers))[None, None]
            power = extractor.power(windows) * 10 ** (boost_db / 10)
            whole = window_power(windows) * 10 ** (gain_db / 10)
            values = extractor.vectors(power, whole)
        values = (values - _all(variables["mean"])) / _all(variables["std"])
        last = jnp.where(carry.started > 0, carry.heard, values[:, 0])
        if not raw:
            values = self._followed(last, values, knobs)
        previous = jnp.concatenate([last[:, None], values[:, :-1]], axis=1)
        after = HearingCarry(before, slow_db, values[:, -1], jnp.float32(1.0))
        return after, SoundFeatures(values, previous, level_db + gain_db)

    def _gain(
        self, slow_db: Array, level_db: Float[Array, "batch time"], amount: Array
    ) -> tuple[Array, Array]:
        """The slow level after the last block, and each block's gain."""
        keep = np.float32(np.exp(-self.block_secs / GAIN_SECS))

        def follow(slow: Array, level: Array) -> tuple[Array, Array]:
            slow = jnp.where(level > AUDIBLE_DB, keep * slow + (1 - keep) * level, slow)
            return slow, slow

        def gained() -> tuple[Array, Array]:
            last, track = jax.lax.scan(follow, slow_db, level_db.T)
            return last, jnp.clip(WANTED_DB - track.T, -MOST_GAIN_DB, MOST_GAIN_DB) * amount

        def plain() -> tuple[Array, Array]:
            return slow_db, jnp.zeros_like(level_db)

        return jax.lax.cond(amount > 0, gained, plain)

    def _followed(
        self, last: Array, values: Float[Array, "batch time features"], knobs: dict[str, Any]
    ) -> Array:
        """Values that rise within the attack and fall within the release."""
        up, down = (
            jnp.where(secs > 0, jnp.exp(-self.block_secs / jnp.maximum(secs, 1e-4)), 0.0)
            for secs in (knobs["attack"], knobs["release"])
        )

        def follow(heard: Array, value: Array) -> tuple[Array, Array]:
            keep = jnp.where(value > heard, up, down)
            heard = value + keep * (heard - value)
            return heard, heard

        def slowly() -> Array:
            return jax.lax.scan(follow, last, values.swapaxes(0, 1))[1].swapaxes(0, 1)

        return jax.lax.cond((up > 0) | (down > 0), slowly, lambda: values)


def _all(values: Float[Array, " features"]) -> Float[Array, "1 1 features"]:
    return jnp.asarray(values)[None, None]
