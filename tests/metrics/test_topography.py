import numpy as np
import pytest
import scipy.stats
from scipy.spatial.distance import cdist, pdist

from wyh.errors import WyhError
from wyh.metrics.topography import distance_agreement, trustworthiness


@pytest.fixture
def pictures(rng):
    return rng.random((40, 4, 5, 3)).astype(np.float32)


def test_agreement_as_scipy_has_it(rng, pictures):
    features = pictures.reshape(40, -1)[:, :6] + 0.2 * rng.random((40, 6)).astype(np.float32)
    expected = scipy.stats.spearmanr(pdist(pictures.reshape(40, -1)), pdist(features)).statistic
    assert 0.1 < expected < 0.9
    assert distance_agreement(pictures, features) == pytest.approx(expected, abs=1e-9)


def test_agreement_has_its_floor_and_its_ceiling(rng, pictures):
    flat = pictures.reshape(40, -1)
    assert distance_agreement(pictures, 7 * flat[:, ::-1] + 1) == pytest.approx(1)
    unrelated = [distance_agreement(pictures, rng.random((40, 8))) for _ in range(20)]
    assert abs(np.mean(unrelated)) < 0.05
    # Nothing moves but what was near is far: pictures along a line, sounds along a circle.
    line = np.linspace(0, 1, 40).reshape(40, 1, 1, 1)
    turn = 2 * np.pi * line.reshape(40, 1)
    assert 0 < distance_agreement(line, np.hstack([np.cos(turn), np.sin(turn)])) < 0.8


def test_where_nothing_changes_nothing_agrees(rng, pictures):
    assert distance_agreement(pictures, np.full((40, 3), 0.1)) == 0
    assert distance_agreement(np.repeat(pictures[:1], 40, axis=0), rng.random((40, 3))) == 0
    assert distance_agreement(pictures[:1], rng.random((1, 3))) == 0
    assert distance_agreement(pictures[:2], rng.random((2, 3))) == 0


def test_pictures_that_come_again_are_at_no_distance(rng, pictures):
    twice = np.concatenate([pictures, pictures])
    features = rng.random((80, 3))
    expected = scipy.stats.spearmanr(pdist(twice.reshape(80, -1)), pdist(features)).statistic
    assert distance_agreement(twice, features) == pytest.approx(expected, abs=1e-9)


def test_of_many_pictures_some_are_drawn(rng):
    pictures = rng.random((300, 2, 2, 1))
    features = pictures.reshape(300, -1) + 0.1 * rng.random((300, 4))
    exact = distance_agreement(pictures, features)
    assert distance_agreement(pictures, features, max_pairs=300 * 299 // 2) == exact
    some = distance_agreement(pictures, features, max_pairs=5000)
    assert some != exact
    assert some == pytest.approx(exact, abs=0.05)
    assert some == distance_agreement(pictures, features, max_pairs=5000)
    other = np.random.default_rng(9)
    assert some != distance_agreement(pictures, features, max_pairs=5000, rng=other)


def trust_one_by_one(seen, heard, k):
    n, penalty = len(seen), 0
    for i in range(n):
        others = [j for j in range(n) if j != i]
        by_picture = sorted(others, key=lambda j: seen[i, j])
        by_sound = sorted(others, key=lambda j: heard[i, j])
        penalty += sum(max(0, by_picture.index(j) + 1 - k) for j in by_sound[:k])
    return 1 - 2 * penalty / (n * k * (2 * n - 3 * k - 1))


@pytest.mark.parametrize("k", [1, 5, 10])
def test_trustworthiness_one_by_one(rng, pictures, k):
    flat = pictures.reshape(40, -1)
    features = flat[:, :9] + 0.3 * rng.random((40, 9)).astype(np.float32)
    expected = trust_one_by_one(cdist(flat, flat), cdist(features, features), k)
    assert trustworthiness(pictures, features, k) == pytest.approx(expected)


def test_trustworthiness_has_its_floor_and_its_ceiling(rng, pictures):
    assert trustworthiness(pictures, pictures.reshape(40, -1)) == 1
    chance = [trustworthiness(pictures, rng.random((40, 5))) for _ in range(10)]
    expected = 1 - (40 - 11) * (40 - 10) / ((40 - 1) * (80 - 31))  # towards 1/2 for many pictures
    assert np.mean(chance) == pytest.approx(expected, abs=0.02)
    # The worst: k = 1 and the nearest sound is always that of the farthest picture.
    line = np.array([0.0, 1.0, 5.0]).reshape(3, 1, 1, 1)
    assert trustworthiness(line, np.array([[0.0], [9.0], [0.1]]), k=1) == pytest.approx(
        trust_one_by_one(cdist(line[:, 0, 0], line[:, 0, 0]), cdist(*[[[0.0], [9], [0.1]]] * 2), 1)
    )


def test_too_few_pictures_for_their_neighbours(pictures):
    with pytest.raises(WyhError, match="got 20 pictures, wanted more than 20 for 10 neighbours"):
        trustworthiness(pictures[:20], pictures[:20].reshape(20, -1))
