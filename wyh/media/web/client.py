"""One page in conversation: pictures come, sound and what is left of the picture go back.

Each page has its own mailbox and its own limits. A picture that was not yet looked at when the
next one comes is dropped; sound is made as it is asked for, but no faster than it can be heard.
Computing happens in threads, so the event loop stays free for the other pages.
"""

import asyncio
from concurrent.futures import Executor
from contextlib import suppress
from typing import Any, NamedTuple, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float32, UInt8

from wyh.errors import WyhError
from wyh.media.web import messages
from wyh.media.web.limits import Bucket
from wyh.media.web.line import Line
from wyh.media.web.messages import Frame, Pull, Report
from wyh.specs import StreamSpec

_FRAMES = (1.5, 30.0)  # times the frame rate, and at once
_SOUND = (1.1, 3.0)  # seconds of sound a second, and at once
_AT_ONCE = 16  # blocks that are made in one go
_LOW_SECS = 0.02  # with less sound ahead at the page, no picture is looked at
_PATIENCE = 1 / 3  # of the sound ahead: how long a block waits for the picture it should have


class Looked(NamedTuple):
    """What a session saw.

    Attributes:
      secs: how long looking took.
      control: for `explain`; None where the picture is held, so that there is nothing new.
      picture: to be shown, where the page does not have it already.
      waited_secs: how long such a picture, if it is a new one, had been there.
    """

    secs: float
    control: Any
    picture: UInt8[np.ndarray, "height width channels"] | None = None
    waited_secs: float | None = None


class Made(NamedTuple):
    """Blocks of sound in a row, and how long each took."""

    first: int
    samples: Float32[np.ndarray, "samples ..."]
    secs: list[float]


Explained = tuple[Float32[np.ndarray, " bands"] | None, UInt8[np.ndarray, "height width 3"] | None]
"""A code, and the picture that the sound still knows."""


@runtime_checkable
class Instrument(Protocol):
    """What a page plays. `look` and `make` are each called from one thread at a time."""

    def look(self, frame: Frame) -> Looked:
        """Look at a picture."""

    def explain(self, control: Any) -> Explained:
        """The code of a control, and what the sound still knows of its picture."""

    def make(self, blocks: int) -> Made:
        """The next blocks of sound."""

    def turn(self, name: str, value: float) -> None:
        """Turn a knob."""

    def due(self, blocks: int) -> int:
        """The frame tick of the last of the next blocks."""

    def told(self, what: Looked | Made | Report) -> None:
        """Take note of a figure. On the event loop."""


class Client:
    """One page, from its opening to its end: `run` once."""

    def __init__(
        self,
        socket: Any,
        instrument: Instrument,
        spec: StreamSpec,
        pool: Executor,
        *,
        own_source: bool,
    ):
        """Prepare.

        Args:
          socket: the page's WebSocket.
          instrument: what it plays.
          spec: of the stream.
          pool: for computing.
          own_source: the server has the pictures.
        """
        self._line, self._instrument, self._spec = Line(socket), instrument, spec
        self._pool, self._own_source = pool, own_source
        rate = spec.audio.sample_rate
        blocks = rate / spec.block
        self._may_look = Bucket(_FRAMES[0] * float(spec.video.frame_rate), _FRAMES[1])
        self._may_hear = Bucket(_SOUND[0] * blocks, _SOUND[1] * blocks + 1)
        self._low = min(_LOW_SECS * rate, 2 * spec.block)
        self._frame: Frame | None = None  # the newest that was not looked at
        # Ticks: that came, that will be looked at, that were or never will be.
        self._newest = self._coming = self._settled = -1
        self._wanted, self._fill, self._begun = 0, 0, False
        self._news = asyncio.Condition()

    async def run(self, hello: str) -> str | None:
        """Greet, and talk until the page goes; why it was shut out, or None."""
        read = self._line.read(hello, self._parse, self._take, self._instrument)
        return await self._line.run(read, self._look(), self._make())

    def _parse(self, data: bytes | str) -> messages.Message:
        return messages.parse_message(data, self._spec, own_source=self._own_source)

    async def _take(self, message: Frame | Pull) -> None:
        if isinstance(message, Frame):
            await self._take_frame(message)
        else:
            await self._take_pull(message)

    async def _take_frame(self, frame: Frame) -> None:
        if frame.tick <= self._newest:
            raise WyhError(f"got frame tick {frame.tick} after {self._newest}")
        if self._newest < 0 and frame.tick:
            raise WyhError(f"got frame tick {frame.tick} as the first, wanted 0")
        self._newest = frame.tick
        # The first one begins the stream: nothing may take its place.
        waits = self._frame is not None and self._frame.tick == 0
        if self._may_look.take() and not waits:
            async with self._news:
                self._frame, self._coming = frame, frame.tick
                self._news.notify_all()

    async def _take_pull(self, pull: Pull) -> None:
        if not self._may_hear.take(pull.blocks):
            raise WyhError("got a call for more sound than can be heard")
        async with self._news:
            self._wanted += pull.blocks
            self._fill = pull.fill
            self._news.notify_all()

    async def _look(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            async with self._news:
                await self._news.wait_for(lambda: self._frame is not None)
                frame, self._frame = self._frame, None
            assert frame is not None
            # Sound comes first: a page that is about to fall silent gets no picture meanwhile.
            if self._begun and self._wanted and self._fill < self._low:
                await self._settle(frame.tick)
                continue
            looked = await loop.run_in_executor(self._pool, self._instrument.look, frame)
            await self._settle(frame.tick)
            self._instrument.told(looked)
            code, known = None, None
            if looked.control is not None and self._frame is None:
                code, known = await loop.run_in_executor(
                    self._pool, self._instrument.explain, looked.control
                )
            await self._line.send(
                messages.seen(frame.tick, looked.waited_secs, code, known, looked.picture)
            )

    async def _settle(self, tick: int) -> None:
        async with self._news:
            self._settled = tick
            self._news.notify_all()

    async def _make(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            async with self._news:
                await self._news.wait_for(lambda: self._wanted and self._settled >= 0)
                blocks = min(self._wanted, _AT_ONCE)
                await self._wait_for_picture(min(self._instrument.due(blocks), self._coming))
                self._wanted -= blocks
            made = await loop.run_in_executor(self._pool, self._instrument.make, blocks)
            self._begun = True
            self._instrument.told(made)
            await self._line.send(messages.sound(made.first, blocks, made.samples))

    async def _wait_for_picture(self, due: int) -> None:
        """Wait for the tick that the sound should know of, while there is sound enough ahead."""
        patience = _PATIENCE * self._fill / self._spec.audio.sample_rate
        if self._settled < due and patience > 0:
            with suppress(TimeoutError):
                settled = self._news.wait_for(lambda: self._settled >= due)
                await asyncio.wait_for(settled, patience)
