"""A song, or a film's sound, decoded ahead of time: for who listens to it, and to be played.

Models hear it mixed to one channel at their own rate, exactly as offline. What is played is the
file's own sound in two channels at 48 kHz. Both begin with the sound's own start.
"""

import re
import subprocess
import threading
from collections import deque
from collections.abc import Callable

import numpy as np
from jaxtyping import Float32

from wyh.errors import WyhError
from wyh.media import ffmpeg
from wyh.media.decode import open_audio, probe

PLAYED_HZ = 48_000
AHEAD_SECS = 4.0
_CHUNK_SECS = 0.1

_Sound = Float32[np.ndarray, "samples ..."]


class Ahead:
    """Sound that a thread decodes ahead. One other takes it.

    Attributes:
      over: all that is still to come has come.
      put: samples so far.
    """

    def __init__(self, most: int, channels: int = 1):
        """Hold about `most` samples."""
        self._most, self._shape = most, () if channels == 1 else (channels,)
        self._pieces: deque[np.ndarray] = deque()
        self._news = threading.Condition()
        self._stopped = self.over = False
        self.put = self._taken = 0

    @property
    def fill(self) -> int:
        """Samples that can be taken now."""
        return self.put - self._taken

    def append(self, piece: _Sound) -> bool:
        """Append samples, once there is room; false when told to stop."""
        with self._news:
            self._news.wait_for(lambda: self.fill < self._most or self._stopped)
            self._pieces.append(piece)
            self.put += len(piece)
            self._news.notify_all()
            return not self._stopped

    def finish(self) -> None:
        """Say that no more will come."""
        with self._news:
            self.over = True
            self._news.notify_all()

    def stop(self) -> None:
        """Let nobody wait any more."""
        with self._news:
            self._stopped = self.over = True
            self._news.notify_all()

    def wait(self, count: int) -> bool:
        """Wait until so many samples can be taken, or all that there will be; false: stopped."""
        with self._news:
            self._news.wait_for(lambda: self.fill >= count or self.over)
            return not self._stopped

    def take(self, count: int) -> _Sound:
        """The next samples: so many, or fewer where they have not come."""
        with self._news:
            count = min(count, self.fill)
            taken, missing = [np.zeros((0, *self._shape), np.float32)], count
            while missing:
                piece = self._pieces.popleft()
                if len(piece) > missing:
                    self._pieces.appendleft(piece[missing:])
                    piece = piece[:missing]
                taken.append(piece)
                missing -= len(piece)
            self._taken += count
            self._news.notify_all()
        return np.concatenate(taken)


class Song:
    """A file or an address that is decoded while it plays. A context manager.

    Attributes:
      heard: mono at the rate asked for.
      played: at `played_hz`, with `channels`. Of an address, which could not be read twice at once,
        it is what is heard.
      failure: what is wrong with the file, known once it is over; None while nothing is.
    """

    def __init__(
        self,
        path: str,
        sample_rate: int,
        *,
        loop: bool = False,
        note: Callable[[str], None] = lambda line: None,
    ):
        """Begin to decode.

        Args:
          path: a file or an address.
          sample_rate: of `heard`, Hz.
          loop: begin again at the end.
          note: is told of damage where it plays on.

        Raises:
          WyhError: no media, or without sound.
        """
        self._path, self._rate, self._loop, self._note = path, sample_rate, loop, note
        self._twice = not ffmpeg.is_url(path)
        layout = probe(path).audio_layout if self._twice else "mono"
        self.channels = 1 if layout == "mono" else 2
        self._mix = _mix(layout, self.channels)
        self.played_hz = PLAYED_HZ if self._twice else sample_rate
        self.heard = Ahead(round(AHEAD_SECS * sample_rate))
        self.played = Ahead(round(AHEAD_SECS * self.played_hz), self.channels)
        self.failure: WyhError | None = None
        self._passes: list[int] = []  # what was played when each pass was over, samples
        self._count = 0  # of passes that were heard
        self._news = threading.Condition()
        self._stop = threading.Event()
        works = [self._hear, self._play] if self._twice else [self._hear]
        self._threads = [threading.Thread(target=w, name="song", daemon=True) for w in works]
        for thread in self._threads:
            thread.start()

    def wait_first(self) -> None:
        """Wait until there is sound.

        Raises:
          WyhError: there is none.
        """
        self.heard.wait(1)
        if not self.heard.put:
            raise self.failure or WyhError(f"{ffmpeg.shown(self._path)}: no sound came")
        self.played.wait(round(0.2 * self.played_hz))

    def close(self) -> None:
        """Stop."""
        self._stop.set()
        for ahead in (self.heard, self.played):
            ahead.stop()
        with self._news:
            self._news.notify_all()
        for thread in self._threads:
            thread.join(2.0)

    def __enter__(self) -> "Song":
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        self.close()

    def _hear(self) -> None:
        sides = [self.heard] if self._twice else [self.heard, self.played]
        surplus = 0  # of the pass before, against what is played
        try:
            while True:
                before = self.heard.put
                with open_audio(
                    self._path,
                    self._rate,
                    start_secs=None,
                    chunk_samples=round(_CHUNK_SECS * self._rate),
                    strict=not self._loop,
                ) as reader:
                    for piece in reader:
                        surplus, piece = max(0, surplus - len(piece)), piece[surplus:]
                        if not all([side.append(piece) for side in sides]):
                            return
                    if reader.damage:
                        self._note(reader.damage)
                if not self._loop or self.heard.put == before:
                    return
                surplus = self._keep_step()
        except WyhError as error:
            self.failure = error
        finally:
            for side in sides:
                side.finish()

    def _keep_step(self) -> int:
        """After a pass: let both sides be as long, but for samples that the next one leaves out.

        Else rounding would part them, where a song begins again for days.
        """
        if not self._twice:
            return 0
        number, self._count = self._count, self._count + 1
        with self._news:
            self._news.wait_for(lambda: len(self._passes) > number or self._stop.is_set())
            if self._stop.is_set():
                return 0
            wanted = round(self._passes[number] * self._rate / self.played_hz)
        missing = wanted - self.heard.put
        if missing > 0:
            self.heard.append(np.zeros(missing, np.float32))
        return max(0, -missing)

    def _play(self) -> None:
        arguments = ["-copyts", "-i", ffmpeg.as_argument(self._path), "-map", "0:a:0"]
        arguments += ["-af", self._mix, "-f", "f32le", "pipe:1"]
        try:
            while self._pass(arguments) and self._loop:
                with self._news:
                    self._passes.append(self.played.put)
                    self._news.notify_all()
        finally:
            self.played.finish()
            with self._news:
                self._passes.append(self.played.put)
                self._news.notify_all()

    def _pass(self, arguments: list[str]) -> bool:
        """Decode it once; whether to go on."""
        piece = np.empty((round(_CHUNK_SECS * PLAYED_HZ), self.channels), np.float32)
        some = False
        with ffmpeg.Process(arguments, stdout=subprocess.PIPE) as process:
            while count := process.read_into(piece) // (4 * self.channels):
                some = True
                sound = piece[:count].copy()
                if not self.played.append(sound[:, 0] if self.channels == 1 else sound):
                    return False
        return some


def _mix(layout: str | None, channels: int) -> str:
    """The filter that makes what is played, by the same clock as what `open_audio` gives."""
    unnamed = re.fullmatch(r"(\d+) channels", layout or "")  # has no rule: all channels alike
    plain = "+".join(f"c{n}" for n in range(int(unnamed[1]))) if unnamed else ""
    first = f"pan=stereo|c0<{plain}|c1<{plain}," if unnamed else ""
    resample = f"aresample={PLAYED_HZ}:async=1:min_hard_comp=0.01:first_pts=0"
    shape = f"ochl={'mono' if channels == 1 else 'stereo'}:osf=flt:rematrix_maxval=1"
    return f"{first}asetpts=PTS-STARTPTS,{resample}:{shape}"
