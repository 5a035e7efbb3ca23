import shutil
import time

import numpy as np
import pytest

from tests.conftest import make_run
from wyh.errors import WyhError
from wyh.live import follow
from wyh.live.follow import Follower, wait_for_training
from wyh.live.scenes import Scene
from wyh.runs import load_run, load_variables, save_variables
from wyh.transducers.compile import Compiled
from wyh.transducers.kinds import load_player


@pytest.fixture
def scene(tmp_path, run_dir):
    shutil.copytree(run_dir, tmp_path / "run")
    carry = np.zeros(1)
    return Scene(
        load_player(load_run(tmp_path / "run")), Compiled(print, print, carry, carry, 1, 1)
    )


def until(true):
    end = time.monotonic() + 30
    while not true() and time.monotonic() < end:
        time.sleep(0.02)
    assert true()


def changed(run, gain_db):
    return load_variables(run) | {"gain_db": np.float32(gain_db)}


def test_each_newer_checkpoint_is_taken(scene):
    notes, run = [], scene.player.run
    with Follower(scene, notes.append) as follower:
        until(lambda: follower.taken == 1)  # there may have been a newer one since it was loaded
        for number in (2, 3):
            save_variables(run, changed(run, -number), "variables_latest")
            until(lambda number=number: follower.taken == number)
            assert float(scene.variables["gain_db"]) == -number
    assert notes == []


def test_what_cannot_be_taken_is_told_and_the_old_plays_on(scene):
    notes, run = [], scene.player.run
    with Follower(scene, notes.append) as follower:
        until(lambda: follower.taken == 1)
        before = scene.variables
        (run.directory / "variables_latest.safetensors").write_bytes(b"damaged")
        until(lambda: len(notes) == 1)
        save_variables(run, {"gain_db": np.float32(1)}, "variables_latest")
        until(lambda: len(notes) == 2)
    assert "playing on with what there was" in notes[0]
    assert "has another model now: start wyh live anew" in notes[1]
    assert scene.variables is before


def test_a_training_that_has_just_begun_is_waited_for(tmp_path, monkeypatch):
    run, notes = make_run(tmp_path / "run"), []
    path = run.directory / "variables_latest.safetensors"
    best = run.directory / "variables.safetensors"
    content = path.read_bytes()
    path.unlink()
    best.unlink()
    monkeypatch.setattr(follow, "FIRST_SECS", 0.3)
    with pytest.raises(WyhError, match=r"did not come in 0.3 s: is it being trained\?"):
        wait_for_training(run.directory, notes.append)
    assert len(notes) == 1 and "waiting for" in notes[0]
    path.write_bytes(content)
    wait_for_training(run.directory, notes.append)
    assert len(notes) == 1


def test_what_is_made_of_other_runs_is_not_waited_for(tmp_path):
    run = make_run(tmp_path / "run")
    (run.directory / "variables_latest.safetensors").unlink()
    with pytest.raises(
        WyhError, match="is not trained, but made of other runs: leave out --follow"
    ):
        wait_for_training(run.directory, print)
