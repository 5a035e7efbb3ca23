import numpy as np
import pytest

from wyh.media.window.spectrum import LEAST_DB, Level, Levels, Spectrum

RATE = 8000


def sine(hz, amplitude=0.5, samples=4096):
    return (amplitude * np.sin(2 * np.pi * hz / RATE * np.arange(samples))).astype(np.float32)


@pytest.mark.parametrize("hz", [150.0, 1000.0, 3333.0])
def test_a_sine_stands_where_its_frequency_is(hz):
    spectrum = Spectrum(100, RATE)
    spectrum.update(sine(3900.0), 0.0)  # the axis is as long as it can be
    spectrum.update(sine(hz), 10.0)
    at = (np.argmax(spectrum.heights) + 0.5) / 100 * spectrum.end_hz
    assert at == pytest.approx(hz, abs=spectrum.end_hz / 100)


def test_the_axis_becomes_as_long_as_the_sound_needs():
    spectrum = Spectrum(50, RATE)
    assert spectrum.marks() == []
    spectrum.update(sine(300.0), 0.1)
    assert spectrum.end_hz == 1000.0
    assert spectrum.marks() == [200.0, 400.0, 600.0, 800.0]
    spectrum.update(sine(2700.0), 0.1)
    assert spectrum.end_hz == 3000.0
    spectrum.update(sine(300.0), 0.1)
    assert spectrum.end_hz == 3000.0
    spectrum.update(sine(3990.0), 0.1)
    assert spectrum.end_hz == RATE / 2


def test_it_rises_at_once_and_falls_slowly():
    spectrum = Spectrum(50, RATE)
    spectrum.update(sine(500.0), 0.1)
    high = spectrum.heights.max()
    assert high > 0.9
    silence = np.zeros(4096, np.float32)
    spectrum.update(silence, 0.1)
    assert 0.5 * high < spectrum.heights.max() < high
    spectrum.update(silence, 2.0)
    assert spectrum.heights.max() == 0


def test_both_channels_of_stereo_are_in_it():
    one, two = Spectrum(80, RATE), Spectrum(80, RATE)
    one.update(np.stack([sine(500.0), 0 * sine(500.0)], axis=1), 0.1)
    two.update(np.stack([sine(500.0), sine(900.0)], axis=1), 0.1)
    assert one.heights[72] < 0.2 < 0.8 < two.heights[72]
    assert one.heights[40] > 0.8


@pytest.mark.parametrize("shape", [(0,), (0, 2), (3,), (3, 2)])
def test_hardly_any_sound(shape):
    sound = np.zeros(shape, np.float32)
    spectrum, levels = Spectrum(20, RATE), Levels()
    spectrum.update(sound, 0.1)
    levels.update(sound, RATE, 0.1)
    assert not spectrum.heights.any()
    assert set(levels.channels) == {Level(LEAST_DB, LEAST_DB)}


def test_levels_are_those_of_the_newest_sound():
    levels = Levels()
    sound = np.concatenate([sine(500.0, 1.0), sine(500.0, 0.1, 1600)])
    levels.update(sound, RATE, 0.0)
    (level,) = levels.channels
    assert level.rms_db == pytest.approx(-23.0, abs=0.1)
    assert level.peak_db == pytest.approx(-20.0, abs=0.1)


def test_a_peak_falls_slowly():
    levels = Levels()
    levels.update(sine(500.0, 1.0), RATE, 0.0)
    levels.update(np.zeros(4096, np.float32), RATE, 1.0)
    assert levels.channels[0].rms_db == LEAST_DB
    assert levels.channels[0].peak_db == pytest.approx(-15.0, abs=0.1)


def test_channels_have_their_own_levels():
    levels = Levels()
    levels.update(np.stack([sine(500.0, 1.0), sine(500.0, 0.1)], axis=1), RATE, 0.0)
    left, right = levels.channels
    assert left.rms_db == pytest.approx(right.rms_db + 20, abs=0.1)
    levels.update(sine(500.0, 1.0), RATE, 0.0)
    assert len(levels.channels) == 1
