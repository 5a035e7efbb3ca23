import json
import threading
import time

import pytest

from wyh.errors import WyhError
from wyh.knobs import checked
from wyh.media import midi
from wyh.media.midi import MidiIn, input_names

mido = pytest.importorskip("mido", reason="mido is absent: wyh[midi]")
pytest.importorskip("rtmidi", reason="python-rtmidi is absent: wyh[midi]")

NAMES = ["Midi Through:Midi Through Port-0 14:0", "nanoKONTROL2:MIDI 1 24:0", "LPD8:MIDI 1 28:0"]


class Ports:
    """The system's controllers, in place of real ones."""

    def __init__(self):
        self.names, self.open, self.refuse = list(NAMES), {}, False

    def open_input(self, name, callback):
        if self.refuse or name not in self.names:
            raise OSError(f"unknown port {name!r}")
        self.open[name] = callback
        return self

    def close(self):
        self.open.clear()

    def send(self, *words, **about):
        (callback,) = self.open.values()
        callback(mido.Message(*words, **about))

    def turn_cc(self, control, value, channel=0):
        self.send("control_change", control=control, value=value, channel=channel)


@pytest.fixture
def ports(monkeypatch, tmp_path):
    ports = Ports()
    monkeypatch.setattr(mido, "get_input_names", lambda: ports.names)
    monkeypatch.setattr(mido, "open_input", ports.open_input)
    monkeypatch.setattr(midi, "_SEQUENCER", tmp_path)
    monkeypatch.setattr(midi, "WATCH_SECS", 0.02)
    return ports


class Desk:
    """A `MidiIn`, and what it turned, nudged and noted."""

    def __init__(self, port=None, **how):
        self.turned, self.nudged, self.notes = [], [], []
        self.values = {}
        self.midi = MidiIn(
            port,
            turn=self.turn,
            nudge=lambda *what: self.nudged.append(what),
            note=self.notes.append,
            **how,
        )

    def turn(self, name, value):
        self.turned.append((name, checked(name, value)))


def wait_for(condition):
    end = time.monotonic() + 20.0
    while not condition():
        assert time.monotonic() < end, "nothing came"
        time.sleep(0.005)


def test_the_first_controller_is_taken_and_closed_again(ports):
    before = threading.active_count()
    desk = Desk()
    with desk.midi:
        assert desk.midi.name == "nanoKONTROL2:MIDI 1 24:0"
        assert list(ports.open) == ["nanoKONTROL2:MIDI 1 24:0"]
    assert not ports.open and threading.active_count() == before
    assert not desk.notes


def test_a_controller_by_a_part_of_its_name(ports):
    desk = Desk("lpd")
    with desk.midi:
        assert desk.midi.name == "LPD8:MIDI 1 28:0"


def test_the_default_mapping(ports):
    desk = Desk(scenes=3)
    with desk.midi:
        ports.turn_cc(1, 127)
        ports.turn_cc(7, 0, channel=4)
        ports.turn_cc(11, 127)
        ports.turn_cc(64, 127)
        ports.send("note_on", note=39, channel=9)
    assert desk.turned == [("timbre", 1), ("gain_db", -60), ("scene", 3), ("freeze", 1)]
    assert desk.nudged == [("phase", 1)]


def test_notes_toggle(ports):
    desk = Desk()
    with desk.midi:
        for _ in range(3):
            ports.send("note_on", note=36, channel=9)
            ports.send("note_off", note=36, channel=9)
            ports.send("note_on", note=36, velocity=0, channel=9)
    assert desk.turned == [("mute", 1), ("mute", 0), ("mute", 1)]


def test_they_toggle_what_others_have_turned(ports):
    now = {"mute": 1.0}
    desk = Desk(values=lambda: now)
    with desk.midi:
        ports.send("note_on", note=36, channel=9)
        ports.send("note_on", note=36, channel=9)
        now["mute"] = 0.2
        ports.send("note_on", note=36, channel=9)
    assert desk.turned == [("mute", 0), ("mute", 0), ("mute", 1)]


def test_learning(ports, tmp_path):
    path = tmp_path / "midi.json"
    desk = Desk(mapping=path)
    with desk.midi:
        desk.midi.learn("timbre")
        ports.send("clock")
        ports.send("note_off", note=60)
        ports.turn_cc(21, 64, channel=2)
        ports.turn_cc(21, 127, channel=2)
        ports.turn_cc(1, 127)  # what turned it before
    assert desk.turned == [("timbre", 1)]
    assert desk.notes == [
        "MIDI: cc 21 on 3 now turns timbre",
        "MIDI: cc 1 on 1 turns nothing yet: let a knob learn it",
    ]
    assert json.loads(path.read_text())["cc 21 on 3"] == "timbre"
    again = Desk(mapping=path)
    with again.midi:
        ports.turn_cc(21, 0, channel=2)
    assert again.turned == [("timbre", 0)]


def test_learning_can_be_given_up(ports):
    desk = Desk()
    with desk.midi:
        desk.midi.learn("width")
        desk.midi.learn(None)
        ports.turn_cc(1, 0)
        with pytest.raises(WyhError, match="got the knob 'timber', wanted one of gain_db"):
            desk.midi.learn("timber")
    assert desk.turned == [("timbre", 0)]


def test_what_was_learnt_holds_though_it_cannot_be_kept(ports, tmp_path):
    (tmp_path / "file").touch()
    desk = Desk(mapping=tmp_path / "file" / "midi.json")
    with desk.midi:
        desk.midi.learn("width")
        ports.send("pitchwheel", pitch=0)
        ports.send("pitchwheel", pitch=8191)
    assert desk.turned == [("width", 1)]
    assert len(desk.notes) == 2 and "cannot be written" in desk.notes[1]


def test_a_control_of_no_knob_is_told_once(ports):
    desk = Desk()
    with desk.midi:
        for control in (90, 91, 90):
            ports.turn_cc(control, 1)
    assert desk.notes == ["MIDI: cc 90 on 1 turns nothing yet: let a knob learn it"]


def test_trouble_behind_it_is_told_once(ports, capfd):
    desk = Desk(scenes=8)

    def turn(name, value):
        raise WyhError("got scene 8, wanted 1 to 2") if name == "scene" else KeyError(name)

    desk.midi._turn = turn
    with desk.midi:
        for _ in range(5):
            ports.turn_cc(11, 127)
            ports.turn_cc(1, 127)
    assert desk.notes == [
        "MIDI: got scene 8, wanted 1 to 2",
        "MIDI: control_change channel=0 control=1 value=127 time=0 was not understood: "
        "KeyError('timbre')",
    ]
    assert capfd.readouterr() == ("", "")


def test_unplugged_and_plugged_in_again(ports):
    desk = Desk()
    with desk.midi:
        ports.names.remove("nanoKONTROL2:MIDI 1 24:0")
        wait_for(lambda: desk.notes)
        assert not ports.open
        ports.names.append("nanoKONTROL2:MIDI 1 32:0")
        wait_for(lambda: len(desk.notes) == 2)
        ports.turn_cc(1, 127)
    assert desk.notes == [
        "MIDI: nanoKONTROL2:MIDI 1 24:0 is gone; it will be taken when it comes back",
        "MIDI: nanoKONTROL2:MIDI 1 32:0 is back",
    ]
    assert desk.turned == [("timbre", 1)]


def test_no_controller(ports):
    ports.names = NAMES[:1]
    with pytest.raises(WyhError, match=r"^got no MIDI controller, wanted one: plug it in"):
        Desk()


def test_another_controller(ports):
    with pytest.raises(WyhError) as told:
        Desk("keystep")
    assert str(told.value) == (
        "got the MIDI controller 'keystep', wanted one of nanoKONTROL2:MIDI 1 24:0, "
        "LPD8:MIDI 1 28:0"
    )


def test_a_controller_that_another_program_has(ports):
    ports.refuse = True
    with pytest.raises(WyhError, match=r"LPD8:MIDI 1 28:0 cannot be opened: unknown port .*; end "):
        Desk("lpd8")


def test_a_damaged_mapping(ports, tmp_path):
    path = tmp_path / "midi.json"
    path.write_text("{")
    with pytest.raises(WyhError, match="is no MIDI mapping"):
        Desk(mapping=path)
    assert not ports.open


def test_a_system_without_midi(ports, monkeypatch, tmp_path):
    def nothing():
        raise SystemError("MidiInAlsa::initialize: error creating ALSA sequencer client object.")

    monkeypatch.setattr(mido, "get_input_names", nothing)
    with pytest.raises(WyhError, match=r"^this system has no MIDI: MidiInAlsa"):
        Desk()
    monkeypatch.setattr(midi, "_SEQUENCER", tmp_path / "gone")
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.delenv("MIDO_BACKEND", raising=False)
    with pytest.raises(WyhError, match=r"gone is missing; try sudo modprobe snd-seq$"):
        Desk()


def test_the_system_as_it_is():
    try:
        assert isinstance(input_names(), list)
    except WyhError as error:
        assert str(error).startswith("this system has no MIDI: ")


def test_without_the_packages(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "rtmidi", None)
    with pytest.raises(WyhError) as told:
        Desk()
    assert str(told.value) == "MIDI needs mido and python-rtmidi: pip install 'wyh[midi]'"
