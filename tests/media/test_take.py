import os
import resource
import signal
import time
from contextlib import contextmanager

import numpy as np
import pytest

from tests.media import takes
from wyh.errors import WyhError
from wyh.media import take, whole
from wyh.media.take import TakeWriter, free_name
from wyh.specs import tick_start

pytestmark = pytest.mark.usefixtures("nothing_left_behind")

ENDINGS = pytest.mark.parametrize("ending", ["mp4", "mkv", "mov"])
SPEC = takes.stream()


@contextmanager
def files_of_at_most(size):
    """A limit on the size of files stands for a full disk; processes started here have it too."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def begin(path, spec=SPEC, size=(64, 64)):
    audio = spec.audio
    return TakeWriter(
        path, sample_rate=audio.sample_rate, channels=audio.channels, video=spec.video, size=size
    )


def write(writer, ticks, first=0):
    wave = takes.sound(SPEC, first + ticks)[SPEC.latency_samples :]
    wave = wave[tick_start(first, takes.RATE, SPEC.video.frame_rate) :]
    going = [writer.write_frames(takes.picture(first + tick), 1) for tick in range(ticks)]
    return writer.write_audio(wave) and all(going)


def until(holds):
    deadline = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@ENDINGS
def test_a_take_is_in_sync_and_whole(tmp_path, ending):
    path = tmp_path / f"a.{ending}"
    writer = begin(path)
    assert write(writer, 90)
    assert writer.secs == 3.0
    assert writer.close() == ""
    frames, samples, late_ms = takes.measured(path, SPEC)
    assert frames == 90
    assert abs(samples - 3 * takes.RATE) <= 1
    assert np.abs(late_ms).max() < 2
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize("ending", ["mp4", "mov"])
def test_a_closed_take_has_its_index_in_front_and_no_fragments(tmp_path, ending):
    path = tmp_path / f"a.{ending}"
    writer = begin(path)
    write(writer, 90)
    writer.close()
    content = path.read_bytes()
    assert 0 < content.index(b"moov") < content.index(b"mdat")
    assert b"moof" not in content


@ENDINGS
def test_it_can_be_seen_while_it_is_written_and_when_all_was_killed(tmp_path, ending):
    path = tmp_path / f"a.{ending}"
    writer = begin(path)
    written = 0
    while path.stat().st_size < 20_000:
        assert write(writer, 60, first=written)
        written += 60
        time.sleep(0.02)
    writer._process.kill()  # as if the machine had lost its power
    frames, _, late_ms = takes.measured(path, SPEC, strict=False)
    assert frames >= 30
    assert np.abs(late_ms).max() < 2
    with pytest.raises(WyhError, match=rf"a\.{ending} cannot be written: the disk or ffmpeg stood"):
        writer.close()
    assert path.exists()


def test_a_stereo_take_keeps_its_sides_apart(tmp_path):
    path, spec = tmp_path / "a.mkv", takes.stream(channels=2)
    writer = begin(path, spec)
    n = np.arange(takes.RATE, dtype=np.float32)
    both = np.stack([0.5 * np.sin(n / 5), np.zeros_like(n)], axis=1)
    writer.write_audio(both)
    writer.write_frames(takes.picture(0), 30)
    writer.close()
    mixed = takes.read_audio(path, 0, takes.RATE)
    np.testing.assert_allclose(np.std(mixed) * 2, np.std(both[:, 0]), rtol=0.05)


def test_a_folder_is_made_for_it(tmp_path):
    writer = begin(tmp_path / "new" / "a.mp4")
    write(writer, 30)
    writer.close()
    assert (tmp_path / "new" / "a.mp4").exists()


def test_nothing_is_left_of_no_pictures(tmp_path):
    writer = begin(tmp_path / "a.mp4")
    writer.write_audio(np.zeros(1000, np.float32))
    assert writer.close() == ""
    assert not list(tmp_path.iterdir())


def test_a_file_that_is_there_is_not_touched(tmp_path):
    (tmp_path / "a.mp4").write_bytes(b"old")
    with pytest.raises(WyhError, match=r"a\.mp4 cannot be written: File exists"):
        begin(tmp_path / "a.mp4")
    assert (tmp_path / "a.mp4").read_bytes() == b"old"


def test_the_next_free_name(tmp_path):
    path = tmp_path / "my.take.mp4"
    assert free_name(path) == path
    path.touch()
    assert free_name(path).name == "my.take-2.mp4"
    (tmp_path / "my.take-2.mp4").touch()
    (tmp_path / "my.take-4.mp4").touch()
    assert free_name(path).name == "my.take-3.mp4"


def test_places_that_cannot_be_written(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(WyhError, match=r"a\.mp4 cannot be written: "):
        begin(tmp_path / "file" / "a.mp4")
    with pytest.raises(WyhError, match=r"a\.avi: wanted a name ending in \.mp4, \.mov or \.mkv"):
        begin(tmp_path / "a.avi")


@ENDINGS
def test_a_disk_that_fills_keeps_what_was_written(tmp_path, ending):
    path = tmp_path / f"a.{ending}"
    with files_of_at_most(30_000):
        writer = begin(path)
    written = 0
    while write(writer, 30, first=written):
        written += 30
        time.sleep(0.01)
    with pytest.raises(WyhError, match=rf"a\.{ending} cannot be written: ") as error:
        writer.close()
    assert "\n" not in str(error.value)
    frames, _, late_ms = takes.measured(path, SPEC, strict=False)
    assert 30 <= frames <= written
    assert np.abs(late_ms).max() < 2


def test_a_disk_that_is_full_leaves_nothing(tmp_path):
    with files_of_at_most(0):
        writer = begin(tmp_path / "a.mkv")
    written = 0
    while write(writer, 30, first=written):
        written += 30
        time.sleep(0.01)
    with pytest.raises(WyhError, match=r"a\.mkv cannot be written: "):
        writer.close()
    assert not list(tmp_path.iterdir())


def test_no_room_for_a_plain_copy_leaves_the_fragments(tmp_path, monkeypatch):
    link = tmp_path / "full.part"
    link.symlink_to("/dev/full")
    monkeypatch.setattr(whole, "_reserve", lambda path: link)
    writer = begin(tmp_path / "a.mp4")
    write(writer, 60)
    assert "a.mp4 cannot be written: " in writer.close()
    assert takes.measured(tmp_path / "a.mp4", SPEC)[0] == 60


def test_an_ffmpeg_that_stands_still_ends_the_take(tmp_path, monkeypatch):
    monkeypatch.setattr(take, "_BEHIND_SECS", 1.0)
    path = tmp_path / "a.mp4"
    writer = begin(path)
    assert write(writer, 30)
    until(lambda: path.stat().st_size or all(not f.waiting_bytes for f in writer._feeds))
    os.kill(writer._process._popen.pid, signal.SIGSTOP)
    going = [writer.write_frames(takes.picture(tick), 1) for tick in range(3000)]
    assert not going[-1]
    with pytest.raises(WyhError, match="cannot be written: the disk or ffmpeg stood still"):
        writer.close()


def test_an_ffmpeg_that_never_ends_is_not_waited_for(tmp_path, monkeypatch):
    monkeypatch.setattr(take, "_PATIENCE_SECS", 0.2)
    writer = begin(tmp_path / "a.mp4")
    write(writer, 30)
    os.kill(writer._process._popen.pid, signal.SIGSTOP)
    with pytest.raises(WyhError, match="cannot be written: the disk or ffmpeg stood still"):
        writer.close()


def test_a_picture_that_was_held_for_long_is_not_written(tmp_path):
    writer = begin(tmp_path / "a.mp4")
    assert write(writer, 30)
    assert not writer.write_frames(takes.picture(0), 30 * 3600)
    writer.close()
    assert takes.measured(tmp_path / "a.mp4", SPEC)[0] == 30
