"""A microphone, or what a speaker plays: blocks as they are heard, none twice."""

import threading
from collections.abc import Callable

import numpy as np
from jaxtyping import Float32

from wyh.errors import WyhError, check_range
from wyh.media.sound_devices import is_null, pick, usable
from wyh.media.sound_end import End
from wyh.media.sound_link import Link
from wyh.media.sound_stream import Device, Kind

LOOPBACK = "loopback"
DEVICE_MS = 40.0
_HELD_SECS = 2.0

_Sound = Float32[np.ndarray, "samples ..."]


class Heard:
    """The newest samples of an endless sound: one writes, another reads; neither waits for a lock.

    Attributes:
      lost: samples that the reader came too late for.
      written: samples so far.
    """

    def __init__(self, capacity: int, channels: int):
        """Hold so many samples."""
        shape = (capacity,) if channels == 1 else (capacity, channels)
        self._samples, self._shape = np.zeros(shape, np.float32), shape
        self._news = threading.Event()
        self.written = self.lost = self._position = 0

    def write(self, block: np.ndarray) -> None:
        """Append samples `[samples, channels]`."""
        capacity, end = len(self._samples), self.written + len(block)
        block = block[-capacity:].reshape(-1, *self._shape[1:])
        at = (end - len(block)) % capacity
        front = min(len(block), capacity - at)
        self._samples[at : at + front] = block[:front]
        self._samples[: len(block) - front] = block[front:]
        self.written = end
        self._news.set()

    def skip(self) -> None:
        """Let the reader go on with what comes from now on; nothing counts as lost."""
        self._position = self.written

    def newest(self, count: int) -> _Sound:
        """The newest samples, with silence before the first one."""
        end = self.written
        count = min(count, len(self._samples) // 2)
        return self._between(end - count, end)

    def read(self, count: int, stop: threading.Event) -> _Sound:
        """The next samples, when they are there; silence once `stop` is set.

        Where half of what is held is behind, the reader goes on with the newest.
        """
        while self.written - self._position < count:
            if stop.is_set():
                return np.zeros((count, *self._shape[1:]), np.float32)
            self._news.clear()
            if self.written - self._position < count:
                self._news.wait(0.1)
        end = self.written
        # The writer may overwrite no sample while it is copied: the older half is left alone.
        if end - self._position > max(count, len(self._samples) // 2):
            self.lost += end - count - self._position
            self._position = end - count
        self._position += count
        return self._between(self._position - count, self._position)

    def _between(self, begin: int, end: int) -> _Sound:
        at = np.arange(begin, end)
        return self._samples[at % len(self._samples)]


class Microphone(End):
    """An open microphone; a context manager: entering starts it, leaving closes it."""

    def __init__(self, link: Link, heard: Heard, block: int):
        """Take over an open link that writes into `heard`."""
        super().__init__(link)
        self._heard, self._block = heard, block
        self._stop = threading.Event()

    @property
    def lost(self) -> int:
        """Samples that `read` came too late for."""
        return self._heard.lost

    def read(self) -> Float32[np.ndarray, "block ..."]:
        """The next block, when it is there: `[block]`, or `[block, 2]` of stereo.

        Whoever reads too slowly loses old samples, and goes on with the newest ones. While the
        device is gone there is silence, as long as it lasts; after the close silence at once.
        """
        return self._heard.read(self._block, self._stop)

    def skip(self) -> None:
        """Go on with what is heard from now on."""
        self._heard.skip()

    def newest(self, count: int) -> Float32[np.ndarray, "count ..."]:
        """The newest samples, at most those of a second, whatever was read of them."""
        return self._heard.newest(count)

    def close(self) -> None:
        """End; a `read` that waits returns."""
        self._stop.set()
        super().close()

    def __enter__(self) -> "Microphone":
        self.start()
        return self


def open_microphone(
    device: str | None,
    *,
    sample_rate: int,
    channels: int = 1,
    block: int,
    note: Callable[[str], None],
    device_ms: float = DEVICE_MS,
    patient: bool = False,
) -> Microphone:
    """Open a microphone; nothing is heard before its start.

    One that goes while it is heard is opened again; meanwhile there is silence, paced by this
    machine's clock.

    Args:
      device: an index or a part of a name, as `sound_devices.pick` takes it; None for the default;
        `loopback` for what the default speaker plays, `loopback:NAME` for another one; `null` for
        silence.
      sample_rate: Hz, whatever the device's own.
      channels: 1 or 2.
      block: samples of one `read`.
      note: is told in one line that the device has gone, or that it is back.
      device_ms: of sound in the device's buffer, 5 to 1,000.
      patient: where the default microphone is missing, or one that is there cannot be opened, say
        so to `note`; there is silence until it can be.

    Raises:
      WyhError: there is no such device, it cannot be opened, or an argument is out of range.
    """
    check_range("channels", channels, 1, 2)
    check_range("block", block, 1, sample_rate, "samples")
    check_range("the device's buffer", device_ms, 5, 1000, "ms")
    kind, chosen = _which(device, patient and bool(usable()))
    heard = Heard(round(2 * _HELD_SECS * sample_rate) // 2 * 2, channels)
    link = Link(
        kind,
        chosen,
        heard.write,
        null=is_null(device),
        sample_rate=sample_rate,
        channels=channels,
        device_ms=device_ms,
        note=note,
    )
    if link.failure is not None:
        name = "the microphone" if chosen is None else f"the {kind} {chosen.name}"
        if patient:
            note(f"{name} cannot be opened: {link.failure}; silence until it can be: connect it")
            return Microphone(link, heard, block)
        raise WyhError(f"{name} cannot be opened: {link.failure}; connect it, or choose another")
    return Microphone(link, heard, block)


def _which(device: str | None, patient: bool) -> tuple[Kind, Device | None]:
    if is_null(device):
        return "microphone", None
    if device is None:
        if not patient:
            pick("microphone", None)  # there must be one
        return "microphone", None
    word, _, name = device.partition(":")
    if word.casefold() == LOOPBACK:
        return "loopback", pick("loopback", name or None)
    return "microphone", pick("microphone", device)
