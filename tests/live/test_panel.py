import threading

import numpy as np
import pytest

from wyh import knobs
from wyh.errors import WyhError
from wyh.knobs import ALL, KNOBS, PLAYING
from wyh.live.panel import STEPS, Panel


def make(scenes: int = 1, **turned: float | str) -> Panel:
    return Panel(knobs.defaults(**turned), scenes)


def test_it_begins_with_what_was_set_and_the_defaults():
    panel = make(timbre=0.5)
    assert panel.values == knobs.defaults(timbre=0.5) | {"freeze": 0.0, "scene": 1.0, "record": 0.0}
    assert panel.traced == knobs.defaults(timbre=0.5)
    assert all(isinstance(value, np.float32) for value in panel.traced.values())


def test_turning_reaches_both_sets_but_never_the_model_with_what_is_not_its():
    panel = make()
    panel.turn("gain_db", -6)
    panel.turn("phase", "random")
    panel.turn("freeze", "on")
    assert (panel.values["gain_db"], panel.values["phase"], panel.values["freeze"]) == (-6, 0, 1)
    assert (panel.traced["gain_db"], panel.traced["phase"]) == (-6, 0)
    assert not PLAYING.keys() & panel.traced.keys()


def test_a_reader_keeps_the_set_that_it_took():
    panel = make()
    values, traced = panel.values, panel.traced
    panel.turn("timbre", 1)
    assert (values["timbre"], traced["timbre"]) == (0, 0)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("timber", 1, r"got the knob 'timber', wanted one of gain_db, .*, record"),
        ("timbre", 2, "got timbre 2, wanted 0 to 1"),
        ("timbre", float("nan"), "got timbre nan, wanted 0 to 1"),
        ("phase", "loud", "got phase 'loud', wanted random, fixed, continuous"),
        ("phase", 0.5, "got phase 0.5, wanted random, fixed, continuous"),
        ("timbre", "much", "got timbre 'much', wanted a number"),
        ("scene", 2.5, "got scene 2.5, wanted 1 to 2: give more --scene"),
    ],
)
def test_what_cannot_be_turned_changes_nothing(name, value, message):
    panel, told = make(scenes=2), []
    panel.watch(lambda *turned: told.append(turned))
    before = panel.values
    with pytest.raises(WyhError, match=f"^{message}$"):
        panel.turn(name, value)
    assert panel.values is before
    assert not told


def test_nudging_an_unknown_knob():
    with pytest.raises(WyhError, match="got the knob 'timber', wanted one of gain_db"):
        make().nudge("timber", 1)


@pytest.mark.parametrize("name", [name for name, knob in ALL.items() if not knob.choices])
def test_nudging_reaches_both_ends_and_holds_there(name):
    panel, knob = make(scenes=8), ALL[name]
    steps = int(knob.high - knob.low) if knob.whole else STEPS
    for _ in range(steps + 5):
        panel.nudge(name, 1)
    assert panel.values[name] == knob.high
    for _ in range(steps + 5):
        panel.nudge(name, -1)
    assert panel.values[name] == knob.low
    panel.nudge(name, 1000)
    assert panel.values[name] == knob.high


@pytest.mark.parametrize("name", [name for name, knob in KNOBS.items() if not knob.choices])
def test_the_default_is_met_on_the_way_back(name):
    panel, met = make(), set()
    panel.nudge(name, 1000)
    for _ in range(100):
        met.add(panel.values[name])
        panel.nudge(name, -1)
    assert ALL[name].default in met | {panel.values[name]}


def test_nudged_values_are_as_one_writes_them():
    panel, met = make(), []
    for _ in range(5):
        panel.nudge("timbre", 1)
        met.append(panel.values["timbre"])
    assert met == [0.05, 0.1, 0.15, 0.2, 0.25]
    panel.nudge("gain_db", -2)
    assert panel.values["gain_db"] == -7.2


def test_what_counts_something_goes_from_number_to_number():
    panel = make(show=2.5)
    panel.nudge("show", 1)
    panel.nudge("classes", -1)
    assert (panel.values["show"], panel.values["classes"]) == (3, 2)


def test_between_two_steps_the_next_one_comes():
    panel = make(timbre=0.52)
    panel.nudge("timbre", 1)
    assert panel.values["timbre"] == 0.55
    panel.turn("timbre", 0.52)
    panel.nudge("timbre", -1)
    assert panel.values["timbre"] == 0.5
    panel.turn("timbre", 0.52)
    panel.nudge("timbre", 0)
    assert panel.values["timbre"] == 0.52


def test_switches_go_round():
    panel, met = make(), []
    for steps in (1, 1, 1, -1, 4):
        panel.nudge("phase", steps)
        met.append(panel.values["phase"])
    assert met == [0, 1, 2, 1, 2]
    panel.nudge("freeze", 1)
    assert panel.values["freeze"] == 1
    panel.nudge("freeze", 1)
    assert panel.values["freeze"] == 0


def test_scenes_are_nudged_one_by_one_as_far_as_there_are():
    panel, met = make(scenes=3), []
    panel.turn("scene", 1.5)
    for steps in (1, 1, 1, -1):
        panel.nudge("scene", steps)
        met.append(panel.values["scene"])
    assert met == [2, 3, 3, 2]


def test_watchers_are_told_what_holds():
    panel, told = make(), []
    panel.watch(lambda name, value: told.append((name, value, panel.values[name])))
    panel.watch(lambda name, value: name == "mute" and panel.turn("black", value))
    panel.turn("mute", 1)
    panel.turn("phase", "fixed")
    assert told == [("mute", 1, 1), ("black", 1, 1), ("phase", 1, 1)]


def test_turned_from_many_threads_at_once():
    """No step is lost, no knob undoes another's turn, and the last value told is the one held."""
    panel, last, freezes = make(scenes=8), {}, []
    panel.watch(last.__setitem__)
    panel.watch(lambda name, value: name == "freeze" and freezes.append(value))
    begin = threading.Barrier(4)

    def work(number: int) -> None:
        begin.wait(30)
        for turn in range(300):
            panel.nudge("freeze", 1)
            panel.turn("timbre", (turn * 4 + number) / 1200)
            panel.turn(("mute", "black", "still", "width")[number], turn / 299)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert freezes == [1, 0] * 600
    assert all(panel.values[name] == 1 for name in ("mute", "black", "still", "width"))
    assert last == {name: panel.values[name] for name in last}
    assert panel.traced == {name: np.float32(panel.values[name]) for name in KNOBS}


def test_with_a_direction_only_its_knobs_are_there():
    panel = Panel(knobs.defaults(bass=6.0), direction="hear-see")
    assert panel.values.keys() == knobs.of_run("hear-see", "").keys()
    dream = Panel(knobs.defaults(), direction="hear-see", kind="hallucinate")
    assert dream.values.keys() == knobs.of_run("hear-see", "hallucinate").keys()
    assert panel.traced == knobs.defaults(bass=6.0)
    panel.turn("hue", 0.5)
    panel.nudge("speed", 1)
    assert (panel.values["hue"], panel.traced["hue"]) == (0.5, 0.5)
    assert panel.values["speed"] == pytest.approx(1.4)
    for turn in (lambda: panel.turn("timbre", 1), lambda: panel.nudge("scene", 1)):
        with pytest.raises(WyhError, match=r"got the knob '(timbre|scene)', wanted one of gain"):
            turn()
