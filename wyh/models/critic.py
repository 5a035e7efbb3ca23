"""Tells pictures that somebody likes from those that a generator makes: a patch discriminator."""

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

_INIT = nn.initializers.he_uniform()


class Critic(nn.Module):
    """How much each patch of a picture looks like the real ones."""

    width: int = 32

    @nn.compact
    def __call__(self, pictures: Float[Array, "n height width 3"]) -> Float[Array, "n patches"]:
        """Above 0 for real."""
        x = 2 * pictures - 1
        for level in range(3):
            x = nn.Conv(self.width * 2**level, (4, 4), (2, 2), kernel_init=_INIT)(x)
            x = nn.leaky_relu(x, 0.2)
        return nn.Conv(1, (3, 3))(x).reshape(len(x), -1)


def init_critic(key: PRNGKeyArray, height: int, width: int) -> Any:
    """New parameters."""
    return Critic().init(key, jnp.zeros((1, height, width, 3)))["params"]


def hinge_losses(
    params: Any,
    made: Float[Array, "n height width 3"],
    real: Float[Array, "m height width 3"],
) -> tuple[Float[Array, ""], Float[Array, ""]]:
    """What the generator has to lose, and what the critic has: neither moves the other's side."""

    def judged(params: Any, pictures: Array) -> Array:
        return jnp.asarray(Critic().apply({"params": params}, pictures))

    for_generator = -judged(jax.lax.stop_gradient(params), made).mean()
    wrong = jax.nn.relu(1 + judged(params, jax.lax.stop_gradient(made))).mean()
    return for_generator, wrong + jax.nn.relu(1 - judged(params, real)).mean()
