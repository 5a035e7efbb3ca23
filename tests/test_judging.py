import numpy as np
import pytest

from wyh.errors import WyhError
from wyh.judging import CHECKED, apart, areas, seen_as, train_judge


def bars(count, seed, side=32, channels=1):
    """Pictures with a bright bar across (class 0), down (1) or both (2), in noise."""
    rng = np.random.default_rng(seed)
    pictures = rng.integers(0, 60, (count, side, side, channels)).astype(np.uint8)
    labels = np.arange(count) % 3
    wide = side // 8
    for picture, label in zip(pictures, labels, strict=True):
        at = rng.integers(2 * wide, side - 3 * wide)
        if label != 1:
            picture[at : at + wide] = 220
        if label != 0:
            picture[:, at : at + wide] = 220
    return pictures, labels


@pytest.fixture(scope="module")
def judge():
    return train_judge(*bars(90, 0), 3, steps=25)


def test_a_judge_learns_what_pictures_show(judge):
    pictures, labels = bars(300, 1)  # more than it looks at at once
    said = judge.say(pictures)
    assert said.features.shape[0] == 300 and said.likely.shape == (300, 3)
    np.testing.assert_allclose(said.likely.sum(axis=1), 1, rtol=1e-5)
    assert (said.best == labels).mean() > 0.95


def test_a_judge_takes_pictures_of_any_size_and_colour(judge):
    pictures, labels = bars(60, 2, side=48, channels=3)
    assert (judge.say(pictures).best == labels).mean() > 0.9
    small, labels = bars(6, 3)
    coloured = judge.say(np.repeat(small, 3, axis=-1)).likely
    np.testing.assert_allclose(judge.say(small).likely, coloured, atol=1e-4)


@pytest.mark.parametrize("side", [8, 32, 48, 64, 100])
def test_pictures_are_brought_to_one_size_by_the_mean_of_areas(side, rng):
    weights = areas(side)
    np.testing.assert_allclose(weights.sum(axis=1), 1, rtol=1e-5)
    np.testing.assert_allclose(weights.sum(axis=0), 32 / side, rtol=1e-5)
    picture = rng.integers(0, 256, (2, side, side, 1)).astype(np.uint8)
    seen = seen_as(picture, 1)
    assert seen.shape == (2, 32, 32, 1)
    np.testing.assert_allclose(seen.mean(), picture.mean() / 255, rtol=1e-4)
    if side == 64:
        cells = picture.reshape(2, 32, 2, 32, 2, 1).mean(axis=(2, 4)) / 255
        np.testing.assert_allclose(seen, cells, atol=1e-5)


def test_some_of_each_class_are_kept_to_check_on():
    labels = np.array([0] * 10 + [1] * 2 + [2] * 7)
    trained, checked = apart(labels, ("a", "b", "c"))
    assert not set(trained) & set(checked)
    assert sorted([*trained, *checked]) == list(range(19))
    for label, count in enumerate((10, 2, 7)):
        assert (labels[checked] == label).sum() == -(-count // CHECKED)
        assert (labels[trained] == label).any()


def test_a_class_without_held_out_pictures_is_named():
    with pytest.raises(WyhError, match=r"\(b 1, d 0\), wanted 2 or more .* larger --holdout"):
        apart(np.array([0, 0, 1, 2, 2]), ("a", "b", "c", "d"))
