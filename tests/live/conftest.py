import signal
import sys
from fractions import Fraction

import numpy as np
import pytest

from tests.conftest import make_run
from tests.media.clips import run_ffmpeg

FRAME_RATE, FRAMES = 25, 40


@pytest.fixture(scope="session")
def run_dir(tmp_path_factory):
    """A tiny run that hears 25 pictures a second."""
    return make_run(tmp_path_factory.mktemp("run") / "tiny", frame_rate=Fraction(25)).directory


@pytest.fixture(scope="session")
def film(tmp_path_factory):
    """1.6 s of film at 25 Hz; picture n is of one grey, 6 * n, and sharply so: lossless."""
    path = tmp_path_factory.mktemp("film") / "film.mkv"
    raw = path.with_suffix(".raw")
    greys = np.repeat((6 * np.arange(FRAMES)).astype(np.uint8), 32 * 32)
    raw.write_bytes(greys.tobytes())
    look = ["-f", "rawvideo", "-pix_fmt", "gray", "-s", "32x32", "-r", str(FRAME_RATE)]
    run_ffmpeg(*look, "-i", str(raw), "-c:v", "ffv1", str(path))
    return path


@pytest.fixture
def as_it_was():
    """Undo what the command does to the process."""
    kept = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    interval = sys.getswitchinterval()
    yield
    sys.setswitchinterval(interval)
    for number, handler in kept.items():
        signal.signal(number, handler)
