"""What of the outside world there is to play with: what `wyh doctor` finds. Imports no JAX."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import Any

from wyh.errors import WyhError

_EXTRAS = {
    "window": ("pygame",),
    "web": ("websockets", "segno", "cryptography"),
    "osc": ("pythonosc",),
    "midi": ("mido", "rtmidi"),
}
_FOR = {"window": "--sink screen", "web": "--sink web", "osc": "--osc", "midi": "--midi"}


@dataclass(frozen=True)
class Finding:
    """What one look found.

    Attributes:
      name: of what was looked at.
      ok: nothing to mend.
      told: what there is.
      mend: what to do where it is not ok.
      needed: without it, nothing plays.
      values: figures.
    """

    name: str
    ok: bool
    told: str
    mend: str = ""
    needed: bool = False
    values: Mapping[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        words = " ".join(self.told.split()) + (f": {self.mend}" if self.mend else "")
        return f"{'ok' if self.ok else '!!'}  {self.name:<8}  {words}"


def ffmpeg() -> Finding:
    """Whether the bundled ffmpeg runs."""
    from wyh.media.ffmpeg import executable, output_of

    mend = "pip install --force-reinstall imageio-ffmpeg"
    try:
        status, said, _ = output_of(["-version"])
    except OSError as error:
        told = f"{executable()} does not run ({error.strerror})"
        return Finding("ffmpeg", False, told, mend, needed=True)
    match = re.match(r"ffmpeg version (\S+)", said)
    if status or match is None:
        told = f"{executable()} does not run (status {status})"
        return Finding("ffmpeg", False, told, mend, needed=True)
    told = f"{match[1]}, {executable()}"
    return Finding("ffmpeg", True, told, needed=True, values={"version": match[1]})


def cameras() -> Finding:
    """The cameras there are."""
    from wyh.media.cameras import find_camera, list_cameras

    names = [camera.shown for camera in list_cameras()]
    if not names:
        mend = "connect one, or play a film, an address, the screen or the page of --sink web"
        return Finding("camera", False, "none found", mend)
    find_camera("")  # raises where this user may not open the first one
    return Finding("camera", True, ", ".join(names), values={"names": names})


def sound() -> Finding:
    """The sound devices there are, and how much the preferred speaker keeps."""
    from wyh.media.sound_devices import list_devices, open_stream, usable
    from wyh.media.sound_stream import NoSound, Wanted
    from wyh.media.speaker import DEVICE_MS

    found = list_devices()
    speakers = [device.name for device in found if device.kind == "speaker"]
    microphones = [device.name for device in found if device.kind == "microphone"]
    values: dict[str, Any] = {"speakers": speakers, "microphones": microphones}
    if not usable():
        return Finding(
            "sound", False, "no sound library", "pip install 'wyh[audio]'", values=values
        )
    mend = "connect one or start the sound server, or play into a file or --sink web"
    if not speakers:
        return Finding("sound", False, "no speaker", mend, values=values)
    try:
        stream = open_stream(
            Wanted("speaker", None, 48_000, 1, DEVICE_MS, lambda block: None), None
        )
    except NoSound as error:
        return Finding("sound", False, f"no speaker opens ({error})", mend, values=values)
    stream.close()
    values |= {"speaker": stream.name, "latency_ms": round(1000 * stream.latency_secs, 1)}
    told = (
        f"{stream.name} by {stream.backend}, which keeps {values['latency_ms']:g} ms; "
        f"{len(speakers)} speakers, {len(microphones)} microphones"
    )
    return Finding("sound", True, told, values=values)


def extras() -> list[Finding]:
    """Whether the packages of each extra are there."""
    found = [_audio()]
    for name, modules in _EXTRAS.items():
        absent = [module for module in modules if not _there(module)]
        if absent:
            told = f"no {' and no '.join(absent)}, which {_FOR[name]} needs"
            found.append(Finding(name, False, told, f"pip install 'wyh[{name}]'"))
        elif name == "midi":
            found.append(_midi())
        else:
            found.append(Finding(name, True, f"{_FOR[name]} is there"))
    return found


def _there(module: str) -> bool:
    return find_spec(module) is not None


def _audio() -> Finding:
    from wyh.media import sound_portaudio
    from wyh.media.sound_devices import INSTALL

    if sound_portaudio.library() is None:
        told = "no sounddevice, which tells of underruns and bears a busy machine best"
        return Finding("audio", False, told, INSTALL)
    return Finding("audio", True, "sounddevice is there")


def _midi() -> Finding:
    from wyh.media.midi import input_names

    try:
        names = input_names()
    except WyhError as error:
        return Finding("midi", False, str(error))
    return Finding("midi", True, ", ".join(names) or "no controller is plugged in")
