import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import pytest
import tyro

from wyh.cli import parse
from wyh.errors import WyhError
from wyh.runs import BestMetric, create_run
from wyh.sweep_charts import best_so_far, draw
from wyh.sweeping import Choice, Span, Trial, best_figure, named, ranked, settings_of, table, varied

HIGHER, LOWER = BestMetric("val_skill", "higher"), BestMetric("val_loss", "lower")


@dataclass(frozen=True)
class Net:
    widths: tuple[int, ...] = (4, 4)
    drop_out: float = 0.0


@dataclass(frozen=True)
class Sound:
    model: Net = field(default_factory=Net)
    grey: bool = True


@dataclass(frozen=True)
class Config:
    sound: Annotated[Sound, tyro.conf.arg(name="")] = field(default_factory=Sound)
    other_net: Net = field(default_factory=Net)
    rate: float | None = 1.0
    count: int = 3
    name: str = "a"
    out: Path | None = None


SETTINGS = settings_of(Config)


def test_settings_are_named_by_path_and_by_option():
    for name, path, option in (
        ("sound.model.drop_out", "sound.model.drop_out", "--model.drop-out"),
        ("model.drop_out", "sound.model.drop_out", "--model.drop-out"),
        ("model.drop-out", "sound.model.drop_out", "--model.drop-out"),
        ("other_net.drop_out", "other_net.drop_out", "--other-net.drop-out"),
        ("rate", "rate", "--rate"),
    ):
        setting, value = named(f"{name}=1", SETTINGS, "--set")
        assert (setting.path, setting.option, value) == (path, option, "1")
    assert SETTINGS["rate"].type is float


@pytest.mark.parametrize(
    ("path", "value", "read"),
    [
        ("sound.model.widths", "8,16,32", lambda config: config.sound.model.widths == (8, 16, 32)),
        ("sound.model.widths", "", lambda config: config.sound.model.widths == ()),
        ("sound.grey", "false", lambda config: config.sound.grey is False),
        ("sound.grey", "true", lambda config: config.sound.grey is True),
        ("other_net.drop_out", -1.25e-5, lambda config: config.other_net.drop_out == -1.25e-5),
        ("rate", 0.1 + 0.2, lambda config: config.rate == 0.1 + 0.2),
        ("count", 7, lambda config: config.count == 7),
        ("name", "b c", lambda config: config.name == "b c"),
    ],
)
def test_words_are_read_as_the_value(path, value, read):
    assert read(parse(Config, "prog", None, [*SETTINGS[path].words(value), "--count=7"]))


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("rate=1e-4..1e-2:log", Span(1e-4, 1e-2, False, True)),
        ("rate=-1..0", Span(-1, 0, False, False)),
        ("count=1..8:log", Span(1, 8, True, True)),
        ("count=1|8", Choice(("1", "8"))),
        ("grey=true|false", Choice(("true", "false"))),
        ("model.widths=8,8|16,16", Choice(("8,8", "16,16"))),
        ("name=../a|../b", Choice(("../a", "../b"))),
    ],
)
def test_ranges_and_choices(text, values):
    found = varied(text, SETTINGS)
    assert found.values == values
    assert found.written == text.partition("=")[2]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("rate", "got --over rate, wanted NAME=VALUE"),
        ("rat=1..2", "got the unknown setting rat, wanted rate"),
        (
            "qqqq=1..2",
            "got the unknown setting qqqq, wanted one that --help of the experiment lists",
        ),
        ("sound.model=1..2", "wanted sound.model.drop_out, sound.model.widths"),
        ("out=a|b", "got --over out=a|b: each trial has out of its own, leave it out"),
        ("rate=2..1", "got --over rate=2..1, wanted the lower number first"),
        ("rate=1..1", "wanted the lower number first"),
        ("rate=0..1:log", "but a logarithm wants numbers above 0: begin higher"),
        ("rate=1..x", "got --over rate=1..x, wanted numbers on both sides of the dots"),
        ("count=1..2.5", "wanted whole numbers on both sides of the dots"),
        ("rate=1..inf", "wanted finite numbers"),
        ("rate=nan..1", "wanted finite numbers"),
        ("rate=1..2:exp", "wanted :log or nothing after the range"),
        ("name=1..2", "but name is no number, which a range wants: list choices, as in A|B|C"),
        ("name=a", "got --over name=a, wanted choices A|B|C, all different"),
        ("rate=1", "wanted LOW..HIGH, LOW..HIGH:log or choices A|B|C, all different"),
        ("name=a|a", "wanted choices A|B|C, all different"),
    ],
)
def test_what_cannot_be_varied(text, message):
    with pytest.raises(WyhError) as error:
        varied(text, SETTINGS)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_a_switch_is_true_or_false():
    with pytest.raises(WyhError, match=r"got sound\.grey = 'yes', wanted true or false"):
        SETTINGS["grey"].words("yes")


def write_run(directory, metric, lines):
    create_run(
        directory,
        kind="dbn",
        preset="default",
        config={},
        stream=None,
        data={},
        best_metric=metric,
    )
    text = "".join(json.dumps(line) + "\n" for line in lines)
    (directory / "metrics.jsonl").write_text(text)
    return directory


@pytest.mark.parametrize(("metric", "best"), [(HIGHER, 0.75), (LOWER, 0.25)])
def test_the_figure_of_a_run_is_its_best(tmp_path, metric, best):
    figures = (0.5, 0.75, None, 0.25)
    lines = [{"step": 1, "loss": 9.0}, *({"step": 2, metric.name: value} for value in figures)]
    assert best_figure(write_run(tmp_path / "run", metric, lines)) == (metric, best)


def test_runs_without_a_figure(tmp_path):
    for name, lines in (("none", []), ("null", [{"step": 1, "val_skill": None}])):
        with pytest.raises(WyhError, match="has no val_skill: train it for longer"):
            best_figure(write_run(tmp_path / name, HIGHER, lines))
    (tmp_path / "none" / "metrics.jsonl").write_text("{")
    with pytest.raises(WyhError, match=r"metrics\.jsonl cannot be read"):
        best_figure(tmp_path / "none")
    with pytest.raises(WyhError, match="is no run"):
        best_figure(tmp_path)


TRIALS = [
    Trial(0, "done", {"rate": 0.5, "name": "a"}, 0.25, 2.0),
    Trial(1, "failed", {"rate": 123.456, "name": "b"}, None, 1.0, "loss a|b\nbecame nan"),
    Trial(2, "done", {"rate": 0.25, "name": "b"}, 0.75, 3.14),
    Trial(3, "running", {"rate": 0.75, "name": "b"}),
    Trial(4, "done", {"rate": 0.75, "name": "b"}, 0.5, 3.0),
]


def test_the_table_begins_with_the_best():
    assert [trial.number for trial in ranked(TRIALS, HIGHER)] == [2, 4, 0, 1, 3]
    assert [trial.number for trial in ranked(TRIALS, LOWER)] == [0, 4, 2, 1, 3]
    lines = table(TRIALS, HIGHER, ["rate", "name"]).splitlines()
    assert lines[0].split() == "| trial | val_skill | rate | name | state | secs | error |".split()
    assert set(lines[1]) == set("|- ")
    assert lines[2].split("|")[1:8] == [
        " 2     ", " 0.75      ", " 0.25  ", " b    ", " done    ", " 3.1  ", lines[2].split("|")[7]
    ]  # fmt: skip
    assert "loss a\\|b became nan" in lines[5]
    assert len({len(line) for line in lines}) == 1


def test_the_best_so_far():
    assert best_so_far(TRIALS, HIGHER) == ([0, 2, 4], [0.25, 0.75, 0.75])
    assert best_so_far(TRIALS, LOWER) == ([0, 2, 4], [0.25, 0.25, 0.25])
    assert best_so_far(TRIALS[1:2], HIGHER) == ([], [])


@pytest.mark.parametrize("trials", [TRIALS, TRIALS[1:2]], ids=["some", "failed"])
def test_pictures_of_a_study(tmp_path, trials):
    over = [varied("rate=0.1..1000:log", SETTINGS), varied("name=a|b", SETTINGS)]
    drawn = draw(tmp_path, trials, HIGHER, over, {"rate": 0.75, "name": 0.25})
    assert [path.name for path in drawn] == ["history.png", "settings.png", "importance.png"]
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in drawn)
