"""Closed-form listeners on sounds whose pictures are known."""

from fractions import Fraction

import numpy as np
import pytest

from tests.report.conftest import SOUND, VIDEO, moving_pictures
from wyh import baselines
from wyh.metrics.intervals import Interval
from wyh.metrics.pictures import gain_db
from wyh.report.contenders import ceilings, pca_sizes, uniform_pca
from wyh.report.decode import Gallery, Reader, Score, Sounds, best, mono
from wyh.report.findings import Contender
from wyh.report.footage import Footage, Reel
from wyh.transducers.listener import Listener


@pytest.fixture
def gallery():
    frames, seconds = moving_pictures(120), np.arange(120) // 10
    held_out = seconds % 5 == 4
    whole = Reel(frames, seconds)
    footage = Footage(whole.chosen(~held_out), whole.chosen(held_out), "blobs")
    return Gallery(footage, VIDEO, 8000)


def test_what_is_linear_in_the_pictures_is_decoded(gallery, rng):
    mixing = rng.standard_normal((16 * 16 * 3, 40))
    features = [
        pictures.reshape(len(pictures), -1) @ mixing
        for pictures in (gallery.training, gallery.held_out)
    ]
    score = gallery.score(gallery.decode(*features))
    assert score.gain_db.value > 15
    assert score.gain_db.low <= score.gain_db.value <= score.gain_db.high
    assert score.found.value > 0.9


def test_what_knows_nothing_is_the_mean(gallery, rng):
    features = rng.standard_normal((100, 5)), rng.standard_normal((20, 5))
    assert abs(gallery.gain_db(gallery.decode(*features))) < 0.5
    mean = np.broadcast_to(gallery.mean, gallery.held_out.shape)
    assert gallery.score(mean).gain_db.value == 0


def test_points_are_as_far_apart_as_pictures(gallery):
    flat = gallery.held_out.reshape(20, -1)
    points = gallery.places.reshape(20, -1)
    apart = [np.linalg.norm(some[:, None] - some, axis=-1) for some in (flat, points)]
    np.testing.assert_allclose(*apart, atol=1e-4)


def test_neighbouring_seconds_are_joined_where_there_are_many(gallery):
    assert list(np.unique(gallery.groups)) == list(range(10))
    frames = np.repeat(moving_pictures(2), 100, axis=0)
    many = Footage(Reel(frames, np.arange(200) * 7), gallery.footage.held_out, "photos")
    groups = Gallery(many, VIDEO, 8000).groups
    assert len(np.unique(groups)) == 60
    assert np.all(np.diff(groups) >= 0)


def test_readings_are_the_listener_s_at_any_gain(gallery, rng):
    sounds = Sounds(*(rng.standard_normal(n).astype(np.float32) for n in (80_000, 16_000)))
    reader = Reader(Listener(SOUND, VIDEO))
    training, held_out = reader.read(sounds, (100, 20), 0.0)
    assert training.shape == (100, 16) and held_out.shape == (20, 16)  # two windows, eight bands
    louder = Sounds(*(10 * sound for sound in sounds))
    np.testing.assert_allclose(reader.read(louder, (100, 20), 20.0)[0], training, atol=1e-5)


def test_noise_is_20_db_down_in_each_sound(rng):
    sounds = Sounds(np.sin(np.arange(50_000) / 9), 0.01 * np.sin(np.arange(50_000) / 7))
    for clean, noisy in zip(sounds, sounds.noisy(), strict=True):
        assert np.std(noisy - clean) / np.std(clean) == pytest.approx(0.1, rel=0.02)


def test_ceilings_are_what_components_hold(gallery):
    found = ceilings(gallery, baselines.pca(gallery.training, 40))
    assert list(found) == ["pca_40", "pca_32"] == [f"pca_{size}" for size in pca_sizes(40)]
    form = baselines.pca(gallery.training, 32)
    flat = gallery.held_out.reshape(20, -1)
    fitted, *_ = np.linalg.lstsq(form.weights, (flat - form.mean).T, rcond=None)
    decoded = np.clip(form.mean + (form.weights @ fitted).T, 0, 1).reshape(gallery.held_out.shape)
    expected = gain_db(decoded, gallery.held_out, gallery.mean)
    assert found["pca_32"] == pytest.approx(expected, abs=0.05)


def test_stereo_is_heard_as_one(rng):
    sound = rng.standard_normal((10, 2))
    np.testing.assert_allclose(mono(sound), (sound[:, 0] + sound[:, 1]) / 2)
    assert mono(sound[:, 0]) is not None


def contender(name, ks, **gains):
    scores = {
        listener: Score(Interval(gain, gain, gain), Interval(0, 0, 0))
        for listener, gain in gains.items()
    }
    return Contender(name, name, scores, ks)


def test_the_uniform_pca_is_the_best_that_is_uniform():
    plain = contender("pca_64", 0.4, bands=9.0)
    made = contender("pca_64_uniform", 0.08, bands=5.0, mel=6.0)
    kept = contender("pca_32_uniform", 0.04, bands=4.0)
    assert uniform_pca([plain, made, kept]) == (kept, True)
    assert uniform_pca([plain, made]) == (made, False)
    assert best(list(made.scores.values())).gain_db.value == 6.0


def test_frame_rates_of_fractions(gallery):
    assert gallery.mel(np.zeros(8000, np.float32), 5).shape == (5, 40)
    odd = Gallery(gallery.footage, VIDEO.__class__(Fraction(24000, 1001), 16, 16), 8000)
    assert odd.mel(np.zeros(8000, np.float32), 5).shape == (5, 40)
