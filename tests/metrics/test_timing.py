from fractions import Fraction

import numpy as np
import pytest

from wyh.errors import WyhError
from wyh.metrics.timing import offset_ms
from wyh.specs import tick_start

RATE = 16000
NTSC = Fraction(24000, 1001)


def flashes(frames: int) -> np.ndarray:
    """White for 5 frames, at uneven intervals."""
    brightness = np.zeros(frames)
    for start in np.cumsum([7, 13, 17, 12, 19, 15, 22, 14, 18, 16]):
        brightness[start : start + 5] = 1
    return brightness


def loudness(brightness: np.ndarray, frame_rate: Fraction) -> np.ndarray:
    starts = [tick_start(k, RATE, frame_rate) for k in range(len(brightness) + 1)]
    return np.repeat(np.sqrt(brightness), np.diff(starts))


@pytest.mark.parametrize("rate", [Fraction(24), NTSC, Fraction(60)])
@pytest.mark.parametrize("late", [0, 1, 100, -77, 2000])
def test_a_sound_moved_by_so_many_samples(rate, late):
    brightness = flashes(180)
    tone = np.where(np.arange(180 * RATE // 10) % 2, 1.0, -1.0)
    sound = loudness(brightness, rate)
    sound = np.roll(sound, late) * tone[: len(sound)]
    assert offset_ms(brightness, sound, RATE, rate) == pytest.approx(1000 * late / RATE, abs=1e-3)


def test_between_samples():
    """Half the power a sample later: half a sample."""
    brightness = flashes(180)
    early = loudness(brightness, Fraction(25))
    sound = np.sqrt(0.5 * early + 0.5 * np.roll(early, 1))
    assert offset_ms(brightness, sound, RATE, Fraction(25)) == pytest.approx(500 / RATE, abs=1e-3)


@pytest.mark.parametrize("late_ms", [0.0, 8.0, -5.0, 40.0])
def test_noise_that_glides_from_picture_to_picture(rng, late_ms):
    brightness = flashes(200)
    sound = np.roll(loudness(brightness, NTSC), round(late_ms * RATE / 1000))
    sound = np.convolve(sound, np.hanning(801) / 400, "same")  # 50 ms
    sound = (sound * rng.standard_normal(len(sound))).astype(np.float32)
    sound += 0.1 * rng.standard_normal(len(sound)).astype(np.float32)  # 20 dB below the flashes
    assert offset_ms(brightness, sound, RATE, NTSC) == pytest.approx(late_ms, abs=1.0)


def test_the_scale_of_brightness_and_sound_does_not_matter(rng):
    brightness = flashes(180)
    sound = loudness(brightness, Fraction(24)) * rng.standard_normal(180 * RATE // 24)
    plain = offset_ms(brightness, sound, RATE, Fraction(24))
    other = offset_ms(100 + 255 * brightness, 1e-3 * sound, RATE, Fraction(24))
    assert other == pytest.approx(plain)


def test_a_steady_sound_beside_it_does_not_pull(rng):
    """The ends of the film count for nothing, however loud it is there."""
    brightness = flashes(180)
    sound = np.sqrt(5 + np.roll(loudness(brightness, Fraction(24)), 160))
    assert offset_ms(brightness, sound, RATE, Fraction(24)) == pytest.approx(10, abs=0.05)


def test_sound_shorter_or_longer_than_the_film(rng):
    brightness = flashes(200)
    sound = loudness(brightness, Fraction(24))
    for length in (len(sound) - 3000, len(sound) + 3000):
        fitted = np.resize(np.pad(sound, (0, 3000)), length)
        assert offset_ms(brightness, fitted, RATE, Fraction(24)) == pytest.approx(0, abs=0.01)


def test_nothing_to_go_by():
    brightness, message = flashes(180), "never changes, wanted a film that flashes"
    with pytest.raises(WyhError, match=message):
        offset_ms(np.ones(180), loudness(brightness, Fraction(24)), RATE, Fraction(24))
    with pytest.raises(WyhError, match=message):
        offset_ms(brightness, np.zeros(1000), RATE, Fraction(24))


def test_sound_that_follows_too_late():
    brightness = flashes(180)
    sound = np.roll(loudness(brightness, Fraction(24)), round(0.15 * RATE))
    with pytest.raises(WyhError, match="agrees with the pictures nowhere within 100 ms, wanted"):
        offset_ms(brightness, sound, RATE, Fraction(24), reach_ms=100)
    late_ms = offset_ms(brightness, sound, RATE, Fraction(24), reach_ms=180)
    assert late_ms == pytest.approx(150, abs=1e-3)
