import numpy as np
import pytest

from wyh.media import clocked
from wyh.media.clocked import ClockedSound
from wyh.media.microphone import Microphone

RATE, BLOCK = 8000, 80


class Clock:
    """Time that goes only as far as it is told to."""

    def __init__(self):
        self.now = 1000.0

    def time(self):
        return self.now

    def perf_counter(self):
        return self.now


class Ear(Microphone):
    """Hears how many seconds there have been since 1000 s; its own clock may be wrong."""

    latency_secs = 0.03

    def __init__(self, clock, rng, off=0.0, channels=1):
        self.clock, self.rng, self.channels = clock, rng, channels
        self.rate, self.count, self.began = RATE * (1 + off), 0, clock.now

    def read(self):
        at = (self.count + np.arange(BLOCK)) / self.rate
        self.count += BLOCK
        there = self.began + self.count / self.rate + self.latency_secs
        # Handed out late now and then, never early.
        late = self.rng.choice([0, 0, 0.004, 0.03])
        self.clock.now = max(self.clock.now, there + late)
        block = (self.began - 1000 + at).astype(np.float32)
        return block if self.channels == 1 else np.stack([block] * self.channels, axis=1)


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(clocked, "time", clock)
    return clock


def errors(sound, secs):
    """How far each sample is from the time at which it should have been heard."""
    blocks = []
    while sum(map(len, blocks)) < secs * RATE:
        blocks.append(sound.read())
    heard = np.concatenate(blocks)
    times = sound.began - 1000 + np.arange(len(heard)) / RATE
    return heard - times.reshape(-1, *[1] * (heard.ndim - 1))


def test_each_sample_is_where_it_was_heard(clock, rng):
    error = errors(ClockedSound(Ear(clock, rng), RATE), 20)
    assert np.abs(error).max() < 1e-4


@pytest.mark.parametrize("off", [-0.001, 0.001])
def test_a_clock_that_is_wrong_is_followed(clock, rng, off):
    """At 0.1 % the clocks would be 120 ms apart in the end."""
    error = errors(ClockedSound(Ear(clock, rng, off), RATE), 120)
    assert np.abs(error).max() < 0.03
    assert np.abs(error[-RATE:]).max() < 0.02


def test_both_channels_are_stretched(clock, rng):
    error = errors(ClockedSound(Ear(clock, rng, 0.001, channels=2), RATE), 40)
    assert error.shape[1] == 2 and np.abs(error).max() < 0.03


def test_sound_from_before_is_left_behind(clock, rng):
    microphone = Ear(clock, rng)
    clock.now += 1.5  # nobody read: the microphone has kept it
    sound = ClockedSound(microphone, RATE)
    assert sound.began >= 1001.5
    assert np.abs(errors(sound, 2)).max() < 1e-4
