from fractions import Fraction

import numpy as np
import pytest

from wyh.metrics.flashes import changes, general_flashes, in_turn, luminance


def flat(values, height=8, width=8):
    """Grey pictures of these values, 0 to 255."""
    values = np.asarray(values, np.uint8)
    return np.broadcast_to(values[:, None, None, None], (len(values), height, width, 3))


def square(hz, rate, secs=3.0, dark=0, bright=255):
    half = np.floor(np.arange(round(rate * secs)) * 2 * hz / rate + 1e-9)
    return np.where(half % 2, bright, dark)


def test_luminance_of_known_colours():
    """White is 1, black 0; the primaries as BT.709 weighs them; 50 % grey as IEC 61966-2-1."""
    colours = np.array([[255] * 3, [0] * 3, [255, 0, 0], [0, 255, 0], [0, 0, 255], [128] * 3])
    wanted = [1, 0, 0.2126, 0.7152, 0.0722, 0.21586]
    np.testing.assert_allclose(luminance(colours.astype(np.uint8)), wanted, atol=1e-5)


@pytest.mark.parametrize("rate", [24, 30, 60, Fraction(24000, 1001)])
@pytest.mark.parametrize("hz", [1, 2, 3, 4, 6])
def test_a_strobe_flashes_as_often_as_it_does(rate, hz):
    """One at `hz`, where every half of it is a whole number of pictures."""
    whole = round(rate)
    found = general_flashes(flat(square(hz, whole)), rate)
    assert found.most == hz
    assert found.in_second.shape == (3 * whole,)
    assert found.in_second[0] == 0
    assert found.worst_secs <= 1.5


def test_how_large_a_change_must_be():
    """Luminance of grey 89 is 0.0999, of 90 it is 0.1022."""
    assert general_flashes(flat([0, 89] * 30), 30).most == 0
    assert general_flashes(flat([0, 90] * 30), 30).most == 15


def test_what_is_bright_throughout_does_not_flash():
    """Grey 231 has a luminance of 0.799, 232 of 0.807; white is 0.19 above both."""
    assert general_flashes(flat([232, 255] * 30), 30).most == 0
    assert general_flashes(flat([231, 255] * 30), 30).most == 15


def test_slow_changes_count_from_where_they_turn():
    """A triangle of 5 Hz at 60 pictures a second, no step of which is a tenth."""
    wave = np.abs((np.arange(180) * 5 / 60) % 1 * 2 - 1)
    grey = np.rint(255 * (0.35 + 0.25 * wave))
    assert np.abs(np.diff(luminance(flat(grey)[:, 0, 0]))).max() < 0.1
    assert general_flashes(flat(grey), 60).most == 5
    assert general_flashes(flat(np.linspace(0, 255, 60)), 60).most == 0


def test_more_than_a_quarter_is_general():
    pictures = flat([0, 255] * 30).copy()
    pictures[:, 4:] = pictures[:, :, 4:] = 0
    assert general_flashes(pictures, 30).most == 0
    pictures[1::2, 7, 7] = 255
    assert general_flashes(pictures, 30).most == 15


def test_regions_that_flash_one_after_the_other_count_as_one_place():
    """Three thirds, each lit for one picture in six: 4 flashes a second each, 12 in all."""
    pictures = np.zeros((72, 9, 9, 3), np.uint8)
    for number in range(3):
        pictures[2 * number :: 6, :, 3 * number : 3 * number + 3] = 255
    assert general_flashes(pictures, 24).most == 12
    alone = pictures.copy()
    alone[:, :, 3:] = 0
    assert general_flashes(alone, 24).most == 4


def test_a_checkerboard_that_turns_over_flashes():
    board = 255 * (np.indices((8, 8)).sum(axis=0) % 2)[None, ..., None]
    turns = np.arange(60)[:, None, None, None] % 2
    pictures = np.abs(255 * turns - np.broadcast_to(board, (60, 8, 8, 3))).astype(np.uint8)
    assert general_flashes(pictures, 30).most == 15


def test_stripes_that_go_past_flash_pixel_by_pixel():
    """Never more than a quarter changes at once, yet every pixel does 6 times a second."""
    place = np.arange(10)[None] + np.arange(180)[:, None]
    stripes = np.where(place % 10 < 5, 255, 0).astype(np.uint8)
    pictures = np.broadcast_to(stripes[:, None, :, None], (180, 4, 10, 3))
    assert max(up.mean() for up, _ in changes(pictures)) <= 0.25
    assert general_flashes(pictures, 60).most == 6


def test_a_bar_that_goes_past_once_does_not_flash_often():
    pictures = np.zeros((60, 8, 30, 3), np.uint8)
    for number in range(60):
        pictures[number, :, number // 2 : number // 2 + 3] = 255
    assert general_flashes(pictures, 60).most == 1


def test_a_burst_counts_in_its_second_only():
    values = np.zeros(120)
    values[[50, 53, 56, 59]] = 255
    found = general_flashes(flat(values), 30)
    assert found.most == 4
    assert found.worst_secs == pytest.approx(2.0)
    assert found.in_second[49] == 0
    assert found.in_second[-1] == 0


def test_pictures_may_come_one_by_one_or_not_at_all():
    pictures = flat(square(4, 24))
    assert general_flashes(iter(pictures), 24).most == general_flashes(pictures, 24).most
    nothing = general_flashes(pictures[:0], 24)
    assert (nothing.most, nothing.worst_secs, len(nothing.in_second)) == (0, 0.0, 0)


def test_the_longest_series_in_turn(rng):
    """Against trying all choices of what to leave out."""
    for _ in range(50):
        general = [tuple(map(bool, pair)) for pair in rng.integers(0, 2, (7, 2))]
        best = 0
        for kept in range(1 << 7):
            chosen = [pair for k, pair in enumerate(general) if kept >> k & 1]
            for first in range(2):
                if all(pair[(k + first) % 2] for k, pair in enumerate(chosen)):
                    best = max(best, len(chosen))
        assert in_turn(general) == best
