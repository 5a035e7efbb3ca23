import json
import os
import resource
import signal
import subprocess
import sys
import time
from fractions import Fraction

import numpy as np
import pytest

from data_prep import video
from data_prep.video import Config, prepare
from wyh.dataset import is_dataset, open_dataset, to_waveform
from wyh.errors import WyhError
from wyh.media import ffmpeg


def run_ffmpeg(*arguments):
    subprocess.run([ffmpeg.executable(), "-v", "error", "-y", *map(str, arguments)], check=True)


def make_video(path, secs=6.0, rate="24", size="96x64", sound=True, arguments=()):
    """Footage whose brightness is 16 + 20 * second, and whose sound clicks each second."""
    grey = f"color=black:size={size}:rate={rate}:duration={secs}"
    sources = ["-f", "lavfi", "-i", grey]
    if sound:
        click = "aevalsrc='0.5*lt(mod(t,1),0.01)':s=22050"
        sources += ["-f", "lavfi", "-i", f"{click}:d={secs}", "-c:a", "pcm_s16le"]
    levels = "format=gray,geq=lum='16+20*floor(T)',format=yuv420p"
    codec = ["-vf", levels, "-c:v", "mpeg4", "-q:v", "1"]
    run_ffmpeg(*sources, *codec, *arguments, path)
    return path


@pytest.fixture(scope="session")
def clip(tmp_path_factory):
    return make_video(tmp_path_factory.mktemp("footage") / "clip.mkv")


def config(inputs, out, **options):
    options = {"sample_rate": 8000, "workers": 1, "size": "16x12", **options}
    return Config(tuple(inputs), out, **options)


def run(*arguments, **options):
    return subprocess.run(
        [sys.executable, "-m", "data_prep.video", *map(str, arguments)],
        capture_output=True,
        text=True,
        **options,
    )


def windows_of(dataset, split):
    return dataset.decode(list(dataset.split(split)))


def test_one_take_is_cut_into_synced_windows_and_held_out_by_blocks(clip, tmp_path):
    dataset = open_dataset(prepare(config([clip], tmp_path / "set")))
    assert dataset.spec.video.frame_rate == 24
    assert dataset.spec.frames_shape == (1, 12, 16, 3)
    assert [r.name for r in dataset.recordings] == ["clip.mkv"]
    # Second 4 of 6 is held out, and 6 frames each side of it are left out.
    assert (dataset.count("train"), dataset.count("test")) == (144 - 24 - 12, 24)
    test = windows_of(dataset, "test")
    np.testing.assert_allclose(test["start_secs"], 4 + np.arange(24) / 24)
    train = windows_of(dataset, "train")
    for batch in (test, train):
        second = np.floor(batch["start_secs"] + 1e-9)
        brightness = batch["frames"].mean((1, 2, 3, 4))
        np.testing.assert_allclose(brightness, 16 + 20 * second, atol=4)
        # The click of 10 ms lies in the first window of each second, and at its beginning.
        loud = np.abs(to_waveform(batch["audio"])).max(-1) > 0.2
        np.testing.assert_array_equal(loud, batch["start_secs"] % 1 < 1e-9)
        first_click = to_waveform(batch["audio"][loud])
        assert (np.abs(first_click[:, 5:75]) > 0.4).all()
        assert (np.abs(first_click[:, 90:]) < 0.1).all()


def test_options(clip, tmp_path):
    options = {"frame_rate": "10", "frames_per_window": 4, "channels": 1, "holdout": 0.0}
    dataset = open_dataset(prepare(config([clip], tmp_path, **options)))
    assert dataset.spec.frames_shape == (4, 12, 16, 1)
    assert dataset.spec.video.frame_rate == 10
    assert (dataset.count("train"), dataset.count("test")) == (15, 0)
    assert windows_of(dataset, "train")["audio"].shape == (15, 3200)


def test_a_file_given_twice_is_taken_once_and_hidden_ones_never(clip, tmp_path):
    for folder in ("a", ".hidden"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "x.mkv").symlink_to(clip)
    dataset = open_dataset(prepare(config([tmp_path, clip], tmp_path / "out", workers=2)))
    assert [tuple(r) for r in dataset.recordings] == [("clip.mkv", 108, 24)]


def test_same_names_in_two_folders(tmp_path):
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        make_video(tmp_path / folder / "x.mkv", secs=1 + (folder == "b"))
    given = [tmp_path / "a", tmp_path / "b"]
    one, two = (
        open_dataset(prepare(config(given, tmp_path / f"out{workers}", workers=workers)))
        for workers in (1, 2)
    )
    assert [tuple(r) for r in one.recordings] == [("a/x.mkv", 24, 0), ("b/x.mkv", 0, 48)]
    assert one.recordings == two.recordings
    for split in ("train", "test"):
        for left, right in zip(one.paths(split), two.paths(split), strict=True):
            assert left.read_bytes() == right.read_bytes()


def test_angles_of_one_take_share_their_blocks(tmp_path):
    for angle in (1, 2):
        make_video(tmp_path / f"seq_angle{angle}.mkv", secs=3, sound=False)
    dataset = open_dataset(prepare(config([tmp_path], tmp_path / "out")))
    assert [(r.train, r.test) for r in dataset.recordings] == [(72 - 24 - 6, 24)] * 2
    assert not windows_of(dataset, "train")["audio"].any()


def test_mixed_folder_by_the_command(clip, tmp_path):
    folder = tmp_path / "footage"
    folder.mkdir()
    os.link(clip, folder / "good.mkv")
    (folder / "notes.txt").write_text("nothing to see")
    (folder / "empty.mp4").touch()
    (folder / "cut.mkv").write_bytes(clip.read_bytes()[: clip.stat().st_size // 2])
    make_video(folder / "sound.mka", secs=1, arguments=["-map", "1:a"])
    out = tmp_path / "set"
    told = run(folder, "--out", out, "--size", "16")
    assert told.returncode == 0, told.stderr
    assert told.stdout.splitlines()[-1] == str(out)
    for name in ("notes.txt", "empty.mp4", "cut.mkv", "sound.mka"):
        assert [line for line in told.stderr.splitlines() if name in line], told.stderr
    dataset = open_dataset(out)
    # Of two takes one could not be read: the other is divided by blocks.
    assert [tuple(r) for r in dataset.recordings] == [("good.mkv", 108, 24)]


@pytest.mark.parametrize("name", ["notes.txt", "empty.mp4", "none.mp4", "sound.mka"])
def test_nothing_usable_is_one_line_and_status_2(tmp_path, name):
    if name == "notes.txt":
        (tmp_path / name).write_text("nothing to see")
    elif name == "empty.mp4":
        (tmp_path / name).touch()
    elif name == "sound.mka":
        make_video(tmp_path / name, secs=1, arguments=["-map", "1:a"])
    told = run(tmp_path / name, "--out", tmp_path / "set")
    assert told.returncode == 2
    assert told.stdout == ""
    assert len(told.stderr.splitlines()) == 1
    assert name in told.stderr
    assert not (tmp_path / "set").exists()


def test_errors(clip, tmp_path):
    out = tmp_path / "set"
    (tmp_path / "empty").mkdir()
    for message, inputs, options in [
        ("got no files, wanted video files", [], {}),
        ("got no files, wanted video files", [tmp_path / "empty"], {}),
        ("no such file or directory", [tmp_path / "none"], {}),
        ("wanted 0 .none. to 0.5", [clip], {"holdout": 0.9}),
        ("got -1 workers", [clip], {"workers": -1}),
        ("got the size '4:3', wanted pixels", [clip], {"size": "4:3"}),
        ("got width 4 pixels", [clip], {"size": "4x64"}),
        ("got the rate 'x'", [clip], {"frame_rate": "x"}),
        ("got sample rate 1 Hz", [clip], {"sample_rate": 1}),
        ("got 0 frames per window", [clip], {"frames_per_window": 0}),
        ("too short for a window of 145 frames", [clip], {"frames_per_window": 145}),
    ]:
        with pytest.raises(WyhError, match=message):
            prepare(config(inputs, out, **options))
        assert not out.exists()


def test_a_folder_with_only_other_files(tmp_path):
    (tmp_path / "a.txt").touch()
    (tmp_path / "b.jpg").touch()
    with pytest.raises(WyhError, match=r"none of the 2 files can be used; the first: .*a.txt"):
        prepare(config([tmp_path], tmp_path / "set"))


def test_frame_rates_that_disagree(tmp_path, capsys):
    make_video(tmp_path / "a.mkv", secs=1, rate="25")
    make_video(tmp_path / "b.mkv", secs=1, rate="50")
    dataset = open_dataset(prepare(config([tmp_path], tmp_path / "set")))
    assert dataset.spec.video.frame_rate == Fraction(25)
    assert [r.train + r.test for r in dataset.recordings] == [25, 25]
    assert "b.mkv has 50 frames a second, a.mkv 25: all are taken at 25" in capsys.readouterr().err


def test_too_short_to_hold_anything_out(tmp_path, capsys):
    make_video(tmp_path / "a.mkv", secs=0.5)
    dataset = open_dataset(prepare(config([tmp_path / "a.mkv"], tmp_path / "set")))
    assert (dataset.count("train"), dataset.count("test")) == (12, 0)
    assert "too short to keep any of it for testing" in capsys.readouterr().err


def test_prepared_again_it_is_ready_at_once_and_other_options_are_refused(
    clip, tmp_path, monkeypatch
):
    prepare(config([clip], tmp_path))
    before = {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    monkeypatch.setattr(video, "cut_recording", None)
    assert prepare(config([clip], tmp_path)) == tmp_path
    assert {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()} == before
    with pytest.raises(WyhError, match="already holds a data set of other inputs or options"):
        prepare(config([clip], tmp_path, size="32"))


def test_the_cache_has_a_folder_for_every_set_of_inputs_and_options(clip, tmp_path):
    first = video.prepare_cached(config([clip], tmp_path))
    assert video.prepare_cached(config([clip], tmp_path)) == first
    second = video.prepare_cached(config([clip], tmp_path, size="8"))
    assert sorted(tmp_path.iterdir()) == sorted([first, second])
    assert is_dataset(first)
    assert is_dataset(second)


def test_an_interrupted_preparation_goes_on_where_it_stopped(tmp_path, monkeypatch):
    for name in ("a", "b", "c"):
        make_video(tmp_path / f"{name}.mkv", secs=1)
    expected = open_dataset(prepare(config([tmp_path], tmp_path / "whole")))
    cut, seen = video.cut_recording, []

    def stops(task):
        seen.append(task.name)
        if task.name == "b.mkv":
            raise KeyboardInterrupt
        return cut(task)

    out = tmp_path / "set"
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(video, "cut_recording", stops)
        prepare(config([tmp_path], out))
    assert seen == ["a.mkv", "b.mkv"]
    with pytest.raises(WyhError, match="its preparation was interrupted"):
        open_dataset(out)

    def opened(path, *arguments, **options):
        seen.append(os.path.basename(path))
        return real(path, *arguments, **options)

    real = video.open_video
    seen.clear()
    monkeypatch.setattr(video, "open_video", opened)
    dataset = open_dataset(prepare(config([tmp_path], out)))
    assert seen == ["b.mkv", "c.mkv"]
    for split in ("train", "test"):
        assert dataset.paths(split)[0].read_bytes() == expected.paths(split)[0].read_bytes()
    assert not list(out.glob(".*"))


@pytest.mark.parametrize("workers", [1, 2])
def test_a_full_disk_is_one_line_and_status_2(tmp_path, workers):
    for name in ("a", "b"):
        make_video(tmp_path / f"{name}.mkv", secs=2)
    out = tmp_path / "set"

    arguments = [tmp_path, "--out", out, "--workers", workers]
    # Set here, for the child to inherit: a function between fork and exec suits no threads.
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limits[1]))
    try:
        told = run(*arguments)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert told.returncode == 2, told.stderr
    (line,) = told.stderr.splitlines()
    assert "File too large; mend that and run it again" in line
    with pytest.raises(WyhError, match="its preparation was interrupted"):
        open_dataset(out)
    assert run(*arguments).returncode == 0
    assert open_dataset(out).count("train") == 48


@pytest.mark.parametrize("workers", [1, 2])
def test_ctrl_c_leaves_nothing_that_opens_and_ends_with_130(clip, tmp_path, workers):
    for name in ("a", "b"):
        many = ["-stream_loop", "300", "-i", clip, "-an", "-c", "copy"]
        run_ffmpeg(*many, tmp_path / f"{name}.mkv")
    out = tmp_path / "set"
    arguments = [sys.executable, "-m", "data_prep.video", str(tmp_path), "--out", str(out)]
    arguments += ["--workers", str(workers)]
    process = subprocess.Popen(arguments, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 60
    while not list(out.glob(".preparing-*/*.part")):
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    _, told = process.communicate(timeout=60)
    assert process.returncode == 130, told
    assert "Traceback" not in told
    assert not list(out.glob(".preparing-*/*.tfrecord"))
    with pytest.raises(WyhError, match="its preparation was interrupted"):
        open_dataset(out)


def test_the_index_names_no_folder_of_this_machine(clip, tmp_path):
    prepare(config([clip], tmp_path))
    told = json.dumps(json.loads((tmp_path / "wyh.json").read_text()))
    assert str(clip.parent) not in told
    assert str(tmp_path) not in (tmp_path / "dataset_info.json").read_text()
