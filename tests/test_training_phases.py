"""Phases of `wyh.training.fit`: steps at the beginning that train otherwise."""

import os
import signal
from functools import partial
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import orbax.checkpoint as ocp
import pytest

from tests.test_training import (
    State,
    assert_identical,
    batch_at,
    lines,
    loss_fn,
    playable,
    start,
    train,
    train_step,
    untimed,
)
from wyh.runs import load_run, load_variables
from wyh.training import FitResult, Phase

ENDS = (7, 12)  # of two phases; the whole is trained from step 12 to 30


def layer_step(state: State, batch, key, *, name: str, rate: float):
    """One layer alone, by plain descent; its metric has a name of its own."""
    loss, grads = jax.value_and_grad(loss_fn)(state.params, batch, key)
    moved = jax.tree.map(lambda p, g: p - rate * g, state.params[name], grads[name])
    params = state.params | {name: moved}
    return state._replace(step=state.step + 1, params=params), {f"{name}_loss": loss}


PHASES = (
    Phase(ENDS[0], partial(layer_step, name="hidden", rate=0.1)),
    Phase(ENDS[1] - ENDS[0], partial(layer_step, name="out", rate=0.05)),
)


def phased(path: Path, **changes) -> FitResult:
    return train(path, **{"phases": PHASES, "log_every": 5} | changes)


def by_hand(steps: int) -> list[State]:
    """The states after 0, 1, ... steps."""
    state, found = start(), [start()]
    fns = [PHASES[0].train_step] * 7 + [PHASES[1].train_step] * 5 + [train_step] * 18
    compiled = {fn: jax.jit(fn) for fn in set(fns)}
    for step, fn in enumerate(fns[:steps]):
        key = jax.random.fold_in(jax.random.key(3), step)
        state, _ = compiled[fn](state, batch_at(step), key)
        found.append(state)
    return found


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A run of two phases that nothing interrupted."""
    path = tmp_path_factory.mktemp("phased") / "run"
    return path, phased(path)


def test_phases_run_in_order_for_their_steps(whole):
    _, result = whole
    jax.tree.map(
        lambda ours, wanted: np.testing.assert_allclose(ours, wanted, rtol=1e-4, atol=1e-6),
        result.state,
        by_hand(30)[-1],
    )
    assert result.step == 30


def test_each_line_has_the_metrics_of_its_own_phase(whole):
    """A line at the end of every phase, so that none is of two."""
    told = [(line["step"], *(line.keys() - {"step", "secs"})) for line in lines(whole[0])]
    assert [each[:2] for each in told[:4]] == [
        (5, "hidden_loss"),
        (7, "hidden_loss"),
        (10, "out_loss"),
        (12, "out_loss"),
    ]
    assert [each[0] for each in told[4:]] == [15, 20, 25, 30]
    assert all(set(each[1:]) == {"loss", "twice"} for each in told[4:])


def test_a_line_is_the_mean_of_the_steps_since_the_last(whole):
    states = by_hand(12)
    losses = []
    for step in (10, 11):
        key = jax.random.fold_in(jax.random.key(3), step)
        losses.append(float(loss_fn(states[step].params, batch_at(step), key)))
    assert lines(whole[0])[3]["out_loss"] == pytest.approx(np.mean(losses), rel=1e-4)


@pytest.mark.parametrize(("steps", "expected"), [(30, [15, 20, 25, 30]), (9, [9])])
def test_nothing_is_evaluated_before_they_are_over(tmp_path, steps, expected):
    """But at the very end: every run has figures."""
    seen = []

    def evaluate(state):
        seen.append(int(state.step))
        return {"val_loss": 1.0 + len(seen)}

    result = phased(tmp_path / "run", steps=steps, evaluate=evaluate, evaluate_every=5)
    assert seen == expected
    assert (result.best, result.best_step) == (2.0, expected[0])
    assert load_variables(load_run(tmp_path / "run"))["step"] == expected[0]


def test_before_anything_is_evaluated_the_last_variables_can_be_played(tmp_path):
    def interrupted(step):
        if step == 9:
            os.kill(os.getpid(), signal.SIGTERM)
        return batch_at(step)

    with pytest.raises(KeyboardInterrupt):
        phased(tmp_path / "run", batch_at=interrupted, evaluate=lambda state: {"val_loss": 1.0})
    (stopped,) = ocp.utils.checkpoint_steps(tmp_path / "run" / "checkpoints")
    assert load_variables(load_run(tmp_path / "run"))["step"] == stopped <= 12


@pytest.mark.parametrize("steps", [4, 7, 9, 12, 13])
def test_resumed_in_a_phase_or_at_its_end_it_ends_bit_identical(tmp_path, whole, steps):
    short = phased(tmp_path / "run", steps=steps)
    assert_identical(load_variables(load_run(tmp_path / "run")), playable(short.state))
    result = phased(tmp_path / "run", resume=True)
    assert_identical(result.state, whole[1].state)
    if steps in (7, 12):  # else there is one line more, where it stopped
        assert untimed(tmp_path / "run") == untimed(whole[0])


def test_phases_of_no_steps_are_passed_over(tmp_path):
    never = Phase(0, partial(layer_step, name="out", rate=jnp.nan))
    plain = train(tmp_path / "plain", steps=6)
    result = train(tmp_path / "run", steps=6, phases=(never, never))
    assert_identical(result.state, plain.state)
    assert untimed(tmp_path / "run") == untimed(tmp_path / "plain")
