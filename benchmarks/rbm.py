"""An epoch of a restricted Boltzmann machine against scikit-learn's `BernoulliRBM`.

    python -m benchmarks.rbm

Needs the extra `wyh[bench]`. Both learn the bundled film at 64x64 in grey, float32, by persistent
contrastive divergence with one sweep a step, at the same rate, without momentum or weight decay,
and see the same batches. Each lives in a process of its own and they take turns. scikit-learn runs
on all cores and on one, since its threads wait for one another where other programs run, and the
faster counts; only its steps are timed, without its checks of the input. The reconstruction error
is that of all pictures, up and down once by means, after so many epochs.
"""

import functools
import importlib.util
import statistics
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from importlib.metadata import version
from typing import Any

import numpy as np

from benchmarks.side_by_side import (
    Repeated,
    Row,
    compared,
    cores,
    interleave,
    processes,
    rounded,
    show,
)
from wyh.cli import run as run_command
from wyh.errors import WyhError
from wyh.media.decode import open_video
from wyh.samples import SAMPLE
from wyh.specs import VideoSpec

LOOK = VideoSpec(Fraction(24), 64, 64, 1)
HIDDEN = 1000
BATCH = 64
LEARNING_RATE = 0.01
RATIO = 1.5  # wanted


@dataclass(frozen=True)
class Options:
    """Time epochs in turn, and compare what was learnt."""

    rounds: int = 9  # of measurements in turn
    repeats: int = 2  # epochs in each measurement
    epochs: int = 20  # before the reconstruction errors are compared


class Parameters:
    """Of a machine that was trained: `kernel [visible, hidden]` and both biases, NumPy's."""

    def __init__(self, kernel: Any, visible_bias: Any, hidden_bias: Any) -> None:
        self.kernel = np.asarray(kernel)
        self.visible_bias, self.hidden_bias = np.asarray(visible_bias), np.asarray(hidden_bias)

    def error(self, pictures: np.ndarray) -> float:
        """Mean squared difference between pictures and what their hidden means draw."""
        hidden = _sigmoid(pictures @ self.kernel + self.hidden_bias)
        again = _sigmoid(hidden @ self.kernel.T + self.visible_bias)
        return float(np.mean(np.square(again - pictures)))


def _sigmoid(x: np.ndarray) -> np.ndarray:
    return 0.5 + 0.5 * np.tanh(0.5 * x)


def film() -> np.ndarray:
    """Whole batches of the film's pictures in a random order, `float32 [n, 4096]` in [0, 1]."""
    with open_video(SAMPLE, LOOK) as reader:
        pixels = np.concatenate([frames.pixels for frames in reader])
    order = np.random.default_rng(0).permutation(len(pixels))[: len(pixels) // BATCH * BATCH]
    return (pixels[order].reshape(len(order), -1) / 255).astype(np.float32)


def _batches(pictures: np.ndarray) -> Iterator[np.ndarray]:
    for start in range(0, len(pictures), BATCH):
        yield pictures[start : start + BATCH]


class Ours:
    """`wyh.contrastive`, begun from the mean picture as `init_rbm` can."""

    def __init__(self, pictures: np.ndarray) -> None:
        import jax

        from wyh.contrastive import RbmConfig, init_rbm, init_state, rbm_step

        config = RbmConfig(
            persistent=True, learning_rate=LEARNING_RATE, momentum=0.0, weight_decay=0.0
        )
        self.pictures, self.number = pictures, 0
        mean = pictures.mean(axis=0)
        params = init_rbm(jax.random.key(0), pictures.shape[1], HIDDEN, mean)
        self.state = init_state(config, params, BATCH)

        @jax.jit
        def step(state: Any, visible: Any, number: Any) -> Any:
            return rbm_step(config, state, visible, jax.random.fold_in(jax.random.key(1), number))

        self.step = step

    def __call__(self, epochs: int) -> None:
        """Train on all pictures so many times."""
        for _ in range(epochs):
            for visible in _batches(self.pictures):
                self.state, _ = self.step(self.state, visible, np.int32(self.number))
                self.number += 1
        self.state.chains.block_until_ready()
        self.state.params["kernel"].block_until_ready()

    @property
    def parameters(self) -> Parameters:
        """What was learnt."""
        return Parameters(**self.state.params)


class Theirs:
    """`sklearn.neural_network.BernoulliRBM`, in float32 as it keeps what `fit` is given."""

    def __init__(self, pictures: np.ndarray, threads: int) -> None:
        import threadpoolctl  # type: ignore[import-untyped]
        from sklearn.neural_network import BernoulliRBM  # type: ignore[import-untyped]

        threadpoolctl.threadpool_limits(threads)
        self.pictures, self.rng = pictures, np.random.RandomState(0)
        self.model = BernoulliRBM(
            HIDDEN, learning_rate=LEARNING_RATE, batch_size=BATCH, n_iter=0, random_state=0
        ).fit(pictures)

    def __call__(self, epochs: int) -> None:
        """Train on all pictures so many times."""
        for _ in range(epochs):
            for visible in _batches(self.pictures):
                self.model._fit(visible, self.rng)

    @property
    def parameters(self) -> Parameters:
        """What was learnt."""
        model = self.model
        if model.components_.dtype != np.float32:
            raise WyhError(f"got a kernel of {model.components_.dtype}, wanted float32")
        return Parameters(model.components_.T, model.intercept_visible_, model.intercept_hidden_)


def speed(pictures: np.ndarray, options: Options) -> Row:
    """The ratio of the faster number of scikit-learn's threads to ours, pair by pair."""
    peers = {f"{peer()}, {count} thread{'s'[: count > 1]}": count for count in {1, cores()}}
    makers: dict[str, Callable[[], Repeated]] = {"wyh": functools.partial(Ours, pictures)}
    for name, count in peers.items():
        makers[name] = functools.partial(Theirs, pictures, count)
    with processes(makers, options.repeats) as jobs:
        took = interleave(jobs, options.rounds)
    best = min(peers, key=lambda name: statistics.median(took[name]))
    each = {name: [secs / options.repeats for secs in took[name]] for name in ("wyh", best)}
    what = f"RBM epoch of {len(pictures)} pictures, {pictures.shape[1]} x {HIDDEN}, PCD-1"
    return compared(what, each["wyh"], each[best], best, RATIO)


def learnt(pictures: np.ndarray, epochs: int) -> Row:
    """Our reconstruction error after so many epochs; theirs is the one wanted."""
    errors = []
    for machine in (Ours(pictures), Theirs(pictures, cores())):
        machine(epochs)
        errors.append(rounded(machine.parameters.error(pictures)))
    what = f"RBM reconstruction error after {epochs} epochs"
    return Row(what, errors[0], "mean square", errors[1], "lower", peer())


def peer() -> str:
    """Its name, with the version."""
    return f"BernoulliRBM of scikit-learn {version('scikit-learn')}"


def need_scikit_learn() -> None:
    """Check that scikit-learn is there.

    Raises:
      WyhError: it is not.
    """
    if importlib.util.find_spec("sklearn") is None:
        raise WyhError("got no scikit-learn to compare with, wanted it: pip install 'wyh[bench]'")


def main(options: Options) -> None:
    """Print the ratio of times, and the errors."""
    need_scikit_learn()
    pictures = film()
    show(speed(pictures, options))
    show(learnt(pictures, options.epochs))


if __name__ == "__main__":
    run_command(main, Options, "python -m benchmarks.rbm")
