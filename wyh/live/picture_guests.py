"""Guests of a run that makes pictures: what their microphones hear, or a song, becomes pictures."""

from collections.abc import Callable
from typing import Any

import numpy as np

from wyh.live.guests import Guests, Talk
from wyh.live.log import Event
from wyh.live.panel import Panel
from wyh.live.picture_session import PictureSession
from wyh.media.web import picture_messages
from wyh.media.web.messages import Report
from wyh.media.web.picture_client import Listened, Painted, PictureClient


class PictureGuests(Guests):
    """All that their sessions share."""

    index = "pictures.html"

    def __init__(self, *shared: Any, here: bool):
        """As for `Guests`; `here`: they are all on this machine."""
        super().__init__(*shared)
        self._here = here
        self.longest = picture_messages.longest(self.spec)

    def warm_up(self) -> None:
        """Hear a block, and make a picture."""
        spare = PictureSession(self.compiled, self.variables, self.spec, Panel(self.knobs))
        spare.begin(from_file=False)
        spare.hear(0, np.zeros((1, self.spec.block), np.float32))
        pixels = spare.paint(0).pixels
        picture_messages.picture(0, pixels, here=self._here)

    def talk(self, socket: Any, panel: Panel, log: Callable[[Event], None]) -> Talk:
        """A session of its own for a page."""
        session = PictureSession(self.compiled, self.variables, self.spec, panel, log=log)
        return PictureClient(socket, _Part(self, session), self.spec, self.pool, here=self._here)

    def about(self) -> dict[str, Any]:
        """By how much a picture of a song is made later than its tick."""
        return {"late": self.spec.latency_samples}

    def summary(self) -> dict[str, Any]:
        """Of all sessions so far; what pages call underruns are pictures that were left out."""
        summary = super().summary()
        made = {"first_sound_secs": None, "first_picture_secs": summary["first_sound_secs"]}
        return summary | made | {"underruns": 0, "left_out": self.underruns}

    def told(self, what: Listened | Painted) -> None:
        """Add up what a session did. On the event loop."""
        if isinstance(what, Listened):
            self.blocks += len(what.secs)
            for secs in what.secs:
                self.meter.add("observe", secs)
            return
        self.frames += 1
        self.add_first()
        self.meter.add("emit", what.secs)


class _Part:
    """One session's part: a `wyh.media.web.picture_client.Painter`."""

    def __init__(self, guests: PictureGuests, session: PictureSession):
        self._guests, self._left_out = guests, 0
        self.begin, self.hear, self.turn = session.begin, session.hear, session.panel.turn
        self.due, self.paint = session.due, session.paint

    def told(self, what: Listened | Painted | Report) -> None:
        """Add to the figures of all pages."""
        if isinstance(what, Report):
            self._left_out = self._guests.add_report(what, self._left_out)
        else:
            self._guests.told(what)
