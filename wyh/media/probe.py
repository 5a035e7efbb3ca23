"""What a media file holds, told by ffmpeg's own description of it (there is no ffprobe)."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np

from wyh.errors import WyhError
from wyh.media import ffmpeg
from wyh.specs import as_rate

_INPUT = re.compile(r"^Input #0, (?P<container>\S+), from '", re.M)
_DURATION = re.compile(
    r"^  Duration: (?:(\d+):(\d\d):(\d\d\.\d+)|N/A)(?:, start: (-?[\d.]+))?", re.M
)
_STREAM = re.compile(
    r"^  Stream #0:\d+(?:\[0x[0-9a-f]+\])?(?:\(\S*\))?: (?P<kind>Video|Audio): (?P<told>.*)$", re.M
)
_SIZE = re.compile(r", (\d+)x(\d+)\b")
_PIXEL = re.compile(r"\bSAR (\d+):(\d+) DAR")
_ROTATION = re.compile(r"display ?matrix: rotation of (-?[\d.]+) degrees", re.I)
# Demuxers that take any text or bytes for a picture, by the file name's ending alone.
_TEXT_DEMUXERS = {"tty", "bin", "xbin", "adf", "idf"}
_NO_PTS = -(2**63)


@dataclass(frozen=True)
class MediaInfo:
    """What a file holds. Its first picture stream and its first sound stream count.

    `width` and `height` are as displayed: turned upright, and with square pixels. Cover art is no
    video. `start_secs` is the container's, the earliest of all streams.
    """

    path: str
    container: str  # ffmpeg's name, such as "mov,mp4,m4a,3gp,3g2,mj2" or "matroska,webm"
    has_video: bool
    has_audio: bool
    width: int | None = None  # pixels
    height: int | None = None  # pixels
    duration_secs: float | None = None  # None where the container does not say
    start_secs: float | None = None
    frame_rate: Fraction | None = None  # Hz, as the header claims; `measure_frame_rate` knows
    video_codec: str | None = None
    audio_codec: str | None = None
    sample_rate: int | None = None  # Hz
    audio_layout: str | None = None  # "mono", "stereo", "5.1(side)", "12 channels", ...


def probe(path: str | Path) -> MediaInfo:
    """Look into a file without decoding it.

    Raises:
      WyhError: missing, empty, unreadable, a directory, or no media.
    """
    ffmpeg.check_readable(path)
    _, _, told = ffmpeg.output_of(["-i", ffmpeg.as_argument(path)], level="repeat+info")
    found = _INPUT.search(told)
    if found is None:
        raise WyhError(f"{ffmpeg.shown(path)} {_why_not_media(told.splitlines())}")
    if found["container"] in _TEXT_DEMUXERS:
        raise WyhError(f"{ffmpeg.shown(path)} is no media file (text)")
    return _parse(str(path), found["container"], told[found.start() :])


def _why_not_media(lines: Sequence[str]) -> str:
    if any("moov atom not found" in line for line in lines):
        return "is no media file, or its end is cut off (no index found); copy or export it again"
    return f"is no media file ({ffmpeg.reason(lines)})"


def _parse(path: str, container: str, told: str) -> MediaInfo:
    """Read ffmpeg's description. Lines of the file's own metadata are set in deeper."""
    duration = _DURATION.search(told)
    length = start = None
    if duration:
        hours, minutes, seconds, begin = duration.groups()
        length = int(hours) * 3600 + int(minutes) * 60 + float(seconds) if hours else None
        start = float(begin) if begin else None
    streams = list(_STREAM.finditer(told))
    ends = [*(stream.start() for stream in streams[1:]), len(told)]
    video = audio = None
    for stream, end in zip(streams, ends, strict=False):
        if stream["kind"] == "Audio":
            audio = audio or stream["told"]
        elif video is None and "(attached pic)" not in stream["told"]:
            video = told[stream.start("told") : end]
    rate = re.search(r", (\d+) Hz, ([^,(]+(?:\(\w+\))?)", audio or "")
    width, height = _displayed_size(video or "")
    return MediaInfo(
        path=path,
        container=container,
        has_video=video is not None,
        has_audio=audio is not None,
        width=width,
        height=height,
        duration_secs=length,
        start_secs=start,
        frame_rate=_claimed_rate((video or "").partition("\n")[0]),
        video_codec=_codec(video),
        audio_codec=_codec(audio),
        sample_rate=int(rate[1]) if rate else None,
        audio_layout=rate[2].strip() if rate else None,
    )


def _codec(told: str | None) -> str | None:
    return None if told is None else re.split(r"[ ,]", told, maxsplit=1)[0]


def _displayed_size(told: str) -> tuple[int | None, int | None]:
    line = told.partition("\n")[0]
    size = _SIZE.search(line)
    if size is None:
        return None, None
    width, height = int(size[1]), int(size[2])
    # The codec's word comes first, the container's, which counts, last.
    for across, down in _PIXEL.findall(line)[-1:]:
        if int(across) and int(down):
            width = max(1, round(width * int(across) / int(down)))
    turned = _ROTATION.search(told)
    if turned and round(float(turned[1]) / 90) % 2:
        width, height = height, width
    return width, height


def _claimed_rate(told: str) -> Fraction | None:
    claims = re.search(r", ([\d.]+)(k?) fps", told) or re.search(r", ([\d.]+)(k?) tbr", told)
    if claims is None or float(claims[1]) <= 0:
        return None
    return as_rate(claims[1]) * (1000 if claims[2] else 1)


def has_b_frames(path: str | Path) -> bool:
    """Whether any of the first pictures is predicted from a later one."""
    arguments = ["-i", ffmpeg.as_argument(path), "-map", "0:V:0", "-frames:v", "100"]
    arguments += ["-vf", "showinfo=checksum=0", "-f", "null", "-"]
    return re.search(r"\btype:B\b", ffmpeg.output_of(arguments, level="info")[2]) is not None


def measure_frame_rate(path: str | Path, secs: float = 4.0) -> Fraction:
    """The true frame rate in Hz of a file's first seconds, from its timestamps.

    It is the mean of the spacings near the median one, so neither a coarse clock (mkv counts in
    ms) nor a few gaps matter; then the nearest usual rate (24, 24000/1001, 12.5, ...) if it is
    within 0.06 %. A file with a single picture has the rate its header claims, or 25.

    Raises:
      WyhError: as `probe`; no picture.
    """
    info = probe(path)
    if not info.has_video:
        raise WyhError(f"{ffmpeg.shown(path)} has no picture, wanted a video")
    # Packets tell the times without decoding. `-t` counts from the container's own start.
    arguments = ["-i", ffmpeg.as_argument(path), "-map", "0:V:0", "-t", f"{secs:g}"]
    _, table, _ = ffmpeg.output_of([*arguments, "-c", "copy", "-f", "framecrc", "pipe:1"])
    unit = re.search(r"^#tb 0: (\d+)/(\d+)", table, re.M)
    rows = [row.split(",") for row in table.splitlines() if row and not row.startswith("#")]
    times = [(int(row[2]), int(row[1])) for row in rows if row[0].strip() == "0"]
    # Where the container holds no presentation times, decoding times have the same spacing.
    column = 1 if any(presented == _NO_PTS for presented, _ in times) else 0
    spacings = np.diff(np.unique([time[column] for time in times]))
    if unit is None or len(spacings) == 0:
        return info.frame_rate or Fraction(25)
    tick = Fraction(int(unit[1]), int(unit[2]))
    middle = np.median(spacings)
    near = spacings[np.abs(spacings - middle) <= max(middle / 4, 1)]
    return _usual(1 / (Fraction(int(near.sum()), len(near)) * tick))


def _usual(rate: Fraction) -> Fraction:
    whole = Fraction(round(rate * 2), 2)
    ntsc = Fraction(round(rate * 1001 / 1000) * 1000, 1001)
    best = min((whole, ntsc), key=lambda usual: abs(usual - rate))
    return best if best and abs(best - rate) <= rate * 6 / 10_000 else rate.limit_denominator(1000)
