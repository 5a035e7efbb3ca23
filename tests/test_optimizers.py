import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from wyh.optimizers import adam, adam_by_part, descent


def moved(optimizer, tree, steps):
    """How far each leaf moves in each step, where its slope is 1 throughout."""
    state, slope = optimizer.init(tree), jax.tree.map(jnp.ones_like, tree)
    update = jax.jit(optimizer.update)
    found = []
    for _ in range(steps):
        updates, state = update(slope, state)
        found.append(jax.tree.map(lambda leaf: -float(leaf[0]), updates))
    return found


def test_a_constant_rate():
    rates = [step["x"] for step in moved(adam(0.02, "constant", 5), {"x": jnp.zeros(1)}, 5)]
    np.testing.assert_allclose(rates, 0.02, rtol=1e-4)


@pytest.mark.parametrize(("steps", "warm_up"), [(50, 5), (1200, 100)])
def test_cosine_warms_up_and_ends_at_a_fiftieth(steps, warm_up):
    found = moved(adam(0.02, "cosine", steps), {"x": jnp.zeros(1)}, steps + 1)
    rates = np.array([step["x"] for step in found])
    np.testing.assert_allclose(rates[: warm_up + 1], 0.02 * np.arange(warm_up + 1) / warm_up, 1e-3)
    along = np.arange(steps - warm_up + 1) / (steps - warm_up)
    expected = 0.02 * (0.02 + 0.98 * (1 + np.cos(np.pi * along)) / 2)
    np.testing.assert_allclose(rates[warm_up:], expected, rtol=2e-3)


@pytest.mark.parametrize("schedule", ["constant", "cosine"])
def test_nesterov_looks_ahead_with_a_momentum_of_nine_tenths(schedule):
    """As Sutskever et al. 2013 rewrite it: the slope at each place, and the velocity after it."""
    optimizer = descent("nesterov", 0.05, schedule, 20)
    update = jax.jit(optimizer.update)
    place, state = jnp.array([1.0, -2.0, 0.5]), optimizer.init(jnp.zeros(3))
    warm_up = np.minimum(np.arange(8) / 2, 1)
    along = np.maximum(np.arange(8) - 2, 0) / 18
    falling = 0.02 + 0.98 * (1 + np.cos(np.pi * along)) / 2
    rates = 0.05 * (warm_up * falling if schedule == "cosine" else np.ones(8))
    by_hand, velocity = np.asarray(place, np.float64), np.zeros(3)
    for rate in rates:
        updates, state = update(jnp.sin(place), state)
        place = optax.apply_updates(place, updates)
        slope = np.sin(by_hand)
        velocity = 0.9 * velocity + slope
        by_hand = by_hand - rate * (slope + 0.9 * velocity)
        np.testing.assert_allclose(place, by_hand, rtol=1e-4, atol=1e-6)


def test_descent_by_adam_is_adam():
    tree = {"x": jnp.zeros(1)}
    both = [
        moved(given, tree, 3)
        for given in (descent("adam", 0.02, "cosine", 9), adam(0.02, "cosine", 9))
    ]
    assert both[0] == both[1]


def test_parts_move_at_rates_of_their_own():
    tree = {"near": {"a": jnp.zeros(1), "b": jnp.zeros(2)}, "far": jnp.zeros(3)}
    names = {"near": {"a": "slow", "b": "still"}, "far": "fast"}
    rates = {"slow": 0.001, "still": 0.0, "fast": 0.1}
    optimizer = adam_by_part(rates, lambda _: names, "constant", 10)
    for step in moved(optimizer, tree, 3):
        assert step["near"]["a"] == pytest.approx(0.001, rel=1e-4)
        assert step["near"]["b"] == 0
        assert step["far"] == pytest.approx(0.1, rel=1e-4)


def test_parts_are_as_if_each_were_trained_alone():
    tree = {"a": jnp.array([1.0, -2.0]), "b": jnp.array([0.5])}
    names = {"a": "one", "b": "other"}
    optimizer = adam_by_part({"one": 0.1, "other": 0.01}, lambda _: names, "cosine", 20)
    alone = {"a": adam(0.1, "cosine", 20), "b": adam(0.01, "cosine", 20)}
    whole, state = tree, optimizer.init(tree)
    single = {name: (tree[name], alone[name].init(tree[name])) for name in tree}
    for _ in range(4):
        updates, state = optimizer.update(jax.tree.map(jnp.sin, whole), state)
        whole = optax.apply_updates(whole, updates)
        for name, (value, memory) in single.items():
            update, memory = alone[name].update(jnp.sin(value), memory)
            single[name] = optax.apply_updates(value, update), memory
    for name in tree:
        np.testing.assert_allclose(whole[name], single[name][0], rtol=1e-6)
