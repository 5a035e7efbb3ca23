"""Training on a tiny network. Run as a program, this file is the child that gets killed."""

import io
import json
import os
import re
import resource
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
import orbax.checkpoint as ocp
import pytest
from tensorboardX.proto.event_pb2 import Event, SessionLog

from wyh import training
from wyh.checkpoints import load_checkpoint_variables
from wyh.errors import WyhError
from wyh.journal import Journal, Summaries
from wyh.runs import BestMetric, load_run, load_variables
from wyh.training import FitOptions, FitResult, fit, open_run

OPTIMIZER = optax.adam(1e-2)
BATCH = 16
LOWEST = BestMetric("val_loss", "lower")


class State(NamedTuple):
    step: Any
    params: Any
    optimizer: Any


def start(ballast: int = 0) -> State:
    """A small network; `ballast` floats make a checkpoint slow to write."""
    first, second = jax.random.split(jax.random.key(0))
    params = {
        "hidden": {"kernel": jax.random.normal(first, (4, 8)), "bias": jnp.zeros(8)},
        "out": {"kernel": jax.random.normal(second, (8, 1))},
    }
    if ballast:
        params["ballast"] = jax.random.normal(first, (ballast,))
    return State(jnp.int32(0), params, OPTIMIZER.init(params))


def batch_at(step: int, size: int = BATCH) -> dict[str, np.ndarray]:
    x = np.random.default_rng([5, step]).normal(size=(size, 4)).astype(np.float32)
    return {"x": x, "y": np.sin(x.sum(1, keepdims=True))}


def loss_fn(params, batch, key):
    hidden = jnp.tanh(batch["x"] @ params["hidden"]["kernel"] + params["hidden"]["bias"][None])
    noise = 1 + 0.1 * jax.random.normal(key)  # so that keys matter
    return jnp.mean((noise * hidden @ params["out"]["kernel"] - batch["y"]) ** 2)


def train_step(state: State, batch, key):
    loss, grads = jax.value_and_grad(loss_fn)(state.params, batch, key)
    updates, optimizer = OPTIMIZER.update(grads, state.optimizer, state.params)
    params = optax.apply_updates(state.params, updates)
    return State(state.step + 1, params, optimizer), {"loss": loss, "twice": 2 * loss}


def playable(state: State):
    return {"params": state.params, "step": state.step}


def make_run(path: Path, best: BestMetric = LOWEST, resume: bool = False):
    about = {"kind": "test", "preset": "tiny", "config": {}, "stream": None, "data": {}}
    return open_run(path, **about, best_metric=best, resume=resume)


def train(path: Path, *, resume: bool = False, ballast: int = 0, **changes: Any) -> FitResult:
    options = {"steps": 30, "log_every": 5, "evaluate_every": 10, "save_every": 10, "seed": 3}
    functions = {"train_step": train_step, "batch_at": batch_at, "playable": playable}
    given = {name: changes.pop(name) for name in list(changes) if name not in options | LATEST}
    return fit(
        start(ballast),
        **functions | given,
        run=make_run(path, resume=resume),
        options=FitOptions(**options | changes),
        resume=resume,
    )


LATEST = {"latest_secs": 10.0}


def lines(path: Path) -> list[dict]:
    return [json.loads(line) for line in (path / "metrics.jsonl").read_text().splitlines()]


def untimed(path: Path) -> list[dict]:
    return [line | {"secs": 0} for line in lines(path)]


def assert_identical(got, want):
    same = jax.tree.map(lambda a, b: np.asarray(a).tobytes() == np.asarray(b).tobytes(), got, want)
    assert all(jax.tree.leaves(same)), same


def child(*arguments: dict[str, Any], devices: int = 1) -> tuple[int, str]:
    """Run this file as a program, once for each of `arguments`; the first's status and stderr."""
    flags = f"--xla_force_host_platform_device_count={devices}"
    processes = [
        subprocess.Popen(
            # As a module: as a file, tests/signal would stand for Python's own.
            [sys.executable, "-m", "tests.test_training", json.dumps(given)],
            cwd=Path(__file__).parents[1],
            env=os.environ | {"XLA_FLAGS": flags, "JAX_PLATFORMS": "cpu"},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        for given in arguments
    ]
    said = [process.communicate(timeout=120)[1] for process in processes]
    return processes[0].returncode, said[0]


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A run that nothing interrupted."""
    path = tmp_path_factory.mktemp("whole") / "run"
    return path, train(path)


def test_it_learns_and_leaves_everything(whole):
    path, result = whole
    told = lines(path)
    assert [line["step"] for line in told] == [5, 10, 15, 20, 25, 30]
    assert told[0].keys() == {"step", "secs", "loss", "twice"}
    assert told[-1]["loss"] < told[0]["loss"]
    assert all(line["twice"] == pytest.approx(2 * line["loss"]) for line in told)
    assert [line["secs"] for line in told] == sorted(line["secs"] for line in told)
    assert (result.step, result.best, result.best_step) == (30, None, None)
    run = load_run(path)
    # Without an evaluation the last are the best.
    for checkpoint in ("best", "latest"):
        assert_identical(load_variables(run, checkpoint), playable(result.state))
    assert sorted(ocp.utils.checkpoint_steps(path / "checkpoints")) == [20, 30]
    assert not list(path.glob("**/*tmp*"))


def test_the_logged_loss_is_the_mean_of_its_steps(whole):
    path, _ = whole
    state, losses = start(), []
    for step in range(5):
        key = jax.random.fold_in(jax.random.key(3), step)
        state, metrics = train_step(state, batch_at(step), key)
        losses.append(float(metrics["loss"]))
    assert lines(path)[0]["loss"] == pytest.approx(np.mean(losses), rel=1e-5)


def test_the_callers_state_is_not_donated(tmp_path):
    state = start()
    options = FitOptions(steps=2)
    functions = {"train_step": train_step, "batch_at": batch_at, "playable": playable}
    fit(state, **functions, run=make_run(tmp_path / "run"), options=options)
    assert int(state.step) == 0
    assert np.isfinite(state.params["out"]["kernel"]).all()


def test_how_often_the_latest_is_written_changes_nothing(tmp_path, whole, monkeypatch):
    written = []
    save = training.save_variables
    monkeypatch.setattr(
        training, "save_variables", lambda *given: (written.append(given[2]), save(*given))
    )
    result = train(tmp_path / "run", latest_secs=0.0)
    assert written.count("variables_latest") == 1 + 30  # the very beginning, too
    assert_identical(result.state, whole[1].state)


def test_another_seed_is_another_run(tmp_path, whole):
    other = train(tmp_path / "run", seed=4)
    kernels = [result.state.params["out"]["kernel"] for result in (other, whole[1])]
    assert not np.array_equal(*kernels)


@pytest.mark.parametrize(("better", "best_step"), [("lower", 20), ("higher", 30)])
def test_the_best_is_kept_in_either_direction(tmp_path, better, best_step):
    figures = {10: 3.0, 20: 1.0, 30: 4.0, 35: 2.0}
    run = make_run(tmp_path / "run", BestMetric("score", better))
    result = fit(
        start(),
        train_step=train_step,
        batch_at=batch_at,
        playable=playable,
        evaluate=lambda state: {"score": figures[int(state.step)], "other": np.float32(0.5)},
        run=run,
        options=FitOptions(steps=35, log_every=20, evaluate_every=10, save_every=30),
    )
    assert (result.best, result.best_step) == (figures[best_step], best_step)
    assert load_variables(run)["step"] == best_step
    assert load_variables(run, "latest")["step"] == 35
    told = lines(run.directory)
    assert [(line["step"], line["score"]) for line in told] == list(figures.items())
    assert all(line["other"] == 0.5 for line in told)


def test_a_nan_is_never_the_best_and_is_null_in_the_journal(tmp_path):
    def evaluate(state):
        return {"val_loss": float("nan") if state.step == 10 else 1.0}

    result = train(tmp_path / "run", evaluate=evaluate)
    assert result.best_step == 20
    assert [line.get("val_loss", "-") for line in lines(tmp_path / "run")][1::2] == [None, 1, 1]


def test_the_best_survives_a_resume(tmp_path):
    def evaluate(state):
        return {"val_loss": float(abs(state.step - 10))}

    train(tmp_path / "run", steps=20, evaluate=evaluate)
    result = train(tmp_path / "run", steps=30, evaluate=evaluate, resume=True)
    assert (result.step, result.best, result.best_step) == (30, 0.0, 10)
    assert load_variables(load_run(tmp_path / "run"))["step"] == 10


def test_resume_of_a_finished_run_changes_nothing(tmp_path):
    first = train(tmp_path / "run")
    again = train(tmp_path / "run", resume=True)
    assert_identical(again.state, first.state)
    assert again.step == 30
    assert len(lines(tmp_path / "run")) == 6


def test_resume_before_the_first_checkpoint_begins_anew(tmp_path, whole):
    make_run(tmp_path / "run")
    (tmp_path / "run" / "metrics.jsonl").write_text('{"step": 5, "secs": 1}\n{"step": 1')
    result = train(tmp_path / "run", resume=True)
    assert_identical(result.state, whole[1].state)
    assert untimed(tmp_path / "run") == untimed(whole[0])


def test_resume_with_another_model_names_the_difference(tmp_path):
    train(tmp_path / "run", steps=2)
    with pytest.raises(WyhError, match=r"is of another model \(.*ballast.* is nothing, wanted f"):
        train(tmp_path / "run", resume=True, ballast=3)


def test_a_damaged_checkpoint_is_passed_over(tmp_path, whole):
    train(tmp_path / "run", steps=20)
    for file in (tmp_path / "run" / "checkpoints" / "20").glob("**/*"):
        if file.is_file() and "commit" not in file.name:
            file.write_bytes(b"damage")
    result = train(tmp_path / "run", resume=True)
    assert_identical(result.state, whole[1].state)
    assert untimed(tmp_path / "run") == untimed(whole[0])


def test_when_all_checkpoints_are_damaged_it_says_so(tmp_path):
    train(tmp_path / "run", steps=5)
    for file in (tmp_path / "run" / "checkpoints" / "5").glob("**/*"):
        if file.is_file() and "commit" not in file.name:
            file.write_bytes(b"damage")
    with pytest.raises(WyhError, match=r"no checkpoint in .* is whole .*start anew"):
        train(tmp_path / "run", resume=True)
    with pytest.raises(WyhError, match="variables is damaged"):
        load_checkpoint_variables(load_run(tmp_path / "run"), 5)


def test_variables_of_a_step(whole):
    run = load_run(whole[0])
    assert load_checkpoint_variables(run, 20)["step"] == 20
    assert_identical(load_checkpoint_variables(run, 30), playable(whole[1].state))
    with pytest.raises(WyhError, match=r"got checkpoint 7 of .*, there are: 20, 30"):
        load_checkpoint_variables(run, 7)


def test_a_killed_run_ends_bit_identical(tmp_path, whole):
    status, _ = child({"path": str(tmp_path / "run"), "kill_at": 17})
    assert status == -signal.SIGKILL
    assert lines(tmp_path / "run")[-1]["step"] in (10, 15)
    result = train(tmp_path / "run", resume=True)
    assert_identical(result.state, whole[1].state)
    assert untimed(tmp_path / "run") == untimed(whole[0])


def test_a_run_killed_during_a_save_ends_bit_identical(tmp_path):
    ballast = 1_000_000
    status, _ = child({"path": str(tmp_path / "run"), "kill_in_save": 20, "ballast": ballast})
    assert status == -signal.SIGKILL
    checkpoints = tmp_path / "run" / "checkpoints"
    assert ocp.utils.checkpoint_steps(checkpoints) == [10]
    assert [path.name for path in checkpoints.iterdir() if path.name != "10"]  # half-written
    result = train(tmp_path / "run", resume=True, ballast=ballast)
    assert sorted(ocp.utils.checkpoint_steps(checkpoints)) == [20, 30]
    assert_identical(result.state, train(tmp_path / "again", ballast=ballast).state)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_saves_and_stops(tmp_path, whole, number, capfd):
    def interrupted(step):
        if step == 13:
            os.kill(os.getpid(), number)
        return batch_at(step)

    handlers = [signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)]
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path / "run", batch_at=interrupted)
    assert [signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)] == handlers
    assert "all is saved: --resume goes on from there" in capfd.readouterr().err
    stopped = max(ocp.utils.checkpoint_steps(tmp_path / "run" / "checkpoints"))
    assert 11 <= stopped <= 15
    for checkpoint in ("best", "latest"):
        assert load_variables(load_run(tmp_path / "run"), checkpoint)["step"] == stopped
    result = train(tmp_path / "run", resume=True)
    assert_identical(result.state, whole[1].state)


def spoiled(at: int, part: str):
    def step_fn(state, batch, key):
        state, metrics = train_step(state, batch, key)
        bad = jnp.where(state.step == at, jnp.nan, 0.0)
        if part == "loss":
            return state, metrics | {"loss": metrics["loss"] + bad}
        return state._replace(params=jax.tree.map(lambda x: x + bad, state.params)), metrics

    return step_fn


def test_a_loss_that_is_not_finite_stops(tmp_path):
    with pytest.raises(WyhError) as error:
        train(tmp_path / "run", train_step=spoiled(17, "loss"))
    assert str(error.value) == (
        "loss became nan at step 17: try a lower learning rate (the checkpoint of step 10 is good)"
    )
    assert load_variables(load_run(tmp_path / "run"))["step"] == 10
    assert lines(tmp_path / "run")[-1]["step"] == 15


def test_a_model_that_is_not_finite_is_not_saved(tmp_path):
    with pytest.raises(WyhError, match=r"the model became non-finite by step 10: .*nothing was"):
        train(tmp_path / "run", train_step=spoiled(10, "model"))
    assert not ocp.utils.checkpoint_steps(tmp_path / "run" / "checkpoints")


def test_a_step_that_does_not_count_is_a_mistake(tmp_path):
    def stuck(state, batch, key):
        return state, {"loss": jnp.float32(0)}

    with pytest.raises(ValueError, match="a state whose step is one higher"):
        train(tmp_path / "run", train_step=stuck)


def test_an_error_while_reading_batches_is_passed_on(tmp_path):
    def broken(step):
        if step == 8:
            raise WyhError("film.tfrecord is damaged")
        return batch_at(step)

    before = threading.active_count()
    with pytest.raises(WyhError, match=r"film\.tfrecord is damaged"):
        train(tmp_path / "run", batch_at=broken)
    assert not [t for t in threading.enumerate() if t.name.startswith("batches")], before


@pytest.mark.parametrize("name", ["steps", "log_every", "evaluate_every", "save_every"])
def test_options_are_checked(name):
    with pytest.raises(WyhError, match=f"got {name} 0, wanted 1 or more"):
        FitOptions(**{name: 0})


@contextmanager
def full_disk(most: int) -> Iterator[None]:
    """No file can grow over `most` bytes; Python ignores the signal, so that writes fail."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


@pytest.mark.filterwarnings("ignore:Error writing persistent compilation cache")
def test_a_full_disk_is_one_line(tmp_path):
    with full_disk(20_000), pytest.raises(WyhError, match=r"cannot write .*free some") as error:
        train(tmp_path / "run", ballast=10_000)
    assert "\n" not in str(error.value)
    assert not list((tmp_path / "run").glob(".*tmp"))


def test_a_disk_too_full_for_a_checkpoint_is_one_line(tmp_path, monkeypatch):
    monkeypatch.setattr("shutil.disk_usage", lambda path: SimpleNamespace(free=100))
    with pytest.raises(WyhError, match=r"cannot write .*checkpoints: it takes .* bytes, 100 are"):
        train(tmp_path / "run")


@pytest.mark.parametrize("method", ["save", "wait_until_finished", "close"])
def test_a_checkpoint_that_fails_is_one_line(tmp_path, monkeypatch, method):
    def broken(*args, **kwargs):
        raise ValueError("OUT_OF_RANGE: disk\nand 100 more lines")

    monkeypatch.setattr(ocp.CheckpointManager, method, broken)
    with pytest.raises(WyhError) as error:
        train(tmp_path / "run")
    assert str(error.value) == (
        f"cannot write {tmp_path / 'run' / 'checkpoints'}: OUT_OF_RANGE: disk; "
        "free some space, then --resume"
    )


def test_a_journal_that_cannot_be_written_is_one_line(tmp_path):
    run = make_run(tmp_path / "run")
    with full_disk(20_000), pytest.raises(WyhError, match=r"cannot write .*run: .*free some"):
        with Journal(run, 0, 1000) as journal:
            for step in range(1, 1000):
                journal.line(step, 1.0, {"loss": 1.0})


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_terminal_gets_a_bar_and_a_pipe_gets_lines(tmp_path, monkeypatch):
    for terminal, pattern in ((Terminal(), r"100%.*2/2 .*loss 0\.25"), (io.StringIO(), "step 2/2")):
        monkeypatch.setattr(sys, "stderr", terminal)
        with Journal(make_run(tmp_path / "run", resume=True), 0, 2) as journal:
            for step in (1, 2):
                journal.tick(step)
                journal.line(step, 1.0, {"loss": 0.25})
        assert re.search(pattern, terminal.getvalue())
        assert ("\r" in terminal.getvalue()) == terminal.isatty()


def test_other_processes_write_nothing(tmp_path):
    run = make_run(tmp_path / "run")
    with Journal(run, 0, 2, writes=False) as journal:
        journal.tick(1)
        journal.line(1, 1.0, {"loss": 0.25})
        journal.say("not heard")
    assert [path.name for path in run.directory.iterdir()] == ["config.json"]


def events(path: Path) -> list[Event]:
    found = []
    for file in sorted((path / "tensorboard").iterdir(), key=lambda f: int(f.suffix[1:])):
        content = file.read_bytes()
        while content:
            (length,) = struct.unpack("<Q", content[:8])
            found.append(Event.FromString(content[12 : 12 + length]))
            content = content[16 + length :]
    return found


def test_tensorboard_gets_figures_pictures_and_sounds(tmp_path):
    told = []

    def summaries(variables):
        told.append(int(variables["step"]))  # what `playable` gave
        picture = np.full((8, 6, 3), 128, np.uint8)
        tone = np.sin(np.arange(800, dtype=np.float32) / 10) * 1.01  # clipped, not refused
        return Summaries({"seen": picture}, {"heard": (tone, 8000)})

    shown = {"evaluate": lambda state: {"val_loss": 1.0}, "summaries": summaries}
    train(tmp_path / "run", steps=10, **shown)
    train(tmp_path / "run", steps=20, **shown, resume=True)
    assert told == [10, 20]
    found = events(tmp_path / "run")
    restarts = [event.step for event in found if event.session_log.status == SessionLog.START]
    assert restarts == [1, 11]  # TensorBoard then drops what a killed session left after it
    by_step = {event.step: event.summary.value for event in found if event.summary.value}
    assert list(by_step) == [5, 10, 15, 20]
    assert [value.tag for value in by_step[5]] == ["loss", "twice"]
    values = {value.tag: value for value in by_step[20]}
    assert values.keys() == {"loss", "twice", "val_loss", "seen", "heard"}
    assert values["loss"].simple_value == pytest.approx(lines(tmp_path / "run")[-1]["loss"])
    assert values["seen"].image.encoded_image_string.startswith(b"\x89PNG")
    assert (values["seen"].image.height, values["seen"].image.width) == (8, 6)
    assert values["heard"].audio.sample_rate == 8000
    assert values["heard"].audio.encoded_audio_string.startswith(b"RIFF")


def test_eight_devices_learn_what_one_learns(tmp_path, whole):
    assert len(jax.devices()) == 1 or pytest.skip("this process already has several devices")
    status, said = child({"path": str(tmp_path / "run"), "steps": 20, "refused": 12}, devices=8)
    assert status == 0, said
    assert "got a batch of 12, which 8 devices cannot share evenly: choose a mult" in said
    for ours, theirs in zip(lines(whole[0]), lines(tmp_path / "run"), strict=False):
        assert ours["loss"] == pytest.approx(theirs["loss"], rel=1e-5)
    result = train(tmp_path / "run", resume=True)  # on one device
    jax.tree.map(
        lambda ours, theirs: np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-5),
        result.state,
        whole[1].state,
    )


@pytest.mark.soak
def test_two_processes_learn_what_one_learns(tmp_path, whole):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    shared = {"path": str(tmp_path / "run"), "port": port}
    status, said = child(*(shared | {"process": number} for number in (0, 1)))
    assert status == 0, said
    run = load_run(tmp_path / "run")
    assert [line["step"] for line in lines(run.directory)] == [5, 10, 15, 20, 25, 30]
    jax.tree.map(
        lambda ours, theirs: np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-5),
        load_variables(run),
        playable(whole[1].state),
    )
    result = train(tmp_path / "run", resume=True)  # in one process
    assert result.step == 30


def main(arguments: dict[str, Any]) -> None:
    """The child: trains as told, and kills itself if told so."""
    path = Path(arguments["path"])
    if "port" in arguments:
        jax.distributed.initialize(
            f"127.0.0.1:{arguments['port']}", num_processes=2, process_id=arguments["process"]
        )

    def batches(step: int) -> dict[str, np.ndarray]:
        if step == arguments.get("kill_at"):
            while not (path / "checkpoints" / "10").exists():
                time.sleep(0.01)
            time.sleep(0.2)
            os.kill(os.getpid(), signal.SIGKILL)
        return batch_at(step)

    def kill_in_save(step: int) -> None:
        while not list((path / "checkpoints").glob(f"{step}*")):
            pass
        os.kill(os.getpid(), signal.SIGKILL)

    if "kill_in_save" in arguments:
        threading.Thread(target=kill_in_save, args=(arguments["kill_in_save"],)).start()
    if "refused" in arguments:
        with pytest.raises(WyhError) as error:
            train(
                path.parent / "refused", batch_at=lambda step: batch_at(step, arguments["refused"])
            )
        print(error.value, file=sys.stderr)
    train(
        path,
        steps=arguments.get("steps", 30),
        batch_at=batches,
        ballast=arguments.get("ballast", 0),
    )


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
