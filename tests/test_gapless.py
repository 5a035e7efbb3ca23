"""The arithmetic and command line of `benchmarks/gapless.py`; never whether a machine keeps up."""

import threading
import time

import numpy as np
import pytest

from benchmarks import gapless
from tests.media import pulse
from wyh.cli import parse
from wyh.errors import WyhError

PLAYED = pulse.noise(1000)


def found(*parts):
    silence = np.zeros(50, np.float32)
    return gapless.compare(np.concatenate([silence, *parts, silence]), PLAYED)


def test_noise_has_no_sample_twice():
    assert len(np.unique(pulse.noise(100_000))) == 100_000
    assert (pulse.noise(100_000) != 0).all() and np.abs(PLAYED).max() <= 0.2


def test_what_was_heard_whole():
    assert found(PLAYED[100:900]) == {
        "missing": 0,
        "repeated": 0,
        "bridged": 0,
        "silent between": 0,
        "matched": 800,
    }


def test_what_is_wrong_is_counted():
    bridge = np.full(7, 0.3, np.float32)
    bridge[3] = PLAYED[900]  # by accident
    silence = np.zeros(11, np.float32)
    result = found(PLAYED[:200], bridge, PLAYED[220:300], silence, PLAYED[290:400])
    assert result == {
        "missing": 20,
        "repeated": 1,
        "bridged": 7,
        "silent between": 11,
        "matched": 390,
    }


def test_silence():
    with pytest.raises(WyhError, match="got silence from the monitor"):
        found()


def test_without_pulseaudio(monkeypatch):
    monkeypatch.setattr(pulse, "MISSING", ["parec"])
    with pytest.raises(WyhError, match="got no parec; it needs the Debian packages pulseaudio"):
        gapless.main(gapless.Options())


def test_help(capsys):
    with pytest.raises(SystemExit):
        parse(gapless.Options, "python -m benchmarks.gapless", None, ["--help"])
    assert gapless.Options.__doc__ in capsys.readouterr().out


def test_the_compiled_hop_is_the_noise():
    played = pulse.noise(gapless.BLOCK * 20)
    maker, got = gapless.Maker(played, 40.0), []
    thread = threading.Thread(target=maker.run)
    thread.start()
    end = time.perf_counter() + 30
    while len(got) < 20 and time.perf_counter() < end:
        if maker.ring.fill >= gapless.BLOCK:
            got.append(maker.pull(gapless.BLOCK))
        time.sleep(0.001)
    maker.stop()
    thread.join()
    np.testing.assert_array_equal(np.concatenate(got), played)
    assert len(maker.pulls) == 20 and maker.ring.underruns == 0
