import re
import shutil
import threading
import time
from fractions import Fraction
from importlib.util import find_spec

import numpy as np
import pytest

from tests.conftest import make_run
from tests.live.test_main import play
from tests.media.clips import read_audio, read_video
from wyh.errors import WyhError
from wyh.live import stage
from wyh.live.__main__ import main
from wyh.live.config import Config
from wyh.runs import load_run, load_variables, save_variables

pytestmark = pytest.mark.usefixtures("as_it_was")


def meanwhile(work):
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    return thread


@pytest.fixture
def panels(monkeypatch):
    """The panel of the next performance, for a hand to turn once it plays."""
    made = []

    class Kept(stage.Live):
        def __init__(self, scenes, panel, **how):
            super().__init__(scenes, panel, **how)
            made.append((self, panel))

    monkeypatch.setattr(stage, "Live", Kept)
    return made


def turned_later(panels, *turns):
    """Turn knobs one after the other, while it plays."""

    def work():
        while not (panels and panels[0][0].frames):
            time.sleep(0.05)
        for secs, name, value in turns:
            time.sleep(secs)
            panels[0][1].turn(name, value)

    return meanwhile(work)


@pytest.mark.skipif(
    not (find_spec("pygame") and find_spec("pythonosc")),
    reason="needs the extras [window] and [osc]",
)
def test_a_whole_evening_in_three_seconds(run_dir, film, tmp_path, capsys, panels, monkeypatch):
    """A speaker, a window, two scenes, a take, OSC: all at once."""
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")
    other = make_run(tmp_path / "other", frame_rate=Fraction(25), bright_is_loud=True)
    how = {"sink": "screen:null", "scene": (other.directory,), "osc": 0, "loop": True}
    hand = turned_later(panels, (1.0, "scene", 2.0), (0.5, "freeze", "on"))
    take = tmp_path / "take.mp4"
    summary = play(run_dir, film, capsys, duration=3.0, record=take, **how)
    hand.join()
    assert 3.0 <= summary["secs"] < 3.2
    assert 0 < summary["frames"] < 75
    times, pixels = read_video(take)
    assert len(times) > 40 and len(read_audio(take, times[0], 8000)) > 8000
    assert pixels.std() > 1


def test_a_training_is_followed(run_dir, film, tmp_path, capsys, panels):
    shutil.copytree(run_dir, tmp_path / "run")
    run = load_run(tmp_path / "run")
    quiet = load_variables(run) | {"gain_db": np.float32(-60)}

    def train():
        while not (panels and panels[0][0].frames > 5):
            time.sleep(0.05)
        save_variables(run, quiet, "variables_latest")

    learning = meanwhile(train)
    heard = tmp_path / "heard.wav"
    play(run.directory, film, capsys, sink=str(heard), follow=True, loop=True, duration=8.0)
    learning.join()
    sound = read_audio(heard, 0.0, 8000)
    assert np.abs(sound[:800]).max() > 30 * np.abs(sound[-800:]).max() > 0


def test_a_scene_of_another_size_is_refused(run_dir, film, tmp_path):
    other = make_run(tmp_path / "other", frame_rate=Fraction(25), height=32, width=32)
    message = f"got the scene {other.directory} with video .* wanted .* as in the first one"
    with pytest.raises(WyhError, match=message.replace("\\", "\\\\")):
        main(Config(str(film), "null", run=run_dir, scene=(other.directory,)))


def test_a_recording_that_cannot_begin_is_told_and_the_rest_plays(run_dir, film, tmp_path, capsys):
    (tmp_path / "file").write_text("")
    with pytest.raises(WyhError, match="cannot be written"):
        main(Config(str(film), "null", run=run_dir, record=tmp_path / "file" / "take.mp4"))


def test_the_device_is_told(run_dir, film, capsys):
    play(run_dir, film, capsys, sink="speaker:null", duration=0.3)
    main(Config(str(film), "speaker:null", run=run_dir, duration=0.3))
    assert re.search(r"playing .* into .*null.* with", capsys.readouterr().err)
