"""Records a stream while it plays, in takes that begin and end whenever the player wants."""

import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
from jaxtyping import Float32, UInt8

from wyh.errors import WyhError
from wyh.media.muxing import enlarged, muxer_of
from wyh.media.take import TakeWriter, free_name
from wyh.specs import StreamSpec, tick_start


class Recorder:
    """A sink that writes takes: `take.mp4`, then `take-2.mp4`, ... No file is ever written over.

    It is given the whole stream from its beginning, recording or not, so that it knows where the
    stream is: the first picture of a take is the first that comes after `begin`, its sound begins
    where that picture's does, and it has as much sound as pictures. Nothing here keeps the stream
    waiting, and nothing raises once it is made: trouble ends the take, with one line to `note`.
    """

    def __init__(
        self,
        path: Path,
        spec: StreamSpec,
        note: Callable[[str], None],
        ended: Callable[[], None] = lambda: None,
        *,
        size: tuple[int, int] | None = None,
    ):
        """Prepare to record.

        Args:
          path: of the first take, ending in .mp4, .mov or .mkv.
          spec: of the stream.
          note: is told what begins and ends, from several threads.
          ended: is called when trouble ended a take, from any thread.
          size: of the written pictures, (height, width); enlarged unless given.

        Raises:
          WyhError: an unknown ending, or a folder that cannot be made.
        """
        muxer_of(path)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise WyhError(f"{path} cannot be written: {error.strerror}") from None
        self._path, self._spec, self._note, self._ended = path, spec, note, ended
        self._size = size or enlarged(spec.video)
        self._turning = threading.Lock()  # of who begins and ends
        self._lock = threading.Lock()  # of the positions and takes, never held for long
        self._samples = self._ticks = 0  # of the stream so far
        self._takes: list[_Take] = []  # the one that runs, and those whose last sound is to come
        self._closing: list[threading.Thread] = []

    @property
    def recording(self) -> bool:
        """Whether a take is running."""
        with self._lock:
            return any(take.runs for take in self._takes)

    def begin(self) -> None:
        """Begin a take with the next picture, if none is running."""
        spec = self._spec
        with self._turning:
            if self.recording:
                return
            try:
                writer = TakeWriter(
                    free_name(self._path),
                    sample_rate=spec.audio.sample_rate,
                    channels=spec.audio.channels,
                    video=spec.video,
                    size=self._size,
                )
            except (WyhError, OSError) as error:
                failure = f"not recording: {error}"
            else:
                failure = ""
                with self._lock:
                    self._takes.append(_Take(writer, spec))
        self._note(failure or f"recording {writer.path}")
        if failure:
            self._ended()

    def end(self) -> None:
        """End the take with the newest picture; its file is whole once its sound has come."""
        with self._turning, self._lock:
            for take in self._takes:
                if take.runs:
                    take.last = self._ticks
            over = self._forget(lambda take: take.is_over(self._samples))
        self._close(over)

    def write(self, block: Float32[np.ndarray, "samples ..."]) -> None:
        """Take the next samples of the stream."""
        with self._lock:
            at, self._samples = self._samples, self._samples + len(block)
            broken = self._forget(lambda take: not take.hear(at, block))
            over = self._forget(lambda take: take.is_over(self._samples))
        self._close(over)
        self._close(broken, trouble=True)

    def show(self, pixels: UInt8[np.ndarray, "height width channel"], ticks: int) -> None:
        """Take the picture of the next ticks of the stream."""
        with self._lock:
            at, self._ticks = self._ticks, self._ticks + ticks
            broken = self._forget(lambda take: not take.see(at, pixels, ticks, self._samples))
        self._close(broken, trouble=True)

    def close(self, *, keep: bool) -> None:
        """End all takes and wait until their files are whole, however the stream ended."""
        with self._turning:
            with self._lock:
                takes = self._forget(lambda take: True)
            self._close(takes)
        for thread in self._closing:
            thread.join()

    def _forget(self, which: Callable[["_Take"], bool]) -> list["_Take"]:
        gone = [take for take in self._takes if which(take)]
        self._takes = [take for take in self._takes if take not in gone]
        return gone

    def _close(self, takes: list["_Take"], *, trouble: bool = False) -> None:
        for take in takes:
            # No daemon: the program ends when the file is whole.
            work = (take.writer, trouble)
            thread = threading.Thread(target=self._finish, args=work, name="take")
            thread.start()
            with self._lock:
                self._closing = [t for t in self._closing if t.is_alive()] + [thread]
            if trouble:
                self._ended()

    def _finish(self, writer: TakeWriter, trouble: bool) -> None:
        try:
            rough = writer.close()
        except (WyhError, OSError) as error:
            kept = "; what was written until then is kept" if writer.path.exists() else ""
            self._note(f"recording ended: {error}{kept}")
        else:
            done = f"recorded {writer.path}, {writer.secs:.1f} s"
            done += "; it could not keep up any longer" if trouble else ""
            done += f"; it stays in fragments: {rough}" if rough else ""
            self._note(done if writer.secs else f"nothing was recorded in {writer.path}")


class _Take:
    """A take, and which ticks of the stream it has: from `first` up to `last`."""

    def __init__(self, writer: TakeWriter, spec: StreamSpec):
        self.writer, self._spec = writer, spec
        self.first: int | None = None
        self.last: int | None = None

    @property
    def runs(self) -> bool:
        return self.last is None

    def see(self, at: int, pixels: np.ndarray, ticks: int, samples: int) -> bool:
        """Take a picture of ticks from `at` on, `samples` of sound having been; false: no more."""
        if not self.runs:
            return True
        if self.first is None:
            # Sound comes after its picture. Where it was there first, a later picture begins.
            while ticks and self._sample_of(at) < samples:
                at, ticks = at + 1, ticks - 1
            if not ticks:
                return True
            self.first = at
        return self.writer.write_frames(pixels, ticks)

    def hear(self, at: int, block: np.ndarray) -> bool:
        """Take what belongs to its pictures of a block from sample `at` on; false: no more."""
        if self.first is None:
            return True
        end = None if self.last is None else max(0, self._sample_of(self.last) - at)
        return self.writer.write_audio(block[max(0, self._sample_of(self.first) - at) : end])

    def is_over(self, samples: int) -> bool:
        """Whether it has ended and its sound has come."""
        if self.last is None:
            return False
        return self.first is None or self._sample_of(self.last) <= samples

    def _sample_of(self, tick: int) -> int:
        spec = self._spec
        start = tick_start(tick, spec.audio.sample_rate, spec.video.frame_rate)
        return start + spec.latency_samples
