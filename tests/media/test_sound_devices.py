import os
import sys
from types import SimpleNamespace

import numpy as np
import pytest

from wyh.errors import WyhError
from wyh.media import sound_devices, sound_miniaudio, sound_portaudio
from wyh.media.sound_devices import Device, is_null, list_devices, open_stream, pick, usable
from wyh.media.sound_stream import NoSound, Wanted, quiet, unique


def told(*line):
    return pytest.raises(WyhError, match="^" + "".join(line) + "$")


def test_devices_of_two_libraries_are_listed_once(library):
    library.other.installed = True
    library.other.names["speaker"] = ["Stage Box", "Monitor"]
    library.other.names["loopback"] = ["Monitor of Stage"]
    speakers = [device for device in list_devices() if device.kind == "speaker"]
    assert speakers == [
        Device("speaker", 0, "Desk Speaker", True, "sounddevice"),
        Device("speaker", 1, "Stage Box", False, "sounddevice"),
        Device("speaker", 2, "Monitor", False, "miniaudio"),
    ]
    assert [device.kind for device in list_devices()][3:] == ["microphone", "loopback", "loopback"]


@pytest.mark.parametrize(
    ("text", "index"), [(None, 0), ("1", 1), ("stage", 1), ("DESK", 0), ("desk speaker", 0)]
)
def test_a_device_is_picked_by_index_or_part_of_its_name(library, text, index):
    assert pick("speaker", text).index == index


def test_a_whole_name_is_no_part_of_a_longer_one(library):
    library.names["speaker"] = ["USB", "USB 2"]
    assert pick("speaker", "usb").index == 0


def test_the_better_library_is_asked_first(library):
    library.other.installed = True
    library.other.names["speaker"] = ["Box, said otherwise"]
    assert pick("speaker", "box").backend == "sounddevice"
    assert pick("speaker", "otherwise").backend == "miniaudio"


@pytest.mark.parametrize("text", ["hall", "2"])
def test_unknown_device(library, text):
    there = "speakers there are: 0 Desk Speaker \\(default\\), 1 Stage Box"
    with told(f"got the speaker '{text}', which is none; {there}"):
        pick("speaker", text)


def test_ambiguous_device(library):
    with told("got the speaker 's', which could be several; speakers there are: 0 .*, 1 Stage Box"):
        pick("speaker", "s")


@pytest.mark.parametrize("kind", ["speaker", "microphone"])
def test_no_device(library, kind):
    library.names[kind] = []
    with told(f"got no {kind}, wanted one: connect it, or switch it on in the system's settings"):
        pick(kind, None)


@pytest.mark.parametrize(
    ("system", "miniaudio", "line"),
    [
        ("linux", True, "got no loopback, wanted PulseAudio or PipeWire: .*"),
        ("darwin", True, "macOS lets no program hear what others play: install BlackHole, .*"),
        ("linux", False, "to record what a speaker plays needs miniaudio: leave WYH_SOUND out"),
    ],
)
def test_no_loopback(library, monkeypatch, system, miniaudio, line):
    library.names["loopback"] = []
    library.other.installed = miniaudio
    monkeypatch.setattr(sys, "platform", system)
    with told(line):
        pick("loopback", None)


def test_no_library(library):
    library.installed = False
    assert usable() == () and list_devices() == []
    with told("got no sound library, wanted a speaker: pip install 'wyh\\[audio\\]'.*"):
        pick("speaker", "1")


def test_a_library_is_forced(library, monkeypatch):
    library.other.installed = True
    library.other.names["speaker"] = ["Other"]
    assert usable() == ("sounddevice", "miniaudio")
    monkeypatch.setenv("WYH_SOUND", "miniaudio")
    assert [device.name for device in list_devices()] == ["Other"]
    monkeypatch.setenv("WYH_SOUND", "null")
    assert usable() == () and is_null(None) and is_null("0")


def test_null_is_asked_for(library):
    assert is_null("null") and not is_null(None) and not is_null("0")


def test_wrong_library(library, monkeypatch):
    monkeypatch.setenv("WYH_SOUND", "alsa")
    with told("got WYH_SOUND=alsa, wanted sounddevice, miniaudio or null"):
        usable()


def test_library_that_is_not_installed(library, monkeypatch):
    monkeypatch.setenv("WYH_SOUND", "miniaudio")
    with told("got WYH_SOUND=miniaudio, which is not installed: pip install .*"):
        usable()


WANTED = Wanted("speaker", None, 8000, 1, 40, lambda block: None)


def test_the_default_is_opened_by_the_first_library_that_can(library):
    library.other.installed = True
    library.other.names["speaker"] = ["Other"]
    library.refusals = ["busy"]
    assert open_stream(WANTED, None).backend == "miniaudio"
    assert open_stream(WANTED, None).backend == "sounddevice"
    library.names["speaker"] = library.other.names["speaker"] = []
    with pytest.raises(NoSound, match=r"^sounddevice: no device; miniaudio: no device$"):
        open_stream(WANTED, None)


def test_names_are_told_apart():
    assert unique(["Box", "A\n  B", "Box", "", "Box"]) == [
        "Box",
        "A B",
        "Box (2)",
        "unnamed",
        "Box (3)",
    ]


def test_libraries_are_kept_quiet_and_nobody_else(capfd):
    with quiet():
        os.write(2, b"ALSA lib pcm.c:2666:(snd_pcm_open_noupdate) Unknown PCM\nheard me?\n")
        os.write(2, b"Expression 'ret' failed in 'pa_linux_alsa.c', line: 1736\n\n")
    os.write(2, b"and now\n")
    assert capfd.readouterr().err == "heard me?\nand now\n"


@pytest.mark.parametrize("module", [sound_portaudio, sound_miniaudio])
def test_a_library_that_is_missing(monkeypatch, module):
    monkeypatch.setitem(sys.modules, module.NAME, None)
    module.library.cache_clear()
    try:
        assert module.library() is None
        assert module.devices("speaker") == []
        with pytest.raises(NoSound, match="not installed"):
            module.open_stream(WANTED)
    finally:
        module.library.cache_clear()


class FakePortAudio:
    """`sounddevice` on a computer with two sound systems, as Windows has."""

    class PortAudioError(Exception):
        pass

    default = SimpleNamespace(hostapi=0)

    def __init__(self, slow="MME", quick="Windows WASAPI"):
        self.hosts = [
            {"name": slow, "default_output_device": 0, "default_input_device": 1},
            {"name": quick, "default_output_device": 2, "default_input_device": 3},
        ]
        self.made = []
        self.only_both = False

    def query_hostapis(self, index=None):
        return self.hosts if index is None else self.hosts[index]

    def query_devices(self, index=None):
        rows = [("Box", 0, 0, 2), ("Mic", 0, 2, 0), ("Box", 1, 0, 8), ("Mic", 1, 2, 0)]
        keys = ("name", "hostapi", "max_input_channels", "max_output_channels")
        devices = [dict(zip(keys, row, strict=True)) for row in rows]
        return devices if index is None else devices[index]

    def WasapiSettings(self, auto_convert):
        return f"converts {auto_convert}"

    def stream(self, **how):
        self.made.append(how)
        if self.only_both and how["channels"] == 1:
            raise self.PortAudioError("Error opening InputStream: Invalid number of channels")
        return SimpleNamespace(latency=0.04, abort=lambda **_: None, close=lambda **_: None)

    OutputStream = InputStream = stream


@pytest.fixture
def portaudio(monkeypatch):
    fake = FakePortAudio()
    monkeypatch.setattr(sound_portaudio, "library", lambda: fake)
    return fake


STATUS = SimpleNamespace(output_underflow=True, input_overflow=True)


def test_windows_devices_are_those_of_wasapi(portaudio):
    assert [(d.name, d.default) for d in sound_portaudio.devices("speaker")] == [("Box", True)]
    stream = sound_portaudio.open_stream(WANTED)
    assert portaudio.made[0]["device"] == 2
    assert portaudio.made[0]["extra_settings"] == "converts True"
    stream.close()


def test_other_systems_list_all_devices(portaudio):
    portaudio.hosts[1]["name"] = "JACK"
    found = [(d.name, d.default) for d in sound_portaudio.devices("speaker")]
    assert found == [("Box", True), ("Box (2)", False)]
    assert sound_portaudio.devices("loopback") == []
    with pytest.raises(NoSound, match="it is not there"):
        sound_portaudio.open_stream(WANTED._replace(name="Hall"))


def test_mono_goes_to_both_channels_of_a_speaker(portaudio):
    def serve(block):
        block[:] = 0.5

    stream = sound_portaudio.open_stream(WANTED._replace(serve=serve))
    how, out = portaudio.made[0], np.ones((6, 2), np.float32)
    assert (how["channels"], how["samplerate"], how["latency"]) == (2, 8000, 0.04)
    how["callback"](out, 6, None, STATUS)
    assert (out == 0.5).all() and stream.xruns == 1
    stream.close()


def test_a_microphone_that_only_opens_both_channels(portaudio):
    heard = []
    portaudio.only_both = True
    wanted = Wanted("microphone", None, 8000, 1, 40, heard.append)
    stream = sound_portaudio.open_stream(wanted)
    assert [how["channels"] for how in portaudio.made] == [1, 2]
    both = np.array([[0.25, 0.75]] * 3, np.float32)
    portaudio.made[1]["callback"](both, 3, None, STATUS)
    np.testing.assert_array_equal(heard[0], np.full((3, 1), 0.5))
    stream.close()


def test_a_device_that_cannot_be_opened(portaudio):
    portaudio.only_both = True
    portaudio.query_devices = lambda index=None: (
        [{"name": "Mic", "hostapi": 1, "max_input_channels": 1, "max_output_channels": 0}]
        if index is None
        else {"hostapi": 1, "max_input_channels": 1}
    )
    portaudio.hosts[1]["default_input_device"] = 0
    with pytest.raises(NoSound, match=r"^InputStream: Invalid number of channels$"):
        sound_portaudio.open_stream(Wanted("microphone", None, 8000, 1, 40, print))


@pytest.fixture
def null_system(monkeypatch):
    pytest.importorskip("miniaudio", reason="needs the package miniaudio")
    monkeypatch.setattr(sound_miniaudio, "ORDER", ("NULL",))


def test_miniaudio_lists_its_null_device(null_system):
    assert [d.name for d in sound_miniaudio.devices("speaker")] == ["NULL Playback Device"]
    assert [d.name for d in sound_miniaudio.devices("microphone")] == ["NULL Capture Device"]
    assert sound_miniaudio.devices("loopback") == []
    with pytest.raises(NoSound, match="it is not there"):
        sound_miniaudio.open_stream(WANTED._replace(name="Hall"))
    with pytest.raises(NoSound, match="no device"):
        sound_miniaudio.open_stream(WANTED._replace(kind="loopback"))


def test_a_speaker_that_cannot_be_recorded(null_system, monkeypatch):
    """Windows alone lets miniaudio do so; elsewhere the same call is refused in one line."""
    ma = sound_miniaudio.library()
    system = SimpleNamespace(name="WASAPI", value=ma.Backend.NULL.value)
    monkeypatch.setattr(sound_miniaudio, "_systems", lambda ma: [system])
    assert sound_miniaudio.devices("loopback")[0].name == "NULL Playback Device"
    with pytest.raises(NoSound, match="failed to init device"):
        sound_miniaudio.open_stream(WANTED._replace(kind="loopback"))


def test_buffers():
    def asked(system, device_ms):
        return sound_miniaudio._buffer(SimpleNamespace(name=system), device_ms)

    assert asked("PULSEAUDIO", 40.0) == (40, 2, 40)
    assert asked("ALSA", 40.0) == (10, 4, 40)
    assert asked("ALSA", 10.0) == (3, 3, 9)


def test_a_server_lists_speakers_microphones_and_monitors(pulse, monkeypatch):
    pytest.importorskip("miniaudio", reason="needs the package miniaudio")
    monkeypatch.setenv("WYH_SOUND", "miniaudio")
    found = [(d.kind, d.name, d.default) for d in list_devices()]
    assert found == [
        ("speaker", "Stage", True),
        ("speaker", "Room", False),
        ("microphone", "Voice", True),
        ("loopback", "Monitor of Stage", True),
        ("loopback", "Monitor of Room", False),
    ]
    assert sound_devices.pick("loopback", "room").index == 1
