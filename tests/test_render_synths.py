"""Films rendered with runs that learned from video, and with synths other than a run's own."""

import numpy as np
import pytest
import soundfile

from tests.conftest import ended, make_run
from tests.hearing import TINY_PCM, heard_sound, make_foley_run
from tests.media.clips import run_ffmpeg
from tests.visual import make_visual_run
from wyh import render
from wyh.media.decode import probe
from wyh.render import Config

RATE = 8000


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    return {
        "autoencoder": make_run(folder / "autoencoder").directory,
        "dbn": make_foley_run(folder / "dbn").directory,
        "pcm": make_foley_run(folder / "pcm", sound=TINY_PCM).directory,
    }


@pytest.fixture(scope="module")
def reference(tmp_path_factory):
    """Of another rate than the runs."""
    path = tmp_path_factory.mktemp("sounds") / "reference.wav"
    soundfile.write(path, heard_sound(2.0, 22050, seed=4), 22050)
    return path


def film(path, size="64x48", rate="25", secs=1.2):
    """A moving picture."""
    source = f"testsrc2=size={size}:rate={rate}:duration={secs}"
    run_ffmpeg("-f", "lavfi", "-i", source, "-pix_fmt", "yuv420p", "-c:v", "libx264", str(path))
    return path


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    return film(tmp_path_factory.mktemp("films") / "clip.mp4")


def rendered(capsys, source, out, run, **options):
    """`(status, stderr)` of the command."""
    status, said, told = ended(
        capsys, render.main, Config, "wyh render", source, out=out, run=run, **options
    )
    assert said == ("" if status else f"{out}\n")
    return status, told


@pytest.mark.parametrize("synth", ["granular", "exemplar"])
@pytest.mark.parametrize("kind", ["autoencoder", "dbn"])
def test_another_synth_plays_a_run(runs, clip, reference, tmp_path, capsys, kind, synth):
    out = tmp_path / "heard.wav"
    more = {"reference": reference} if synth == "exemplar" else {}
    assert rendered(capsys, clip, out, runs[kind], synth=synth, **more) == (0, "")
    sound, rate = soundfile.read(out)
    assert (rate, sound.shape) == (RATE, (round(1.2 * RATE),))
    assert np.sqrt(np.mean(sound**2)) > 1e-3


@pytest.mark.parametrize("kind", ["dbn", "pcm"])
def test_runs_that_learned_from_video_play_a_film_of_any_size_and_rate(
    runs, tmp_path, capsys, kind
):
    """16 x 16 pictures, 10 a second, are what they know."""
    for number, (size, rate) in enumerate([("64x48", "24000/1001"), ("34x90", "60")]):
        source = film(tmp_path / f"{number}.mkv", size, rate)
        out = tmp_path / f"{number}.wav"
        assert rendered(capsys, source, out, runs[kind]) == (0, "")
        sound, _ = soundfile.read(out)
        assert abs(len(sound) / RATE - 1.2) <= 0.1 + 1 / RATE  # one picture of the run's
        assert np.abs(sound).max() > 1e-3


def test_a_film_gains_the_sound_of_another_synth(runs, clip, tmp_path, capsys):
    out = tmp_path / "heard.mp4"
    assert rendered(capsys, clip, out, runs["dbn"], synth="granular") == (0, "")
    info = probe(out)
    assert info.has_video and info.has_audio and abs(info.duration_secs - 1.2) < 0.1


def test_the_seed_decides_what_grains_are_drawn(runs, clip, tmp_path, capsys):
    made = []
    for name, seed in [("a.wav", 0), ("b.wav", 0), ("c.wav", 1)]:
        rendered(capsys, clip, tmp_path / name, runs["dbn"], synth="granular", seed=seed)
        made.append(soundfile.read(tmp_path / name)[0])
    assert np.array_equal(made[0], made[1]) and not np.array_equal(made[0], made[2])


def test_options_that_cannot_be(runs, clip, reference, tmp_path, capsys):
    out, painter = tmp_path / "heard.wav", make_visual_run(tmp_path / "painter").directory
    auto, dbn = runs["autoencoder"], runs["dbn"]
    mute = film(tmp_path / "mute.mkv")
    short = tmp_path / "short.wav"
    soundfile.write(short, heard_sound(0.1), RATE)
    for run, options, message in [
        (auto, {"synth": "piano"}, "invalid choice 'piano'"),
        (auto, {"synth": "exemplar"}, "has none: name one with --reference"),
        (auto, {"reference": reference}, "got --reference, but nothing is taken from it: leave it"),
        (auto, {"synth": "exemplar", "reference": tmp_path / "gone.wav"}, "gone.wav: no such file"),
        (auto, {"synth": "exemplar", "reference": mute}, "mute.mkv"),
        (auto, {"synth": "exemplar", "reference": short}, "got a reference of 0.100 s, wanted two"),
        (dbn, {"size": "64x64"}, f"got --size, but {dbn} makes sound: leave it out"),
    ]:
        status, told = rendered(capsys, clip, out, run, **options)
        assert status == 2 and told.count("\n") == 1 and message in told, told
    for options, message in [
        ({"synth": "raw"}, f"got --synth, but {painter} makes no sound: leave it out"),
        ({"reference": reference}, f"got --reference, but {painter} makes no sound: leave it out"),
    ]:
        status, told = rendered(capsys, reference, tmp_path / "seen.mp4", painter, **options)
        assert status == 2 and told == f"wyh render: {message}\n"
    assert not out.exists() and not (tmp_path / "seen.mp4").exists()
