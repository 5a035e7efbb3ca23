import json
import os
import signal
import subprocess
import sys
import time
from fractions import Fraction
from pathlib import Path

import jsonschema
import numpy as np
import pytest
import soundfile

from tests.conftest import make_run
from tests.live.conftest import FRAMES
from tests.live.test_meter import SCHEMA
from tests.media.clips import read_audio, read_video, run_ffmpeg
from wyh.errors import WyhError
from wyh.live.__main__ import main
from wyh.live.config import Config

pytestmark = pytest.mark.usefixtures("as_it_was")

# Off the playing path: slow to import, needed for training alone.
HEAVY = ("orbax", "optax", "scipy.signal", "tensorflow_datasets", "grain", "matplotlib", "tqdm")


def play(run_dir, source, capsys, **how):
    """Play in this process: the summary."""
    source = None if source is None else str(source)
    main(Config(source, **{"run": run_dir, "json": True, "sink": "null"} | how))
    out, err = capsys.readouterr()
    text = err.splitlines()[-1] if how.get("sink") == "-" else out
    summary = json.loads(text)
    jsonschema.validate(summary, SCHEMA)
    return summary


def start(run_dir, *arguments, source, **how):
    """Play in a process of its own, as a user does, and tell what it imported."""
    told = f"[name for name in {HEAVY} if name in sys.modules]"
    code = (
        "import sys, runpy\n"
        "runpy.run_module('wyh.live', run_name='__main__', alter_sys=True)\n"
        f"print('imported', {told}, file=sys.stderr)\n"
    )
    words = ["--source", source, "--run", str(run_dir), "--json", *arguments]
    command = [sys.executable, "-c", code, *words]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **how)


def test_a_film_into_a_wav(run_dir, film, tmp_path, capsys):
    begin = time.perf_counter()
    summary = play(run_dir, film, capsys, sink=str(tmp_path / "heard.wav"))
    took = time.perf_counter() - begin
    samples, rate = soundfile.read(tmp_path / "heard.wav")
    assert (len(samples), rate) == (round(FRAMES * 8000 / 25), 8000)
    assert np.abs(samples).max() > 0.01
    assert took > 1.6
    assert 0 < summary["frames"] <= FRAMES
    assert 1.6 <= summary["secs"] < 2
    assert summary["first_sound_secs"] > 0
    assert summary["offset_ms"] > 80
    assert list(tmp_path.iterdir()) == [tmp_path / "heard.wav"]


def test_a_film_into_a_movie(run_dir, film, tmp_path, capsys):
    play(run_dir, film, capsys, sink=str(tmp_path / "heard.mp4"), log=tmp_path / "log.jsonl")
    times, pixels = read_video(tmp_path / "heard.mp4")
    assert len(times) == FRAMES
    greys = pixels.mean(axis=(1, 2, 3))
    assert (np.diff(greys) > -3).all() and greys[-1] > 200  # the film's own, in its order
    assert (tmp_path / "log.jsonl").read_text().count('"frame"') > 0


def test_picture_and_sound_of_a_movie_are_in_sync(tmp_path, capsys):
    run = make_run(tmp_path / "run", frame_rate=Fraction(25), bright_is_loud=True)
    light = np.zeros((FRAMES, 16, 16), np.uint8)
    light[15:25] = 255  # its middle is at 0.8 s
    raw, film, heard = (tmp_path / name for name in ("light.raw", "light.mkv", "heard.mkv"))
    raw.write_bytes(light.tobytes())
    look = ["-f", "rawvideo", "-pix_fmt", "gray", "-s", "16x16", "-r", "25"]
    run_ffmpeg(*look, "-i", str(raw), "-c:v", "ffv1", str(film))
    summary = play(run.directory, film, capsys, sink=str(heard), buffer_ms=500.0)
    times, pixels = read_video(heard)
    shown = pixels.mean(axis=(1, 2, 3))
    seen_secs = np.sum(shown * (times - times[0] + 0.02)) / shown.sum()
    loud = np.square(read_audio(heard, times[0], 8000))
    heard_secs = np.sum(loud * np.arange(len(loud))) / loud.sum() / 8000
    assert summary["frames"] > 0
    assert heard_secs == pytest.approx(seen_secs, abs=0.02)
    assert seen_secs == pytest.approx(0.8, abs=0.05)


def test_the_summary_for_people(run_dir, film, capsys):
    main(Config(str(film), "null", run=run_dir, duration=0.2))
    out, err = capsys.readouterr()
    assert "pictures" in out and "observe" in out
    assert "declared latency" in err


def test_y4m_on_standard_input_to_f32le_on_standard_output(run_dir, film, tmp_path):
    y4m = tmp_path / "film.y4m"
    run_ffmpeg("-i", str(film), "-t", "1", "-pix_fmt", "yuv420p", str(y4m))
    with y4m.open("rb") as file:
        process = start(run_dir, "--sink", "-", source="-", stdin=file)
        out, err = process.communicate(timeout=120)
    lines = err.decode().splitlines()
    assert process.returncode == 0, lines
    assert lines[-1] == "imported []"
    summary = json.loads(lines[-2])
    jsonschema.validate(summary, SCHEMA)
    sound = np.frombuffer(out, "<f4")
    assert len(sound) >= 8000 and abs(len(sound) / 8000 - summary["secs"]) < 0.001
    assert np.isfinite(sound).all() and 0.01 < np.abs(sound).max() <= 1


def test_stereo_goes_through_the_loop_into_a_file(run_dir, film, tmp_path, capsys):
    path = tmp_path / "heard.wav"
    summary = play(run_dir, film, capsys, sink=str(path), stereo=True, set=("timbre=0.5",))
    heard, rate = soundfile.read(path)
    assert (heard.shape, rate) == ((round(FRAMES * 8000 / 25), 2), 8000)
    assert summary["secs"] >= 1.6
    assert np.abs(heard).max() > 0.01
    assert np.abs(heard[:, 0] - heard[:, 1]).max() > 1e-3


@pytest.mark.skipif(os.name != "posix", reason="Windows has no such signals")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_with_a_whole_movie(run_dir, film, tmp_path, number):
    movie = tmp_path / "heard.mp4"
    process = start(run_dir, "--sink", str(movie), "--loop", source=str(film))
    assert b"playing" in process.stderr.readline()
    time.sleep(1.0)
    process.send_signal(number)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    summary = json.loads(out)
    jsonschema.validate(summary, SCHEMA)
    assert summary["frames"] > 0
    assert len(read_video(movie)[0]) > 0
    assert list(tmp_path.iterdir()) == [movie]


def test_what_is_cut_off_is_played_kept_and_told(run_dir, film, tmp_path):
    raw = tmp_path / "cut.rgb"
    raw.write_bytes(bytes(16 * 16 * 3 * 5 + 100))
    sink = tmp_path / "heard.wav"
    with raw.open("rb") as file:
        words = ["--size", "16x16", "--frame-rate", "25", "--sink", str(sink)]
        process = start(run_dir, *words, source="-", stdin=file)
        out, err = process.communicate(timeout=120)
    assert process.returncode == 2
    told = err.decode().splitlines()[-1]
    assert told == "wyh live: standard input breaks off inside its picture 6"
    assert json.loads(out)["frames"] > 0
    assert soundfile.info(sink).frames == 5 * 8000 / 25


@pytest.mark.parametrize(
    "changed, message",
    [
        ({"duration": 0.0}, "got --duration 0, wanted a number of seconds above 0"),
        ({"duration": float("nan")}, "got --duration nan"),
        ({"buffer_ms": 1.0}, "got --buffer-ms 1, wanted 10 to 2000"),
        ({"set": ("bogus=1",)}, "got the knob 'bogus'"),
        ({"device_ms": 1.0}, "got --device-ms 1, wanted 5 to 500"),
        ({"sink": "loud"}, "got --sink loud, wanted speaker, screen, web, null, a name in"),
        ({"record": Path("take.avi")}, "got --record take.avi, wanted a name in .mp4 or .mkv"),
        ({"log": Path("log"), "follow": True}, "only one model can be replayed"),
        ({"log": Path("log"), "scene": (Path("run"),)}, "only one model can be replayed"),
        ({"source": "page"}, "got --source page with --sink null: only --sink web has a page"),
        ({"measure": True, "sink": "web"}, "got --measure with --sink web, --duration or --record"),
        ({"listen": "mic"}, "got --listen without --measure: add it, or leave --listen out"),
        ({"measure": True}, "got --measure with --source: add --sink screen, whose flashes"),
        ({"sink": "take.mp4"}, "got --sink take.mp4, where takes are recorded: choose another"),
        ({"follow": True, "checkpoint": "9"}, "got --follow with --checkpoint: it always plays"),
        ({"sink": "web", "osc": 9000}, "got --sink web with --osc or --midi: each page has"),
        ({"sink": "web", "follow": True}, "got --sink web with --scene, --record or --follow"),
        ({"learn": "timbre"}, "got --learn without --midi: name the input to learn from"),
        ({"checkpoint": "worst"}, "got the checkpoint 'worst'"),
        ({"size": "64x64"}, "--size and --frame-rate are for --source -"),
    ],
)
def test_bad_options(run_dir, film, changed, message):
    with pytest.raises(WyhError, match=message):
        main(Config(**{"source": str(film), "sink": "null", "run": run_dir} | changed))


def test_no_film_no_file(run_dir, tmp_path):
    with pytest.raises(WyhError, match="no such file"):
        main(Config(str(tmp_path / "none.mp4"), run=run_dir, sink=str(tmp_path / "heard.wav")))
    with pytest.raises(WyhError, match="not one picture could be read"):
        main(Config("http://127.0.0.1:9/x", run=run_dir, sink=str(tmp_path / "heard.wav")))
    assert not list(tmp_path.iterdir())


def test_the_source_is_never_written_over(run_dir, film):
    with pytest.raises(WyhError, match="is the source itself: choose another --sink"):
        main(Config(str(film), run=run_dir, sink=str(film)))


def test_stopped_before_it_began(run_dir, film, capsys, monkeypatch):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("wyh.live.stage.load_player", interrupted)
    summary = play(run_dir, film, capsys)
    assert summary["frames"] == 0 and summary["first_sound_secs"] is None
