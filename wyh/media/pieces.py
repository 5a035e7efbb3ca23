"""Movies in pieces: they can be played however their writing ends."""

from pathlib import Path

from wyh.media import ffmpeg
from wyh.media.whole import WholeFile

_FRAGMENTS = ["-movflags", "+frag_keyframe+delay_moov+default_base_moof"]
_CLUSTERS = ["-cluster_time_limit", "1000"]


def in_pieces(muxer: str) -> list[str]:
    """How ffmpeg is told to write a container so that each second can be played by itself.

    In mp4 a piece begins at a picture that needs no other.
    """
    return _CLUSTERS if muxer == "matroska" else _FRAGMENTS


def make_plain(path: Path, muxer: str, start_secs: float = 0.0, secs: float | None = None) -> None:
    """Make a plain movie of one in pieces, all at once: the index stands in front.

    Args:
      path: the movie.
      muxer: of its container.
      start_secs: what comes before is left out; a picture that needs no other comes right after.
      secs: how long the rest is, all of it unless given.

    Raises:
      WyhError: the disk is full, or the like; the movie in pieces stays.
    """
    whole = WholeFile(path)
    try:
        taken = ["-i", ffmpeg.as_argument(path), "-map", "0", "-c", "copy"]
        taken += ["-ss", f"{start_secs:.6f}"] if start_secs > 0 else []
        taken += [] if secs is None else ["-t", f"{secs:.6f}"]
        taken += [] if muxer == "matroska" else ["-movflags", "+faststart"]
        taken += ["-f", muxer, "-y", ffmpeg.as_argument(whole.temporary)]
        status, _, told = ffmpeg.output_of(taken)
        if status:
            raise whole.failure(ffmpeg.reason(told.splitlines()) or f"status {status} of ffmpeg")
    except BaseException:
        whole.drop()
        raise
    whole.keep()
