"""The arithmetic and command line of `benchmarks/on_stage.py`; never whether a machine keeps up."""

import numpy as np
import pytest

from benchmarks import on_stage
from tests.media import pulse
from wyh.cli import parse
from wyh.errors import WyhError

RATE = 8000
PLAYED = pulse.noise(10 * RATE)


def found(*parts):
    return on_stage.compare(np.concatenate([np.zeros(500, np.float32), *parts]), PLAYED, RATE)


def test_what_was_heard_whole():
    told = found(PLAYED)
    assert (told["missing"], told["repeated"]) == (0, 0)
    assert 8 * RATE < told["compared"] < 10 * RATE


def test_what_was_left_out_and_what_came_twice():
    assert found(PLAYED[:40_000], PLAYED[40_100:])["missing"] >= 100
    told = found(PLAYED[:40_000], PLAYED[39_900:])
    assert told["repeated"] == 100 or told["missing"] <= 2 * 2048


def test_something_else():
    with pytest.raises(WyhError, match="nothing of what was played is in the recording"):
        found(pulse.noise(10 * RATE, seed=1))


def test_its_options():
    options = parse(on_stage.Options, "on_stage", None, ["--secs", "20"])
    assert options.secs == 20 and options.run is None
