"""Details of pictures, against SciPy and pictures whose differences are known."""

import numpy as np
import pytest
from scipy.stats import wasserstein_distance

from wyh.metrics import details
from wyh.metrics.details import detail_distances, sliced


@pytest.fixture
def pictures(rng):
    """Noise of all sizes, in colour."""
    coarse = rng.random((40, 8, 8, 3)).repeat(8, axis=1).repeat(8, axis=2)
    return 0.5 * coarse + 0.5 * rng.random((40, 64, 64, 3))


def apart(made, real):
    return detail_distances(made, real, np.random.default_rng(1))


def test_lines_against_scipy(rng, monkeypatch):
    monkeypatch.setattr(details, "LINES", 5)
    some, others = rng.standard_normal((200, 7)), rng.standard_normal((200, 7)) + 0.3
    lines = np.random.default_rng(3).standard_normal((7, 5)).astype(np.float32)
    lines /= np.linalg.norm(lines, axis=0)
    wanted = np.mean([wasserstein_distance(some @ line, others @ line) for line in lines.T])
    assert sliced(some, others, np.random.default_rng(3)) == pytest.approx(wanted, rel=1e-5)
    assert sliced(some, some[::-1], rng) == pytest.approx(0, abs=1e-6)


def test_each_size_has_its_own_detail(pictures):
    halves = apart(pictures[:20], pictures[20:])
    assert halves.shape == (3,)  # 64, 32 and 16 pixels
    assert np.all(halves < 80)
    blurred = pictures.reshape(40, 32, 2, 32, 2, 3).mean(axis=(2, 4)).repeat(2, 1).repeat(2, 2)
    fine = apart(blurred[:20], pictures[20:])
    assert fine[0] > 300  # nothing is left of it
    np.testing.assert_allclose(fine[1:], halves[1:], atol=10)
    bright = apart(pictures[:20] + 0.2, pictures[20:])
    np.testing.assert_allclose(bright[:2], halves[:2], atol=10)
    assert bright[2] > 200  # which only the smallest shows


def test_contrast_counts_and_numbers_do_not(pictures):
    flat = apart(0.5 + 0.5 * (pictures[:20] - 0.5), pictures[20:])
    assert np.all(flat > 100)
    np.testing.assert_allclose(
        apart(pictures[:5], pictures[20:]), apart(pictures[:20], pictures[20:]), atol=60
    )


def test_pictures_without_detail_are_alike():
    grey = np.full((3, 32, 32, 1), 0.5)
    assert apart(grey, grey).tolist() == [0, 0]
