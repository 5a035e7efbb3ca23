"""That both sides of `benchmarks/rbm.py` do the same; never how long it takes."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from benchmarks import rbm
from wyh.cli import parse
from wyh.contrastive import RbmConfig, hidden_means, init_state, rbm_step, visible_means
from wyh.errors import WyhError


@pytest.fixture
def pictures(rng):
    """Two batches of two kinds of pictures, mixed."""
    kinds = np.array([[0.9, 0.9, 0.1, 0.1, 0.5, 0.2], [0.1, 0.2, 0.9, 0.8, 0.5, 0.2]])
    return kinds[rng.permutation(2 * rbm.BATCH) % 2].astype(np.float32)


def test_the_film_as_batches():
    film = rbm.film()
    assert film.dtype == np.float32 and film.shape[1] == 64 * 64
    assert len(film) >= 10 * rbm.BATCH and not len(film) % rbm.BATCH
    assert film.min() == 0 and 0.9 < film.max() <= 1


def test_reconstruction_error(pictures):
    machine = rbm.Ours(pictures)
    machine(3)
    assert machine.number == 6
    params = machine.state.params
    again = visible_means(RbmConfig(), params, hidden_means(params, jnp.asarray(pictures)))
    wanted = float(np.mean(np.square(np.asarray(again) - pictures)))
    assert machine.parameters.error(pictures) == pytest.approx(wanted, rel=1e-5)


def test_scikit_learn_takes_the_same_step(pictures, monkeypatch):
    """But for centring, where the biases leave no chance in what is drawn."""
    pytest.importorskip("sklearn", reason="needs the extra [bench]")
    monkeypatch.setattr(rbm, "HIDDEN", 12)
    theirs = rbm.Theirs(pictures, 1)
    theirs.model.intercept_visible_[:] = bias = np.array([40, -40, 40, -40, 40, -40], np.float32)
    kernel = theirs.parameters.kernel.copy()
    config = RbmConfig(
        persistent=True, centred=False, learning_rate=rbm.LEARNING_RATE, weight_decay=0.0
    )
    params = {"kernel": kernel, "visible_bias": bias.copy(), "hidden_bias": np.zeros(12, "f")}
    state = init_state(config, jax.tree.map(jnp.asarray, params), rbm.BATCH)
    state, _ = rbm_step(config, state, jnp.asarray(pictures[: rbm.BATCH]), jax.random.key(0))
    theirs.pictures = pictures[: rbm.BATCH]
    theirs(1)
    found = theirs.parameters
    assert found.kernel.dtype == np.float32 and abs(found.kernel - kernel).max() > 1e-3
    for name, value in state.params.items():
        np.testing.assert_allclose(getattr(found, name), value, atol=5e-6)


def test_errors_side_by_side(pictures, monkeypatch):
    pytest.importorskip("sklearn", reason="needs the extra [bench]")
    monkeypatch.setattr(rbm, "HIDDEN", 12)
    row = rbm.learnt(pictures, epochs=2)
    assert row.better == "lower" and row.peer.startswith("BernoulliRBM of scikit-learn 1.")
    spread = float(np.mean(np.square(pictures - pictures.mean(axis=0))))
    assert row.wanted is not None and 0 < row.value < 1.1 * spread and row.wanted < 4 * spread


def test_the_faster_number_of_threads_counts(pictures, monkeypatch):
    def interleave(jobs, rounds):
        mine, one, two = jobs
        return {mine: [1.0, 2.0], one: [3.0, 5.0], two: [9.0, 9.0]}

    monkeypatch.setattr(rbm, "cores", lambda: 2)
    monkeypatch.setattr(rbm, "peer", lambda: "them")
    monkeypatch.setattr(rbm, "interleave", interleave)
    monkeypatch.setattr(rbm, "processes", lambda makers, times: _Entered(makers))
    row = rbm.speed(pictures, rbm.Options(repeats=1))
    assert (row.value, row.peer, row.own_ms) == (2.75, "them, 1 thread", 1500)


class _Entered(dict):
    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass


def test_without_scikit_learn(monkeypatch):
    monkeypatch.setattr(rbm.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(WyhError, match="got no scikit-learn to compare with, wanted it: pip"):
        rbm.main(rbm.Options())


def test_help(capsys):
    with pytest.raises(SystemExit) as stop:
        parse(rbm.Options, "python -m benchmarks.rbm", None, ["--help"])
    assert not stop.value.code
    assert rbm.Options.__doc__ in capsys.readouterr().out
