import os
import signal
import subprocess
import sys
import threading
import time
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from tests.media import takes
from tests.media.test_take import files_of_at_most
from wyh.errors import WyhError
from wyh.live.recorder import Recorder
from wyh.live.sinks import Sink
from wyh.specs import tick_start

RATES = pytest.mark.parametrize("frame_rate", ["30", "24", "30000/1001"])
LAG_SECS = 0.08  # of the sound, behind the pictures


@pytest.fixture(autouse=True)
def nothing_left_behind(tmp_path):
    """No test leaves a half-written file, a thread or an open pipe."""
    threads, files = threading.active_count(), len(os.listdir("/dev/fd"))
    yield
    assert not list(tmp_path.glob(".wyh*"))
    assert (threading.active_count(), len(os.listdir("/dev/fd"))) == (threads, files)


class Playing:
    """A stream that flashes and beeps, into a recorder."""

    def __init__(self, path, frame_rate="30", channels=1):
        self.spec, self.notes, self.ended = takes.stream(frame_rate, channels), [], []
        self.recorder = Recorder(
            path, self.spec, self.notes.append, lambda: self.ended.append(self.recorder.recording)
        )
        self.tick = self.samples = 0
        self._sound = takes.sound(self.spec, 1000)

    def on(self, ticks, lag_secs=LAG_SECS):
        """Play so many ticks more, pictures first; a negative lag plays the sound before them."""
        for _ in range(ticks):
            self.recorder.show(takes.picture(self.tick), 1)
            self.tick += 1
            self._hear(lag_secs)

    def _hear(self, lag_secs):
        start = tick_start(self.tick, takes.RATE, self.spec.video.frame_rate)
        while self.samples + 256 <= start - lag_secs * takes.RATE:
            block = self._sound[self.samples : self.samples + 256]
            if self.spec.audio.channels == 2:
                block = np.stack([block, block], axis=1)
            self.recorder.write(block)
            self.samples += 256


def assert_in_sync(path, spec, ticks):
    frames, samples, late_ms = takes.measured(path, spec)
    assert frames == ticks
    assert abs(samples - tick_start(ticks, takes.RATE, spec.video.frame_rate)) <= 1
    assert np.abs(late_ms).max() < 3


def test_it_is_a_sink(tmp_path):
    recorder = Recorder(tmp_path / "take.mp4", takes.stream(), print)
    assert isinstance(recorder, Sink)
    recorder.close(keep=True)
    assert not list(tmp_path.iterdir())


@RATES
@pytest.mark.parametrize("ending", ["mp4", "mkv"])
def test_a_take_in_the_middle_is_in_sync(tmp_path, frame_rate, ending):
    path = tmp_path / f"take.{ending}"
    playing = Playing(path, frame_rate)
    playing.on(37)
    playing.recorder.begin()
    assert playing.recorder.recording
    playing.on(75)
    playing.recorder.end()
    assert not playing.recorder.recording
    playing.on(20)
    playing.recorder.close(keep=True)
    assert_in_sync(path, playing.spec, 75)
    secs = 75 / float(playing.spec.video.frame_rate)
    assert playing.notes == [f"recording {path}", f"recorded {path}, {secs:.1f} s"]


def test_a_take_from_the_start_to_the_end_of_the_stream(tmp_path):
    playing = Playing(tmp_path / "take.mp4", channels=2)
    playing.recorder.begin()
    playing.on(60)
    playing.recorder.close(keep=False)  # a take is kept, whatever the stream ended of
    frames, samples, late_ms = takes.measured(tmp_path / "take.mp4", playing.spec)
    assert frames == 60
    behind = LAG_SECS * takes.RATE + playing.spec.latency_samples + 256
    assert 2 * takes.RATE - behind <= samples <= 2 * takes.RATE
    assert np.abs(late_ms).max() < 3


def test_a_take_begins_with_the_first_picture_whose_sound_has_not_been(tmp_path):
    playing = Playing(tmp_path / "take.mp4")
    playing.on(20, lag_secs=-0.3)
    playing.recorder.begin()
    playing.on(5, lag_secs=-0.3)  # the pictures are behind the sound
    heard = playing.samples - playing.spec.latency_samples
    first = next(tick for tick in range(100) if tick_start(tick, takes.RATE, Fraction(30)) >= heard)
    playing.recorder.show(takes.picture(1), first + 3 - playing.tick)  # and catch up
    playing.tick = first + 3
    playing.on(80)
    playing.recorder.end()
    playing.on(20)
    playing.recorder.close(keep=True)
    assert first > 25
    assert_in_sync(tmp_path / "take.mp4", playing.spec, 83)


def test_ticks_that_were_left_out_keep_their_picture(tmp_path):
    playing = Playing(tmp_path / "take.mp4")
    playing.recorder.begin()
    playing.on(15)
    playing.recorder.show(takes.picture(7), 34)
    playing.tick += 34
    playing.on(40)
    playing.recorder.close(keep=True)
    _, pixels = takes.read_video(tmp_path / "take.mp4")
    white = pixels.mean(axis=(1, 2, 3)) > 128
    np.testing.assert_array_equal(white[:15], np.arange(15) % 7 == 0)
    assert white[15:49].all()
    np.testing.assert_array_equal(white[49:], np.arange(49, 89) % 7 == 0)


def test_every_take_has_a_file_of_its_own(tmp_path):
    path = tmp_path / "take.mp4"
    path.write_bytes(b"of yesterday")
    playing = Playing(path)
    for ticks in (40, 50):
        playing.recorder.begin()
        playing.recorder.begin()  # while one runs it is the same
        playing.on(ticks)
        playing.recorder.end()
        playing.recorder.end()
    playing.on(20)
    playing.recorder.close(keep=True)
    assert path.read_bytes() == b"of yesterday"
    assert_in_sync(tmp_path / "take-2.mp4", playing.spec, 40)
    assert_in_sync(tmp_path / "take-3.mp4", playing.spec, 50)
    assert len(list(tmp_path.iterdir())) == 3


def test_begun_and_ended_at_once(tmp_path):
    playing = Playing(tmp_path / "take.mp4")
    playing.on(3)
    playing.recorder.begin()
    playing.recorder.end()
    playing.recorder.close(keep=True)
    assert playing.notes[1] == f"nothing was recorded in {tmp_path / 'take.mp4'}"
    assert not list(tmp_path.iterdir())


def test_pictures_and_sound_from_two_threads_while_it_is_turned_on_and_off(tmp_path):
    spec, notes = takes.stream(), []
    recorder = Recorder(tmp_path / "take.mp4", spec, notes.append)
    wave, ticks, over = takes.sound(spec, 600), 450, threading.Event()

    def look():
        for tick in range(ticks):
            recorder.show(takes.picture(tick), 1)
            time.sleep(0.002)
        over.set()

    def play():
        at = 0
        while at + 256 <= len(wave) and not over.is_set():
            recorder.write(wave[at : at + 256])
            at += 256
            time.sleep(0.0007)

    threads = [threading.Thread(target=work) for work in (look, play)]
    for thread in threads:
        thread.start()
    for _ in range(3):
        recorder.begin()
        time.sleep(0.2)
        recorder.end()
    for thread in threads:
        thread.join()
    recorder.close(keep=True)
    assert not any("ended" in line for line in notes)
    for path in tmp_path.iterdir():
        assert np.abs(takes.measured(path, spec)[2]).max() < 3


_PROGRAM = """
import sys, time
from pathlib import Path
from tests.live.test_recorder import Playing
playing = Playing(Path(sys.argv[1]))
playing.on(5)
playing.recorder.begin()
playing.on(90)
print("playing", flush=True)
time.sleep(300)
"""


@pytest.mark.parametrize("ending", ["mp4", "mkv", "mov"])
def test_a_program_that_is_killed_leaves_its_take(tmp_path, ending):
    path = tmp_path / f"take.{ending}"
    program = subprocess.Popen(
        [sys.executable, "-c", _PROGRAM, str(path)],
        cwd=Path(__file__).parents[2],
        stdout=subprocess.PIPE,
    )
    assert program.stdout.readline() == b"playing\n"
    time.sleep(1)
    program.send_signal(signal.SIGKILL)
    program.wait()
    program.stdout.close()
    deadline = time.monotonic() + 60
    while str(path).encode() in _command_lines():  # ffmpeg, which ends by itself
        assert time.monotonic() < deadline
        time.sleep(0.05)
    frames, samples, late_ms = takes.measured(path, takes.stream())
    assert frames == 90
    assert samples > 2.7 * takes.RATE
    assert np.abs(late_ms).max() < 3


def _command_lines():
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            found.append(path.read_bytes())
        except OSError:
            continue  # it has ended
    return b"\n".join(found)


def test_a_disk_that_fills_is_told_once_and_the_stream_goes_on(tmp_path):
    playing = Playing(tmp_path / "take.mp4")
    with files_of_at_most(20_000):
        playing.recorder.begin()
    while playing.recorder.recording:
        playing.on(1)
        time.sleep(0.001)
    playing.on(60)
    playing.recorder.close(keep=True)
    begun, ended = playing.notes
    assert begun.startswith("recording ") and ended.startswith("recording ended: ")
    assert "take.mp4 cannot be written: " in ended and ended.endswith("until then is kept")
    assert playing.ended == [False]
    assert takes.measured(tmp_path / "take.mp4", playing.spec)[0] >= 30


def test_a_picture_that_was_held_for_very_long_ends_the_take(tmp_path):
    playing = Playing(tmp_path / "take.mp4")
    playing.recorder.begin()
    playing.on(30)
    playing.recorder.show(takes.picture(0), 36_000)  # stood still for 20 minutes
    assert not playing.recorder.recording and playing.ended == [False]
    playing.recorder.close(keep=True)
    path = tmp_path / "take.mp4"
    assert playing.notes[1] == f"recorded {path}, 1.0 s; it could not keep up any longer"
    assert takes.measured(tmp_path / "take.mp4", playing.spec)[0] == 30


def test_a_take_that_cannot_be_begun_is_told(tmp_path):
    folder = tmp_path / "folder"
    playing = Playing(folder / "take.mp4")
    folder.rmdir()
    folder.touch()
    playing.recorder.begin()
    playing.on(10)
    playing.recorder.close(keep=True)
    (line,) = playing.notes
    assert line.startswith("not recording: ") and "take.mp4 cannot be written: " in line
    assert playing.ended == [False]


def test_names_that_are_no_movies(tmp_path):
    with pytest.raises(WyhError, match=r"take\.wav: wanted a name ending in \.mp4, \.mov or \.mkv"):
        Recorder(tmp_path / "take.wav", takes.stream(), print)


def test_a_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(WyhError, match=r"take\.mp4 cannot be written: "):
        Recorder(tmp_path / "file" / "take.mp4", takes.stream(), print)
