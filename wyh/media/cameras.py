"""What cameras and screens there are, and how ffmpeg is told of them on each system.

Linux has v4l2 and x11grab, macOS avfoundation, Windows dshow and gdigrab.
"""

import os
import re
import struct
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from wyh.errors import WyhError
from wyh.media import ffmpeg

Inputs = tuple[str, ...]

FRAME_RATE, SIZE = "30", "640x480"  # asked of a camera first; all of them have it, or nearly
# One decoding thread: more of them hold back a picture each. Cameras that send raw pictures have
# nothing to decode, so no flag for a low delay does anything for them.
_AT_ONCE = ("-threads", "1")
_DEVICES = "/dev"
_NAMES = "/sys/class/video4linux"
_QUERYCAP, _CAPTURES, _OF_THIS_NODE = 0x80685600, 0x00001001, 0x80000000  # linux/videodev2.h
_AVFOUNDATION = re.compile(r"^\[(\d+)\] (.+)$")
_AVFOUNDATION_PART = re.compile(r"AVFoundation (video|audio) devices")
_DSHOW = re.compile(r'^"(.+)" \((.*)\)$')
_DSHOW_OTHER_NAME = re.compile(r'^Alternative name "(.+)"$')
_SCREEN = re.compile(r"Capture screen \d+$")
_BUSY = re.compile(r"busy|already in use|in use by another", re.I)
_FORBIDDEN = re.compile(r"permission denied|not permitted|not authorized|cannot use ", re.I)
_ABSENT = re.compile(
    r"no such (file|device)|device not found|could not find video device|invalid device index"
    r"|connection refused|timed out|no route to host|network is (unreachable|down)"
    r"|host is (unreachable|down)|error number -138",
    re.I,
)
_NO_CAMERA = re.compile(r"inappropriate ioctl|not a video capture device", re.I)


class Camera(NamedTuple):
    """A camera of this machine.

    Attributes:
      number: what `--source` may call it; None for a path that is no `/dev/videoN`.
      name: what its maker calls it; empty where the system does not tell.
      address: what ffmpeg opens.
    """

    number: int | None
    name: str
    address: str

    @property
    def shown(self) -> str:
        """A name for messages."""
        called = self.address if self.number is None else f"camera {self.number}"
        return f"{called} ({self.name})" if self.name else called


def list_cameras() -> list[Camera]:
    """All cameras that can be opened by a number, in its order."""
    if sys.platform == "darwin":
        return _avfoundation(_told(["-f", "avfoundation", "-list_devices", "true", "-i", ""]))
    if sys.platform == "win32":
        return _dshow(_told(["-list_devices", "true", "-f", "dshow", "-i", "dummy"]))
    nodes = Path(_DEVICES).glob("video[0-9]*")
    numbers = sorted(int(digits) for node in nodes if (digits := node.name[5:]).isdecimal())
    return [camera for number in numbers if (camera := _v4l2(number)) is not None]


def find_camera(text: str) -> Camera:
    """The camera of a number such as `1`, of a part of its name, or the first one for "".

    Raises:
      WyhError: there is none, with all that there are; or this user may not open it.
    """
    there = list_cameras()
    if text.isdecimal():
        found = [camera for camera in there if camera.number == int(text)]
    else:
        found = [camera for camera in there if text.casefold() in camera.name.casefold()]
    if not found:
        asked = f"camera {text}" if text.isdecimal() else f"the camera {text!r}"
        raise WyhError(f"got {asked if text else 'camera'} as a source, {_what_there_is(there)}")
    _check_allowed(found[0])
    return found[0]


def camera_at(path: str) -> Camera:
    """The camera of a device's path, such as `/dev/video2`.

    Raises:
      WyhError: this user may not open it.
    """
    known = [camera for camera in list_cameras() if camera.address == path]
    camera = known[0] if known else Camera(None, "", path)
    _check_allowed(camera)
    return camera


def where_now(camera: Camera) -> Camera | None:
    """A camera where it is now, if it is: plugged in again, it may have another number."""
    if camera.number is None:
        return camera if os.path.exists(camera.address) else None
    there = list_cameras()
    if camera in there:
        return camera
    return next((other for other in there if camera.name and other.name == camera.name), None)


def camera_inputs(camera: Camera) -> tuple[Inputs, ...]:
    """What to tell ffmpeg up to its one input; then what to try where a camera refuses that."""
    usual = ("-framerate", FRAME_RATE, "-video_size", SIZE)
    if sys.platform == "darwin":
        # It refuses a rate that it has not got, and its own choice, 29.97 Hz, most have not.
        rates = [("-framerate", rate) for rate in ("30", "60", "25", "15")]
        form, rest = "avfoundation", ("-pixel_format", "uyvy422", "-i", f"{camera.address}:none")
        modes = [usual, *rates]
    elif sys.platform == "win32":
        form, rest = "dshow", ("-rtbufsize", "64M", "-i", f"video={camera.address}")
        modes = [usual, ()]
    else:
        form, rest = "v4l2", ("-i", camera.address)
        modes = [usual, ()]
    return tuple((*_AT_ONCE, "-f", form, *mode, *rest) for mode in modes)


def screen_inputs(display: str) -> tuple[str, Inputs]:
    """A name for messages, and ffmpeg's arguments up to its one input.

    Args:
      display: which one: empty for the usual one, a number, or on Linux X11's own name, `:77`.

    Raises:
      WyhError: no such thing can be.
    """
    x11 = sys.platform not in ("darwin", "win32")
    if not re.fullmatch(r"\S*:\d+(\.\d+)?|\d*" if x11 else r"\d*", display):
        raise WyhError(
            f"got the screen {display!r}, wanted screen or screen:N with its number"
            f"{', or screen::77 with its name' if x11 else ''}"
        )
    rate = ("-framerate", FRAME_RATE)
    if sys.platform == "darwin":
        name = f"Capture screen {display or 0}"
        look = ("-capture_cursor", "1", "-pixel_format", "uyvy422", "-i", f"{name}:none")
        return f"screen {display or 0}", ("-f", "avfoundation", *rate, *look)
    if sys.platform == "win32":
        if not display:
            return "screen", ("-f", "gdigrab", *rate, "-i", "desktop")
        one = f"ddagrab=output_idx={display}:framerate={FRAME_RATE},hwdownload,format=bgra"
        return f"screen {display}", ("-f", "lavfi", "-i", one)
    name = (f":{display}" if display.isdecimal() else display) or os.environ.get("DISPLAY", "")
    if not name:
        raise WyhError(
            "got screen as a source, but DISPLAY is not set: play on the machine's own desktop, "
            "or name the display, as in screen::0"
        )
    only = " (windows of X11 alone)" if os.environ.get("WAYLAND_DISPLAY") else ""
    return f"screen {name}{only}", ("-f", "x11grab", *rate, "-i", name)


def is_absent(error: WyhError) -> bool:
    """Whether a source could not be opened for the one reason that it is not there."""
    return _ABSENT.search(str(error)) is not None


def explained(error: WyhError) -> WyhError:
    """A camera's error with what to do about it."""
    told = str(error)
    if _BUSY.search(told):
        return WyhError(f"{told}: another program has this camera, end that one")
    if _FORBIDDEN.search(told):
        return WyhError(f"{told}: {_leave()}")
    if _ABSENT.search(told) or _NO_CAMERA.search(told):
        return WyhError(f"{told}, {_what_there_is(list_cameras())}")
    return error


def _what_there_is(there: Sequence[Camera]) -> str:
    if not there:
        return (
            "but there is no camera: connect one, or give a video file, an address such as "
            "http://..., screen, or - for standard input"
        )
    names = (f"{camera.number} ({camera.name or camera.address})" for camera in there)
    return f"but there is only {', '.join(names)}"


def _check_allowed(camera: Camera) -> None:
    given = camera.address.startswith("/") and os.path.exists(camera.address)
    if given and not os.access(camera.address, os.R_OK | os.W_OK):
        raise WyhError(f"{camera.shown} may not be opened (permission denied): {_leave()}")


def _leave() -> str:
    if sys.platform == "darwin":
        return "allow the terminal in System Settings, Privacy & Security, Camera"
    if sys.platform == "win32":
        return "allow desktop apps in Settings, Privacy & security, Camera"
    return "join the group video (sudo usermod -aG video $USER), then log in again"


def _told(arguments: list[str]) -> list[str]:
    told = ffmpeg.output_of(arguments, level="repeat+info")[2]
    return [ffmpeg.without_context(line) for line in told.splitlines()]


def _v4l2(number: int) -> Camera | None:
    """A camera of Linux; None for a node that gives no pictures, as each has beside it."""
    path = f"{_DEVICES}/video{number}"
    try:
        name, can = node_of(path)
    except (ImportError, OSError):  # busy, or not for this user: what it is called can be told
        file = Path(_NAMES, f"video{number}", "name")
        return Camera(number, file.read_text().strip() if file.exists() else "", path)
    return Camera(number, name, path) if can & _CAPTURES else None


def node_of(path: str) -> tuple[str, int]:
    """What a v4l2 node of Linux is called, and what it can do, in the bits of `linux/videodev2.h`.

    Raises:
      ImportError: another system.
      OSError: it cannot be opened, or is none.
    """
    import fcntl

    device = os.open(path, os.O_RDWR | os.O_NONBLOCK)
    try:
        answer = fcntl.ioctl(device, _QUERYCAP, bytes(104))
    finally:
        os.close(device)
    _, card, _, _, both, this = struct.unpack("16s32s32sIII12x", answer)
    name = card.rstrip(b"\0").decode(errors="replace").strip()
    return name, this if both & _OF_THIS_NODE else both


def _avfoundation(lines: Sequence[str]) -> list[Camera]:
    found, part = [], ""
    for line in lines:
        if heading := _AVFOUNDATION_PART.search(line):
            part = heading[1]
        elif part == "video" and (device := _AVFOUNDATION.match(line)):
            if not _SCREEN.match(device[2]):
                found.append(Camera(int(device[1]), device[2], device[1]))
    return found


def _dshow(lines: Sequence[str]) -> list[Camera]:
    found: list[tuple[str, str]] = []
    is_camera = False
    for line in lines:
        if device := _DSHOW.match(line):
            # A camera made by a program may not tell what it gives.
            is_camera = "video" in device[2] or device[2] == "none"
            if is_camera:
                found.append((device[1], ""))
        elif is_camera and (other := _DSHOW_OTHER_NAME.match(line)):
            found[-1] = (found[-1][0], other[1])
    names = [name for name, _ in found]
    # A name that two have, or with what parts two names, is no address; the other name always is.
    addresses = [
        other if other and (names.count(name) > 1 or ":" in name) else name for name, other in found
    ]
    return [Camera(n, *both) for n, both in enumerate(zip(names, addresses, strict=True))]
