"""`wyh live --measure` flashes: into a pipe, as a camera's pictures come, or in the window."""

import time
from typing import Any

import numpy as np

from wyh.live.flash import PERIOD_SECS
from wyh.media.sources import Source
from wyh.media.view import View
from wyh.specs import VideoSpec

CAMERA_HZ = 30  # of the pictures in the pipe, as cameras have
_BEFORE_SECS = 1.0  # of darkness, until the first flash
_SIZE = (64, 48)


class Flasher:
    """Changes between dark and light at its times, and notes when it did.

    Attributes:
      switches: `time.perf_counter` of each change that was shown, the first to light.
    """

    def __init__(self) -> None:
        self.switches: list[float] = []
        self._begun: float | None = None

    def is_light(self) -> bool:
        """What is to be shown now. The clock begins with the first call."""
        now = time.perf_counter()
        self._begun = self._begun or now
        since = now - self._begun - _BEFORE_SECS
        return since >= 0 and int(since // PERIOD_SECS) % 2 == 0

    def shown(self, light: bool) -> None:
        """It is on its way to the eye, since now."""
        if light != bool(len(self.switches) % 2):
            self.switches.append(time.perf_counter())

    def source(self) -> Source:
        """Pictures in a pipe, at a camera's pace: the newest counts."""
        width, height = _SIZE
        look = ["-f", "rawvideo", "-pix_fmt", "rgb24", "-video_size", f"{width}x{height}"]
        inputs = ("-threads", "1", *look, "-framerate", str(CAMERA_HZ), "-i", "pipe:0")
        return Source("flashes", inputs, paced=False, feed=self._feed)

    def _feed(self, pipe: Any) -> None:
        width, height = _SIZE
        pictures = [bytes([255 * light]) * (3 * width * height) for light in (0, 1)]
        due = time.perf_counter()
        try:
            while True:
                light = self.is_light()
                pipe.write(pictures[light])
                self.shown(light)
                due += 1 / CAMERA_HZ
                time.sleep(max(0.0, due - time.perf_counter()))
        except (OSError, ValueError):  # the stream is over
            return

    def view(self, view: View, video: VideoSpec, light: bool) -> View:
        """What a window shows instead: all of it dark or light."""
        pixels = np.full((video.height, video.width, 3), 255 * light, np.uint8)
        return view._replace(picture=None, known=pixels, code=None)
