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
from wyh.live.show import Show
from wyh.media.view import View
from wyh.transducers.insight import Insight

_MESSAGE_SECS = 8.0  # how long a line is shown

Latencies = dict[str, dict[str, float | None]]

_LEVEL_SAMPLES = 1024  # of which a level is told

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

    def heard(self) -> tuple[Float32[np.ndarray, " bands"] | None, float] | None:
        """The code and the level in dB, as OSC tells them; None before the first picture."""
        if self._live.shown is None:
            return None
        known = self.known()
        return None if known is None else known[0], level_db(self._live.output.newest)

    def latencies(self) -> Latencies:
        """Of each stage, in ms."""
        return self._live.meter.latencies_ms()

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


class Spectator:
    """Looks at a stream whose pictures are the show."""

    def __init__(self, show: Show, panel: Panel, notes: Notes):
        """Look at `show`, and tell of its knobs and notes."""
        self._show, self._panel, self._notes = show, panel, notes

    def heard(self) -> tuple[None, float] | None:
        """No code, and the level in dB."""
        return None, level_db(self._show.hearing.newest)

    def latencies(self) -> Latencies:
        """Of each stage, in ms."""
        return self._show.meter.latencies_ms()

    def view(self) -> View:
        """The stream now."""
        show, hearing = self._show, self._show.hearing
        return View(
            picture=None if show.shown is None else show.shown.pixels,
            known=None,
            code=None,
            sound=hearing.newest,
            sample_rate=hearing.tape_rate,
            knobs=self._panel.values,
            latency_ms=show.meter.offset_ms,
            underruns=hearing.underruns,
            secs=hearing.secs,
            message=self._notes.newest,
        )


def level_db(sound: Float32[np.ndarray, "samples ..."]) -> float:
    """The level of the newest samples, RMS."""
    power = float(np.mean(np.square(sound[-_LEVEL_SAMPLES:])))
    return float(10 * np.log10(max(power, 1e-12)))
