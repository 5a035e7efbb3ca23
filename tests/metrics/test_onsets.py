"""When sounds begin, against clicks and notes that were put there."""

import numpy as np
import pytest

from wyh.metrics.onsets import (
    HOP_SECS,
    f1,
    f1_shuffled,
    lag_secs,
    onset_strength,
    onsets,
    peaks,
)

RATE = 16000
AT = np.array([0.31, 0.75, 1.2, 1.43, 2.05, 2.6, 3.3])


def clicks(at=AT, secs=4.0, rate=RATE):
    sound = np.zeros(round(secs * rate))
    sound[np.rint(at * rate).astype(int)] = 0.8
    return sound


@pytest.mark.parametrize("rate", [8000, 22050, 48000])
def test_clicks_are_found_where_they_are(rate):
    found = onsets(clicks(rate=rate), rate)
    assert len(found) == len(AT)
    np.testing.assert_allclose(found, AT, atol=0.0101)


def test_notes_that_overlap_with_hum_and_noise(rng):
    time = np.arange(4 * RATE) / RATE
    sound = 0.05 * np.sin(2 * np.pi * 100 * time) + 0.002 * rng.standard_normal(len(time))
    for number, at in enumerate(AT):
        since = np.maximum(time - at, 0)
        tone = np.sin(2 * np.pi * 220 * 2 ** (number / 3) * since)
        sound += 0.3 * tone * np.exp(-4 * since)
    found = onsets(sound, RATE)
    assert found[0] <= 0.01  # the hum
    assert f1(found[1:], AT, 0.03) > 0.9


def test_nothing_begins_in_silence_or_in_what_goes_on():
    assert not len(onsets(np.zeros(RATE), RATE))
    hum = np.sin(2 * np.pi * 440 * np.arange(4 * RATE) / RATE)
    assert len(onsets(hum, RATE)) <= 1  # its own beginning
    assert onsets(np.zeros(0), RATE).size == 0


def test_a_rise_is_told_in_db():
    # All bands rise alike, by 20 dB, as noise grows ten times louder.
    rng = np.random.default_rng(1)
    sound = rng.standard_normal(2 * RATE) * np.where(np.arange(2 * RATE) < RATE, 0.05, 0.5)
    strength = onset_strength(sound, RATE)
    assert len(strength) == 201
    assert abs(int(strength[10:].argmax()) + 10 - 100) <= 1
    assert 12 < strength[98:103].max() < 26


def test_peaks_stand_alone_and_out():
    values = np.full(100, 0.1)
    values[[20, 22, 60]] = [1, 2, 0.18]
    assert list(peaks(values, 50)) == [22]
    assert list(peaks(values, 50, alone_secs=0.02)) == [20, 22]
    values[60:63] = 1  # a plateau counts once, where it begins
    assert list(peaks(values, 50, least=0.9)) == [22, 60]
    assert not len(peaks(np.zeros(10), 50)) and not len(peaks(np.zeros(0), 50))


def test_f1_matches_each_with_one():
    true = np.array([1.0, 2.0, 3.0])
    assert f1(true, true, 0.05) == 1
    assert f1(true + 0.05, true, 0.05) == 1
    assert f1(true + 0.06, true, 0.05) == 0
    assert f1(np.array([0.97, 1.03]), true[:1], 0.05) == pytest.approx(2 / 3)
    assert f1(np.array([1.0]), true, 0.05) == pytest.approx(0.5)
    # 1.04 fits both; the greedy earliest one leaves 1.09 for the other.
    assert f1(np.array([1.04, 1.1]), np.array([1.0, 1.08]), 0.05) == 1
    assert f1(np.zeros(0), np.zeros(0), 0.05) == 1
    assert f1(np.zeros(0), true, 0.05) == 0


def test_shuffled_events_agree_by_chance_alone(rng):
    true = np.sort(rng.uniform(0, 600, 600))
    # Events once a second on average: one within 50 ms is there by a chance of about a tenth.
    assert 0.05 < f1_shuffled(true, true, 0.05, 600.0) < 0.13
    assert f1_shuffled(np.zeros(0), true, 0.05, 600.0) == 0


@pytest.mark.parametrize("late", [-0.06, 0.0, 0.035, 0.1])
def test_lag_is_how_late_pictures_change(late, rng):
    frame_rate, secs = 24.0, 30
    at = np.sort(rng.uniform(1, secs - 1, 50))
    strength = np.zeros(round(secs / HOP_SECS) + 1)
    strength[np.rint(at / HOP_SECS).astype(int)] = 1
    change = np.zeros(round(secs * frame_rate))
    np.add.at(change, np.rint((at + late) * frame_rate).astype(int), 1.0)
    assert lag_secs(strength, change, frame_rate) == pytest.approx(late, abs=0.008)
