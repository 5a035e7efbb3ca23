import os
import threading

import pytest

from tests.media import clips, fake_sound
from tests.media import pulse as servers
from wyh.media import sound_devices, sound_link, sound_portaudio


@pytest.fixture(scope="session")
def media(tmp_path_factory):
    """Makes recordings by name, each once a session: `media("cfr_mp4") -> path`."""
    folder = tmp_path_factory.mktemp("media")
    made = {}

    def get(name):
        if name not in made:
            made[name] = clips.make(folder, clips.RECIPES[name])
        return made[name]

    return get


@pytest.fixture
def pulse(monkeypatch):
    """A PulseAudio server of this test's own, to which this process plays."""
    if servers.MISSING:
        pytest.skip(servers.REASON)
    monkeypatch.delenv("WYH_SOUND", raising=False)
    with servers.serve() as server:
        for name, value in server.environment.items():
            monkeypatch.setenv(name, value)
        sound_portaudio.refresh()
        yield server


@pytest.fixture
def library(monkeypatch):
    """A sound library with two speakers and a microphone; waits are short."""
    made = fake_sound.Library(
        speaker=["Desk Speaker", "Stage Box"], microphone=["Desk Mic"], loopback=["Desk Loop"]
    )
    other = fake_sound.Library("miniaudio")
    other.installed = False
    monkeypatch.delenv("WYH_SOUND", raising=False)
    monkeypatch.setattr(
        sound_devices, "_LIBRARIES", {"sounddevice": made, "miniaudio": other}, raising=True
    )
    monkeypatch.setattr(sound_link, "LATE_SECS", 0.2)
    monkeypatch.setattr(sound_link, "GONE_SECS", 0.6)
    monkeypatch.setattr(sound_link, "FIRST_SECS", 1.5)
    monkeypatch.setattr(sound_link, "BACK_OFF_SECS", (0.02, 0.05))
    made.other = other
    return made


@pytest.fixture
def nothing_left_behind(tmp_path):
    """No test leaves a half-written file, a thread or an open pipe."""
    threads, files = threading.active_count(), len(os.listdir("/dev/fd"))
    yield
    assert not list(tmp_path.glob(".wyh*")) and not list(tmp_path.glob("*.part"))
    assert (threading.active_count(), len(os.listdir("/dev/fd"))) == (threads, files)
