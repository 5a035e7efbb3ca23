"""`--sink web`: the live page. Each page that comes in plays a session of its own.

The model is compiled once and shared; carries, knobs and log belong to the session.
"""

import asyncio
import threading
import time
import webbrowser
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import asdict
from itertools import count
from pathlib import Path
from typing import Any

import jax
import numpy as np

from wyh.knobs import ALL, KNOBS, Knobs
from wyh.live.governor import unhindered
from wyh.live.log import LogWriter
from wyh.live.meter import Meter
from wyh.live.panel import Panel
from wyh.live.session import Session
from wyh.media.camera import FrameSource, Shot
from wyh.media.web import messages
from wyh.media.web.client import Client, Explained, Looked, Made
from wyh.media.web.messages import Frame, Report
from wyh.media.web.server import Door, make_door, open_server
from wyh.media.web.tls import qr_code
from wyh.transducers.compile import Compiled, cache_dir
from wyh.transducers.insight import Insight
from wyh.transducers.kinds import Player
from wyh.transducers.protocol import Control

MOST_CLIENTS = 8
_THREADS = 4  # that compute, for all pages together
_FULL = 1013  # close code: try again later
_KNOBS = (*KNOBS, "freeze")  # a page has one scene, and records nothing
_LINGER_SECS = 1.0  # after a source's end, until the pages have heard it


def serve(
    player: Player,
    compiled: Compiled,
    knobs: Knobs,
    *,
    host: str = "127.0.0.1",
    port: int = 8765,
    seed: int,
    source: Callable[[], FrameSource] | None,
    insight: Insight | None,
    duration_secs: float | None,
    note: Callable[[str], None],
    log_dir: Path | None,
    open_browser: bool,
    stop: threading.Event,
    on_ready: Callable[[], None] = lambda: None,
) -> dict[str, Any]:
    """Serve the live page until told to stop, or the source or the duration is over.

    Args:
      player: what is played.
      compiled: of one tick each.
      knobs: that each session begins with.
      host: 127.0.0.1 for this machine alone; 0.0.0.0 also for others, with TLS and a token.
      port: 0 is any that is free.
      seed: that `compiled` was made with; told to pages, for a replay needs it.
      source: opens a source of this machine that all pages play; None: each its own camera.
      insight: tells what the sound still knows of a picture; None: it is not shown.
      duration_secs: after which to end; None: never.
      note: is told where the page is, and what goes wrong.
      log_dir: a folder for the log of each session, `session_1.jsonl` and so on; None: no logs.
      open_browser: show the page at once.
      stop: ends it, from any thread or a signal handler.
      on_ready: is called when `stop` is all that is needed to end it.

    Returns:
      `wyh.live.meter.Meter.summary` of all sessions together; `first_sound_secs` counts from the
      call, `secs` is of sound sent, `underruns` are those that the pages tell of.

    Raises:
      WyhError: port in use, an absent package, or the source fails.
    """
    door = make_door(host, port, cache_dir() / "tls")
    with ExitStack() as stack:
        if log_dir is not None:
            log_dir.mkdir(parents=True, exist_ok=True)
        pages = _Pages(player, compiled, knobs, seed, insight, note, log_dir)
        pages.warm_up()
        if source is not None:
            pages.source = stack.enter_context(source())
            pages.source.wait_first()
        on_ready()
        stack.enter_context(unhindered())
        asyncio.run(_serve(pages, door, duration_secs, open_browser, stop))
        if pages.source is not None and pages.source.failure is not None:
            raise pages.source.failure
    return pages.summary()


async def _serve(
    pages: "_Pages",
    door: Door,
    duration_secs: float | None,
    open_browser: bool,
    stop: threading.Event,
) -> None:
    end = None if duration_secs is None else time.monotonic() + duration_secs
    with ThreadPoolExecutor(_THREADS, "page") as pages.pool:
        async with open_server(door, messages.longest(pages.spec), pages.welcome) as port:
            address = door.address(port)
            pages.note(f"the page is at {address} ; Ctrl-C ends")
            if door.token:
                pages.note("scan this with a phone on the same network, and trust it once:")
                pages.note(qr_code(address))
            if open_browser:
                threading.Thread(target=webbrowser.open, args=(address,), daemon=True).start()
            while not stop.is_set() and not (end and time.monotonic() >= end):
                if pages.is_over():
                    await asyncio.sleep(_LINGER_SECS)
                    break
                await asyncio.sleep(0.05)


class _Pages:
    """All that sessions share, and what they add up to."""

    def __init__(
        self,
        player: Player,
        compiled: Compiled,
        knobs: Knobs,
        seed: int,
        insight: Insight | None,
        note: Callable[[str], None],
        log_dir: Path | None,
    ):
        self.spec = player.transducer.spec
        self.variables = jax.device_put(player.variables)
        self.name = player.run.directory.name
        self.compiled, self.knobs, self.seed = compiled, knobs, seed
        self.insight, self.note, self.log_dir = insight, note, log_dir
        self.pool: ThreadPoolExecutor
        self.source: FrameSource | None = None
        self.meter = Meter()
        self._numbers, self._open = count(1), 0
        self._began = time.perf_counter()
        self._first: float | None = None
        self._film_began: float | None = None
        self.frames = self.blocks = self.underruns = 0

    def warm_up(self) -> None:
        """Call everything once, so that no first call falls into a session."""
        spare = Session(self.compiled, self.variables, self.spec, Panel(self.knobs))
        looked = spare.look(0, np.zeros(self.spec.video.shape, np.uint8), 0)
        spare.make(1)
        if self.insight is not None:
            jax.block_until_ready(self.insight(self.variables, looked.control))

    async def welcome(self, socket: Any) -> None:
        """One page, from its opening to its end."""
        if self._open >= MOST_CLIENTS:
            said = f"{MOST_CLIENTS} pages play already: close one of them"
            self.note(f"a page was turned away: {said}")
            await socket.close(_FULL, said)
            return
        self._open += 1
        number = next(self._numbers)
        try:
            with ExitStack() as stack:
                panel, how = Panel(self.knobs), {}
                if self.log_dir is not None:
                    path = self.log_dir / f"session_{number}.jsonl"
                    how["log"] = stack.enter_context(LogWriter(path))
                session = Session(self.compiled, self.variables, self.spec, panel, **how)
                part = _Part(self, session)
                sourced = self.source is not None
                client = Client(socket, part, self.spec, self.pool, own_source=sourced)
                refused = await client.run(messages.hello(self.spec, self._about(panel)))
                if refused:
                    self.note(f"page {number} was shut out: {refused}")
        except OSError as error:
            self.note(f"page {number} could not play: {error}")
        finally:
            self._open -= 1

    def _about(self, panel: Panel) -> dict[str, Any]:
        """What a page shows of the run, and its knobs."""
        names = [name for name in _KNOBS if name != "width" or self.spec.audio.channels == 2]
        table = [asdict(ALL[name]) | {"value": panel.values[name]} for name in names]
        return {
            "run": self.name,
            "seed": self.seed,
            "source": None if self.source is None else "a source of the server",
            "insight": self.insight is not None,
            "knobs": table,
        }

    def shot(self) -> tuple[Shot, float]:
        """The newest picture of the server's own source, and for how many seconds it was there.

        A film begins with its first viewer.
        """
        assert self.source is not None
        now = time.perf_counter()
        if self._film_began is None:
            self._film_began = now
        shot = self.source.newest(now - self._film_began)
        return shot, now - (shot.ready if shot.secs is None else self._film_began + shot.secs)

    def is_over(self) -> bool:
        """Whether the server's own source has ended. A film goes on though nobody may look."""
        if self.source is None:
            return False
        if self._film_began is None:
            return self.source.is_over(0.0)
        self.shot()
        return self.source.is_over(time.perf_counter() - self._film_began)

    def told(self, what: Looked | Made) -> None:
        """Add up what a session did. On the event loop."""
        if isinstance(what, Looked):
            if what.control is not None:
                self.frames += 1
                self.meter.add("observe", what.secs)
            return
        self.blocks += len(what.secs)
        self._first = self._first or time.perf_counter() - self._began
        for secs in what.secs:
            self.meter.add("emit", secs)

    def summary(self) -> dict[str, Any]:
        """Of all sessions so far."""
        return self.meter.summary(
            frames=self.frames,
            secs=self.blocks * self.spec.block / self.spec.audio.sample_rate,
            underruns=self.underruns,
            first_sound_secs=self._first,
        )


class _Part:
    """One session's part: a `wyh.media.web.client.Instrument`."""

    def __init__(self, pages: _Pages, session: Session):
        self._pages, self._session = pages, session
        self._underruns, self._seen = 0, -1
        self.make, self.due, self.turn = session.make, session.due, session.panel.turn

    def look(self, frame: Frame) -> Looked:
        """Look at the page's picture, or at the server's own."""
        if frame.pixels is not None:
            return self._session.look(frame.tick, frame.pixels, frame.tick)
        shot, waited = self._pages.shot()
        looked = self._session.look(frame.tick, shot.pixels, shot.number)
        is_new, self._seen = shot.number != self._seen, shot.number
        return looked._replace(picture=shot.pixels, waited_secs=waited if is_new else None)

    def explain(self, control: Control) -> Explained:
        """What the control tells of itself."""
        insight = self._pages.insight
        if insight is None:
            return None, None
        code, known = insight(self._pages.variables, control)
        return np.asarray(code, np.float32), np.asarray(known, np.uint8)

    def told(self, what: Looked | Made | Report) -> None:
        """Add to the figures of all pages."""
        if not isinstance(what, Report):
            self._pages.told(what)
            return
        meter = self._pages.meter
        for stage, durations in what.stages_secs.items():
            for secs in durations:
                if stage == "offset":
                    meter.add_offset(secs)
                else:
                    meter.add(stage, secs)
        self._pages.underruns += max(0, what.underruns - self._underruns)
        self._underruns = max(self._underruns, what.underruns)
