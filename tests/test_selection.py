import jax
import jax.numpy as jnp
import numpy as np
import pytest

from wyh.errors import WyhError
from wyh.selection import SelectionConfig, chosen, init_selection, select

TICK = 0.05
FAST = SelectionConfig(attack_secs=0, release_secs=0)

selected = jax.jit(select)


def probabilities(rng, batch=2, time=12, classes=5, sharpness=3.0):
    raw = np.exp(sharpness * rng.standard_normal((batch, time, classes)))
    return (raw / raw.sum(axis=-1, keepdims=True)).astype(np.float32)


def play(config, p, free=None, tick=TICK, carry=None):
    """All ticks at once, as NumPy."""
    carry = init_selection(len(p), p.shape[-1]) if carry is None else carry
    free = None if free is None else jnp.asarray(free, jnp.float32)
    carry, shown = selected(config.settings(), carry, jnp.asarray(p, jnp.float32), tick, free)
    return carry, np.asarray(shown.mixture), np.asarray(shown.gate)


def naive(config, p, tick=TICK):
    """Loops over ticks and classes."""
    batch, time, classes = p.shape
    mixture, gates = np.zeros(p.shape), np.zeros((batch, time))
    up = 1 - np.exp(-tick / config.attack_secs) if config.attack_secs else 1.0
    down = 1 - np.exp(-tick / config.release_secs) if config.release_secs else 1.0
    most = 1 if config.mode == "top_1" else config.most
    for b in range(batch):
        weights, gate = np.zeros(classes), 0.0
        for t in range(time):
            greatest = sorted(range(classes), key=lambda c: (-p[b, t, c], c))[:most]
            kept = {c: float(p[b, t, c]) for c in greatest if p[b, t, c] >= config.threshold}
            total = sum(kept.values())
            heard = total > 0 and total >= config.sure
            for c in range(classes):
                target = kept.get(c, 0.0) / total if heard else 0.0
                weights[c] += (up if target > weights[c] else down) * (target - weights[c])
            gate += (up if heard > gate else down) * (heard - gate)
            share = weights + 1e-4 / classes
            mixture[b, t], gates[b, t] = share / share.sum(), gate
    return mixture, gates


@pytest.mark.parametrize(
    "config",
    [
        SelectionConfig(),
        SelectionConfig(mode="top_1", attack_secs=0.2),
        SelectionConfig(most=2, threshold=0.05, sure=0.8, attack_secs=0.3, release_secs=0.1),
        SelectionConfig(most=9, threshold=0, sure=0, attack_secs=0, release_secs=0),
    ],
)
def test_as_in_loops_over_ticks_and_classes(rng, config):
    p = probabilities(rng)
    _, mixture, gate = play(config, p)
    wanted, wanted_gate = naive(config, p)
    np.testing.assert_allclose(mixture, wanted, atol=1e-5)
    np.testing.assert_allclose(gate, wanted_gate, atol=1e-5)
    np.testing.assert_allclose(mixture.sum(axis=-1), 1, atol=1e-5)
    assert mixture.min() >= 0
    assert 0 <= gate.min() <= gate.max() <= 1


def test_one_tick_at_a_time_gives_the_same(rng):
    p, config = probabilities(rng, time=7), SelectionConfig()
    whole, mixture, gate = play(config, p)
    carry = init_selection(2, 5)
    for t in range(7):
        carry, one, one_gate = play(config, p[:, t : t + 1], carry=carry)
        np.testing.assert_allclose(one[:, 0], mixture[:, t], atol=1e-6)
        np.testing.assert_allclose(one_gate[:, 0], gate[:, t], atol=1e-6)
    for left, right in zip(whole, carry, strict=True):
        np.testing.assert_allclose(left, right, atol=1e-6)


def test_those_that_play_together_do_not_hear_one_another(rng):
    p, config = probabilities(rng, batch=3), SelectionConfig()
    _, mixture, gate = play(config, p)
    for b in range(3):
        _, alone, alone_gate = play(config, p[b : b + 1])
        np.testing.assert_allclose(alone[0], mixture[b], atol=1e-6)
        np.testing.assert_allclose(alone_gate[0], gate[b], atol=1e-6)


def test_the_greatest_are_kept_and_made_to_come_to_1():
    p = jnp.asarray([[0.5, 0.1, 0.3, 0.08, 0.02]])
    parts, heard = chosen(p, 3.0, 0.15, 0.5)
    np.testing.assert_allclose(parts, [[0.625, 0, 0.375, 0, 0]], atol=1e-6)
    assert bool(heard[0])
    parts, _ = chosen(p, 1.0, 0.15, 0.5)
    np.testing.assert_allclose(parts, [[1, 0, 0, 0, 0]])


def test_of_equal_ones_the_first():
    parts, heard = chosen(jnp.asarray([[0.25, 0.25, 0.25, 0.25]]), 2.0, 0.1, 0.5)
    np.testing.assert_allclose(parts, [[0.5, 0.5, 0, 0]])
    assert bool(heard[0])
    parts, _ = chosen(jnp.asarray([[0.1, 0.45, 0.45]]), 1.0, 0.1, 0.0)
    np.testing.assert_allclose(parts, [[0, 1, 0]])


@pytest.mark.parametrize(
    "row",
    [
        [0.1] * 10,  # anything: nothing is likely
        [0.0] * 10,  # all of it for none of the classes
        [0.4] + [0.0] * 9,  # the rest is for none of them
        [np.nan] * 10,
    ],
)
def test_where_nothing_is_likely_nothing_is_heard(row):
    p = np.tile(np.array(row, np.float32), (1, 4, 1))
    _, mixture, gate = play(FAST, p)
    assert not gate.any()
    np.testing.assert_allclose(mixture, 0.1, atol=1e-6)


def test_two_at_once_appear_together():
    p = np.tile(np.array([0.48, 0.0, 0.47, 0.05], np.float32), (1, 2, 1))
    _, mixture, gate = play(FAST, p)
    np.testing.assert_allclose(mixture[0, -1], [0.48 / 0.95, 0, 0.47 / 0.95, 0], atol=1e-3)
    assert gate[0, -1] == 1


def test_attack_and_release_are_times_whatever_the_ticks():
    """After a sound of 0.2 s and 0.5 s of silence, at any tick rate."""
    config = SelectionConfig(attack_secs=0.2, release_secs=0.5)
    for tick in (0.01, 0.05, 0.1):
        on, off = round(0.2 / tick), round(0.5 / tick)
        p = np.zeros((1, on + off, 3), np.float32)
        p[0, :on, 1] = 1
        carry, mixture, gate = play(config, p, tick=tick)
        grown = 1 - np.exp(-1)
        assert gate[0, on - 1] == pytest.approx(grown, abs=1e-5)
        assert gate[0, -1] == pytest.approx(grown * np.exp(-1), abs=1e-5)
        assert float(carry.weights[0, 1]) == pytest.approx(gate[0, -1], abs=1e-5)
        # It keeps its parts while it fades.
        assert mixture[0, on:, 1].min() > 0.999


def test_after_long_silence_a_sound_is_shown_alone():
    config = SelectionConfig(attack_secs=0.05, release_secs=0.5)
    p = np.zeros((1, 250, 3), np.float32)
    p[0, :20, 0] = p[0, 240:, 2] = 1
    _, mixture, gate = play(config, p)
    np.testing.assert_allclose(mixture[0, 239], 1 / 3, atol=0.02)
    assert gate[0, 239] < 1e-3
    assert mixture[0, 240, 2] > 0.99


def test_a_mixture_can_be_set_from_outside(rng):
    p, config = probabilities(rng), SelectionConfig(mode="free", attack_secs=0, release_secs=0)
    free = np.array([[3, 0, 1, 0, -1], [0.2, 0.2, 0, 0, 0]])
    _, mixture, gate = play(config, p, free)
    np.testing.assert_allclose(mixture[0, -1], [0.75, 0, 0.25, 0, 0], atol=1e-3)
    np.testing.assert_allclose(mixture[1, -1], [0.5, 0.5, 0, 0, 0], atol=1e-3)
    np.testing.assert_allclose(gate[:, -1], [1, 0.4], atol=1e-6)
    for nothing in (None, np.zeros((2, 5))):
        assert not play(config, p, nothing)[2].any()
    # In the other modes it changes nothing.
    np.testing.assert_array_equal(play(FAST, p, free)[1], play(FAST, p)[1])


def test_turning_a_setting_compiles_nothing(rng):
    traces = []

    @jax.jit
    def counted(settings, carry, p):
        traces.append(settings)
        return select(settings, carry, p, TICK)

    p = jnp.asarray(probabilities(rng))
    for config in (SelectionConfig(), SelectionConfig("free", 2, 0.3, 0.6, 0.0, 1.0)):
        counted(config.settings(), init_selection(2, 5), p)
    assert len(traces) == 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"most": 0}, "got most 0 classes, wanted 1 to 1000 classes"),
        ({"threshold": 1.5}, "got threshold 1.5, wanted 0 to 1"),
        ({"sure": -1}, "got sure -1, wanted 0 to 1"),
        ({"attack_secs": 11}, "got attack_secs 11 s, wanted 0 to 10 s"),
        ({"release_secs": -0.1}, "got release_secs -0.1 s, wanted 0 to 60 s"),
    ],
)
def test_what_is_out_of_range(options, message):
    with pytest.raises(WyhError, match=f"^{message}$"):
        SelectionConfig(**options)
