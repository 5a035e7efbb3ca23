from dataclasses import replace
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.conftest import TINY_SYNTH
from tests.talking import FRAME_RATE, barred, dataset_of
from wyh.contrastive import RbmConfig
from wyh.foley import foley_of, predictions
from wyh.models.dbn import Dbn, DbnConfig, hidden
from wyh.pairs import PairBank
from wyh.pretraining import layers_of, machine_step, machines, output_step, outputs
from wyh.specs import VideoSpec
from wyh.synths.targets import TargetConfig
from wyh.transducers.dbn import FoleyConfig, target_of

pytestmark = pytest.mark.usefixtures("quickly")

VIDEO = VideoSpec(FRAME_RATE, 8, 8, 1)
NET = DbnConfig((16, 12), "sigmoid", shrink=1, context=(), standardised=False, dropout=0.0)
CONFIG = FoleyConfig(NET, TargetConfig("magnitude", n_fft=512, n_bands=8), TINY_SYNTH)
BATCH, STEPS = 64, 150
BERNOULLI = RbmConfig(learning_rate=0.3)
GAUSSIAN = RbmConfig(visible="gaussian", learning_rate=0.05)


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    """A film of bars, and what is to learn from it; inputs are in [0, 1]."""
    dataset = dataset_of(tmp_path_factory.mktemp("bars") / "set", {"a.mp4": barred(200)})
    target = target_of(CONFIG, VIDEO)
    bank = PairBank.of(dataset, target.length, NET.reach, 1, 0.0)
    return bank, foley_of(CONFIG, target, bank, 2.0, -23.0)


@pytest.fixture(scope="module")
def learning(plain):
    """The same for either kind of visible units."""
    bank, learned = plain
    films = bank.some(200).films
    flat = films.reshape(len(films), -1) / 255
    inputs = {"mean": flat.mean(axis=0), "spread": flat.std(axis=0)}
    inputs = {name: each.astype(np.float32) for name, each in inputs.items()}
    model = replace(NET, standardised=True)
    config = replace(CONFIG, model=model)
    scale = {**learned.scale, "inputs": inputs}
    other = replace(learned, config=config, model=Dbn(model, learned.target.size), scale=scale)
    return bank, {"bernoulli": learned, "gaussian": other}


def identical(one, other):
    same = jax.tree.map(lambda a, b: np.array_equal(np.asarray(a), np.asarray(b)), one, other)
    return all(jax.tree.leaves(same))


@pytest.mark.parametrize("config", [BERNOULLI, GAUSSIAN], ids=lambda config: config.visible)
def test_machines_begin_with_little_but_the_mean_of_the_pictures(learning, config):
    bank, by_units = learning
    learned, films = by_units[config.visible], bank.some(200).films
    params = learned.init(jax.random.key(0))
    begun, states = machines(learned, params, films, config, BATCH, jax.random.key(1))
    assert identical(begun["out"], params["out"])
    assert jax.tree.map(jnp.shape, begun) == jax.tree.map(jnp.shape, params)
    for name in ("layer_0", "layer_1"):
        assert np.asarray(begun[name]["kernel"]).std() == pytest.approx(0.01, rel=0.2)
        assert not np.asarray(begun[name]["bias"]).any()
    assert not np.array_equal(begun["layer_0"]["kernel"][:12, :12], begun["layer_1"]["kernel"][:12])
    first, second = (np.asarray(state.params["visible_bias"]) for state in states)
    mean = (films.reshape(len(films), -1) / 255).mean(axis=0)
    wanted = np.log(mean / (1 - mean)) if config.visible == "bernoulli" else np.zeros(64)
    np.testing.assert_allclose(first, wanted, atol=1e-4)
    assert second.shape == (16,) and not second.any()
    assert set(states[0].params) == {"visible_bias"}  # the kernel is the network's alone


def reconstructed(params, state, visible, number, units):
    """Mean squared error of what the hidden means of a layer draw, in NumPy."""
    layer = jax.tree.map(np.asarray, params[f"layer_{number}"])
    means = 1 / (1 + np.exp(-(visible @ layer["kernel"] + layer["bias"])))
    drawn = means @ layer["kernel"].T + np.asarray(state.params["visible_bias"])
    drawn = drawn if units == "gaussian" else 1 / (1 + np.exp(-drawn))
    return np.mean((drawn - visible) ** 2)


@pytest.mark.parametrize(
    "config",
    [BERNOULLI, replace(BERNOULLI, persistent=True, momentum=0.5), GAUSSIAN],
    ids=["bernoulli", "persistent", "gaussian"],
)
def test_each_machine_learns_what_the_one_below_makes_of_pictures(learning, config):
    bank, by_units = learning
    learned, some = by_units[config.visible], bank.some(200).films
    params = learned.init(jax.random.key(0))
    params, states = machines(learned, params, some, config, BATCH, jax.random.key(1))
    inputs = np.asarray(learned.inputs(jnp.asarray(some)))[:, 0]
    for number, units in enumerate((config.visible, "bernoulli")):
        step = jax.jit(partial(machine_step, number, learned, config=config))
        state, before = states[number], params
        visible = np.asarray(hidden(learned.model, params, jnp.asarray(inputs), number))
        errors = [reconstructed(params, state, visible, number, units)]
        for at in range(STEPS):
            films = jnp.asarray(bank.step(at, BATCH, 0).films)
            params, state, figures = step(params, state, films, jax.random.key(at))
        errors.append(reconstructed(params, state, visible, number, units))
        assert errors[1] < (0.5 if number == 0 else 1) * errors[0]
        assert float(figures["reconstruction_error"]) == pytest.approx(errors[1], rel=0.3)
        changed = f"layer_{number}"
        for name in params:
            assert identical(params[name], before[name]) == (name != changed)
        assert set(state.params) == {"visible_bias"}
        assert len(state.chains) == (BATCH if config.persistent else 0)


def test_a_machine_above_a_gaussian_one_is_trained_as_one_of_units_that_are_on_or_off(learning):
    bank, by_units = learning
    learned, films = by_units["gaussian"], bank.step(0, BATCH, 0).films
    params = learned.init(jax.random.key(0))
    _, states = machines(learned, params, films, GAUSSIAN, BATCH, jax.random.key(2))
    moved = [
        machine_step(1, learned, params, states[1], jnp.asarray(films), jax.random.key(3), config)
        for config in (GAUSSIAN, replace(GAUSSIAN, visible="bernoulli"))
    ]
    assert identical(*moved)
    assert not identical(moved[0][0]["layer_1"], params["layer_1"])


def test_each_layer_learns_the_sound_with_an_output_of_its_own(plain):
    bank, learned = plain
    params = learned.init(jax.random.key(0))
    states = outputs(params, learned.target.size, jax.random.key(1))
    for (output, _), units in zip(states, (16, 12), strict=True):
        assert output["kernel"].shape == (units, 8) and not np.asarray(output["bias"]).any()
        assert np.asarray(output["kernel"]).std() == pytest.approx(units**-0.5, rel=0.3)
    some = bank.some(200)
    for number in range(2):
        step = jax.jit(partial(output_step, number, learned))
        state, before, losses = states[number], params, []
        for at in range(STEPS):
            pairs = bank.step(at, BATCH, 0)
            truth = learned.truth(jnp.asarray(pairs.sound))
            params, state, figures = step(params, state, jnp.asarray(pairs.films), truth)
            losses.append(float(figures["loss"]))
        assert np.mean(losses[-5:]) < 0.9 * np.mean(losses[:5])
        learned_now = {f"layer_{number}"} | ({"out"} if number == 1 else set())
        for name in params:
            assert identical(params[name], before[name]) == (name not in learned_now)
    # The last output is that of the network, which therefore predicts as the last layer did.
    assert identical(params["out"], state[0])
    found = np.asarray(predictions(learned, params, jnp.asarray(some.films)))
    truth = np.asarray(learned.truth(jnp.asarray(some.sound)))
    assert np.abs(found - truth).mean() == pytest.approx(np.mean(losses[-5:]), rel=0.1)


def test_hidden_layers_by_name(plain):
    assert layers_of(plain[1].init(jax.random.key(0))) == ["layer_0", "layer_1"]
