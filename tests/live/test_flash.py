import numpy as np
import pytest

from wyh.live.flash import PERIOD_SECS, delays

RATE = 16000


def two_sounds(rng, switches, delay, fade, secs):
    """Noise that is low in the dark and high in the light, changing over `fade` seconds."""
    time = np.arange(round(secs * RATE)) / RATE
    light = np.zeros(len(time))
    for number, switch in enumerate(switches):
        rising = np.clip((time - switch - delay) / fade, 0, 1)
        light += rising if number % 2 == 0 else -rising
    spectrum = np.fft.rfft(rng.standard_normal(len(time)))
    hz = np.fft.rfftfreq(len(time), 1 / RATE)
    low, high = (np.fft.irfft(spectrum * band, len(time)) for band in (hz < 2500, hz > 4000))
    return (0.1 * ((1 - light) * low + light * high)).astype(np.float32)


@pytest.mark.parametrize("delay", [0.05, 0.12])
def test_a_switch_is_found_where_its_sound_changes(rng, delay):
    switches = 0.5 + PERIOD_SECS * np.arange(8) + 0.01 * rng.random(8)
    sound = two_sounds(rng, switches, delay, 0.03, 8)
    found = delays(sound, RATE, list(switches))
    assert len(found) == 8
    begins, halves = np.array(found).T
    np.testing.assert_allclose(begins, delay, atol=0.02)
    assert (begins <= halves).all() and (halves < delay + 0.04).all()


def test_nothing_is_found_in_a_sound_that_knows_nothing_of_it(rng):
    switches = 0.5 + PERIOD_SECS * np.arange(8)
    noise = rng.standard_normal(8 * RATE).astype(np.float32)
    assert delays(noise, RATE, list(switches)) == []
    assert delays(np.zeros(8 * RATE, np.float32), RATE, list(switches)) == []


def test_no_flash_no_delay(rng):
    assert delays(rng.standard_normal(RATE).astype(np.float32), RATE, []) == []


def test_too_short_to_tell(rng):
    assert delays(rng.standard_normal(1000).astype(np.float32), RATE, [0.0, 0.8]) == []
