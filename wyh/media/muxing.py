"""How ffmpeg is told to make a movie: inputs of pictures and sound, codecs, containers."""

import os
import re
import subprocess
from pathlib import Path
from typing import Literal

import numpy as np
from jaxtyping import Float32

from wyh.errors import WyhError
from wyh.media import ffmpeg
from wyh.media.feed import Feed
from wyh.media.probe import probe
from wyh.specs import VideoSpec

Scaling = Literal["nearest", "bicubic"]

# mp4 and mov say exactly how much padding AAC put in front. FLAC, in mkv, has none.
AAC = ["-c:a", "aac", "-b:a", "192k"]
FLAC = ["-c:a", "flac", "-sample_fmt", "s32", "-bits_per_raw_sample", "24"]
X264 = ["-c:v", "libx264", "-preset", "veryfast", "-crf", "20", "-pix_fmt", "yuv420p"]
BOTH = ["-map", "0:V:0", "-map", "1:a:0", "-map_chapters", "-1"]
EVEN = "pad=ceil(iw/2)*2:ceil(ih/2)*2"
CODED_ANEW = ["-fps_mode", "passthrough", "-enc_time_base:v", "demux", "-vf", EVEN, *X264]
_TIMELESS = re.compile(r"Timestamps are unset|unknown timestamp|pts has no value")
_MUXERS = {".mp4": "mp4", ".m4v": "mp4", ".mov": "mov", ".mkv": "matroska"}
# So that every player turns the colours back into the same RGB.
COLOURS = ["-colorspace", "bt709", "-color_primaries", "bt709", "-color_trc", "bt709"]
# The timing of `wyh.media.decode.open_audio`: the sound's own start is 0, gaps become silence.
_FROM_ITS_START = (
    "asetpts=PTS-STARTPTS,aresample=async=1:min_hard_comp=0.01:first_pts=0:rematrix_maxval=1"
)
# Both codecs take these as they are, or know the nearest that they take; the others are mixed.
_LAYOUTS = (
    "mono|stereo|2.1|3.0|3.0(back)|4.0|quad|quad(side)|3.1|5.0|5.0(side)|4.1|5.1|5.1(side)|6.0"
    "|hexagonal|6.1|6.1(back)|7.0|7.1|7.1(wide)|octagonal"
)
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


def own_sound(source: str | Path) -> tuple[list[str], list[str]]:
    """The input of a file's first sound, and what to do with it: it begins at 0.

    Damaged packets are left out. It keeps its rate and channels where the codec takes them.

    Raises:
      WyhError: no media, or no sound.
    """
    info = probe(source)
    if not info.has_audio:
        raise WyhError(f"{ffmpeg.shown(source)} has no sound, wanted a file with sound")
    # A layout without a name has no rule for mixing, and no codec takes it: all channels alike.
    unnamed = re.fullmatch(r"(\d+) channels", info.audio_layout or "")
    plain = "+".join(f"c{n}" for n in range(int(unnamed[1]))) if unnamed else ""
    mixed = f"pan=mono|c0<{plain}," if unnamed else ""
    taken = ["-copyts", "-max_error_rate", "1", "-vn", "-i", ffmpeg.as_argument(source)]
    return taken, ["-af", f"{mixed}{_FROM_ITS_START},aformat=channel_layouts={_LAYOUTS}"]


def can_copy(source: str | Path, muxer: str, place: Path) -> bool:
    """Whether a container can hold a file's pictures untouched, tried out by writing some.

    Args:
      source: the file.
      muxer: of the container.
      place: a file that may be written over.

    Raises:
      WyhError: no media, or no picture.
    """
    codec = probe(source).video_codec
    if codec is None:
        raise WyhError(f"{ffmpeg.shown(source)} has no picture, wanted a video")
    trial = ["-i", ffmpeg.as_argument(source), "-map", "0:V:0", "-t", "2", "-c", "copy"]
    trial += ["-f", muxer, "-y", ffmpeg.as_argument(place)]
    status, _, told = ffmpeg.output_of(trial, level="repeat+warning")
    # Raw pictures would be taken, and then read back wrongly from .mov.
    return status == 0 and codec != "rawvideo" and not _TIMELESS.search(told)


def picture_input(video: VideoSpec, pipe: int) -> list[str]:
    """The input of raw pictures at a constant rate from a pipe."""
    look = ["-f", "rawvideo", "-pix_fmt", "rgb24" if video.channels == 3 else "gray"]
    look += ["-video_size", f"{video.width}x{video.height}"]
    return [*look, "-framerate", str(video.frame_rate), "-i", f"pipe:{pipe}"]


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
        coding = picture_coding(size or (video.height, video.width), scaling)
        process = ffmpeg.Process(
            [*picture_input(video, reading), *sound, *BOTH, *coding, *output],
            stdin=subprocess.PIPE,
            pass_fds=(reading,),
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
