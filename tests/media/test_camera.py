import http.server
import io
import os
import threading
import time
from contextlib import closing, contextmanager
from fractions import Fraction

import numpy as np
import pytest
from PIL import Image

from tests.media import clips
from wyh.errors import WyhError
from wyh.media import camera
from wyh.media.camera import FrameSource
from wyh.media.sources import resolve_source
from wyh.media.stdin import y4m_frame_bytes
from wyh.specs import VideoSpec

SMALL = VideoSpec(Fraction(25), 8, 8, 3, "stretch")


def wait_for(condition, secs=30.0):
    """Wait until something is so; a bound for a busy machine."""
    end = time.perf_counter() + secs
    while not condition():
        assert time.perf_counter() < end, "it never came"
        time.sleep(0.01)


class Server:
    """Serves a picture stream that can fall silent, and files, until it is closed."""

    def __init__(self, port=0, film=None):
        self.silent = threading.Event()
        self.opened = 0
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def log_message(self, *_):
                pass

            def do_GET(self):
                outer.opened += 1
                self.send_response(200)
                if film is not None:
                    self.send_header("Content-Type", "video/mp4")
                    self.send_header("Content-Length", str(film.stat().st_size))
                    self.end_headers()
                    self.wfile.write(film.read_bytes())
                    return
                self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=next")
                self.end_headers()
                with outer.closing_quietly():
                    outer.send(self.wfile)

        class Quiet(http.server.ThreadingHTTPServer):
            def handle_error(self, *_):
                pass  # a client that hangs up is no error

        self.server = Quiet(("127.0.0.1", port), Handler)
        self.port = self.server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}/stream"
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True)
        self.thread.start()

    @contextmanager
    def closing_quietly(self):
        try:
            yield
        except OSError:
            pass

    def send(self, file):
        number = 0
        while not self.ended.is_set():
            if not self.silent.is_set():
                picture = io.BytesIO()
                grey = np.full((48, 64, 3), number * 4 % 256, np.uint8)
                Image.fromarray(grey).save(picture, "JPEG")
                data = picture.getvalue()
                about = f"--next\r\nContent-Type: image/jpeg\r\nContent-Length: {len(data)}\r\n\r\n"
                file.write(about.encode() + data + b"\r\n")
                number += 1
            time.sleep(0.02)

    def close(self):
        self.ended.set()
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


@pytest.fixture
def open_source():
    """Opens sources and closes them after the test: `open_source(text, **how) -> FrameSource`."""
    opened, notes = [], []

    def get(text, spec=SMALL, **how):
        source = FrameSource(resolve_source(str(text), **how), spec, notes.append)
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


@pytest.mark.parametrize("text", ["0", "1", "mic", "mic:2", "screen", "screen:77"])
def test_sources_to_come_say_what_there_is(text):
    with pytest.raises(WyhError, match="as a source, which wyh cannot yet take: give a video file"):
        resolve_source(text)


@pytest.mark.skipif(not os.path.exists("/dev/null"), reason="no such devices on this system")
def test_a_device_is_a_camera_to_come():
    with pytest.raises(WyhError, match="got the device /dev/null as a source"):
        resolve_source("/dev/null")


def test_files_that_are_no_film(media, tmp_path):
    text = tmp_path / "notes.mp4"
    text.write_text("no film")
    sound = tmp_path / "sound.wav"
    clips.run_ffmpeg("-i", str(media("cfr_mp4")), "-vn", str(sound))
    for path, message in (
        (tmp_path / "none.mp4", "no such file"),
        (tmp_path, "is a directory"),
        (text, "is no media file"),
        (sound, "has no picture, wanted a video"),
    ):
        with pytest.raises(WyhError, match=message):
            resolve_source(str(path))


def test_sizes_are_for_standard_input(media):
    with pytest.raises(WyhError, match="--size and --frame-rate are for --source -"):
        resolve_source(str(media("cfr_mp4")), size="8x8", frame_rate="25")


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
