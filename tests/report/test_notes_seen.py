"""What is seen of films is scored as it should be, and references say what they are to say."""

import jax.numpy as jnp
import numpy as np
import pytest

from tests.report.strikers import (
    FRAME_RATE,
    READER,
    VIDEO,
    make_watching_run,
    small_config,
    small_variables,
)
from wyh.metrics.notes import Events
from wyh.models.recurrent import Recurrent, blank
from wyh.played import LOUDEST
from wyh.report.notes_charts import same_strike
from wyh.report.notes_films import Take
from wyh.report.notes_heard import compiled_of
from wyh.report.notes_seen import (
    Seen,
    always,
    controls_of,
    forgetful,
    fresh,
    late_of,
    score_of,
    seen_of,
    shuffled,
    true_events,
)
from wyh.synths.protocol import NoteAmplitudes, Strikes
from wyh.transcript import Transcript
from wyh.transducers.kinds import load_player
from wyh.transducers.recurrent import seen, told

COUNT = 50
CELLS = ((5, 0), (12, 1), (30, 0), (40, 1))  # pictures and notes that are struck
CONSTANT = np.array([0.05, 0.1])


def take_of(cells=CELLS, measured=None):
    """Two seconds in which notes are struck in the middle of pictures."""
    amplitude = np.zeros((COUNT, 2), np.float32)
    for tick, note in cells:
        amplitude[tick : tick + 3, note] = LOUDEST
    times = np.array([(tick + 0.5) / 25 for tick, _ in cells])
    hz = READER.hz[[note for _, note in cells]]
    return Take(
        "film",
        np.zeros((COUNT, *VIDEO.shape), np.uint8),
        np.ones(COUNT, bool) if measured is None else measured,
        np.zeros(16_000, np.float32),
        amplitude,
        Transcript(times, hz, np.ones(len(hz))),
        True,
    )


def perfect(take):
    """What is to be said of such a film."""
    onset = np.zeros((COUNT, 2), np.float32)
    at = np.floor(take.strikes.times_secs * 25).astype(int)
    onset[at, [int(hz == READER.hz[1]) for hz in take.strikes.hz]] = 0.9
    return Seen(take.amplitude.copy(), onset, np.zeros((COUNT, 2), np.float32))


def test_all_that_is_right_scores_one():
    take = take_of()
    score = score_of([perfect(take)], [take], CONSTANT, READER)
    assert score.notes == (1, 1, 1) and score.f1.value == 1 and score.each == [1]
    assert set(score.onsets.values()) == {1.0} and score.sounding == (1, 1, 1)
    assert score.error == 0 and score.skill.value == 1


def test_what_is_missed_and_made_up_is_counted():
    take = take_of()
    said = perfect(take)
    said.onset[12, 1] = 0.4  # missed
    said.onset[20, 0] = said.onset[25, 0] = 0.8  # never struck
    said.offset[30, 0] = 0.5  # 20 ms late
    said.amplitude[:, 0] = 0
    score = score_of([said], [take], CONSTANT, READER)
    assert score.notes.precision == pytest.approx(3 / 5)
    assert score.notes.recall == pytest.approx(3 / 4)
    assert score.f1.value == pytest.approx(2 * 3 / 9)
    assert score.onsets == pytest.approx({0.025: 6 / 9, 0.05: 6 / 9, 0.1: 6 / 9})
    assert score.sounding.recall == pytest.approx(1 / 2) and score.sounding.precision == 1
    truth = take.amplitude
    wrong = np.square(truth[:, 0]).sum()
    assert score.error == pytest.approx(np.sqrt(wrong / truth.size))
    least = np.square(truth - CONSTANT[None]).sum()
    assert score.skill.value == pytest.approx(1 - wrong / least)


def test_the_same_in_every_picture_has_no_skill_and_no_strikes():
    take = take_of()
    score = score_of(always(CONSTANT, [perfect(take)]), [take], CONSTANT, READER)
    assert score.skill.value == 0 and score.f1.value == 0 and score.notes.recall == 0


def test_only_what_was_held_out_counts():
    measured = np.arange(COUNT) < 20
    take = take_of(measured=measured)
    said = perfect(take)
    said.onset[30:, :] = 0
    said.amplitude[30:] = 1
    score = score_of([said], [take], CONSTANT, READER)
    assert score.f1.value == 1 and score.error == 0
    assert len(true_events(take, COUNT, READER).hz) == 2
    # Of the last picture nothing is told.
    assert len(true_events(take_of(), 40, READER).hz) == 3


def test_films_are_not_matched_with_one_another():
    """The strikes of two films, each said of the other: nothing agrees but what is the same."""
    one, other = take_of(), take_of(((8, 0), (22, 1), (35, 1), (46, 0)))
    score = score_of([perfect(other), perfect(one)], [one, other], CONSTANT, READER)
    assert score.f1.value == 0
    score = score_of([perfect(one), perfect(other)], [one, other], CONSTANT, READER)
    assert score.f1 == (1, 1, 1) and score.each == [1, 1]


def test_another_film_is_said_or_another_half_of_the_same():
    one, other = perfect(take_of()), perfect(take_of(((8, 0),)))
    (mine,) = shuffled([one])
    np.testing.assert_array_equal(mine.onset, np.roll(one.onset, 25, axis=0))
    short = Seen(*(part[:30] for part in one))
    first, second = shuffled([short, other])
    np.testing.assert_array_equal(first.onset, np.roll(other.onset, 25, axis=0)[:30])
    np.testing.assert_array_equal(second.onset[:30], np.roll(short.onset, 15, axis=0))
    np.testing.assert_array_equal(second.onset[30:], np.roll(short.onset, 15, axis=0)[:20])


def test_controls_are_of_the_picture_before():
    values = np.arange(10, dtype=np.float32).reshape(1, 5, 2)
    strikes = Strikes(values + 10, values + 20)
    said = seen_of(NoteAmplitudes(values, values, strikes, strikes), 1)
    for part, first in zip(said, (2, 12, 22), strict=True):
        np.testing.assert_array_equal(part, first + np.arange(8).reshape(4, 2))


def test_a_wiped_memory_knows_three_pictures_only(tmp_path, rng):
    frames = rng.integers(0, 256, (70, *VIDEO.shape), np.uint8)
    player = load_player(make_watching_run(tmp_path / "run"))
    late = late_of(player.transducer.spec, player.transducer.late_samples)
    assert late == 1
    wiped = forgetful(player, frames)
    assert len(wiped.onset) == 69
    config, variables = small_config(), small_variables(small_config())
    memory = blank(config.model, 2, 1, VIDEO.height, VIDEO.width)
    for tick in (1, 66):
        pictures = jnp.asarray(frames[None, tick - 1 : tick + 2] / np.float32(255))
        found, _ = seen(config, Recurrent(config.model, 2), variables, pictures, memory)
        value, strikes = told(found, variables, jnp.ones((1, 1)))
        for part, wanted in zip(wiped, (value, *strikes), strict=True):
            np.testing.assert_allclose(part[tick], wanted[0, 0], atol=1e-5)
    own = seen_of(controls_of(compiled_of(player), player.variables, frames), late)
    assert np.abs(own.onset[5:] - wiped.onset[5:]).max() > 0.01


def test_a_network_without_memory_has_none_to_lose(tmp_path, rng):
    frames = rng.integers(0, 256, (20, *VIDEO.shape), np.uint8)
    player = load_player(make_watching_run(tmp_path / "run", remembers=False))
    compiled = compiled_of(player)
    own = seen_of(controls_of(compiled, player.variables, frames), 1)
    again = seen_of(controls_of(fresh(compiled), player.variables, frames), 1)
    for part, wanted, same in zip(forgetful(player, frames), own, again, strict=True):
        np.testing.assert_allclose(part, wanted, atol=1e-5)
        np.testing.assert_array_equal(same, wanted)


def test_strikes_are_the_same_by_time_and_note():
    low, high = READER.hz
    one = Events(np.array([0.1, 0.5, 0.9]), np.array([low, low, high]))
    other = Events(np.array([0.14, 0.56, 0.9]), np.array([low, low, low]))
    assert same_strike(one, other).tolist() == [True, False, False]
    assert float(FRAME_RATE) == 25
