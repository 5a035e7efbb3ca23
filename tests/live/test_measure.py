import numpy as np
import pytest

from tests.conftest import make_run
from tests.live.test_flash import RATE, two_sounds
from tests.live.test_main import play
from wyh.errors import WyhError
from wyh.live import flasher, measure, stage
from wyh.live.flash import PERIOD_SECS
from wyh.live.flasher import Flasher
from wyh.live.measure import Ear, Heard, as_line

pytestmark = pytest.mark.usefixtures("as_it_was")


def test_light_and_dark_take_turns_after_a_while_of_darkness(monkeypatch):
    now = [100.0]
    monkeypatch.setattr(flasher.time, "perf_counter", lambda: now[0])
    flashes, lit = Flasher(), []
    for _ in range(400):
        light = flashes.is_light()
        flashes.shown(light)
        lit.append(light)
        now[0] += 0.01
    assert not any(lit[:100]) and all(lit[101:179]) and not any(lit[182:259])
    np.testing.assert_allclose(flashes.switches, 101 + PERIOD_SECS * np.arange(4), atol=0.02)


def test_blocks_that_come_late_or_at_first_badly_do_not_mislead(rng, monkeypatch):
    now = [0.0]
    monkeypatch.setattr(measure.time, "perf_counter", lambda: now[0])
    switches = 0.5 + PERIOD_SECS * np.arange(14)
    sound = two_sounds(rng, switches, 0.08, 0.02, 12)
    heard = Heard(lambda: 0.04)  # and so much later at the ear
    for first in range(0, len(sound), 160):
        now[0] = first / RATE + 0.02 * rng.random() * (first % 1600 > 0)
        if first < RATE:
            now[0] -= 0.3
        heard.write(sound[first : first + 160])
    found = heard.delays_ms(list(switches), RATE)
    assert found["flashes"] > 8
    assert found["begins"]["p50"] == pytest.approx(120, abs=25)
    assert found["begins"]["min"] <= found["begins"]["p50"] <= found["half"]["p50"]
    line = as_line(found)
    assert line.startswith(f"flash to sound, {found['flashes']} flashes: begins after ")


def test_what_cannot_be_measured():
    with pytest.raises(WyhError, match="no sound came: is the microphone heard"):
        Heard().delays_ms([0.0, 1.0], RATE)
    heard = Heard()
    heard.write(np.zeros(4 * RATE, np.float32))
    heard.write(np.zeros(4 * RATE, np.float32))
    with pytest.raises(WyhError, match="got no flash in what was heard: let the camera see"):
        heard.delays_ms([0.0, 0.8], RATE)
    with pytest.raises(WyhError, match="got --listen ear, wanted mic, mic:NAME or mic:loopback"):
        Ear("ear", RATE, print)


def test_the_command_measures_itself(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(stage, "SECS", 6.0)
    monkeypatch.setattr(measure, "_STUTTER_SECS", 0.5)
    run = make_run(tmp_path / "run", bright_is_loud=True)
    summary = play(run.directory, None, capsys, measure=True, buffer_ms=100.0)
    delay = summary["flash_to_sound_ms"]
    assert delay["flashes"] >= 3
    # The buffer and half a picture, at 10 pictures a second, at least.
    assert 80 < delay["half"]["p50"] < 2000
