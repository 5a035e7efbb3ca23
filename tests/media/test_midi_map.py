import json

import pytest

from wyh.errors import WyhError
from wyh.knobs import ALL, checked
from wyh.media.midi_map import (
    DEFAULT,
    Control,
    bound,
    knob_of,
    load_bindings,
    moved,
    parse_control,
    reachable,
    save_bindings,
    toggled,
    value_at,
)

Message = pytest.importorskip("mido", reason="mido is absent: wyh[midi]").Message


@pytest.mark.parametrize(
    ("message", "text", "position"),
    [
        (Message("control_change", control=7, value=0), "cc 7 on 1", 0.0),
        (Message("control_change", control=7, value=127, channel=15), "cc 7 on 16", 1.0),
        (Message("note_on", note=36, velocity=1, channel=9), "note 36 on 10", 1.0),
        (Message("pitchwheel", pitch=-8192), "bend on 1", 0.0),
        (Message("pitchwheel", pitch=0), "bend on 1", 0.5),
        (Message("pitchwheel", pitch=8191), "bend on 1", 1.0),
    ],
)
def test_what_is_moved(message, text, position):
    assert (str(moved(message).control), moved(message).position) == (text, position)


@pytest.mark.parametrize(
    "message",
    [
        Message("note_off", note=36),
        Message("note_on", note=36, velocity=0),
        Message("control_change", control=120, value=0),
        Message("control_change", control=123, value=0),
        Message("clock"),
        Message("active_sensing"),
        Message("sysex", data=(1, 2, 3)),
        Message("program_change", program=3),
        Message("polytouch", note=3, value=4),
        Message("aftertouch", value=4),
    ],
)
def test_what_moves_nothing(message):
    assert moved(message) is None


@pytest.mark.parametrize("name", ALL)
def test_every_position_is_a_value_of_the_knob_and_the_ends_are_its_ends(name):
    knob = ALL[name]
    values = [
        value_at(knob, moved(Message("control_change", control=1, value=value)).position)
        for value in range(128)
    ]
    assert values == sorted(values)
    assert (values[0], values[-1]) == (knob.low, knob.high)
    assert all(checked(name, value) == value for value in values)
    if knob.choices:
        counts = [values.count(choice) for choice in range(len(knob.choices))]
        assert max(counts) - min(counts) <= 2  # each choice has its share of the way


def test_a_pedal_is_down_from_the_middle_on():
    freeze = ALL["freeze"]
    at = [value_at(freeze, value / 127) for value in (0, 63, 64, 127)]
    assert at == [0, 0, 1, 1]


def test_toggled():
    gain = ALL["gain_db"]
    assert (toggled(gain, -60), toggled(gain, 12), toggled(gain, 0)) == (12, -60, -60)


def test_scenes_go_as_far_as_there_are():
    assert value_at(reachable(3)["scene"], 0.5) == 2.0
    assert value_at(reachable(1)["scene"], 1.0) == 1.0
    assert reachable(8) == ALL


def test_a_binding_of_the_own_channel_comes_first():
    bindings = {Control("cc", 7): "gain_db", Control("cc", 7, 2): "timbre"}
    assert knob_of(bindings, Control("cc", 7, 1)) == "gain_db"
    assert knob_of(bindings, Control("cc", 7, 2)) == "timbre"
    assert knob_of(bindings, Control("cc", 8, 2)) is None


def test_binding_anew_lets_go_of_the_old():
    bindings = {Control("cc", 7): "gain_db", Control("cc", 1): "timbre", Control("bend"): "glide"}
    assert bound(bindings, Control("cc", 1), "gain_db") == {
        Control("bend"): "glide",
        Control("cc", 1): "gain_db",
    }
    assert len(bindings) == 3


def test_the_default_names_knobs_and_can_be_written(tmp_path):
    assert set(DEFAULT.values()) <= ALL.keys()
    path = tmp_path / "new" / "midi.json"
    save_bindings(path, DEFAULT)
    assert load_bindings(path) == DEFAULT
    assert json.loads(path.read_text())["note 36 on 10"] == "mute"
    assert [file.name for file in path.parent.iterdir()] == ["midi.json"]


@pytest.mark.parametrize("control", [*DEFAULT, Control("bend", 0, 16), Control("note", 127)])
def test_text_and_back(control):
    assert parse_control(str(control)) == control


@pytest.mark.parametrize(
    "text", ["", "cc", "cc -1", "cc 120", "cc 1 on 0", "cc 1 on 17", "note 128", "bend 1", "CC 1"]
)
def test_no_control(text):
    assert parse_control(text) is None


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "is no MIDI mapping: Expecting value: line 1"),
        ('{"cc 1": "timb', "is no MIDI mapping: Unterminated string"),
        ("\udcff", "is no MIDI mapping: "),
        ("[" * 100_000, "is no MIDI mapping: "),
        ('["cc 1"]', 'is no MIDI mapping: wanted {"cc 7": "gain_db", ...}; mend or delete it'),
        ('{"cc 200": "timbre"}', "got 'cc 200', wanted such as cc 7, note 36 on 10 or bend; mend"),
        ('{"cc 1": "timber"}', "got the knob 'timber', wanted one of gain_db, mute, "),
        ('{"cc 1": ["timbre"]}', "got the knob ['timbre'], wanted one of gain_db, mute, "),
    ],
)
def test_a_damaged_mapping(tmp_path, text, why):
    path = tmp_path / "midi.json"
    path.write_text(text, errors="surrogateescape")
    with pytest.raises(WyhError) as told:
        load_bindings(path)
    assert str(told.value).startswith(str(path)) and why in str(told.value)
    assert "\n" not in str(told.value)


def test_a_mapping_that_cannot_be_read_or_written(tmp_path):
    with pytest.raises(WyhError, match="cannot be read: Is a directory"):
        load_bindings(tmp_path)
    with pytest.raises(WyhError, match="is a directory, wanted the name of a file"):
        save_bindings(tmp_path, DEFAULT)
    (tmp_path / "file").touch()
    with pytest.raises(WyhError, match="cannot be written: "):
        save_bindings(tmp_path / "file" / "midi.json", DEFAULT)


def test_a_full_disk_leaves_the_old_mapping(tmp_path, monkeypatch):
    path = tmp_path / "midi.json"
    save_bindings(path, {Control("cc", 1): "timbre"})

    def full(*arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pathlib.Path.write_text", full)
    with pytest.raises(WyhError, match="cannot be written: No space left on device"):
        save_bindings(path, DEFAULT)
    assert load_bindings(path) == {Control("cc", 1): "timbre"}
    assert [file.name for file in tmp_path.iterdir()] == ["midi.json"]
