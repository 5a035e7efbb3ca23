import json
from dataclasses import dataclass, field
from enum import Enum
from fractions import Fraction
from pathlib import Path
from typing import Literal

import numpy as np
import pytest

from wyh.errors import WyhError
from wyh.plain import from_plain, to_plain
from wyh.specs import VideoSpec


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


@dataclass(frozen=True)
class Inner:
    rate: Fraction = Fraction(24000, 1001)
    sizes: tuple[int, ...] = (3, 4)


@dataclass(frozen=True)
class Config:
    data: tuple[Path, ...]
    inner: Inner = Inner()
    colour: Colour = Colour.BLUE
    mode: Literal["crop", "pad"] = "pad"
    pair: tuple[int, float] = (1, 2.5)
    out: Path | None = None
    weights: dict[str, float] = field(default_factory=dict)
    names: list[str] = field(default_factory=list)
    loud: bool = True
    steps: int = 10
    rate: float = 1e-3


FULL = Config(
    data=(Path("a.mp4"), Path("b")),
    inner=Inner(Fraction(25), (8,)),
    colour=Colour.RED,
    mode="crop",
    out=Path("runs/x"),
    weights={"uniform": 2.0},
    names=["x"],
    loud=False,
)


@pytest.mark.parametrize("config", [FULL, Config(data=())])
def test_a_config_survives_json(config):
    assert from_plain(Config, json.loads(json.dumps(to_plain(config)))) == config


def test_plain_values_are_what_json_holds():
    plain = to_plain(FULL)
    assert plain["inner"] == {"rate": "25", "sizes": [8]}
    assert plain["colour"] == "red"
    assert plain["data"] == ["a.mp4", "b"]
    assert to_plain({"n": np.float32(0.5), "i": np.int64(3)}) == {"n": 0.5, "i": 3}
    assert to_plain(VideoSpec(Fraction(30000, 1001)))["frame_rate"] == "30000/1001"


def test_a_field_that_an_older_run_lacks_takes_its_default():
    assert from_plain(Config, {"data": []}).steps == 10


def test_whole_numbers_are_good_floats():
    assert isinstance(from_plain(Config, {"data": [], "rate": 1}).rate, float)


def test_a_function_is_no_config_value():
    with pytest.raises(TypeError, match="got function in a config"):
        to_plain({"f": lambda: None}["f"])


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"data": [], "stepz": 1}, "unknown setting Config.stepz"),
        ({}, "setting Config.data is missing"),
        ({"data": [], "steps": "many"}, "got Config.steps = 'many', wanted int"),
        ({"data": [], "steps": True}, "got Config.steps = True, wanted int"),
        ({"data": [], "mode": "warp"}, "got Config.mode = 'warp', wanted"),
        ({"data": [], "colour": "green"}, "got Config.colour = 'green', wanted Colour"),
        ({"data": [], "inner": {"rate": "0/0"}}, "Config.inner.rate = '0/0', wanted Fraction"),
        ({"data": [], "pair": [1]}, r"Config.pair = \[1\]"),
        ({"data": [], "out": 3}, "Config.out = 3"),
        (3, "got Config = 3"),
    ],
)
def test_wrong_values_are_named(values, message):
    with pytest.raises(WyhError, match=message):
        from_plain(Config, values)
