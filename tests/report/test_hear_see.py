"""The whole command on a tiny run that paints sound."""

import json
import re

import jsonschema
import pytest
from PIL import Image

import wyh.report.__main__ as command
from tests.report.hearing import make_heard_run, write_song
from tests.report.test_main import SCHEMA
from wyh.report import album, hear_see, sample


@pytest.fixture
def run(tmp_path):
    return make_heard_run(tmp_path / "run", write_song(tmp_path / "song.wav"), loud_is_bright=True)


def test_a_report_from_start_to_end(run, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(hear_see, "TICKS", {16: 10})
    monkeypatch.setattr(album, "SHORT", 32)  # a tiny run needs no large pictures
    monkeypatch.setattr(sample, "SAMPLE_SECS", 2.0)
    monkeypatch.setattr(sample, "FILM_SHORT", 32)
    other = make_heard_run(tmp_path / "other", tmp_path / "song.wav")
    (other.directory / "report").mkdir()
    metrics = {"r2_h264": {"value": 0.125}}
    (other.directory / "report/report.json").write_text(json.dumps({"metrics": metrics}))
    command.main(command.Config(run=run.directory, beside=(other.directory,)))
    out = run.directory / "report"
    assert capsys.readouterr().out == f"{out / 'index.html'}\n"
    assert not list(out.glob(".*")), "a file of work was left"

    told = json.loads((out / "report.json").read_text())
    jsonschema.validate(told, SCHEMA)
    assert (told["run"], told["kind"]) == (str(run.directory), "synesthesia")
    metrics = told["metrics"]
    assert {"mean", "run_ridge", "untrained", "pca"} == set(metrics["r2_h264"]["baselines"])
    # The features are few: their principal components as large cells keep nearly all.
    assert metrics["r2_h264"]["baselines"]["pca"] > 0.9
    # The whole picture is as bright as the sound is loud, and knows nothing else.
    by_ridge = metrics["r2_h264"]["baselines"]["run_ridge"]
    assert 0.05 < by_ridge < metrics["r2_h264"]["baselines"]["pca"]
    assert metrics["half_second_found"]["baselines"]["chance"] == pytest.approx(1 / 4)
    assert metrics["hues_used"]["value"] == 0
    assert metrics["picture_std"]["value"] < 1
    assert metrics["flashes_strobe"]["value"] <= 3
    assert metrics["fps_16"]["value"] > 0

    page = (out / "index.html").read_text()
    assert not re.search(r'(src|href)="(?!data:)', page), "the page needs nothing from elsewhere"
    assert "url(" not in page and "<script" not in page
    assert page.count("<audio") == 2 and page.count("<video") == 1
    assert "$" not in page.partition("</style>")[2], "a placeholder was left"
    assert "trained otherwise" in page and "0.125" in page
    for name in ("sheet", "busy", "calm", "features", "each", "events", "beside-0", "beside-1"):
        with Image.open(out / f"{name}.png") as image:
            assert min(image.size) >= 32


def test_a_run_that_cannot_be_read_back(run):
    from wyh.errors import WyhError
    from wyh.runs import load_variables, save_variables

    variables = load_variables(run)
    del variables["params"]["decoder"]
    save_variables(run, variables, "variables")
    with pytest.raises(WyhError, match="its variables lack params/decoder"):
        command.main(command.Config(run=run.directory))
