"""Working through a study: trials are drawn, run some at a time, and kept, whatever comes of them.

The study always maximises: where a lower figure is better, minus the figure is its value. Needs the
extra `[sweep]`.
"""

import os
import socket
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from importlib.util import find_spec
from pathlib import Path

import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.storages import BaseStorage
from optuna.trial import TrialState
from sqlalchemy.exc import SQLAlchemyError

from wyh.errors import WyhError
from wyh.runs import BestMetric
from wyh.stopping import stop_signals
from wyh.sweeping import Choice, Span, State, Trial, Value, Varied

Figure = tuple[BestMetric, float]
Runner = Callable[[int, Mapping[str, Value], threading.Event], Figure]
"""`(number, settings by path, stop) -> its best figure`. It raises `WyhError` where the trial
fails, and anything once `stop` is set, which it must heed within seconds."""

_STATES: dict[TrialState, State] = {
    TrialState.COMPLETE: "done",
    TrialState.FAIL: "failed",
    TrialState.PRUNED: "failed",
    TrialState.RUNNING: "running",
    TrialState.WAITING: "waiting",
}
_UNKNOWN = {"name": "figure", "better": "higher"}


class Search:
    """A study, used by one thread.

    Args:
      study: the study.
      storage: that it is kept in.
      over: what it varies.
      folder: where runs of trials are, by number.
    """

    def __init__(
        self, study: optuna.Study, storage: BaseStorage, over: Sequence[Varied], folder: Path
    ):
        self._study, self._storage = study, storage
        self._folder, self._host = folder, socket.gethostname()
        self._space = {one.setting.path: _distribution(one.values) for one in over}

    @property
    def metric(self) -> BestMetric:
        """What trials are judged by, once the first of them is done."""
        return BestMetric(**self._study.user_attrs.get("metric", _UNKNOWN))

    def trials(self) -> list[Trial]:
        """All trials, by number; without those that wait to be tried again."""
        sign = _sign(self.metric)
        return [
            Trial(
                number=trial.number,
                state="stopped" if trial.user_attrs.get("stopped") else _STATES[trial.state],
                settings=trial.params,
                figure=None if trial.value is None else sign * trial.value,
                secs=trial.duration.total_seconds() if trial.duration else None,
                error=trial.user_attrs.get("error", ""),
                run=trial.user_attrs.get("run", ""),
                host=trial.user_attrs.get("host", ""),
            )
            for trial in self._study.get_trials(deepcopy=False)
            if trial.state is not TrialState.WAITING
        ]

    def claim(self, trials: int) -> tuple[int, dict[str, Value]] | None:
        """The next trial and its settings; None where so many are done, failed or under way."""
        if len(self._counted()) >= trials:
            return None
        trial = self._study.ask(self._space)
        for name, value in (
            ("host", self._host),
            ("process", os.getpid()),
            ("run", str(self._folder / str(trial.number))),
        ):
            trial.set_user_attr(name, value)
        if trial.number in self._counted()[trials:]:  # another machine claimed at the same moment
            self._end(trial.number, "there were trials enough", stopped=True)
            return None
        return trial.number, trial.params

    def done(self, number: int, figure: Figure) -> None:
        """Keep the figure of a trial.

        Raises:
          WyhError: it was judged by something else than the trials before, and has failed.
        """
        metric, value = figure
        if "metric" not in self._study.user_attrs:
            about = {"name": metric.name, "better": metric.better}
            self._study.set_user_attr("metric", about)
        if metric != self.metric:
            raise WyhError(f"judged by {metric.name}, but the study by {self.metric.name}")
        self._study.tell(number, _sign(metric) * value)

    def failed(self, number: int, error: str) -> None:
        """Keep why a trial failed."""
        self._end(number, error, stopped=False)

    def stopped(self, number: int, error: str) -> None:
        """Keep that a trial was stopped, and let its settings be tried again."""
        settings = self._study.get_trials(deepcopy=False)[number].params
        self._end(number, error, stopped=True)
        if settings:
            self._study.enqueue_trial(settings)

    def stop_dead(self) -> None:
        """Let trials be tried again whose process on this machine was killed."""
        for trial in self._study.get_trials(deepcopy=False):
            about = trial.user_attrs
            ours = about.get("host") == self._host and trial.state is TrialState.RUNNING
            if ours and not _alive(about.get("process", 0)):
                self.stopped(trial.number, "killed")

    def importance(self) -> dict[str, float]:
        """How much each setting decides, of 1; empty while too little is known.

        It needs scikit-learn (without it: empty). PED-ANOVA, which does not, was far off the truth
        for 20 trials of a known function. Source: Hutter et al., "An efficient approach for
        assessing hyperparameter importance", ICML 2014 (functional ANOVA).
        """
        values = {t.figure for t in self.trials() if t.figure is not None}
        if len(self._space) < 2 or len(values) < 4 or find_spec("sklearn") is None:
            return {}
        from optuna.importance import FanovaImportanceEvaluator, get_param_importances

        return get_param_importances(self._study, evaluator=FanovaImportanceEvaluator(seed=0))

    def _counted(self) -> list[int]:
        return [t.number for t in self.trials() if t.state in ("done", "failed", "running")]

    def _end(self, number: int, error: str, *, stopped: bool) -> None:
        # Not through Trial.set_user_attr: the trial may be of a process that was killed.
        study = self._storage.get_study_id_from_name(self._study.study_name)
        trial = self._storage.get_trial_id_from_study_id_trial_number(study, number)
        self._storage.set_trial_user_attr(trial, "error", " ".join(error.split()))
        if stopped:
            self._storage.set_trial_user_attr(trial, "stopped", True)
        self._study.tell(number, state=TrialState.FAIL)


def work(
    search: Search,
    run_trial: Runner,
    trials: int,
    jobs: int,
    tell: Callable[[int], None] = lambda number: None,
) -> bool:
    """Run trials, some at a time, until so many are done or failed in all.

    Args:
      search: the study.
      run_trial: called in threads.
      trials: how many, those of other workers and of earlier sessions included.
      jobs: how many at a time.
      tell: is called with the number of each that came to an end.

    Returns:
      Whether it was stopped by Ctrl-C or SIGTERM; what ran is then tried again next time.
    """
    search.stop_dead()
    with stop_signals() as stop, ThreadPoolExecutor(jobs, "trial") as pool:
        running: dict[Future[Figure], int] = {}
        try:
            while True:
                while len(running) < jobs and not stop.is_set():
                    claimed = search.claim(trials)
                    if claimed is None:
                        break
                    running[pool.submit(run_trial, *claimed, stop)] = claimed[0]
                if not running:
                    return stop.is_set()
                for future in wait(running, 0.2, FIRST_COMPLETED).done:
                    number = running.pop(future)
                    _settle(search, number, future, stop)
                    tell(number)
        finally:
            stop.set()  # whatever happened: no run outlives the sweep


def _settle(search: Search, number: int, future: Future[Figure], stop: threading.Event) -> None:
    try:
        search.done(number, future.result())
    except (SQLAlchemyError, optuna.exceptions.OptunaError):
        raise  # the study itself is in trouble
    except Exception as error:  # of any kind: a trial that fails does not end the study
        if stop.is_set():
            search.stopped(number, "stopped")
        elif isinstance(error, WyhError):
            search.failed(number, str(error))
        else:
            search.failed(number, f"{type(error).__name__}: {error}")


def _distribution(values: Span | Choice) -> BaseDistribution:
    if isinstance(values, Choice):
        return CategoricalDistribution(values.ends)
    if values.whole:
        return IntDistribution(int(values.low), int(values.high), values.log)
    return FloatDistribution(values.low, values.high, values.log)


def _sign(metric: BestMetric) -> int:
    return 1 if metric.better == "higher" else -1


def _alive(process: int) -> bool:
    """Whether a process of this machine runs; ours, as a sweep that begins, has no trials yet."""
    if process == os.getpid():
        return False
    if sys.platform == "win32":
        return True  # os.kill would end it
    try:
        os.kill(process, 0)
    except PermissionError:
        return True
    except OSError:
        return False
    return True
