"""`wyh live --measure` listens to what goes out, or with `--listen` to a microphone."""

import threading
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from jaxtyping import Float32, UInt8

from wyh.errors import WyhError
from wyh.live.flash import PERIOD_SECS, delays
from wyh.media.microphone import open_microphone

SECS = 20 * PERIOD_SECS  # of stream
_STUTTER_SECS = 3.0


class Heard:
    """Sound, and when it was heard. A sink like any other, or fed by a microphone."""

    def __init__(self, late_secs: Callable[[], float] = lambda: 0.0):
        """`late_secs` is what is still between us and the ear."""
        self._late_secs = late_secs
        self._blocks: list[np.ndarray] = []
        self._samples, self._starts = 0, list[tuple[float, int]]()

    def write(self, block: Float32[np.ndarray, "samples ..."]) -> None:
        """Keep the next samples; they are heard from now on."""
        self._starts.append((time.perf_counter() + self._late_secs(), self._samples))
        self._blocks.append(block if block.ndim == 1 else block.mean(axis=1))
        self._samples += len(block)

    def show(self, pixels: UInt8[np.ndarray, "height width channel"], ticks: int) -> None:
        """No pictures."""

    def close(self, *, keep: bool) -> None:
        """Nothing to end."""

    def delays_ms(self, switches: list[float], sample_rate: int) -> dict[str, Any]:
        """From each switch to its sound: `{"flashes", "begins", "half"}`, the latter in ms.

        Raises:
          WyhError: no flash was heard.
        """
        # Devices may stutter when they start: that part is left out.
        skip = round(_STUTTER_SECS * sample_rate)
        starts = [(at, first - skip) for at, first in self._starts if first >= skip]
        if not starts:
            raise WyhError("no sound came: is the microphone heard, the speaker turned up?")
        # The promptest block tells when the first sample was heard; others only came later.
        begin = min(at - first / sample_rate for at, first in starts)
        sound = np.concatenate(self._blocks)[skip:]
        found = delays(sound, sample_rate, [at - begin for at in switches])
        if not found:
            raise WyhError(
                "got no flash in what was heard: let the camera see the window alone, turn up the "
                "speaker, or listen with --listen mic:loopback"
            )
        table = 1000 * np.array(found)
        return {"flashes": len(found)} | {
            name: {
                "p50": round(float(np.median(column)), 1),
                "min": round(float(column.min()), 1),
                "max": round(float(column.max()), 1),
            }
            for name, column in zip(("begins", "half"), table.T, strict=True)
        }


class Ear:
    """Listens to a microphone from a thread. A context manager; `heard` keeps what it heard."""

    def __init__(self, device: str, sample_rate: int, note: Callable[[str], None]):
        """`device` as for `--source mic:...`, such as `mic` or `mic:loopback`."""
        kind, _, name = device.partition(":")
        if kind != "mic":
            raise WyhError(f"got --listen {device}, wanted mic, mic:NAME or mic:loopback")
        block = sample_rate // 100
        self._microphone = open_microphone(
            name or None, sample_rate=sample_rate, channels=1, block=block, note=note
        )
        self._block_secs = block / sample_rate
        self.heard = Heard(lambda: -self._block_secs)  # a block comes when it is over
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._listen, name="ear", daemon=True)

    def __enter__(self) -> "Ear":
        self._microphone.__enter__()
        self._thread.start()
        return self

    def __exit__(self, *about: Any) -> None:
        self._stop.set()
        self._microphone.__exit__(*about)
        self._thread.join(2.0)

    def _listen(self) -> None:
        while not self._stop.is_set():
            self.heard.write(self._microphone.read())


def as_line(delays_ms: dict[str, Any]) -> str:
    """For people."""
    begins, half = delays_ms["begins"], delays_ms["half"]
    return (
        f"flash to sound, {delays_ms['flashes']} flashes: begins after {begins['p50']:.0f} ms "
        f"({begins['min']:.0f}-{begins['max']:.0f}), half changed after {half['p50']:.0f} ms "
        f"({half['min']:.0f}-{half['max']:.0f})"
    )
