"""What every sound library gives: a device by its name, and a stream that asks for blocks."""

import ctypes
import functools
import os
import re
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Literal, NamedTuple, Protocol, runtime_checkable

import numpy as np

Kind = Literal["speaker", "microphone", "loopback"]

Serve = Callable[[np.ndarray], None]
"""Called by a stream, from a thread of its own, with a block `float32 [samples, channels]`.

A speaker's block is silent, and to be filled; a microphone's is to be read, and not to be kept.
"""


@dataclass(frozen=True)
class Device:
    """A sound device.

    Attributes:
      kind: speaker, microphone, or loopback: what a speaker plays, to be recorded.
      index: counts the devices of a kind from 0.
      name: no other device of its kind and backend has it.
      default: the system prefers it.
      backend: the library that opens it, sounddevice or miniaudio.
    """

    kind: Kind
    index: int
    name: str
    default: bool
    backend: str


class Wanted(NamedTuple):
    """How a stream is to be opened.

    Attributes:
      kind: of device.
      name: of the device; None for the one that the system prefers.
      sample_rate: Hz. The library converts to what the device can do.
      channels: 1 or 2, whatever the device has.
      device_ms: of sound in the device's buffer.
      serve: takes or gives the sound.
    """

    kind: Kind
    name: str | None
    sample_rate: int
    channels: int
    device_ms: float
    serve: Serve


@runtime_checkable
class Stream(Protocol):
    """An open device. It serves between `start` and `close`.

    Attributes:
      name: of the device.
      backend: the library.
      latency_secs: of the device's buffer, as far as known.
      xruns: times that the device ran dry or over, as far as the library tells.
    """

    name: str
    backend: str
    latency_secs: float
    xruns: int

    def start(self) -> None:
        """Begin.

        Raises:
          NoSound: it cannot.
        """

    def close(self) -> None:
        """End, and give the device back."""


class NoSound(Exception):
    """A device cannot be opened; the message says why in a few words."""


def unique(names: list[str]) -> list[str]:
    """Names in one line each, a number added to those that were there before."""
    found: list[str] = []
    for name in (" ".join(name.split()) or "unnamed" for name in names):
        again, number = name, 1
        while again in found:
            number += 1
            again = f"{name} ({number})"
        found.append(again)
    return found


@functools.cache
def silence_alsa() -> None:
    """Have ALSA print nothing: it would tell of every underrun, in the middle of a performance."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL("libasound.so.2").snd_lib_error_set_handler(_NOTHING)


# ALSA calls it with more arguments, which C leaves to whoever calls.
_NOTHING = ctypes.CFUNCTYPE(None)(lambda: None)
_CHATTER = re.compile(
    rb"ALSA lib |Expression '|PaAlsa|Jack|jack|JACK|Cannot connect to server|\s*$", re.ASCII
)
_QUIET = threading.Lock()


@contextmanager
def quiet() -> Iterator[None]:
    """Keep what sound libraries print off standard error; what anyone else prints comes later.

    ALSA, JACK and PortAudio write dozens of lines about every device that is not there.
    """
    with _QUIET:
        try:
            kept = os.dup(2)
        except OSError:  # there is no standard error
            yield
            return
        with tempfile.TemporaryFile() as said:
            os.dup2(said.fileno(), 2)
            try:
                yield
            finally:
                os.dup2(kept, 2)
                os.close(kept)
                said.seek(0)
                for line in said:
                    if not _CHATTER.match(line):
                        os.write(2, line)
