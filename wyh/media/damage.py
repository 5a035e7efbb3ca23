"""Tells a damaged file from one that ffmpeg merely grumbles about."""

import re
from pathlib import Path

from wyh.media import ffmpeg

# What ffmpeg says when the file ends too early, when its structure is broken, when what it holds
# cannot be decoded. It calls much else an error that plays well.
_CUT_OFF = re.compile(
    r"partial file|ended prematurely|truncated|Input/output error|Connection|Error during demuxing"
    r"|End of file|Read error"
)
_BROKEN = re.compile(r"^\[(in#0|matroska|mov|mpegts|avi|flv|ogg|asf|mp3|wav|flac)\b")
_SHORT_SECS = 0.02  # by which a stream may end early: headers are shown in hundredths
_UNDECODABLE = re.compile(r"Error submitting packet|Decoding error|error while decoding")


class Damage:
    """What was wrong with a stream, judged from ffmpeg's complaints while it is read."""

    def __init__(self, path: str | Path, *, forgiven: int = 0, promised_secs: float | None = None):
        """Begin to listen.

        Args:
          path: the file, for messages.
          forgiven: undecodable packets that are not worth mentioning.
          promised_secs: how far the stream goes by the file's own header, where that is exact.
        """
        self._path = path
        self._forgiven, self._promised = forgiven, promised_secs
        self._cut_off: str | None = None
        self._broken: tuple[float, str] | None = None
        self._undecodable: list[tuple[float, str]] = []

    def hear(self, line: str, at_secs: float | None) -> None:
        """Judge a complaint, said when the stream had come to `at_secs` (None: not begun).

        Before the first frame most complaints mean nothing: a header has something unknown, or a
        recording begins between two key frames, as broadcasts do.
        """
        told = ffmpeg.without_context(line)
        if _CUT_OFF.search(told):
            self._cut_off = self._cut_off or told
        elif at_secs is None:
            return
        elif _BROKEN.match(line):
            self._broken = self._broken or (at_secs, told)
        elif _UNDECODABLE.search(told) and len(self._undecodable) <= self._forgiven:
            self._undecodable.append((at_secs, told))

    def jumps_back(self, at_secs: float) -> None:
        """Note that timestamps do not increase."""
        self._broken = self._broken or (at_secs, "its clock jumps back")

    def verdict(self, end_secs: float, status: int) -> str | None:
        """One line about the damage, or None.

        Args:
          end_secs: how far the stream came.
          status: with which ffmpeg ended.
        """
        name, mend = ffmpeg.shown(self._path), "copy or export it again, or cut it there"
        cut_off = self._cut_off or (f"ffmpeg ended with status {status}" if status else None)
        if not cut_off and self._promised and end_secs < self._promised - _SHORT_SECS:
            # ffmpeg calls a packet of which the end is missing undecodable, and may do so before
            # the first packet is out, or in the middle of another line: neither can be relied on.
            cut_off = f"its header tells of {self._promised:.2f} s"
        if cut_off:
            return f"{name} breaks off at {end_secs:.2f} s ({cut_off}); {mend}"
        bad = self._undecodable[0] if len(self._undecodable) > self._forgiven else None
        bad = min((spot for spot in (self._broken, bad) if spot), default=None)
        return bad and f"{name} is damaged near {bad[0]:.2f} s ({bad[1]}); {mend}"
