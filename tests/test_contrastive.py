"""Small machines, whose every state can be counted."""

import functools
import itertools

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from wyh.contrastive import (
    RbmConfig,
    RbmState,
    free_energy,
    hidden_means,
    init_rbm,
    init_state,
    rbm_step,
    visible_means,
)
from wyh.errors import WyhError

step = jax.jit(rbm_step, static_argnums=0)
KEY = jax.random.key(5)
PLAIN = {"centred": False, "weight_decay": 0.0}
SURE = jnp.array([40.0, -40.0, 40.0, -40.0])  # biases that leave nothing to chance


def states(units):
    """All there are of binary units, `float32 [2^units, units]`."""
    return np.array(list(itertools.product((0, 1), repeat=units)), np.float32)


def machine(visible=4, hidden=3, std=1.0):
    keys = jax.random.split(jax.random.key(1), 3)
    return {
        "kernel": std * jax.random.normal(keys[0], (visible, hidden)),
        "visible_bias": std * jax.random.normal(keys[1], (visible,)),
        "hidden_bias": std * jax.random.normal(keys[2], (hidden,)),
    }


def joint(config, params):
    """By counting: every state of the hidden units, its probability, the mean picture there."""
    kernel, a, b = (
        np.asarray(params[name], np.float64) for name in ("kernel", "visible_bias", "hidden_bias")
    )
    hidden = states(len(b)).astype(np.float64)
    drive = hidden @ kernel.T + a[None]
    if config.visible == "gaussian":
        log = hidden @ b + 0.5 * np.sum(drive**2, axis=1)
        means = drive
    else:
        log = hidden @ b + np.sum(np.logaddexp(0, drive), axis=1)
        means = 1 / (1 + np.exp(-drive))
    weights = np.exp(log - log.max())
    return hidden, weights / weights.sum(), means


def exact_gradient(config, params, data):
    """Of the mean log-likelihood of the data: what the data have more than the machine's own."""
    kernel, b = np.asarray(params["kernel"]), np.asarray(params["hidden_bias"])
    seen = 1 / (1 + np.exp(-(data @ kernel + b[None])))
    hidden, probability, means = joint(config, params)
    return {
        "kernel": data.T @ seen / len(data) - (means * probability[:, None]).T @ hidden,
        "visible_bias": data.mean(axis=0) - probability @ means,
        "hidden_bias": seen.mean(axis=0) - probability @ hidden,
    }


def followed(config, params, data, steps, skip):
    """The mean direction of many steps that all start at the same parameters."""
    fixed = init_state(config, params, len(data))

    def one(chains, key):
        after, _ = rbm_step(config, fixed._replace(chains=chains), data, key)
        moved = jax.tree.map(lambda p, q: (q - p) / config.learning_rate, params, after.params)
        return after.chains, moved

    _, moved = jax.jit(functools.partial(jax.lax.scan, one))(
        fixed.chains, jax.random.split(jax.random.key(7), steps)
    )
    return jax.tree.map(lambda leaf: np.mean(leaf[skip:], axis=0), moved)


def furthest(found, wanted):
    return max(float(np.abs(found[name] - wanted[name]).max()) for name in wanted)


@pytest.mark.parametrize("visible", ["bernoulli", "gaussian"])
def test_persistent_chains_find_the_exact_gradient(visible, rng):
    config = RbmConfig(visible, persistent=True, learning_rate=1.0, **PLAIN)
    params = machine(std=0.7)
    data = rng.random((2000, 4)).astype(np.float32)
    found = followed(config, params, jnp.asarray(data), steps=60, skip=20)
    assert furthest(found, exact_gradient(config, params, data)) < 0.025


def test_more_sweeps_are_less_biased(rng):
    params = machine(std=2.0)
    data = jnp.asarray(rng.integers(0, 2, (4000, 4)), jnp.float32)
    wanted = exact_gradient(RbmConfig(), params, np.asarray(data))
    missed = []
    for k in (1, 2, 20):
        config = RbmConfig(cd_k=k, learning_rate=1.0, **PLAIN)
        missed.append(furthest(followed(config, params, data, steps=4, skip=0), wanted))
    assert missed[0] > 2 * missed[1] > 4 * missed[2]
    assert missed[2] < 0.01


@pytest.mark.parametrize("visible", ["bernoulli", "gaussian"])
def test_free_energy_by_counting(visible, rng):
    config, params = RbmConfig(visible), machine()
    pictures = jnp.asarray(rng.random((5, 4)), jnp.float32)
    kernel, a, b = (np.asarray(params[name]) for name in ("kernel", "visible_bias", "hidden_bias"))
    expected = []
    for v in np.asarray(pictures):
        alone = -v @ a if visible == "bernoulli" else 0.5 * np.sum((v - a) ** 2)
        energies = [alone - h @ b - v @ kernel @ h for h in states(3)]
        expected.append(-np.log(np.sum(np.exp(-np.array(energies)))))
    np.testing.assert_allclose(free_energy(config, params, pictures), expected, rtol=1e-5)


def velocity_of(config, params, data):
    """The change of a first step, as it is before it is rounded to the size of the parameters."""
    start = init_state(config, params, len(data))
    after, _ = step(config, start, data, KEY)
    for name, change in after.velocity.items():
        np.testing.assert_allclose(after.params[name], params[name] + change, rtol=1e-5)
    return after.velocity


def test_a_step_goes_down_the_difference_of_free_energies(rng):
    """Where the biases leave nothing to chance, what the machine draws is known."""
    config = RbmConfig(learning_rate=0.1, momentum=0.9, **PLAIN)
    params = machine() | {"visible_bias": SURE}
    data = jnp.asarray(rng.random((6, 4)), jnp.float32)
    drawn = jnp.broadcast_to(SURE > 0, data.shape).astype(jnp.float32)

    def difference(params):
        return jnp.mean(free_energy(config, params, data) - free_energy(config, params, drawn))

    found = velocity_of(config, params, data)
    for name, gradient in jax.grad(difference)(params).items():
        np.testing.assert_allclose(found[name], -0.1 * gradient, atol=1e-6)


def test_centred_steps_as_a_loop_has_them(rng):
    config = RbmConfig(learning_rate=0.1, momentum=0.9, weight_decay=0.0)
    params = machine() | {"visible_bias": SURE}
    data = rng.random((6, 4)).astype(np.float32)
    drawn = np.broadcast_to(SURE > 0, data.shape).astype(np.float32)
    seen, dreamt = (np.asarray(hidden_means(params, jnp.asarray(v))) for v in (data, drawn))
    middle = np.concatenate([data, drawn]).mean(axis=0)
    often = np.concatenate([seen, dreamt]).mean(axis=0)
    kernel = np.zeros((4, 3))
    for sign, pictures, units in ((1, data, seen), (-1, drawn, dreamt)):
        for v, h in zip(pictures, units, strict=True):
            kernel += sign * 0.1 / 6 * np.outer(v - middle, h - often)
    wanted = {
        "kernel": kernel,
        "visible_bias": 0.1 * (data - drawn).mean(axis=0) - kernel @ often,
        "hidden_bias": 0.1 * (seen - dreamt).mean(axis=0) - middle @ kernel,
    }
    assert furthest(velocity_of(config, params, jnp.asarray(data)), wanted) < 1e-6


def test_a_negative_teaches_the_same(rng):
    """Of photographs: what is white and what is black makes no difference to centred steps."""

    def negative(params):
        return {
            "kernel": -params["kernel"],
            "visible_bias": -params["visible_bias"],
            "hidden_bias": params["hidden_bias"] + params["kernel"].sum(axis=0),
        }

    params = machine() | {"visible_bias": SURE}
    data = jnp.asarray(rng.random((6, 4)), jnp.float32)
    apart = []
    for centred in (True, False):
        config = RbmConfig(centred=centred, learning_rate=0.5, weight_decay=0.0)
        one, _ = step(config, init_state(config, params, 6), data, KEY)
        other, _ = step(config, init_state(config, negative(params), 6), 1 - data, KEY)
        apart.append(furthest(other.params, negative(one.params)))
    assert apart[0] < 1e-4 < 0.1 < apart[1]


def test_momentum_and_weight_decay(rng):
    params, data = machine(), jnp.asarray(rng.random((6, 4)), jnp.float32)
    bare = RbmConfig(learning_rate=0.1, weight_decay=0.0)
    alone, _ = step(bare, init_state(bare, params, 6), data, KEY)
    config = RbmConfig(learning_rate=0.1, momentum=0.5, weight_decay=0.01)
    velocity = jax.tree.map(jnp.ones_like, params)
    both, _ = step(config, RbmState(params, velocity, jnp.zeros((0, 3))), data, KEY)
    for name, before in params.items():
        wanted = 0.5 + (alone.params[name] - before)
        if name == "kernel":
            wanted -= 0.1 * 0.01 * before
        np.testing.assert_allclose(both.velocity[name], wanted, atol=1e-6)
        np.testing.assert_allclose(both.params[name], before + wanted, atol=1e-6)


@pytest.mark.parametrize("visible", ["bernoulli", "gaussian"])
@pytest.mark.parametrize("batch", [5, 16])
def test_reconstruction_error_of_the_first_eighth(visible, batch, rng):
    params, data = machine(), jnp.asarray(rng.random((batch, 4)), jnp.float32)
    config = RbmConfig(visible, cd_k=2)
    _, metrics = step(config, init_state(config, params, batch), data, KEY)
    shown = data[: {5: 1, 16: 2}[batch]]
    again = visible_means(config, params, hidden_means(params, shown))
    assert metrics["reconstruction_error"] == pytest.approx(
        float(np.mean((again - shown) ** 2)), rel=1e-5
    )


def trained(config, params, data, steps):
    """Through `steps` steps of all the data."""
    start = init_state(config, params, len(data))
    keys = jax.random.split(jax.random.key(3), steps)
    run = jax.jit(
        lambda start, keys: jax.lax.scan(lambda s, k: rbm_step(config, s, data, k), start, keys)
    )
    return run(start, keys)[0]


def likelihood(config, params, data):
    """Mean log-likelihood in nats, by counting all pictures there are."""
    low = -free_energy(config, params, jnp.asarray(states(data.shape[1])))
    return float(np.mean(-free_energy(config, params, data)) - jax.nn.logsumexp(low))


@pytest.mark.parametrize("persistent", [False, True])
def test_bars_and_stripes_become_likely(persistent):
    bars = [np.tile(row, (3, 1)) for row in states(3)]
    pictures = {picture.tobytes(): picture for bar in bars for picture in (bar, bar.T.copy())}
    data = jnp.asarray([picture.ravel() for picture in pictures.values()])
    assert len(data) == 14
    config = RbmConfig(persistent=persistent, learning_rate=0.1, weight_decay=0.0)
    start = init_rbm(jax.random.key(0), 9, 12, data.mean(axis=0))
    assert likelihood(config, start, data) == pytest.approx(-9 * np.log(2), abs=0.05)
    end = trained(config, start, jnp.tile(data, (10, 1)), 1500).params
    assert likelihood(config, end, data) > -4.2  # the best of all machines has -log 14 = -2.64


def test_gaussian_units_find_the_means_of_what_they_see(rng):
    middles = np.array([[2.0, -2, 1, 0], [-2, 2, 0, 1]], np.float32)
    which = rng.integers(0, 2, 400)
    data = jnp.asarray(middles[which] + rng.standard_normal((400, 4)), jnp.float32)
    config = RbmConfig("gaussian", learning_rate=0.02, momentum=0.5, weight_decay=0.0)
    params = trained(config, init_rbm(jax.random.key(0), 4, 2), data, 1500).params
    again = np.asarray(visible_means(config, params, hidden_means(params, data)))
    for number, middle in enumerate(middles):
        np.testing.assert_allclose(again[which == number].mean(axis=0), middle, atol=0.3)


def test_persistent_chains_go_their_own_way(rng):
    config = RbmConfig(persistent=True, learning_rate=0.0)
    state = init_state(config, machine(), 8)
    assert state.chains.shape == (8, 3) and not state.chains.any()
    one, other = (jnp.asarray(rng.random((8, 4)), jnp.float32) for _ in range(2))
    first, _ = step(config, state, one, KEY)
    assert set(np.unique(first.chains)) == {0, 1}
    beside, _ = step(config, state, other, KEY)
    np.testing.assert_array_equal(first.chains, beside.chains)  # the data do not touch them
    second, _ = step(config, first, one, KEY)
    again, _ = step(config, state, one, KEY)
    assert (second.chains != again.chains).any()  # where they were matters, the draws being equal


def test_without_persistence_there_are_no_chains(rng):
    config = RbmConfig()
    state = init_state(config, machine(), 8)
    assert state.chains.shape == (0, 3) and state.velocity == {}
    after, _ = step(config, state, jnp.asarray(rng.random((8, 4)), jnp.float32), KEY)
    assert after.chains.shape == (0, 3) and after.velocity == {}


@pytest.mark.parametrize("persistent", [False, True])
def test_keys_decide(persistent, rng):
    config = RbmConfig(cd_k=3, persistent=persistent)
    data = jnp.asarray(rng.random((8, 4)), jnp.float32)
    state = init_state(config, machine(), 8)
    same, too, other = (
        step(config, state, data, key)[0].params["kernel"] for key in (KEY, KEY, jax.random.key(6))
    )
    np.testing.assert_array_equal(same, too)
    assert (same != other).any()


def test_start():
    mean = np.array([0.0, 0.25, 0.5, 1.0], np.float32)
    params = init_rbm(jax.random.key(0), 4, 2000, mean)
    assert float(params["kernel"].std()) == pytest.approx(0.01, rel=0.05)
    shown = visible_means(RbmConfig(), params, jnp.zeros((1, 2000)))[0]
    np.testing.assert_allclose(shown, [0.01, 0.25, 0.5, 0.99], rtol=1e-5)
    assert not params["hidden_bias"].any()
    assert not init_rbm(jax.random.key(0), 4, 2)["visible_bias"].any()


def test_a_machine_is_a_dense_layer(rng):
    params, data = machine(), jnp.asarray(rng.random((5, 4)), jnp.float32)
    layer = {"kernel": params["kernel"], "bias": params["hidden_bias"]}
    drive = nn.Dense(3).apply({"params": layer}, data)
    np.testing.assert_allclose(nn.sigmoid(drive), hidden_means(params, data), atol=1e-6)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"cd_k": 0}, "got cd_k 0, wanted 1 to 100"),
        ({"learning_rate": -0.1}, "got learning_rate -0.1, wanted 0 to 10"),
        ({"learning_rate": float("nan")}, "got learning_rate nan, wanted 0 to 10"),
        ({"momentum": 1.0}, "got momentum 1, wanted 0 to 0.999"),
        ({"weight_decay": 2.0}, "got weight_decay 2, wanted 0 to 1"),
    ],
)
def test_settings_out_of_range(wrong, said):
    with pytest.raises(WyhError, match=said):
        RbmConfig(**wrong)


def test_unknown_visible_units():
    config = RbmConfig()
    object.__setattr__(config, "visible", "binary")
    with pytest.raises(WyhError, match="got visible 'binary', wanted bernoulli or gaussian"):
        config.__post_init__()


def test_starts_that_make_no_sense():
    with pytest.raises(WyhError, match="got visible units 0, wanted 1 to 1e"):
        init_rbm(KEY, 0, 3)
    with pytest.raises(WyhError, match="got hidden units 0, wanted 1 to 1e"):
        init_rbm(KEY, 4, 0)
    with pytest.raises(WyhError, match="from 0 to 255, wanted 0 to 1: divide pixels by 255"):
        init_rbm(KEY, 2, 3, np.array([0.0, 255.0], np.float32))
    with pytest.raises(WyhError, match="got batch_size 0, wanted 1"):
        init_state(RbmConfig(), machine(), 0)


def test_batches_that_do_not_fit():
    config, params = RbmConfig(persistent=True), machine()
    with pytest.raises(WyhError, match="got 5 values a picture, wanted the 4 visible units"):
        rbm_step(config, init_state(config, params, 8), jnp.zeros((8, 5)), KEY)
    with pytest.raises(WyhError, match="got a batch of 6 and 8 chains, wanted as many of each"):
        rbm_step(config, init_state(config, params, 8), jnp.zeros((6, 4)), KEY)
    with pytest.raises(WyhError, match="got a batch of 8 and 8 chains, wanted no chains"):
        rbm_step(RbmConfig(), init_state(config, params, 8), jnp.zeros((8, 4)), KEY)
