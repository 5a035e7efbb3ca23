"""Mallets are over the bar and down when they strike, in the air and unhurried otherwise."""

from dataclasses import replace

import numpy as np
import pytest

from data_prep.marimba_motion import (
    BACK,
    PLANE_M_PER_SEC,
    REST_M,
    STRIKE_SPREAD_M,
    Motion,
)
from data_prep.marimba_score import BARS_M, HAND_M, Score, Strike, make_score

SECS = 30.0


@pytest.fixture(scope="module")
def motions() -> list[Motion]:
    return [
        Motion(make_score(np.random.default_rng(seed), SECS), np.random.default_rng(100 + seed))
        for seed in range(12)
    ]


def lone(velocity, *, time=2.0, secs=5.0):
    """A score of one stroke of the left mallet, on bar 6."""
    strikes = (Strike(time, 6, velocity, 0),)
    path = np.array([[0.2, 0.9], [BARS_M[6], 0.9]])
    return Score(strikes, secs, 90.0, np.array([0.0, time]), path)


def struck(motion):
    strikes = motion.score.strikes
    heads = motion.heads_m(np.array([strike.time_secs for strike in strikes]))
    return heads[np.arange(len(strikes)), [strike.mallet for strike in strikes]]


def test_a_mallet_is_over_its_bar_and_down_when_it_strikes(motions):
    for motion in motions:
        at = struck(motion)
        bars = BARS_M[[strike.note for strike in motion.score.strikes]]
        np.testing.assert_allclose(at[:, 0], bars, atol=1e-9)
        assert np.abs(at[:, 1]).max() <= STRIKE_SPREAD_M
        np.testing.assert_allclose(at[:, 2], 0, atol=1e-9)


def test_a_mallet_is_in_the_air_at_all_other_times(motions):
    clock = np.arange(0, SECS, 0.004)
    for motion in motions:
        heights = motion.heads_m(clock)[:, :, 2]
        assert heights.min() >= 0
        assert heights.max() < 0.3
        for mallet in (0, 1):
            mine = [s.time_secs for s in motion.score.strikes if s.mallet == mallet]
            away = np.abs(clock[:, None] - np.array(mine)[None]).min(axis=1)
            assert np.all(heights[away > 0.02, mallet] > 0.002)
            assert np.all(heights[away > 0.2, mallet] > 0.005)


def test_no_mallet_is_faster_than_it_may_be_and_none_jumps(motions):
    step = 0.001
    for motion in motions:
        heads = motion.heads_m(np.arange(0, SECS, step))
        speed = np.abs(np.diff(heads, axis=0)).max(axis=(0, 1)) / step
        assert speed[0] <= PLANE_M_PER_SEC + 1e-6
        assert speed[1] < 3.5
        assert speed[2] < 6
        # Speeds change little by little: only height has corners, at the strokes.
        heads[:, :, 1] -= BACK * heads[:, :, 2]
        assert np.abs(np.diff(heads[:, :, :2], n=2, axis=0)).max() < 0.3 * PLANE_M_PER_SEC * step


def test_mallets_cross_no_farther_than_the_score_says(motions):
    for motion in motions:
        along = motion.heads_m(np.arange(0, SECS, 0.004))[:, :, 0]
        assert np.max(along[:, 0] - along[:, 1]) <= HAND_M + 1e-9


def test_the_frame_of_a_lone_stroke_is_that_of_least_height():
    rate = 25
    for time in (1.997, 2.0, 2.013, 2.039):
        motion = Motion(lone(0.6, time=time), np.random.default_rng(0))
        clock = (np.arange(5 * rate * 200) + 0.5) / (200 * rate)
        least = motion.heads_m(clock)[:, 0, 2].reshape(-1, 200).min(axis=1)
        assert np.argmin(least) == int(np.floor(time * rate))


def test_harder_strokes_swing_higher_come_down_faster_and_rebound_farther():
    before, after = np.arange(1.5, 2.0, 0.001), np.arange(2.0, 2.5, 0.001)
    peaks, speeds, rebounds = [], [], []
    for velocity in (0.15, 0.4, 0.7, 1.0):
        motion = Motion(lone(velocity), np.random.default_rng(0))
        heights = motion.heads_m(before)[:, 0, 2]
        peaks.append(heights.max())
        speeds.append(-np.diff(heights)[-1] / 0.001)
        rebounds.append(motion.heads_m(after)[:, 0, 2].max())
    for rising in (peaks, speeds, rebounds):
        assert np.all(np.diff(rising) > 0)
    assert speeds[-1] > 2 * speeds[0]


def test_an_idle_mallet_waits_away_from_the_bars():
    motion = Motion(lone(0.5), np.random.default_rng(0))
    heads = motion.heads_m(np.array([0.5, 1.0, 3.5, 4.9]))
    np.testing.assert_allclose(heads[:, :, 1] - BACK * heads[:, :, 2], REST_M)
    assert np.all(heads[:, :, 2] > 0.03)


def test_nothing_to_play_and_one_place_to_be():
    score = replace(lone(0.5), strikes=(), path_secs=np.zeros(1), path_m=np.array([[0.2, 0.7]]))
    heads = Motion(score, np.random.default_rng(0)).heads_m(np.array([0.0, 2.0]))
    np.testing.assert_allclose(heads[:, :, 0], np.array([[0.2, 0.7], [0.2, 0.7]]))


def test_two_mallets_on_one_bar_are_beside_one_another():
    strikes = tuple(Strike(1 + 0.1 * n, 6, 0.5, n % 2) for n in range(10))
    score = Score(strikes, 3.0, 90.0, np.array([0.0, 1.0]), np.full((2, 2), BARS_M[6]))
    gaps = []
    for seed in range(20):
        at = struck(Motion(score, np.random.default_rng(seed)))[:, 1]
        gaps.append(at[::2].mean() - at[1::2].mean())
    assert np.mean(gaps) > 0.03


def test_a_seed_gives_one_motion():
    score, clock = make_score(np.random.default_rng(0), 9.0), np.linspace(0, 9, 500)
    first, again, other = (
        Motion(score, np.random.default_rng(seed)).heads_m(clock) for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)
