"""Sounds that need no model, against what they are made of."""

from fractions import Fraction

import numpy as np

from wyh.report.excerpts import Excerpt, Stretch
from wyh.report.sound_rivals import (
    mean_power,
    nearest_pictures,
    neighbours_sound,
    shuffles,
    stationary_noise,
)

RATE, FRAME_RATE = 8000, Fraction(24)


def test_the_mean_spectrum_has_the_mean_power(rng):
    sounds = [0.1 * rng.standard_normal(40_000), 0.3 * rng.standard_normal(40_000)]
    power = mean_power([sound.astype(np.float32) for sound in sounds])
    total = power[0] + power[-1] + 2 * power[1:-1].sum()
    assert abs(total / ((0.01 + 0.09) / 2) - 1) < 0.05
    noise = stationary_noise(power, 3, 16_000, rng)
    assert noise.shape == (3, 16_000)
    assert abs(np.mean(noise.astype(np.float64) ** 2) / total - 1) < 0.05


def test_the_noise_has_the_shape_of_the_spectrum_and_no_other(rng):
    secs = np.arange(40_000) / RATE
    tone = (0.5 * np.sin(2 * np.pi * 1000 * secs)).astype(np.float32)
    noise = stationary_noise(mean_power([tone]), 2, 16_000, rng)
    spectrum = np.abs(np.fft.rfft(noise[0].astype(np.float64))) ** 2
    hz = np.fft.rfftfreq(16_000, 1 / RATE)
    near = np.abs(hz - 1000) < 20
    assert spectrum[near].sum() / spectrum.sum() > 0.99
    # One is not the other, and neither has the tone's phase.
    assert abs(np.corrcoef(noise[0], noise[1])[0, 1]) < 0.5
    short = mean_power([tone[:500]])  # shorter than a column
    assert np.isfinite(short).all() and short.any()


def test_the_nearest_picture_as_by_hand(rng):
    known = rng.integers(0, 256, (700, 4, 4, 3), np.uint8)
    seen = rng.integers(0, 256, (600, 4, 4, 3), np.uint8)
    seen[5] = known[650]
    apart = known[None].astype(int) - seen[:, None].astype(int)
    wanted = np.square(apart).sum(axis=(2, 3, 4)).argmin(axis=1)
    found = nearest_pictures(seen, known)
    np.testing.assert_array_equal(found, wanted)
    assert found[5] == 650


def test_pictures_that_follow_one_another_give_the_sound_as_it_was(rng):
    frames = rng.integers(0, 256, (60, 8, 8, 1), np.uint8)
    sound = rng.standard_normal(round(60 * RATE / 24)).astype(np.float32)
    other = Stretch("a", 0.0, rng.integers(0, 256, (5, 8, 8, 1), np.uint8), sound[:1667])
    known = Stretch("b", 0.0, frames, sound)
    excerpt = Excerpt("c", 0.0, frames[:0], frames[24:48], sound[8000:16000])
    made = neighbours_sound([excerpt, excerpt], [other, known], RATE, FRAME_RATE)
    assert made.shape == (2, 8000)
    # Ticks are rounded to samples, not always alike: but for crossfades it is the very sound.
    np.testing.assert_allclose(made[0], excerpt.sound, atol=1e-5)


def test_where_the_nearest_jumps_sounds_are_crossfaded(rng):
    frames = rng.integers(0, 256, (48, 8, 8, 1), np.uint8)
    sound = np.sin(2 * np.pi * 3.3 * np.arange(48 * RATE // 24) / RATE)
    known = Stretch("a", 0.0, frames, sound.astype(np.float32))
    order = rng.permutation(48)[:24]
    excerpt = Excerpt("b", 0.0, frames[:0], frames[order], np.zeros(8000, np.float32))
    made = neighbours_sound([excerpt], [known], RATE, FRAME_RATE)[0]
    for place, picture in enumerate(order):
        middle = round((place + 0.5) * 8000 / 24)
        assert abs(made[middle] - sound[round((picture + 0.5) * 8000 / 24)]) < 0.01
    assert np.abs(np.diff(made)).max() < 0.15  # no jump where one gives way to the next


def test_a_stretch_may_end_with_the_nearest_picture(rng):
    frames = rng.integers(0, 256, (3, 8, 8, 1), np.uint8)
    for rate in (Fraction(24), Fraction(24000, 1001), Fraction(7)):
        length = round(3 * RATE / rate)
        known = Stretch("a", 0.0, frames, np.ones(length, np.float32))
        excerpt = Excerpt("b", 0.0, frames[:0], frames[[2] * int(rate)], np.ones(1, np.float32))
        made = neighbours_sound([excerpt], [known], RATE, rate)
        np.testing.assert_allclose(made[0, 50:-50].max(), 1, atol=1e-6)


def test_shuffles_leave_nothing_in_its_place():
    for count in (2, 3, 6, 100):
        orders = shuffles(count)
        assert 1 <= len(orders) <= 5
        for order in orders:
            assert sorted(order) == list(range(count))
            assert (order != np.arange(count)).all()
