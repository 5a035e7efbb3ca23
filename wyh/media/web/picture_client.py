"""One page whose sound becomes pictures: blocks come, and a picture goes back for each tick.

The page's sound is the clock: a picture is made as soon as the last block that it shows was heard.
The page tells with each block which pictures it has. One that lags behind, or a server that does,
gets fewer pictures, and always the newest; no sound is kept for long.
"""

import asyncio
from collections import deque
from concurrent.futures import Executor
from typing import Any, NamedTuple, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float32, UInt8

from wyh.errors import WyhError
from wyh.media.web import picture_messages
from wyh.media.web.limits import Bucket
from wyh.media.web.line import Line
from wyh.media.web.messages import Report
from wyh.media.web.picture_messages import Heard
from wyh.specs import StreamSpec

_SOUND = (1.1, 3.0)  # seconds of sound a second, and at once
_BACKLOG_SECS = 0.5  # of sound that was not heard yet: what is older is left out
_UNSEEN_SECS = 0.4  # of pictures on their way to the page: with more, none is made
_LATE_PICTURES = 6  # that a song may still be sent when their blocks came all at once


class Listened(NamedTuple):
    """A session heard blocks; how long each took."""

    secs: list[float]


class Painted(NamedTuple):
    """A picture, its number, and how long it took."""

    number: int
    pixels: UInt8[np.ndarray, "height width 3"]
    secs: float


@runtime_checkable
class Painter(Protocol):
    """What a page plays. `begin`, `hear` and `paint` are called one at a time."""

    def begin(self, *, from_file: bool) -> None:
        """Before the first block: where the sound comes from."""

    def hear(self, first: int, blocks: Float32[np.ndarray, "blocks block"]) -> Listened:
        """Hear blocks from number `first` on, which is later than all before."""

    def due(self) -> int:
        """The newest picture whose sound was heard; -1 before there is one."""

    def paint(self, number: int) -> Painted:
        """A picture that is due, later than the last."""

    def turn(self, name: str, value: float) -> None:
        """Turn a knob."""

    def told(self, what: Listened | Painted | Report) -> None:
        """Take note of a figure. On the event loop."""


class PictureClient:
    """One page, from its opening to its end: `run` once."""

    def __init__(
        self, socket: Any, painter: Painter, spec: StreamSpec, pool: Executor, *, here: bool
    ):
        """Prepare.

        Args:
          socket: the page's WebSocket.
          painter: what it plays.
          spec: of the stream.
          pool: for computing.
          here: pages come from this machine alone, so that bytes cost little.
        """
        self._line, self._painter, self._spec = Line(socket), painter, spec
        self._pool, self._here = pool, here
        blocks = spec.audio.sample_rate / spec.block
        most = picture_messages.MOST_BLOCKS
        self._may_say = Bucket(_SOUND[0] * blocks, _SOUND[1] * blocks + most)
        self._backlog = int(_BACKLOG_SECS * blocks) + most
        self._unseen = max(3, round(_UNSEEN_SECS * float(spec.video.frame_rate)))
        self._heard: deque[tuple[int, np.ndarray]] = deque()  # numbered blocks, not heard yet
        self._from_file: bool | None = None
        self._next_block = 0
        self._got, self._sent = 0, deque[int]()  # pictures: at the page, on their way there
        self._made = -1  # the newest picture, made or left out
        self._news = asyncio.Event()

    async def run(self, hello: str) -> str | None:
        """Greet, and talk until the page goes; why it was shut out, or None."""
        read = self._line.read(hello, self._parse, self._take, self._painter)
        return await self._line.run(read, self._play())

    def _parse(self, data: bytes | str) -> Any:
        return picture_messages.parse_message(data, self._spec)

    async def _take(self, heard: Heard) -> None:
        if self._from_file is None:
            if heard.first:
                raise WyhError(f"got block {heard.first} as the first, wanted 0")
            self._from_file = heard.from_file
            self._painter.begin(from_file=heard.from_file)
        if heard.first < self._next_block:
            raise WyhError(f"got block {heard.first} after {self._next_block - 1}")
        if heard.from_file != self._from_file:
            raise WyhError("got a song and a microphone in one stream, wanted one of them")
        if not self._may_say.take(len(heard.blocks)):
            raise WyhError("got more sound than there is time for")
        self._next_block = heard.first + len(heard.blocks)
        self._heard.extend(enumerate(heard.blocks, heard.first))
        while len(self._heard) > self._backlog:
            self._heard.popleft()
        self._got = max(self._got, heard.got)
        while self._sent and self._sent[0] < self._got:
            self._sent.popleft()
        self._news.set()

    async def _play(self) -> None:
        """Hear what there is, then make the pictures that are due, and so on."""
        loop = asyncio.get_running_loop()
        while True:
            await self._news.wait()
            self._news.clear()
            for first, blocks in self._runs():
                listened = await loop.run_in_executor(self._pool, self._painter.hear, first, blocks)
                self._painter.told(listened)
            due = self._painter.due()
            late = _LATE_PICTURES if self._from_file else 1
            for number in range(max(self._made + 1, due - late + 1), due + 1):
                if len(self._sent) >= self._unseen:
                    break  # it is made when there is room, if it is the newest then
                painted, message = await loop.run_in_executor(self._pool, self._paint, number)
                self._painter.told(painted)
                self._made = number
                self._sent.append(number)
                await self._line.send(message)

    def _runs(self) -> list[tuple[int, np.ndarray]]:
        """All that was not heard, joined where the numbers are in a row."""
        runs: list[tuple[int, list[np.ndarray]]] = []
        while self._heard:
            number, block = self._heard.popleft()
            if runs and number == runs[-1][0] + len(runs[-1][1]):
                runs[-1][1].append(block)
            else:
                runs.append((number, [block]))
        return [(first, np.stack(blocks)) for first, blocks in runs]

    def _paint(self, number: int) -> tuple[Painted, bytes]:
        painted = self._painter.paint(number)
        return painted, picture_messages.picture(number, painted.pixels, here=self._here)
