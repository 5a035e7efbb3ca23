"""Runs the ffmpeg that imageio-ffmpeg brings, and makes one line of its complaints."""

import functools
import os
import re
import stat
import subprocess
import threading
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import imageio_ffmpeg
import numpy as np

from wyh.errors import WyhError

_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")
_CONTEXT = re.compile(r"\[[^\]]* @ (0x)?[0-9a-fA-F]+\] *")
# Lines that only say that the line before was serious.
_EMPTY_WORDS = re.compile(
    r"Conversion failed|Error opening (in|out)put files?\b|Nothing was written|Error closing file"
    r"|Terminating thread|Task finished with error|Last message repeated|misdetection possible"
    r"|Could not open encoder"
)
_PIPE_BYTES = 1 << 20


@functools.cache
def executable() -> str:
    """The path of the bundled ffmpeg.

    Raises:
      WyhError: imageio-ffmpeg has none for this machine.
    """
    try:
        return str(imageio_ffmpeg.get_ffmpeg_exe())
    except RuntimeError:
        raise WyhError(
            "imageio-ffmpeg brings no ffmpeg for this machine; install ffmpeg and name it in "
            "IMAGEIO_FFMPEG_EXE"
        ) from None


def is_url(source: str | Path) -> bool:
    """Whether `source` is an address such as `http://...`, no file."""
    return _URL.match(str(source)) is not None


def as_argument(source: str | Path) -> str:
    """How ffmpeg is told of a file, whatever its name's characters. Addresses stay."""
    return str(source) if is_url(source) else f"file:{source}"


def shown(source: str | Path) -> str:
    """A name fit for a message of one line."""
    name = str(source)
    return name if name.isprintable() else repr(name)


def check_readable(source: str | Path) -> None:
    """Refuse what cannot be a media file. Addresses are taken on trust.

    Raises:
      WyhError: no such file, a directory, unreadable, or empty.
    """
    if is_url(source):
        return
    try:
        with open(source, "rb") as file:
            status = os.fstat(file.fileno())
    except FileNotFoundError:
        raise WyhError(f"{shown(source)}: no such file; check the name") from None
    except IsADirectoryError:
        raise WyhError(f"{shown(source)} is a directory, wanted a media file") from None
    except OSError as error:
        raise WyhError(f"{shown(source)} cannot be read: {error.strerror}") from None
    if stat.S_ISREG(status.st_mode) and status.st_size == 0:
        raise WyhError(f"{shown(source)} is empty (0 bytes), wanted a media file")


def without_context(line: str) -> str:
    """A line of ffmpeg's without the part and address in front: `[mp4 @ 0x55..] no` -> `no`."""
    return _CONTEXT.sub("", line).strip()


def reason(complaints: Sequence[str]) -> str:
    """The complaint that says most, without addresses; empty when there is none."""
    told = [without_context(line) for line in complaints]
    telling = [line for line in told if line and not _EMPTY_WORDS.search(line)]
    full = [line for line in telling if "No space left" in line]
    best = (full or telling or told or [""])[-1 if full else 0]
    return best.removeprefix("Error opening input: ").rstrip(".")[:200]


class Process:
    """A running ffmpeg. A thread drains its stderr, so that ffmpeg can never block on it.

    It has its own process group: Ctrl-C reaches this program alone, which then decides. Use as a
    context manager; leaving kills ffmpeg if it still runs, and frees threads and pipes.

    Attributes:
      stdin: the pipe to ffmpeg, where one was asked for.
      stdout: the pipe from ffmpeg, where one was asked for.
      complaints: the first and the last lines of its stderr that `on_line` did not take.
    """

    def __init__(
        self,
        arguments: Sequence[str],
        *,
        stdin: int = subprocess.DEVNULL,
        stdout: int = subprocess.DEVNULL,
        pass_fds: Sequence[int] = (),
        on_line: Callable[[str], bool] = lambda line: False,
        level: str = "repeat+error",
    ):
        """Start ffmpeg.

        Args:
          arguments: all that follow the general ones.
          stdin: as for `subprocess.Popen`.
          stdout: as for `subprocess.Popen`.
          pass_fds: open files that ffmpeg inherits.
          on_line: called in the draining thread with each line; true when it took the line.
          level: ffmpeg's `-loglevel`.
        """
        self._on_line = on_line
        self._first: list[str] = []
        self._last: deque[str] = deque(maxlen=20)
        command = [executable(), "-hide_banner", "-nostats", "-v", level, *arguments]
        if stdin != subprocess.PIPE:
            command.insert(1, "-nostdin")
        self._popen = subprocess.Popen(
            command,
            stdin=stdin,
            stdout=stdout,
            stderr=subprocess.PIPE,
            bufsize=0,
            pass_fds=pass_fds,
            process_group=0 if os.name == "posix" else None,
        )
        self.stdin: Any = self._popen.stdin
        self.stdout: Any = self._popen.stdout
        for pipe in (self.stdin, self.stdout):
            if pipe is not None:
                widen(pipe.fileno())
        self._drainer = threading.Thread(target=self._drain, name="ffmpeg-stderr", daemon=True)
        self._drainer.start()

    def __enter__(self) -> "Process":
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        self.close()

    @property
    def complaints(self) -> list[str]:
        """What ffmpeg said on stderr: its first 20 and last 20 lines."""
        return [*self._first, *self._last]

    def _drain(self) -> None:
        assert self._popen.stderr is not None
        rest = b""
        while piece := self._popen.stderr.read(1 << 16):
            *lines, rest = (rest + piece).replace(b"\r", b"\n").split(b"\n")
            for line in lines:
                self._take(line.decode(errors="replace"))
        self._take(rest.decode(errors="replace"))
        self._on_line("")

    def _take(self, line: str) -> None:
        if line.strip() and not self._on_line(line):
            (self._first if len(self._first) < 20 else self._last).append(line)

    def read_into(self, array: np.ndarray) -> int:
        """Read stdout into `array` until it is full or the output ends; the bytes read."""
        view, filled = array.reshape(-1).view(np.uint8).data, 0
        while filled < len(view):
            got = self.stdout.readinto(view[filled:])
            if not got:
                break
            filled += got
        return filled

    def wait(self) -> int:
        """Wait until ffmpeg has ended and all it said is read; its exit status."""
        status = self._popen.wait()
        self._drainer.join()
        return status

    def end(self) -> None:
        """Ask ffmpeg to write what it has and to end; where one cannot ask so, stop it."""
        if self._popen.poll() is None:
            self._popen.terminate()

    def kill(self) -> None:
        """Stop ffmpeg at once."""
        if self._popen.poll() is None:
            self._popen.kill()

    def close(self) -> None:
        """Kill ffmpeg if it still runs, then free everything. May be called again."""
        self.kill()
        self.wait()
        for pipe in (self.stdin, self.stdout, self._popen.stderr):
            if pipe is not None:
                pipe.close()


def widen(pipe: int) -> None:
    """Let a pipe hold more where the system can: fewer switches between the two programs."""
    try:
        import fcntl

        fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
    except (ImportError, AttributeError, OSError):
        pass


def output_of(arguments: Sequence[str], *, level: str = "repeat+error") -> tuple[int, str, str]:
    """Run ffmpeg to its end: `(exit status, stdout, stderr)`. For outputs that are small."""
    lines: list[str] = []

    def keep(line: str) -> bool:
        lines.append(line)
        return True

    with Process(arguments, stdout=subprocess.PIPE, on_line=keep, level=level) as process:
        text = process.stdout.read() if process.stdout else b""
        status = process.wait()
    return status, text.decode(errors="replace"), "\n".join(lines)
