"""When the pictures of a file begin."""

from fractions import Fraction
from pathlib import Path

from wyh.media.decode import open_video
from wyh.specs import VideoSpec

_GLANCE = VideoSpec(Fraction(25), 8, 8, 1, "stretch")


def picture_start_secs(path: str | Path) -> float:
    """The time of the first picture on the container's clock: `VideoReader.start_secs`.

    Raises:
      WyhError: no media, or not one picture.
    """
    with open_video(path, _GLANCE, chunk=1, strict=False) as reader:
        return reader.start_secs
