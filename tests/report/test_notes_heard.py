"""The sound of seen notes is what is rendered, and begins when it is said to begin."""

import numpy as np
import pytest

from tests.report.strikers import (
    RATE,
    READER,
    STRIKES,
    VIDEO,
    make_watching_run,
    struck_sound,
    write_struck,
)
from wyh import knobs
from wyh.metrics.notes import events_of
from wyh.report.notes_films import take_of
from wyh.report.notes_heard import (
    begun_of,
    compiled_of,
    first_of,
    nearest_pairs,
    quantile_ms,
    sound_of,
    streaming_gap,
    true_controls,
)
from wyh.report.notes_seen import controls_of, fresh
from wyh.transducers.kinds import load_player
from wyh.transducers.offline import sonify


@pytest.fixture(scope="module")
def take(tmp_path_factory):
    return take_of(write_struck(tmp_path_factory.mktemp("film") / "a.mp4"), VIDEO, READER)


@pytest.fixture(scope="module")
def player(tmp_path_factory):
    return load_player(make_watching_run(tmp_path_factory.mktemp("runs") / "run"))


def test_each_is_matched_once_nearest_first():
    found, true = np.array([0.08, 0.11, 0.5, 1.0]), np.array([0.1, 0.13, 0.8, 1.05])
    errors = nearest_pairs(found, true, 0.06)
    np.testing.assert_allclose(np.sort(errors), [-0.05, -0.05, 0.01], atol=1e-9)
    assert len(nearest_pairs(found[:0], true, 0.06)) == 0


def test_what_begins_together_is_one():
    times = np.array([0.3, 0.0, 0.02, 0.34, 0.06])
    np.testing.assert_array_equal(first_of(times), [0.0, 0.06, 0.3])


def test_nothing_heard_is_as_late_as_can_be():
    assert quantile_ms(np.zeros(0), 0.95) == 100
    assert quantile_ms(np.array([-3.0, 1.0, 2.0]), 0.5) == 2


def test_sounds_begin_when_they_are_struck(take):
    late = round(0.03 * RATE)
    sound = struck_sound()
    moved = np.concatenate([np.zeros(late, np.float32), sound])[: len(sound)]
    for heard, off_ms in ((sound, 0), (moved, 30)):
        begun = begun_of([heard], [take], READER)
        assert (begun.strikes, begun.notes) == (4, 5)
        assert len(begun.struck_ms) == 5 and len(begun.errors_ms) == 4
        np.testing.assert_allclose(begun.struck_ms, off_ms, atol=6)
        np.testing.assert_allclose(begun.errors_ms, off_ms, atol=15)
    silent = begun_of([np.zeros_like(sound)], [take], READER)
    assert not len(silent.struck_ms) and not len(silent.errors_ms)
    half = begun_of([sound], [take._replace(measured=np.arange(75) < 30)], READER)
    assert (half.strikes, half.notes, len(half.struck_ms)) == (2, 2, 2)


def test_true_controls_say_what_was_struck(take):
    controls = true_controls(take, READER, 1)
    events = events_of(
        controls.strikes.onset[0, 1:], controls.strikes.offset[0, 1:], READER.hz, 25.0
    )
    np.testing.assert_allclose(events.times_secs, [at for at, _, _ in STRIKES], atol=1e-6)
    np.testing.assert_array_equal(controls.value[0, 1:], take.amplitude[:-1])
    np.testing.assert_array_equal(controls.previous[:, 1:], controls.value[:, :-1])
    for now, before in zip(controls.strikes, controls.previous_strikes, strict=True):
        np.testing.assert_array_equal(before[:, 1:], now[:, :-1])


def test_true_notes_sound_when_they_are_struck(take, player):
    spec = player.transducer.spec
    controls = true_controls(take, READER, 1)
    sound = sound_of(compiled_of(player), player.variables, spec, controls)
    assert len(sound) == len(take.frames) * RATE // 25
    begun = begun_of([sound], [take], READER)
    assert len(begun.struck_ms) == 5
    assert quantile_ms(begun.struck_ms, 0.95) < 10


def test_the_sound_is_what_is_rendered(take, player):
    compiled, variables = compiled_of(player), player.variables
    controls = controls_of(compiled, variables, take.frames)
    sound = sound_of(fresh(compiled), variables, player.transducer.spec, controls)
    wanted = sonify(player.transducer, variables, [take.frames], knobs.defaults())
    np.testing.assert_allclose(sound, np.concatenate(list(wanted)), atol=1e-6)


def test_one_picture_at_a_time_is_what_many_at_once_are(take, player):
    controls = controls_of(compiled_of(player), player.variables, take.frames)
    assert streaming_gap(player, take.frames[:12], controls) < 1e-5
    other = np.array(controls.value)
    other[0, 7, 1] += 0.5
    gap = streaming_gap(player, take.frames[:12], controls._replace(value=other))
    assert gap == pytest.approx(0.5, abs=1e-5)
