"""What a control tells of its picture: the code, and the picture that it still stands for."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, UInt8

from wyh.models.autoencoder import Autoencoder, decode
from wyh.specs import VideoSpec
from wyh.synths.protocol import Magnitudes
from wyh.transducers.autoencoder import SonifierConfig
from wyh.transducers.protocol import Variables

Insight = Callable[[Variables, Any], tuple[Array, Array]]
"""`(variables, control) -> (code float32 [bands], picture uint8 [height, width, channel])`."""


def code_of(value: Float[Array, "*lead bands"], config: SonifierConfig) -> Array:
    """The code that made each band so loud; silence is 0. The inverse of `amplitudes`."""
    if config.loudness == "linear":
        return jnp.clip(value, 0.0, 1.0)
    level_db = 20 * jnp.log10(jnp.maximum(value, 1e-9))
    return jnp.clip(1 + level_db / config.range_db, 0.0, 1.0)


def insight(config: SonifierConfig, video: VideoSpec) -> Insight:
    """What the sound of a control of `sonifier(config, video)` still knows of its picture."""
    model = Autoencoder(config.model, video.shape)

    @jax.jit
    def look(
        variables: Variables, control: Magnitudes
    ) -> tuple[Float[Array, " bands"], UInt8[Array, "height width channel"]]:
        code = code_of(control.value.reshape(-1, config.model.code_size)[-1], config)
        picture = jnp.clip(decode(model, variables["params"], code[None])[0], 0.0, 1.0)
        return code, jnp.round(picture * 255).astype(jnp.uint8)

    return look
