"""Scores are playable by two hands, varied, and survive the way through their truth file."""

import numpy as np
import pytest

from data_prep.marimba_score import (
    BAR_SECS,
    BARS_M,
    HAND_M,
    NOTE_NAMES,
    NOTES_HZ,
    RESTRIKE_SECS,
    SOFTEST,
    TRAVEL_M_PER_SEC,
    Score,
    make_score,
)
from data_prep.marimba_truth import write_truth
from wyh.errors import WyhError
from wyh.transcript import notes_of, read_transcript


@pytest.fixture(scope="module")
def scores() -> list[Score]:
    return [make_score(np.random.default_rng(seed), 180.0) for seed in range(60)]


def times(score):
    return np.array([strike.time_secs for strike in score.strikes])


def test_the_bars_have_the_frequencies_of_the_upper_row():
    wanted = [369.99, 415.30, 466.16, 554.37, 622.25, 739.99, 830.61, 932.33, 1108.73, 1244.51]
    wanted += [1479.98, 1661.22, 1864.66, 2217.46, 2489.02, 2959.96, 3322.44, 3729.31]
    np.testing.assert_allclose(NOTES_HZ, wanted, atol=0.005)
    assert np.all(np.diff(BARS_M) > 0.04)
    assert BARS_M[0] == 0
    assert 1 < BARS_M[-1] < 1.2


def test_times_velocities_and_bars_are_in_range(scores):
    for score in scores:
        assert times(score)[0] > 0.3
        assert times(score)[-1] < 180
        assert np.all(np.diff(times(score)) >= 0)
        for strike in score.strikes:
            assert SOFTEST <= strike.velocity <= 1
            assert strike.mallet in (0, 1)
            assert NOTE_NAMES[strike.note]


def test_no_bar_and_no_mallet_strikes_again_too_soon(scores):
    for score in scores:
        for note in range(18):
            mine = times(score)[[strike.note == note for strike in score.strikes]]
            assert np.all(np.diff(mine) >= BAR_SECS)
        for mallet in (0, 1):
            mine = times(score)[[strike.mallet == mallet for strike in score.strikes]]
            assert np.all(np.diff(mine) >= RESTRIKE_SECS)


def test_a_mallet_travels_no_faster_than_it_can(scores):
    for score in scores:
        for mallet in (0, 1):
            mine = [strike for strike in score.strikes if strike.mallet == mallet]
            far = np.abs(np.diff(BARS_M[[strike.note for strike in mine]]))
            secs = np.diff([strike.time_secs for strike in mine])
            assert np.all(far <= TRAVEL_M_PER_SEC * secs + 1e-6)


def test_the_ways_of_the_mallets_lead_over_the_bars_and_do_not_cross(scores):
    for score in scores:
        at = score.mallets_m(times(score))
        struck = at[np.arange(len(at)), [strike.mallet for strike in score.strikes]]
        bars = BARS_M[[strike.note for strike in score.strikes]]
        np.testing.assert_allclose(struck, bars, atol=1e-9)
        clock = np.linspace(0, 180, 40_001)
        ways = score.mallets_m(clock)
        assert np.max(ways[:, 0] - ways[:, 1]) <= HAND_M + 1e-9
        assert np.max(np.abs(np.diff(ways, axis=0))) <= TRAVEL_M_PER_SEC * clock[1] + 1e-9


def test_every_bar_is_used_within_minutes(scores):
    for score in scores:
        assert {strike.note for strike in score.strikes} == set(range(18))


def test_there_are_chords_rolls_rests_steps_leaps_and_dynamics(scores):
    for score in scores:
        gaps, notes = np.diff(times(score)), np.array([strike.note for strike in score.strikes])
        moved = np.abs(np.diff(notes))
        assert np.sum((gaps < 0.009) & (moved > 0)) >= 5  # chords
        assert np.sum((gaps > 0.07) & (gaps < 0.12)) >= 20  # rolls among them
        assert np.sum(gaps > 1) >= 3
        assert np.sum(moved == 1) >= 10
        assert np.sum(moved >= 3) >= 10
        assert np.ptp([strike.velocity for strike in score.strikes]) > 0.4
        assert 0.35 < np.mean([strike.mallet for strike in score.strikes]) < 0.65


def test_the_tempo_is_drawn_or_given(scores):
    tempi = [score.tempo_bpm for score in scores]
    assert 60 <= min(tempi) < 90
    assert 120 < max(tempi) <= 180
    assert make_score(np.random.default_rng(0), 5.0, 90).tempo_bpm == 90
    rates = [
        np.mean([len(make_score(np.random.default_rng(s), 60.0, bpm).strikes) for s in range(8)])
        for bpm in (60, 180)
    ]
    assert rates[1] > 1.3 * rates[0]


@pytest.mark.parametrize("seed", range(20))
def test_the_shortest_recording_has_a_strike(seed):
    score = make_score(np.random.default_rng(seed), 2.0)
    assert score.strikes
    assert score.strikes[-1].time_secs < 2


def test_a_seed_gives_one_score(scores):
    again = make_score(np.random.default_rng(3), 180.0)
    assert again.strikes == scores[3].strikes
    assert again.strikes != scores[4].strikes


def test_impossible_wishes_are_refused():
    with pytest.raises(WyhError, match="got secs 1 s, wanted 2 to"):
        make_score(np.random.default_rng(0), 1.0)
    with pytest.raises(WyhError, match="got tempo_bpm 300 beats a minute, wanted 60 to 180"):
        make_score(np.random.default_rng(0), 9.0, 300)


def test_truth_goes_through_its_file(scores, tmp_path):
    path = tmp_path / "truth.csv"
    write_truth(path, scores[0])
    truth = read_transcript(path, 180)
    np.testing.assert_allclose(truth.times_secs, times(scores[0]), atol=0.5001e-4)
    assert notes_of(truth, NOTES_HZ).tolist() == [strike.note for strike in scores[0].strikes]
    wanted = [strike.velocity for strike in scores[0].strikes]
    np.testing.assert_allclose(truth.velocities, wanted, atol=0.5001e-3)
    assert path.read_text().startswith("time_secs,note,velocity\n0.")
    assert len(path.read_text().splitlines()[1].split(",")[0].split(".")[1]) == 4
