"""Training the hidden layers of a network one by one, from the first, before it is trained whole.

As restricted Boltzmann machines, each learns what the one below makes of pictures (Hinton,
Osindero and Teh 2006); or each learns, with an output of its own, the sound itself (Bengio,
Lamblin, Popovici and Larochelle, "Greedy layer-wise training of deep networks", NIPS 2006).
"""

from dataclasses import replace
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float, PRNGKeyArray, UInt8

from wyh.contrastive import RbmConfig, RbmState, init_rbm, init_state, rbm_step
from wyh.errors import WyhError
from wyh.foley import Foley
from wyh.models.dbn import DbnConfig, hidden

By = Literal["machines", "sound"]

RATE = 1e-3
"""Adam's, where layers learn the sound."""


def check_pretraining(
    steps: int, by: By, rbm: RbmConfig, net: DbnConfig, begun: bool, total: int
) -> None:
    """Refuse what cannot be pretrained.

    Args:
      steps: of each layer.
      by: what layers learn.
      rbm: of machines.
      net: of the network.
      begun: whether its parameters come from another run.
      total: steps of the whole training.

    Raises:
      WyhError: options that contradict each other.
    """
    if by == "machines":
        if net.units != "sigmoid":
            raise WyhError(
                f"got --pretrain {steps} with {net.units} units, wanted sigmoid, which a Boltzmann "
                f"machine's are: add --model.units sigmoid"
            )
        if net.standardised != (rbm.visible == "gaussian"):
            wanted = "gaussian" if net.standardised else "bernoulli"
            raise WyhError(
                f"got --rbm.visible {rbm.visible}, wanted {wanted}, as inputs are "
                f"{'' if net.standardised else 'not '}standardised"
            )
    if net.context_sound:
        raise WyhError(
            f"got --pretrain {steps} with {net.context_sound} predictions fed back, wanted one of "
            f"the two: a layer by itself predicts nothing to feed back"
        )
    if begun:
        raise WyhError(
            f"got --init-from with --pretrain {steps}, which begins layers anew: add --pretrain 0"
        )
    if steps * len(net.widths) >= total:
        raise WyhError(
            f"got --pretrain {steps} for {len(net.widths)} layers and {total} steps in all, wanted "
            f"more steps than these"
        )


def machines(
    foley: Foley,
    params: Any,
    films: UInt8[np.ndarray, "batch reach_and_time height width channel"],
    config: RbmConfig,
    batch_size: int,
    key: PRNGKeyArray,
) -> tuple[Any, tuple[RbmState, ...]]:
    """Layers as machines before training: the parameters, and what else each one needs.

    Args:
      foley: what is trained.
      params: of its network.
      films: typical ones: the first machine begins with the mean of each input in [0, 1].
      config: of the machines; those above the first have units that are on or off.
      batch_size: of the training.
      key: of small random kernels.
    """
    seen = np.asarray(foley.inputs(jnp.asarray(films)))
    seen = seen.reshape(-1, seen.shape[-1])
    mean = seen.mean(axis=0) if config.visible == "bernoulli" else None
    params, states, visible = dict(params), [], seen.shape[1]
    for number, name in enumerate(layers_of(params)):
        units = params[name]["bias"].size
        machine = init_rbm(jax.random.fold_in(key, number), visible, units, mean)
        params[name] = {"kernel": machine["kernel"], "bias": machine["hidden_bias"]}
        states.append(_apart(init_state(_layer(config, number), machine, batch_size)))
        visible, mean = units, None
    return params, tuple(states)


def machine_step(
    number: int,
    foley: Foley,
    params: Any,
    state: RbmState,
    films: Array,
    key: PRNGKeyArray,
    config: RbmConfig,
) -> tuple[Any, RbmState, dict[str, Array]]:
    """One step of contrastive divergence of a layer; those below stay as they are."""
    name = layers_of(params)[number]
    inputs = foley.inputs(films)
    inputs = inputs.reshape(-1, inputs.shape[-1])
    visible = hidden(foley.model, params, inputs, number)
    layer = params[name]
    whole = {"kernel": layer["kernel"], "hidden_bias": layer["bias"], **state.params}
    state, figures = rbm_step(_layer(config, number), state._replace(params=whole), visible, key)
    layer = {"kernel": state.params["kernel"], "bias": state.params["hidden_bias"]}
    return params | {name: layer}, _apart(state), figures


def outputs(params: Any, size: int, key: PRNGKeyArray) -> tuple[Any, ...]:
    """An output for each hidden layer, before training, with what Adam remembers of both."""
    states = []
    for number, name in enumerate(layers_of(params)):
        units = params[name]["bias"].size
        kernel = jax.random.normal(jax.random.fold_in(key, number), (units, size)) / np.sqrt(units)
        output = {"kernel": kernel, "bias": jnp.zeros(size)}
        states.append((output, optax.adam(RATE).init((params[name], output))))
    return tuple(states)


def output_step(
    number: int,
    foley: Foley,
    params: Any,
    state: tuple[Any, Any],
    films: Array,
    truth: Float[Array, "batch time size"],
) -> tuple[Any, tuple[Any, Any], dict[str, Array]]:
    """One step of Adam for a layer and its own output; those below stay as they are.

    The output of the last layer is that of the network.
    """
    name, last = layers_of(params)[number], number == len(layers_of(params)) - 1
    inputs = foley.inputs(films)
    inputs = inputs.reshape(-1, inputs.shape[-1])
    wanted = truth.reshape(len(inputs), -1)

    def loss(trained: tuple[Any, Any]) -> Array:
        layer, output = trained
        units = hidden(foley.model, params | {name: layer}, inputs, number + 1)
        found = units @ output["kernel"] + output["bias"][None]
        return foley.target.distance(found, wanted)

    output, memory = state
    trained = (params[name], output)
    value, grads = jax.value_and_grad(loss)(trained)
    updates, memory = optax.adam(RATE).update(grads, memory)
    layer, output = optax.apply_updates(trained, updates)
    params = params | {name: layer} | ({"out": output} if last else {})
    return params, (output, memory), {"loss": value}


def layers_of(params: Any) -> list[str]:
    """The names of the hidden layers, from the first."""
    return [f"layer_{number}" for number in range(len(params) - 1)]


def _layer(config: RbmConfig, number: int) -> RbmConfig:
    """Above the first layer, visible units are on or off."""
    return config if number == 0 else replace(config, visible="bernoulli")


def _apart(state: RbmState) -> RbmState:
    """A machine without what it shares with the network."""
    return state._replace(params={"visible_bias": state.params["visible_bias"]})
