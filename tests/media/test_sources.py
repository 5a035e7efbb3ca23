import os

import pytest

from tests.media import clips
from wyh.errors import WyhError
from wyh.media import cameras
from wyh.media.cameras import Camera
from wyh.media.sources import SoundSource, found_again, gives, resolve_sound, resolve_source

BRIO = Camera(1, "Logitech BRIO", "/dev/video1")


@pytest.fixture
def there(monkeypatch):
    """The cameras that there are, a list to change."""
    found = [Camera(0, "Integrated Camera", "/dev/video0"), BRIO]
    monkeypatch.setattr(cameras, "list_cameras", lambda: list(found))
    monkeypatch.setattr("sys.platform", "linux")
    return found


@pytest.mark.parametrize("text", ["1", "camera:brio", "camera:1", "/dev/video1"])
def test_a_camera(there, text):
    source = resolve_source(text)
    assert source.name == "camera 1 (Logitech BRIO)"
    assert (source.inputs, *source.others) == cameras.camera_inputs(BRIO)
    # The newest picture counts, and a pulled cable is no end.
    assert source.paced is False and source.restarts and source.camera == BRIO


def test_the_first_camera(there):
    assert resolve_source("camera").name == "camera 0 (Integrated Camera)"


@pytest.mark.parametrize("text", ["7", "/dev/video7", "camera:sony"])
def test_a_camera_that_is_not_there(there, text):
    with pytest.raises(WyhError, match=r"but there is only 0 \(Integrated Camera\), 1 \(Logi"):
        resolve_source(text)


def test_a_camera_is_found_again_where_it_is_now(there):
    source = resolve_source("1")
    assert found_again(source) is source
    there.pop()
    assert found_again(source) is None
    there.append(Camera(3, "Logitech BRIO", "/dev/video3"))
    moved = found_again(source)
    assert moved.inputs[-2:] == ("-i", "/dev/video3") and moved.others[0][-1] == "/dev/video3"
    # It keeps the name by which the player knows it.
    assert moved.name == source.name and found_again(moved) is moved


def test_what_is_no_camera_is_found_where_it_was():
    source = resolve_source("http://127.0.0.1:9/x")
    assert found_again(source) is source


@pytest.mark.skipif(not os.path.exists("/dev/null"), reason="no such devices on this system")
def test_a_folder_may_be_called_as_a_camera_is(there, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "0").mkdir()
    assert resolve_source("0").camera is not None


def test_any_device_may_be_a_camera(there):
    assert resolve_source("/dev/null").inputs[-2:] == ("-i", "/dev/null")


@pytest.mark.parametrize("text, name", [("screen", "screen :5"), ("screen:1", "screen :1")])
def test_a_screen(monkeypatch, text, name):
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setenv("DISPLAY", ":5")
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    source = resolve_source(text)
    assert source.name == name and source.paced is False and source.restarts


@pytest.mark.parametrize("text", ["mic", "mic:2", "mic:usb"])
def test_a_microphone_gives_no_pictures(text):
    told = f"got {text} as a source, which gives sound, not pictures: give a camera such as 0"
    with pytest.raises(WyhError, match=told):
        resolve_source(text)


@pytest.mark.parametrize(
    "url, patience",
    [
        ("http://cam/video", ["-rw_timeout", "3000000"]),
        ("HTTPS://cam/video", ["-rw_timeout", "3000000"]),
        ("rtsp://cam/1", ["-timeout", "3000000", "-rtsp_flags", "prefer_tcp"]),
        ("udp://127.0.0.1:5000", []),
    ],
)
def test_an_address_is_given_up_when_it_is_silent(url, patience):
    source = resolve_source(url)
    probing = ["-threads", "1", "-analyzeduration", "1000000", "-probesize", "500000"]
    assert list(source.inputs) == [*probing, *patience, "-i", url]
    assert source.paced is None and source.restarts


@pytest.mark.parametrize("name", ["0", "screen", "mic:2"])
def test_a_file_of_that_name_comes_first(media, tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    (tmp_path / name).write_bytes(media("cfr_mp4").read_bytes())
    assert resolve_source(name).paced is True


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


@pytest.mark.parametrize(
    ("text", "given"),
    [
        ("mic", "sound"),
        ("mic:usb", "sound"),
        ("0", "pictures"),
        ("camera:brio", "pictures"),
        ("screen:1", "pictures"),
        ("/dev/video0", "pictures"),
        ("http://host/radio", "either"),
        ("song.mp3", "either"),
        ("-", "either"),
    ],
)
def test_what_a_source_gives_by_its_name(text, given):
    assert gives(text) == given


def test_a_file_called_as_a_microphone_is_a_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mic").write_text("")
    assert gives("mic") == "either"


@pytest.mark.parametrize(
    ("text", "where"), [("mic", None), ("mic:2", "2"), ("mic:loopback:HDMI", "loopback:HDMI")]
)
def test_a_microphone(text, where):
    assert resolve_sound(text) == SoundSource(text, True, where)


def test_recordings_that_are_heard(media):
    film = str(media("cfr_mp4"))
    assert resolve_sound(film) == SoundSource(film, False, film)
    assert resolve_sound("http://host/radio").where == "http://host/radio"


def test_what_cannot_be_heard(media, tmp_path):
    silent = tmp_path / "silent.mp4"
    clips.run_ffmpeg("-i", str(media("cfr_mp4")), "-an", "-c", "copy", str(silent))
    for text, message in (
        ("0", "got 0 as a source, which gives pictures, not sound: give mic, mic:NAME"),
        ("screen", "got screen as a source, which gives pictures"),
        ("-", "got standard input as a source of sound: give mic"),
        (str(silent), "has no sound, wanted a song or a film with sound"),
        (str(tmp_path / "none.ogg"), "no such file"),
        (str(tmp_path), "is a directory"),
    ):
        with pytest.raises(WyhError, match=message):
            resolve_sound(text)


@pytest.mark.skipif(not os.path.exists("/dev/null"), reason="no such devices on this system")
def test_a_device_is_no_song():
    with pytest.raises(WyhError, match="got /dev/null, which is no file: give mic"):
        resolve_sound("/dev/null")
