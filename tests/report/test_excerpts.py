"""How recordings are cut into excerpts and stretches."""

from fractions import Fraction

import numpy as np
import pytest

from tests.report.talkies import FRAME_RATE, RATE
from wyh.loudness import recording_gain
from wyh.report.excerpts import (
    Division,
    Kept,
    cut,
    pictures_each,
    run_up,
    samples_each,
)
from wyh.report.soundtrack import HELD_OUT, TRAIN
from wyh.specs import tick_start
from wyh.windows import WindowSpec, block_split


def kept_of(division, total, needed=None, gain=1.0, seed=0):
    """Pictures that are their own number; sound that tells where it is."""
    ticks = np.flatnonzero(division.needed(range(total)) if needed is None else needed)
    frames = np.broadcast_to(ticks.astype(np.uint8)[:, None, None, None], (len(ticks), 8, 8, 1))
    length = tick_start(total, RATE, division.frame_rate)
    sound = gain * 0.1 * np.random.default_rng(seed).standard_normal(length)
    return Kept(
        "film.mp4",
        ticks,
        frames,
        division.kinds(range(total)),
        division.taken(range(total)),
        sound.astype(np.float32),
    )


def numbers(frames):
    return frames[:, 0, 0, 0].tolist()


@pytest.mark.parametrize("rate", [Fraction(10), Fraction(24000, 1001), Fraction(25, 2)])
def test_seconds_are_divided_as_data_sets_are(rate):
    division, window = Division(rate, every=5), WindowSpec(rate, RATE)
    total = int(23 * rate)
    kinds = division.kinds(range(total))
    wanted = [block_split(tick, window, 5) for tick in range(total)]
    names = {TRAIN: "train", HELD_OUT: "test", 0: None}
    assert [names[int(kind)] for kind in kinds] == wanted
    # In pieces it is the same as at once.
    halves = [division.needed(range(0, 40)), division.needed(range(40, total))]
    np.testing.assert_array_equal(np.concatenate(halves), division.needed(range(total)))
    excerpts, _ = cut(kept_of(division, total), rate, RATE)
    assert [int(one.begin_secs + 0.1) for one in excerpts] == [4, 9, 14, 19]
    for one in excerpts:
        assert len(one.frames) == pictures_each(rate)
        assert len(one.sound) == samples_each(rate, RATE)


def test_an_excerpt_has_its_own_sound_and_the_pictures_before_it():
    division = Division(FRAME_RATE, every=5)
    kept = kept_of(division, 120)
    excerpts, stretches = cut(kept, FRAME_RATE, RATE)
    learned = np.repeat(kept.kinds == TRAIN, RATE // 10)
    gain = recording_gain(kept.sound[learned], RATE)
    assert abs(gain - 1) > 0.05
    for one, second in zip(excerpts, (4, 9), strict=True):
        assert numbers(one.before) == list(range(10 * second - 10, 10 * second))
        assert numbers(one.frames) == list(range(10 * second, 10 * second + 10))
        there = slice(second * RATE, (second + 1) * RATE)
        np.testing.assert_allclose(one.sound, gain * kept.sound[there], rtol=1e-5)
    assert [one.begin_secs for one in stretches] == [0.0, 5.3, 10.3]
    first = stretches[1]
    assert numbers(first.frames) == list(range(53, 87))
    at = round(5.3 * RATE)
    wanted = gain * kept.sound[at : at + len(first.sound)]
    np.testing.assert_allclose(first.sound, wanted, rtol=1e-5)
    assert len(first.sound) == 34 * RATE // 10


def test_a_film_that_is_held_out_as_a_whole():
    division = Division(FRAME_RATE)
    kept = kept_of(division, 35)
    excerpts, stretches = cut(kept, FRAME_RATE, RATE)
    assert not stretches
    assert [one.begin_secs for one in excerpts] == [0, 1, 2]
    # Nothing is known before the film; from then on one leads on to the next.
    assert numbers(excerpts[0].before) == [0] * run_up(FRAME_RATE)
    assert [len(one.before) for one in excerpts[1:]] == [0, 0]
    gain = recording_gain(kept.sound, RATE)
    np.testing.assert_allclose(excerpts[2].sound, gain * kept.sound[2 * RATE : 3 * RATE], rtol=1e-5)


def test_of_long_films_some_seconds_are_taken():
    division = Division(FRAME_RATE, every=5, train_step=3, test_step=2)
    excerpts, stretches = cut(kept_of(division, 250), FRAME_RATE, RATE)
    assert [one.begin_secs for one in excerpts] == [4, 14, 24]
    assert [numbers(one.before)[0] for one in excerpts] == [30, 130, 230]
    assert sorted({int(one.begin_secs) for one in stretches}) == [0, 3, 6, 12, 15, 18, 21]
    whole = Division(FRAME_RATE, test_step=2)
    excerpts, _ = cut(kept_of(whole, 50), FRAME_RATE, RATE)
    assert [one.begin_secs for one in excerpts] == [0, 2, 4]
    assert [len(one.before) for one in excerpts] == [10, 10, 10]
    assert numbers(excerpts[1].before) == list(range(10, 20))


def test_sound_that_ends_early_is_followed_by_silence():
    division = Division(FRAME_RATE)
    kept = kept_of(division, 30)
    excerpts, _ = cut(kept._replace(sound=kept.sound[:RATE]), FRAME_RATE, RATE)
    assert excerpts[0].sound.any() and not excerpts[1].sound.any()
    longer = kept._replace(sound=np.pad(kept.sound, (0, RATE)))
    assert len(cut(longer, FRAME_RATE, RATE)[0]) == 3


def test_nothing_kept():
    division = Division(FRAME_RATE, whole=TRAIN)
    kept = kept_of(division, 0, np.zeros(0, bool))
    assert cut(kept, FRAME_RATE, RATE) == ([], [])
