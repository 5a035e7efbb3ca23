import io
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
import soundfile

from tests.conftest import TINY_MODEL, ended, left_to_right, make_run
from tests.media.clips import read_audio, read_video, run_ffmpeg
from wyh import cli, render, rendering
from wyh.errors import WyhError
from wyh.media import ffmpeg
from wyh.media.decode import open_video, probe
from wyh.render import Config, plan
from wyh.runs import load_run, load_variables, save_variables
from wyh.specs import VideoSpec
from wyh.synths.noise import NoiseConfig
from wyh.transducers.autoencoder import SonifierConfig
from wyh.transducers.kinds import load_player
from wyh.transducers.offline import sonify
from wyh.windows import on_grid

# Sound fine enough to measure milliseconds.
FINE = SonifierConfig(
    TINY_MODEL,
    NoiseConfig(22050, n_fft=256, hop_length=64, low_hz=100, high_hz=10_000),
    loudness="linear",
)
SMALL = VideoSpec(Fraction(25), 16, 16, 1, "stretch")


def film(path, secs=1.0, rate="25", size="64x48", arguments=("-c:v", "libx264")):
    """A moving picture without sound."""
    source = f"testsrc2=size={size}:rate={rate}:duration={secs}"
    run_ffmpeg("-f", "lavfi", "-i", source, "-pix_fmt", "yuv420p", *map(str, arguments), str(path))
    return path


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    return film(tmp_path_factory.mktemp("clips") / "clip.mp4")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return make_run(tmp_path_factory.mktemp("runs") / "run").directory


def rendered(capsys, *inputs, out, **options):
    """`(status, stdout lines, stderr lines)` of the command; 0 where it simply returned."""
    status, said, told = ended(
        capsys, render.main, Config, "wyh render", *inputs, out=out, **options
    )
    return status, said.splitlines(), told.splitlines()


def refused(capsys, *inputs, out, **options):
    """The one line of a command that cannot be done; nothing is left of it."""
    folder = next(path for path in (out, *out.parents) if path.is_dir())
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    status, said, told = rendered(capsys, *inputs, out=out, **options)
    assert (status, said) == (2, [])
    assert len(told) == 1, told
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == before
    return told[0].removeprefix("wyh render: ")


def sound_of(path):
    sound, rate = soundfile.read(path, dtype="float32")
    return sound, rate


def test_a_film_becomes_a_sound_of_its_length(clip, run, tmp_path, capsys):
    out = tmp_path / "sub" / "heard.wav"
    assert rendered(capsys, clip, out=out, run=run) == (0, [str(out)], [])
    sound, rate = sound_of(out)
    assert (rate, sound.ndim, len(sound)) == (8000, 1, 8000)
    assert np.sqrt(np.mean(sound**2)) > 1e-3
    assert [path.name for path in tmp_path.rglob("*")] == ["sub", "heard.wav"]


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".mov"])
def test_a_film_keeps_its_picture_untouched_and_gains_sound(clip, run, tmp_path, capsys, suffix):
    out = tmp_path / f"heard{suffix}"
    assert rendered(capsys, clip, out=out, run=run) == (0, [str(out)], [])
    info = probe(out)
    assert info.has_video and info.has_audio
    for before, after in zip(read_video(clip, SMALL), read_video(out, SMALL), strict=True):
        np.testing.assert_allclose(after, before, atol=2e-3)
    sound = read_audio(out, read_video(out, SMALL)[0][0], rate=8000)
    # Encoders fill up their last frame.
    assert 8000 <= len(sound) + 1 and len(sound) / 8000 < 1 + 0.3
    assert np.abs(sound[:7900]).max() > 1e-3


def test_the_same_seed_makes_the_same_file(clip, run, tmp_path, capsys):
    def made(name, seed):
        out = tmp_path / name
        rendered(capsys, clip, out=out, run=run, seed=seed, set="phase=random")
        return sound_of(out)[0]

    assert np.array_equal(made("a.wav", 0), made("b.wav", 0))
    assert not np.array_equal(made("a.wav", 0), made("c.wav", 1))


def test_knobs_are_turned(clip, run, tmp_path, capsys):
    out = tmp_path / "a.wav"
    rendered(capsys, clip, out=out, run=run, set="gain_db=-20")  # under the limiter's ceiling
    plain = sound_of(out)[0]
    words = ["--out", str(out), "--run", str(run), "--set", "gain_db=-40", "phase=continuous"]
    cli.run(render.main, Config, "wyh render", argv=[str(clip), *words])
    np.testing.assert_allclose(sound_of(out)[0], plain / 10, atol=1.5 / 32768)


@pytest.mark.parametrize("timbre", [0, 1])
def test_in_stereo_the_left_of_the_picture_is_heard_from_the_left(timbre, tmp_path):
    sound = SonifierConfig(replace(TINY_MODEL, smoothing=0), FINE.synth, loudness="linear")
    run = make_run(tmp_path / "run", sound=sound)
    save_variables(run, left_to_right(sound, run.stream.video))  # spread evenly without "pan"
    lit = "color=black:size=64x64:rate=10:duration=2,drawbox=w=20:h=64:color=white:t=fill"
    run_ffmpeg("-f", "lavfi", "-i", lit, "-c:v", "ffv1", str(tmp_path / "lit.mkv"))
    out = tmp_path / "heard.wav"
    words = ["--out", str(out), "--run", str(run.directory), "--stereo", "--set"]
    words += [f"timbre={timbre}"]
    cli.run(render.main, Config, "wyh render", argv=[str(tmp_path / "lit.mkv"), *words])
    heard, rate = sound_of(out)
    assert (rate, heard.shape) == (22050, (2 * 22050, 2))
    left, right = 10 * np.log10(np.mean(heard[5000:-5000] ** 2, axis=0))
    assert left - right > 6
    cli.run(render.main, Config, "wyh render", argv=[str(tmp_path / "lit.mkv"), *words, "width=0"])
    heard, _ = sound_of(out)
    np.testing.assert_allclose(heard[:, 0], heard[:, 1], atol=1e-4)


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_a_film_gains_stereo_sound(clip, run, tmp_path, suffix):
    out, wav = tmp_path / f"heard{suffix}", tmp_path / "heard.wav"
    words = ["--out", str(out), "--run", str(run), "--stereo"]
    cli.run(render.main, Config, "wyh render", argv=[str(clip), *words])
    run_ffmpeg("-i", str(out), str(wav))
    heard, _ = sound_of(wav)
    assert heard.shape[1] == 2
    assert np.abs(np.diff(heard, axis=1)).max() > 1e-3


@pytest.mark.parametrize("timbre", [0, 1])
def test_a_black_film_is_silent_where_that_is_wanted(timbre, run, tmp_path, capsys):
    dark = "color=black:size=64x64:rate=10:duration=1"
    run_ffmpeg("-f", "lavfi", "-i", dark, "-c:v", "ffv1", str(tmp_path / "dark.mkv"))
    levels = []
    for knob in ("black=0", "black=1"):
        words = ["--out", str(tmp_path / "heard.wav"), "--run", str(run), "--set"]
        argv = [str(tmp_path / "dark.mkv"), *words, knob, f"timbre={timbre}"]
        cli.run(render.main, Config, "wyh render", argv=argv)
        levels.append(np.abs(sound_of(tmp_path / "heard.wav")[0]).max())
    assert levels[0] > 1e-3 and levels[1] < 1e-4


def flashes(path, rate, secs, arguments):
    """A black film whose every so many-th frame is white; which they are."""
    count = round(secs * rate)
    lit = np.arange(round(rate / 2), count - 8, round(rate * 0.6))
    lit += np.arange(len(lit)) % 3
    frames = np.zeros((count, 32, 32), np.uint8)
    frames[lit] = 255
    look = ["-f", "rawvideo", "-pix_fmt", "gray", "-s", "32x32", "-r", str(rate), "-i", "-"]
    command = [ffmpeg.executable(), "-v", "error", "-y", *look, "-pix_fmt", "yuv420p"]
    subprocess.run([*command, *arguments, str(path)], input=frames.tobytes(), check=True)
    return lit


@pytest.mark.parametrize(
    ("rate", "name", "out_name", "arguments"),
    [
        (25, "a.mp4", "out.mp4", ["-c:v", "libx264", "-bf", "2"]),
        (25, "a.mkv", "out.wav", ["-c:v", "libx264"]),
        (Fraction(24000, 1001), "a.mkv", "out.mkv", ["-c:v", "libx264"]),
        (25, "a.ts", "out.mp4", ["-c:v", "libx264", "-bf", "2"]),
        (25, "late.mkv", "out.mkv", ["-c:v", "libx264", "-output_ts_offset", "3.21"]),
        (30, "a.nut", "out.mp4", ["-c:v", "ffv1", "-pix_fmt", "gray"]),
    ],
)
def test_each_picture_sounds_at_its_time(rate, name, out_name, arguments, tmp_path, capsys):
    rate, secs = Fraction(rate), 16
    lit = flashes(tmp_path / name, rate, secs, arguments)
    run = make_run(tmp_path / "run", frame_rate=rate, sound=FINE, bright_is_loud=True)
    out = tmp_path / out_name
    status, _, told = rendered(
        capsys, tmp_path / name, out=out, run=run.directory, set="phase=random"
    )
    assert (status, told) == (0, [])
    if out.suffix == ".wav":
        first, shown = 0.0, (lit + 0.5) / float(rate)
        sound = sound_of(out)[0]
    else:
        times, pixels = read_video(out, SMALL)
        assert len(times) == round(secs * rate)
        white = np.flatnonzero(pixels.mean((1, 2, 3)) > 128)
        assert len(white) == len(lit)
        first, shown = times[0], times[white] + 0.5 / float(rate)
        sound = read_audio(out, first, rate=22050)
    errors = []
    for secs in shown - first:
        reach = slice(round((secs - 0.1) * 22050), round((secs + 0.1) * 22050))
        power = sound[reach].astype(float) ** 2
        assert power.sum() > 0
        errors.append(np.average(np.arange(reach.start, reach.stop), weights=power) / 22050 - secs)
    assert abs(np.mean(errors)) < 0.002
    assert len(errors) > 20 and np.max(np.abs(errors)) < 0.02


VFR = "settb=1/1000,setpts='floor(N/3)*100+eq(mod(N,3),1)*20+eq(mod(N,3),2)*70'"


@pytest.mark.parametrize(
    ("rate", "size", "name", "arguments"),
    [
        ("12", "64x48", "a.mp4", ["-c:v", "libx264"]),
        ("30000/1001", "50x90", "a.mov", ["-c:v", "mpeg4"]),
        ("30", "64x48", "vfr.mkv", ["-vf", VFR, "-fps_mode", "passthrough", "-c:v", "libx264"]),
        ("120", "64x48", "a.webm", ["-c:v", "libvpx", "-deadline", "realtime"]),
        ("2", "320x18", "a.avi", ["-c:v", "mjpeg", "-pix_fmt", "yuvj420p"]),
    ],
)
def test_footage_of_any_rate_and_size(rate, size, name, arguments, run, tmp_path, capsys):
    source = film(tmp_path / name, 3.0, rate, size, arguments)
    times, pixels = read_video(source, SMALL)
    length = times[-1] - times[0] + (times[-1] - times[-2])
    for out in (tmp_path / "out.wav", tmp_path / "out.mp4"):
        assert rendered(capsys, source, out=out, run=run) == (0, [str(out)], [])
    sound, _ = sound_of(tmp_path / "out.wav")
    frame = max(0.1, float(1 / Fraction(rate)))  # the run's frame or the footage's
    assert abs(len(sound) / 8000 - length) <= frame
    after, shown = read_video(tmp_path / "out.mp4", SMALL)
    assert len(shown) == len(pixels)
    np.testing.assert_allclose(np.diff(after), np.diff(times), atol=2e-3)


def test_several_inputs_go_into_a_directory(clip, run, tmp_path, capsys):
    folder = tmp_path / "in"
    (folder / "deep").mkdir(parents=True)
    for name in ("one.mp4", "deep/two.mp4", "deep/one.mp4"):
        (folder / name).write_bytes(clip.read_bytes())
    (folder / "readme.txt").write_text("hello")
    (folder / ".hidden.mp4").write_text("no film")
    out = tmp_path / "out"
    status, said, told = rendered(capsys, folder, clip, out=out, run=run, format="wav")
    assert (status, told) == (0, [])
    names = sorted(path.name for path in out.iterdir())
    assert names == ["clip.wav", "one-2.wav", "one.wav", "two.wav"]
    assert sorted(said) == [str(out / name) for name in names]


def test_a_mixed_folder_is_done_as_far_as_it_goes(clip, run, tmp_path, capsys):
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "good.mp4").write_bytes(clip.read_bytes())
    (folder / "bad.mp4").write_text("this is no film")
    (folder / "cut.mp4").write_bytes(clip.read_bytes()[:-2000])
    (folder / "empty.mkv").write_bytes(b"")
    (folder / "README").write_text("hello")
    out = tmp_path / "out"
    status, said, told = rendered(capsys, folder, out=out, run=run, format="wav")
    assert (status, said) == (0, [str(out / "good.wav")])
    assert len(told) == 4 and all(line.startswith("left out: ") for line in told)
    for name in ("bad.mp4", "cut.mp4", "empty.mkv", "README"):
        assert sum(name in line for line in told) == 1
    assert [path.name for path in out.iterdir()] == ["good.wav"]


def test_a_folder_of_nothing_but_bad_files(run, tmp_path, capsys):
    for name in ("a.mp4", "b.mp4"):
        (tmp_path / name).write_text("this is no film")
    told = refused(capsys, tmp_path, out=tmp_path / "out", run=run)
    assert "a.mp4 is no media file" in told and told.endswith("(and 1 more)")


def test_where_the_outputs_go():
    def planned(*inputs, out, **options):
        return [job[1].name for job in plan(Config(inputs, out, **options))]

    here = render.Path(__file__)
    assert planned(here, out=here.parent / "x.WAV") == ["x.WAV"]
    assert planned(here, out=here.parent / "new") == ["test_render.mp4"]
    assert planned(here, out=here.parent, format="mkv") == ["test_render.mkv"]


@pytest.mark.parametrize(
    ("name", "inputs", "message"),
    [
        ("x.ogg", ["a.mp4"], "x.ogg, wanted a name in .wav, .mp4, .mkv, .mov"),
        ("x.wav", ["a.mp4", "b.mp4"], "x.wav for 2 inputs, wanted a directory"),
        ("x.wav", ["a.mp4", "none.mp4"], "none.mp4: no such file or directory"),
        ("x.wav", ["empty"], "got no video files, wanted at least one"),
        ("x.wav", ["texts"], "got no video files, wanted at least one"),
        ("a.mp4", ["a.mp4"], "a.mp4 is an input itself: choose another --out"),
        ("texts", ["texts/../a.mp4", "texts"], ""),
    ],
)
def test_what_cannot_be_planned(name, inputs, message, clip, run, tmp_path, capsys):
    (tmp_path / "empty").mkdir()
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts/a.txt").write_text("hello")
    for film_name in ("a.mp4", "b.mp4"):
        (tmp_path / film_name).write_bytes(clip.read_bytes())
    given = [tmp_path / word for word in inputs]
    if not message:
        assert rendered(capsys, *given, out=tmp_path / name, run=run)[0] == 0
    else:
        assert message in refused(capsys, *given, out=tmp_path / name, run=run)


def test_no_input_is_ever_written_over(clip, run, tmp_path, capsys):
    for name in ("film.mov", "film.mp4"):
        (tmp_path / name).write_bytes(clip.read_bytes())
    told = refused(capsys, tmp_path, out=tmp_path, run=run)
    assert "film.mp4 is an input itself: choose another --out" in told
    os.link(tmp_path / "film.mp4", tmp_path / "link.mp4")
    told = refused(capsys, tmp_path / "film.mp4", out=tmp_path / "link.mp4", run=run)
    assert "link.mp4 is an input itself" in told


def test_an_earlier_output_in_the_folder_is_no_input(clip, run, tmp_path, capsys):
    (tmp_path / "film.mp4").write_bytes(clip.read_bytes())
    for _ in range(2):
        assert rendered(capsys, tmp_path, out=tmp_path / "heard.mp4", run=run)[0] == 0


def test_bad_inputs(clip, run, tmp_path, capsys):
    whole = clip.read_bytes()
    silent = ["-f", "lavfi", "-i", "anullsrc=r=8000:d=1"]
    run_ffmpeg(*silent, str(tmp_path / "sound.m4a"))
    run_ffmpeg("-i", str(clip), "-c", "copy", str(tmp_path / "whole.mkv"))
    matroska = (tmp_path / "whole.mkv").read_bytes()
    film(tmp_path / "long.mp4", 4.0, "25", "160x120", ["-c:v", "libx264", "-bf", "0"])
    damaged = bytearray((tmp_path / "long.mp4").read_bytes())
    middle = (damaged.index(b"mdat") + damaged.index(b"moov")) // 2
    damaged[middle : middle + 400] = np.random.default_rng(5).bytes(400)
    files = {
        "empty.mp4": (b"", "is empty (0 bytes)"),
        "text.mp4": (b"this is no film\n" * 100, "is no media file"),
        "noise.mkv": (np.random.default_rng(0).bytes(5000), "is no media file"),
        "cut.mp4": (whole[:-2000], "its end is cut off (no index found)"),
        "cut.mkv": (matroska[: len(matroska) * 2 // 3], "cut.mkv"),
        "damaged.mp4": (bytes(damaged), "is damaged near"),
        "sound.m4a": ((tmp_path / "sound.m4a").read_bytes(), "has only sound, wanted a video"),
    }
    for suffix in ("wav", "mp4"):
        for name, (content, message) in files.items():
            (tmp_path / name).write_bytes(content)
            told = refused(capsys, tmp_path / name, out=tmp_path / f"out.{suffix}", run=run)
            assert name in told and message in told


@pytest.mark.parametrize(
    ("name", "size", "secs", "arguments"),
    [
        ("dot.mkv", "16x16", 1.0, ["-vf", "scale=1:1", "-c:v", "ffv1", "-pix_fmt", "yuv444p"]),
        ("8k.mkv", "7680x4320", 0.08, ["-c:v", "mjpeg", "-pix_fmt", "yuvj420p"]),
        ("single.mp4", "64x48", 0.04, ["-c:v", "libx264"]),
        ("still.png", "64x48", 0.04, []),
    ],
)
def test_a_dot_a_wall_and_a_single_picture_are_films_too(
    name, size, secs, arguments, run, tmp_path, capsys
):
    source = film(tmp_path / name, secs, "25", size, arguments)
    out = tmp_path / "out.wav"
    assert rendered(capsys, source, out=out, run=run) == (0, [str(out)], [])
    assert len(sound_of(out)[0]) == (8000 if secs == 1 else 800)  # a frame of the run's 10 Hz
    if name != "still.png":
        assert rendered(capsys, source, out=tmp_path / "out.mkv", run=run)[0] == 0
        assert len(read_video(tmp_path / "out.mkv", SMALL)[0]) == round(secs * 25)


def test_bad_outputs(clip, run, tmp_path, capsys):
    (tmp_path / "file").write_text("x")
    told = refused(capsys, clip, out=tmp_path / "file" / "out.wav", run=run)
    assert "file" in told and ("Not a directory" in told or "File exists" in told)
    (tmp_path / "shut").mkdir(mode=0o500)
    if os.geteuid():
        told = refused(capsys, clip, out=tmp_path / "shut" / "out.wav", run=run)
        assert "cannot be written: Permission denied" in told


@pytest.mark.parametrize("suffix", ["wav", "mp4"])
def test_a_full_disk(clip, run, tmp_path, capsys, suffix, monkeypatch):
    if suffix == "wav":

        def full(*args, **how):
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(soundfile.SoundFile, "write", full)
        message = "No space left on device"
    else:
        # ffmpeg is given nothing, and ends early.
        monkeypatch.setattr(rendering, "sonify", lambda *a, **k: iter(()))
        monkeypatch.setattr("wyh.media.muxing.AAC", ["-c:a", "aac", "-b:a", "no number"])
        message = "cannot be written"
    assert message in refused(capsys, clip, out=tmp_path / f"out.{suffix}", run=run)


def test_bad_runs(clip, tmp_path, capsys, monkeypatch):
    out = tmp_path / "out.wav"
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("wyh.run_choice.BUNDLED", {})
    assert "got no --run, and there is none under runs/" in refused(capsys, clip, out=out)
    told = refused(capsys, clip, out=out, run=tmp_path)
    assert "is no run (it has no config.json)" in told
    run = make_run(tmp_path / "runs" / "run")
    config = run.directory / "config.json"
    for content, message in [
        ("{", "config.json cannot be read"),
        ("[]", "is not the config.json of a run"),
        ('{"format_version": 99}', "has format version 99, wanted 1: update wyh"),
        (config.read_text().replace('"sound"', '"noise"'), "config.json is damaged"),
        (config.read_text().replace('"autoencoder"', '"theremin"'), "kind 'theremin', which"),
        (config.read_text().replace('"hidden": 16', '"hidden": 17'), "do not fit the model"),
    ]:
        kept = config.read_text()
        config.write_text(content)
        assert message in refused(capsys, clip, out=out, run=run.directory)
        config.write_text(kept)
    monkeypatch.setattr(render, "load_player", looking_the_other_way(load_player))
    assert "this run makes pictures" in refused(capsys, clip, out=out, run=run.directory)
    monkeypatch.undo()
    variables = run.directory / "variables.safetensors"
    kept = variables.read_bytes()
    variables.write_bytes(kept[: len(kept) // 2])
    assert "variables.safetensors is damaged" in refused(capsys, clip, out=out, run=run.directory)
    variables.unlink()
    assert "variables.safetensors is missing" in refused(capsys, clip, out=out, run=run.directory)


def looking_the_other_way(load):
    def loaded(*arguments, **options):
        player = load(*arguments, **options)
        spec = replace(player.transducer.spec, direction="hear-see")
        return replace(player, transducer=replace(player.transducer, spec=spec))

    return loaded


def test_options_out_of_range(clip, run, tmp_path, capsys):
    out = tmp_path / "out.wav"
    for words, message in [
        ({"set": "gain_db=99"}, "got gain_db 99 dB, wanted -60 to 12 dB"),
        ({"set": "loud=1"}, "got the knob 'loud', wanted one of"),
        ({"checkpoint": "newest"}, "got the checkpoint 'newest', wanted best, latest or a step"),
        ({"checkpoint": "77"}, "77"),
        ({"transducer": "nowhere"}, "got --transducer 'nowhere', wanted module:function"),
        ({"format": "ogg"}, "invalid choice 'ogg' for argument '--format'"),
        ({"preset": "x"}, "Unrecognized options: --preset"),
    ]:
        assert message in refused(capsys, clip, out=out, run=run, **words)


def test_the_newest_run_is_played_and_named(clip, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    make_run(tmp_path / "runs/a")
    newest = make_run(tmp_path / "runs/b")
    save_variables(newest, load_variables(newest) | {"gain_db": np.float32(0)})
    assert load_run(newest.directory).created > load_run(tmp_path / "runs/a").created
    status, _, told = rendered(capsys, clip, out=tmp_path / "out.wav")
    assert (status, told) == (0, ["playing the newest run, runs/b"])


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.mark.parametrize("claimed", [None, 0.2, 1.0, 500.0])
def test_the_progress_bar_bears_any_length_that_a_file_claims(
    clip, run, tmp_path, monkeypatch, claimed
):
    screen = Terminal()
    monkeypatch.setattr(sys, "stderr", screen)
    monkeypatch.setattr(
        rendering, "probe", lambda path: replace(probe(path), duration_secs=claimed)
    )
    monkeypatch.setattr(rendering.tqdm, "__init__", always_shown(rendering.tqdm.__init__))
    render.main(Config((clip,), tmp_path / "out.wav", run))
    assert "clip.mp4:" in screen.getvalue()
    assert (tmp_path / "out.wav").exists()


def always_shown(init):
    def shown(bar, *arguments, **options):
        init(bar, *arguments, **options | {"mininterval": 0})

    return shown


def test_an_avi_with_b_frames_is_rendered_with_a_warning_of_one_line(run, tmp_path):
    source = film(tmp_path / "b.avi", 1.0, arguments=["-c:v", "mpeg4", "-bf", "2"])
    words = [source, "--out", tmp_path / "o.wav", "--run", run]
    done = subprocess.run(
        [sys.executable, "-m", "wyh", "render", *map(str, words)], capture_output=True, text=True
    )
    assert (done.returncode, done.stdout) == (0, f"{tmp_path / 'o.wav'}\n")
    assert done.stderr.startswith("wyh render: ") and "AVI with B-frames" in done.stderr
    assert done.stderr.count("\n") == 1


def test_ctrl_c_leaves_nothing_half_written(run, tmp_path):
    source = film(tmp_path / "long.mp4", 400.0, "60", "64x48", ["-c:v", "mpeg4"])
    out = tmp_path / "out"
    words = [source, "--out", out / "o.mp4", "--run", run]
    process = subprocess.Popen(
        [sys.executable, "-m", "wyh.render", *map(str, words)], stderr=subprocess.PIPE, text=True
    )
    deadline = time.monotonic() + 60
    while not (out.exists() and any(out.iterdir())) and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    told = process.communicate(timeout=60)[1]
    assert (process.returncode, told) == (130, "wyh render: stopped\n")
    assert list(out.iterdir()) == []


def test_what_is_rendered_has_no_seam_between_chunks(run, tmp_path, capsys):
    """Long enough for several chunks of frames and of sound, against one chunk of each."""
    source = film(tmp_path / "a.mp4", 15.0)
    rendered(capsys, source, out=tmp_path / "a.wav", run=run)
    player = load_player(load_run(run))
    with open_video(source, player.transducer.spec.video, chunk=400) as reader:
        frames = list(on_grid(reader, Fraction(10)))
    whole = sonify(
        player.transducer, player.variables, [np.concatenate(frames)], render.knobs.defaults()
    )
    np.testing.assert_allclose(
        sound_of(tmp_path / "a.wav")[0], np.concatenate(list(whole)), atol=1.01 / 32768
    )


def test_a_source_that_vanishes_is_one_error(run, tmp_path):
    with pytest.raises(WyhError, match="no such file"):
        render.main(Config((tmp_path / "gone.mp4",), tmp_path / "out.wav", run))
