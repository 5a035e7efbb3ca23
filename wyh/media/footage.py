"""Collects footage: a source's pictures as they are, with its own sound or a microphone's.

ffmpeg hands its fragments to this program, which writes them: the file can be played however the
writing ends, and where this program is killed ffmpeg ends with it.
"""

import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from wyh.errors import WyhError
from wyh.media import cameras, ffmpeg, muxing
from wyh.media.clocked import ClockedSound
from wyh.media.feed import Feed
from wyh.media.microphone import Microphone
from wyh.media.pieces import in_pieces, make_plain
from wyh.media.sources import Source

SILENT_SECS = 10.0  # a source that sends no picture for so long has ended
_PATIENCE_SECS = 5.0  # for ffmpeg to end by itself
# With a microphone, so much more than is wanted is recorded: what is too much goes in the end.
_MORE_SECS = 2.0 if sys.platform == "win32" else 0.1  # ffmpeg can only be stopped there
_STAMP = re.compile(r"^@picture (-?\d+) (\d+)/(\d+)$")
_FILM = re.compile(r"^  Duration: \d", re.M)
_TIMELESS = re.compile(r"^Input #0, (mpjpeg|mjpeg),", re.M)
_LOSSLESS_COLOURS = "flags=accurate_rnd+full_chroma_int:out_color_matrix=bt709:out_range=tv"
# While all begins, pictures come late or in clumps: of what comes later the clock tells the time.
_LATER = "select='if(not(n),st(0,time(0)));gte(time(0)-ld(0),1)'"


class Footage(NamedTuple):
    """What was recorded.

    Attributes:
      secs: of pictures.
      pictures: how many.
      trouble: why it ended early, in one line; None where all is there, it was stopped, or the
        source is a film and shorter.
    """

    secs: float
    pictures: int
    trouble: str | None


class Heard(NamedTuple):
    """A microphone to be recorded with the pictures; one that has been started."""

    microphone: Microphone
    sample_rate: int  # Hz
    channels: int


def record(
    source: Source,
    path: Path,
    secs: float,
    stop: threading.Event,
    *,
    heard: Heard | None = None,
    own_sound: bool = True,
    progress: Callable[[float], None] = lambda secs: None,
) -> Footage:
    """Record a source, at its own size and rate, as H.264.

    Args:
      source: any but standard input.
      path: .mp4, .mov or .mkv; a file that no one has.
      secs: how long.
      stop: set from elsewhere to end before that.
      heard: a microphone, for sources that come in real time.
      own_sound: otherwise: keep the source's sound, where it has some.
      progress: is told the seconds of pictures so far.

    Raises:
      WyhError: not one picture came, or the file cannot be written; what was written stays.
    """
    muxer = muxing.muxer_of(path)
    told = _described(source, stop) if source.paced is None else ""
    film = source.paced or _FILM.search(told) is not None
    if heard and film:
        raise WyhError(f"{source.name} is a film: no microphone hears what it shows")
    refused: WyhError | None = None
    for inputs in (source.inputs, *source.others):
        # What was heard until now is left behind.
        sound = ClockedSound(heard.microphone, heard.sample_rate) if heard else None
        recording = _Recording(source, path, secs, stop, sound, progress)
        # A film's own clock may begin anywhere: here it begins at 0.
        arguments = [word for word in inputs if word != "-copyts"]
        if heard:
            arguments += muxing.sound_input(heard.sample_rate, heard.channels)
            arguments += ["-map", "0:V:0", "-map", "1:a:0"]
        else:
            arguments += ["-map", "0:V:0", *(["-map", "0:a:0?"] if own_sound else [])]
            arguments += ["-t", f"{secs:.6f}"]
        arguments += ["-vf", _filters(sound, timeless=bool(_TIMELESS.search(told)))]
        try:
            footage = recording.run(arguments, muxer)
            # A film may be shorter than what was asked for.
            return footage._replace(trouble=None) if film and not recording.why else footage
        except WyhError as error:
            if recording.pictures:
                raise
            refused = refused or error
            if stop.is_set() or cameras.is_absent(error):
                break
    assert refused is not None
    raise cameras.explained(refused) if source.camera else refused


def _described(source: Source, stop: threading.Event) -> str:
    """What ffmpeg says of a source; nothing where it takes too long, or is stopped."""
    over, begin = threading.Event(), time.perf_counter()

    def look_after(process: ffmpeg.Process) -> None:
        while not over.wait(0.1):
            if stop.is_set() or time.perf_counter() - begin > SILENT_SECS:
                process.kill()

    with ffmpeg.Process(source.inputs, level="info") as process:
        watch = threading.Thread(target=look_after, args=(process,), daemon=True)
        watch.start()
        process.wait()
        over.set()
        watch.join()
        return "\n".join(process.complaints)


def _filters(sound: ClockedSound | None, *, timeless: bool) -> str:
    filters = ["settb=1/90000"]
    if sound:
        filters += [_LATER, f"setpts='(time(0)-{sound.began:.6f})/TB'"]
    elif timeless:  # ffmpeg gives its pictures times as if there were 25 a second
        filters += ["setpts='if(not(N),st(0,time(0)));(time(0)-ld(0))/TB'"]
    return ",".join([*filters, f"scale={_LOSSLESS_COLOURS}", "format=yuv420p", muxing.EVEN])


class _Recording:
    """One ffmpeg and the file that its output goes to."""

    def __init__(
        self,
        source: Source,
        path: Path,
        secs: float,
        stop: threading.Event,
        heard: ClockedSound | None,
        progress: Callable[[float], None],
    ):
        self._source, self._path, self._secs, self._stop = source, path, secs, stop
        self._heard, self._progress = heard, progress
        self.pictures = 0
        self._first = self._last = self._newest = self._spacing = 0.0
        self._news = time.perf_counter()
        self._over = threading.Event()
        self._silent = False
        self.why = ""  # what ffmpeg says of a bad end

    @property
    def _length(self) -> float:
        return self._last - self._first + self._spacing if self.pictures else 0.0

    def run(self, inputs: list[str], muxer: str) -> Footage:
        """Record until the end, then make a plain movie of it.

        Args:
          inputs: ffmpeg's arguments up to the filters of the pictures.
          muxer: of the file.
        """
        arguments = [*inputs, "-fps_mode", "vfr", "-enc_time_base:v", "filter"]
        # Each picture needs only earlier ones, and each second none of another.
        arguments += [*muxing.X264, *muxing.COLOURS, "-bf", "0"]
        arguments += ["-force_key_frames", "expr:gte(t,n_forced)"]
        arguments += ["-stats_enc_pre:v", "pipe:2", "-stats_enc_pre_fmt:v", "@picture {pts} {tb}"]
        arguments += [*muxing.sound_coding(muxer), *in_pieces(muxer), "-f", muxer, "pipe:1"]
        with ffmpeg.Process(
            arguments,
            stdin=subprocess.PIPE if self._heard else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            on_line=self._hear,
        ) as process:
            sound = Feed(process.stdin) if self._heard else None
            work = [threading.Thread(target=self._look_after, args=(process,), daemon=True)]
            if sound:
                work.append(threading.Thread(target=self._listen, args=(sound,), daemon=True))
            for thread in work:
                thread.start()
            try:
                self._write(process)
                status = process.wait()
            finally:
                process.kill()
                self._over.set()
                for thread in work:
                    thread.join()
                if sound:
                    sound.finish()
                    sound.join()
            return self._ended(process, status, muxer)

    def _hear(self, line: str) -> bool:
        stamp = _STAMP.match(line)
        if stamp is None:
            return False
        ticks, over, under = map(int, stamp.groups())
        secs = ticks * over / under
        self._first = self._first if self.pictures else secs
        self._newest = secs
        if secs - self._first < self._secs:
            self._spacing = secs - self._last if self.pictures else 0.0
            self._last = secs
            self.pictures += 1
        self._news = time.perf_counter()
        return True

    def _write(self, process: ffmpeg.Process) -> None:
        try:
            piece = process.stdout.read(1 << 16)
            if not piece:
                return
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with open(self._path, "xb", buffering=0) as file:
                while piece:
                    file.write(piece)
                    piece = process.stdout.read(1 << 16)
        except OSError as error:
            why = f"{error.strerror}; what was written until then can be played"
            raise WyhError(f"{ffmpeg.shown(self._path)} cannot be written: {why}") from None

    def _listen(self, sound: Feed) -> None:
        assert self._heard is not None
        while not (self._over.is_set() or sound.broken):
            sound.put(muxing.raw_sound(self._heard.read()))

    def _look_after(self, process: ffmpeg.Process) -> None:
        """Tell how far it is; end ffmpeg when all is there, or nothing comes any more."""
        while not self._over.wait(0.1):
            self._progress(min(self._length, self._secs))
            self._silent = time.perf_counter() - self._news > SILENT_SECS
            all_there = self._heard and self._newest - self._first > self._secs + _MORE_SECS
            if self._silent or self._stop.is_set() or all_there:
                process.end()
                if not self._over.wait(_PATIENCE_SECS):
                    process.kill()
                return

    def _ended(self, process: ffmpeg.Process, status: int, muxer: str) -> Footage:
        self.why = ffmpeg.reason(process.complaints) if status else ""
        if self._silent:
            self.why = f"nothing came within {SILENT_SECS:g} s"
        if not self.pictures or not self._path.exists():
            reason = "it was stopped" if self._stop.is_set() else self.why or "it is empty"
            raise WyhError(f"{self._source.name}: not one picture could be read ({reason})")
        # Sound from before the first picture goes; a moment less, as the container rounds times.
        begin, length = (self._first - 0.002, self._length) if self._heard else (0.0, None)
        make_plain(self._path, muxer, begin, length and length + 0.001)
        trouble = None
        if self._length < self._secs - 0.5 and not self._stop.is_set():
            trouble = f"{self._source.name} ended after {self._length:.1f} s"
            trouble += f" ({self.why})" if self.why else ""
        return Footage(min(self._length, self._secs), self.pictures, trouble)
