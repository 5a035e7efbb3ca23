"""Long forms, run by `make soak`: an hour of footage or sound, prepared and rendered.

Memory is that of the largest process, so the limits hold for each of them.
"""

import contextlib
import os
import subprocess
import sys
import time

import imageio_ffmpeg
import pytest
import soundfile

from tests.conftest import make_run
from tests.visual import make_visual_run
from wyh.dataset import open_dataset
from wyh.media.decode import probe
from wyh.samples import SAMPLE

pytestmark = pytest.mark.soak

HOUR_SECS = 3600
MEMORY_KB = 500_000


@pytest.fixture(scope="module")
def hour(tmp_path_factory):
    """The bundled half minute, 120 times over."""
    film = tmp_path_factory.mktemp("hour") / "hour.mp4"
    loop = ["-stream_loop", "119", "-i", str(SAMPLE), "-c", "copy", str(film)]
    subprocess.run([imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", *loop], check=True)
    return film


def largest_kb(*arguments):
    """Run a command of ours; the resident memory of its largest process in kB."""
    command = [sys.executable, "-m", *map(str, arguments)]
    process = subprocess.Popen(command, start_new_session=True)
    largest = 0
    while process.poll() is None:
        for pid in filter(str.isdigit, os.listdir("/proc")):
            with contextlib.suppress(OSError):
                if os.getsid(int(pid)) == process.pid:
                    largest = max(largest, _resident_kb(int(pid)))
        time.sleep(0.2)
    assert process.returncode == 0
    return largest


def _resident_kb(pid):
    with open(f"/proc/{pid}/statm") as statm:
        return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") // 1024


def test_preparing_an_hour_takes_little_memory(hour, tmp_path):
    assert largest_kb("data_prep.video", hour, "--out", tmp_path / "data") < MEMORY_KB
    dataset = open_dataset(tmp_path / "data")
    frames = HOUR_SECS * 24
    assert dataset.count("test") == frames // 5
    # Each of the 720 held-out seconds has a guard of 6 frames on both sides. Joined, the pieces
    # last a little longer than an hour: at most a frame a piece.
    least = frames - frames // 5 - 720 * 12
    assert least <= dataset.count("train") <= least + 6 + 120


def test_rendering_an_hour_takes_little_memory_and_does_not_drift(hour, tmp_path):
    run = make_run(tmp_path / "run")
    out = tmp_path / "hour.wav"
    assert largest_kb("wyh.render", hour, "--run", run.directory, "--out", out) < MEMORY_KB
    # Joined files have a little more sound than picture: the length is the pictures'.
    about = soundfile.info(out)
    assert abs(about.frames / about.samplerate - HOUR_SECS) < 120 * 0.05


def test_rendering_the_pictures_of_an_hour_takes_little_memory_and_disk(tmp_path):
    song, out = tmp_path / "hour.mp3", tmp_path / "out" / "hour.mp4"
    noise = ["-f", "lavfi", "-i", f"anoisesrc=d={HOUR_SECS}:a=0.3:r=44100", str(song)]
    subprocess.run([imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", *noise], check=True)
    run = make_visual_run(tmp_path / "run")
    assert largest_kb("wyh.render", song, "--run", run.directory, "--out", out) < MEMORY_KB
    assert [path.name for path in out.parent.iterdir()] == ["hour.mp4"]
    assert abs(probe(out).duration_secs - HOUR_SECS) < 0.1
