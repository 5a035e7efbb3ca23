"""Runs trained otherwise, beside the one that is reported on."""

import json

import pytest

from tests.conftest import make_run
from wyh.errors import WyhError
from wyh.report.beside import Other, others, table
from wyh.report.findings import Figure
from wyh.runs import load_run


def changed(run, **values):
    """The same run with other options."""
    file = run.directory / "config.json"
    about = json.loads(file.read_text())
    about["config"] |= values
    file.write_text(json.dumps(about))


def reported(run, **values):
    (run.directory / "report").mkdir()
    metrics = {name: {"value": value} for name, value in values.items()}
    (run.directory / "report/report.json").write_text(json.dumps({"metrics": metrics}))


def test_what_was_different_and_what_it_gave(tmp_path):
    run, other = make_run(tmp_path / "one"), make_run(tmp_path / "other")
    changed(other, uniformity=0, out="elsewhere")
    reported(other, listened_gain_db=7.5, ks_pooled=0.13)
    (found,) = others(run, [other.directory])
    assert found == Other("uniformity 0", {"listened_gain_db": 7.5, "ks_pooled": 0.13})


def test_options_within_options_and_other_footage(tmp_path):
    run, other = make_run(tmp_path / "one"), make_run(tmp_path / "other")
    about = json.loads((other.directory / "config.json").read_text())
    about["config"]["sound"]["synth"]["layout"] = "mel"
    about["data"]["fingerprint"] = "another"
    (other.directory / "config.json").write_text(json.dumps(about))
    reported(other)
    (found,) = others(run, [other.directory])
    assert found.changes == "sound.synth.layout mel, other recordings"
    same = make_run(tmp_path / "same")
    reported(same)
    assert others(run, [same.directory])[0].changes == "the same once more"


def test_the_table_has_a_row_for_each():
    figures = [
        Figure("listened_gain_db", "picture <kept>", 8.16, "dB", "higher"),
        Figure("click_random_db", "clicks", 0.1, "dB", "lower"),
    ]
    beside = [Other("uniformity 0", {"listened_gain_db": -1.25}), Other("old", {})]
    made = table(figures, beside)
    assert made.count("<tr>") == 1 + 1 + 2
    assert "picture &lt;kept&gt;" in made and "clicks" not in made
    assert "8.16" in made and "\N{MINUS SIGN}1.25" in made
    assert table(figures, []) == ""


def test_what_cannot_be_set_beside(tmp_path):
    run = make_run(tmp_path / "one")
    other = make_run(tmp_path / "other", kind="dbn")
    with pytest.raises(WyhError, match="of the kind dbn, wanted autoencoder to set beside it"):
        others(run, [other.directory])
    with pytest.raises(WyhError, match="is no run"):
        others(run, [tmp_path / "nothing"])
    bare = make_run(tmp_path / "bare")
    with pytest.raises(WyhError, match=r"has no report: python -m wyh\.report --run"):
        others(run, [bare.directory])
    (bare.directory / "report").mkdir()
    (bare.directory / "report/report.json").write_text("{}")
    with pytest.raises(WyhError, match=r"is damaged .*: make the report anew"):
        others(load_run(run.directory), [bare.directory])
