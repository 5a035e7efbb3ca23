import numpy as np
import pytest

from wyh.metrics.classes import (
    accuracy,
    calibration_error,
    confusion,
    f1_of_classes,
    fit_temperature,
    log_softmax,
    macro_f1,
)

LABELS = np.array([0, 0, 0, 1, 1, 2])
TOLD = np.array([0, 0, 1, 1, 1, 0])


def test_confusion_and_what_follows_from_it_by_hand():
    counts = confusion(LABELS, TOLD, 4)
    np.testing.assert_array_equal(counts[:3, :3], [[2, 1, 0], [0, 2, 0], [1, 0, 0]])
    assert not counts[3].any() and not counts[:, 3].any()
    assert accuracy(counts) == pytest.approx(4 / 6)
    # Precision and recall: 2/3 and 2/3; 2/3 and 1; 0 and 0; the last is nowhere.
    np.testing.assert_allclose(f1_of_classes(counts), [2 / 3, 0.8, 0, np.nan])
    assert macro_f1(counts) == pytest.approx((2 / 3 + 0.8) / 3)


def test_of_none():
    counts = confusion(LABELS[:0], TOLD[:0], 3)
    assert accuracy(counts) == 0 and macro_f1(counts) == 0
    assert calibration_error(np.zeros((0, 3)), LABELS[:0]) == 0
    assert fit_temperature(np.zeros((0, 3)), LABELS[:0]) == 1
    assert fit_temperature(np.zeros((6, 3)), LABELS, np.zeros(6)) == 1


def test_calibration_error_by_hand():
    sure = np.array([0.95, 0.95, 0.95, 0.95, 0.61, 0.62])
    probabilities = np.stack([sure, 1 - sure], axis=1)
    labels = np.array([0, 0, 0, 1, 0, 1])
    # In one bin 3 of 4 are right where 0.95 was said, in the other 1 of 2 where 0.615 was.
    wanted = (4 * (0.95 - 0.75) + 2 * (0.615 - 0.5)) / 6
    assert calibration_error(probabilities, labels) == pytest.approx(wanted)
    assert calibration_error(np.eye(2)[[0, 1, 1]], np.array([0, 1, 1])) == 0
    assert calibration_error(np.eye(2)[[0, 1, 1]], np.array([1, 0, 0])) == 1
    # What lies on an edge between bins belongs to the lower one.
    edge = np.array([[0.6, 0.4], [0.61, 0.39]])
    assert calibration_error(edge, np.array([0, 1]), 5) == pytest.approx((0.4 + 0.61) / 2)


def test_probabilities(rng):
    logits = 100 * rng.standard_normal((4, 3))
    np.testing.assert_allclose(np.exp(log_softmax(logits)).sum(axis=-1), 1)
    np.testing.assert_allclose(log_softmax(np.log([[0.2, 0.3, 0.5]])), np.log([[0.2, 0.3, 0.5]]))


@pytest.mark.parametrize("scale", [0.3, 1.0, 4.0])
def test_the_temperature_undoes_what_odds_were_multiplied_by(scale, rng):
    logits = 2 * rng.standard_normal((20_000, 4))
    likely = np.exp(log_softmax(logits))
    labels = (likely.cumsum(axis=1) < rng.random((len(likely), 1))).sum(axis=1)
    assert fit_temperature(scale * logits, labels) == pytest.approx(scale, rel=0.06)
    wrong = np.concatenate([logits, -9 * logits])
    twice = np.concatenate([labels, labels])
    only = np.repeat([1.0, 0.0], len(labels))
    assert fit_temperature(scale * wrong, twice, only) == pytest.approx(scale, rel=0.06)


def test_a_temperature_lessens_the_calibration_error(rng):
    logits = 2 * rng.standard_normal((5000, 4))
    likely = np.exp(log_softmax(logits))
    labels = (likely.cumsum(axis=1) < rng.random((len(likely), 1))).sum(axis=1)
    before, temperature = np.exp(log_softmax(5 * logits)), fit_temperature(5 * logits, labels)
    after = np.exp(log_softmax(5 * logits / temperature))
    assert calibration_error(before, labels) > 0.1 > 0.03 > calibration_error(after, labels)
