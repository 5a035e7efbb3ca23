"""What `--source` may be: a camera, a screen, a microphone, a file, an address, standard input.

Every kind is named here, so that all commands take the same ones.
"""

import os
import re
import stat
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from wyh.errors import WyhError
from wyh.media import cameras, ffmpeg
from wyh.media.cameras import Camera, Inputs
from wyh.media.probe import probe
from wyh.specs import as_rate

_INSTEAD = (
    "give a camera such as 0, screen, a video file, an address such as http://..., or - for "
    "standard input"
)
_HEARD_INSTEAD = (
    "give mic, mic:NAME, mic:loopback, a song or film, or an address such as http://..."
)
# One decoding thread: more of them hold back a picture each. Flags that promise a low delay lose
# pictures at the start and mix up B-frames; nothing else waits, for the newest picture is taken.
_AT_ONCE = ["-threads", "1"]
_GLANCE = ["-analyzeduration", "1000000", "-probesize", "500000"]


@dataclass(frozen=True)
class Source:
    """A source that ffmpeg can open.

    Attributes:
      name: for messages.
      inputs: ffmpeg's arguments up to its one input.
      paced: handed out by its own times; else the newest at once. None: by whether it is a film.
      restarts: opened again when it ends or falls silent, unless it is a film.
      others: inputs to try where ffmpeg gives nothing from `inputs`.
      camera: where it is one.
      loop: a film begins again at its end.
      stdin: standard input is fed to ffmpeg.
      frame_bytes: with `stdin`, of a raw picture; None for y4m.
      feed: fills ffmpeg's input instead, as for `PictureStream`.
    """

    name: str
    inputs: Inputs
    paced: bool | None
    restarts: bool = False
    others: tuple[Inputs, ...] = ()
    camera: Camera | None = None
    loop: bool = False
    stdin: bool = False
    frame_bytes: int | None = None
    feed: Callable[[Any], str | None] | None = None


def resolve_source(
    text: str,
    *,
    loop: bool = False,
    size: str | None = None,
    frame_rate: str | None = None,
    paced: bool = True,
) -> Source:
    """Find out what `--source` means.

    Args:
      text: a camera's number, `camera:` and a part of its name, `screen` or `screen:` and its
        number, a device's path, a film's path, an address, or `-`.
      loop: play a film again and again.
      size: of raw rgb24 pictures on standard input, `WIDTHxHEIGHT`.
      frame_rate: of these, in Hz.
      paced: standard input is a recording, to be played by its frame rate.

    Raises:
      WyhError: nothing that could be played.
    """
    if text != "-" and (size or frame_rate):
        raise WyhError(f"--size and --frame-rate are for --source -, got --source {text}")
    if text == "-":
        return _stdin(size, frame_rate, paced)
    if ffmpeg.is_url(text):
        inputs = (*_AT_ONCE, *_GLANCE, *_patience(text), "-i", text)
        return Source(text, inputs, paced=None, restarts=True, loop=loop)
    # A folder may well be called screen, or 0.
    if not Path(text).is_file() and (live := _by_name(text)):
        return live
    try:
        mode = os.stat(text).st_mode
    except OSError:
        mode = 0  # `probe` tells
    if stat.S_ISCHR(mode):
        return _camera(cameras.camera_at(text))
    if stat.S_ISFIFO(mode):
        return Source(text, (*_AT_ONCE, "-i", ffmpeg.as_argument(text)), paced=False)
    if not probe(text).has_video:
        raise WyhError(f"{ffmpeg.shown(text)} has no picture, wanted a video")
    inputs = ("-copyts", "-i", ffmpeg.as_argument(text))
    return Source(ffmpeg.shown(text), inputs, paced=True, loop=loop)


@dataclass(frozen=True)
class SoundSource:
    """A source of sound.

    Attributes:
      name: for messages.
      microphone: the sound of now; else a recording, which also plays.
      where: the device, as `open_microphone` takes it; or the file or address.
    """

    name: str
    microphone: bool
    where: str | None


def gives(text: str) -> Literal["sound", "pictures", "either"]:
    """What a source has by its name alone; a file or an address may have both."""
    if ffmpeg.is_url(text) or Path(text).is_file():
        return "either"
    kind = text.partition(":")[0]
    if kind == "mic":
        return "sound"
    device = re.fullmatch(r"/dev/video\d+", text)
    return "pictures" if kind in ("camera", "screen") or text.isdecimal() or device else "either"


def resolve_sound(text: str) -> SoundSource:
    """Find out what `--source` means where it is to be heard.

    Args:
      text: `mic`, `mic:` and an index or a part of a name, `mic:loopback`; a path; an address.

    Raises:
      WyhError: nothing that could be heard.
    """
    kind = gives(text)
    if kind == "sound":
        where = text.partition(":")[2] or None
        return SoundSource(text, True, where)
    if kind == "pictures":
        raise WyhError(f"got {text} as a source, which gives pictures, not sound: {_HEARD_INSTEAD}")
    if text == "-":
        raise WyhError(f"got standard input as a source of sound: {_HEARD_INSTEAD}")
    if not ffmpeg.is_url(text):
        if Path(text).exists() and not (Path(text).is_file() or Path(text).is_dir()):
            raise WyhError(f"got {ffmpeg.shown(text)}, which is no file: {_HEARD_INSTEAD}")
        if not probe(text).has_audio:
            raise WyhError(f"{ffmpeg.shown(text)} has no sound, wanted a song or a film with sound")
    return SoundSource(ffmpeg.shown(text), False, text)


def found_again(source: Source) -> Source | None:
    """A source that was gone, as it can be opened now; None for a camera that is still gone."""
    if source.camera is None:
        return source
    camera = cameras.where_now(source.camera)
    if camera is None or camera == source.camera:
        return camera and source
    inputs, *others = cameras.camera_inputs(camera)
    return replace(source, inputs=inputs, others=tuple(others), camera=camera)


def _by_name(text: str) -> Source | None:
    """A source that is neither a file nor an address."""
    if node := re.fullmatch(r"/dev/video(\d+)", text):
        text = node[1]  # to be told of those that are there
    kind, _, which = text.partition(":")
    if text.isdecimal() or kind == "camera":
        return _camera(cameras.find_camera(text if text.isdecimal() else which))
    if kind == "screen":
        name, inputs = cameras.screen_inputs(which)
        return Source(name, inputs, paced=False, restarts=True)
    if kind == "mic":
        raise WyhError(f"got {text} as a source, which gives sound, not pictures: {_INSTEAD}")
    return None


def _camera(camera: Camera) -> Source:
    inputs, *others = cameras.camera_inputs(camera)
    return Source(
        camera.shown, inputs, paced=False, restarts=True, others=tuple(others), camera=camera
    )


def _patience(url: str) -> tuple[str, ...]:
    """How ffmpeg is told to give an address up that has been silent for 3 s."""
    scheme = url.partition(":")[0].casefold()
    if scheme in ("http", "https"):
        return ("-rw_timeout", "3000000")
    if scheme in ("rtsp", "rtsps"):
        # By UDP, its first choice, pictures are torn where the network is wireless.
        return ("-timeout", "3000000", "-rtsp_flags", "prefer_tcp")
    return ()


def _stdin(size: str | None, frame_rate: str | None, paced: bool) -> Source:
    if bool(size) != bool(frame_rate):
        given, wanted = ("--size", "--frame-rate") if size else ("--frame-rate", "--size WxH")
        raise WyhError(f"got {given} without {wanted}: raw rgb24 needs both, y4m neither")
    if sys.stdin is None or sys.stdin.isatty():
        raise WyhError("standard input is a terminal: pipe y4m into it, or rgb24 with --size")
    name, frame_bytes = "standard input", None
    look = ["-f", "yuv4mpegpipe"]
    if size and frame_rate:
        match = re.fullmatch(r"(\d{1,5})x(\d{1,5})", size)
        width, height = (int(match[1]), int(match[2])) if match else (0, 0)
        if not (0 < width <= 16384 and 0 < height <= 16384):
            raise WyhError(f"got --size {size}, wanted WIDTHxHEIGHT in pixels, such as 640x480")
        frame_bytes = 3 * width * height
        look = ["-f", "rawvideo", "-pix_fmt", "rgb24", "-video_size", f"{width}x{height}"]
        look += ["-framerate", str(as_rate(frame_rate))]
    inputs = (*_AT_ONCE, *look, "-i", "pipe:0")
    return Source(name, inputs, paced=paced, stdin=True, frame_bytes=frame_bytes)
