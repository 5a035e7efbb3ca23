"""The best settings of any experiment, found by many short runs, judged on validation data.

    python -m experiments.sweep --experiment dbn --trials 20 --set steps=300
        --over learning_rate=1e-4..1e-2:log model.dropout=0..0.5 'model.widths=256,256|512,512'

`--over` names fields of the experiment's config: a range `LOW..HIGH`, `:log` for one that spans
orders of magnitude, or choices `A|B|C` (`true|false` for switches, commas within a tuple). `--set`
is the same for all trials. Each trial is a run of its own, OUT/trials/NUMBER, trained by
`python -m experiments.NAME`; it counts by its best validation figure, never by the test set. A
trial that fails is kept with its error, and the study goes on.

The study is OUT/study.db. The same command goes on until `--trials` are done in all; Ctrl-C stops
the trials that run, which are tried again. On several machines: the same command on each with
`--storage postgresql+psycopg2://...` or `mysql+pymysql://...` (a server; the drivers are pip's
`psycopg2-binary` and `pymysql`), or FILE.journal in a folder that all share. SQLite is for one.

OUT/table.md and OUT/*.png show the study; the last line printed is the best run.
"""

import os
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from wyh.cli import parse
from wyh.cli import run as run_command
from wyh.errors import WyhError, check_range
from wyh.runs import BestMetric, cannot_write, replace_file
from wyh.sweeping import (
    Setting,
    Trial,
    Value,
    Varied,
    best_figure,
    named,
    ranked,
    settings_of,
    shown,
    table,
    varied,
)

PROG = "python -m experiments.sweep"
PATIENCE_SECS = 10.0  # for a run that was asked to stop
Figure = tuple[BestMetric, float]


@dataclass(frozen=True)
class Config:
    """Find the best settings of an experiment by many runs, judged on validation data."""

    experiment: str  # dbn, autoencoder or another of `experiments`
    over: tuple[str, ...]  # what is varied: NAME=LOW..HIGH, NAME=LOW..HIGH:log or NAME=A|B|C
    set: tuple[str, ...] = ()  # settings of all trials: NAME=VALUE
    trials: int = 20  # in all, those done before included, 1 to 100000
    jobs: int = 1  # runs at a time on this machine, 1 to 64
    out: Path | None = None  # folder of the study; runs/sweep-EXPERIMENT unless given
    storage: str | None = None  # URL of a database, or a file, for several machines; OUT/study.db
    study: str = "sweep"  # its name, where a storage has several
    seed: int = 0  # of the settings that are drawn

    def __post_init__(self) -> None:
        check_range("trials", self.trials, 1, 100_000)
        check_range("jobs", self.jobs, 1, 64)
        check_range("seed", self.seed, 0, 2**32 - 1)


@dataclass(frozen=True)
class Plan:
    """What is varied in which experiment, checked.

    Attributes:
      experiment: its name.
      over: what is varied.
      fixed: settings of all trials, with their values.
      settings: all that there are, by path.
    """

    experiment: str
    over: tuple[Varied, ...]
    fixed: tuple[tuple[Setting, str], ...]
    settings: Mapping[str, Setting]

    def words(self, values: Mapping[str, Value]) -> list[str]:
        """The command line of a trial with these values, by path."""
        pairs = [*self.fixed, *((self.settings[path], value) for path, value in values.items())]
        return [word for setting, value in pairs for word in setting.words(value)]

    @property
    def about(self) -> dict[str, Any]:
        """What all that take part in a study must agree on; paths may differ among machines."""
        fixed = {one.path: text for one, text in self.fixed if "Path" not in str(one.type)}
        over = {one.setting.path: one.written for one in self.over}
        return {"experiment": self.experiment, "over": over, "set": fixed}


def experiment_names() -> list[str]:
    """The experiments that leave runs."""
    files = (path for path in Path(__file__).parent.glob("*.py") if path != Path(__file__))
    return sorted(path.stem for path in files if "open_run(" in path.read_text("utf-8"))


def planned(experiment: str, over: Sequence[str], fixed: Sequence[str]) -> Plan:
    """Check what is asked for against the experiment's own config.

    Raises:
      WyhError: an unknown experiment or setting, an impossible range, or a value that the config
        refuses by itself.
    """
    names = experiment_names()
    if experiment not in names:
        raise WyhError(f"got the experiment {experiment!r}, wanted one of {', '.join(names)}")
    if not over:
        raise WyhError("got nothing to vary, wanted --over NAME=LOW..HIGH or NAME=A|B|C")
    module = import_module(f"experiments.{experiment}")
    settings = settings_of(module.Config)
    plan = Plan(
        experiment,
        tuple(varied(text, settings) for text in over),
        tuple(named(text, settings, "--set") for text in fixed),
        settings,
    )
    paths = [setting.path for setting, _ in plan.fixed] + [one.setting.path for one in plan.over]
    for path in paths:
        if paths.count(path) > 1:
            raise WyhError(f"got {path} twice, wanted it once, in --over or in --set")

    def check(option: str, values: Mapping[str, Value]) -> None:
        try:
            parse(module.Config, PROG, module.PRESETS, plan.words(values))
        except WyhError as error:
            raise WyhError(f"{option}: {error}") from None

    check("--set", {})
    for one in plan.over:
        for end in one.values.ends:
            check(f"--over {one.setting.path}={end}", {one.setting.path: end})
    return plan


def trained(plan: Plan, folder: Path) -> Callable[..., Figure]:
    """A function that runs trials, each in a process of its own, as `wyh.searching.Runner` says."""

    def run_trial(number: int, values: Mapping[str, Value], stop: threading.Event) -> Figure:
        run, log = folder / str(number), folder / f"{number}.log"
        command = [sys.executable, "-m", f"experiments.{plan.experiment}", f"--out={run}"]
        # Several runs share an accelerator's memory only if none takes all of it at the start.
        told = {"XLA_PYTHON_CLIENT_PREALLOCATE": "false"} | os.environ
        with (
            log.open("wb") as errors,
            subprocess.Popen(
                command + plan.words(values),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=errors,
                env=told,
                start_new_session=True,  # Ctrl-C is ours to pass on
            ) as process,
        ):
            try:
                while process.poll() is None:
                    if stop.wait(0.1):
                        process.terminate()
                        process.wait(PATIENCE_SECS)
            except BaseException:  # it would not end, or we are to end at once
                process.kill()
                raise
        if process.returncode:
            raise WyhError(last_line(log, process.returncode))
        return best_figure(run)

    return run_trial


def last_line(log: Path, status: int) -> str:
    """Why a run failed: the last that it said, without the name of the command."""
    if status < 0:
        return f"killed by signal {-status}"
    lines = log.read_text("utf-8", "replace").split("\n")
    last = next((line.strip() for line in reversed(lines) if line.strip()), "")
    before, colon, why = last.partition(": ")
    told = why if colon and before.startswith("python -m ") else last
    return told or f"ended with status {status}"


def told(trial: Trial, metric: BestMetric) -> str:
    """One line about a trial that came to an end."""
    given = ", ".join(f"{path} {shown(value)}" for path, value in trial.settings.items())
    what = f"{metric.name} {shown(trial.figure)}" if trial.state == "done" else trial.error
    return f"trial {trial.number} {trial.state}: {what} ({given})"


def main(config: Config, runner: Callable[..., Figure] | None = None) -> None:
    """Go on with the study until its trials are done; leave a table, pictures and the runs.

    Args:
      config: what to vary, and how often.
      runner: runs a trial, `wyh.searching.Runner`; processes unless given.

    Raises:
      WyhError: what is asked for is impossible, or no trial has come to a figure.
      KeyboardInterrupt: after Ctrl-C or SIGTERM, when the trials are stopped and the study is kept.
    """
    try:
        from wyh.searching import work
        from wyh.studies import open_search
    except ModuleNotFoundError:
        raise WyhError("a sweep needs optuna: pip install 'wyh[sweep]'") from None
    from wyh.sweep_charts import draw  # matplotlib takes a while

    plan = planned(config.experiment, config.over, config.set)
    out = config.out or Path("runs") / f"sweep-{config.experiment}"
    try:
        (out / "trials").mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise cannot_write(out, error) from None
    storage = config.storage or str(out / "study.db")
    with open_search(storage, config.study, plan.about, plan.over, out, config.seed) as search:

        def tell(number: int) -> None:
            trial = next(trial for trial in search.trials() if trial.number == number)
            print(told(trial, search.metric), file=sys.stderr)

        run_trial = runner or trained(plan, out / "trials")
        stopped = work(search, run_trial, config.trials, config.jobs, tell)
        trials, metric, importance = search.trials(), search.metric, search.importance()
    text = table(trials, metric, [one.setting.path for one in plan.over])
    replace_file(out / "table.md", text.encode())
    draw(out, trials, metric, plan.over, importance)
    print(text)
    if stopped:
        print("the study is kept: the same command goes on with it", file=sys.stderr)
        raise KeyboardInterrupt
    best = ranked(trials, metric)[0]
    if best.figure is None:
        raise WyhError(f"no trial came to a figure, the first: {best.error} (see {out}/trials)")
    if not Path(best.run).exists():
        print(f"the best run is on {best.host}, or was removed", file=sys.stderr)
    print(best.run)


if __name__ == "__main__":
    run_command(main, Config, PROG)
