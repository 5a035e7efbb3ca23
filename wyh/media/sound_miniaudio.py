"""Sound through `miniaudio`: pip alone is enough, and it sees what PulseAudio's speakers play.

It tells neither of underruns nor, on most systems, of a device that has gone.
"""

import functools
from collections.abc import Callable, Generator
from typing import Any, NamedTuple

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

NAME = "miniaudio"
# JACK last: where it runs without the others. The null system would always be there.
ORDER = ("WASAPI", "DSOUND", "WINMM", "COREAUDIO", "PULSEAUDIO", "ALSA", "JACK")
# What it says where a sound system is not there, or has no device.
_ABSENT = ("cannot init context", "can't get device info", "cannot get device infos")
_PERIODS = 4  # that a device's buffer is served in
_LEAST_MS = 3  # of a period: Python is called once in each


class _Entry(NamedTuple):
    name: str
    default: bool
    id: Any
    key: str  # PulseAudio's own name for it


@functools.cache
def library() -> Any:
    """The module, or None where it is missing."""
    try:
        import miniaudio

        silence_alsa()
        return miniaudio
    except ImportError:
        return None


def _systems(ma: Any) -> list[Any]:
    enabled = ma.get_enabled_backends()
    every = [ma.Backend[name] for name in ORDER]
    return [system for system in every if system in enabled]


def _listed(ma: Any, system: Any) -> tuple[list[_Entry], list[_Entry]]:
    """What a sound system of this computer plays to and hears.

    Raises:
      MiniaudioError: it is not there.
    """

    class Devices(ma.Devices):
        def _get_info(self, device_type: Any, device_info: Any) -> dict[str, Any]:
            more: dict[str, Any] = super()._get_info(device_type, device_info)
            return more | {"default": bool(device_info.isDefault)}

    found = Devices([system])
    return _entries(ma, found.get_playbacks()), _entries(ma, found.get_captures())


def _entries(ma: Any, rows: list[dict[str, Any]]) -> list[_Entry]:
    names = unique([row["name"] for row in rows])
    keys = [bytes(ma.ffi.buffer(row["id"])).partition(b"\0")[0] for row in rows]
    return [
        _Entry(name, row["default"], row["id"], key.decode("utf-8", "replace"))
        for name, row, key in zip(names, rows, keys, strict=True)
    ]


def _choices(ma: Any, system: Any, kind: Kind) -> list[_Entry]:
    """The devices of a kind. Recorded is what speakers play: PulseAudio has a source for each."""
    speakers, microphones = _listed(ma, system)
    if kind == "speaker":
        return speakers
    if system.name == "WASAPI":
        return speakers if kind == "loopback" else microphones
    monitors = [entry for entry in microphones if entry.key.endswith(".monitor")]
    if system.name != "PULSEAUDIO":
        monitors = []
    if kind == "microphone":
        return [entry for entry in microphones if entry not in monitors]
    default = [f"{entry.key}.monitor" for entry in speakers if entry.default]
    return [entry._replace(default=entry.key in default) for entry in monitors]


def devices(kind: Kind) -> list[Device]:
    """All devices of a kind that the first sound system has; their indices count from 0."""
    ma = library()
    for system in _systems(ma) if ma is not None else ():
        try:
            with quiet():
                found = _choices(ma, system, kind)
        except ma.MiniaudioError:
            continue
        if found:
            return [Device(kind, i, e.name, e.default, NAME) for i, e in enumerate(found)]
    return []


def open_stream(wanted: Wanted) -> Stream:
    """Open a device.

    Raises:
      NoSound: there is none of this name, or it cannot be opened.
    """
    return MiniaudioStream(wanted)


class MiniaudioStream:
    """An open device. See `wyh.media.sound_stream.Stream`."""

    backend = NAME
    xruns = 0  # it does not tell

    def __init__(self, wanted: Wanted):
        """Open it; see `open_stream`."""
        ma = library()
        if ma is None:
            raise NoSound("not installed")
        self._ma, self._device = ma, None
        self._serves = _playing(wanted) if wanted.kind == "speaker" else _hearing(wanted)
        next(self._serves)
        reason = "no device"
        for system in _systems(ma):
            period_ms, periods, buffered_ms = _buffer(system, wanted.device_ms)
            try:
                with quiet():
                    entry = _entry(_choices(ma, system, wanted.kind), wanted.name)
                    self._device = _maker(ma, system, wanted)(
                        ma.SampleFormat.FLOAT32,
                        wanted.channels,
                        wanted.sample_rate,
                        period_ms,
                        # Without an id the stream follows the user from one device to another.
                        None if wanted.name is None and wanted.kind != "loopback" else entry.id,
                        periods,
                        [system],
                        app_name="wyh",
                    )
                self.name, self.latency_secs = entry.name, buffered_ms / 1000
                return
            except NoSound as error:
                reason = str(error)
            except ma.MiniaudioError as error:
                if str(error.args[0]) not in _ABSENT:
                    reason = str(error.args[0])
        raise NoSound(reason)

    def start(self) -> None:
        """Begin to serve.

        Raises:
          NoSound: it cannot.
        """
        assert self._device is not None
        try:
            self._device.start(self._serves)
        except self._ma.MiniaudioError as error:
            raise NoSound(str(error.args[0])) from None

    def close(self) -> None:
        """End, and give the device back."""
        device, self._device = self._device, None
        if device is not None:
            with quiet():
                device.close()
                self._ma.lib.ma_context_uninit(device._context)  # which `close` leaves


def _entry(found: list[_Entry], name: str | None) -> _Entry:
    if name is not None:
        found = [entry for entry in found if entry.name == name]
        if not found:
            raise NoSound("it is not there")
    if not found:
        raise NoSound("no device")
    return next((entry for entry in found if entry.default), found[0])


def _buffer(system: Any, device_ms: float) -> tuple[int, int, float]:
    """Length of a period and number of periods to ask for, and what then is buffered, in ms."""
    if system.name == "PULSEAUDIO":
        # There miniaudio asks for one period of sound, in a memory of all of them.
        period_ms = max(_LEAST_MS, round(device_ms))
        return period_ms, 2, period_ms
    period_ms = max(_LEAST_MS, round(device_ms / _PERIODS))
    periods = max(2, round(device_ms / period_ms))
    return period_ms, periods, period_ms * periods


def _maker(ma: Any, system: Any, wanted: Wanted) -> Callable[..., Any]:
    if wanted.kind == "speaker":
        return ma.PlaybackDevice
    if wanted.kind == "loopback" and system.name == "WASAPI":
        return functools.partial(_loopback, ma)
    return ma.CaptureDevice


def _loopback(
    ma: Any,
    form: Any,
    channels: int,
    sample_rate: int,
    period_ms: int,
    device_id: Any,
    periods: int,
    systems: list[Any],
    *,
    app_name: str,
) -> Any:
    """As `CaptureDevice`, but that Windows lets it hear a speaker; miniaudio's own class cannot."""

    class Loopback(ma.CaptureDevice):
        def __init__(self) -> None:
            ma.AbstractDevice.__init__(self)
            self.sample_width, self.nchannels = ma.width_from_format(form), channels
            self._ffi_handle = ma.ffi.new_handle(self)
            wanted = ma.lib.ma_device_config_init(ma.lib.ma_device_type_loopback)
            wanted.sampleRate, wanted.periods = sample_rate, periods
            wanted.periodSizeInMilliseconds = period_ms
            wanted.capture.format, wanted.capture.channels = form.value, channels
            wanted.capture.pDeviceID = device_id
            wanted.pUserData = self._ffi_handle
            wanted.dataCallback = ma.lib._internal_data_callback
            wanted.stopCallback = ma.lib._internal_stop_callback
            self._context = self._make_context(systems, app_name=app_name)
            found = ma.lib.ma_device_init(self._context, ma.ffi.addressof(wanted), self._device)
            if found != ma.lib.MA_SUCCESS:
                raise ma.MiniaudioError("failed to init device", found)

    return Loopback()


def _playing(wanted: Wanted) -> Generator[memoryview, int, None]:
    """What miniaudio asks for the sound of a speaker."""
    count = yield memoryview(b"")
    while True:
        block = np.zeros((count, wanted.channels), np.float32)
        wanted.serve(block)
        count = yield block.data


def _hearing(wanted: Wanted) -> Generator[None, bytearray, None]:
    """What miniaudio tells the sound of a microphone."""
    data = yield
    while True:
        wanted.serve(np.frombuffer(data, np.float32).reshape(-1, wanted.channels))
        data = yield
