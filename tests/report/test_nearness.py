"""How near sounds are to true ones, against their parts."""

import numpy as np
import pytest

from wyh.metrics.intervals import Interval
from wyh.metrics.spectral import log_spectral_distance_db, loudness_error_lu
from wyh.report.nearness import MEASURES, Nearness, ahead_percent, nearness, pooled_distance
from wyh.wave_losses import multi_resolution_stft

RATE = 8000


@pytest.mark.soak
def test_each_sound_by_itself_whatever_their_number(rng):
    true = (0.1 * rng.standard_normal((18, RATE))).astype(np.float32)
    made = (0.1 * rng.standard_normal((18, RATE))).astype(np.float32)
    made[7] = true[7]
    near = nearness(made, true, RATE)
    wanted = [float(multi_resolution_stft(made[i], true[i])) for i in (0, 17)]
    np.testing.assert_allclose(near.distance[[0, 17]], wanted, rtol=1e-4)
    wanted = [float(log_spectral_distance_db(made[i], true[i])) for i in (0, 17)]
    np.testing.assert_allclose(near.spectrum_db[[0, 17]], wanted, rtol=1e-4)
    wanted = float(loudness_error_lu(made[3], true[3], RATE))
    assert near.loudness_lu[3] == pytest.approx(wanted, abs=1e-3)
    assert near.distance.shape == (18,) and near.distance[7] < 1e-3
    assert near.centroid_octaves[7] == 0


@pytest.mark.soak
def test_what_is_nearly_silent_counts_for_what_it_is(rng):
    """All sounds as one: the distance is that of the joined sound, but for its joints."""
    true = (0.1 * rng.standard_normal((4, 4 * RATE))).astype(np.float32)
    true[2] *= 1e-3
    made = (0.1 * rng.standard_normal((4, 4 * RATE))).astype(np.float32)
    near = nearness(made, true, RATE)
    joined = float(multi_resolution_stft(made.ravel(), true.ravel()))
    assert pooled_distance(near.apart) == pytest.approx(joined, rel=0.01)
    assert np.mean(near.distance) > 10 * joined


def clicks(*at):
    sound = np.zeros(RATE, np.float32)
    sound[[round(secs * RATE) for secs in at]] = 0.8
    return sound


def test_onsets_are_counted_over_all_but_for_the_cut():
    true = np.stack([clicks(0.3, 0.7), clicks(0.02, 0.5)])
    made = np.stack([clicks(0.32, 0.8), clicks(0.02, 0.54)])
    near = nearness(made, true, RATE)
    np.testing.assert_allclose(near.matched, [1, 1])
    np.testing.assert_allclose(near.events, [4, 2])
    f1 = MEASURES[-1]
    assert f1.value(near) == pytest.approx(2 * 2 / 6)
    silent = nearness(np.zeros_like(true), true, RATE)
    assert f1.value(silent) == 0
    assert f1.value(nearness(np.zeros_like(true), np.zeros_like(true), RATE)) == 1


def of_distances(*values):
    zero = np.zeros(len(values))
    apart = np.zeros((len(values), 3, 4))
    apart[:, 1], apart[:, 2] = 1.0, np.array(values, float)[:, None]
    return Nearness(apart, zero, zero, zero, zero, zero)


def test_ahead_of_the_best_of_others():
    own = of_distances(1, 2, 1, 2)
    far, best = of_distances(4, 4, 4, 4), of_distances(2, 4, 2, 4)
    found = ahead_percent(own, [far, best])
    # Every second is twice as near as the best: whichever are drawn, that holds.
    assert found == Interval(*3 * [pytest.approx(50, abs=1e-3)])
    assert ahead_percent(own, [own]).value == 0
    low, high = ahead_percent(of_distances(1, 2, 3, 9), [of_distances(2, 2, 2, 2)])[1:]
    assert low < -50 and high > 0


def test_the_mean_with_others():
    mean = of_distances(1, 2).mean([of_distances(3, 4), of_distances(5, 6)])
    np.testing.assert_allclose(mean.distance, [3, 4], atol=1e-4)
