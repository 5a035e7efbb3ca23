"""The wire to one page, whatever it plays: how messages go out, how many may come, how it ends."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Protocol, runtime_checkable

from wyh.errors import WyhError
from wyh.media.web import messages
from wyh.media.web.limits import Bucket
from wyh.media.web.messages import Report, Turn

_MESSAGES = (1500.0, 3000.0)  # a second, and at once: far more than the page ever sends
_CLOSE_BAD, _CLOSE_FAILED = 1008, 1011
_REASON_BYTES = 120  # of a close frame
_STALLED_SECS = 10.0  # a page that takes nothing for so long is shut out
_REPORT = 150  # messages that a report counts for: a page sends one in two seconds


@runtime_checkable
class Turned(Protocol):
    """What has knobs, and takes note of figures."""

    def turn(self, name: str, value: float) -> None:
        """Turn a knob."""

    def told(self, what: Any) -> None:
        """Take note of a figure. On the event loop."""


class Line:
    """One page's wire."""

    def __init__(self, socket: Any):
        """Take over a page's WebSocket."""
        self._socket = socket
        self._may_send = Bucket(*_MESSAGES)

    async def run(self, *parts: Coroutine[Any, Any, None]) -> str | None:
        """Run these until one ends or the page goes; why it was shut out, or None."""
        from websockets.exceptions import ConnectionClosed

        tasks = [asyncio.create_task(part) for part in parts]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        except ConnectionClosed:
            pass
        except WyhError as error:
            await self._close(_CLOSE_BAD, str(error))
            return str(error)
        except Exception as error:
            await self._close(_CLOSE_FAILED, "the server failed")
            return f"failed: {type(error).__name__}: {error}"
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        return None

    async def _close(self, code: int, why: str) -> None:
        reason = why.encode()[:_REASON_BYTES].decode(errors="ignore")
        try:
            await asyncio.wait_for(self._socket.close(code, reason), 2.0)
        except TimeoutError:  # a page that stalls does not hear it
            self._socket.transport.abort()

    async def send(self, message: str | bytes) -> None:
        """Send, and wait until it has room to go.

        Raises:
          WyhError: the page takes nothing.
        """
        try:
            async with asyncio.timeout(_STALLED_SECS):
                await self._socket.send(message)
        except TimeoutError:
            self._socket.transport.abort()  # a close would wait for it too
            raise WyhError("the page takes nothing of what it is sent") from None

    async def read(
        self,
        hello: str,
        parse: Callable[[bytes | str], Any],
        take: Callable[[Any], Awaitable[None]],
        instrument: Turned,
    ) -> None:
        """Greet, and hand over what the page says but for turns and reports, until it goes.

        Raises:
          WyhError: it says what it may not, or too much.
        """
        await self.send(hello)
        async for data in self._socket:
            if not self._may_send.take():
                raise WyhError("got too many messages at once")
            message = parse(data)
            match message:
                case Turn():
                    try:
                        instrument.turn(message.name, message.value)
                    except WyhError as error:
                        await self.send(messages.say(str(error)))
                case Report():
                    if not self._may_send.take(_REPORT):
                        raise WyhError("got too many reports at once")
                    instrument.told(message)
                case _:
                    await take(message)
