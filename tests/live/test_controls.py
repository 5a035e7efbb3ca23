import threading
import time

from wyh.live.clock import Clock
from wyh.live.controls import Controls, Known


def make():
    stop = threading.Event()
    return Controls(stop), Clock(stop), stop


def publish(controls: Controls, *ticks: int) -> None:
    for tick in ticks:
        controls.publish(tick, Known(tick, f"control {tick}", None))


def test_the_newest_at_or_before_a_tick():
    controls, clock, _ = make()
    publish(controls, 0, 1, 4, 5)
    assert controls.newest(1, clock, 9).tick == 1
    assert controls.newest(3, clock, 9).tick == 1
    assert controls.newest(4, clock, 9).tick == 4


def test_a_block_waits_for_its_control():
    controls, clock, _ = make()
    publish(controls, 0)
    later = threading.Timer(0.05, publish, (controls, 1))
    later.start()
    assert controls.newest(1, clock, 30.0).tick == 1
    later.join()


def test_but_no_longer_than_it_can():
    controls, clock, _ = make()
    publish(controls, 0)
    assert controls.newest(1, clock, clock.secs() + 0.02).tick == 0


def test_it_does_not_wait_for_a_picture_left_out():
    controls, clock, _ = make()
    publish(controls, 0)
    controls.publish(1, None)
    begin = time.perf_counter()
    assert controls.newest(1, clock, 30.0).tick == 0
    assert time.perf_counter() - begin < 5


def test_the_last_one_holds():
    controls, clock, _ = make()
    publish(controls, 0, 1)
    controls.finish()
    assert controls.newest(100, clock, 30.0).tick == 1


def test_the_very_first_is_waited_for_until_told_to_stop():
    controls, clock, stop = make()
    threading.Timer(0.05, stop.set).start()
    assert controls.newest(0, clock, 0.0) is None


def test_a_clock_can_be_put_back():
    _, clock, _ = make()
    before = clock.secs()
    clock.hold(5.0)
    assert before - 5 <= clock.secs() < before - 3
    assert clock.wall(clock.secs()) <= time.perf_counter()


def test_who_sleeps_wakes_when_told_to_stop():
    _, clock, stop = make()
    assert clock.sleep_until(0.01)
    stop.set()
    assert not clock.sleep_until(60.0)
    assert not clock.sleep_until(0.0)
