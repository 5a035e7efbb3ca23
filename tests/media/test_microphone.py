import threading
import time

import numpy as np
import pytest

from tests.media import pulse as servers
from tests.media.fake_sound import wait_for
from tests.media.test_speaker import backend, in_order, steady  # noqa: F401
from wyh.errors import WyhError
from wyh.media import sound_link
from wyh.media.microphone import Heard, open_microphone

RATE = 8000
GO = threading.Event()


def ramp(first, count, channels=1):
    return np.repeat(np.arange(first, first + count, dtype=np.float32)[:, None], channels, 1)


@pytest.mark.parametrize("channels", [1, 2])
def test_blocks_of_any_size_come_in_order(rng, channels):
    heard, position, got = Heard(1000, channels), 0, []
    for _ in range(200):
        size = int(rng.integers(1, 90))
        heard.write(ramp(position, size, channels))
        position += size
        while heard.written - sum(map(len, got)) >= 64:
            got.append(heard.read(64, GO))
    sound = np.concatenate(got)
    wanted = ramp(0, len(sound), channels)
    np.testing.assert_array_equal(sound, wanted[:, 0] if channels == 1 else wanted)
    assert heard.lost == 0


def test_a_slow_reader_loses_what_is_old():
    heard = Heard(1000, 1)
    heard.write(ramp(0, 500))
    np.testing.assert_array_equal(heard.read(100, GO), np.arange(100))
    heard.write(ramp(500, 200))
    np.testing.assert_array_equal(heard.read(100, GO), np.arange(600, 700))
    assert heard.lost == 500
    heard.write(ramp(700, 5000))
    np.testing.assert_array_equal(heard.read(100, GO), np.arange(5600, 5700))
    assert heard.lost == 5400


def test_a_reader_can_go_on_with_what_comes():
    heard = Heard(1000, 1)
    heard.write(ramp(0, 300))
    heard.skip()
    heard.write(ramp(300, 100))
    np.testing.assert_array_equal(heard.read(100, GO), np.arange(300, 400))
    assert heard.lost == 0


def test_newest():
    heard = Heard(1000, 1)
    assert not heard.newest(10).any() and len(heard.newest(10)) == 10
    heard.write(ramp(1, 30))
    np.testing.assert_array_equal(heard.newest(40), [0] * 10 + list(range(1, 31)))
    heard.read(20, GO)
    np.testing.assert_array_equal(heard.newest(3), [28, 29, 30])
    assert len(heard.newest(9999)) == 500


def test_two_threads():
    heard, got, stop = Heard(4000, 1), [], threading.Event()

    def write():
        for first in range(0, 50_000, 50):
            while first - 50 * 20 > sum(map(len, got)) and not stop.is_set():
                time.sleep(0)
            heard.write(ramp(first, 50))

    thread = threading.Thread(target=write)
    thread.start()
    try:
        for _ in range(500):
            got.append(heard.read(100, GO))
    finally:
        stop.set()
        thread.join()
    np.testing.assert_array_equal(np.concatenate(got), np.arange(50_000))


@pytest.fixture
def open_one():
    """Opens microphones, with a list of notes: `open_one(device, **how) -> Microphone`."""

    def get(device=None, **how):
        notes = []
        options = {"sample_rate": RATE, "block": 80} | how
        microphone = open_microphone(device, note=notes.append, **options)
        microphone.notes = notes
        return microphone

    return get


def test_null_is_silence_by_the_clock(open_one):
    begun = time.perf_counter()
    with open_one("null") as microphone:
        blocks = [microphone.read() for _ in range(20)]
        assert time.perf_counter() - begun > 0.15  # of 0.2 s of silence
        assert (microphone.name, microphone.backend, microphone.lost) == ("null", "null", 0)
    assert not np.concatenate(blocks).any() and microphone.notes == []
    assert microphone.read().shape == (80,)  # at once, after the close


def test_a_reader_that_waits_is_let_go(open_one, library):
    microphone = open_one()
    library.streams[0].unplugged.set()
    microphone.start()
    got = []
    thread = threading.Thread(target=lambda: got.append(microphone.read()))
    thread.start()
    microphone.close()
    thread.join(30)
    assert not thread.is_alive() and not got[0].any()


@pytest.mark.parametrize(("channels", "shape"), [(1, (80,)), (2, (80, 2))])
def test_a_microphone_is_heard(open_one, library, channels, shape):
    with open_one("mic", channels=channels) as microphone:
        assert (microphone.name, microphone.backend) == ("Desk Mic", "sounddevice")
        assert microphone.latency_secs == pytest.approx(0.04) and microphone.xruns == 0
        block = microphone.read()
        assert block.shape == shape and (block == 0.25).all()
        assert (microphone.newest(8) == 0.25).all()
    assert library.streams[0].closed


def test_a_microphone_that_goes_is_silent_and_opened_again(open_one, library):
    with open_one() as microphone:
        microphone.read()
        library.refusals = ["busy"] * 2
        library.streams[0].unplugged.set()
        wait_for(lambda: not microphone.read().any())
        wait_for(lambda: microphone.read().all())
        wait_for(lambda: len(microphone.notes) > 1)
    assert microphone.notes == [
        "Desk Mic is gone: no sound until it is back; opening it again",
        "Desk Mic (sounddevice) is there: the sound is on",
    ]


@pytest.mark.parametrize("device", ["loopback", "Loopback:desk", "loopback:0"])
def test_loopback(open_one, library, device):
    with open_one(device) as microphone:
        assert microphone.name == "Desk Loop"
        assert library.streams[0].wanted.kind == "loopback"


def test_no_microphone(open_one, library):
    library.names["microphone"] = []
    with pytest.raises(WyhError, match=r"^got no microphone, wanted one: connect it, or switch"):
        open_one()


def test_a_patient_one_is_silent_until_there_is_a_microphone(open_one, library):
    names, library.names["microphone"] = library.names["microphone"], []
    microphone = open_one(None, patient=True)
    notes = microphone.notes
    (told,) = notes
    assert told.startswith("the microphone cannot be opened: ") and "silence until" in told
    with microphone:
        assert not microphone.read().any()
        library.names["microphone"] = names
        wait_for(lambda: microphone.read().any())
        wait_for(lambda: len(notes) == 2 and "the sound is on" in notes[1])


def test_unknown_microphone(open_one, library):
    line = r"^got the microphone 'x', which is none; microphones there are: 0 Desk Mic \(default\)$"
    with pytest.raises(WyhError, match=line):
        open_one("x")


@pytest.mark.parametrize(
    ("device", "name"), [(None, "microphone"), ("loopback", "loopback Desk Loop")]
)
def test_busy_microphone(open_one, library, device, name):
    library.refusals = ["device busy"]
    line = f"^the {name} cannot be opened: .*device busy; connect it, or choose another$"
    with pytest.raises(WyhError, match=line):
        open_one(device)


@pytest.mark.parametrize(
    ("how", "line"),
    [
        ({"channels": 0}, "got channels 0, wanted 1 to 2"),
        ({"block": 0}, "got block 0 samples, wanted 1 to 8000 samples"),
        ({"device_ms": 2000}, "got the device's buffer 2000 ms, wanted 5 to 1000 ms"),
    ],
)
def test_out_of_range(open_one, how, line):
    with pytest.raises(WyhError, match=f"^{line}$"):
        open_one("null", **how)


def hear(microphone, played, secs=20.0):
    """Read until a second of what is played was heard."""
    heard, end = [], time.perf_counter() + secs
    while np.count_nonzero(np.concatenate([*heard, np.zeros(1)])) < servers.RATE:
        assert time.perf_counter() < end, "it was never heard"
        heard += [microphone.read() for _ in range(10)]
    return np.concatenate(heard)


def test_what_is_played_is_heard(pulse, backend, open_one):  # noqa: F811
    played = servers.noise(5 * servers.RATE)
    with (
        open_one(sample_rate=servers.RATE, block=480) as microphone,
        pulse.playing(played, "room"),
    ):
        assert microphone.backend == backend
        at = in_order(hear(microphone, played), played)
    assert steady(at) and microphone.notes == [] and microphone.lost == 0


@pytest.mark.parametrize(("device", "sink"), [("loopback", "stage"), ("loopback:room", "room")])
def test_what_a_speaker_plays_is_heard(pulse, open_one, device, sink):
    pytest.importorskip("miniaudio", reason="needs the package miniaudio")
    played = servers.noise(5 * servers.RATE)
    with (
        open_one(device, sample_rate=servers.RATE, block=480) as microphone,
        pulse.playing(played, sink),
    ):
        at = in_order(hear(microphone, played), played)
    assert steady(at)


def test_a_server_that_dies_and_returns(pulse, backend, open_one, monkeypatch):  # noqa: F811
    monkeypatch.setattr(sound_link, "FIRST_SECS", 1.0)
    played = servers.noise(5 * servers.RATE)
    with open_one(sample_rate=servers.RATE, block=480) as microphone:
        microphone.read()
        name = microphone.name
        pulse.kill()
        wait_for(lambda: microphone.notes)
        assert not microphone.read().any()
        pulse.start()
        wait_for(lambda: len(microphone.notes) > 1)
        with pulse.playing(played, "room"):
            at = in_order(hear(microphone, played), played)
    assert steady(at)
    gone, back = microphone.notes
    assert gone == f"{name} is gone: no sound until it is back; opening it again"
    assert back.endswith(f"({backend}) is there: the sound is on")
