import json
import os
import signal
import subprocess
import sys
import threading
from functools import partial
from pathlib import Path

import optuna
import pytest
from sqlalchemy.exc import OperationalError

from experiments import sweep
from experiments.sweep import Config, experiment_names, last_line, main, planned
from tests.conftest import ended
from tests.report.talkies import write_film
from wyh import searching, studies
from wyh.errors import WyhError
from wyh.runs import BestMetric, load_run
from wyh.searching import work
from wyh.studies import open_search

OVER = ("learning_rate=1e-4..1e-2:log", "model.dropout=0..0.5", "model.widths=16,16|32")
HIGHER, LOWER = BestMetric("val_skill", "higher"), BestMetric("val_loss", "lower")


@pytest.fixture(scope="module")
def plan():
    return planned("dbn", OVER, ("steps=300",))


def lively(number, values, stop, metric=HIGHER):
    """The less is left out, the better."""
    return metric, 1 - values["sound.model.dropout"]


class Studies:
    """Sessions on one study, without processes."""

    def __init__(self, folder, plan):
        self.folder, self.plan = folder, plan

    def __call__(self, trials, runner=lively, *, jobs=1, seed=0, storage="study.db", name="sweep"):
        about, over = self.plan.about, self.plan.over
        storage = str(self.folder / storage)
        with open_search(storage, name, about, over, self.folder / "out", seed) as search:
            stopped = work(search, runner, trials, jobs)
            return stopped, search.trials(), search


@pytest.fixture
def session(tmp_path, plan):
    return Studies(tmp_path, plan)


def settings(trials):
    return [trial.settings for trial in trials]


def test_trials_are_drawn_from_the_ranges(session):
    stopped, trials, search = session(12)
    assert not stopped and search.metric == HIGHER
    assert [trial.number for trial in trials] == list(range(12))
    assert {trial.state for trial in trials} == {"done"}
    for trial in trials:
        rate, dropout, widths = (
            trial.settings[path]
            for path in ("learning_rate", "sound.model.dropout", "sound.model.widths")
        )
        assert 1e-4 <= rate <= 1e-2 and 0 <= dropout <= 0.5 and widths in ("16,16", "32")
        assert trial.figure == 1 - dropout
        assert trial.run.endswith(f"out/trials/{trial.number}")
    assert len({str(one) for one in settings(trials)}) == 12
    assert sum(trial.settings["learning_rate"] < 1e-3 for trial in trials) > 2  # logarithmic


def test_going_on_is_the_same_as_never_having_stopped(session):
    whole = session(14, storage="whole.db")[1]
    for trials in (3, 11, 14, 14):
        parts = session(trials)[1]
        assert len(parts) == trials
    assert settings(parts) == settings(whole)
    assert settings(session(2, storage="other.db", seed=1)[1]) != settings(whole[:2])


def test_where_less_is_better(session):
    _, trials, search = session(12, partial(lively, metric=LOWER))
    assert search.metric == LOWER
    assert all(trial.figure == 1 - trial.settings["sound.model.dropout"] for trial in trials)
    late = [trial.settings["sound.model.dropout"] for trial in trials[10:]]
    assert min(late) > 0.25  # it looks where the figure is low


@pytest.mark.parametrize("storage", ["study.db", "study.journal"])
def test_several_at_a_time(session, storage):
    met = threading.Barrier(2, timeout=20)

    def together(number, values, stop):
        met.wait()
        return lively(number, values, stop)

    _, trials, _ = session(4, together, jobs=2, storage=storage)
    assert [trial.state for trial in trials] == ["done"] * 4
    assert len(session(5, storage=storage)[1]) == 5


def test_two_workers_on_one_study(tmp_path, plan):
    """Two sessions at the same time, as on two machines that share a file."""
    met, done = threading.Barrier(2, timeout=20), []
    storage = str(tmp_path / "study.journal")
    shared = (plan.about, plan.over, tmp_path / "out", 0)

    def other():
        with open_search(storage, "sweep", *shared) as search:
            met.wait()
            while (claimed := search.claim(6)) is not None:
                search.done(claimed[0], lively(*claimed, None))
                done.append(claimed[0])

    thread = threading.Thread(target=other)
    thread.start()
    with open_search(storage, "sweep", *shared) as search:
        met.wait()
        work(search, lively, 6, 1)
        thread.join()
        trials = [trial for trial in search.trials() if trial.state != "stopped"]
    assert [trial.state for trial in trials] == ["done"] * 6
    assert len({str(one) for one in settings(trials)}) == 6


def test_failures_are_kept_and_the_study_goes_on(session):
    def some(number, values, stop):
        if number == 1:
            raise WyhError("loss became nan at step 3")
        if number == 2:
            raise ValueError("a bug\non two lines")
        if number == 3:
            return LOWER, 0.5
        return lively(number, values, stop)

    trials = session(6, some)[1]
    assert [t.state for t in trials] == ["done", "failed", "failed", "failed", "done", "done"]
    assert [trial.error for trial in trials[1:4]] == [
        "loss became nan at step 3",
        "ValueError: a bug on two lines",
        "judged by val_loss, but the study by val_skill",
    ]
    assert len(session(6)[1]) == 6


def test_ctrl_c_stops_what_runs_and_it_is_tried_again(session):
    def stopping(number, values, stop):
        if number < 2:
            return lively(number, values, stop)
        if number == 3:
            os.kill(os.getpid(), signal.SIGINT)
        assert stop.wait(20)
        raise RuntimeError

    stopped, trials, _ = session(6, stopping, jobs=2)
    assert stopped
    assert [trial.state for trial in trials] == ["done", "done", "stopped", "stopped"]
    stopped, after, _ = session(6)
    assert not stopped
    assert [trial.state for trial in after[4:]] == ["done"] * 4
    again = settings(after[4:6])
    assert sorted(map(str, again)) == sorted(map(str, settings(trials[2:])))


def test_a_process_that_was_killed(session, monkeypatch):
    """Its trial still says that it runs."""
    ended_process = subprocess.Popen([sys.executable, "-c", ""])
    ended_process.wait()
    with monkeypatch.context() as changed:
        changed.setattr(searching.os, "getpid", lambda: ended_process.pid)
        plan, out = session.plan, session.folder / "out"
        with open_search(
            str(session.folder / "study.db"), "sweep", plan.about, plan.over, out, 0
        ) as search:
            assert search.claim(3) is not None
    _, trials, _ = session(3)
    assert [(t.state, t.error) for t in trials] == [("stopped", "killed")] + [("done", "")] * 3
    assert trials[0].settings == trials[1].settings


def test_importance_goes_to_what_decides(session, monkeypatch):
    pytest.importorskip("sklearn")
    plan, storage = session.plan, str(session.folder / "study.db")
    with open_search(storage, "sweep", plan.about, plan.over, session.folder, 0) as search:
        work(search, lively, 2, 1)
        assert search.importance() == {}
        work(search, lively, 16, 1)
        found = search.importance()
        monkeypatch.setattr(searching, "find_spec", lambda name: None)
        assert search.importance() == {}
    assert max(found, key=found.get) == "sound.model.dropout"
    assert sum(found.values()) == pytest.approx(1)


def test_experiments_that_leave_runs():
    assert {"autoencoder", "dbn", "synesthesia"} <= set(experiment_names())
    assert not {"sweep", "bundle", "demo", "__init__"} & set(experiment_names())


def test_the_command_line_of_a_trial(plan):
    values = {"learning_rate": 0.001, "sound.model.dropout": 0.25, "sound.model.widths": "16,16"}
    wanted = "--steps=300 --learning-rate=0.001 --model.dropout=0.25 --model.widths 16 16"
    assert plan.words(values) == wanted.split()


BAD = [
    (("dbm", OVER, ()), "got the experiment 'dbm', wanted one of autoencoder, dbn, synesthesia"),
    (("dbn", (), ()), "got nothing to vary, wanted --over NAME=LOW..HIGH or NAME=A|B|C"),
    (("dbn", ("rate=0..1",), ()), "got the unknown setting rate, wanted"),
    (("dbn", ("model.dropout=0..2",), ()), "got dropout 2, wanted 0 to 0.9"),
    (("dbn", ("schedule=cosine|sine",), ()), "--over schedule=sine: "),
    (("dbn", ("model.widths=16|a",), ()), "--over sound.model.widths=a: "),
    (("dbn", ("learning_rate=0..1:log",), ()), "but a logarithm wants numbers above 0"),
    (("dbn", OVER, ("steps=0",)), "--set: got steps 0, wanted 1 or more"),
    (("dbn", OVER, ("stepps=1",)), "got the unknown setting stepps, wanted fit.steps"),
    (("dbn", OVER, ("dropout",)), "got --set dropout, wanted NAME=VALUE"),
    (("dbn", OVER, ("model.dropout=0",)), "got sound.model.dropout twice, wanted it once"),
]


@pytest.mark.parametrize(("asked", "message"), BAD, ids=[message for _, message in BAD])
def test_what_cannot_be_swept(asked, message):
    with pytest.raises(WyhError) as error:
        planned(*asked)
    assert message.replace("autoencoder, dbn, synesthesia", "") in str(error.value)
    assert "\n" not in str(error.value)


def test_a_study_of_something_else(session, plan):
    session(1)

    def refused(about):
        with (
            pytest.raises(WyhError) as error,
            open_search(
                str(session.folder / "study.db"), "sweep", about, plan.over, session.folder, 0
            ),
        ):
            pass
        assert "\n" not in str(error.value)
        return str(error.value)

    said = refused(plan.about | {"experiment": "autoencoder"})
    assert "study.db holds a sweep with --experiment dbn, not autoencoder: go on" in said
    said = refused(plan.about | {"over": {"batch_size": "1..8"}})
    assert "--over learning_rate=1e-4..1e-2:log sound.model.dropout=0..0.5" in said
    assert "not batch_size=1..8: go on with the same, or choose another --out" in said
    assert "--set fit.steps=300, not nothing" in refused(plan.about | {"set": {}})


def test_paths_may_differ_among_machines():
    assert planned("dbn", OVER, ("data=/a",)).about == planned("dbn", OVER, ("data=/b",)).about


def test_storages_that_are_none(session, plan, monkeypatch):
    folder = session.folder

    def refused(storage):
        with (
            pytest.raises(WyhError) as error,
            open_search(storage, "sweep", plan.about, plan.over, folder / "out", 0),
        ):
            pass
        assert "\n" not in str(error.value)
        return str(error.value)

    for name in ("text.db", "text.journal"):
        (folder / name).write_text("no study\n" * 200)
        assert f"{name} cannot be used as the storage of a study: " in refused(f"{folder / name}")
    assert "cannot be used as the storage" in refused("nonsense://me:secret@host/db")
    assert "secret" not in refused("nonsense://me:secret@host/db")
    assert "cannot be used as the storage" in refused(str(folder))
    monkeypatch.setitem(sys.modules, "psycopg2", None)
    said = refused("postgresql+psycopg2://me:secret@host/db")
    assert said == "postgresql+psycopg2://me:***@host/db needs the module psycopg2: pip install it"
    optuna.create_study(storage=studies._storage(f"{folder}/own.journal"), study_name="sweep").ask()
    assert "holds a study that no sweep made: choose another" in refused(f"{folder}/own.journal")


def test_a_storage_that_another_worker_is_making(session, monkeypatch):
    tries = []

    def storage(text, make=studies._storage):
        tries.append(text)
        if len(tries) == 1:
            raise OperationalError("CREATE TABLE studies", {}, Exception("table already exists"))
        return make(text)

    monkeypatch.setattr(studies, "_storage", storage)
    monkeypatch.setattr(studies.time, "sleep", lambda secs: None)
    assert len(session(1)[1]) == 1
    assert len(tries) == 2


def test_runs_of_another_study(session):
    (session.folder / "out" / "trials" / "0").mkdir(parents=True)
    with pytest.raises(WyhError, match="holds runs of another study: choose another --out"):
        session(1)


def options(**more):
    return {"experiment": "dbn", "over": OVER[1], **more}


def test_results(tmp_path, capsys):
    def some(number, values, stop):
        if number == 1:
            raise WyhError("no luck")
        Path(tmp_path / "out" / "trials" / str(number)).mkdir()
        return lively(number, values, stop)

    command = partial(main, runner=some)
    out = tmp_path / "out"
    status, said, told = ended(
        capsys, command, Config, sweep.PROG, **options(out=out, trials=3, jobs=2)
    )
    assert status == 0
    assert "trial 1 failed: no luck (sound.model.dropout " in told
    assert "trial 0 done: val_skill " in told
    table = (out / "table.md").read_text()
    best = table.splitlines()[2].split("|")[1].strip()
    assert said == f"{table}\n{out / 'trials' / best}\n"
    assert (out / "history.png").exists() and (out / "settings.png").exists()
    status, again, _ = ended(capsys, command, Config, sweep.PROG, **options(out=out, trials=3))
    assert (status, again) == (0, said)


def test_no_figure_at_all(tmp_path, capsys):
    def never(number, values, stop):
        raise WyhError("no luck")

    asked = options(out=tmp_path / "out", trials=2)
    status, said, told = ended(capsys, partial(main, runner=never), Config, sweep.PROG, **asked)
    assert status == 2 and "failed" in said
    assert f"no trial came to a figure, the first: no luck (see {tmp_path}/out/trials)" in told


def test_ctrl_c_exits_with_130(tmp_path, capsys):
    def stopping(number, values, stop):
        os.kill(os.getpid(), signal.SIGINT)
        assert stop.wait(20)
        raise RuntimeError

    asked = options(out=tmp_path / "out", trials=2)
    status, _, told = ended(capsys, partial(main, runner=stopping), Config, sweep.PROG, **asked)
    assert status == 130
    assert "the same command goes on with it" in told


@pytest.mark.parametrize(("option", "value"), [("trials", 0), ("jobs", 65), ("seed", -1)])
def test_bad_numbers(option, value, capsys):
    asked = options(**{option: value})
    status, _, told = ended(capsys, main, Config, sweep.PROG, **asked)
    assert status == 2 and f"got {option} {value}, wanted" in told


def test_without_optuna(monkeypatch):
    monkeypatch.setitem(sys.modules, "wyh.searching", None)
    with pytest.raises(WyhError, match=r"a sweep needs optuna: pip install 'wyh\[sweep\]'"):
        main(Config("dbn", OVER))


@pytest.mark.parametrize(
    ("text", "status", "line"),
    [
        ("step 1\npython -m experiments.dbn: got x: y\n", 2, "got x: y"),
        ("Traceback\nValueError: bad\n\n", 1, "ValueError: bad"),
        ("", 3, "ended with status 3"),
        ("step 1\n", -9, "killed by signal 9"),
    ],
)
def test_the_last_line(tmp_path, text, status, line):
    (tmp_path / "log").write_text(text)
    assert last_line(tmp_path / "log", status) == line


@pytest.mark.soak
def test_trials_in_processes_of_their_own(tmp_path, capsys, monkeypatch):
    """Two at a time: one learns, the other fails for itself."""
    monkeypatch.setenv("JAX_DISABLE_MOST_OPTIMIZATIONS", "1")  # compiling is most of the time
    film, out = write_film(tmp_path / "film.mkv", 400), tmp_path / "out"
    fixed = "steps=4 evaluate_every=2 batch_size=8 reference_secs=4 silence_anchors=0 widths=8"
    status, said, told = ended(
        capsys,
        main,
        Config,
        sweep.PROG,
        *("--experiment=dbn", "--trials=2", "--jobs=2", f"--out={out}", "--over", "size=16|banana"),
        *("--set", f"data={film}", *fixed.replace("widths", "model.widths").split()),
    )
    assert status == 0, told
    assert "failed: got the size 'banana'" in told
    run = load_run(Path(said.splitlines()[-1]))
    assert run.best_metric == HIGHER and run.config["fit"]["steps"] == 4
    assert run.directory.parent == out / "trials"
    lines = (run.directory / "metrics.jsonl").read_text().splitlines()
    best = max(json.loads(line)["val_skill"] for line in lines)
    assert f" {best:.4g} " in said.splitlines()[2]
