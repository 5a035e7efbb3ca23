import re
from pathlib import Path

import pytest

from wyh import knobs
from wyh.errors import WyhError
from wyh.knobs import KNOBS, PHASES


def test_the_readme_lists_every_knob_with_its_choices_and_its_range():
    readme = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")
    table = readme.partition("| knob | values | |")[2].partition("\n\n")[0]
    rows = dict(re.findall(r"^\| `(\w+)` \| ([^|]*) \|", table, flags=re.MULTILINE))
    assert rows.keys() == KNOBS.keys()
    for name, knob in KNOBS.items():
        for value in knob.choices or (f"{knob.low:g} to {knob.high:g}",):
            assert value in rows[name], name
        default = knob.choices[int(knob.default)] if knob.choices else f"{knob.default:g}"
        assert f"({default})" in rows[name].replace("`", ""), name


def test_every_default_is_in_its_range():
    assert all(knob.low <= knob.default <= knob.high for knob in KNOBS.values())
    assert all(name == knob.name for name, knob in KNOBS.items())
    assert knobs.defaults() == {name: knob.default for name, knob in KNOBS.items()}


def test_a_switch_has_a_choice_for_each_of_its_values():
    for knob in KNOBS.values():
        if knob.choices:
            assert (knob.low, knob.high) == (0, len(knob.choices) - 1)


def test_knobs_are_turned_by_value_and_switches_also_by_name():
    turned = knobs.defaults(gain_db=-6, phase="fixed")
    assert turned == knobs.defaults() | {"gain_db": -6.0, "phase": 1.0}
    assert all(type(value) is float for value in turned.values())
    assert knobs.defaults(phase=1) == knobs.defaults(phase="fixed")


def test_each_direction_has_its_knobs_in_the_order_of_the_table():
    see, hear = (list(knobs.of_direction(way, KNOBS)) for way in ("see-hear", "hear-see"))
    assert set(see) & set(hear) == {"gain_db", "mute", "negative"}
    assert set(see) | set(hear) == set(KNOBS)
    assert {"glide", "width"} <= set(see) and {"attack", "flash_limit"} <= set(hear)
    assert see == [name for name in KNOBS if name in see]
    # Unless a table is given, with those of playing.
    assert [name for name in knobs.of_direction("hear-see") if name in KNOBS] == hear
    assert {"freeze", "record"} <= set(knobs.of_direction("hear-see"))


def test_words_of_the_command_line():
    assert knobs.parse(()) == knobs.defaults()
    assert knobs.parse(("gain_db=-6", "phase=random", "mute=0.5")) == knobs.defaults(
        gain_db=-6, phase="random", mute=0.5
    )
    assert knobs.parse(("gain_db=-6", "gain_db=3"))["gain_db"] == 3
    for value, name in enumerate(PHASES):
        assert knobs.parse((f"phase={name}",))["phase"] == value


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("loud", "got the knob 'loud', wanted name=value, such as phase=random"),
        ("loud=1", "got the knob 'loud', wanted one of gain_db, mute, phase, glide"),
        ("=1", "got the knob '', wanted one of"),
        ("phase=odd", "got phase 'odd', wanted random, fixed, continuous"),
        ("phase=0.5", "got phase 0.5, wanted random, fixed, continuous"),
        ("phase=", "got phase '', wanted random, fixed, continuous"),
        ("phase=3", "got phase 3, wanted random, fixed, continuous"),
        ("phase=nan", "got phase nan, wanted random, fixed, continuous"),
        ("phase=inf", "got phase inf, wanted random, fixed, continuous"),
        ("gain_db=loud", "got gain_db 'loud', wanted a number"),
        ("gain_db=13", "got gain_db 13 dB, wanted -60 to 12 dB"),
        ("gain_db=nan", "got gain_db nan dB, wanted -60 to 12 dB"),
        ("mute=-1", "got mute -1, wanted 0 to 1"),
    ],
)
def test_errors(word, message):
    with pytest.raises(WyhError, match=message):
        knobs.parse((word,))
