"""The whole command on a tiny run, and what it says where it cannot work."""

import json
import re
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest
from PIL import Image

import wyh.report.__main__ as command
from tests.conftest import make_run
from wyh.errors import WyhError
from wyh.report import see_hear

SCHEMA = json.loads(Path(command.__file__).with_name("report.schema.json").read_text())


def test_a_report_from_start_to_end(run, film, capsys, monkeypatch):
    monkeypatch.setattr(see_hear, "VARIATIONS", see_hear.VARIATIONS[:2])
    command.main(command.Config((film,), run.directory))
    out = run.directory / "report"
    assert capsys.readouterr().out == f"{out / 'index.html'}\n"

    told = json.loads((out / "report.json").read_text())
    jsonschema.validate(told, SCHEMA)
    assert (told["run"], told["kind"]) == (str(run.directory), "autoencoder")
    metrics = told["metrics"]
    assert {"mean", "pca_8", "pca_8_uniform", "random_projection", "voice"} <= set(
        metrics["listened_gain_db"]["baselines"]
    )
    # Two colours of four slow waves: eight principal components hold nearly everything.
    assert metrics["silent_gain_db"]["baselines"]["pca_8"] > 15
    assert metrics["bands_gain_db"]["baselines"]["pca_8_uniform"] > 3
    assert metrics["mel_gain_db"]["baselines"]["voice"] > 1
    assert metrics["true_peak_db"]["value"] < -0.999
    assert metrics["click_continuous_db"]["value"] < 1
    assert metrics["offset_ms"]["value"] < 10
    assert metrics["compute_p50_ms"]["value"] < metrics["compute_p95_ms"]["value"]

    page = (out / "index.html").read_text()
    assert not re.search(r'(src|href)="(?!data:)', page), "the page needs nothing from elsewhere"
    assert "url(" not in page and "<script" not in page
    assert page.count("<audio") == 3 and page.count("<video") == 1
    assert "$" not in page.partition("</style>")[2], "a placeholder was left"
    for name in ("strip", "spectrogram", "code", "pixels", "baselines"):
        with Image.open(out / f"{name}.png") as image:
            assert min(image.size) > 100


def test_a_folder_that_cannot_be_written(run, tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(WyhError, match=r"cannot write .*file: "):
        command.main(command.Config((), run.directory, tmp_path / "file"))


def test_a_run_that_cannot_listen(tmp_path, film):
    run = make_run(tmp_path / "old")
    with pytest.raises(WyhError, match=r"old was trained before runs had listeners: train it"):
        command.main(command.Config((film,), run.directory))


def test_a_kind_without_a_report(tmp_path):
    run = make_run(tmp_path / "run", kind="theremin")
    with pytest.raises(WyhError, match="is of the kind 'theremin', which has no report yet"):
        command.main(command.Config(run=run.directory))


def test_pictures_that_are_not_here(run):
    with pytest.raises(WyhError, match=r"trained on are not here: name films .* FILM\.mp4"):
        command.main(command.Config(run=run.directory))


def test_the_command_line_says_it_in_one_line(run):
    done = subprocess.run(
        [sys.executable, "-m", "wyh.report", "--run", str(run.directory)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith("wyh report: ") and done.stderr.count("\n") == 1
