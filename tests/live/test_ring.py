import threading
import time

import numpy as np
import pytest

from wyh.live.ring import FADE_SAMPLES, Ring

HZ, RATE = 100, 8000


def tone(first: int, count: int) -> np.ndarray:
    return np.sin(2 * np.pi * HZ * (first + np.arange(count)) / RATE).astype(np.float32)


def test_gives_back_what_was_written_whatever_the_sizes(rng):
    ring, wanted, got = Ring(1000), [], []
    for _ in range(400):
        size = int(rng.integers(0, min(400, ring.free) + 1))
        block = rng.standard_normal(size).astype(np.float32)
        ring.write(block)
        wanted.append(block)
        sound, _ = ring.read(int(rng.integers(0, ring.fill + 1)))
        got.append(sound)
    ring.finish()
    got.append(ring.read(1000)[0])
    np.testing.assert_array_equal(np.concatenate(got), np.concatenate(wanted))
    assert ring.underruns == 0
    assert len(ring.read(10)[0]) == 0


def test_fill_and_room_add_up():
    ring = Ring(100)
    ring.write(np.zeros(70, np.float32))
    assert (ring.fill, ring.free) == (70, 30)
    ring.read(20)
    assert (ring.fill, ring.free) == (50, 50)


def test_refuses_what_it_has_no_room_for():
    with pytest.raises(ValueError, match="got 11 samples, there is room for 10"):
        Ring(10).write(np.zeros(11, np.float32))


def test_the_end_comes_short_and_is_no_underrun():
    ring = Ring(100)
    ring.write(np.ones(30, np.float32))
    ring.finish()
    assert len(ring.read(64)[0]) == 30
    assert ring.underruns == 0


@pytest.mark.parametrize("size", [64, 100, 300])
@pytest.mark.parametrize("missing", [1, 3])
def test_an_underrun_neither_clicks_nor_shifts_the_sound(size, missing):
    ring, blocks, late = Ring(16 * size), 24, range(8, 8 + missing)
    heard = []
    for block in range(blocks):
        if block == late.stop:  # all that was missing comes at once, too late
            for old in late:
                ring.write(tone(old * size, size))
        if block not in late:
            ring.write(tone(block * size, size))
        heard.append(ring.read(size)[0])
    sound, whole = np.concatenate(heard), tone(0, blocks * size)
    assert ring.underruns == missing
    assert len(sound) == len(whole)
    # No step is larger than those of the tone, the fade's own slope and the tone over its bridge.
    steepest = np.abs(np.diff(whole)).max()
    assert np.abs(np.diff(sound)).max() < 2.2 * steepest
    begin, end = late.start * size, late.stop * size
    np.testing.assert_array_equal(sound[:begin], whole[:begin])
    np.testing.assert_allclose(sound[end + FADE_SAMPLES :], whole[end + FADE_SAMPLES :], atol=1e-6)


def test_a_long_gap_becomes_silence():
    ring = Ring(1000)
    ring.write(tone(0, 500))
    ring.read(500)
    ring.read(FADE_SAMPLES)
    silent, _ = ring.read(500)
    assert ring.underruns == 2
    assert not silent.any()


def test_a_gap_before_the_first_sound_is_silence():
    sound, _ = Ring(100).read(50)
    assert not sound.any() and len(sound) == 50


def test_marks_come_with_the_first_sample_of_their_block():
    ring = Ring(100)
    ring.write(np.zeros(30, np.float32), "a")
    ring.write(np.zeros(30, np.float32), "b")
    assert ring.read(10)[1] == ["a"]
    assert ring.read(20)[1] == []
    assert ring.read(1)[1] == ["b"]


def test_the_mark_of_a_late_block_is_lost_with_it():
    ring = Ring(100)
    ring.read(20)
    ring.write(np.zeros(20, np.float32), "late")
    ring.write(np.zeros(20, np.float32), "in time")
    assert ring.read(20)[1] == ["in time"]


def test_two_threads_keep_the_order():
    ring, total, seed = Ring(512), 50_000, np.random.default_rng(1)
    data = np.arange(total, dtype=np.float32)
    sizes = seed.integers(1, 200, total)

    def write() -> None:
        at = 0
        for size in sizes:
            while ring.free < size:
                time.sleep(0)
            ring.write(data[at : at + size])
            at += len(data[at : at + size])
            if at == total:
                ring.finish()
                return

    writer = threading.Thread(target=write, daemon=True)
    writer.start()
    got = []
    while ring.position < total:
        if there := min(ring.fill, 130):
            got.append(ring.read(there)[0])
        else:
            time.sleep(0)
    writer.join(5)
    np.testing.assert_array_equal(np.concatenate(got), data)
    assert ring.underruns == 0


def test_stereo_is_two_rings_in_step(rng):
    """With gaps too: what each side hears is what a ring of its own would give."""
    both, sides = Ring(2000, 2), (Ring(2000), Ring(2000))
    sound = rng.standard_normal((4000, 2)).astype(np.float32)
    for at in range(0, 4000, 100):
        if at not in (800, 900, 2000):
            both.write(sound[at : at + 100])
            for side, ring in enumerate(sides):
                ring.write(sound[at : at + 100, side])
        heard, _ = both.read(100)
        assert heard.shape == (100, 2)
        expected = np.stack([ring.read(100)[0] for ring in sides], axis=1)
        np.testing.assert_array_equal(heard, expected)
    assert both.underruns == sides[0].underruns > 0
