import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.named_sounds import make_sound_set
from wyh.classifying import (
    Classifying,
    Figures,
    Held,
    Targets,
    any_heard,
    confusion_picture,
    figures_of,
    logits_of,
    nothing_to_hear,
    of_sounds,
    only_what_is_heard,
    targets_of,
    tuned,
)
from wyh.metrics.classes import log_softmax
from wyh.models.sound_classifier import ClassifierConfig, Recogniser
from wyh.signal.features import FeatureConfig

HEARD = FeatureConfig(
    sample_rate=8000, win_length=240, hop_length=80, n_fft=512, bands=12, low_hz=60.0
)
TINY = ClassifierConfig(HEARD, channels=(6, 6), memory=6)


@pytest.fixture(scope="module")
def sounds(tmp_path_factory):
    return make_sound_set(tmp_path_factory.mktemp("sounds") / "set", windows=2)


@pytest.fixture(scope="module")
def learned(sounds):
    windows = sounds.waveforms(range(8))[:, : 12 * TINY.block]
    return Classifying.of(Recogniser(TINY, 3), 3, windows)


@pytest.fixture(scope="module")
def params(learned):
    return learned.init(jax.random.key(0))


def loud_at(ticks, *loud, level=0.1, block=10):
    sound = np.zeros((ticks, block), np.float32)
    sound[list(loud)] = level
    return sound.ravel()


def said(*windows, labels=(2, 0), tick_secs=0.05):
    sound = jnp.asarray(np.stack(windows))[None]
    labels = jnp.asarray(labels[: len(windows)])[None]
    likely, weight = targets_of(sound, labels, 4, 10, tick_secs)
    assert likely.shape == (1, weight.shape[1], 5)
    np.testing.assert_array_equal(np.asarray(likely).sum(axis=-1), 1)
    return np.asarray(likely.argmax(axis=-1))[0].tolist(), np.asarray(weight)[0]


def test_a_class_is_said_while_it_is_heard_and_shortly_after():
    labels, weight = said(loud_at(20, 3, 4, 5))
    # 0.25 s after it are five ticks of 0.05 s; up to 0.4 s either is right; then nothing is.
    assert labels == [4] * 3 + [2] * 8 + [4] * 9
    np.testing.assert_allclose(weight[:3], 1)
    np.testing.assert_allclose(weight[3:11], np.minimum(np.arange(1, 9) / 6, 1), rtol=1e-5)
    np.testing.assert_allclose(weight[11:], [0, 0, 0, 1, 1, 1, 1, 1, 1])


def test_gaps_within_a_sound_do_not_end_it():
    labels, weight = said(loud_at(20, 2, 5, 6))
    assert labels[2:12] == [2] * 10
    np.testing.assert_allclose(weight[2:8], np.arange(1, 7) / 6, rtol=1e-5)
    apart, again = said(loud_at(20, 1, 11))  # one more sound of the class
    assert apart[7] == 4 and apart[11] == 2 and again[11] == pytest.approx(1 / 6)


def test_one_window_after_the_other():
    labels, weight = said(loud_at(6, 3, 4, 5), loud_at(10, 0, 1)[:60])
    assert labels == [4, 4, 4, 2, 2, 2, 0, 0, 0, 0, 0, 0]
    assert weight[6] == pytest.approx(1 / 6)  # the next is another sound
    labels, _ = said(loud_at(6, 5), loud_at(6, 4, level=0.001))  # each has its own peak
    assert labels == [4] * 5 + [2] * 5 + [0, 0]


def test_what_is_too_quiet_is_nothing():
    assert said(loud_at(8, 2, level=1e-5))[0] == [4] * 8
    assert said(loud_at(8))[0] == [4] * 8
    one, quiet = loud_at(8, 2), loud_at(8, 6, level=0.001)
    assert said(one + quiet, tick_secs=0.2)[0] == [4, 4, 2, 2, 4, 4, 4, 4]


def test_what_is_mixed_is_nothing_only_where_none_is_heard():
    likely = jnp.array([[[0.75, 0, 0.25], [0.6, 0.4, 0], [0, 0, 1], [0, 0.3, 0.7]]])
    found = only_what_is_heard(Targets(likely, jnp.ones((1, 4))))
    np.testing.assert_allclose(found.likely[0], [[1, 0, 0], [0.6, 0.4, 0], [0, 0, 1], [0, 1, 0]])


def test_features_are_normalised_by_what_is_heard(sounds, learned):
    recogniser = learned.recogniser
    windows = jnp.asarray(sounds.waveforms(range(8))[:, : 12 * TINY.block])
    columns = np.asarray(recogniser.features(recogniser.init(8).sound, windows)[1])
    heard = columns[columns.mean(axis=-1) > -70]
    assert len(heard) < columns.shape[0] * columns.shape[1] / 2
    np.testing.assert_allclose(learned.mean, heard.mean(axis=0), rtol=1e-4)
    np.testing.assert_allclose(learned.std, np.maximum(heard.std(axis=0), 1), rtol=1e-4)
    silent = Classifying.of(recogniser, 3, np.zeros((2, 12 * TINY.block), np.float32))
    assert np.isfinite(silent.mean).all() and (silent.std == 1).all()


def test_windows_are_asked_in_parts_of_one_size(learned, params, rng):
    windows = (0.1 * rng.standard_normal((70, 4 * TINY.block))).astype(np.float32)
    found = logits_of(learned, params, windows)
    assert found.shape == (70, 4, 4)
    variables, recogniser = learned.variables(params), learned.recogniser
    _, wanted = recogniser.logits(variables, recogniser.init(2), jnp.asarray(windows[68:]))
    np.testing.assert_allclose(found[68:], wanted, atol=1e-4)


def test_a_sound_is_told_by_what_is_heard_of_all_its_windows():
    sure, unsure = [4.0, 0, 0, -9], [0, 4.0, 0, 9]  # the second: nothing, most likely
    logits = np.array([[sure, unsure], [sure, sure], [unsure, unsure]], np.float32)
    odds = of_sounds(logits, np.array([0, 0, 1]))
    assert odds.shape == (2, 3)
    np.testing.assert_allclose(odds[0], log_softmax(np.array([4.0, 0, 0])), atol=0.02)
    np.testing.assert_allclose(odds[1], log_softmax(np.array([0, 4.0, 0])), atol=1e-4)


def test_held_sounds(sounds):
    held = Held.of(sounds, np.array([2, 3, 4, 16, 17]), 1000)
    assert held.windows.shape == (5, 1000)
    np.testing.assert_array_equal(held.sound, [0, 0, 1, 2, 2])
    np.testing.assert_array_equal(held.labels, sounds.labels[[2, 3, 4, 16, 17]])
    np.testing.assert_array_equal(held.truth, [0, 0, 2])


def test_temperatures_are_as_they_are_best(sounds, learned, params):
    held = Held.of(sounds, np.arange(24), 12 * TINY.block)
    variables = tuned(learned, params, held)
    logits = logits_of(learned, params, held.windows)
    odds, truth = of_sounds(logits, held.sound), held.truth
    rows = np.arange(len(truth))

    def unlikely(temperature):
        return -log_softmax(odds / temperature)[rows, truth].mean()

    best = float(variables["sound_temperature"])
    assert unlikely(best) <= min(unlikely(t) for t in (0.05, 0.3, 0.9 * best, 1, 1.1 * best, 20))
    assert variables.keys() == {"params", "mean", "std", "temperature", "sound_temperature"}
    assert np.isfinite(variables["temperature"])


def test_figures(sounds, learned, params):
    held = Held.of(sounds, np.arange(48), 12 * TINY.block)
    found = figures_of(learned, tuned(learned, params, held), held)
    odds = of_sounds(logits_of(learned, params, held.windows), held.sound)
    assert found.accuracy == pytest.approx((odds.argmax(axis=1) == held.truth).mean())
    assert found.confusion.sum() == 24
    numbers = found.numbers("val_")
    assert {"val_accuracy", "val_macro_f1", "val_calibration_error"} <= numbers.keys()
    assert "val_confusion" not in numbers and len(numbers) == len(vars(found)) - 1
    assert all(0 <= value <= 1 for value in numbers.values())
    assert isinstance(found, Figures)


def test_something_is_heard_where_a_class_is_likely_at_any_tick():
    quiet = [0.0, 0, 5]
    logits = np.array([[quiet, quiet], [quiet, [5.0, 0, 0]], [quiet, [3.0, 2.9, 0]]], np.float32)
    np.testing.assert_array_equal(any_heard(logits, 1.0), [False, True, True])
    np.testing.assert_array_equal(any_heard(logits, 1000.0), [True] * 3)  # two of three at 1/3


def test_nothing_to_hear():
    found = nothing_to_hear(800)
    assert found.shape == (46, 800) and not found[0].any()
    levels = 10 * np.log10(2 * np.square(found[1:]).mean(axis=1))
    np.testing.assert_allclose(levels, np.tile(np.repeat([-60, -40, -20], 5), 3), atol=0.01)


def test_a_picture_of_what_is_told_as_what():
    picture = confusion_picture(np.array([[3, 1], [0, 0]]), 2)
    assert picture.shape == (4, 4, 1) and picture.dtype == np.uint8
    np.testing.assert_array_equal(picture[..., 0][::2, ::2], [[191, 64], [0, 0]])
