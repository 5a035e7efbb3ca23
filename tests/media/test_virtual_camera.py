import errno
import time
from fractions import Fraction

import numpy as np
import pytest

from wyh.errors import WyhError
from wyh.live.picture_sinks import CameraSink, open_picture_sink
from wyh.media import ffmpeg, virtual_camera
from wyh.specs import AudioSpec, StreamSpec, VideoSpec

VIDEO = VideoSpec(Fraction(25), 16, 33)
SPEC = StreamSpec("hear-see", VIDEO, AudioSpec(8000), 80)


@pytest.fixture
def started(monkeypatch, tmp_path):
    """What ffmpeg is told; its pictures go into a file instead."""
    told = []

    class Recorded(ffmpeg.Process):
        def __init__(self, arguments, **how):
            told.append(arguments)
            file = ["rawvideo", "-flush_packets", "1", str(tmp_path / "seen")]
            super().__init__([*arguments[:-2], *file], **how)

    monkeypatch.setattr(virtual_camera, "node_of", lambda path: ("loopback", 0x2))
    monkeypatch.setattr(virtual_camera.ffmpeg, "Process", Recorded)
    return told


def test_a_camera_shows_what_it_is_given(started, tmp_path):
    sink = open_picture_sink("/dev/video9", SPEC)
    assert isinstance(sink, CameraSink)
    for level in (0, 100, 200):
        sink.show(np.full((16, 33, 3), level, np.uint8), 1)
        sink.write(np.zeros(320, np.float32))
    seen, until = tmp_path / "seen", time.monotonic() + 30
    size = 16 * 34 * 3 // 2  # a half of the colours; its width is made even
    while (not seen.exists() or seen.stat().st_size < 3 * size) and time.monotonic() < until:
        time.sleep(0.02)  # none waits for those after it
    sink.close(keep=True)
    (arguments,) = started
    assert arguments[:10] == [
        *("-f", "rawvideo", "-pix_fmt", "rgb24", "-video_size", "33x16"),
        *("-framerate", "25", "-i", "pipe:0"),
    ]
    assert arguments[-3:] == ["-f", "v4l2", "/dev/video9"]
    shown = np.frombuffer(seen.read_bytes(), np.uint8).reshape(3, size)[:, : 16 * 34]
    light = shown.reshape(3, 16, 34)[:, :, :33].mean(axis=(1, 2))
    np.testing.assert_allclose(light, 16 + np.array([0, 100, 200]) * 219 / 255, atol=1.5)


def test_a_camera_that_takes_no_more(started, tmp_path):
    (tmp_path / "seen").mkdir()  # ffmpeg cannot write there
    sink = open_picture_sink("/dev/video9", SPEC)
    with pytest.raises(WyhError, match=r"/dev/video9 cannot be shown to: File .* already exists"):
        for _ in range(3000):
            sink.show(np.zeros((16, 33, 3), np.uint8), 1)
            time.sleep(0.01)
    sink.close(keep=False)


def test_a_slow_camera_leaves_pictures_out(started, monkeypatch):
    camera = virtual_camera.VirtualCamera("/dev/video9", VIDEO)
    put = []
    monkeypatch.setattr(camera._feed, "put", put.append)
    picture = np.zeros((16, 33, 3), np.uint8)
    for waiting in (0, 12 * picture.size, 13 * picture.size):  # half a second is 12.5 of them
        camera._feed.waiting_bytes = waiting
        camera.show(picture)
    assert len(put) == 2
    camera.close()


def _raises(error):
    def node_of(path):
        raise error

    return node_of


@pytest.mark.parametrize(
    ("node_of", "message"),
    [
        (_raises(FileNotFoundError()), "/dev/video9: no such camera; make one with: sudo modprobe"),
        (_raises(PermissionError()), "/dev/video9 may not be opened .*: join the group video"),
        (_raises(OSError(errno.ENOTTY, "odd")), r"/dev/video9 is no camera \(.*odd\); make one"),
        (_raises(ImportError("no fcntl")), r"/dev/video9 is no camera \(no fcntl\); make one"),
        (lambda path: ("Webcam", 0x85200001), r"/dev/video9 \(Webcam\) gives pictures and takes"),
    ],
)
def test_what_is_no_virtual_camera(monkeypatch, node_of, message):
    monkeypatch.setattr(virtual_camera, "node_of", node_of)
    with pytest.raises(WyhError, match=message):
        open_picture_sink("/dev/video9", SPEC)


def test_a_file_is_no_camera(tmp_path):
    (tmp_path / "video9").write_text("no")
    with pytest.raises(WyhError, match=r"video9 is no camera \("):
        virtual_camera.check_device(str(tmp_path / "video9"))
    with pytest.raises(WyhError, match="none: no such camera"):
        virtual_camera.check_device(str(tmp_path / "none"))
