import threading
import time

import numpy as np
import pytest

from tests.media import pulse as servers
from tests.media.fake_sound import wait_for
from wyh.errors import WyhError
from wyh.media import sound_link, sound_miniaudio, sound_portaudio
from wyh.media.sound_link import Speed
from wyh.media.speaker import open_speaker

RATE = 8000


class Player:
    """Counts upwards: sample s is s + 1."""

    def __init__(self, channels=1):
        self.channels, self.position = channels, 0
        self.blocks, self.notes = [], []
        self.before = lambda count: None
        self.begun = time.perf_counter()
        self.late_by = 0.0  # the least that any block was ahead of the clock, secs

    def pull(self, count):
        self.before(count)
        ahead = (self.position + count) / RATE - (time.perf_counter() - self.begun)
        self.late_by = max(self.late_by, ahead)
        self.blocks.append(count)
        sound = 1 + np.arange(self.position, self.position + count, dtype=np.float32)
        self.position += count
        return sound if self.channels == 1 else np.stack([sound, -sound], axis=1)

    def open(self, device=None, **how):
        options = {"sample_rate": RATE, "channels": self.channels, "device_ms": 40.0} | how
        return open_speaker(self.pull, device=device, note=self.notes.append, **options)

    def start(self, device=None):
        speaker = self.open(device)
        self.begun = time.perf_counter()
        speaker.start()
        return speaker

    @property
    def behind_secs(self):
        return time.perf_counter() - self.begun - self.position / RATE


@pytest.fixture
def player():
    return Player()


def test_the_null_device_pulls_by_the_clock_and_catches_up_in_small_steps(player):
    stalls = iter([True])

    def stall(count):
        if player.position > 400 and next(stalls, False):
            time.sleep(0.4)

    player.before = stall
    with player.start("null") as speaker:
        assert (speaker.name, speaker.backend, speaker.latency_secs) == ("null", "null", 0)
        wait_for(lambda: player.position > 2400)
        wait_for(lambda: player.behind_secs < 0.05)  # for all that the stall lasted
        # Never ahead, but for the time between a look at the clock and the start of ours.
        assert player.late_by < 0.02
    assert set(player.blocks) == {80}  # 10 ms
    count = player.position
    time.sleep(0.05)
    assert player.position == count and player.notes == []


def test_a_machine_that_slept_is_not_made_up_for(player, monkeypatch):
    monkeypatch.setattr(sound_link, "_BEHIND_SECS", 0.1)
    stalls = iter([True])
    player.before = lambda count: time.sleep(0.5) if next(stalls, False) else None
    with player.start("null"):
        wait_for(lambda: player.position > 4000)
        assert player.behind_secs > 0.3


@pytest.mark.parametrize("channels", [1, 2])
def test_a_device_gets_what_is_pulled(library, channels):
    player = Player(channels)
    with player.open() as speaker:
        assert (speaker.name, speaker.backend) == ("Desk Speaker", "sounddevice")
        assert speaker.latency_secs == pytest.approx(0.04)
        (stream,) = library.streams
        wait_for(lambda: len(stream.blocks) > 10)
        stream.xruns = 3
        assert speaker.xruns == 3
    assert stream.closed
    sound = np.concatenate(stream.blocks)
    assert sound.shape[1] == channels
    heard = sound[sound[:, 0] > 0]
    np.testing.assert_array_equal(heard[:, 0], 1 + np.arange(len(heard)))
    assert channels == 1 or (heard[:, 1] == -heard[:, 0]).all()


def test_a_second_start_is_none(library, player):
    with player.open() as speaker:
        speaker.start()
        assert len(library.streams) == 1


@pytest.mark.parametrize(
    ("wrong", "line"),
    [
        (lambda count: 1 / 0, "(ZeroDivisionError: division by zero)"),
        (lambda count: np.zeros(count - 1, "f4"), "got sound of shape (39,), wanted (40,)"),
        (lambda count: np.zeros((1,), "f4"), "got sound of shape (1,), wanted (40,)"),
    ],
)
def test_a_failing_pull_is_silence_and_told_once(library, wrong, line):
    notes, failing = [], threading.Event()
    failing.set()

    def pull(count):
        return wrong(count) if failing.is_set() else np.ones(count, np.float32)

    with open_speaker(
        pull, device=None, sample_rate=RATE, channels=1, device_ms=40, note=notes.append
    ):
        (stream,) = library.streams
        wait_for(lambda: len(stream.blocks) > 5)
        assert not np.concatenate(stream.blocks[:5]).any()
        failing.clear()
        wait_for(lambda: stream.blocks[-1].all())
    assert len(notes) == 1
    assert notes[0].startswith("the speaker got no sound (") and line in notes[0]


def test_a_device_that_goes_is_opened_again_and_time_goes_on(library, player):
    with player.start("stage") as speaker:
        (stream,) = library.streams
        wait_for(lambda: len(stream.blocks) > 5)
        stream.xruns = 2
        library.refusals = ["busy"] * 3
        stream.unplugged.set()
        wait_for(lambda: player.notes)
        assert player.notes == ["Stage Box is gone: no sound until it is back; opening it again"]
        wait_for(lambda: stream.closed)
        before = player.position
        assert not stream.call().any()  # it wakes up too late
        wait_for(lambda: player.position > before + 800)
        wait_for(lambda: len(library.streams) == 2 and speaker.backend != "null")
        new = library.streams[1]
        wait_for(lambda: len(new.blocks) > 5 and len(player.notes) > 1)
        assert (new.name, speaker.name, speaker.xruns) == ("Stage Box", "Stage Box", 2)
    assert player.notes[1:] == ["Stage Box (sounddevice) is there: the sound is on"]
    assert library.refusals == []


def test_a_short_pause_of_the_device_is_bridged_by_the_clock(library, player, monkeypatch):
    monkeypatch.setattr(sound_link, "FIRST_SECS", 60.0)
    with player.start():
        (stream,) = library.streams
        wait_for(lambda: len(stream.blocks) > 5)
        stream.unplugged.set()
        stream.thread.join()
        before = player.position
        wait_for(lambda: player.position > before + 800)
        assert stream.call().all()  # the device has the word again at once
    assert player.notes == [] and len(library.streams) == 1


def test_a_device_of_another_rate_is_opened_again(library, player, monkeypatch):
    monkeypatch.setattr(Speed, "is_wrong", lambda self, now, count: count > 400)
    with player.start():
        wait_for(lambda: len(player.notes) > 1)
    assert player.notes[0].startswith("Desk Speaker has changed its rate: no sound until")
    assert library.streams[0].closed


def test_speed():
    def wrong(rates, start=100.0):
        speed, count, found = Speed(48000), 0, []
        for second in range(len(rates) + 1):
            found.append(speed.is_wrong(start + 2 * second, count))
            count += round(2 * rates[min(second, len(rates) - 1)])
        return found.index(True) if True in found else None

    assert wrong([48000] * 8) is None
    assert wrong([48000, 48000, 44100, 44100, 44100, 44100]) == 5
    assert wrong([44100, 40000, 44100, 30000, 44100, 46000, 44100]) is None  # a busy machine
    assert wrong([47000] * 8) is None  # a clock may be a little off


def test_no_device(library, player):
    library.names["speaker"] = []
    with player.start() as speaker:
        line = "no sound device (sounddevice: no device): nothing will be heard until one is "
        assert player.notes == [line + "connected or the sound server started"]
        assert speaker.backend == "null"
        wait_for(lambda: player.position > 400)
        library.names["speaker"] = ["Late Box"]
        wait_for(lambda: len(player.notes) > 1)
        assert speaker.name == "Late Box"
    assert player.notes[1] == "Late Box (sounddevice) is there: the sound is on"


def test_no_library(library, player):
    library.installed = False
    with player.start():
        (line,) = player.notes
        assert line.startswith("no sound library: nothing will be heard; pip install 'wyh[audio]'")
        wait_for(lambda: player.position > 400)


def test_null_by_the_environment(library, player, monkeypatch):
    monkeypatch.setenv("WYH_SOUND", "null")
    with player.open("stage") as speaker:
        assert speaker.backend == "null" and player.notes == [] and library.streams == []


def test_unknown_speaker(library, player):
    with pytest.raises(WyhError, match=r"^got the speaker 'hall', which is none; speakers there"):
        player.open("hall")


def test_busy_speaker(library, player):
    library.refusals = ["device busy"]
    line = "^the speaker Stage Box cannot be opened: device busy; choose another, or --sink null$"
    with pytest.raises(WyhError, match=line):
        player.open("stage")


def test_a_device_that_cannot_be_started(library, player):
    speaker = player.open()
    library.streams[0].fails = "in use"
    with speaker:
        assert player.notes[0].startswith("Desk Speaker cannot be started (in use): no sound until")
        wait_for(lambda: len(player.notes) > 1)
    assert player.notes[1] == "Desk Speaker (sounddevice) is there: the sound is on"


@pytest.mark.parametrize(
    ("how", "line"),
    [
        ({"channels": 3}, "got channels 3, wanted 1 to 2"),
        ({"device_ms": 2.0}, "got the device's buffer 2 ms, wanted 5 to 1000 ms"),
    ],
)
def test_out_of_range(player, how, line):
    with pytest.raises(WyhError, match=f"^{line}$"):
        player.open(**how)


def test_miniaudio_without_any_device(monkeypatch, player):
    pytest.importorskip("miniaudio", reason="needs the package miniaudio")
    monkeypatch.setattr(sound_miniaudio, "ORDER", ("NULL",))
    monkeypatch.setenv("WYH_SOUND", "miniaudio")
    with player.start() as speaker:
        assert (speaker.name, speaker.backend) == ("NULL Playback Device", "miniaudio")
        wait_for(lambda: player.position > 1600)
    count = player.position
    time.sleep(0.05)
    assert player.position == count and player.notes == []


@pytest.fixture(params=["sounddevice", "miniaudio"])
def backend(request, pulse, monkeypatch):
    module = {"sounddevice": sound_portaudio, "miniaudio": sound_miniaudio}[request.param]
    if module.library() is None or not module.devices("speaker"):
        pytest.skip(f"needs {request.param}, and on Debian libportaudio2 libasound2-plugins")
    monkeypatch.setenv("WYH_SOUND", request.param)
    return request.param


def in_order(heard, played):
    """Positions of what was heard, all of it from what was played."""
    at = servers.places(heard, played)
    assert len(at) and (at >= 0).all()
    return at


def steady(at):
    """Whether nothing was left out or came twice, but for a few gaps of a busy machine."""
    steps = np.diff(at)
    return (steps > 0).all() and (steps > 1).sum() <= 5


def test_what_is_pulled_is_heard(pulse, backend):
    played, position, notes = servers.noise(10 * servers.RATE), 0, []

    def pull(count):
        nonlocal position
        position += count
        return played[position - count : position]

    with pulse.recording() as recording:
        with open_speaker(
            pull,
            device=None,
            sample_rate=servers.RATE,
            channels=1,
            device_ms=40,
            note=notes.append,
        ) as speaker:
            assert speaker.backend == backend
            wait_for(lambda: position > 1.5 * servers.RATE)
        recording.wait(len(recording.samples()) + servers.RATE // 5)
        heard = recording.samples()
    at = in_order(heard, played)
    assert steady(at)
    assert len(at) > servers.RATE and notes == []


def test_a_server_that_dies_and_returns(pulse, backend, monkeypatch, capfd):
    monkeypatch.setattr(sound_link, "FIRST_SECS", 1.0)
    played, position, notes = servers.noise(60 * servers.RATE), 0, []

    def pull(count):
        nonlocal position
        position += count
        return played[position - count : position]

    with open_speaker(
        pull, device=None, sample_rate=servers.RATE, channels=1, device_ms=40, note=notes.append
    ) as speaker:
        wait_for(lambda: position > servers.RATE // 4)
        name = speaker.name
        pulse.kill()
        wait_for(lambda: notes)
        before = position
        wait_for(lambda: position > before + servers.RATE // 4)
        pulse.start()
        wait_for(lambda: len(notes) > 1)
        with pulse.recording() as recording:
            recording.wait(servers.RATE)
            heard = recording.samples()
        assert speaker.xruns >= 0
    assert notes[0] == f"{name} is gone: no sound until it is back; opening it again"
    # ALSA's default may have got another of its names.
    assert notes[1].endswith(f"({backend}) is there: the sound is on")
    at = in_order(heard, played)
    assert steady(at) and at[0] > before
    assert "ALSA lib" not in capfd.readouterr().err
