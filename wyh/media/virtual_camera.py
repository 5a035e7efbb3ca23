"""A virtual camera: pictures that other programs see as those of one of the machine's cameras.

On Linux, a node that the kernel module v4l2loopback makes.
"""

import subprocess

import numpy as np
from jaxtyping import UInt8

from wyh.errors import WyhError
from wyh.media import ffmpeg
from wyh.media.cameras import node_of
from wyh.media.feed import Feed
from wyh.media.muxing import EVEN, picture_input
from wyh.specs import VideoSpec

_TAKES_PICTURES = 0x00000002  # V4L2_CAP_VIDEO_OUTPUT of linux/videodev2.h
_WAITING_SECS = 0.5  # of pictures that a device may leave lying before some are left out
_MAKE_ONE = "make one with: sudo modprobe v4l2loopback video_nr=9, and name it as /dev/video9"


class VirtualCamera:
    """Shows pictures to whoever looks at a device. `close` it in the end."""

    def __init__(self, device: str, video: VideoSpec):
        """Open it.

        Args:
          device: such as `/dev/video9`.
          video: what it will be given.

        Raises:
          WyhError: there is no such device, it takes no pictures, or it may not be opened.
        """
        check_device(device)
        self._device, self._most = device, _WAITING_SECS * float(video.frame_rate)
        arguments = [*picture_input(video, 0), *coding(), device]
        self._process = ffmpeg.Process(arguments, stdin=subprocess.PIPE)
        self._feed = Feed(self._process.stdin)

    def show(self, pixels: UInt8[np.ndarray, "height width channel"]) -> None:
        """Show a picture until the next one; where the device is slow, some are left out.

        Raises:
          WyhError: the device takes no more.
        """
        if self._feed.broken:
            self._process.wait()
            why = ffmpeg.reason(self._process.complaints) or "it takes no more pictures"
            raise WyhError(f"{self._device} cannot be shown to: {why}")
        if self._feed.waiting_bytes < self._most * pixels.size:
            self._feed.put(pixels.tobytes())

    def close(self) -> None:
        """Let the device go."""
        self._process.kill()
        self._feed.finish()
        self._feed.join()
        self._process.close()


def coding() -> list[str]:
    """How pictures become those of a camera, in the form that most programs take."""
    # More threads would hold back a picture each.
    form = ["-vf", f"{EVEN},format=yuv420p", "-threads", "1", "-c:v", "rawvideo"]
    return ["-fps_mode", "passthrough", *form, "-f", "v4l2"]


def check_device(device: str) -> None:
    """See that a device takes pictures.

    Raises:
      WyhError: it does not, or may not be opened.
    """
    try:
        name, can = node_of(device)
    except FileNotFoundError:
        raise WyhError(f"{device}: no such camera; {_MAKE_ONE}") from None
    except PermissionError:
        raise WyhError(
            f"{device} may not be opened (permission denied): join the group video (sudo usermod "
            f"-aG video $USER), then log in again"
        ) from None
    except (ImportError, OSError) as error:
        raise WyhError(f"{device} is no camera ({error}); {_MAKE_ONE}") from None
    if not can & _TAKES_PICTURES:
        raise WyhError(f"{device} ({name}) gives pictures and takes none; {_MAKE_ONE}")
