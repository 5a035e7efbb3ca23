"""Serves the page's own files and opens one WebSocket for each page that may come in.

Nothing is loaded from elsewhere. Loopback alone is plain and open; any other host needs TLS and a
token, which is new at each start and never sent in an address: it follows the `#`.
"""

import asyncio
import errno
import hmac
import http
import logging
import secrets
import ssl
from collections.abc import Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

from wyh.errors import WyhError
from wyh.media.web.tls import is_loopback, own_addresses, secure_context

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from websockets.asyncio.server import ServerConnection
    from websockets.http11 import Request, Response

STREAM = "/stream"
_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
_GUARD = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
        "media-src 'self' blob: mediastream:; connect-src 'self' {socket}; worker-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "Permissions-Policy": "camera=(self), microphone=(self)",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Connection": "close",
}
# A page that does not answer for so long is gone: a phone out of reach, a client that stalls.
_PING_SECS, _GONE_SECS, _OPEN_SECS, _CLOSE_SECS = 10.0, 15.0, 10.0, 1.0


@dataclass(frozen=True)
class Door:
    """Where pages come in.

    Attributes:
      host: to listen at.
      port: as asked for; 0 is any that is free.
      names: the addresses by which pages reach it, the best first.
      secure: TLS, or None on loopback.
      token: what a page must know, or None on loopback.
    """

    host: str
    port: int
    names: tuple[str, ...]
    secure: ssl.SSLContext | None = None
    token: str | None = None

    @property
    def scheme(self) -> str:
        """Of the page's address."""
        return "https" if self.secure else "http"

    def address(self, port: int) -> str:
        """The page's address, the token in it."""
        name = f"[{self.names[0]}]" if ":" in self.names[0] else self.names[0]
        return f"{self.scheme}://{name}:{port}/" + (f"#{self.token}" if self.token else "")


def make_door(host: str, port: int, certificates: Path) -> Door:
    """Where to listen: with TLS and a token unless only this machine reaches it.

    Args:
      host: an address of this machine, or 0.0.0.0 for all of them.
      port: 0 to 65535.
      certificates: a folder to keep the certificate in.

    Raises:
      WyhError: the port is none, or no certificate could be made.
    """
    if not 0 <= port <= 65535:
        raise WyhError(f"got --port {port}, wanted 0 to 65535")
    if is_loopback(host):
        return Door(host, port, (host.strip("[]"), "localhost"))
    names = tuple(own_addresses(host))
    return Door(host, port, names, secure_context(certificates, names), secrets.token_urlsafe(12))


class _Gate:
    """Answers each request: with a file, with a refusal, or by letting a page in."""

    def __init__(self, door: Door, index: str):
        self._door, self._index = door, index
        self._files = _page_files()

    def __call__(self, connection: "ServerConnection", request: "Request") -> "Response | None":
        path, _, query = request.path.partition("?")
        if path == STREAM:
            return self._stream(connection, request, query)
        name = path.removeprefix("/") or self._index
        if name not in self._files:
            return connection.respond(http.HTTPStatus.NOT_FOUND, "There is no such page.\n")
        return self._file(name, request.headers.get("Host", ""))

    def _stream(
        self, connection: "ServerConnection", request: "Request", query: str
    ) -> "Response | None":
        if not self._is_ours(request):
            said = "Refused: the page comes from another address than its sound.\n"
            return connection.respond(http.HTTPStatus.FORBIDDEN, said)
        given = parse_qs(query).get("token", [""])[0]
        if self._door.token and not hmac.compare_digest(given.encode(), self._door.token.encode()):
            said = "The address lacks today's token: scan the code in the terminal again.\n"
            return connection.respond(http.HTTPStatus.FORBIDDEN, said)
        if "upgrade" not in request.headers.get("Connection", "").lower():
            return connection.respond(http.HTTPStatus.UPGRADE_REQUIRED, "A page may come in.\n")
        return None

    def _is_ours(self, request: "Request") -> bool:
        """Whether the page that asks was served here: no other site may reach the stream."""
        try:
            host, origin = request.headers["Host"], request.headers.get("Origin")
            # A page that asks why it was refused names no origin: the browser says where from.
            origin = origin or (
                f"{self._door.scheme}://{host}"
                if request.headers.get("Sec-Fetch-Site") == "same-origin"
                else ""
            )
            came, asked = urlsplit(origin), urlsplit(f"//{host}")
            same = came.scheme == self._door.scheme and came.netloc.lower() == host.lower()
            # With a token, any name of this machine will do; without, only those of loopback:
            # a foreign name may be made to lead here.
            known = self._door.token or is_loopback(asked.hostname or "")
            return bool(same and known)
        except (KeyError, LookupError, ValueError):
            return False

    def _file(self, name: str, host: str) -> "Response":
        from websockets.datastructures import Headers
        from websockets.http11 import Response

        kind, body = self._files[name]
        # `host` is of the request: only what an address may hold goes back into a header.
        plain = "".join(c for c in host if c.isalnum() or c in ".:-[]")
        socket = f"{'wss' if self._door.secure else 'ws'}://{plain}"
        guard = {key: value.replace("{socket}", socket) for key, value in _GUARD.items()}
        headers = {"Content-Type": kind, "Content-Length": str(len(body))} | guard
        return Response(200, "OK", Headers(headers), body)


def _page_files() -> dict[str, tuple[str, bytes]]:
    folder = resources.files("wyh.media.web") / "page"
    return {
        entry.name: (_TYPES[Path(entry.name).suffix], entry.read_bytes())
        for entry in folder.iterdir()
        if Path(entry.name).suffix in _TYPES
    }


@asynccontextmanager
async def open_server(
    door: Door, max_size: int, handle: Callable[[Any], Awaitable[None]], index: str = "index.html"
) -> "AsyncIterator[int]":
    """Listen while the context lasts; gives the port.

    Args:
      door: where.
      max_size: bytes of a message; a page that sends a longer one is shut out.
      handle: one page, from its WebSocket's opening to its end.
      index: the file that is the page itself.

    Raises:
      WyhError: the port is in use, the host is not of this machine, or no `websockets`.
    """
    try:
        from websockets.asyncio.server import serve
    except ImportError:
        raise WyhError("the page needs websockets: pip install 'wyh[web]'") from None

    logger = logging.getLogger("wyh.web")  # what a stranger does wrong is no news for the player
    logger.addHandler(logging.NullHandler())
    logger.propagate = False
    try:
        server = await serve(
            handle,
            door.host.strip("[]"),
            door.port,
            ssl=door.secure,
            process_request=_Gate(door, index),
            compression=None,
            server_header=None,
            max_size=max_size,
            max_queue=8,
            open_timeout=_OPEN_SECS,
            ping_interval=_PING_SECS,
            ping_timeout=_GONE_SECS,
            close_timeout=_CLOSE_SECS,
            logger=logger,
        )
    except OSError as error:
        raise WyhError(_why(error, door)) from None
    try:
        yield next(iter(server.sockets)).getsockname()[1]
    finally:
        server.close()
        with suppress(TimeoutError):  # who says nothing yet, or stalls, does not hold up the end
            await asyncio.wait_for(server.wait_closed(), 5.0)


def _why(error: OSError, door: Door) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"port {door.port} is in use: give another one with --port, such as {door.port + 1}"
    if error.errno in (errno.EACCES, errno.EPERM):
        return f"port {door.port} needs special rights: give one above 1024 with --port"
    return f"got --host {door.host}, which is no address of this machine: try 0.0.0.0"
