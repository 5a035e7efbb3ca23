import threading
import time
from fractions import Fraction

import numpy as np
import pytest

from wyh.live.clock import Clock
from wyh.live.meter import Meter
from wyh.live.output import FADE_IN_SECS, FADE_OUT_SECS, DeviceOutput, Mark
from wyh.live.ring import Ring
from wyh.live.sinks import NullSink
from wyh.specs import AudioSpec, StreamSpec, VideoSpec

RATE, BLOCK = 8000, 80
SPEC = StreamSpec("see-hear", VideoSpec(Fraction(10), 16, 16), AudioSpec(RATE), BLOCK, 100)


class HandClock(Clock):
    """Goes only when told to."""

    def __init__(self):
        super().__init__(threading.Event())
        self.now = 0.0

    def secs(self):
        return self.now

    def hold(self, secs):
        self.now -= secs


class Device(NullSink):
    """One that stuttered before it was needed."""

    latency_secs, xruns = 0.04, 3

    def settle(self):
        pass

    def start(self, pull):
        pass


def make(buffer_secs=0.1):
    ring, clock = Ring(RATE), HandClock()
    return DeviceOutput(ring, SPEC, buffer_secs, Meter(), clock, Device()), ring, clock


def play(output, ring, clock, blocks, rate=1.0, buffer_secs=0.1):
    """A device that is `rate` times as fast as our clock; the writer is always in time."""
    heard = []
    for _ in range(blocks):
        clock.now += BLOCK / RATE / rate
        while ring.written < clock.now * RATE:
            ring.write(np.ones(BLOCK, np.float32))
        heard.append(output.pull(BLOCK))
    return np.concatenate(heard)


def begun():
    output, ring, clock = make()
    clock.now = 0.1
    while ring.written < 0.1 * RATE:
        ring.write(np.ones(BLOCK, np.float32))
    return output, ring, clock


def test_the_start_fades_in_and_the_rest_is_untouched():
    heard = play(*begun(), 100)
    rise = round(FADE_IN_SECS * RATE)
    np.testing.assert_allclose(heard[:rise], np.arange(rise) / rise, atol=1e-6)
    np.testing.assert_array_equal(heard[rise:], 1)


@pytest.mark.parametrize("rate", [0.999, 1.001])
def test_the_clock_follows_a_device_that_is_slower_or_faster(rate):
    output, ring, clock = begun()
    play(output, ring, clock, 20_000, rate)  # 200 s: 0.2 s apart by themselves
    assert output.underruns == 0
    assert clock.now - ring.position / RATE == pytest.approx(0.1, abs=0.01)


def test_what_a_stall_took_is_not_made_up_for():
    output, ring, clock = begun()
    play(output, ring, clock, 50)
    clock.now += 2.0  # and the device took nothing meanwhile
    output.pull(BLOCK)
    assert clock.now - ring.position / RATE == pytest.approx(0.1, abs=0.01)


def test_it_leaves_with_a_fade():
    output, ring, clock = begun()
    play(output, ring, clock, 50)
    leaving = threading.Thread(target=output.leave, args=(30.0,))
    leaving.start()
    heard = []
    while leaving.is_alive():
        heard.append(play(output, ring, clock, 1))
        time.sleep(0.001)
    sound = np.concatenate(heard)
    fall = sound[np.flatnonzero(sound < 1)[0] :]
    assert np.count_nonzero(fall) <= FADE_OUT_SECS * RATE
    assert np.abs(np.diff(sound)).max() < 0.01


def test_gaps_after_the_end_of_playing_do_not_count():
    output, ring, clock = begun()
    play(output, ring, clock, 50)
    output.leave(0.0)
    for _ in range(50):
        output.pull(BLOCK)  # and nobody writes
    assert ring.underruns > 10 and output.underruns == 0


def test_the_last_samples_fade_out():
    output, ring, clock = begun()
    play(output, ring, clock, 60)
    ring.end = ring.position + 800
    last = play(output, ring, clock, 10)
    fade = round(FADE_OUT_SECS * RATE)
    np.testing.assert_array_equal(last[: 800 - fade], 1)
    np.testing.assert_allclose(last[800 - fade : 800], 1 - np.arange(fade) / fade, atol=1e-6)


def test_behind_the_end_there_is_silence_and_all_is_handed_on():
    output, ring, _ = begun()
    ring.end = ring.written + BLOCK
    ring.write(np.ones(BLOCK, np.float32), Mark(0.0, None, 0.0))
    ring.finish()
    heard = np.concatenate([output.pull(BLOCK) for _ in range(15)])
    assert len(heard) == 15 * BLOCK and not heard[ring.end :].any()
    taken = []
    output.hand_on(threading.Event(), taken.append)
    assert sum(map(len, taken)) == ring.end == output.played
    assert output.first_sound is not None
    assert ring.underruns == 0
