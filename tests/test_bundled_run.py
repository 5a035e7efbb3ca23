"""The demonstration run that comes with wyh, as it lies in the package."""

import configparser
import json
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy

import wyh
from experiments import bundle
from tests.conftest import ended
from wyh import knobs, render
from wyh.media.decode import open_video
from wyh.run_choice import BUNDLED as ALL_BUNDLED
from wyh.run_choice import bundled_run, choose_run
from wyh.runs import FORMAT_VERSION
from wyh.samples import SAMPLE
from wyh.transducers.kinds import listener_of, load_player
from wyh.transducers.offline import sonify
from wyh.windows import on_grid

SHORT = SAMPLE.parent / "bbb_252s_8s_160x90_12fps.mp4"

BUNDLED = ALL_BUNDLED["see-hear"]


@pytest.fixture(scope="module")
def player():
    return load_player(bundled_run())


@pytest.fixture(scope="module")
def frames(player):
    video = player.transducer.spec.video
    with open_video(SAMPLE, video) as reader:
        return np.concatenate(list(on_grid(reader, video.frame_rate)))[:450]


def test_it_is_small():
    assert sum(path.stat().st_size for path in BUNDLED.rglob("*")) <= bundle.MOST_BYTES


def test_it_says_what_it_is_and_where_it_comes_from():
    about = json.loads((BUNDLED / "config.json").read_text())
    assert about["format_version"] == FORMAT_VERSION
    assert about["kind"] == "autoencoder"
    assert not any(Path(path).is_absolute() for path in about["config"]["data"])
    origin = " ".join((BUNDLED / "ORIGIN.md").read_text().split())
    for words in ("python -m experiments.bundle", "Blender Foundation", "CC-BY", "held-out"):
        assert words in origin


def test_its_settings_are_those_of_the_command_that_makes_it(player):
    assert player.run.config["sound"]["model"]["code_size"] == bundle.MODEL.code_size
    spec = player.transducer.spec
    assert (spec.video.height, spec.video.width) == (bundle.HEIGHT, bundle.WIDTH)
    assert spec.video.frame_rate == bundle.REEL.frame_rate


def test_it_has_all_that_playing_and_listening_need(player):
    assert player.variables.keys() == {"params", "gain_db", "pan", "listener"}
    stored = safetensors.numpy.load_file(BUNDLED / "variables.safetensors")
    assert all(np.isfinite(array).all() for array in stored.values())
    assert {array.dtype for array in stored.values() if array.ndim > 1} == {np.dtype(np.float16)}


def test_it_is_played_where_there_is_no_other(tmp_path):
    run, said = choose_run(None, tmp_path / "runs")
    assert run == bundled_run()
    assert "\n" not in said
    assert said.endswith(
        "playing the bundled demonstration run; for your own place, train one with: "
        "python -m experiments.autoencoder --data YOUR_FILM.mp4"
    )


@pytest.mark.parametrize("stereo", [False, True])
def test_it_plays_the_bundled_film(player, frames, stereo):
    played = load_player(player.run, stereo=stereo)
    sound = np.concatenate(
        list(sonify(played.transducer, played.variables, [frames[:60]], knobs.defaults()))
    )
    assert sound.shape == ((44100, 2) if stereo else (44100,))
    assert np.isfinite(sound).all() and np.abs(sound).max() < 1
    seconds = sound.reshape(4, -1)
    assert np.all(np.sqrt(np.mean(seconds**2, axis=1)) > 0.01)


def test_its_sound_keeps_the_picture(player, frames):
    sound = np.concatenate(
        list(sonify(player.transducer, player.variables, [frames], knobs.defaults()))
    )
    heard = listener_of(player).pictures(player.variables, sound, len(frames))
    seen = frames / np.float32(255)
    lost = np.mean((heard - seen) ** 2) / np.mean((seen.mean(axis=0) - seen) ** 2)
    assert 10 * np.log10(1 / lost) > 6


def test_a_newcomer_renders_with_it(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    status, _, err = ended(
        capsys, render.main, render.Config, "wyh render", SHORT, out=tmp_path / "heard.wav"
    )
    assert status == 0
    assert "no run under runs/ yet: playing the bundled demonstration run" in err
    assert (tmp_path / "heard.wav").stat().st_size > 8 * 22050


def test_all_samples_are_in_the_package():
    root = Path(wyh.__file__).parent
    config = configparser.ConfigParser()
    config.read(root.parent / "setup.cfg")
    patterns = config["options.package_data"]["wyh"].split()
    packaged = {path for pattern in patterns for path in root.glob(pattern)}
    samples = {path for path in (root / "samples").glob("*/**/*") if path.is_file()}
    assert samples and samples <= packaged
