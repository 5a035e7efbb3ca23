import json
import shutil
from functools import partial

import pytest

from tests.conftest import make_run
from tests.hearing import make_foley_run
from tests.test_runs import made
from tests.visual import make_visual_run
from wyh import run_choice
from wyh.errors import WyhError


def test_the_newest_run_is_the_one_created_last(tmp_path):
    made(tmp_path, "z", "2024-01-01T00:00:00+00:00")
    newest = made(tmp_path, "a", "2024-06-01T00:00:00+00:00")
    made(tmp_path, "m", "2024-03-01T00:00:00+00:00")
    damaged = made(tmp_path, "damaged", "2025-01-01T00:00:00+00:00")
    (damaged.directory / "config.json").write_bytes(b"{")
    unplayable = made(tmp_path, "unplayable", "2025-01-01T00:00:00+00:00")
    (unplayable.directory / "variables.safetensors").unlink()
    (tmp_path / "foreign").mkdir()
    (tmp_path / "notes.txt").write_text("")
    assert run_choice.newest_run(tmp_path) == newest


def test_there_may_be_no_newest_run(tmp_path):
    assert run_choice.newest_run(tmp_path) is None
    assert run_choice.newest_run(tmp_path / "nothing") is None


def test_default_directories_do_not_collide(tmp_path):
    paths = []
    for _ in range(3):
        paths.append(run_choice.default_run_dir("dbn", tmp_path))
        paths[-1].mkdir()
    assert len(set(paths)) == 3
    assert all(path.name.startswith("dbn-2") for path in paths)


def test_the_run_to_play_is_given_or_newest_or_bundled(tmp_path, monkeypatch):
    given = made(tmp_path / "elsewhere", "given", "2023-01-01T00:00:00+00:00")
    assert run_choice.choose_run(given.directory, tmp_path) == (given, "")

    monkeypatch.setattr(run_choice, "BUNDLED", {})
    with pytest.raises(WyhError, match=r"got no --run, and there is none .*train one with"):
        run_choice.choose_run(None, tmp_path / "runs")

    monkeypatch.setattr(run_choice, "BUNDLED", {"see-hear": given.directory})
    bundled, note = run_choice.choose_run(None, tmp_path / "runs")
    assert bundled == given
    assert "playing the bundled demonstration run" in note

    newest = made(tmp_path / "runs", "new", "2024-01-01T00:00:00+00:00")
    run, note = run_choice.choose_run(None, tmp_path / "runs")
    assert run == newest
    assert "playing the newest run" in note


def test_the_newest_is_chosen_among_those_that_fit(tmp_path, monkeypatch):
    seen = make_visual_run(tmp_path / "runs" / "seen")
    heard = make_run(tmp_path / "runs" / "heard")
    choose = partial(run_choice.choose_run, None, tmp_path / "runs")
    assert choose()[0].directory == heard.directory
    assert choose(direction="see-hear")[0].directory == heard.directory
    assert choose(direction="hear-see")[0].directory == seen.directory
    assert run_choice.newest_run(tmp_path / "runs", kind="synesthesia").directory == seen.directory
    shutil.rmtree(seen.directory)
    run, note = choose(direction="hear-see")
    assert run == run_choice.bundled_run("hear-see") and "none under" in note
    monkeypatch.setattr(run_choice, "BUNDLED", {})
    with pytest.raises(WyhError, match=r"train one with: python -m experiments\.synesthesia"):
        choose(direction="hear-see")


def test_the_newest_may_have_to_be_of_a_kind(tmp_path):
    plain = make_run(tmp_path / "plain")
    learned = make_foley_run(tmp_path / "learned")
    choose = partial(run_choice.choose_run, None, tmp_path)
    assert choose(direction="see-hear")[0].directory == learned.directory
    assert choose(direction="see-hear", kind="autoencoder")[0].directory == plain.directory
    given, note = run_choice.choose_run(learned.directory, kind="autoencoder")
    assert (given, note) == (learned, "")  # whoever names it may have it
    shutil.rmtree(plain.directory)
    run, note = choose(direction="see-hear", kind="autoencoder")
    assert run == run_choice.bundled_run() and "none under" in note


def test_what_is_a_part_of_a_model_alone_is_not_played(tmp_path):
    whole = make_run(tmp_path / "whole")
    part = shutil.copytree(whole.directory, tmp_path / "part")
    said = json.loads((part / "config.json").read_text())
    said |= {"stream": None, "kind": "sound_classifier", "created": "2999-01-01T00:00:00+00:00"}
    (part / "config.json").write_text(json.dumps(said))
    assert run_choice.newest_run(tmp_path) == whole
    assert run_choice.newest_run(tmp_path, kind="sound_classifier").directory == part
