"""How ffmpeg is told to make a movie of raw pictures and raw sound: inputs, codecs, containers."""

import os
import subprocess
from pathlib import Path
from typing import Literal

import numpy as np
from jaxtyping import Float32

from wyh.errors import WyhError
from wyh.media import ffmpeg
from wyh.media.feed import Feed
from wyh.specs import VideoSpec

Scaling = Literal["nearest", "bicubic"]

# mp4 and mov say exactly how much padding AAC put in front. FLAC, in mkv, has none.
AAC = ["-c:a", "aac", "-b:a", "192k"]
FLAC = ["-c:a", "flac", "-sample_fmt", "s32", "-bits_per_raw_sample", "24"]
X264 = ["-c:v", "libx264", "-preset", "veryfast", "-crf", "20", "-pix_fmt", "yuv420p"]
BOTH = ["-map", "0:V:0", "-map", "1:a:0", "-map_chapters", "-1"]
EVEN = "pad=ceil(iw/2)*2:ceil(ih/2)*2"
_MUXERS = {".mp4": "mp4", ".m4v": "mp4", ".mov": "mov", ".mkv": "matroska"}
# So that every player turns the colours back into the same RGB.
COLOURS = ["-colorspace", "bt709", "-color_primaries", "bt709", "-color_trc", "bt709"]
_ENLARGED_PIXELS = 512  # a model's small pictures are written at least about this large


def muxer_of(path: str | Path) -> str:
    """The name ffmpeg has for the container that a file's ending asks for.

    Raises:
      WyhError: an unknown ending.
    """
    muxer = _MUXERS.get(Path(path).suffix.lower())
    if muxer is None:
        raise WyhError(f"{ffmpeg.shown(path)}: wanted a name ending in .mp4, .mov or .mkv")
    return muxer


def sound_coding(muxer: str) -> list[str]:
    """How sound is coded in a container."""
    return [*(FLAC if muxer == "matroska" else AAC)]


def sound_input(sample_rate: int, channels: int) -> list[str]:
    """The input of `raw_sound` from pipe 0."""
    layout = "mono" if channels == 1 else "stereo"
    return ["-f", "f32le", "-ar", str(sample_rate), "-ch_layout", layout, "-i", "pipe:0"]


def raw_sound(block: Float32[np.ndarray, "samples ..."]) -> bytes:
    """Sound as `sound_input` has it; what is beyond [-1, 1] is clipped."""
    return np.clip(block, -1, 1).astype("<f4").tobytes()


def start_raw(
    video: VideoSpec,
    sound: list[str],
    output: list[str],
    *,
    size: tuple[int, int] | None = None,
    scaling: Scaling = "nearest",
) -> tuple[ffmpeg.Process, Feed, Feed]:
    """Start an ffmpeg that makes a movie of raw pictures at a constant rate, and of raw sound.

    Args:
      video: the pictures that come.
      sound: the input of the sound, from pipe 0.
      output: what to do with the sound, and where to write.
      size: of the pictures written, (height, width); odd ones gain a black row or column.
      scaling: how pictures are brought to that size.

    Returns:
      The process, and where sound and pictures go in.
    """
    if os.name != "posix":  # there, no second pipe can be handed on
        raise WyhError("pictures made here cannot become a movie on Windows yet: choose a .wav")
    reading, writing = os.pipe()
    try:
        look = ["-f", "rawvideo", "-pix_fmt", "rgb24" if video.channels == 3 else "gray"]
        look += ["-video_size", f"{video.width}x{video.height}"]
        look += ["-framerate", str(video.frame_rate), "-i", f"pipe:{reading}"]
        coding = picture_coding(size or (video.height, video.width), scaling)
        process = ffmpeg.Process(
            [*look, *sound, *BOTH, *coding, *output], stdin=subprocess.PIPE, pass_fds=(reading,)
        )
    except BaseException:
        os.close(writing)
        raise
    finally:
        os.close(reading)
    ffmpeg.widen(writing)
    return process, Feed(process.stdin), Feed(open(writing, "wb", buffering=0))


def picture_coding(size: tuple[int, int], scaling: Scaling) -> list[str]:
    """H.264 of raw pictures brought to a size, (height, width)."""
    flags = {"nearest": "neighbor", "bicubic": "bicubic"}[scaling]
    scale = f"scale={size[1]}:{size[0]}:flags={flags}+accurate_rnd+full_chroma_int"
    scale += ":out_color_matrix=bt709:out_range=tv"
    return ["-vf", f"{scale},format=yuv420p,{EVEN}", *X264, *COLOURS]


def enlarged(video: VideoSpec) -> tuple[int, int]:
    """The size, (height, width), at which a model's small pictures can be looked at."""
    scale = max(1, round(_ENLARGED_PIXELS / max(video.height, video.width)))
    return video.height * scale, video.width * scale
