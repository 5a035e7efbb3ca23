"""The whole command on a tiny run that watches, on films in which notes are struck."""

import json
import re

import jsonschema
import numpy as np
import pytest
from PIL import Image

import wyh.report.__main__ as command
from tests.report.strikers import READER, STRIKES, make_watching_run, write_struck
from tests.report.test_main import SCHEMA
from wyh.metrics.intervals import Interval
from wyh.metrics.notes import Agreement, Events
from wyh.played import LOUDEST
from wyh.report.notes_charts import Roll, roll
from wyh.report.notes_heard import Begun
from wyh.report.notes_method import method, sentence
from wyh.report.notes_rows import Watched, figures
from wyh.report.notes_seen import Score


@pytest.fixture
def films(tmp_path):
    (tmp_path / "films").mkdir()
    write_struck(tmp_path / "films/a.mp4")
    write_struck(
        tmp_path / "films/b.mp4", [(at + 0.2, 1 - n, v) for at, n, v in STRIKES], told=False
    )
    return tmp_path / "films"


def test_a_report_from_start_to_end(films, tmp_path, capsys):
    run = make_watching_run(tmp_path / "run")
    other = make_watching_run(tmp_path / "other", remembers=False)
    (other.directory / "report").mkdir()
    metrics = {"onset_f1_50ms": {"value": 0.625}}
    (other.directory / "report/report.json").write_text(json.dumps({"metrics": metrics}))
    command.main(command.Config((films,), run.directory, beside=(other.directory,)))
    out = run.directory / "report"
    assert capsys.readouterr().out == f"{out / 'index.html'}\n"

    told = json.loads((out / "report.json").read_text())
    jsonschema.validate(told, SCHEMA)
    assert (told["run"], told["kind"]) == (str(run.directory), "marimba")
    metrics = told["metrics"]
    rivals = {"constant", "shuffled", "forgets"}
    for name in ("note_f1", "skill", "frame_f1", "amplitude_rmse", "onset_f1_25ms"):
        assert set(metrics[name]["baselines"]) == rivals
    assert metrics["note_f1"]["baselines"]["constant"] == 0
    assert metrics["skill"]["baselines"]["constant"] == 0
    assert metrics["skill"]["value"] < 0.5, "it is untrained"
    assert metrics["streaming_difference"]["value"] < 10
    assert metrics["sound_strike_p95_ms_true"]["value"] < 10
    assert metrics["sound_strike_p95_ms_true_notes"]["value"] < 10
    assert metrics["sound_strike_p95_ms_true_notes"]["baselines"]["heard"] == 1
    assert "sound_onset_p95_ms_additive" in metrics and "sound_onset_p95_ms_knn" not in metrics

    page = (out / "index.html").read_text()
    assert not re.search(r'(src|href)="(?!data:)', page), "the page needs nothing from elsewhere"
    assert page.count("<audio") == 3 and page.count("<video") == 1
    assert "$" not in page.partition("</style>")[2], "a placeholder was left"
    assert "Trained otherwise" in page and "0.625" in page
    assert "1 of 2 have none" in page and "keeps none" in page
    with Image.open(out / "roll_0.png") as image:
        assert min(image.size) > 300


def watched(f1=0.9, skill=0.8, onset=(1.0, 2.0), gap=1e-6):
    score = Score(
        Agreement(0.95, f1, f1),
        Interval(f1, 0.8, 0.95),
        {0.05: f1},
        Agreement(0.7, 0.7, 0.7),
        0.01,
        Interval(skill, 0.7, 0.85),
        [0.5, f1],
    )
    none = score._replace(f1=Interval(0.0, 0.0, 0.0), notes=Agreement(1.0, 0.0, 0.0))
    begun = Begun(np.array(onset), 3, np.array(onset), 4)
    return Watched(
        score=score,
        rivals={"constant": none, "shuffled": none, "forgets": none},
        begun={"true": begun, "true_notes": begun},
        step_ms=np.arange(100.0) / 10,
        gap=gap,
        period_ms=40.0,
        latency_ms=75.0,
        secs=60.0,
        films=3,
        heard=0,
        strikes=120,
    )


def test_what_is_wanted_is_met_or_missed():
    rows = {row.name: row for row in figures(watched())}
    assert [name for name, row in rows.items() if row.wanted is not None] == [
        "note_f1",
        "skill",
        "sound_onset_p95_ms_true_notes",
        "sound_strike_p95_ms_true_notes",
        "live_step_p95_ms",
        "streaming_difference",
    ]
    assert all(row.met for row in rows.values())
    assert rows["live_step_p95_ms"].value == pytest.approx(9.405)
    assert rows["memory_f1_gain"].value == pytest.approx(0.9)
    assert rows["worst_film_f1"].value == 0.5
    assert rows["sound_strike_p95_ms_true"].baselines == pytest.approx({"p50": 1.5, "heard": 0.5})
    worse = {row.name: row for row in figures(watched(0.89, 0.79, (90.0, 95.0), 2e-5))}
    assert [name for name, row in worse.items() if not row.met] == [
        "note_f1",
        "skill",
        "sound_onset_p95_ms_true_notes",
        "sound_strike_p95_ms_true_notes",
        "streaming_difference",
    ]


def test_the_result_in_a_sentence():
    said = sentence(watched())
    assert "sees 90 % of 120 strikes to within 50 ms, and 95 % of those it sees are struck" in said
    assert "an F1 of 0.90 (95 % interval 0.80 to 0.95)" in said and "80 % less squared" in said
    assert "50 % more squared error" in sentence(watched(skill=-0.5))
    assert "sees none of 120 strikes" in sentence(watched(f1=0.0))


def test_how_it_was_measured_says_where_strikes_were_heard():
    assert "truth files beside the films." in method(watched(), "films", "2 notes", [])[0]


def test_what_was_trained_on_is_dimmed(tmp_path):
    rng = np.random.default_rng(0)
    count, notes = 50, READER.notes
    loud = np.full((count, 2), LOUDEST)
    none = Events(np.zeros(0), np.zeros(0))
    pictures = rng.integers(0, 256, (count, 8, 12, 1), np.uint8)
    drawn = []
    for measured in (np.ones(count, bool), np.arange(count) < 25):
        what = Roll("film", pictures, loud, loud, none, none, measured)
        with Image.open(roll(what, notes, 25.0, tmp_path / "roll.png")) as image:
            drawn.append(np.asarray(image.convert("L"), float))
    all_of_it, half = (image[image.shape[0] // 2 :] for image in drawn)
    middle = all_of_it.shape[1] // 2
    assert half[:, middle + 40 :].mean() < 0.7 * all_of_it[:, middle + 40 :].mean()
    np.testing.assert_allclose(half[:, : middle - 40], all_of_it[:, : middle - 40], atol=2)
