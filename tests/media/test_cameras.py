import errno
import os
import struct

import pytest

from wyh.errors import WyhError
from wyh.media import cameras, ffmpeg
from wyh.media.cameras import Camera

AVFOUNDATION = """\
[AVFoundation indev @ 0x7fa1b2c04a80] AVFoundation video devices:
[AVFoundation indev @ 0x7fa1b2c04a80] [0] FaceTime HD Camera
[AVFoundation indev @ 0x7fa1b2c04a80] [1] Logitech BRIO
[AVFoundation indev @ 0x7fa1b2c04a80] [2] Capture screen 0
[AVFoundation indev @ 0x7fa1b2c04a80] AVFoundation audio devices:
[AVFoundation indev @ 0x7fa1b2c04a80] [0] MacBook Pro Microphone
[in#0 @ 0x7fa1b2f04580] Error opening input: Input/output error
Error opening input file .
Error opening input files: Input/output error
"""

DSHOW = r"""
[in#0 @ 000001c8a3c4d0c0] "Integrated Camera" (video)
[in#0 @ 000001c8a3c4d0c0]   Alternative name "@device_pnp_\\?\usb#vid_04f2&pid_b6d0#6&1a\global"
[in#0 @ 000001c8a3c4d0c0] "OBS Virtual Camera" (none)
[in#0 @ 000001c8a3c4d0c0]   Alternative name "@device_sw_{860BB310}\{A3FCE0F5}"
[in#0 @ 000001c8a3c4d0c0] "Capture: HDMI" (audio, video)
[in#0 @ 000001c8a3c4d0c0]   Alternative name "@device_pnp_\\?\usb#vid_534d&pid_2109#8&2b\global"
[in#0 @ 000001c8a3c4d0c0] "Microphone (Realtek(R) Audio)" (audio)
[in#0 @ 000001c8a3c4d0c0]   Alternative name "@device_cm_{33D9A762}\wave_{0B7E}"
[in#0 @ 000001c8a3c4d0c0] "Integrated Camera" (video)
[in#0 @ 000001c8a3c4d0c0]   Alternative name "@device_pnp_\\?\usb#vid_04f2&pid_b6d0#7&9c\global"
[in#0 @ 000001c8a3c4d0c0] Error opening input: Immediate exit requested
Error opening input file dummy.
"""


@pytest.fixture
def system(monkeypatch):
    """Pretends to be a system whose ffmpeg lists some devices: `system("darwin", text)`."""

    def pretend(name, listing=""):
        asked = []

        def output_of(arguments, *, level):
            asked.append(arguments)
            assert "info" in level  # devices are told at no lower one
            return 1, "", listing

        monkeypatch.setattr("sys.platform", name)
        monkeypatch.setattr(ffmpeg, "output_of", output_of)
        return asked

    return pretend


@pytest.fixture
def nodes(tmp_path, monkeypatch):
    """Pretends to be a Linux with these nodes: `nodes({0: ("BRIO", 1)})`, name and abilities."""
    fcntl = pytest.importorskip("fcntl", reason="only systems with fcntl have /dev/video0")
    there = {}

    def query(device, request, buffer):
        assert (request, len(buffer)) == (0x80685600, 104)
        number = int(os.readlink(f"/proc/self/fd/{device}").rpartition("video")[2])
        if there[number] is None:
            raise OSError(errno.EIO, "Input/output error")
        name, captures = there[number]
        both = 0x84A00001  # as of all nodes of the device together
        return struct.pack("16s32s32sIII12x", b"uvcvideo", name.encode(), b"usb", 0, both, captures)

    def pretend(table):
        there.clear()
        there.update(table)
        for old in tmp_path.iterdir():
            old.unlink()
        for number in table:
            (tmp_path / f"video{number}").touch()

    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setattr(cameras, "_DEVICES", str(tmp_path))
    monkeypatch.setattr(cameras, "_NAMES", str(tmp_path / "names"))
    monkeypatch.setattr(fcntl, "ioctl", query)
    return pretend


linux = pytest.mark.skipif(not os.path.exists("/proc/self/fd"), reason="needs Linux's /proc")


@linux
def test_cameras_of_linux(nodes, tmp_path):
    # Beside each camera is a node that gives its settings, no pictures.
    nodes({0: ("Integrated Camera", 1), 1: ("Integrated Camera", 0x800000), 10: ("BRIO", 0x1000)})
    assert cameras.list_cameras() == [
        Camera(0, "Integrated Camera", f"{tmp_path}/video0"),
        Camera(10, "BRIO", f"{tmp_path}/video10"),
    ]


@linux
def test_a_camera_that_cannot_be_asked_is_listed_by_what_the_system_knows(nodes, tmp_path):
    nodes({2: None, 3: None})
    name = tmp_path / "names" / "video3" / "name"
    name.parent.mkdir(parents=True)
    name.write_text("Busy One\n")
    assert [camera.name for camera in cameras.list_cameras()] == ["", "Busy One"]


def test_cameras_of_macos_without_its_screens(system):
    asked = system("darwin", AVFOUNDATION)
    assert cameras.list_cameras() == [
        Camera(0, "FaceTime HD Camera", "0"),
        Camera(1, "Logitech BRIO", "1"),
    ]
    assert asked == [["-f", "avfoundation", "-list_devices", "true", "-i", ""]]


def test_cameras_of_windows_by_a_name_that_only_one_has(system):
    asked = system("win32", DSHOW)
    first, second = (
        rf"@device_pnp_\\?\usb#vid_04f2&pid_b6d0#{end}\global" for end in ("6&1a", "7&9c")
    )
    assert cameras.list_cameras() == [
        Camera(0, "Integrated Camera", first),
        Camera(1, "OBS Virtual Camera", "OBS Virtual Camera"),
        Camera(2, "Capture: HDMI", r"@device_pnp_\\?\usb#vid_534d&pid_2109#8&2b\global"),
        Camera(3, "Integrated Camera", second),
    ]
    assert asked == [["-list_devices", "true", "-f", "dshow", "-i", "dummy"]]


@pytest.mark.parametrize("name", ["linux", "darwin", "win32"])
def test_no_cameras(system, monkeypatch, tmp_path, name):
    system(name, "[AVFoundation indev @ 0x1] AVFoundation video devices:\n")
    monkeypatch.setattr(cameras, "_DEVICES", str(tmp_path))
    with pytest.raises(WyhError, match=r"got camera 0 as a source, but there is no camera: connec"):
        cameras.find_camera("0")


@pytest.mark.parametrize(
    "text, name", [("1", "Logitech BRIO"), ("logi", "Logitech BRIO"), ("", "FaceTime HD Camera")]
)
def test_a_camera_by_its_number_or_a_part_of_its_name(system, text, name):
    system("darwin", AVFOUNDATION)
    assert cameras.find_camera(text).name == name


@pytest.mark.parametrize(
    "text, asked", [("7", "camera 7"), ("sony", "the camera 'sony'"), ("screen", "the camera")]
)
def test_a_camera_that_is_not_there_tells_which_are(system, text, asked):
    system("darwin", AVFOUNDATION)
    told = "but there is only 0 (FaceTime HD Camera), 1 (Logitech BRIO)"
    with pytest.raises(WyhError) as caught:
        cameras.find_camera(text)
    assert str(caught.value).startswith(f"got {asked}") and str(caught.value).endswith(told)


@linux
def test_a_camera_that_this_user_may_not_open(nodes, monkeypatch, tmp_path):
    nodes({0: ("BRIO", 1)})
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    told = r"camera 0 \(BRIO\) may not be opened \(permission denied\): join the group video"
    with pytest.raises(WyhError, match=told):
        cameras.find_camera("0")
    with pytest.raises(WyhError, match=told):
        cameras.camera_at(f"{tmp_path}/video0")


@linux
def test_a_camera_by_its_path(nodes, tmp_path):
    nodes({2: ("BRIO", 1)})
    assert cameras.camera_at(f"{tmp_path}/video2").shown == "camera 2 (BRIO)"
    assert cameras.camera_at("/dev/v4l/by-id/usb-BRIO").shown == "/dev/v4l/by-id/usb-BRIO"


@linux
def test_a_camera_that_comes_back_at_another_number(nodes, tmp_path):
    nodes({0: ("Integrated Camera", 1), 2: ("BRIO", 1)})
    _, brio = cameras.list_cameras()
    assert cameras.where_now(brio) == brio
    nodes({0: ("Integrated Camera", 1)})
    assert cameras.where_now(brio) is None
    nodes({0: ("Integrated Camera", 1), 4: ("BRIO", 1)})
    assert cameras.where_now(brio) == Camera(4, "BRIO", f"{tmp_path}/video4")
    by_path = Camera(None, "", str(tmp_path / "video0"))
    assert cameras.where_now(by_path) == by_path
    nodes({})
    assert cameras.where_now(by_path) is None


USUAL = ("-framerate", "30", "-video_size", "640x480")
SAID = "camera 0: not one picture could be read ({})"


def test_what_ffmpeg_is_told_of_a_camera_on_linux(system):
    system("linux")
    asked = cameras.camera_inputs(Camera(2, "BRIO", "/dev/video2"))
    begin = ("-threads", "1", "-f", "v4l2")
    assert asked == ((*begin, *USUAL, "-i", "/dev/video2"), (*begin, "-i", "/dev/video2"))


def test_what_ffmpeg_is_told_of_a_camera_on_macos(system):
    system("darwin")
    asked = cameras.camera_inputs(Camera(1, "BRIO", "1"))
    begin = ("-threads", "1", "-f", "avfoundation")
    end = ("-pixel_format", "uyvy422", "-i", "1:none")
    assert asked[:2] == ((*begin, *USUAL, *end), (*begin, "-framerate", "30", *end))
    # It never chooses a rate itself: 29.97 Hz, which it would take, few cameras have.
    assert all("-framerate" in inputs for inputs in asked)


def test_what_ffmpeg_is_told_of_a_camera_on_windows(system):
    system("win32")
    asked = cameras.camera_inputs(Camera(0, "Integrated Camera", "Integrated Camera"))
    begin = ("-threads", "1", "-f", "dshow")
    end = ("-rtbufsize", "64M", "-i", "video=Integrated Camera")
    assert asked == ((*begin, *USUAL, *end), (*begin, *end))


@pytest.mark.parametrize(
    "name, display, shown, inputs",
    [
        ("linux", "", "screen :5", "-f x11grab -framerate 30 -i :5"),
        ("linux", "1", "screen :1", "-f x11grab -framerate 30 -i :1"),
        ("linux", ":77", "screen :77", "-f x11grab -framerate 30 -i :77"),
        ("linux", "host:0.1", "screen host:0.1", "-f x11grab -framerate 30 -i host:0.1"),
        (
            "darwin",
            "",
            "screen 0",
            "-f avfoundation -framerate 30 -capture_cursor 1 -pixel_format uyvy422 "
            "-i Capture screen 0:none",
        ),
        (
            "darwin",
            "1",
            "screen 1",
            "-f avfoundation -framerate 30 -capture_cursor 1 -pixel_format uyvy422 "
            "-i Capture screen 1:none",
        ),
        ("win32", "", "screen", "-f gdigrab -framerate 30 -i desktop"),
        (
            "win32",
            "1",
            "screen 1",
            "-f lavfi -i ddagrab=output_idx=1:framerate=30,hwdownload,format=bgra",
        ),
    ],
)
def test_what_ffmpeg_is_told_of_a_screen(system, monkeypatch, name, display, shown, inputs):
    system(name)
    monkeypatch.setenv("DISPLAY", ":5")
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    assert cameras.screen_inputs(display)[0] == shown
    assert " ".join(cameras.screen_inputs(display)[1]) == inputs


def test_a_screen_of_wayland_tells_what_it_leaves_out(system, monkeypatch):
    system("linux")
    monkeypatch.setenv("DISPLAY", ":0")
    monkeypatch.setenv("WAYLAND_DISPLAY", "wayland-0")
    assert cameras.screen_inputs("")[0] == "screen :0 (windows of X11 alone)"


def test_no_screen(system, monkeypatch):
    system("linux")
    monkeypatch.delenv("DISPLAY", raising=False)
    with pytest.raises(WyhError, match="got screen as a source, but DISPLAY is not set"):
        cameras.screen_inputs("")


@pytest.mark.parametrize(
    "name, display, wanted",
    [
        ("linux", "left", r"screen:N with its number, or screen::77 with its name"),
        ("darwin", ":1", r"screen:N with its number$"),
        ("win32", "-1", r"screen:N with its number$"),
    ],
)
def test_a_screen_that_cannot_be(system, name, display, wanted):
    system(name)
    with pytest.raises(WyhError, match=f"got the screen '{display}', wanted screen or {wanted}"):
        cameras.screen_inputs(display)


@pytest.mark.parametrize(
    "why",
    [
        "ioctl(VIDIOC_STREAMON): Device or resource busy",
        "Could not run graph (sometimes caused by a device already in use by other application)",
    ],
)
def test_a_busy_camera(why):
    told = str(cameras.explained(WyhError(SAID.format(why))))
    assert told == f"{SAID.format(why)}: another program has this camera, end that one"


@pytest.mark.parametrize(
    "name, why, told",
    [
        ("linux", "Cannot open video device /dev/video0: Permission denied", "join the group vid"),
        ("darwin", "Failed to create AV capture input device: Cannot use BRIO", "System Settings"),
        ("win32", "Operation not permitted", "allow desktop apps in Settings"),
    ],
)
def test_a_camera_that_refuses(system, name, why, told):
    system(name)
    assert told in str(cameras.explained(WyhError(SAID.format(why))))


@pytest.mark.parametrize(
    "why",
    [
        "Cannot open video device /dev/video0: No such file or directory",
        "ioctl(VIDIOC_QUERYCAP): Inappropriate ioctl for device",
        "Invalid device index",
    ],
)
def test_a_camera_that_has_gone_tells_which_are_there(system, why):
    system("darwin", AVFOUNDATION)
    told = str(cameras.explained(WyhError(SAID.format(why))))
    assert told.endswith("but there is only 0 (FaceTime HD Camera), 1 (Logitech BRIO)")


def test_other_trouble_stays_as_it_is():
    error = WyhError(SAID.format("Invalid data found when processing input"))
    assert cameras.explained(error) is error
