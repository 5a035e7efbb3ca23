import socket
import threading
import time

import numpy as np
import pytest

from wyh.errors import WyhError
from wyh.knobs import checked
from wyh.media import osc
from wyh.media.osc import OscIn, OscOut


def of_osc(module):
    reason = "python-osc is absent: wyh[osc]"
    return pytest.importorskip(f"pythonosc.{module}", reason=reason)


OscBundleBuilder = of_osc("osc_bundle_builder").OscBundleBuilder
OscMessageBuilder = of_osc("osc_message_builder").OscMessageBuilder
build_msg = of_osc("osc_message_builder").build_msg
OscPacket = of_osc("osc_packet").OscPacket
SimpleUDPClient = of_osc("udp_client").SimpleUDPClient

PATIENCE_SECS = 20.0


def wait_for(condition):
    end = time.monotonic() + PATIENCE_SECS
    while not condition():
        assert time.monotonic() < end, "nothing came"
        time.sleep(0.005)


class Desk:
    """What an `OscIn` turned, nudged and noted, and a client to send to it."""

    def __init__(self):
        self.turned, self.nudged, self.notes = [], [], []
        self.surface = OscIn(0, turn=self.turn, nudge=self.nudge, note=self.notes.append)
        self.client = SimpleUDPClient("127.0.0.1", self.surface.port)

    def turn(self, name, value):
        self.turned.append((name, checked(name, value)))

    def nudge(self, name, steps):
        checked(name, 1)
        self.nudged.append((name, steps))

    def raw(self, packet):
        self.client._sock.sendto(packet, ("127.0.0.1", self.surface.port))

    def settle(self):
        """Wait until all that was sent before is taken: packets stay in order here."""
        count = len(self.nudged)
        self.client.send_message("/wyh/param/width/nudge", 77)
        wait_for(lambda: len(self.nudged) > count)
        assert self.nudged.pop() == ("width", 77)


@pytest.fixture
def desk():
    desk = Desk()
    with desk.surface, desk.client:
        yield desk


@pytest.fixture
def receiver():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
        receiver.bind(("127.0.0.1", 0))
        receiver.settimeout(PATIENCE_SECS)
        yield receiver


def target(receiver):
    return f"127.0.0.1:{receiver.getsockname()[1]}"


def next_message(receiver):
    (timed,) = OscPacket(receiver.recv(65536)).messages
    return timed.message.address, timed.message.params


def all_messages(receiver):
    """What has come and is not read yet."""
    receiver.setblocking(False)
    found = []
    try:
        while True:
            found.append(next_message(receiver))
    except BlockingIOError:
        receiver.settimeout(PATIENCE_SECS)
        return found


@pytest.mark.parametrize(
    ("name", "value", "taken"),
    [
        ("gain_db", -6.5, -6.5),
        ("timbre", 1, 1.0),
        ("phase", "random", 0.0),
        ("phase", 1.0, 1.0),
        ("freeze", True, 1.0),
        ("record", False, 0.0),
    ],
)
def test_knobs_are_turned(desk, name, value, taken):
    desk.client.send_message(f"/wyh/param/{name}", value)
    desk.settle()
    assert desk.turned == [(name, taken)]
    assert not desk.notes


def test_knobs_are_nudged(desk):
    for steps in (1, -2, 3.0, True):
        desk.client.send_message("/wyh/param/timbre/nudge", steps)
    desk.settle()
    assert desk.nudged == [("timbre", 1), ("timbre", -2), ("timbre", 3), ("timbre", 1)]
    assert not desk.notes


def test_a_double_and_a_long_are_numbers_too(desk):
    for kind, value in (("d", 0.25), ("h", 1)):
        message = OscMessageBuilder("/wyh/param/timbre")
        message.add_arg(value, kind)
        desk.raw(message.build().dgram)
    desk.settle()
    assert desk.turned == [("timbre", 0.25), ("timbre", 1.0)]


def test_bundles_are_played_at_once_whatever_their_time(desk):
    inner = OscBundleBuilder(time.time() + 3600)
    inner.add_content(build_msg("/wyh/param/timbre", [0.5]))
    outer = OscBundleBuilder(time.time() + 3600)
    outer.add_content(build_msg("/wyh/param/mute", [1.0]))
    outer.add_content(inner.build())
    outer.add_content(build_msg("/wyh/param/black", [1.0]))
    desk.raw(outer.build().dgram)
    desk.settle()
    assert desk.turned == [("mute", 1.0), ("timbre", 0.5), ("black", 1.0)]


@pytest.mark.parametrize(
    ("address", "value", "line"),
    [
        ("/wyh/param/timber", 1.0, "OSC: got the knob 'timber', wanted one of gain_db, mute, "),
        ("/wyh/param/timbre", 7.0, "OSC: got timbre 7, wanted 0 to 1"),
        ("/wyh/param/timbre", float("nan"), "OSC: got timbre nan, wanted 0 to 1"),
        ("/wyh/param/phase", "loud", "OSC: got phase 'loud', wanted random, fixed, continuous"),
        ("/wyh/param/timbre", [], "OSC: /wyh/param/timbre wants one number, or a name"),
        ("/wyh/param/timbre", [0.1, 0.2], "OSC: /wyh/param/timbre wants one number, or a name"),
        ("/wyh/param/timbre", b"blob", "OSC: /wyh/param/timbre wants one number, or a name"),
        ("/wyh/param/timbre/nudge", 0.5, "OSC: /wyh/param/timbre/nudge wants whole steps"),
        ("/wyh/param/timbre/nudge", "up", "OSC: /wyh/param/timbre/nudge wants whole steps"),
        ("/wyh/param/timbre/nudge", float("inf"), "OSC: /wyh/param/timbre/nudge wants whole steps"),
        ("/1/fader1", 1.0, "OSC: got /1/fader1, wanted /wyh/param/NAME or /wyh/param/NAME/nudge"),
        ("/wyh/param/timbre/turn", 1.0, "OSC: got /wyh/param/timbre/turn, wanted /wyh/param/NAME"),
        ("/\n\x1b[31m", 1.0, r"OSC: got '/\n\x1b[31m', wanted /wyh/param/NAME"),
        ("/" + "x" * 999, 1.0, f"OSC: got /{'x' * 59}..., wanted /wyh/param/NAME"),
    ],
)
def test_bad_messages_are_told_once_and_change_nothing(desk, capfd, address, value, line):
    for _ in range(20):
        desk.client.send_message(address, value)
    desk.client.send_message("/wyh/param/timbre", 0.5)
    desk.settle()
    (told,) = desk.notes
    assert told.startswith(line)
    assert "\n" not in told and len(told) < 300
    assert desk.turned == [("timbre", 0.5)]
    assert capfd.readouterr() == ("", "")


def test_they_are_told_again_after_a_while(desk, monkeypatch):
    monkeypatch.setattr("wyh.media.notes.QUIET_SECS", 0.0)
    for _ in range(3):
        desk.client.send_message("/other", 1.0)
    desk.settle()
    assert len(desk.notes) == 3


def garbage():
    whole = OscBundleBuilder(0)
    whole.add_content(build_msg("/wyh/param/timbre", [0.75, "text"]))
    bundle, message = whole.build().dgram, build_msg("/wyh/param/timbre", [0.75]).dgram
    endless = b"#bundle\0" + bytes(8)
    yield from (
        b"",
        b"\0",
        b"GET / HTTP/1.1\r\n\r\n",
        b"/",
        b"/" + b"\xff" * 7,
        b"#bundle",
        endless,
    )
    for size in (-4, -(2**31), 0, 3, 2**31 - 1):
        yield endless + size.to_bytes(4, "big", signed=True) + message
    yield endless * 400  # bundles in bundles, which go on too long
    nested = message
    for _ in range(100):
        nested = endless + len(nested).to_bytes(4, "big") + nested
    yield nested
    for kinds in (b",[f", b",]", b",Z", b"f", b",[[[[", b",b"):
        yield b"/wyh/param/timbre\0\0\0" + kinds.ljust(8, b"\0") + b"\xff" * 8
    rng = np.random.default_rng(0)
    for packet in (message, bundle):
        for cut in range(len(packet)):
            yield packet[:cut]
        for _ in range(200):
            damaged = bytearray(packet)
            for at in rng.integers(0, len(packet), 3):
                damaged[at] = rng.integers(256)
            yield bytes(damaged)


def test_garbage_does_no_harm(desk, capfd):
    for packet in garbage():
        desk.raw(packet)
        time.sleep(0.0005)  # else the system throws packets away, which proves nothing
    desk.settle()
    assert all(name == "timbre" for name, _ in desk.turned)
    assert len(desk.notes) <= 2  # one of each kind
    assert not any("not understood" in line for line in desk.notes)
    assert capfd.readouterr() == ("", "")


def test_a_fault_behind_it_does_not_end_it(capfd):
    turned, notes = [], []

    def turn(name, value):
        turned.append(name)
        raise ZeroDivisionError("ours")

    with OscIn(0, turn=turn, nudge=turn, note=notes.append) as surface:
        with SimpleUDPClient("127.0.0.1", surface.port) as client:
            for _ in range(2):
                client.send_message("/wyh/param/timbre", 0.5)
            wait_for(lambda: len(turned) == 2)
    assert notes == ["OSC: a packet was not understood: ZeroDivisionError('ours')"]
    assert capfd.readouterr() == ("", "")


def test_a_port_in_use():
    first = Desk()
    with first.surface, first.client:
        with pytest.raises(WyhError) as told:
            OscIn(first.surface.port, turn=print, nudge=print, note=print)
    assert str(told.value) == (
        f"OSC cannot listen at 127.0.0.1:{first.surface.port}: Address already in use; choose "
        f"another port, or end the program that has it"
    )


def test_leaving_gives_the_port_back_and_ends_the_thread():
    before = threading.active_count()
    with OscIn(0, turn=print, nudge=print, note=print) as surface:
        port = surface.port
    assert threading.active_count() == before
    with OscIn(port, turn=print, nudge=print, note=print):
        pass


def test_no_such_address():
    with pytest.raises(WyhError, match=r"OSC cannot listen at no\.such\.host\.invalid:9000: "):
        OscIn(9000, host="no.such.host.invalid", turn=print, nudge=print, note=print)
    with pytest.raises(WyhError, match="got the OSC port 70000, wanted 0 to 65535"):
        OscIn(70000, turn=print, nudge=print, note=print)


def test_localhost_is_the_one_that_is_listened_at(monkeypatch):
    both = [
        (socket.AF_INET6, socket.SOCK_DGRAM, 17, "", ("::1", 9000, 0, 0)),
        (socket.AF_INET, socket.SOCK_DGRAM, 17, "", ("127.0.0.1", 9000)),
    ]
    monkeypatch.setattr(osc.socket, "getaddrinfo", lambda *_, **__: list(both))
    assert osc._address("localhost:9000") == ("127.0.0.1", 9000)


def test_what_is_heard_is_sent(receiver):
    code = np.linspace(0, 1, 64, dtype=np.float32)
    with OscOut(target(receiver), print) as surface:
        surface.send(code, -12.5, {"timbre": 0.25, "mute": 0.0})
        found = dict(next_message(receiver) for _ in range(4))
    assert found.keys() == {"/wyh/code", "/wyh/level", "/wyh/param/timbre", "/wyh/param/mute"}
    np.testing.assert_array_equal(np.float32(found["/wyh/code"]), code)
    assert found["/wyh/level"] == [-12.5]
    assert found["/wyh/param/timbre"] == [0.25]


def test_silence_and_a_model_without_a_code(receiver):
    with OscOut(target(receiver), print) as surface:
        surface.send(None, float("-inf"), {})
        assert next_message(receiver) == ("/wyh/level", [-120.0])


def test_only_what_has_changed_is_sent_again(receiver):
    with OscOut(target(receiver), print) as surface:
        surface.send(None, -1.0, {"timbre": 0.25, "mute": 0.0})
        first = [next_message(receiver) for _ in range(3)]
        surface.send(None, -2.0, {"timbre": 0.5, "mute": 0.0})
        second = [next_message(receiver) for _ in range(2)]
    assert len(first) == 3
    assert second == [("/wyh/level", [-2.0]), ("/wyh/param/timbre", [0.5])]
    assert not all_messages(receiver)


def test_now_and_then_every_knob_is_sent(receiver, monkeypatch):
    monkeypatch.setattr(osc, "REFRESH_SECS", 0.0)
    with OscOut(target(receiver), print) as surface:
        for _ in range(2):
            surface.send(None, -1.0, {"timbre": 0.25})
            assert next_message(receiver) == ("/wyh/level", [-1.0])
            assert next_message(receiver) == ("/wyh/param/timbre", [0.25])


def test_the_newest_only_and_never_more_than_30_a_second(receiver):
    begin = time.monotonic()
    with OscOut(target(receiver), print) as surface:
        for count in range(2000):
            surface.send(None, -count / 20, {})
            surface.turned("timbre", count / 2000)
        sent = time.monotonic() - begin
    found = all_messages(receiver)
    levels = [value[0] for address, value in found if address == "/wyh/level"]
    assert levels[-1] == pytest.approx(-99.95)
    assert levels == sorted(levels, reverse=True)
    assert len(levels) <= 2 + sent * osc.LARGEST_RATE_HZ
    assert found[-1] == ("/wyh/param/timbre", [pytest.approx(1999 / 2000)])


def test_what_is_left_is_sent_at_the_end(receiver):
    with OscOut(target(receiver), print) as surface:
        surface.turned("timbre", 0.25)
        assert next_message(receiver) == ("/wyh/param/timbre", [0.25])
        surface.turned("timbre", 0.5)
    assert next_message(receiver) == ("/wyh/param/timbre", [0.5])


def test_a_network_that_is_gone_is_told_once(receiver):
    notes = []
    with OscOut(target(receiver), notes.append) as surface:
        surface.send(None, -1.0, {})
        assert next_message(receiver) == ("/wyh/level", [-1.0])
        surface.send(np.zeros(30_000, np.float32), -2.0, {})  # no packet is so large
        wait_for(lambda: notes)
        surface.send(np.zeros(30_000, np.float32), -2.0, {})
        surface.turned("timbre", 0.5)
    assert notes == [f"OSC to {target(receiver)}: Message too long"]


def test_from_one_to_the_other():
    desk = Desk()
    with desk.surface, desk.client, OscOut(f"localhost:{desk.surface.port}", print) as surface:
        surface.turned("timbre", 0.125)
        surface.turned("phase", 2.0)
        wait_for(lambda: len(desk.turned) == 2)
    assert sorted(desk.turned) == [("phase", 2.0), ("timbre", 0.125)]


@pytest.mark.parametrize("words", ["9000", "host:", ":9000", "host:0", "host:70000", "host:x", ""])
def test_no_target(words):
    with pytest.raises(WyhError) as told:
        OscOut(words, print)
    assert str(told.value) == (
        f"got the OSC target {words}, wanted host:port, such as 192.168.1.20:9000"
    )


def test_no_such_host():
    with pytest.raises(WyhError, match=r"9000: there is no host no\.such\.host\.invalid$"):
        OscOut("no.such.host.invalid:9000", print)


def test_without_the_package(monkeypatch):
    def absent(name):
        raise ImportError(name)

    monkeypatch.setattr("importlib.import_module", absent)
    with pytest.raises(WyhError, match=r"^OSC needs python-osc: pip install 'wyh\[osc\]'$"):
        OscIn(0, turn=print, nudge=print, note=print)
    with pytest.raises(WyhError, match=r"^OSC needs python-osc: pip install 'wyh\[osc\]'$"):
        OscOut("127.0.0.1:9000", print)
