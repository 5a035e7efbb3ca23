import os
import threading
import time
from contextlib import closing
from fractions import Fraction

import numpy as np
import pytest

from tests.media import clips
from tests.media.live_sources import Server, hidden_screen, wait_for
from wyh.errors import WyhError
from wyh.media import camera, cameras, ffmpeg
from wyh.media.camera import FrameSource
from wyh.media.cameras import Camera
from wyh.media.sources import Source, resolve_source
from wyh.media.stdin import y4m_frame_bytes
from wyh.specs import VideoSpec

SMALL = VideoSpec(Fraction(25), 8, 8, 3, "stretch")


@pytest.fixture
def open_source():
    """Opens sources and closes them after the test: `open_source(what, **how) -> FrameSource`."""
    opened, notes = [], []

    def get(what, spec=SMALL, **how):
        source = what if isinstance(what, Source) else resolve_source(str(what), **how)
        source = FrameSource(source, spec, notes.append)
        source.notes = notes
        opened.append(source)
        return source

    yield get
    for source in opened:
        source.close()


def watch(source, rate=25, most=1000):
    """Every picture that a clock of `rate` Hz sees, until the source is over."""
    source.wait_first()
    shots = []
    for tick in range(most):
        wait_for(lambda at=tick / rate: at_hand(source, at))
        if source.is_over(tick / rate):
            break
        shots.append(source.newest(tick / rate))
    return shots


def at_hand(source, at):
    """Whether the source has read as far as `at`: here no clock slows us down."""
    newest = source._shots[-1].secs if source._shots else -1.0
    return source._ended or newest > at + camera.TOLERANCE_SECS


@pytest.mark.parametrize("name", ["cfr_mp4", "b_frames", "ts", "far_mkv", "late_video"])
def test_a_film_is_handed_out_by_its_own_times(media, open_source, name):
    path = media(name)
    times, pixels = clips.read_video(path)
    shots = watch(open_source(path, clips.READ))
    assert [shot.number for shot in shots] == list(range(len(times)))
    np.testing.assert_allclose([shot.secs for shot in shots], times - times[0], atol=1e-6)
    np.testing.assert_array_equal([shot.pixels for shot in shots], pixels)


def test_a_film_of_any_timing_shows_the_newest_picture(media, open_source):
    path = media("vfr_mkv")
    times, _ = clips.read_video(path)
    due = times - times[0]
    shots = watch(open_source(path, clips.READ), rate=40)
    for tick, shot in enumerate(shots):
        assert shot.number == np.flatnonzero(due <= tick / 40 + 0.002)[-1]
    assert len(shots) == pytest.approx(40 * due[-1], abs=6)


def test_a_film_that_begins_again_goes_on_in_time(media, open_source):
    shots = watch(open_source(media("cfr_mp4"), loop=True), most=2 * clips.FRAMES + 30)
    assert [shot.number for shot in shots] == list(range(2 * clips.FRAMES + 30))
    np.testing.assert_allclose(np.diff([shot.secs for shot in shots]), 0.04, atol=1e-6)


def test_only_so_many_pictures_are_read_ahead(media, open_source):
    source = open_source(media("cfr_mp4"))
    source.wait_first()
    wait_for(lambda: len(source._shots) == 32)
    time.sleep(0.1)
    assert len(source._shots) == 32


def test_a_damaged_film_is_played_and_told(media, open_source, tmp_path):
    whole = media("mkv_opus").read_bytes()
    cut = tmp_path / "cut.mkv"
    cut.write_bytes(whole[: len(whole) // 2])
    source = open_source(cut)
    assert watch(source)
    assert "cut.mkv" in str(source.failure) and "breaks off" in str(source.failure)


def test_closing_is_no_failure(media, open_source):
    source = open_source(media("cfr_mp4"), loop=True)
    source.wait_first()
    source.close()
    assert source.failure is None


def test_an_address_that_goes_away_and_comes_back(open_source):
    with closing(Server()) as server:
        source = open_source(server.url)
        source.wait_first()
        first = source.newest(0.0)
        assert first.secs is None
        wait_for(lambda: source.newest(0.0).number > first.number)
    wait_for(lambda: source.notes)
    held = source.newest(0.0)
    assert source.newest(99.0).number == held.number  # the last picture stays
    with closing(Server(server.port)):
        wait_for(lambda: source.newest(0.0).number > held.number)
    assert source.notes[0] == f"{server.url} is gone, trying again"
    assert not source.is_over(1e9)


def test_an_address_that_falls_silent_is_opened_again(open_source, monkeypatch):
    monkeypatch.setattr(camera, "STALE_SECS", 0.3)
    with closing(Server()) as server:
        source = open_source(server.url)
        source.wait_first()
        server.silent.set()
        wait_for(lambda: server.opened > 1)
        server.silent.clear()
        held = source.newest(0.0).number
        wait_for(lambda: source.newest(0.0).number > held)


def test_an_address_that_is_gone_for_long_is_told_of_once(open_source, monkeypatch):
    monkeypatch.setattr(camera, "BACK_OFF_SECS", (0.02, 0.05))
    with closing(Server()) as server:
        source = open_source(server.url)
        source.wait_first()
    before = source._count
    time.sleep(1.0)
    assert source.notes == [f"{server.url} is gone, trying again"]
    with closing(Server(server.port)):
        wait_for(lambda: source._count > before)
    wait_for(lambda: len(source.notes) == 2)


def test_pictures_that_change_their_size_go_on(open_source):
    with closing(Server()) as server:
        source = open_source(server.url)
        source.wait_first()
        for size in ((96, 64), (48, 200), (8, 8)):
            server.size, held = size, source.newest(0.0).number
            wait_for(lambda held=held: source.newest(0.0).number > held + 10)
        assert source.newest(0.0).pixels.shape == SMALL.shape
        assert not source.notes and server.opened == 1


def test_an_address_that_never_sends_a_picture(open_source, monkeypatch):
    monkeypatch.setattr(camera, "FIRST_SECS", 0.3)
    with closing(Server()) as server:
        server.silent.set()
        with pytest.raises(WyhError, match=r"not one picture came within 0\.3 s"):
            open_source(server.url).wait_first()


def test_an_address_that_refuses(open_source):
    with pytest.raises(WyhError, match=r"not one picture could be read .*refused"):
        open_source("http://127.0.0.1:9/x").wait_first()


def test_a_film_at_an_address_keeps_its_pace_and_all_its_pictures(media, open_source):
    path = media("b_frames")
    with closing(Server(film=path)) as server:
        shots = watch(open_source(server.url, clips.READ))
    np.testing.assert_array_equal([shot.pixels for shot in shots], clips.read_video(path)[1])
    assert shots[-1].secs == pytest.approx((clips.FRAMES - 1) / clips.RATE)


class Stdin:
    """Standard input that holds so many bytes."""

    def __init__(self, path, data):
        path.write_bytes(data)
        self.file = path.open("rb")

    def fileno(self):
        return self.file.fileno()

    def isatty(self):
        return False


@pytest.fixture
def stdin(tmp_path, monkeypatch):
    """Sets standard input to some bytes."""
    given = []

    def put(data):
        given.append(Stdin(tmp_path / f"stdin{len(given)}", data))
        monkeypatch.setattr("sys.stdin", given[-1])

    yield put
    for one in given:
        one.file.close()


def y4m(media, tmp_path, pixel="yuv420p", size="34x18"):
    path = tmp_path / f"{pixel}.y4m"
    clips.run_ffmpeg(
        "-i", str(media("cfr_mp4")), "-frames:v", "9", "-vf", f"scale={size.replace('x', ':')}",
        "-pix_fmt", pixel, "-strict", "-1", str(path),
    )  # fmt: skip
    return path.read_bytes()


PIXELS = ["yuv420p", "yuv422p", "yuv444p", "yuv411p", "gray", "yuv420p10le", "gray12le"]


@pytest.mark.parametrize("size", ["34x18", "33x17"])
@pytest.mark.parametrize("pixel", PIXELS)
def test_the_size_of_a_y4m_picture(media, tmp_path, pixel, size):
    data = y4m(media, tmp_path, pixel, size)
    line, _, rest = data.partition(b"\n")
    assert y4m_frame_bytes(line) * 9 == len(rest)


@pytest.mark.parametrize(
    "line", [b"", b"hello", b"YUV4MPEG2 W64", b"YUV4MPEG2 Wx H1", b"YUV4MPEG2 W8 H8 Cstrange"]
)
def test_a_y4m_header_that_says_too_little(line):
    assert y4m_frame_bytes(line) is None


def test_y4m_on_standard_input(media, open_source, stdin, tmp_path):
    stdin(y4m(media, tmp_path))
    source = open_source("-")
    shots = watch(source)
    assert [shot.secs for shot in shots] == pytest.approx([n / 25 for n in range(9)])
    assert source.failure is None


def test_standard_input_as_it_comes(media, open_source, stdin, tmp_path):
    stdin(y4m(media, tmp_path))
    source = open_source("-", paced=False)
    source.wait_first()
    wait_for(lambda: source.is_over(0.0))
    assert source.newest(0.0).number == 8


def test_rgb24_on_standard_input(open_source, stdin, rng):
    pictures = rng.integers(0, 256, (5, 8, 8, 3), np.uint8)
    stdin(pictures.tobytes())
    shots = watch(open_source("-", size="8x8", frame_rate="25"))
    np.testing.assert_array_equal([shot.pixels for shot in shots], pictures)


def test_standard_input_that_breaks_off(media, open_source, stdin, tmp_path):
    stdin(y4m(media, tmp_path)[:-10])
    source = open_source("-")
    assert len(watch(source)) == 8
    assert str(source.failure) == "standard input breaks off inside its picture 9"
    stdin(bytes(8 * 8 * 3 * 4 + 5))
    source = open_source("-", size="8x8", frame_rate="25")
    assert len(watch(source)) == 4
    assert str(source.failure) == "standard input breaks off inside its picture 5"


def test_rubbish_in_the_middle_of_standard_input(media, open_source, stdin, tmp_path, rng):
    stdin(y4m(media, tmp_path)[:-1000] + rng.bytes(50_000))
    source = open_source("-")
    watch(source)
    assert "standard input breaks off at" in str(source.failure)


@pytest.mark.parametrize(
    "data, message",
    [
        (b"", "standard input is empty"),
        (b"hello\n", "standard input is no y4m; raw rgb24 needs --size WxH and --frame-rate"),
        (bytes(range(256)) * 400, "standard input is no y4m; raw rgb24 needs --size"),
    ],
)
def test_no_pictures_on_standard_input(open_source, stdin, data, message):
    stdin(data)
    with pytest.raises(WyhError, match=message):
        open_source("-").wait_first()


@pytest.mark.parametrize(
    "how, message",
    [
        ({"size": "64x64"}, "got --size without --frame-rate"),
        ({"frame_rate": "25"}, "got --frame-rate without --size WxH"),
        ({"size": "64", "frame_rate": "25"}, "got --size 64, wanted WIDTHxHEIGHT"),
        ({"size": "0x64", "frame_rate": "25"}, "got --size 0x64, wanted WIDTHxHEIGHT"),
        ({"size": "64x64", "frame_rate": "fast"}, "got the rate 'fast'"),
    ],
)
def test_raw_pictures_need_their_size_and_rate(stdin, how, message):
    stdin(b"")
    with pytest.raises(WyhError, match=message):
        resolve_source("-", **how)


def test_a_terminal_is_no_source(stdin, monkeypatch):
    stdin(b"")
    monkeypatch.setattr(Stdin, "isatty", lambda self: True)
    with pytest.raises(WyhError, match="standard input is a terminal: pipe y4m into it"):
        resolve_source("-")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_named_pipe_gives_its_newest_picture(media, open_source, tmp_path):
    pipe = tmp_path / "pipe.y4m"
    os.mkfifo(pipe)
    data = y4m(media, tmp_path)
    writer = threading.Thread(target=pipe.write_bytes, args=(data,), daemon=True)
    source = open_source(pipe)
    writer.start()
    source.wait_first()
    wait_for(lambda: source.is_over(0.0))
    assert source.newest(0.0).number == 8
    writer.join(5)


WEBCAM = Camera(0, "HD Webcam", "/dev/video0")


def lavfi(secs):
    """A made-up camera's inputs: it sends pictures for so long, then its cable is pulled."""
    return ("-re", "-f", "lavfi", "-i", f"testsrc=size=64x48:rate=25:duration={secs}")


REFUSES = ("-f", "lavfi", "-i", "nothing_of_that_name")


def webcam(*ways):
    return Source("camera 0 (HD Webcam)", ways[0], False, True, ways[1:], WEBCAM)


def test_a_camera_that_is_unplugged_and_plugged_in_again(open_source, monkeypatch):
    there = []
    monkeypatch.setattr(cameras, "where_now", lambda one: there[0] if there else None)
    monkeypatch.setattr(cameras, "camera_inputs", lambda one: (REFUSES, lavfi(60)))
    source = open_source(webcam(REFUSES, lavfi(0.4)))
    source.wait_first()
    wait_for(lambda: source.notes)
    held = source.newest(0.0)
    time.sleep(0.6)
    assert source.newest(9.0) is held and not source.is_over(9.0)
    there.append(Camera(3, "HD Webcam", "/dev/video3"))
    wait_for(lambda: source.newest(9.0).number > held.number + 5)
    assert source.notes == ["camera 0 (HD Webcam) is gone, trying again"]


def test_a_camera_chooses_where_it_refuses_what_is_asked(open_source):
    source = open_source(webcam(REFUSES, REFUSES, lavfi(60)))
    source.wait_first()
    assert source.newest(0.0).pixels.any() and not source.notes


def test_a_camera_that_refuses_all_tells_why_it_did_at_first(open_source):
    refuses = (*REFUSES[:-1], "another")
    with pytest.raises(WyhError, match="No such filter: 'nothing_of_that_name'"):
        open_source(webcam(REFUSES, refuses)).wait_first()


@pytest.fixture
def complaining(tmp_path, monkeypatch):
    """Makes ffmpeg end with a complaint: `complaining(text)`."""
    if os.name != "posix":
        pytest.skip("the stand-in for ffmpeg is a shell script")

    def complain(text):
        script = tmp_path / "ffmpeg"
        script.write_text(f"#!/bin/sh\necho '[in#0 @ 0x5f] [error] {text}' >&2\nexit 1\n")
        script.chmod(0o755)
        monkeypatch.setattr(ffmpeg, "executable", lambda: str(script))

    return complain


def test_a_busy_camera(open_source, complaining):
    complaining("ioctl(VIDIOC_STREAMON): Device or resource busy")
    with pytest.raises(WyhError) as caught:
        open_source(webcam(("-i", "/dev/video0"), ("-i", "/dev/video0"))).wait_first()
    assert str(caught.value) == (
        "camera 0 (HD Webcam): not one picture could be read (ioctl(VIDIOC_STREAMON): Device or "
        "resource busy): another program has this camera, end that one"
    )


def test_a_camera_that_has_just_been_unplugged(open_source, complaining, monkeypatch):
    monkeypatch.setattr(cameras, "list_cameras", list)
    complaining("Cannot open video device /dev/video0: No such file or directory")
    with pytest.raises(WyhError, match=r"No such file or directory\), but there is no camera"):
        open_source(webcam(("-i", "/dev/video0"))).wait_first()


@pytest.fixture(scope="module")
def display():
    """The name of a screen that nobody sees."""
    with hidden_screen() as name:
        yield name


def test_the_screen(open_source, display):
    source = open_source(f"screen:{display}")
    source.wait_first()
    first = source.newest(0.0)
    assert first.secs is None
    wait_for(lambda: source.newest(0.0).number > first.number + 5)


def test_a_screen_that_is_not_there(open_source, display):
    with pytest.raises(WyhError, match=r"screen :9999: not one picture .*Cannot open display"):
        open_source("screen::9999").wait_first()
