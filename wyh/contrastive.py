"""Restricted Boltzmann machines trained by contrastive divergence: pure functions of arrays.

Hidden units are binary. Visible units are binary too, or Gaussian of unit variance. A machine gives
a picture v the probability exp(-F(v)) / Z, with F its free energy; training raises that of the data
by lowering that of what the machine itself draws: `cd_k` Gibbs sweeps from the data (Hinton 2002,
"Training products of experts by minimizing contrastive divergence"), or from chains that go on from
step to step (Tieleman 2008, "Training restricted Boltzmann machines using approximations to the
likelihood gradient"). Conventions are those of Hinton 2010, "A practical guide to training
restricted Boltzmann machines", but that what is drawn last is a sample, whose expectation is exact,
and that the gradient is centred (Melchior, Fischer and Wiskott 2016, "How to center deep Boltzmann
machines"): after 30 epochs of the bundled film, 4096 x 1000, the mean squared reconstruction error
was 0.008 so, 0.013 to 0.025 otherwise (rate 0.01).

The kernel `[visible, hidden]` and the hidden bias are those of a dense layer with a sigmoid.
"""

from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, get_args

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from wyh.errors import WyhError, check_range

Visible = Literal["bernoulli", "gaussian"]

Params = dict[str, Array]
"""`kernel [visible, hidden]`, `visible_bias [visible]` and `hidden_bias [hidden]`, float32."""

START_STD = 0.01
"""Of the kernel before training (Hinton 2010, 8.1)."""

LEAST_MEAN = 0.01
"""A pixel that is always black begins as one that is on this often: its logit is finite."""

TRIED = 8
"""One picture of so many is reconstructed to see how well it goes: a fortieth of a step's time."""


@dataclass(frozen=True)
class RbmConfig:
    """A machine's visible units, and how it is trained."""

    visible: Visible = "bernoulli"  # in [0, 1], probabilities; gaussian: mean 0, variance 1
    cd_k: int = 1  # Gibbs sweeps a step, 1 to 100
    persistent: bool = False  # chains go on from step to step; otherwise they start at the data
    centred: bool = True  # the kernel learns what goes together, not what is often on
    learning_rate: float = 0.01  # of the batch's mean, 0 to 10
    momentum: float = 0.0  # share of a step that the next repeats, 0 to 0.999; chains want none
    weight_decay: float = 0.0002  # of the kernel, times the learning rate, 0 to 1

    def __post_init__(self) -> None:
        if self.visible not in get_args(Visible):
            raise WyhError(f"got visible {self.visible!r}, wanted bernoulli or gaussian")
        check_range("cd_k", self.cd_k, 1, 100)
        check_range("learning_rate", self.learning_rate, 0, 10)
        check_range("momentum", self.momentum, 0, 0.999)
        check_range("weight_decay", self.weight_decay, 0, 1)


class RbmState(NamedTuple):
    """What training goes on from.

    Attributes:
      params: of the machine.
      velocity: the last change of each parameter; empty without momentum.
      chains: hidden units of the persistent chains, `[batch, hidden]`; no rows without them. A
        sweep begins with them: chains of visible units would cost one more product a step.
    """

    params: Params
    velocity: Params
    chains: Float[Array, "chains hidden"]


def init_rbm(
    key: PRNGKeyArray,
    visible: int,
    hidden: int,
    mean: Float[Array, " visible"] | Float[np.ndarray, " visible"] | None = None,
) -> Params:
    """Parameters before training: a small random kernel, hidden units as often on as off.

    Args:
      key: of the kernel.
      visible: units, 1 or more.
      hidden: units, 1 or more.
      mean: of each Bernoulli visible unit over the data, in [0, 1]: they begin with its logit as
        their bias, so that the kernel has only the rest to learn. Gaussian ones need none.

    Raises:
      WyhError: no units, or a mean that is not a probability.
    """
    check_range("visible units", visible, 1, 10**7)
    check_range("hidden units", hidden, 1, 10**7)
    bias = np.zeros(visible, np.float32)
    if mean is not None:
        found = np.asarray(mean)
        if not np.all((found >= 0) & (found <= 1)):
            raise WyhError(
                f"got means of visible units from {found.min():g} to {found.max():g}, wanted 0 to "
                f"1: divide pixels by 255"
            )
        found = np.clip(found, LEAST_MEAN, 1 - LEAST_MEAN)
        bias = np.log(found / (1 - found)).astype(np.float32)
    return {
        "kernel": START_STD * jax.random.normal(key, (visible, hidden)),
        "visible_bias": jnp.asarray(bias),
        "hidden_bias": jnp.zeros(hidden),
    }


def init_state(config: RbmConfig, params: Params, batch_size: int) -> RbmState:
    """The state before the first step.

    Chains begin with no hidden unit on: the first pictures they draw are those of the visible bias.

    Args:
      config: of the training.
      params: from `init_rbm`, or trained before.
      batch_size: pictures in a step, as many as there are persistent chains.
    """
    check_range("batch_size", batch_size, 1, 10**6)
    chains = jnp.zeros((batch_size if config.persistent else 0, params["hidden_bias"].size))
    return RbmState(params, jax.tree.map(jnp.zeros_like, params) if config.momentum else {}, chains)


def hidden_means(
    params: Params, visible: Float[Array, "batch visible"]
) -> Float[Array, "batch hidden"]:
    """How likely each hidden unit is on."""
    return jax.nn.sigmoid(visible @ params["kernel"] + params["hidden_bias"][None])


def visible_means(
    config: RbmConfig, params: Params, hidden: Float[Array, "batch hidden"]
) -> Float[Array, "batch visible"]:
    """How likely each visible unit is on, or the mean of each Gaussian one."""
    drive = hidden @ params["kernel"].T + params["visible_bias"][None]
    return drive if config.visible == "gaussian" else jax.nn.sigmoid(drive)


def free_energy(
    config: RbmConfig, params: Params, visible: Float[Array, "batch visible"]
) -> Float[Array, " batch"]:
    """Minus the log of each picture's probability, but for the constant log Z, in nats."""
    bias = params["visible_bias"]
    if config.visible == "gaussian":
        alone = 0.5 * jnp.sum(jnp.square(visible - bias[None]), axis=1)
    else:
        alone = -visible @ bias
    drive = visible @ params["kernel"] + params["hidden_bias"][None]
    return alone - jnp.sum(jax.nn.softplus(drive), axis=1)


def rbm_step(
    config: RbmConfig,
    state: RbmState,
    visible: Float[Array, "batch visible"],
    key: PRNGKeyArray,
) -> tuple[RbmState, dict[str, Any]]:
    """One step of contrastive divergence.

    Args:
      config: of the training; the same as for `init_state`.
      state: from `init_state` or the step before.
      visible: pictures, one a row.
      key: of this step.

    Returns:
      The new state, and `reconstruction_error`: the mean squared difference between pictures and
      what their hidden means draw, before the step, of the first eighth of the batch.

    Raises:
      WyhError: pictures of another size, or not as many as there are chains.
    """
    params, batch = state.params, len(visible)
    if visible.shape[1] != len(params["kernel"]):
        raise WyhError(
            f"got {visible.shape[1]} values a picture, wanted the {len(params['kernel'])} visible "
            f"units: start with init_rbm(key, {visible.shape[1]}, ...)"
        )
    if len(state.chains) != (batch if config.persistent else 0):
        raise WyhError(
            f"got a batch of {batch} and {len(state.chains)} chains, wanted "
            f"{'as many of each' if config.persistent else 'no chains'}: "
            f"init_state(config, params, {batch})"
        )
    keys = jax.random.split(key, 2 * config.cd_k + 1)
    positive = hidden_means(params, visible)
    hidden = state.chains if config.persistent else _drawn(positive, keys[0])

    # A few means ride along with the first sweep: the product costs hardly more for them.
    tried = -(-batch // TRIED)
    means = visible_means(config, params, jnp.concatenate([hidden, positive[:tried]]))
    error = jnp.mean(jnp.square(means[batch:] - visible[:tried]))
    fantasy = _drawn_visible(config, means[:batch], keys[1])

    def sweep(number: Array, fantasy: Array) -> Array:
        hidden = _drawn(hidden_means(params, fantasy), keys[2 * number])
        return _drawn_visible(config, visible_means(config, params, hidden), keys[2 * number + 1])

    if config.cd_k > 1:
        fantasy = jax.lax.fori_loop(1, config.cd_k, sweep, fantasy)
    negative = hidden_means(params, fantasy)
    chains = _drawn(negative, keys[-1]) if config.persistent else state.chains
    return _moved(config, state, visible, positive, fantasy, negative)._replace(chains=chains), {
        "reconstruction_error": error
    }


def _moved(
    config: RbmConfig,
    state: RbmState,
    visible: Float[Array, "batch visible"],
    positive: Float[Array, "batch hidden"],
    fantasy: Float[Array, "batch visible"],
    negative: Float[Array, "batch hidden"],
) -> RbmState:
    """The state with the parameters after the step.

    Both phases are one product: the rows of the negative one have the other sign, and the learning
    rate is put on the smaller factor. Centring takes from visible and hidden units their means over
    both phases, in the kernel's change alone, and lets the biases make up for it: the product tells
    how much, without another one of that size.
    """
    params, rate = state.params, config.learning_rate / len(visible)
    rows = jnp.concatenate([visible, fantasy])
    units = jnp.concatenate([positive, negative])
    signs = jnp.repeat(jnp.array([rate, -rate]), len(visible))
    changes = {"visible_bias": signs @ rows, "hidden_bias": signs @ units}
    if config.centred:
        middle, often = jnp.mean(rows, axis=0), jnp.mean(units, axis=0)
        rows, units = rows - middle[None], units - often[None]
    signed = signs[:, None] * units
    changes["kernel"] = rows.T @ signed
    if config.centred:
        changes["visible_bias"] -= (signed @ often) @ rows
        changes["hidden_bias"] -= (rows @ middle) @ signed
    if config.weight_decay:
        changes["kernel"] -= config.learning_rate * config.weight_decay * params["kernel"]
    velocity = state.velocity
    if config.momentum:
        changes = jax.tree.map(lambda v, c: config.momentum * v + c, velocity, changes)
        velocity = changes
    return state._replace(params=jax.tree.map(jnp.add, params, changes), velocity=velocity)


def _drawn(means: Float[Array, "batch units"], key: PRNGKeyArray) -> Float[Array, "batch units"]:
    """Each unit on, 1, as often as its mean says."""
    return jax.random.bernoulli(key, means).astype(jnp.float32)


def _drawn_visible(
    config: RbmConfig, means: Float[Array, "batch visible"], key: PRNGKeyArray
) -> Float[Array, "batch visible"]:
    """Visible units around their means."""
    if config.visible == "gaussian":
        return means + jax.random.normal(key, means.shape)
    return _drawn(means, key)
