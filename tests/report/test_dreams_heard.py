"""What is played through a hallucination, and what is made of its pictures: exact truths."""

from dataclasses import replace

import numpy as np
import pytest

from tests.named_sounds import RATE
from wyh.report.dreams_heard import Heard, Watched, alarms_of, heard_of
from wyh.report.dreams_heard_rows import shuffled_share
from wyh.report.dreams_track import (
    AFTER_SECS,
    BEFORE_SECS,
    QUIET_SECS,
    Track,
    audible,
    track_of,
)

pytestmark = pytest.mark.usefixtures("quickly")


def test_when_a_sound_can_be_heard():
    sound = np.zeros(RATE, np.float32)
    sound[2000:4000] = 0.5
    sound[4000:6000] = 1e-3  # far under its loudest
    assert audible(sound, RATE) == pytest.approx((0.25, 0.5))
    assert audible(np.zeros(RATE, np.float32), RATE) == (0.0, 1.0)


def test_a_track_is_sounds_in_silence_then_noise():
    sound = np.full(800, 0.5, np.float32)
    track = track_of([sound, sound], np.array([1, 0]), RATE, 1)
    each = BEFORE_SECS + 0.1 + AFTER_SECS
    np.testing.assert_allclose(track.begins, [BEFORE_SECS, each + BEFORE_SECS])
    np.testing.assert_allclose(track.ends, track.begins + 0.1)
    for begin, end in zip(track.begins, track.ends, strict=True):
        assert (track.waveform[round(begin * RATE) : round(end * RATE)] == 0.5).all()
    assert track.quiet.shape == (10, 2)
    np.testing.assert_allclose(track.quiet[:, 1] - track.quiet[:, 0], QUIET_SECS)
    level = [track.waveform[int(a * RATE) : int(b * RATE)].std() for a, b in track.quiet]
    assert level[0] == 0 and min(level[1:]) > 0
    assert len(track.waveform) == round((track.quiet[-1, 1] + AFTER_SECS) * RATE)


def watched_of(*said, rate=25):
    """Pictures of (seconds, class seen or None where dark), one stretch after another."""
    seen = [label for secs, label in said for _ in range(round(secs * rate))]
    likely = np.array([np.eye(3, dtype=np.float32)[label or 0] for label in seen])
    lit = np.array([label is not None for label in seen])
    return Watched(np.arange(len(seen)) / rate, likely, lit, {})


TRACK = Track(
    np.zeros(1, np.float32),
    np.array([1, 2, 0]),
    np.array([0.5, 2.5, 4.5]),
    np.array([1.0, 3.0, 5.0]),
    np.array([[7.0, 9.0]]),
    RATE,
)


def test_what_came_of_each_sound():
    watched = watched_of((0.8, None), (1.2, 1), (1.2, None), (0.8, 2), (4.0, None))
    heard = heard_of(TRACK, watched, np.eye(3, dtype=np.float32))
    assert heard.seen.tolist() == [1, 2, -1], "one is dark, which is no class"
    assert heard.right.tolist() == [True, True, False]
    np.testing.assert_allclose(heard.delay_ms, [-200, 200, 1000 * AFTER_SECS], atol=1e-6)


def test_one_right_picture_is_chance_and_most_of_them_count():
    watched = watched_of((1.0, 0), (0.04, 1), (0.2, 2), (0.6, 1), (6.0, None))
    heard = heard_of(TRACK, watched, np.eye(3, dtype=np.float32))
    assert heard.seen[0] == 1
    assert heard.delay_ms[0] == pytest.approx(240)


def test_another_class_may_stand_for_what_is_heard():
    watched = watched_of((0.6, None), (1.4, 0), (6.0, None))
    shown = np.array([[0, 0, 1], [1, 0, 0], [0, 1, 0]], np.float32)
    heard = heard_of(TRACK, watched, shown)
    assert heard.right.tolist() == [True, False, False]
    assert heard.delay_ms[0] == pytest.approx(-400)


def test_other_sounds_have_the_right_picture_by_chance():
    labels, when = np.repeat([0, 1, 2], 100), np.zeros(300)
    track = replace(TRACK, labels=labels, begins=when, ends=when)
    seen = track.labels.copy()
    heard = Heard(seen, np.ones(300, bool), np.zeros(300))
    assert shuffled_share(track, heard, np.eye(3, dtype=np.float32)) == pytest.approx(
        1 / 3, abs=0.02
    )
    dark = heard._replace(seen=np.full(300, -1))
    assert shuffled_share(track, dark, np.eye(3, dtype=np.float32)) == 0


def test_false_alarms_are_pictures_that_are_not_dark():
    watched = watched_of((6.0, 1), (1.0, None), (0.5, 2), (2.0, None))
    assert alarms_of(TRACK, watched) == pytest.approx((0.25, 0, 1), abs=0.02)
    assert alarms_of(TRACK, watched_of((10.0, None))) == (0, 0, 0)
