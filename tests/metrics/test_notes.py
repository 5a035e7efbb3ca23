import itertools

import numpy as np
import pytest

from wyh.metrics.notes import (
    Events,
    amplitude_error,
    events_of,
    frame_f1,
    note_f1,
    onset_f1,
    skill,
)

NONE = Events(np.zeros(0), np.zeros(0))
HZ = np.array([370.0, 415.0, 466.0])


def events(*pairs):
    times, hz = zip(*pairs, strict=True)
    return Events(np.array(times, float), np.array(hz, float))


def brute_force(found, true, within_secs, cents):
    """The most pairs that any assignment has."""
    near = [
        [abs(t - u) <= within_secs + 1e-9 and abs(1200 * np.log2(f / g)) <= cents + 1e-6
         for u, g in zip(*true, strict=True)]
        for t, f in zip(*found, strict=True)
    ]  # fmt: skip
    if len(near) > len(true.hz):
        near = [list(column) for column in zip(*near, strict=True)]
    chosen = itertools.permutations(range(max(len(found.hz), len(true.hz))), len(near))
    return max(sum(near[i][j] for i, j in enumerate(order)) for order in chosen)


def test_as_many_notes_are_matched_as_can_be(rng):
    for _ in range(60):
        sizes = rng.integers(1, 7, 2)
        found, true = (
            Events(rng.uniform(0, 0.25, n), 440 * 2 ** (rng.integers(-60, 60, n) / 1200))
            for n in sizes
        )
        matched = brute_force(found, true, 0.05, 50)
        expected = (matched / sizes[0], matched / sizes[1], 2 * matched / sizes.sum())
        assert note_f1(found, true) == pytest.approx(expected)


def test_a_nearer_note_does_not_take_what_another_needs():
    true = events((1.00, 440), (1.06, 440))
    found = events((1.04, 440), (1.10, 440))  # the first is nearer to the second true one
    assert note_f1(found, true).f1 == 1


def test_the_edges_of_the_tolerances_are_within():
    true = events((0.3, 440.0))
    assert note_f1(events((0.35, 440 * 2 ** (50 / 1200))), true).f1 == 1
    assert note_f1(events((0.25, 440 * 2 ** (-50 / 1200))), true).f1 == 1
    assert note_f1(events((0.351, 440)), true).f1 == 0
    assert note_f1(events((0.3, 440 * 2 ** (51 / 1200))), true).f1 == 0


def test_nothing_found_and_nothing_true():
    some = events((1, 440), (2, 440))
    assert note_f1(NONE, NONE) == (1, 1, 1)
    assert note_f1(NONE, some) == (1, 0, 0)
    assert note_f1(some, NONE) == (0, 1, 0)
    assert onset_f1(NONE, NONE) == {0.025: 1, 0.05: 1, 0.1: 1}
    assert set(onset_f1(NONE, some).values()) == {0}


def test_onsets_count_whatever_the_note_in_any_order():
    true = events((2.0, 440), (1.0, 880), (3.0, 300))
    found = events((3.08, 440), (1.02, 440), (2.04, 440))
    assert onset_f1(found, true) == pytest.approx({0.025: 1 / 3, 0.05: 2 / 3, 0.1: 1})
    assert onset_f1(found, true, (0.01,)) == {0.01: 0}


def test_frames_are_counted_one_by_one(rng):
    found, true = rng.random((2, 40, 5)) < 0.3
    hits = sum(f and t for f, t in zip(found.ravel(), true.ravel(), strict=True))
    expected = (hits / found.sum(), hits / true.sum(), 2 * hits / (found.sum() + true.sum()))
    assert frame_f1(found, true) == pytest.approx(expected)
    assert frame_f1(true, true) == (1, 1, 1)
    assert frame_f1(true & False, true & False) == (1, 1, 1)
    assert frame_f1(true & False, true) == (1, 0, 0)


def test_skill_is_over_the_constant_of_training(rng):
    true = rng.random((200, 4))
    mean = true.mean(axis=0)
    assert skill(true, true, mean) == 1
    assert skill(np.tile(mean, (200, 1)), true, mean) == 0
    half = true + (mean[None] - true) * 0.5
    assert skill(half, true, mean) == pytest.approx(0.75)
    off = mean + 0.2  # the means of training differ, and so the constant errs more
    error = np.mean((half - true) ** 2) / np.mean((off[None] - true) ** 2)
    assert skill(half, true, off) == pytest.approx(1 - error)


def test_skill_where_the_constant_is_right():
    silent = np.zeros((3, 2))
    assert skill(silent, silent, np.zeros(2)) == 1
    assert skill(silent + 1, silent, np.zeros(2)) == -np.inf


def test_the_error_of_amplitudes():
    true = np.zeros((4, 2), np.float32)
    found = true.copy()
    found[1, 0] = 0.4
    assert amplitude_error(found, true) == pytest.approx(np.sqrt(0.16 / 8))


def test_events_lie_within_their_frames():
    onset, offset = np.zeros((50, 3)), np.zeros((50, 3))
    onset[[0, 10, 10, 49], [0, 1, 2, 1]] = 0.9, 0.8, 0.6, 0.5
    offset[[0, 10, 10, 49], [0, 1, 2, 1]] = -0.5, 0.25, -0.25, 0.5
    found = events_of(onset, offset, HZ, 25.0)
    np.testing.assert_allclose(found.times_secs, [0, 10.25 / 25, 10.75 / 25, 2.0])
    np.testing.assert_allclose(found.hz, HZ[[0, 2, 1, 1]])
    assert len(events_of(onset, offset, HZ, 25.0, threshold=0.7).hz) == 2
    assert len(events_of(onset, offset, HZ, 25.0, threshold=0.95).hz) == 0
    assert len(events_of(onset[:0], offset[:0], HZ, 25.0).hz) == 0


def test_one_strike_in_neighbouring_frames_is_one():
    onset = np.zeros((30, 3))
    onset[5:8, 0] = 0.6, 0.9, 0.7
    onset[15:17, 0] = 0.8  # equals: the earlier
    found = events_of(onset, np.zeros((30, 3)), HZ, 25.0)
    np.testing.assert_allclose(found.times_secs, [6.5 / 25, 15.5 / 25])


def test_strikes_of_one_note_are_apart():
    onset, offset = np.zeros((30, 3)), np.zeros((30, 3))
    onset[[4, 6], 0] = 0.7, 0.9  # 48 ms apart: the likelier counts
    offset[[4, 6], 0] = 0.4, -0.4
    onset[[10, 12], 0] = 0.7, 0.9  # 64 ms
    offset[[10, 12], 0] = 0.2, -0.2
    onset[[20, 21], [1, 2]] = 0.9  # of two notes
    found = events_of(onset, offset, HZ, 25.0)
    np.testing.assert_allclose(found.times_secs * 25 - 0.5, [5.6, 10.2, 11.8, 20, 21])


def test_what_is_predicted_exactly_is_found_exactly(rng):
    times = np.cumsum(rng.uniform(0.05, 0.3, 80))
    notes = rng.integers(0, 3, 80)
    kept = [i for i in range(80) if not any(
        notes[j] == notes[i] and times[i] - times[j] < 0.125 for j in range(i)
    )]  # fmt: skip
    times, notes = times[kept], notes[kept]
    onset, offset = np.zeros((2, int(times.max() * 25) + 2, 3))
    frames = (times * 25).astype(int)
    onset[frames, notes] = 0.9
    offset[frames, notes] = times * 25 - frames - 0.5
    found = events_of(onset, offset, HZ, 25.0)
    assert note_f1(found, Events(times, HZ[notes]), within_secs=1e-6).f1 == 1
