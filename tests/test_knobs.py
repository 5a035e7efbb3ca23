import re
from pathlib import Path

import pytest

from wyh import knobs
from wyh.errors import WyhError
from wyh.knobs import KNOBS, PHASES
from wyh.plain import to_plain
from wyh.transducers.hallucination import HallucinationConfig


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


def test_each_kind_of_run_has_its_knobs_in_the_order_of_the_table():
    runs = ("see-hear", "dbn"), ("hear-see", "synesthesia"), ("hear-see", "hallucinate")
    see, hear, dream = (list(knobs.of_run(*run, KNOBS)) for run in runs)
    assert set(see) & set(hear) == set(see) & set(dream) == {"gain_db", "mute", "negative"}
    assert set(hear) & set(dream) == {
        *("gain_db", "mute", "negative", "speed", "hue", "colour", "flash_limit"),
    }
    assert set(see) | set(hear) | set(dream) == set(KNOBS)
    assert {"glide", "width"} <= set(see) and {"attack", "auto_gain"} <= set(hear)
    assert {"classes", "show", "zoom"} <= set(dream)
    assert see == [name for name in KNOBS if name in see]
    # Of a kind of one's own, those of sound's features; unless a table is given, those of playing.
    assert [name for name in knobs.of_run("hear-see", "mine") if name in KNOBS] == hear
    assert {"freeze", "record"} <= set(knobs.of_run("hear-see", "hallucinate"))


@pytest.mark.parametrize(
    ("selection", "begun"),
    [
        ({"mode": "top_p", "most": 2, "attack_secs": 0.2}, {"classes": 2, "appear": 0.2}),
        ({"mode": "top_1", "most": 5, "sure": 0.8}, {"classes": 1, "sure": 0.8}),
        ({"mode": "free", "release_secs": 60.0}, {"show": 1, "fade": 10}),
        ({"most": 1000, "threshold": 1}, {"classes": 8, "threshold": 1}),
        ({"most": "many", "mode": 3}, {}),
        (None, {}),
    ],
)
def test_a_run_that_dreams_says_where_knobs_begin(selection, begun):
    assert knobs.begun_with({"dream": {"selection": selection}}) == begun
    assert knobs.begun_with({"sound": {"selection": selection}, "dream": 3}) == {}
    asked = knobs.parse(("sure=0.1", "hue=0.5"), begun)
    assert asked == knobs.defaults() | begun | {"sure": 0.1, "hue": 0.5}


def test_what_a_selection_is_by_itself_is_where_knobs_begin_by_themselves():
    default = to_plain(HallucinationConfig())
    assert knobs.begun_with({"dream": default}).items() <= knobs.defaults().items()


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
