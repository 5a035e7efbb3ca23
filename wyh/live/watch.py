"""A live stream as a window, a page or OSC shows it."""

import threading
import time
from collections.abc import Callable, Mapping

import jax
import numpy as np
from jaxtyping import Float32, UInt8

from wyh.live.loop import Live
from wyh.live.panel import Panel
from wyh.live.scenes import Seen
from wyh.media.view import View
from wyh.transducers.insight import Insight

_MESSAGE_SECS = 8.0  # how long a line is shown

Known = tuple[Float32[np.ndarray, " bands"], UInt8[np.ndarray, "height width channels"]]


class Notes:
    """Lines for the player: printed, and the newest one kept for a while to be shown."""

    def __init__(self, tell: Callable[[str], None]):
        self._tell, self._lock = tell, threading.Lock()
        self._newest, self._at = "", 0.0

    def __call__(self, line: str) -> None:
        """Tell a line, from any thread."""
        with self._lock:
            self._newest, self._at = line, time.monotonic()
        self._tell(line)

    @property
    def newest(self) -> str:
        """The newest line, as long as it is news."""
        return self._newest if time.monotonic() - self._at < _MESSAGE_SECS else ""


class Watcher:
    """Looks at a stream from outside; decodes a picture only when there is a new one."""

    def __init__(self, live: Live, panel: Panel, insights: list[Insight | None], notes: Notes):
        """`insights` are those of the scenes, None where a run has none."""
        self._live, self._panel, self._insights, self._notes = live, panel, insights, notes
        self._tick = -1
        self._known: Known | None = None

    def warm_up(self, seen: Mapping[int, Seen]) -> None:
        """Look once at what each scene made of a picture, so that no first look delays others."""
        for number, made in seen.items():
            look = self._insights[number]
            if look is not None:
                jax.block_until_ready(look(*made))

    def known(self) -> Known | None:
        """The code and the picture that is still in the sound, of the scene most heard."""
        shown = self._live.shown
        if shown is None:
            return None
        made = shown[1]
        if made.tick != self._tick:
            self._tick, self._known = made.tick, None
            loudest = round(self._panel.values["scene"]) - 1
            number = loudest if loudest in made.control else min(made.control)
            look = self._insights[number]
            if look is not None:
                code, picture = look(*made.control[number])
                self._known = np.asarray(code), np.asarray(picture)
        return self._known

    def view(self) -> View:
        """The stream now."""
        live, shown, known = self._live, self._live.shown, self.known()
        return View(
            picture=None if shown is None else shown[0].pixels,
            known=None if known is None else known[1],
            code=None if known is None else known[0],
            sound=live.output.newest,
            sample_rate=live.spec.audio.sample_rate,
            knobs=self._panel.values,
            latency_ms=live.meter.median_ms("total"),
            underruns=live.output.underruns,
            secs=live.output.played / live.spec.audio.sample_rate,
            message=self._notes.newest,
        )
