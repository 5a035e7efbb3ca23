"""The arithmetic, writers and command lines of `benchmarks/`; never how long anything takes."""

import functools
import json
import os
import platform
import sys

import numpy as np
import pytest

import benchmarks.__main__ as everything
from benchmarks import (
    dbn_epoch,
    dcgan_step,
    foley_tick,
    inputs,
    istft,
    live_tick,
    media,
    overfit,
    rbm,
    records,
    side_by_side,
    table,
    training_step,
)
from benchmarks.side_by_side import Row, compared, interleave, per_second, processes
from wyh.cli import parse
from wyh.errors import WyhError

RATIO = Row(
    "istft", 2.514, "x", 1.5, peer="torch.istft", range=(1.4, 3.0), own_ms=19.86, peer_ms=158.55
)
RATE = Row("read", 108_100.0, "examples/s", 40_000.0, range=(91_740.0, 124_500.0))
LATE = Row("tick, p95", 2.468, "ms", 2.0, "lower")
ERROR = Row("error", 1.0361e-6, "of the RMS", 1e-5, "lower", "SciPy")


class Clock:
    """A clock that only jobs move on."""

    def __init__(self):
        self.now = 100.0
        self.called = []

    def __call__(self):
        return self.now

    def job(self, name, *secs):
        """A job that takes so long each time it is called, and writes down that it was."""
        left = iter(secs)

        def run():
            self.called.append(name)
            self.now += next(left)

        return run


def test_jobs_take_turns_in_alternating_order():
    clock = Clock()
    jobs = {"a": clock.job("a", 9, 1, 2, 3), "b": clock.job("b", 9, 10, 20, 30)}
    took = interleave(jobs, 3, clock=clock)
    assert took == {"a": [1, 2, 3], "b": [10, 20, 30]}  # the round before does not count
    assert "".join(clock.called) == "baabbaab"


def test_jobs_that_need_one_another_keep_their_order():
    clock = Clock()
    jobs = {"a": clock.job("a", *range(5)), "b": clock.job("b", *range(5))}
    assert interleave(jobs, 3, warm_up=2, alternate=False, clock=clock)["a"] == [2, 3, 4]
    assert "".join(clock.called) == "ab" * 5


def test_no_rounds():
    with pytest.raises(WyhError, match="got 0 rounds, wanted at least 1"):
        interleave({}, 0)


def test_ratios_are_taken_pair_by_pair():
    # A machine that was slow in the third round: the pair there is as good as the others.
    row = compared("w", [1.0, 2.0, 100.0], [3.0, 4.0, 250.0], "them", 1.5)
    assert row == Row("w", 2.5, "x", 1.5, "higher", "them", (2.0, 3.0), 2000.0, 4000.0)
    assert row.reached
    with pytest.raises(ValueError, match="shorter"):
        compared("w", [1.0, 2.0], [1.0], "them")


def test_rates():
    row = per_second("w", 600, [1.0, 4.0, 2.0], "examples/s", 400)
    assert row == Row("w", 300, "examples/s", 400, range=(150, 600))
    assert not row.reached


@pytest.mark.parametrize(
    ("row", "reached"),
    [
        (RATIO, True),
        (RATIO._replace(value=1.49), False),
        (LATE, False),
        (LATE._replace(value=2.0), True),
        (LATE._replace(wanted=None), True),
    ],
)
def test_reached(row, reached):
    assert row.reached == reached


def test_jobs_in_processes(tmp_path):
    file = tmp_path / "file"
    file.touch()
    make = functools.partial(functools.partial, os.truncate, file)
    with processes({"truncate": make}, times=7) as jobs:
        jobs["truncate"]()
    assert file.stat().st_size == 7


def test_a_process_that_ends_is_an_error(capfd):
    with pytest.raises(WyhError, match="got no answer from broken"):
        with processes({"broken": functools.partial(int, "no")}, times=1):
            pass
    assert "ValueError" in capfd.readouterr().err
    with processes({"gone": functools.partial(functools.partial, os._exit)}, times=1) as jobs:
        for _ in range(2):
            with pytest.raises(WyhError, match="got no answer from gone"):
                jobs["gone"]()


def test_shown_rows_are_read_back(capsys):
    for row in (RATIO, LATE):
        side_by_side.show(row)
    lines = capsys.readouterr().out.splitlines()
    assert [table.row_of(json.loads(line)) for line in lines] == [RATIO, LATE]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (2.514, "2.51"),
        (0.27, "0.27"),
        (0, "0"),
        (158.55, "159"),
        (108_100.0, "108,100"),
        (1.036e-6, "1.0e-06"),
    ],
)
def test_numbers(value, text):
    assert table.number(value) == text


def test_lines_of_the_table():
    assert table.line(RATIO) == (
        "| istft | 2.51x | 1.4 to 3 | at least 1.5 | torch.istft (19.9 against 159 ms) |"
    )
    assert table.line(RATE) == (
        "| read | 108,100 examples/s | 91,740 to 124,500 | at least 40,000 |  |"
    )
    assert table.line(LATE) == "| tick, p95 | 2.47 ms |  | at most 2, **missed** |  |"
    assert table.line(ERROR) == "| error | 1.0e-06 of the RMS |  | at most 1.0e-05 | SciPy |"


ABOUT = {
    "cores": 2,
    "system": "Linux x86_64",
    "python": "3.11.7",
    "jax": "0.10.2",
    "numpy": "2.4.6",
    "scipy": "1.17.1",
    "torch": None,
    "quick": False,
}


def test_page():
    page = table.markdown(ABOUT, {"istft": [RATIO], "live_tick": [LATE]})
    assert (
        "Measured on 2 CPU cores (Linux x86_64) with Python 3.11.7, JAX 0.10.2, NumPy 2.4.6, "
        "SciPy 1.17.1.\n"
    ) in page
    assert "rough" not in page
    rule = "| what | measured | range | wanted | against |\n|---|---|---|---|---|\n"
    assert page.endswith(f"\n## live_tick\n\n{rule}{table.line(LATE)}\n")
    assert f"\n## istft\n\n{rule}{table.line(RATIO)}\n\n## live" in page


def test_the_machine_in_plain_words():
    about = table.machine(quick=True)
    assert about.keys() == ABOUT.keys()
    told = table.sentence(about | {"cores": 1, "torch": "2.13.0"})
    assert told.startswith("Measured on 1 CPU core (")
    assert told.endswith("PyTorch 2.13.0. Few rounds: the figures are rough.")
    assert not any(platform.node() == value for value in about.values())


def test_results_are_written_and_read_back(tmp_path):
    folder = tmp_path / "results"
    results = {"istft": [RATIO, ERROR], "live_tick": [LATE]}
    assert table.read(folder, ABOUT) == {}
    table.write(folder, ABOUT, results)
    assert sorted(path.name for path in folder.iterdir()) == ["README.md", "latest.json"]
    assert table.read(folder, ABOUT) == results
    assert (folder / "README.md").read_text() == table.markdown(ABOUT, results)
    found = json.loads((folder / "latest.json").read_text())
    assert found["machine"] == ABOUT
    assert found["results"]["istft"][0] == {
        "what": "istft",
        "value": 2.514,
        "unit": "x",
        "wanted": 1.5,
        "better": "higher",
        "peer": "torch.istft",
        "range": [1.4, 3.0],
        "own_ms": 19.86,
        "peer_ms": 158.55,
    }
    assert table.read(folder, ABOUT | {"cores": 4}) == {}  # of another machine


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"machine": 1, "results": {"a": [{}]}}'])
def test_foreign_results(tmp_path, text):
    (tmp_path / "latest.json").write_text(text)
    with pytest.raises(WyhError, match=r"latest\.json: got .*, wanted results; remove the file"):
        table.read(tmp_path, 1)


COMMANDS = (
    everything,
    istft,
    training_step,
    live_tick,
    records,
    media,
    rbm,
    dbn_epoch,
    dcgan_step,
    foley_tick,
    overfit,
)


@pytest.mark.parametrize("module", COMMANDS, ids=lambda module: module.__name__)
def test_help(module, capsys):
    with pytest.raises(SystemExit) as stop:
        parse(module.Options, "python -m benchmarks", None, ["--help"])
    assert not stop.value.code
    assert module.Options.__doc__ in capsys.readouterr().out


def test_every_program_takes_its_quick_options():
    modules = {module.__name__.rpartition(".")[2]: module for module in COMMANDS[1:]}
    assert list(modules) == list(everything.PROGRAMS)
    for name, options in everything.PROGRAMS.items():
        run = ["--run", "somewhere"] if name in everything.WITH_RUN else []
        parsed = parse(modules[name].Options, name, None, [*run, *options])
        assert parsed != modules[name].Options()


def test_names():
    def names(*argv):
        return parse(everything.Options, "python -m benchmarks", None, argv).names

    assert names() == ()
    assert names("istft", "media", "--quick") == ("istft", "media")
    with pytest.raises(WyhError, match="istft"):
        names("fft")


def test_programs_are_read_and_told_on(capsys):
    lines = f"import json; print('{json.dumps(RATIO._asdict())}')"
    assert everything.measure([sys.executable, "-c", lines]) == [RATIO]
    assert capsys.readouterr().out == f"{table.line(RATIO)}\n"
    with pytest.raises(WyhError, match="got exit status 3 and 1 rows, wanted 0 and some"):
        everything.measure([sys.executable, "-c", f"{lines}; exit(3)"])
    with pytest.raises(WyhError, match="got exit status 0 and 0 rows"):
        everything.measure([sys.executable, "-c", "pass"])


@pytest.fixture
def asked(monkeypatch):
    """What is called in place of the programs; `records` fails."""
    commands = []

    def measure(command):
        commands.append(command[2:])
        if command[2] == "benchmarks.records":
            raise WyhError("it failed")
        return [RATIO._replace(what=command[2])]

    monkeypatch.setattr(everything, "measure", measure)
    monkeypatch.setattr(everything, "need_torch", lambda: None)
    monkeypatch.setattr(everything, "need_scikit_learn", lambda: None)
    monkeypatch.setattr(everything, "short_run", lambda folder: folder / "run")
    return commands


def test_all_programs_and_what_failed(asked, tmp_path):
    with pytest.raises(WyhError, match=r"^records: it failed$"):
        everything.main(everything.Options(out=tmp_path, quick=True))
    assert [command[0] for command in asked] == [f"benchmarks.{n}" for n in everything.PROGRAMS]
    assert asked[0][1:] == ["--rounds", "3"]
    assert asked[2][1] == "--run"
    assert asked[2][3:] == ["--ticks", "500"]
    found = table.read(tmp_path, table.machine(quick=True))
    assert list(found) == [name for name in everything.PROGRAMS if name != "records"]


def test_programs_that_were_not_named_keep_their_figures(asked, tmp_path):
    everything.main(everything.Options(("media",), out=tmp_path, run=tmp_path / "own"))
    assert asked == [["benchmarks.media", "--run", str(tmp_path / "own")]]
    everything.main(everything.Options(("istft",), out=tmp_path))
    assert list(table.read(tmp_path, table.machine())) == ["istft", "media"]


def test_quick_figures_are_only_printed(asked, tmp_path, monkeypatch):
    monkeypatch.setattr(everything, "RESULTS", tmp_path)
    everything.main(everything.Options(("istft",), quick=True))
    assert not list(tmp_path.iterdir())
    everything.main(everything.Options(("istft",)))
    assert (tmp_path / "latest.json").exists()


def test_without_torch(monkeypatch):
    monkeypatch.setattr(inputs.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(WyhError, match="got no PyTorch to compare with"):
        istft.main(istft.Options())
    with pytest.raises(WyhError, match="got no PyTorch to compare with"):
        everything.main(everything.Options(("training_step",)))


def test_film_of_no_loops(tmp_path):
    with pytest.raises(WyhError, match="got 0 loops of the film, wanted at least 1"):
        inputs.long_film(tmp_path, 0)


def test_percentiles_of_ticks():
    found = live_tick.rows({"observe": [0.001, 0.003], "emit": [0.002, 0.004]})
    values = {row.what: row.value for row in found}
    assert values["live tick, observe, p50"] == 2
    assert values["live tick, observe + emit, p50"] == 5
    assert [row.what for row in found if row.wanted] == ["live tick, observe + emit, p95"]


def test_start_up_is_taken_off(monkeypatch):
    took = iter([{"start": [1.0, 3.0, 1.5]}, {"wyh": [3.5, 5.5], "ffmpeg": [1.0, 2.0]}])
    monkeypatch.setattr(media, "interleave", lambda *args, **more: next(took))
    command = media.Command("render", lambda film: [film], 0.8, 2.5)
    ratio, start = media.compare(command, "film", "short", ["ffmpeg"], 2)
    assert (ratio.value, ratio.range, ratio.own_ms) == (0.5, (0.5, 0.5), 3000)
    assert (start.value, start.range, start.reached) == (1.5, (1, 3), True)
    took = iter([{"start": [1.0, 3.0, 1.5]}, {"wyh": [1.5], "ffmpeg": [1.0]}])
    with pytest.raises(WyhError, match="no longer than the start-up"):
        media.compare(command, "film", "short", ["ffmpeg"], 1)


def test_a_command_that_fails():
    with pytest.raises(WyhError, match="got exit status 3, wanted 0; it said: no such film"):
        media.call(
            [sys.executable, "-c", "import sys; print('no such film', file=sys.stderr); exit(3)"]
        )
    media.call([sys.executable, "-c", "pass"])


def test_relative_error():
    assert istft.relative_error(np.array([1, 5]), np.array([1.0, 7.0])) == pytest.approx(2 / 5)


def test_scipy_has_the_same_job():
    sizes = istft.Sizes(128, 32, 2)
    inverse, _ = istft.jax_functions(sizes)
    spectrum, taper = sizes.spectrum(), sizes.taper()
    assert spectrum.dtype == np.complex64
    expected = istft.scipy_istft(spectrum.astype(complex) / taper.sum(), sizes, taper)
    got = np.asarray(inverse(spectrum))
    assert istft.relative_error(got, expected) < 1e-5


def test_torch_has_the_same_job():
    pytest.importorskip("torch", reason="needs the extra [bench]")
    assert max(istft.errors(istft.Sizes(128, 32, 2))) < 1e-5
