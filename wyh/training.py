"""One training loop for every experiment: devices, progress, logging, checkpoints, resume.

The experiment gives pure functions; what happens in step k depends on the state, `batch_at(k)` and
`fold_in(key(seed), k)` alone. That makes a resumed run end bit-identical to one never stopped.
"""

import os
import time
from bisect import bisect_right
from collections import deque
from collections.abc import Callable, Generator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass
from itertools import accumulate
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.experimental import multihost_utils
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from wyh.checkpoints import Checkpoints
from wyh.errors import WyhError
from wyh.journal import Journal, Summaries
from wyh.runs import Run, create_run, load_run, save_variables
from wyh.stopping import agreed, stop_signals

State = Any
"""A pytree of arrays with an attribute `step`, which `train_step` must raise by one."""

Batch = Any
"""A pytree of arrays `[batch, ...]`."""

TrainStep = Callable[[State, Batch, Any], tuple[State, dict[str, Any]]]
"""`(state, batch, key) -> (state, metrics)`, pure; metrics are scalars."""

AHEAD = 2
"""Batches made ready, and steps dispatched, ahead of the one that runs."""


@dataclass(frozen=True)
class FitOptions:
    """How long to train, and how often to stop and look. Numbers of steps, unless named secs."""

    steps: int = 1000  # in all, counted from the first start
    log_every: int = 50
    evaluate_every: int = 500
    save_every: int = 500  # a checkpoint to resume from
    latest_secs: float = 10.0  # variables_latest is at most this old
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("steps", "log_every", "evaluate_every", "save_every"):
            if getattr(self, name) < 1:
                raise WyhError(f"got {name} {getattr(self, name)}, wanted 1 or more")


class Phase(NamedTuple):
    """Some steps at the beginning that train otherwise, such as one layer by itself."""

    steps: int
    train_step: TrainStep


class FitResult(NamedTuple):
    """What training ended with; `best` is None without an evaluation."""

    state: State
    step: int
    best: float | None
    best_step: int | None
    secs: float  # of training, over all its sessions


def split_processor(devices: int, batch_size: int) -> None:
    """Let JAX count the processor as several devices, for `fit` to share a batch among.

    Operations too small to use all cores then run side by side. It works before the first use of
    JAX; later it changes nothing.

    Args:
      devices: how many; 0 means one a core.
      batch_size: of a step. Fewer devices are made where so many cannot share it evenly.
    """
    devices = devices or os.cpu_count() or 1
    while batch_size % devices:
        devices -= 1
    with suppress(RuntimeError):  # the devices are known already
        jax.config.update("jax_num_cpu_devices", devices)


def open_run(path: Any, **about: Any) -> Run:
    """`create_run`, by the first process alone where there are several."""
    if jax.process_count() == 1:
        return create_run(path, **about)
    run = create_run(path, **about) if jax.process_index() == 0 else None
    multihost_utils.sync_global_devices("the run directory is there")
    return run or load_run(path)


def fit(
    state: State,
    *,
    train_step: TrainStep,
    batch_at: Callable[[int], Batch],
    playable: Callable[[State], Mapping[str, Any]],
    run: Run,
    options: FitOptions,
    evaluate: Callable[[State], dict[str, float]] | None = None,
    summaries: Callable[[Mapping[str, Any]], Summaries] | None = None,
    phases: Sequence[Phase] = (),
    in_place: bool = False,
    resume: bool = False,
) -> FitResult:
    """Train, data-parallel over all devices, and leave the results in `run`.

    Args:
      state: where to begin; also the pattern that a checkpoint must fit.
      train_step: averages over the batch axis are averages over all devices.
      batch_at: the whole batch of a step (from 0), the same whenever and wherever it is asked; each
        device takes its share. It is called in another thread, one step at a time.
      playable: what a model needs to play, as a nested dict.
      run: the run directory, from `create_run` or `open_run`.
      options: steps, cadences, seed.
      evaluate: held-out figures, among them `run.best_metric`; it sees the state on one device.
        Without it the last variables count as the best.
      summaries: pictures and sounds for TensorBoard, of what `playable` gave at each evaluation.
      phases: what comes first, in order, in place of `train_step`; nothing is evaluated before
        they are over.
      in_place: let a step write over its state on a CPU too: quicker where most of a step is the
        update of large layers, slower where it is not.
      resume: go on from the newest checkpoint of `run`, where there is one.

    Raises:
      WyhError: a value became non-finite, the batch cannot be shared, or the run cannot be written.
      KeyboardInterrupt: after Ctrl-C or SIGTERM, when the step is finished and everything saved.
    """
    mesh = Mesh(jax.devices(), ("data",))
    everywhere = _placed(mesh)
    writes = jax.process_index() == 0
    # A copy, as a step may donate it; jnp.array also makes weak types strong.
    state = jax.device_put(jax.tree.map(jnp.array, state), everywhere)

    def compiled(train_step: TrainStep) -> Any:
        def keyed_step(state: State, batch: Batch) -> tuple[State, dict[str, Any]]:
            key = jax.random.fold_in(jax.random.key(options.seed), state.step)
            return train_step(state, batch, key)

        # A CPU has memory to spare: a step of convolutions took 27 ms, not 45, in fresh memory.
        donated = (0,) if in_place or jax.default_backend() != "cpu" else ()
        return jax.jit(keyed_step, donate_argnums=donated, out_shardings=everywhere)

    ends = list(accumulate(phase.steps for phase in phases))  # the step after each phase
    step_fns = [compiled(step_fn) for step_fn in (*(p.train_step for p in phases), train_step)]
    whole = ends[-1] if ends else 0  # from this step on, the model is trained as a whole
    best: dict[str, Any] = {"value": None, "step": None}
    pending: list[dict[str, Any]] = []  # metrics of the steps since the last line, on the device
    secs = 0.0

    with ExitStack() as stack:
        asked = stack.enter_context(stop_signals())
        checkpoints = stack.enter_context(Checkpoints(run))
        restored = checkpoints.restore(state) if resume else None
        if restored is not None:
            state, progress = restored
            best, secs = progress["best"], progress["secs"]
        step = int(state.step)
        journal = stack.enter_context(Journal(run, step, options.steps, writes))
        batches = stack.enter_context(closing(_batches(batch_at, step, options.steps, mesh)))
        if writes and step == 0:
            here = jax.tree.map(lambda leaf: leaf.addressable_data(0), state)
            begin = jax.tree.map(np.array, playable(here))  # who follows the run hears it from here
            save_variables(run, begin, "variables_latest")
        began = written = time.monotonic()
        began -= secs
        for batch in batches:
            state, metrics = step_fns[bisect_right(ends, step)](state, batch)
            step += 1
            pending.append(metrics)
            for leaf in jax.tree.leaves(pending[:-AHEAD][-1:]):
                leaf.block_until_ready()  # else the host would run far ahead of the devices
            journal.tick(step)

            last = step == options.steps
            evaluating = evaluate is not None and (last or step % options.evaluate_every == 0)
            evaluating = evaluating and (step > whole or last)
            saving = last or step % options.save_every == 0
            looking = saving or evaluating or step % options.log_every == 0 or step in ends
            stopping = agreed(asked, looking) and not last
            saving, looking = saving or stopping, looking or stopping
            late = writes and time.monotonic() - written > options.latest_secs
            if not looking and not late:
                continue

            secs = time.monotonic() - began
            figures = _means(pending, step, checkpoints) if looking else {}
            here = jax.tree.map(lambda leaf: leaf.addressable_data(0), state)
            if int(here.step) != step:
                raise ValueError("train_step must return a state whose step is one higher")
            shown = None
            if evaluate is not None and evaluating:
                figures |= {name: float(value) for name, value in evaluate(here).items()}
                value = figures[run.best_metric.name]
                if run.best_metric.improves(value, best["value"]):
                    best = {"value": value, "step": step}
            if evaluating or saving or late:
                variables = jax.tree.map(np.array, playable(here))
                if not all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(variables)):
                    raise _diverged(f"the model became non-finite by step {step}", checkpoints)
                if writes and best["step"] in (step, None):
                    save_variables(run, variables, "variables")
                if writes:
                    save_variables(run, variables, "variables_latest")
                written = time.monotonic()
            if evaluating and summaries is not None:
                shown = summaries(variables)
            if looking:
                journal.line(step, secs, figures, shown)
                pending = []
            if saving:
                checkpoints.save(step, state, variables, {"best": best, "secs": secs})
            if stopping:
                checkpoints.wait()
                journal.say(f"stopped at step {step}, all is saved: --resume goes on from there")
                raise KeyboardInterrupt
        checkpoints.wait()
    return FitResult(state, step, best["value"], best["step"], secs)


def _placed(mesh: Mesh, *axes: str) -> NamedSharding:
    return NamedSharding(mesh, PartitionSpec(*axes))


def _batches(
    batch_at: Callable[[int], Batch], first: int, end: int, mesh: Mesh
) -> Generator[Batch, None, None]:
    """The batches of steps `first` to `end - 1` on the devices, made ahead in another thread."""
    shared = _placed(mesh, "data")

    def load(step: int) -> Batch:
        batch = batch_at(step)
        for leaf in jax.tree.leaves(batch):
            if len(leaf) % mesh.size:
                raise WyhError(
                    f"got a batch of {len(leaf)}, which {mesh.size} devices cannot share evenly: "
                    f"choose a multiple of {mesh.size}"
                )
        if jax.process_count() == 1:
            return jax.device_put(batch, shared)
        share = jax.make_array_from_process_local_data
        return jax.tree.map(lambda leaf: share(shared, leaf, leaf.shape), batch)  # type: ignore[no-untyped-call]

    with ThreadPoolExecutor(1, thread_name_prefix="batches") as pool:
        ahead = deque(pool.submit(load, step) for step in range(first, min(first + AHEAD, end)))
        try:
            for step in range(first + AHEAD, end + AHEAD):
                batch = ahead.popleft().result()
                if step < end:
                    ahead.append(pool.submit(load, step))
                yield batch
        finally:
            pool.shutdown(cancel_futures=True)


def _means(pending: list[dict[str, Any]], step: int, checkpoints: Checkpoints) -> dict[str, float]:
    """Each metric's mean over the steps up to `step`; every one of them must be finite."""
    fetched = jax.device_get(pending)
    for at, metrics in enumerate(fetched, step - len(fetched) + 1):
        for name, value in metrics.items():
            if not np.isfinite(value):
                raise _diverged(f"{name} became {value} at step {at}", checkpoints)
    return {name: float(np.mean([m[name] for m in fetched])) for name in fetched[0]}


def _diverged(what: str, checkpoints: Checkpoints) -> WyhError:
    good = checkpoints.wait()
    kept = f"the checkpoint of step {good} is good" if good else "nothing was saved"
    return WyhError(f"{what}: try a lower learning rate ({kept})")
