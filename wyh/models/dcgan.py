"""A mixture of classes and a slow latent -> a picture, and the discriminator it learns from.

Two designs of both. `dcgan` is the paper's: transposed convolutions of 5x5 with batch
normalisation, from 4x4 up. `default` is for a CPU and few pictures: convolutions of 3x3 at the
lower size whose channels are laid out in space, each level turned by what is to be seen, and a
discriminator that also tells classes. Either takes the classes as a mixture, of sum 1.
Radford et al., "Unsupervised representation learning with deep convolutional generative adversarial
networks", ICLR 2016; Miyato and Koyama, "cGANs with projection discriminator", ICLR 2018; Perez et
al., "FiLM: visual reasoning with a general conditioning layer", AAAI 2018.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from wyh.errors import WyhError, check_range
from wyh.models.layers import UpConv, depth_to_space

Design = Literal["default", "dcgan"]

SIZES = (32, 64, 128)
"""Pixels a side of the pictures that can be made."""

OF_MIXTURE = 8.0
"""How much a picture's likeness to its mixture counts, beside whether it is like any real one."""

_FIRST = {"default": 8, "dcgan": 4}  # pixels a side that a generator begins with
_WIDEST = 4  # times the width that a level of `default` has at most
_TOLD = 32  # values that stand for a mixture
_SEEN = 128  # values that a discriminator's opinion is formed from


@dataclass(frozen=True)
class GanConfig:
    """Sizes of the pair of networks."""

    design: Design = "default"
    size: int = 64  # pixels a side of the pictures: 32, 64 or 128
    channels: Literal[1, 3] = 3  # 3 = colour, 1 = grey
    angles: int = 32  # of the latent, 1 to 4096: it has two values of each
    width: int = 16  # channels of the last level before the picture, 1 to 1024; others have more

    def __post_init__(self) -> None:
        if self.size not in SIZES:
            raise WyhError(
                f"got pictures of {self.size} pixels, wanted {', '.join(map(str, SIZES))}"
            )
        check_range("angles", self.angles, 1, 4096)
        check_range("width", self.width, 1, 1024, "channels")

    @property
    def sides(self) -> tuple[int, ...]:
        """Pixels a side of each level that a generator makes from the one before."""
        first = _FIRST[self.design]
        return tuple(2 * first << level for level in range((self.size // first).bit_length() - 1))

    def channels_at(self, side: int) -> int:
        """Channels of a level."""
        if self.design == "dcgan":  # no level of full size is wider than the picture
            return self.width * (self.size // side // 2)
        return self.width * min(self.size // side, _WIDEST)


class Opinion(NamedTuple):
    """What a discriminator thinks of pictures."""

    real: Float[Array, " n"]  # log odds that it is a real one of its mixture
    classes: Float[Array, "n classes"]  # log odds of each class


def latent_at(angles: Float[Array, "*lead angles"]) -> Float[Array, "*lead latent"]:
    """The latent of some angles, each value of variance 1: so it can turn for ever."""
    return np.sqrt(2) * jnp.concatenate([jnp.cos(angles), jnp.sin(angles)], axis=-1)


def drawn_latent(key: PRNGKeyArray, count: int, config: GanConfig) -> Float[Array, "count latent"]:
    """Latents of any angles."""
    return latent_at(2 * jnp.pi * jax.random.uniform(key, (count, config.angles)))


class Generator(nn.Module):
    """Latent and mixture -> pictures."""

    config: GanConfig

    @nn.compact
    def __call__(
        self,
        latent: Float[Array, "n latent"],
        mixture: Float[Array, "n classes"],
        training: bool = False,
    ) -> Float[Array, "n height width channel"]:
        """Pictures in [0, 1].

        Args:
          latent: from `latent_at`.
          mixture: of sum 1.
          training: batch statistics are taken from this batch, and remembered.
        """
        c = self.config
        told = nn.Dense(_TOLD, use_bias=False, kernel_init=_EACH, name="told")(mixture)
        wanted = jnp.concatenate([latent, told], axis=-1)
        first = _FIRST[c.design]
        channels = c.channels_at(first)
        x = nn.Dense(first**2 * channels, name="first")(wanted).reshape(-1, first, first, channels)
        if c.design == "dcgan":
            for number, side in enumerate(c.sides):
                x = nn.relu(_batch_norm(f"norm_{number}", training)(x))
                last = side == c.size
                features = c.channels if last else c.channels_at(side)
                x = UpConv(features, 2, 5, _SMALL, name=f"level_{number}")(x)
            return nn.sigmoid(2 * x)  # the paper's tanh, brought to [0, 1]
        style = nn.leaky_relu(nn.Dense(_SEEN, name="style")(wanted), 0.2)
        for number, side in enumerate(c.sides):
            features = c.channels_at(side)
            x = nn.Conv(4 * features, (3, 3), name=f"level_{number}")(x)
            x = depth_to_space(x, 2)
            x = x * jax.lax.rsqrt(jnp.mean(jnp.square(x), axis=-1, keepdims=True) + 1e-6)
            turn = nn.Dense(2 * features, name=f"turn_{number}")(style)[:, None, None]
            x = nn.leaky_relu(x * (1 + turn[..., :features]) + turn[..., features:], 0.2)
        return nn.sigmoid(nn.Conv(c.channels, (3, 3), name="picture")(x))


class Discriminator(nn.Module):
    """Pictures, and the mixtures they are said to be of -> an opinion."""

    config: GanConfig
    classes: int

    @nn.compact
    def __call__(
        self,
        pictures: Float[Array, "n height width channel"],
        mixture: Float[Array, "n classes"],
        training: bool = False,
    ) -> Opinion:
        """Its opinion.

        Args:
          pictures: in [0, 1].
          mixture: of sum 1.
          training: batch statistics are taken from this batch, and remembered.
        """
        c, x = self.config, 2 * pictures - 1
        sides = (*c.sides[::-1][1:], _FIRST[c.design])
        for number, side in enumerate(sides):
            features = c.channels_at(side)
            if c.design == "dcgan":
                x = nn.Conv(features, (5, 5), (2, 2), kernel_init=_SMALL, name=f"level_{number}")(x)
                x = _batch_norm(f"norm_{number}", training)(x) if number else x
            else:
                x = nn.Conv(features, (3, 3), name=f"level_{number}")(_space_to_depth(x))
            x = nn.leaky_relu(x, 0.2)
        x = x.reshape(len(x), -1)
        if c.design == "default":
            # How unlike one another the pictures of a batch are: one that is often made shows.
            apart = jnp.sqrt(x.var(axis=0) + 1e-6).mean()
            x = jnp.concatenate([x, jnp.broadcast_to(apart, (len(x), 1))], axis=-1)
            x = nn.leaky_relu(nn.Dense(_SEEN, name="seen")(x), 0.2)
        of_it = nn.Dense(x.shape[-1], use_bias=False, name="of_mixture")(mixture)
        real = nn.Dense(1, name="real")(x)[:, 0] + OF_MIXTURE * jnp.mean(of_it * x, axis=-1)
        return Opinion(real, nn.Dense(self.classes, name="classes")(x))


class Gan:
    """The pure functions of one config; holds constants only.

    Variables: `{"generator", "discriminator"}`, of each `{"params"}`, and with the design `dcgan`
    also `{"batch_stats"}`, by which its normalisation goes when it plays.
    """

    def __init__(self, config: GanConfig, classes: int) -> None:
        self.config, self.classes = config, classes
        self.generator, self.discriminator = Generator(config), Discriminator(config, classes)

    def init(self, key: PRNGKeyArray) -> dict[str, Any]:
        """New variables. Jit it: eagerly it takes seconds."""
        c, (one, other) = self.config, jax.random.split(key)
        mixture, latent = jnp.zeros((2, self.classes)), jnp.zeros((2, 2 * c.angles))
        pictures = jnp.zeros((2, c.size, c.size, c.channels))
        return {
            "generator": self.generator.init(one, latent, mixture),
            "discriminator": self.discriminator.init(other, pictures, mixture),
        }

    def made(
        self,
        params: Any,
        stats: Any,
        latent: Float[Array, "n latent"],
        mixture: Float[Array, "n k"],
    ) -> tuple[Float[Array, "n height width channel"], Any]:
        """For training: the generator's pictures of a batch, and the statistics to go on with."""
        variables = {"params": params} | dict(stats)
        return self.generator.apply(variables, latent, mixture, True, mutable=list(stats))

    def judged(
        self,
        params: Any,
        stats: Any,
        pictures: Float[Array, "n height width channel"],
        mixture: Float[Array, "n k"],
    ) -> tuple[Opinion, Any]:
        """For training: the discriminator's opinion of a batch, and the statistics likewise."""
        variables = {"params": params} | dict(stats)
        found: Any = self.discriminator.apply(
            variables, pictures, mixture, True, mutable=list(stats)
        )
        return Opinion(*found[0]), found[1]

    def pictures(
        self,
        variables: Mapping[str, Any],
        latent: Float[Array, "n latent"],
        mixture: Float[Array, "n classes"],
    ) -> Float[Array, "n height width channel"]:
        """Pictures in [0, 1], each by itself.

        Args:
          variables: see above.
          latent: from `latent_at`; less of it is nearer to what is common to a class.
          mixture: of sum 1.
        """
        return jnp.asarray(self.generator.apply(variables["generator"], latent, mixture))

    def opinion(
        self,
        variables: Mapping[str, Any],
        pictures: Float[Array, "n height width channel"],
        mixture: Float[Array, "n classes"],
    ) -> Opinion:
        """What the discriminator thinks of pictures in [0, 1] that are said to be of mixtures."""
        found: Any = self.discriminator.apply(variables["discriminator"], pictures, mixture)
        return Opinion(*found)


_EACH = nn.initializers.normal(1.0)
_SMALL = nn.initializers.normal(0.02)  # the paper's


def _batch_norm(name: str, training: bool) -> nn.BatchNorm:
    return nn.BatchNorm(use_running_average=not training, momentum=0.9, name=name)


def _space_to_depth(x: Float[Array, "n height width channel"]) -> Array:
    n, height, width, channels = x.shape
    x = x.reshape(n, height // 2, 2, width // 2, 2, channels).transpose(0, 1, 3, 2, 4, 5)
    return x.reshape(n, height // 2, width // 2, 4 * channels)
