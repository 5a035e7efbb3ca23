"""The whole command on tiny runs that name sounds, dream pictures, or both; and its parts."""

import json
import re
from dataclasses import replace

import jsonschema
import numpy as np
import pytest
from PIL import Image

import wyh.report.__main__ as command
from tests.named_sounds import make_sound_set
from tests.report.dreamt import (
    make_dreaming_run,
    make_named_run,
    make_painting_run,
    make_pictures,
)
from tests.report.test_main import SCHEMA
from wyh import judging
from wyh.errors import WyhError
from wyh.report import dreams_charts, dreams_heard_told, dreams_named
from wyh.report.dreams_data import Shown, alike, find_pictures, split_of
from wyh.report.dreams_gan import pairs_of
from wyh.report.dreams_track import AFTER_SECS
from wyh.runs import load_run, load_variables, save_variables

pytestmark = pytest.mark.usefixtures("quickly")


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(judging, "FEWEST", 4)
    monkeypatch.setattr(dreams_heard_told, "QUIET_EACH", 1)
    monkeypatch.setattr(dreams_charts, "_DPI", 80)


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    return make_pictures(tmp_path_factory.mktemp("pictures") / "set")


@pytest.fixture(scope="module")
def sounds(tmp_path_factory):
    return make_sound_set(tmp_path_factory.mktemp("sounds") / "set", folds=2)


def beside(run, **metrics):
    """Say that a run has a report with these figures."""
    (run.directory / "report").mkdir()
    told = {name: {"value": value} for name, value in metrics.items()}
    (run.directory / "report/report.json").write_text(json.dumps({"metrics": told}))
    return run.directory


def reported(run, capsys, *inputs, beside=()):
    """The metrics and the page of a report, which are as they must be."""
    command.main(command.Config(inputs, run.directory, beside=beside))
    out = run.directory / "report"
    assert capsys.readouterr().out == f"{out / 'index.html'}\n"
    assert not list(out.glob(".*")), "a file of work was left"
    told = json.loads((out / "report.json").read_text())
    jsonschema.validate(told, SCHEMA)
    assert (told["run"], told["kind"]) == (str(run.directory), run.kind)
    page = (out / "index.html").read_text()
    assert not re.search(r'(src|href)="(?!data:)', page), "the page needs nothing from elsewhere"
    for image in out.glob("*.png"):
        with Image.open(image) as opened:
            assert min(opened.size) > 100, image.name
    return told["metrics"], page


def test_a_report_of_a_gan(pictures, tmp_path, capsys):
    run = make_painting_run(tmp_path / "run", pictures)
    other = beside(make_painting_run(tmp_path / "other", pictures), frechet_ratio=1.625)
    metrics, page = reported(run, capsys, beside=(other,))
    made = metrics["generated_accuracy"]
    assert made["baselines"]["chance"] == pytest.approx(100 / 3, rel=1e-5)
    assert made["baselines"]["real"] == metrics["judge_accuracy"]["value"]
    assert metrics["frechet_ratio"]["value"] > 2, "it is untrained"
    assert metrics["recall"]["value"] < metrics["recall"]["baselines"]["real"]
    assert metrics["diversity_ratio"]["baselines"]["means"] == 0
    assert metrics["mixture_both"]["baselines"]["chance"] == pytest.approx(100 / 3, rel=1e-5)
    assert metrics["fps"]["value"] > 0
    assert "Trained otherwise" in page and "1.62" in page
    assert page.count("<img") == 7 and "low" in page


def test_a_report_of_a_run_that_names_sounds(sounds, tmp_path, capsys):
    run = make_named_run(tmp_path / "run", sounds)
    metrics, page = reported(run, capsys)
    assert metrics["sound_accuracy"]["baselines"] == pytest.approx({"chance": 100 / 3}, rel=1e-5)
    assert 0 <= metrics["calibration_error"]["value"] <= 1
    assert 0 <= metrics["begun_false_alarms"]["value"] <= 100
    assert "12 sounds, fold 0" in page and page.count("<img") == 2


def test_figures_that_training_left_stand_in_for_sounds_that_are_gone(
    sounds, tmp_path, capsys, monkeypatch
):
    monkeypatch.setattr(dreams_named, "TICKS", 2)
    run = make_named_run(tmp_path / "run", sounds)
    gone = dict(run.data, fingerprint="another")
    lost = replace(run, data=gone)
    about = json.loads((run.directory / "config.json").read_text())
    (run.directory / "config.json").write_text(json.dumps(about | {"data": gone}))
    with pytest.raises(WyhError, match=r"sounds it was trained on are not here: name a set"):
        command.main(command.Config((), lost.directory))
    told = {
        "accuracy": 0.75,
        "macro_f1": 0.5,
        "calibration_error": 0.01,
        "calibration_error_before": 0.02,
        "heard": 1.0,
        "false_alarms": 0.0,
        "confusion": [[2, 0, 0], [1, 1, 0], [0, 0, 4]],
    }
    (run.directory / "figures.json").write_text(json.dumps(told))
    metrics, page = reported(lost, capsys)
    assert metrics["sound_accuracy"]["value"] == 75
    assert metrics["sound_worst_class"]["value"] == 50
    assert "8 sounds, fold 0, after its training" in page


def test_a_report_of_a_hallucination(pictures, sounds, tmp_path, capsys):
    hears = make_named_run(tmp_path / "hears", sounds)
    shows = make_painting_run(tmp_path / "shows", pictures)
    run = make_dreaming_run(tmp_path / "run", hears, shows)
    metrics, page = reported(run, capsys)
    assert set(metrics["right_pictures"]["baselines"]) == {"parts", "shuffled"}
    assert metrics["right_picture_p95_ms"]["value"] <= 1000 * AFTER_SECS
    assert set(metrics["live_step_p95_ms"]["baselines"]) == {"hear", "draw"}
    assert page.count("<video") == 1 and page.count("<img") == 3
    assert "12 held-out sounds, fold 0 of set" in page


def test_parts_that_are_gone(pictures, sounds, tmp_path):
    hears = make_named_run(tmp_path / "hears", sounds)
    run = make_dreaming_run(
        tmp_path / "run", hears, make_painting_run(tmp_path / "shows", pictures)
    )
    (tmp_path / "shows/config.json").unlink()
    with pytest.raises(WyhError, match=r"the pictures it was trained on are not here: name a set"):
        command.main(command.Config((), run.directory))
    (tmp_path / "hears/config.json").unlink()
    with pytest.raises(WyhError, match=r"its classifier was trained on are not here: name a set"):
        command.main(command.Config((), run.directory))


def test_pictures_of_other_classes(pictures, tmp_path):
    run = make_painting_run(tmp_path / "run", pictures)
    make_pictures(tmp_path / "others", 2, 2, ("a", "b", "c"))
    with pytest.raises(WyhError, match=r"others: got pictures of a, b, c, wanted .* low, middle"):
        find_pictures(run, (tmp_path / "others",))
    assert find_pictures(run, ()).path == pictures.path


def test_a_set_that_held_nothing_out(tmp_path):
    dataset = make_pictures(tmp_path / "set", 3, 0)
    with pytest.raises(WyhError, match=r"got no pictures in its test split, .* --holdout"):
        split_of(dataset, "test")


def test_sounds_at_another_rate_or_of_other_classes(sounds, tmp_path):
    run = make_named_run(tmp_path / "run", sounds)
    path = make_sound_set(tmp_path / "others", folds=2).path
    index = json.loads((path / "sounds.json").read_text())
    (path / "sounds.json").write_text(json.dumps(index | {"sample_rate": 16000}))
    with pytest.raises(WyhError, match=r"got sounds at 16000 Hz, wanted 8000 Hz .* --sample-rate"):
        command.main(command.Config((path,), run.directory))
    (path / "sounds.json").write_text(json.dumps(index | {"classes": ["x", "y", "z"]}))
    with pytest.raises(WyhError, match=r"got sounds of x, y, z, wanted those of the run: low, mid"):
        command.main(command.Config((path,), run.directory))


def test_a_run_whose_config_is_damaged(pictures, sounds, tmp_path):
    run = make_named_run(tmp_path / "run", sounds)
    about = json.loads((run.directory / "config.json").read_text())
    for part, wanted in (
        ({"config": {"model": {"memory": "much"}}}, r"config.json is damaged: .*memory"),
        ({"data": {"classes": []}}, r"config.json is damaged: it lacks the names of classes"),
    ):
        (run.directory / "config.json").write_text(json.dumps(about | part))
        with pytest.raises(WyhError, match=wanted):
            command.main(command.Config((), run.directory))


def test_sounds_that_nothing_is_shown_for(pictures, sounds, tmp_path):
    hears = make_named_run(tmp_path / "hears", sounds)
    shows = make_painting_run(tmp_path / "shows", pictures)
    run = make_dreaming_run(tmp_path / "run", hears, shows)
    variables = load_variables(run)
    variables["shown"] *= 0
    save_variables(run, variables)
    with pytest.raises(WyhError, match=r"none of the sounds for testing is of a class it shows"):
        command.main(command.Config((), run.directory))


def test_a_step_that_is_not_kept(pictures, tmp_path):
    run = make_painting_run(tmp_path / "run", pictures)
    with pytest.raises(WyhError, match=r"got checkpoint 7 of .*, there are: none"):
        command.main(command.Config((), run.directory, checkpoint="7"))
    assert load_run(run.directory).kind == "dcgan"


def test_pictures_of_the_same_classes_are_found(rng):
    labels, wanted = np.array([0, 1, 1, 2, 2, 2]), np.array([2, 2, 1, 2, 0, 0])
    rows = alike(labels, wanted, rng)
    np.testing.assert_array_equal(labels[rows], wanted)
    assert len(set(rows[[0, 1, 3]])) == 3, "none twice before all have been"
    some = Shown(np.arange(6, dtype=np.uint8).reshape(6, 1, 1, 1), labels).at(rows)
    np.testing.assert_array_equal(some.pictures.ravel(), rows)


def test_pairs_of_classes(rng):
    assert pairs_of(3, rng).tolist() == [[0, 1], [0, 2], [1, 2]]
    many = pairs_of(20, rng)
    assert len(many) == len({tuple(pair) for pair in many}) == 45
    assert (many[:, 0] < many[:, 1]).all()
