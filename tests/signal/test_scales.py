import itertools

import numpy as np
import pytest

from wyh.errors import WyhError
from wyh.signal.scales import CENTS, check_scale, scale_notes, tune


def cents_between(one, other):
    return 1200 * np.log2(np.asarray(one) / np.asarray(other))


def test_the_scales_are_what_their_names_say():
    assert CENTS["equal"] == tuple(range(0, 1200, 100))
    # Five black keys in a row, from F sharp.
    assert CENTS["pentatonic"] == (0, 200, 400, 700, 900)
    just = 2 ** (np.array(CENTS["just"]) / 1200)
    np.testing.assert_allclose(just, [1, 1.125, 1.25, 4 / 3, 1.5, 5 / 3, 1.875], rtol=1e-12)
    # The three major triads are 4 : 5 : 6.
    for root in (0, 3, 4):
        third, fifth = (just[(root + step) % 7] * (1 + (root + step >= 7)) for step in (2, 4))
        np.testing.assert_allclose([third / just[root], fifth / just[root]], [5 / 4, 3 / 2])
    for cents in CENTS.values():
        check_scale(cents, 440.0)


def test_notes_are_the_piano_in_the_scale_of_twelve():
    notes = scale_notes(CENTS["equal"], 440.0, 27.5, 4186.1)
    assert len(notes) == 88
    np.testing.assert_allclose(notes, 440 * 2 ** ((np.arange(88) - 48) / 12), rtol=1e-12)


@pytest.mark.parametrize("root", [20.0, 261.63, 440.0, 15_000.0])
@pytest.mark.parametrize("name", CENTS)
def test_notes_fill_the_range_and_are_all_of_the_scale(name, root):
    notes = scale_notes(CENTS[name], root, 60, 8000)
    assert notes[0] > 59.9999 and notes[-1] < 8000.0001 and (np.diff(notes) > 0).all()
    within = np.mod(cents_between(notes, root) + 1e-6, 1200)
    assert np.abs(within[:, None] - np.array(CENTS[name])).min(axis=1).max() < 1e-5
    assert len(notes) in (int(7.06 * len(CENTS[name])) + more for more in (-1, 0, 1))


def test_a_range_without_a_note_takes_the_nearest():
    np.testing.assert_allclose(scale_notes((0.0,), 440.0, 500, 600), [440])
    np.testing.assert_allclose(scale_notes((0.0,), 440.0, 700, 800), [880])


def test_with_notes_enough_each_band_has_its_own_as_near_as_can_be():
    """Against every choice of rising notes there is."""
    rng = np.random.default_rng(0)
    notes = scale_notes(CENTS["pentatonic"], 440.0, 200, 1000)
    for _ in range(20):
        bands = np.sort(rng.uniform(250, 900, 5))
        away = [
            sum(cents_between(choice, bands) ** 2)
            for choice in itertools.combinations(notes, len(bands))
        ]
        best = list(itertools.combinations(notes, len(bands)))[int(np.argmin(away))]
        found = tune(bands, notes, apart_hz=1.0, limit_hz=4000)
        if np.isin(found, notes).all():
            np.testing.assert_allclose(found, best)
        # Otherwise two share one, which is to cost no more than a move by two semitones.
        else:
            on_note = notes[np.abs(notes - found[:, None]).argmin(axis=1)]
            shared = len(bands) - len(np.unique(on_note))
            assert sum(cents_between(on_note, bands) ** 2) + 200**2 * shared < min(away) + 1e-6


def test_bands_that_share_a_note_lie_around_it():
    bands = np.array([100.0, 950.0, 1000.0, 1050.0, 4000.0])
    found = tune(bands, np.array([110.0, 1000.0, 4100.0]), apart_hz=30.0, limit_hz=8000)
    np.testing.assert_allclose(found, [110, 970, 1000, 1030, 4100])


def test_where_there_is_no_room_they_are_closer():
    found = tune(np.arange(1.0, 41.0), np.array([20.0]), apart_hz=30.0, limit_hz=40.0)
    assert found[0] > 0 and found[-1] < 40
    np.testing.assert_allclose(np.diff(found), 0.5)


@pytest.mark.parametrize("name", CENTS)
@pytest.mark.parametrize("apart_hz", [0.1, 32.3, 500.0])
def test_the_order_of_the_code_is_kept(name, apart_hz, rng):
    notes = scale_notes(CENTS[name], 440.0, 60, 8000)
    for size in (1, 2, 64, 300):
        bands = np.sort(rng.uniform(60, 8000, size))
        found = tune(bands, notes, apart_hz=apart_hz, limit_hz=11025)
        assert found.shape == bands.shape and (np.diff(found) > 0).all()
        assert found[0] > 0 and found[-1] < 11025


@pytest.mark.parametrize(
    ("cents", "said"),
    [
        ((), "of no notes"),
        ((0.0, 0.0), "0 0"),
        ((200.0, 100.0), "200 100"),
        ((-100.0, 0.0), "-100 0"),
        ((0.0, 1200.0), "0 1200"),
        ((float("nan"),), "nan"),
    ],
)
def test_what_is_no_scale(cents, said):
    message = f"got the scale {said}, wanted rising cents from 0 to under 1200, such as 0 300 500"
    with pytest.raises(WyhError, match=message):
        check_scale(cents, 440.0)


@pytest.mark.parametrize("root", [19.0, 20_001.0, float("nan")])
def test_a_root_that_cannot_be_heard(root):
    with pytest.raises(WyhError, match=r"got root_hz .* Hz, wanted 20 to 20000 Hz"):
        check_scale((0.0,), root)
