"""Standard input as a source of pictures: y4m, or raw rgb24, fed to ffmpeg and counted.

ffmpeg does not tell whether a y4m stream ends in the middle of a picture; counting does.
"""

import os
import re
import sys
from typing import Any

_CHUNK_BYTES = 1 << 16
_START_BYTES = 4096
_PLANES = {"420": (2, 2), "422": (2, 1), "411": (4, 1), "440": (1, 2), "444": (1, 1)}


def y4m_frame_bytes(header: bytes) -> int | None:
    """Bytes of one picture of a y4m stream, its `FRAME` line included.

    Args:
      header: the first line, such as `YUV4MPEG2 W64 H48 F25:1 C420jpeg`.

    Returns:
      None where the line is damaged or the colour space unknown.
    """
    words = header.decode("ascii", "replace").split()
    tags = {word[0]: word[1:] for word in words[1:]}
    if words[:1] != ["YUV4MPEG2"] or not all(tags.get(t, "").isdecimal() for t in "WH"):
        return None
    width, height = int(tags["W"]), int(tags["H"])
    colours = tags.get("C", "420")
    size = 2 if re.search(r"p(9|1\d)$|mono(9|1\d)$", colours) else 1
    values = width * height
    if not colours.startswith("mono"):
        if colours[:3] not in _PLANES:
            return None
        across, down = _PLANES[colours[:3]]
        values += 2 * -(-width // across) * -(-height // down)
        values += width * height if colours.endswith("alpha") else 0
    return len("FRAME\n") + values * size


def feed_stdin(pipe: Any, frame_bytes: int | None) -> str | None:
    """Copy standard input into `pipe` until either ends, then close it.

    Args:
      pipe: ffmpeg's stdin.
      frame_bytes: of one raw picture; None for y4m, whose first line tells.

    Returns:
      What is wrong with what came, where ffmpeg may not say it; or None.
    """
    source, total, start, broken = sys.stdin.fileno(), 0, b"", False
    try:
        while piece := os.read(source, _CHUNK_BYTES):
            start += piece[: _START_BYTES - len(start)]
            total += len(piece)
            view = memoryview(piece)
            while view:
                view = view[pipe.write(view) :]
    except (OSError, ValueError):  # ffmpeg gave up, or was told to: then the pipe may be closed
        broken = True
    finally:
        pipe.close()
    if not total:
        return "is empty"
    past = total
    if frame_bytes is None:
        line, newline, rest = start.partition(b"\n")
        if not line.startswith(b"YUV4MPEG2 "):
            return "is no y4m; raw rgb24 needs --size WxH and --frame-rate"
        # A line before each picture that says more than this has a length of its own.
        frame_bytes = y4m_frame_bytes(line) if rest.startswith(b"FRAME\n") else None
        past -= len(line + newline)
    if broken or frame_bytes is None or not past % frame_bytes:
        return None
    return f"breaks off inside its picture {past // frame_bytes + 1}"
