"""Where pictures that are made live go: a window, nowhere, a movie, a camera, standard output."""

from pathlib import Path

import numpy as np
from jaxtyping import Float32, UInt8

from wyh.errors import WyhError
from wyh.live.pipe import standard_output, write_all
from wyh.live.sinks import MOVIES, MovieSink, NullSink, Sink
from wyh.media.virtual_camera import VirtualCamera
from wyh.specs import StreamSpec

_WANTED = (
    "screen, web, null, a name in .mp4 or .mkv, a virtual camera such as /dev/video9, or - for "
    "rgb24 on standard output"
)


def open_picture_sink(text: str, spec: StreamSpec) -> Sink:
    """Open what `--sink` names for pictures that are made from sound, but for `web`.

    Args:
      text: `screen`, which is a window; `null`, `-`, `/dev/videoN` or a path.
      spec: of the stream, with the sound that is to go beside the pictures.

    Raises:
      WyhError: unknown kind, or it cannot be written.
    """
    if text == "null" or text.partition(":")[0] == "screen":
        return NullSink()
    if text == "-":
        return PicturesOut(spec)
    if text.startswith("/dev/video"):
        return CameraSink(text, spec)
    if Path(text).suffix.lower() in MOVIES:
        return MovieSink(text, spec, enlarge=False)
    raise WyhError(f"got --sink {text} for pictures, wanted {_WANTED}")


class CameraSink:
    """A virtual camera, that other programs see as one of the machine's."""

    def __init__(self, device: str, spec: StreamSpec) -> None:
        self._camera = VirtualCamera(device, spec.video)

    def write(self, block: Float32[np.ndarray, "samples ..."]) -> None:
        """No sound."""

    def show(self, pixels: UInt8[np.ndarray, "height width channel"], ticks: int) -> None:
        """Show the picture, until the next one."""
        self._camera.show(pixels)

    def close(self, *, keep: bool) -> None:
        """Let the device go."""
        self._camera.close()


class PicturesOut:
    """Raw rgb24 pictures on standard output at the stream's frame rate, whatever is left out.

    A reader that stood still for longer than a second misses what was before.
    """

    def __init__(self, spec: StreamSpec) -> None:
        self._file = standard_output("shows rgb24")
        self._most = max(1, round(spec.video.frame_rate))

    def write(self, block: Float32[np.ndarray, "samples ..."]) -> None:
        """No sound."""

    def show(self, pixels: UInt8[np.ndarray, "height width channel"], ticks: int) -> None:
        """Write the picture for each of its ticks; blocks as long as the reader does."""
        for _ in range(min(ticks, self._most)):
            write_all(self._file, pixels.tobytes())

    def close(self, *, keep: bool) -> None:
        """The file is not ours to close."""
