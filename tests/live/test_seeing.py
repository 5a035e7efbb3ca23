"""`wyh live` with a run that makes pictures of sound."""

import json
import os
import re
import signal
import time
from fractions import Fraction
from importlib.util import find_spec
from pathlib import Path

import jsonschema
import numpy as np
import pytest
import soundfile

from tests.conftest import make_run
from tests.dreamers import make_dream_run
from tests.live.test_main import start
from tests.live.test_meter import SCHEMA
from tests.media.clips import read_audio, read_video, run_ffmpeg
from tests.visual import TINY_VISUAL, make_visual_run
from wyh import knobs
from wyh.errors import WyhError
from wyh.live.__main__ import main
from wyh.live.config import Config
from wyh.live.log import Turned, read_log
from wyh.live.replay import replay_pictures
from wyh.media.probe import probe
from wyh.transducers.compile import compile_transducer
from wyh.transducers.kinds import load_player

pytestmark = pytest.mark.usefixtures("as_it_was")
RATE = TINY_VISUAL.features.sample_rate


@pytest.fixture(scope="module")
def seer(tmp_path_factory):
    """A run that shows how loud it is."""
    return make_visual_run(tmp_path_factory.mktemp("run") / "seer", loud_is_bright=True)


@pytest.fixture(scope="module")
def song(tmp_path_factory):
    """2 s with a burst whose middle is at 0.9 s."""
    sound = np.zeros(2 * RATE)
    sound[6400:8000] = np.hanning(1600) * np.sin(0.9 * np.arange(1600))
    path = tmp_path_factory.mktemp("song") / "song.wav"
    soundfile.write(path, sound, RATE, "PCM_16")
    return path


def play(run, source, capsys, **how):
    """Play in this process: the summary, and what was told."""
    main(Config(str(source), **{"run": run.directory, "json": True, "sink": "null"} | how))
    out, err = capsys.readouterr()
    summary = json.loads(out)
    jsonschema.validate(summary, SCHEMA)
    return summary, err


@pytest.mark.parametrize("how", ["sink", "record"])
def test_a_movie_has_the_song_in_step_with_its_pictures(seer, song, tmp_path, capsys, how):
    movie = tmp_path / "seen.mkv"
    how = {"sink": str(movie)} if how == "sink" else {"record": movie}
    summary, _ = play(seer, song, capsys, frame_rate="48", set=("flash_limit=off",), **how)
    assert summary["frames"] + summary["left_out"] >= 96 - 1
    assert (summary["secs"], summary["underruns"]) == (2.0, 0)
    assert summary["first_sound_secs"] > 0 and summary["first_picture_secs"] > 0
    assert (probe(movie).height, probe(movie).width) == (16, 16)
    times, pixels = read_video(movie)
    assert len(times) == 96
    loud = np.square(read_audio(movie, times[0], RATE))
    heard_secs = np.sum(loud * np.arange(len(loud))) / loud.sum() / RATE
    light = pixels.mean(axis=(1, 2, 3)).astype(float)
    light -= light.min()
    seen_secs = np.sum(light * (times - times[0] + 0.5 / 48)) / light.sum()
    assert heard_secs == pytest.approx(0.9, abs=0.01)
    if summary["left_out"] == 0:
        assert seen_secs == pytest.approx(0.9, abs=0.01)


def test_a_log_on_disk_gives_the_pictures_again(seer, song, tmp_path, capsys):
    log, movie = tmp_path / "log.jsonl", tmp_path / "seen.mkv"
    play(seer, song, capsys, sink=str(movie), log=log, set=("bass=6",), seed=5)
    events, player, values = read_log(log), load_player(seer), knobs.defaults(bass=6.0)
    assert not any(isinstance(event, Turned) for event in events)
    compiled = compile_transducer(player.transducer, player.variables, values, seed=5)
    sound = np.pad(soundfile.read(song, dtype="float32")[0], (0, 10 * RATE))
    blocks = dict(enumerate(sound[: len(sound) // 80 * 80].reshape(-1, 80)))
    again = list(replay_pictures(compiled, player.variables, blocks, events, values))
    shown = read_video(movie)[1]
    for number, picture in again:  # but for what H.264 loses
        assert abs(shown[number].mean() - picture.mean()) < 4


@pytest.mark.skipif(not find_spec("pygame"), reason="needs the extra [window]")
def test_a_window_with_a_speaker(seer, song, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")
    how = {"sink": "screen:null", "record": tmp_path / "take.mp4", "size": "64x32"}
    summary, err = play(seer, song, capsys, **how)
    assert re.search(r"playing .*song.wav into screen:null and null with .*: 64x32 at 24 Hz;", err)
    assert summary["frames"] > 0 and summary["secs"] == 2.0
    assert 0 <= summary["offset_ms"]
    assert all(stage["p50"] is not None for stage in summary["stages_ms"].values())
    take = probe(tmp_path / "take.mp4")
    assert (take.height, take.width, take.has_audio) == (32, 64, True)
    assert len(read_video(tmp_path / "take.mp4")[0]) > 40


def test_a_microphone_is_heard_alike_near_and_far(seer, capsys):
    summary, err = play(seer, "mic:null", capsys, duration=0.5)
    assert "playing mic:null into null with" in err and ", auto_gain 1; declared latency" in err
    assert summary["first_sound_secs"] is None and summary["secs"] >= 0.4
    _, err = play(seer, "mic:null", capsys, duration=0.2, set=("auto_gain=0",))
    assert "auto_gain" not in err


def test_without_a_source_it_is_the_microphone_and_a_missing_one_is_waited_for(
    seer, capsys, monkeypatch
):
    monkeypatch.setattr("wyh.media.sound_devices._of_kind", lambda kind: [])
    monkeypatch.setattr("wyh.media.sound_link.Link._open", _refused)
    main(Config(run=seer.directory, sink="null", duration=0.3))
    out, err = capsys.readouterr()
    assert "the microphone cannot be opened: nothing there; silence until it can be" in err
    assert "playing mic into null" in err
    assert "7 pictures" in out or "8 pictures" in out or "left out" in out


def _refused(link):
    from wyh.media.sound_stream import NoSound

    raise NoSound("nothing there")


@pytest.fixture(scope="module")
def dreamer(tmp_path_factory):
    """A run that surely hears something, whatever sounds."""
    where = tmp_path_factory.mktemp("run") / "dreamer"
    return make_dream_run(where, says=(0.96, 0.01, 0.01), frame_rate=Fraction(12))


def test_a_dream(dreamer, song, tmp_path, capsys):
    movie = tmp_path / "dream.mkv"
    summary, err = play(dreamer, song, capsys, sink=str(movie), set=("zoom=0.2",), duration=1.0)
    assert summary["frames"] + summary["left_out"] >= 11 and "auto_gain" not in err
    pixels = read_video(movie)[1]
    assert len(pixels) == 12 and pixels[-1].mean() > 20


def test_a_microphones_dream_has_no_gain_to_turn(dreamer, capsys):
    summary, err = play(dreamer, "mic:null", capsys, duration=0.3)
    assert summary["frames"] > 0 and "auto_gain" not in err
    for name in ("auto_gain=1", "attack=1", "timbre=1"):
        with pytest.raises(WyhError, match="with a run that makes pictures, wanted gain_db, mute"):
            main(Config("mic:null", "null", run=dreamer.directory, set=(name,)))
    with pytest.raises(WyhError, match="/dev/video99: no such camera; make one with: sudo"):
        main(Config("mic:null", "/dev/video99", run=dreamer.directory))


def test_pictures_on_standard_output(seer, song):
    process = start(seer.directory, "--sink", "-", "--size", "24x16", source=str(song))
    out, err = process.communicate(timeout=120)
    lines = err.decode().splitlines()
    assert process.returncode == 0, lines
    assert lines[-1] == "imported []"
    summary = json.loads(lines[-2])
    jsonschema.validate(summary, SCHEMA)
    assert len(out) == 48 * 24 * 16 * 3
    pictures = np.frombuffer(out, np.uint8).reshape(48, 16, 24, 3)
    assert pictures[20:24].mean() > pictures[:10].mean() + 20


@pytest.mark.skipif(os.name != "posix", reason="Windows has no such signals")
def test_a_signal_ends_it_with_a_whole_movie(seer, song, tmp_path):
    movie = tmp_path / "seen.mp4"
    process = start(seer.directory, "--sink", str(movie), "--loop", source=str(song))
    assert b"playing" in process.stderr.readline()
    time.sleep(3.0)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    assert json.loads(out)["frames"] > 0
    assert len(read_video(movie)[0]) > 0
    assert list(tmp_path.iterdir()) == [movie]


def test_what_is_cut_off_is_played_and_told(seer, tmp_path, capsys):
    noise, whole, cut = (tmp_path / name for name in ("noise.wav", "whole.mkv", "cut.mkv"))
    soundfile.write(noise, np.random.default_rng(0).uniform(-0.5, 0.5, 3 * RATE), RATE)
    run_ffmpeg("-i", str(noise), "-c:a", "flac", str(whole))
    cut.write_bytes(whole.read_bytes()[: int(0.6 * whole.stat().st_size)])
    with pytest.raises(WyhError, match=r"cut\.mkv breaks off at"):
        main(Config(str(cut), run=seer.directory, sink="null", json=True))
    assert 0 < json.loads(capsys.readouterr().out)["frames"] < 70


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"source": "0"}, "makes pictures of sound, and 0 gives pictures: choose another --run"),
        ({"source": "screen"}, "makes pictures of sound, and screen gives pictures"),
        ({"source": "-"}, "got standard input as a source of sound: give mic, mic:NAME"),
        ({"source": "none.mp3"}, "none.mp3: no such file"),
        ({"sink": "speaker"}, "got --sink speaker for pictures, wanted screen, web, null, a name"),
        ({"sink": "seen.wav"}, "got --sink seen.wav for pictures, wanted screen"),
        ({"source": "mic", "sink": "screen:1"}, "got --sink screen:1 with --source mic, whose"),
        ({"size": "big"}, "got --size big, wanted WIDTHxHEIGHT, such as 512x512"),
        ({"size": "4x4"}, "got height 4 pixels, wanted 8 to 4096"),
        ({"frame_rate": "fast"}, "got the rate 'fast', wanted a number such as 24"),
        ({"frame_rate": "500"}, "got frame rate 500 Hz, wanted 1 to 240"),
        ({"set": ("timbre=1",)}, "got the knob 'timbre' with a run that makes pictures, wanted"),
        ({"scene": (Path("run"),)}, "got --scene with a run that makes pictures: leave it out"),
        ({"stereo": True}, "got --stereo with a run that makes pictures: leave it out"),
        ({"buffer_ms": 50.0}, "got --buffer-ms with a run that makes pictures: leave it out"),
        ({"sink": "web", "source": "mic"}, "got --source mic with --sink web: a page has a sound"),
        ({"checkpoint": "worst"}, "got the checkpoint 'worst'"),
    ],
)
def test_bad_options(seer, song, changed, message):
    with pytest.raises(WyhError, match=re.escape(message)):
        main(Config(**{"source": str(song), "sink": "null", "run": seer.directory} | changed))


def test_a_film_without_sound(seer, film):
    with pytest.raises(WyhError, match=r"film\.mkv has no sound, wanted a song or a film with"):
        main(Config(str(film), "null", run=seer.directory))


def test_a_films_sound(seer, song, film, tmp_path, capsys):
    path = tmp_path / "both.mkv"
    run_ffmpeg("-i", str(film), "-i", str(song), "-c", "copy", "-c:a", "flac", str(path))
    summary, _ = play(seer, path, capsys)
    assert summary["secs"] == pytest.approx(2.0, abs=0.3)


def test_a_microphone_for_a_run_that_makes_sound(tmp_path, monkeypatch, capsys):
    run = make_run(tmp_path / "runs" / "maker")
    told = "maker makes sound of pictures, and mic gives sound: choose another --run, or a --source"
    with pytest.raises(WyhError, match=told):
        main(Config("mic", "null", run=run.directory))
    monkeypatch.chdir(tmp_path)  # the newest run does not fit, and another one plays
    monkeypatch.setattr("wyh.run_choice.BUNDLED", {})
    with pytest.raises(WyhError, match="got no --run, and there is none under runs/"):
        main(Config("mic"))
    with pytest.raises(WyhError, match="got the knob 'hue' with a run that makes sound, wanted"):
        main(Config(run=run.directory, set=("hue=0.5",)))
