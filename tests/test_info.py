import json
from pathlib import Path

import pytest

from tests.conftest import ended, make_run
from tests.hearing import make_foley_run
from wyh import info
from wyh.info import Config, describe, last_figures
from wyh.runs import load_run


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return make_run(Path("runs/one"))


def told(capsys, *words):
    return ended(capsys, info.main, Config, "wyh info", *words)


def write_journal(run, *lines):
    (run.directory / "metrics.jsonl").write_text("\n".join(lines))


def test_no_runs(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert told(capsys) == (
        0,
        "no runs under runs/: train one with python -m experiments.autoencoder\n",
        "",
    )
    assert told(capsys, "--json") == (0, "[]\n", "")


def test_runs_are_listed_newest_first(run, capsys):
    make_run(Path("runs/two"))
    Path("runs/stray").mkdir()
    write_journal(run, '{"step": 7, "val_gain_db": 6.54321}')
    status, out, err = told(capsys)
    assert (status, err) == (0, "")
    first, second = out.splitlines()
    assert first.startswith("runs/two  autoencoder (tiny)")
    assert first.endswith("step 0  not evaluated yet")
    assert second.startswith("runs/one  autoencoder (tiny)")
    assert second.endswith("step 7  val_gain_db 6.54")


def test_a_run_on_a_page(run, capsys):
    write_journal(run, '{"step": 7, "val_gain_db": 6.54321}')
    status, out, err = told(capsys, "--run", "runs/one")
    assert (status, err) == (0, "")
    latency = 1000 * run.stream.latency_secs
    for words in (
        "sees 16x16 pictures, 10 a second (crop)",
        "plays sound of 8000 Hz in blocks of 64 samples",
        f"latency {latency:.1f} ms",
        "val_gain_db 6.5432",
        "trained on film.mp4",
        "jax 0.",
    ):
        assert words in out


def test_json_is_all_there_is(run, capsys):
    write_journal(run, '{"step": 7, "val_gain_db": 6.5}')
    _, out, _ = told(capsys, "--run", "runs/one", "--json")
    values = json.loads(out)
    assert values == json.loads(json.dumps(describe(load_run(run.directory))))
    assert (values["kind"], values["preset"]) == ("autoencoder", "tiny")
    assert values["figures"] == {"step": 7, "val_gain_db": 6.5}
    assert values["stream"]["block"] == 64
    assert values["config"]["sound"]["model"]["code_size"] == 8
    assert json.loads(told(capsys, "--json")[1]) == [values]


def test_the_newest_figures_count_and_half_a_line_does_not(run):
    assert last_figures(run) == {}
    write_journal(
        run,
        '{"step": 1, "total": 3.0, "val_gain_db": 2.0}',
        '{"step": 2, "total": 2.0, "val_ks": null}',
        "[]",
        '{"step": 3, "tot',
    )
    assert last_figures(run) == {"step": 2, "total": 2.0, "val_gain_db": 2.0}
    (run.directory / "metrics.jsonl").write_bytes(b'{"step": 1}\n\xff\xfe')
    assert last_figures(run) == {"step": 1}


def test_no_run_there(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    status, out, err = told(capsys, "--run", "gone")
    assert (status, out) == (2, "")
    assert err.startswith("wyh info: gone is no run") and err.count("\n") == 1


def test_many_recordings_are_not_all_named(run, capsys):
    file = run.directory / "config.json"
    about = json.loads(file.read_text())
    about["data"]["recordings"] = [f"{i}.mp4" for i in range(9)]
    file.write_text(json.dumps(about))
    assert "trained on 0.mp4, 1.mp4, 2.mp4 and 6 more" in told(capsys, "--run", "runs/one")[1]


def test_a_run_that_learned_from_video(run, capsys):
    learned = make_foley_run(Path("runs/two"))
    write_journal(learned, '{"step": 9, "val_skill": 0.3125, "val_level_db": 4.5}')
    first, second = told(capsys)[1].splitlines()
    assert first.startswith("runs/two  dbn (tiny)") and first.endswith("step 9  val_skill 0.312")
    assert second.startswith("runs/one  autoencoder")
    page = told(capsys, "--run", "runs/two")[1]
    assert "sees 16x16 pictures, 10 a second (crop)" in page and "val_level_db 4.5" in page
    values = json.loads(told(capsys, "--run", "runs/two", "--json")[1])
    assert values["config"]["sound"]["target"]["kind"] == "magnitude"
