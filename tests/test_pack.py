import numpy as np
import pytest

from tests.conftest import ended, make_run
from wyh import pack
from wyh.runs import BestMetric, create_run, load_run, load_variables
from wyh.transducers.kinds import load_player


@pytest.fixture
def run(tmp_path):
    run = make_run(tmp_path / "run")
    (run.directory / "metrics.jsonl").write_text('{"step": 3}\n')
    (run.directory / "assets").mkdir()
    (run.directory / "assets" / "names.txt").write_text("a\n")
    (run.directory / "checkpoints").mkdir()
    return run


def packed(capsys, **options):
    return ended(capsys, pack.main, pack.Config, "wyh pack", **options)


def test_it_holds_what_playing_needs_and_no_more(run, tmp_path, capsys):
    out = tmp_path / "new" / "packed"
    status, said, err = packed(capsys, run=run.directory, out=out)
    assert (status, said, err) == (0, f"{out}\n", "")
    names = {path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file()}
    assert names == {"config.json", "variables.safetensors", "metrics.jsonl", "assets/names.txt"}
    whole, half = (
        (folder / "variables.safetensors").stat().st_size for folder in (run.directory, out)
    )
    assert half < 0.65 * whole
    assert load_run(out).created == run.created


def test_it_plays_as_before_but_for_rounding(run, tmp_path, capsys):
    packed(capsys, run=run.directory, out=tmp_path / "packed")
    player = load_player(load_run(tmp_path / "packed"))
    before = load_variables(run)
    for half in ("encoder", "decoder"):
        was, now = (v["params"][half]["linear"]["kernel"] for v in (before, player.variables))
        assert now.dtype == np.float32
        np.testing.assert_allclose(now, was, rtol=5e-4, atol=1e-7)
    np.testing.assert_array_equal(player.variables["gain_db"], before["gain_db"])


def test_the_newest_run_is_packed_unless_one_is_given(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    make_run(tmp_path / "runs" / "new")
    status, _, err = packed(capsys, out="packed")
    assert (status, err) == (0, "packing the newest run, runs/new\n")


def test_a_run_that_is_there_is_not_written_over(run, tmp_path, capsys):
    packed(capsys, run=run.directory, out=tmp_path / "packed")
    status, _, err = packed(capsys, run=run.directory, out=tmp_path / "packed")
    assert status == 2
    assert "packed holds a run already: remove it, or choose another --out" in err


def test_a_run_without_variables(tmp_path, capsys):
    create_run(
        tmp_path / "run",
        kind="autoencoder",
        preset="tiny",
        config={},
        stream=None,
        data={},
        best_metric=BestMetric("val_gain_db", "higher"),
    )
    status, _, err = packed(capsys, run=tmp_path / "run", out=tmp_path / "packed")
    assert status == 2
    assert "variables.safetensors is missing" in err
    assert not (tmp_path / "packed").exists()


def test_a_place_that_cannot_be_written(run, tmp_path, capsys):
    (tmp_path / "file").touch()
    status, _, err = packed(capsys, run=run.directory, out=tmp_path / "file" / "packed")
    assert status == 2
    assert "cannot write" in err and "choose another --out" in err
