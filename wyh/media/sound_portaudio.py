"""Sound through `sounddevice`, which tells of underruns and bears a busy machine best.

On Linux its wheel brings no PortAudio: then importing it fails, and it counts as not installed.
"""

import functools
import threading
from contextlib import suppress
from typing import Any

import numpy as np

from wyh.media.sound_stream import (
    Device,
    Kind,
    NoSound,
    Stream,
    Wanted,
    quiet,
    silence_alsa,
    unique,
)

NAME = "sounddevice"
_open = 0  # streams; PortAudio may start anew, and see new devices, while there is none
_opening = threading.RLock()


@functools.cache
def library() -> Any:
    """The module, or None where it or PortAudio is missing."""
    try:
        import sounddevice

        silence_alsa()
        return sounddevice
    except (ImportError, OSError):
        return None


def refresh() -> None:
    """See devices that have come or gone, unless a stream is open."""
    sd = library()
    with _opening:
        if sd is not None and not _open:
            with suppress(sd.PortAudioError):  # it may have failed to begin, the last time
                sd._terminate()
            sd._initialize()


def devices(kind: Kind) -> list[Device]:
    """All devices of a kind; their indices count from 0."""
    sd = library()
    if sd is None or kind == "loopback":
        return []
    with _opening:
        found = _found(sd, kind)
    return [Device(kind, i, name, at[1], NAME) for i, (name, at) in enumerate(found.items())]


def _found(sd: Any, kind: Kind) -> dict[str, tuple[int, bool]]:
    """PortAudio's number of each device, and whether it is the default."""
    hosts = sd.query_hostapis()
    # Windows shows every device once for each of its sound systems; WASAPI is the quick one.
    wasapi = [number for number, host in enumerate(hosts) if host["name"] == "Windows WASAPI"]
    shown = wasapi or range(len(hosts))
    way = "output" if kind == "speaker" else "input"
    default = -1
    if hosts:
        default = hosts[(wasapi or [sd.default.hostapi])[0]][f"default_{way}_device"]
    rows = [
        (number, device)
        for number, device in enumerate(sd.query_devices())
        if device["hostapi"] in shown and device[f"max_{way}_channels"]
    ]
    names = unique([device["name"] for _, device in rows])
    return {
        name: (number, number == default) for name, (number, _) in zip(names, rows, strict=True)
    }


def open_stream(wanted: Wanted) -> Stream:
    """Open a device.

    Raises:
      NoSound: there is none of this name, or it cannot be opened.
    """
    return PortAudioStream(wanted)


class PortAudioStream:
    """An open device. See `wyh.media.sound_stream.Stream`."""

    backend = NAME

    def __init__(self, wanted: Wanted):
        """Open it; see `open_stream`."""
        global _open
        sd = library()
        if sd is None:
            raise NoSound("not installed")
        self.xruns, self._wanted, self._stream = 0, wanted, None
        with quiet(), _opening:
            found = _found(sd, wanted.kind)
            chosen = [
                (name, number)
                for name, (number, default) in found.items()
                if (default if wanted.name is None else name == wanted.name)
            ]
            if not chosen:
                raise NoSound("no device" if wanted.name is None else "it is not there")
            self.name, number = chosen[0]
            self._stream = self._opened(sd, number)
            _open += 1
        self.latency_secs = float(self._stream.latency)

    def _opened(self, sd: Any, number: int) -> Any:
        device, wanted = sd.query_devices(number), self._wanted
        host = sd.query_hostapis(device["hostapi"])["name"]
        settings = sd.WasapiSettings(auto_convert=True) if host == "Windows WASAPI" else None
        out = wanted.kind == "speaker"
        make, call = (sd.OutputStream, self._play) if out else (sd.InputStream, self._hear)
        most = device[f"max_{'output' if out else 'input'}_channels"]
        # One channel of a stereo speaker would be its left one alone. Of a microphone it is its
        # first input, as a player expects, but some devices only open both.
        widths = [min(2, most)] if out else sorted({wanted.channels, 1, min(2, most)})
        reason = "no channels"
        for width in widths if out or wanted.channels == 1 else reversed(widths):
            try:
                return make(
                    samplerate=wanted.sample_rate,
                    device=number,
                    channels=width,
                    dtype="float32",
                    latency=wanted.device_ms / 1000,
                    blocksize=0,
                    callback=call,
                    extra_settings=settings,
                )
            except (sd.PortAudioError, ValueError) as error:
                reason = " ".join(str(error.args[0]).split()).removeprefix("Error opening ")
        raise NoSound(reason)

    def _play(self, out: np.ndarray, count: int, when: Any, status: Any) -> None:
        self.xruns += bool(status.output_underflow)
        channels = self._wanted.channels
        out.fill(0)
        if out.shape[1] == channels:
            self._wanted.serve(out)
            return
        block = np.zeros((count, channels), np.float32)
        self._wanted.serve(block)
        out[:] = block if channels == 1 else block.mean(axis=1, keepdims=True)

    def _hear(self, heard: np.ndarray, count: int, when: Any, status: Any) -> None:
        self.xruns += bool(status.input_overflow)
        channels = self._wanted.channels
        if heard.shape[1] > channels:
            heard = heard.mean(axis=1, keepdims=True)
        self._wanted.serve(np.broadcast_to(heard, (count, channels)))

    def start(self) -> None:
        """Begin to serve.

        Raises:
          NoSound: it cannot.
        """
        assert self._stream is not None
        try:
            with quiet():
                self._stream.start()
        except Exception as error:  # PortAudio's own kind of error is known to the module alone
            raise NoSound(" ".join(str(error).split())) from None

    def close(self) -> None:
        """End, and give the device back."""
        global _open
        with quiet(), _opening:
            stream, self._stream = self._stream, None
            if stream is not None:
                stream.abort(ignore_errors=True)
                stream.close(ignore_errors=True)
                _open -= 1
