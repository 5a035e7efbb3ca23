"""A speaker: its own clock pulls the sound. With none, a null device pulls just as fast."""

from collections.abc import Callable
from functools import partial

import numpy as np
from jaxtyping import Float32

from wyh.errors import WyhError, check_range
from wyh.media.sound_devices import INSTALL, NULL, is_null, pick, usable
from wyh.media.sound_end import End
from wyh.media.sound_link import Link

DEVICE_MS = 50.0

Pull = Callable[[int], Float32[np.ndarray, "samples ..."]]


class Once:
    """Tells the first line alone."""

    def __init__(self, note: Callable[[str], None]):
        """Make it quiet after one line to `note`."""
        self._note: Callable[[str], None] | None = note

    def __call__(self, line: str) -> None:
        """Tell it, unless one was told before."""
        note, self._note = self._note, None
        if note is not None:
            note(line)


class Speaker(End):
    """An open speaker. `start` it, or enter it as a context manager; `close` or leave it.

    Fill what `pull` takes from before the start: at least twice the device's buffer.
    """

    def __enter__(self) -> "Speaker":
        self.start()
        return self


def open_speaker(
    pull: Pull,
    *,
    device: str | None,
    sample_rate: int,
    channels: int,
    device_ms: float,
    note: Callable[[str], None],
) -> Speaker:
    """Open a speaker; nothing is pulled before its start.

    One that goes while it plays is opened again; meanwhile the null device pulls, so that the
    stream's time goes on.

    Args:
      pull: gives exactly so many samples, `[count]` of mono, `[count, 2]` of stereo. It is called
        from the device's own thread, by one at a time, and must not wait. Where it raises, there
        is silence, and the first time a note.
      device: an index or a part of a name, as `sound_devices.pick` takes it; None for the default,
        `null` for none.
      sample_rate: Hz, whatever the device's own.
      channels: 1 or 2.
      device_ms: of sound in the device's buffer, 5 to 1,000.
      note: is told in one line that there is no device, that it has gone, or that it is back.

    Raises:
      WyhError: there is no such device, it cannot be opened, or an argument is out of range.
    """
    check_range("channels", channels, 1, 2)
    check_range("the device's buffer", device_ms, 5, 1000, "ms")
    null = is_null(device)
    chosen = None if null or device is None else pick("speaker", device)
    link = Link(
        "speaker",
        chosen,
        partial(_serve, pull, channels, Once(note)),
        null=null,
        sample_rate=sample_rate,
        channels=channels,
        device_ms=device_ms,
        note=note,
    )
    if link.failure is not None:
        if chosen is not None:
            raise WyhError(
                f"the speaker {chosen.name} cannot be opened: {link.failure}; choose another, or "
                f"--sink {NULL}"
            )
        if usable():
            note(
                f"no sound device ({link.failure}): nothing will be heard until one is connected "
                f"or the sound server started"
            )
        else:
            note(f"no sound library: nothing will be heard; {INSTALL}")
    return Speaker(link)


def _serve(pull: Pull, channels: int, complain: Once, block: np.ndarray) -> None:
    """Fill a block; it stays silent where that fails."""
    try:
        sound = pull(len(block))
        wanted = (len(block),) if channels == 1 else block.shape
        if sound.shape != wanted:
            raise ValueError(f"got sound of shape {sound.shape}, wanted {wanted}")
        block[:] = sound.reshape(block.shape)
    except Exception as error:
        complain(f"the speaker got no sound ({type(error).__name__}: {error}): silence instead")
