import pytest

from wyh.media.window.keys import KEYS, flipped
from wyh.media.window.overlays import STAGES
from wyh.media.window.painter import clock
from wyh.media.window.readings import NAMES, worth


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("gain_db", -6.0, "\N{MINUS SIGN}6 dB"),
        ("gain_db", 4.0, "+4 dB"),
        ("gain_db", -0.04, "0 dB"),
        ("gain_db", 2.5, "+2.5 dB"),
        ("phase", 0.0, "random"),
        ("scale", 1.0, "pentatonic"),
        ("glide", 0.5, "0.5 frames"),
        ("timbre", 0.4, "40 %"),
        ("timbre", 1.0, "100 %"),
        ("negative", 1.0, "on"),
        ("negative", 0.5, "50 %"),
        ("classes", 3.0, "3"),
        ("show", 2.5, "2.5"),
    ],
)
def test_a_knob_in_words(name, value, words):
    assert worth(name, value) == words


def test_names_are_of_knobs():
    from wyh.knobs import ALL

    assert set(NAMES) <= set(ALL)


def test_stages_are_those_that_are_measured():
    from wyh.live.meter import STAGES as MEASURED

    assert tuple(STAGES) == MEASURED


@pytest.mark.parametrize(
    ("secs", "words"), [(0.0, "0:00"), (59.9, "0:59"), (61.0, "1:01"), (3661.0, "1:01:01")]
)
def test_a_clock(secs, words):
    assert clock(secs) == words


def test_the_help_tells_of_every_knob_that_a_key_turns():
    told = {key.knob for key in KEYS.values() if key.shown}
    assert {key.knob for key in KEYS.values()} - {"leave"} == told


def test_flipping_goes_to_the_other_end():
    assert [flipped(value) for value in (0.0, 0.4, 0.5, 1.0)] == [1.0, 1.0, 0.0, 0.0]
