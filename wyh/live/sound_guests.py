"""Guests of a run that makes sound: their cameras, or a source of the server, become sound."""

import time
from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from wyh.live.guests import Guests, Talk
from wyh.live.log import Event
from wyh.live.panel import Panel
from wyh.live.session import Session
from wyh.media.camera import FrameSource, Shot
from wyh.media.web import messages
from wyh.media.web.client import Client, Explained, Looked, Made
from wyh.media.web.messages import Frame, Report
from wyh.transducers.insight import Insight
from wyh.transducers.protocol import Control


class SoundGuests(Guests):
    """All that their sessions share.

    Attributes:
      source: of the server, that all see; None: each its own camera.
    """

    index = "index.html"

    def __init__(self, *shared: Any, insight: Insight | None):
        """As for `Guests`; `insight` tells what the sound still knows of a picture, or None."""
        super().__init__(*shared)
        self.insight = insight
        self.source: FrameSource | None = None
        self._film_began: float | None = None
        self.longest = messages.longest(self.spec)

    def warm_up(self) -> None:
        """Look once, and make a block."""
        spare = Session(self.compiled, self.variables, self.spec, Panel(self.knobs))
        looked = spare.look(0, np.zeros(self.spec.video.shape, np.uint8), 0)
        spare.make(1)
        if self.insight is not None:
            jax.block_until_ready(self.insight(self.variables, looked.control))

    def talk(self, socket: Any, panel: Panel, log: Callable[[Event], None]) -> Talk:
        """A session of its own for a page."""
        session = Session(self.compiled, self.variables, self.spec, panel, log=log)
        sourced = self.source is not None
        return Client(socket, _Part(self, session), self.spec, self.pool, own_source=sourced)

    def about(self) -> dict[str, Any]:
        """Whose pictures they are, and whether there is insight."""
        return {
            "source": None if self.source is None else "a source of the server",
            "insight": self.insight is not None,
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
        self.add_first()
        for secs in what.secs:
            self.meter.add("emit", secs)


class _Part:
    """One session's part: a `wyh.media.web.client.Instrument`."""

    def __init__(self, guests: SoundGuests, session: Session):
        self._guests, self._session = guests, session
        self._underruns, self._seen = 0, -1
        self.make, self.due, self.turn = session.make, session.due, session.panel.turn

    def look(self, frame: Frame) -> Looked:
        """Look at the page's picture, or at the server's own."""
        if frame.pixels is not None:
            return self._session.look(frame.tick, frame.pixels, frame.tick)
        shot, waited = self._guests.shot()
        looked = self._session.look(frame.tick, shot.pixels, shot.number)
        is_new, self._seen = shot.number != self._seen, shot.number
        return looked._replace(picture=shot.pixels, waited_secs=waited if is_new else None)

    def explain(self, control: Control) -> Explained:
        """What the control tells of itself."""
        insight = self._guests.insight
        if insight is None:
            return None, None
        code, known = insight(self._guests.variables, control)
        return np.asarray(code, np.float32), np.asarray(known, np.uint8)

    def told(self, what: Looked | Made | Report) -> None:
        """Add to the figures of all pages."""
        if isinstance(what, Report):
            self._underruns = self._guests.add_report(what, self._underruns)
        else:
            self._guests.told(what)
