import json
import sys
from dataclasses import replace

import numpy as np
import pytest

from tests.conftest import make_run
from wyh.errors import WyhError
from wyh.runs import load_run, load_variables, save_variables
from wyh.transducers.kinds import load_player, transducer_of


@pytest.fixture
def run(tmp_path):
    return make_run(tmp_path / "run")


def rewrite(run, change):
    file = run.directory / "config.json"
    about = json.loads(file.read_text())
    change(about)
    file.write_text(json.dumps(about))
    return load_run(run.directory)


def test_a_run_becomes_what_it_says_it_is(run):
    player = load_player(run)
    assert player.run is run
    assert player.transducer.spec == run.stream
    assert player.variables["gain_db"] == np.float32(-10)


def test_a_run_from_before_there_were_scales_still_plays(run):
    def older(about):
        del about["config"]["sound"]["tuning"]
        del about["stream"]["audio"]["channels"]

    assert load_player(rewrite(run, older)).transducer.spec == run.stream


def test_best_and_latest_are_two_files(run):
    save_variables(run, load_variables(run) | {"gain_db": np.float32(3)}, "variables_latest")
    assert load_player(run, "best").variables["gain_db"] == -10
    assert load_player(run, "latest").variables["gain_db"] == 3


def test_what_is_no_checkpoint(run):
    for name in ("newest", "", "-1", "1.5"):
        with pytest.raises(WyhError, match="wanted best, latest or a step's number"):
            load_player(run, name)
    with pytest.raises(WyhError, match="5"):
        load_player(run, "5")


def test_a_kind_that_is_not_known(run):
    odd = rewrite(run, lambda about: about.update(kind="theremin"))
    with pytest.raises(WyhError, match="is of the kind 'theremin', which this version does not"):
        transducer_of(odd)


def test_a_part_of_a_model_cannot_be_played(run):
    part = rewrite(run, lambda about: about.update(stream=None))
    with pytest.raises(WyhError, match="is part of a model and cannot be played alone"):
        load_player(part)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda a: a["config"].pop("sound"), "got SonifierConfig = None"),
        (lambda a: a["config"].update(sound=3), "wanted SonifierConfig"),
        (lambda a: a["config"]["sound"].update(mood=1), "got the unknown setting .*mood"),
        (lambda a: a["config"]["sound"]["synth"].update(hop_length=100), "wanted n_fft a multiple"),
        (lambda a: a["config"]["sound"]["synth"].update(high_hz=9e9), "wanted at most half"),
        (lambda a: a["config"]["sound"]["model"].update(code_size=-1), "got code_size -1"),
        (lambda a: a["config"]["sound"]["tuning"].update(cents=[]), "got the scale of no notes"),
    ],
)
def test_a_damaged_or_foreign_config(run, change, message):
    with pytest.raises(WyhError, match=f"run/config.json is damaged: .*{message}"):
        load_player(rewrite(run, change))


@pytest.mark.parametrize("missing", ["params", "gain_db"])
def test_variables_that_lack_something(run, missing):
    variables = load_variables(run)
    del variables[missing]
    save_variables(run, variables)
    with pytest.raises(WyhError, match=f"is damaged: its variables lack {missing}; copy it"):
        load_player(run)


def test_ones_own_kind_comes_from_the_command_line_alone(run, tmp_path, monkeypatch):
    (tmp_path / "mine.py").write_text(
        "from wyh.transducers.kinds import transducer_of\n"
        "def make(run):\n    make.run = run\n    return transducer_of(run)\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    player = load_player(run, custom="mine:make")
    assert player.transducer.spec == run.stream
    assert sys.modules["mine"].make.run is run


def test_stereo_is_the_same_run_with_two_channels(run):
    spec = load_player(run, stereo=True).transducer.spec
    assert spec == replace(run.stream, audio=replace(run.stream.audio, channels=2))


def test_ones_own_kind_need_not_know_stereo(run, tmp_path, monkeypatch):
    (tmp_path / "mono.py").write_text("from wyh.transducers.kinds import transducer_of as make\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    message = "got --stereo, but mono:make makes mono sound alone: leave it out"
    with pytest.raises(WyhError, match=message):
        load_player(run, custom="mono:make", stereo=True)


@pytest.mark.parametrize("name", ["nowhere:make", "json:nothing", "json", "", ":", "json:"])
def test_ones_own_kind_that_is_not_there(run, name):
    with pytest.raises(WyhError, match=f"got --transducer '{name}', wanted module:function"):
        load_player(run, custom=name)
