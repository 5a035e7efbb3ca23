"""Which speakers and microphones there are, and how one is picked.

The environment variable `WYH_SOUND` set to sounddevice, miniaudio or null allows that one alone.
"""

import os
import sys
from dataclasses import replace
from typing import Any, get_args

from wyh.errors import WyhError
from wyh.media import sound_miniaudio, sound_portaudio
from wyh.media.sound_stream import Device, Kind, NoSound, Stream, Wanted

NULL = "null"
_LIBRARIES: dict[str, Any] = {"sounddevice": sound_portaudio, "miniaudio": sound_miniaudio}
INSTALL = (
    "pip install 'wyh[audio]', and on Linux apt install libportaudio2"
    if sys.platform == "linux"
    else "pip install 'wyh[audio]'"
)
_PLURAL = {"speaker": "speakers", "microphone": "microphones", "loopback": "loopbacks"}


def is_null(text: str | None) -> bool:
    """Whether a user wants no device at all: by its name, or by `WYH_SOUND=null`."""
    return text == NULL or os.environ.get("WYH_SOUND") == NULL


def usable() -> tuple[str, ...]:
    """The sound libraries that may be used and are installed, best first.

    Raises:
      WyhError: `WYH_SOUND` names none, or one that is not installed.
    """
    wanted = os.environ.get("WYH_SOUND", "")
    if wanted not in ("", NULL, *_LIBRARIES):
        raise WyhError(f"got WYH_SOUND={wanted}, wanted sounddevice, miniaudio or null")
    found = tuple(
        name
        for name, module in _LIBRARIES.items()
        if wanted in ("", name) and module.library() is not None
    )
    if not found and wanted in _LIBRARIES:
        raise WyhError(f"got WYH_SOUND={wanted}, which is not installed: {INSTALL}")
    return found


def list_devices() -> list[Device]:
    """All devices, those of the best library first; no device is opened.

    A device that two libraries know by the same name is listed once.

    Raises:
      WyhError: as for `usable`.
    """
    return [device for kind in get_args(Kind) for device in _of_kind(kind)]


def _of_kind(kind: Kind) -> list[Device]:
    found: list[Device] = []
    for library in usable():
        known = {device.name for device in found}
        found += [d for d in _LIBRARIES[library].devices(kind) if d.name not in known]
    return [replace(device, index=index) for index, device in enumerate(found)]


def pick(kind: Kind, text: str | None) -> Device:
    """The device that a user means.

    Args:
      kind: speaker, microphone or loopback.
      text: None for the default; an index as in `list_devices`, or a part of a name, in capitals
        or not. Of names that two libraries have, the better library's is taken.

    Raises:
      WyhError: no such device, or several; the line lists what there is.
    """
    there = _of_kind(kind)
    if not there:
        raise WyhError(_none(kind))
    if text is None:
        return next((device for device in there if device.default), there[0])
    if text.isdecimal():
        found = [device for device in there if device.index == int(text)]
    else:
        part = text.casefold()
        found = [device for device in there if device.name.casefold() == part]
        found = found or [device for device in there if part in device.name.casefold()]
        found = [device for device in found if device.backend == found[0].backend]
    if len(found) != 1:
        which = "which is none" if not found else "which could be several"
        raise WyhError(f"got the {kind} {text!r}, {which}; {as_text(kind, there)}")
    return found[0]


def as_text(kind: Kind, devices: list[Device]) -> str:
    """What there is, in one line."""
    names = [f"{d.index} {d.name}{' (default)' if d.default else ''}" for d in devices]
    return f"{_PLURAL[kind]} there are: {', '.join(names) or 'none'}"


def _none(kind: Kind) -> str:
    if not usable():
        return f"got no sound library, wanted a {kind}: {INSTALL}"
    if kind == "loopback" and "miniaudio" not in usable():
        return "to record what a speaker plays needs miniaudio: leave WYH_SOUND out"
    if kind != "loopback":
        return f"got no {kind}, wanted one: connect it, or switch it on in the system's settings"
    if sys.platform == "darwin":
        return (
            "macOS lets no program hear what others play: install BlackHole, let them play into "
            "it, and take it as a microphone"
        )
    return "got no loopback, wanted PulseAudio or PipeWire: without them no program hears others"


def open_stream(wanted: Wanted, device: Device | None) -> Stream:
    """Open a device, or the one that the system prefers, by the best library that can.

    Args:
      wanted: of the stream; its name is the device's.
      device: None for the default.

    Raises:
      NoSound: none could be opened. The message says why, for each library.
    """
    reasons = []
    for library in usable() if device is None else (device.backend,):
        try:
            stream: Stream = _LIBRARIES[library].open_stream(wanted)
            return stream
        except NoSound as error:
            reasons.append(f"{library}: {error}" if device is None else str(error))
    raise NoSound("; ".join(reasons) or "no sound library")
