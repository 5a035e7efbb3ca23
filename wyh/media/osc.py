"""Open Sound Control: knobs turned from Max, Pure Data, TouchOSC, ..., and what is played told.

In, over UDP:

    /wyh/param/NAME VALUE          turn a knob of `wyh.knobs`, in its own unit; a switch by name too
    /wyh/param/NAME/nudge STEPS    turn it by so many steps

Out, at most 30 times a second, the newest only:

    /wyh/code FLOAT...             how loud each band is, 0 to 1
    /wyh/level FLOAT               of the sound, dB RMS
    /wyh/param/NAME FLOAT          a knob that was turned, and every knob now and then
"""

import importlib
import math
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
from jaxtyping import Float32

from wyh.errors import WyhError, check_range
from wyh.media.ffmpeg import shown
from wyh.media.notes import Sparing

LARGEST_RATE_HZ = 30.0  # of what is sent
REFRESH_SECS = 5.0  # after which every knob is told again: packets get lost, surfaces come late
FLOOR_DB = -120.0  # silence, for those who cannot read -infinity
_PARAM = "/wyh/param/"
_KINDS = frozenset("ihfdsTF")  # of value: whole numbers, floats, a string, true, false
_DEPTH = 4  # of bundles in bundles
_POLL_SECS = 0.1  # how soon a server hears that it is to end


class OscIn:
    """Takes messages in one thread. A context manager: leaving stops it.

    Attributes:
      port: that it listens at.
    """

    def __init__(
        self,
        port: int,
        *,
        host: str = "127.0.0.1",
        turn: Callable[[str, float | str], None],
        nudge: Callable[[str, int], None],
        note: Callable[[str], None],
    ):
        """Begin to listen.

        Args:
          port: of UDP; 0 for any that is free.
          host: the address to listen at: this machine alone, unless it is another of its own.
          turn: called with a knob's name and value; what it raises is told.
          nudge: called with a knob's name and steps, likewise.
          note: is told, now and then, of messages that are of no use.

        Raises:
          WyhError: python-osc is not installed, or the port cannot be had.
        """
        check_range("the OSC port", port, 0, 65535)
        server_class = _osc("osc_server").BlockingOSCUDPServer
        self._types, self._messages = _osc("parsing.osc_types"), _osc("osc_message")
        self._turn, self._nudge, self._complain = turn, nudge, Sparing(note)
        try:
            # It asks its dispatcher for no more than `call_handlers_for_packet`. The library's own
            # waits for the time that a bundle names, and takes addresses for patterns.
            self._server = server_class((host, port), self)
        except OSError as error:
            raise WyhError(
                f"OSC cannot listen at {host}:{port}: {error.strerror or error}; choose another "
                f"port, or end the program that has it"
            ) from None
        self.port: int = self._server.server_address[1]
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(_POLL_SECS,), name="osc-in", daemon=True
        )
        self._thread.start()

    def call_handlers_for_packet(self, data: bytes, client: tuple[str, int]) -> list[Any]:
        """Take one packet, whatever is in it; nothing is answered. The server calls this."""
        try:
            for message in _messages(data):
                self._take(message)
        except Exception as error:  # a fault of ours must not end the thread
            self._complain("fault", f"OSC: a packet was not understood: {error!r}")
        return []

    def _take(self, data: bytes) -> None:
        try:
            address, at = self._types.get_string(data, 0)
            kinds, _ = self._types.get_string(data, at) if data[at:] else (",", at)
        except (self._types.ParseError, ValueError):
            return  # garbage
        name, _, action = address.removeprefix(_PARAM).partition("/")
        if not address.startswith(_PARAM) or action not in ("", "nudge"):
            self._complain(
                "address", f"OSC: got {_brief(address)}, wanted {_PARAM}NAME or {_PARAM}NAME/nudge"
            )
            return
        if len(kinds) != 2 or kinds[0] != "," or kinds[1] not in _KINDS:
            self._complain("value", f"OSC: {_brief(address)} wants one number, or a name")
            return
        try:
            (value,) = self._messages.OscMessage(data).params
        except (self._messages.ParseError, ValueError):
            return  # garbage
        try:
            if not action:
                self._turn(name, value if isinstance(value, str) else float(value))
            elif isinstance(value, str) or not math.isfinite(value) or value != round(value):
                self._complain("value", f"OSC: {_brief(address)} wants whole steps, such as 1")
            else:
                self._nudge(name, int(value))
        except WyhError as error:
            self._complain("value", f"OSC: {_brief(str(error), 200)}")

    def close(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._thread.join(2.0)
        self._server.server_close()

    def __enter__(self) -> "OscIn":
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        self.close()


class OscOut:
    """Tells what is played, from a thread of its own: who calls it never waits.

    A context manager: leaving stops it. Sending a code of 64 bands takes 0.1 ms.
    """

    def __init__(self, target: str, note: Callable[[str], None]):
        """Begin to send.

        Args:
          target: `host:port`.
          note: is told, now and then, when sending fails.

        Raises:
          WyhError: python-osc is not installed, or there is no such host.
        """
        self._target, self._complain = target, Sparing(note)
        self._client = _osc("udp_client").SimpleUDPClient(*_address(target))
        self._news, self._stop = threading.Event(), threading.Event()
        self._merging = threading.Lock()
        self._heard: tuple[Float32[np.ndarray, " bands"] | None, float] | None = None
        self._values: dict[str, float] = {}
        self._thread = threading.Thread(target=self._run, name="osc-out", daemon=True)
        self._thread.start()

    def send(
        self,
        code: Float32[np.ndarray, " bands"] | None,
        level_db: float,
        values: Mapping[str, float],
    ) -> None:
        """Tell what is heard now.

        Args:
          code: how loud each band is, which nobody changes later; None where a model has none.
          level_db: of the sound, RMS.
          values: every knob's value by name; those that have changed are sent.
        """
        with self._merging:
            self._heard = code, level_db
            self._values = self._values | dict(values)
        self._news.set()

    def turned(self, name: str, value: float) -> None:
        """Tell that a knob was turned."""
        with self._merging:
            self._values = self._values | {name: value}
        self._news.set()

    def _run(self) -> None:
        told: dict[str, float] = {}
        refreshed = time.monotonic()
        while True:
            self._news.wait()
            last = self._stop.is_set()
            with self._merging:
                self._news.clear()
                heard, values, self._heard = self._heard, self._values, None
            if time.monotonic() - refreshed >= REFRESH_SECS:
                told, refreshed = {}, time.monotonic()
            try:
                if heard is not None:
                    self._send_heard(*heard)
                for name, value in values.items():
                    if told.get(name) != value:
                        self._client.send_message(f"{_PARAM}{name}", float(value))
                told = values
            except BlockingIOError:
                pass  # the network is slower than we are: the next ones may get through
            except OSError as error:
                self._complain("send", f"OSC to {self._target}: {error.strerror or error}")
            if last:
                return
            self._stop.wait(1 / LARGEST_RATE_HZ)

    def _send_heard(self, code: np.ndarray | None, level_db: float) -> None:
        if code is not None:
            self._client.send_message("/wyh/code", np.asarray(code, np.float64).tolist())
        self._client.send_message("/wyh/level", max(FLOOR_DB, float(level_db)))

    def close(self) -> None:
        """Send what is left, then stop."""
        self._stop.set()
        self._news.set()
        self._thread.join(2.0)
        self._client.close()

    def __enter__(self) -> "OscOut":
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        self.close()


def _osc(module: str) -> Any:
    """A module of python-osc, which only those who use OSC need."""
    try:
        return importlib.import_module(f"pythonosc.{module}")
    except ImportError:
        raise WyhError("OSC needs python-osc: pip install 'wyh[osc]'") from None


def _address(target: str) -> tuple[str, int]:
    """The address and port of `host:port`, looked up once."""
    host, _, port = target.rpartition(":")
    wanted = f"got the OSC target {shown(target)}, wanted host:port, such as 192.168.1.20:9000"
    if not host or not port.isascii() or not port.isdecimal() or not 0 < int(port) <= 65535:
        raise WyhError(wanted)
    try:
        found = socket.getaddrinfo(host.strip("[]"), int(port), type=socket.SOCK_DGRAM)
    except (OSError, UnicodeError):
        raise WyhError(f"{wanted}: there is no host {shown(host)}") from None
    # Programs mostly listen for OSC by IPv4 alone, and localhost may be ::1 first.
    found.sort(key=lambda each: each[0] != socket.AF_INET)
    return str(found[0][4][0]), int(port)


def _messages(data: bytes, depth: int = _DEPTH) -> Iterator[bytes]:
    """The messages in a packet, those of a bundle one by one; what is damaged is passed over.

    A bundle's time is not waited for: it is played now.
    """
    if data.startswith(b"/"):
        yield data
    elif data.startswith(b"#bundle\0") and depth:
        at = 16  # behind the name and the time
        while at + 4 <= len(data):
            (size,) = struct.unpack_from(">i", data, at)
            if size <= 0:
                return
            yield from _messages(data[at + 4 : at + 4 + size], depth - 1)
            at += 4 + size


def _brief(text: str, length: int = 60) -> str:
    return shown(text if len(text) <= length else f"{text[:length]}...")
