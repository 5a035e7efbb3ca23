import math
from fractions import Fraction
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wyh.errors import WyhError
from wyh.specs import tick_start
from wyh.windows import (
    LONGEST_RUN,
    WindowSpec,
    assign_splits,
    block_of,
    block_split,
    cut_windows,
    every_nth,
    fit_every,
    holdout_every,
    on_grid,
    take_of,
)

NTSC = Fraction(24000, 1001)


class Chunk(NamedTuple):
    times_secs: np.ndarray
    pixels: np.ndarray


def numbered(count, first=0):
    """Frames of one pixel whose three channels hold their number."""
    numbers = np.arange(first, first + count)
    digits = np.stack([numbers >> 16, numbers >> 8 & 255, numbers & 255], -1)
    return digits.astype(np.uint8).reshape(count, 1, 1, 3)


def numbers_of(frames):
    high, middle, low = frames.astype(np.int64).reshape(-1, 3).T
    return (high << 16 | middle << 8 | low).tolist()


def chunked(times, size):
    times = np.asarray(times, np.float64)
    pixels = numbered(len(times))
    for first in range(0, len(times), size):
        yield Chunk(times[first : first + size], pixels[first : first + size])


def naive_grid(times, rate, tolerance):
    """Tick by tick, in exact fractions."""
    exact = [Fraction(time) - Fraction(times[0]) for time in times]
    steps = [b - a for a, b in pairwise(exact) if b > a]
    end = exact[-1] + (steps[-1] if steps else 1 / rate)
    shown, tick = [], 0
    while (moment := tick / rate) + Fraction(tolerance) < end or tick == 0:
        shown.append(max(i for i, t in enumerate(exact) if t <= moment + Fraction(tolerance)))
        tick += 1
    return shown


def grid_numbers(chunks, rate, **options):
    return [n for run in on_grid(chunks, rate, **options) for n in numbers_of(run)]


@settings(deadline=None, max_examples=80)
@given(
    gaps=st.lists(st.integers(1, 400), min_size=0, max_size=40),
    start=st.integers(0, 10**8),
    size=st.integers(1, 50),
    rate=st.sampled_from([Fraction(24), NTSC, Fraction(7, 2), Fraction(60)]),
)
def test_on_grid_is_the_naive_sample_and_hold(gaps, start, size, rate):
    times = (start + np.cumsum([0, *gaps])) / 1000
    times[1:] += 1e-5  # no frame exactly at a border, where floats may fall on either side
    expected = naive_grid(times, rate, 0.002)
    assert grid_numbers(chunked(times, size), rate) == expected


def test_on_grid_keeps_what_is_on_the_grid_already_though_rounded_to_ms():
    times = [round(i * 1001 / 24000, 3) + 80000 for i in range(5000)]
    assert grid_numbers(chunked(times, 64), NTSC) == list(range(5000))


def test_on_grid_does_not_drift_in_an_hour():
    count = 86_314  # an hour at 24000/1001
    times = np.arange(count) * 1001 / 24000
    assert grid_numbers(chunked(times, 5000), NTSC) == list(range(count))
    halved = grid_numbers(chunked(times, 5000), NTSC / 2)
    assert halved == list(range(0, count, 2))


def test_on_grid_of_one_frame_is_one_frame():
    assert grid_numbers(chunked([7.0], 8), Fraction(24)) == [0]


def test_on_grid_of_nothing_is_nothing():
    assert list(on_grid([], Fraction(24))) == []


def test_on_grid_bounds_its_runs_through_a_long_hold():
    runs = list(on_grid(chunked([0, 100, 100.1], 3), Fraction(30)))
    assert max(map(len, runs)) == LONGEST_RUN
    assert sum(map(len, runs)) == 3006


def test_on_grid_survives_a_clock_that_stands_still_or_goes_back():
    assert grid_numbers(chunked([0, 1, 1, 0.5, 2], 2), Fraction(2), tolerance_secs=0.0) == [
        *(0, 0, 3, 3, 4, 4, 4)
    ]


def windows_of(frames, sound, spec, run=50, block=1000):
    runs = (frames[i : i + run] for i in range(0, len(frames), run))
    blocks = (sound[i : i + block] for i in range(0, len(sound), block))
    return list(cut_windows(runs, blocks, spec))


@settings(deadline=None, max_examples=60)
@given(
    rate=st.sampled_from([Fraction(24), NTSC, Fraction(25), Fraction(30000, 1001)]),
    sample_rate=st.sampled_from([4000, 22050, 44100]),
    length=st.integers(1, 9),
    hop=st.integers(0, 12),
    count=st.integers(0, 60),
    secs=st.floats(0, 3),
    run=st.integers(1, 70),
    block=st.integers(1, 5000),
)
def test_cut_windows_is_the_naive_cut(rate, sample_rate, length, hop, count, secs, run, block):
    spec = WindowSpec(rate, sample_rate, length, hop)
    hop = hop or length
    frames = numbered(count)
    sound = np.random.default_rng(0).uniform(-1, 1, int(secs * sample_rate)).astype(np.float32)
    padded = np.pad(sound, (0, sample_rate * 8))
    windows = windows_of(frames, sound, spec, run, block)
    assert len(windows) == max(0, (count - length) // hop + 1)
    for i, window in enumerate(windows):
        start = round(Fraction(i * hop * sample_rate) / rate)
        assert window.number == i
        assert numbers_of(window.frames) == list(range(i * hop, i * hop + length))
        assert len(window.audio) == round(length * sample_rate / rate)
        np.testing.assert_array_equal(window.audio, padded[start : start + len(window.audio)])


def test_windows_stay_in_sync_for_an_hour_at_24000_1001_hz():
    spec = WindowSpec(NTSC, 22050)
    count = 86_314
    frame = np.zeros((1000, 1, 1, 1), np.uint8)
    runs = (frame[: min(1000, count - i)] for i in range(0, count, 1000))
    # Sound whose samples hold their own number, as far as float32 counts: modulo 2 ** 23.
    block = 1 << 20
    blocks = (
        (np.arange(i, i + block) % (1 << 23)).astype(np.float32)
        for i in range(0, 3600 * 22050 + block, block)
    )
    last = None
    for window in cut_windows(runs, blocks, spec):
        if window.number % 997 == 0 or window.number == count - 1:
            exact = Fraction(window.number * 22050) / NTSC
            assert abs(window.audio[0] - float(exact % (1 << 23))) <= 0.5
            assert spec.start_secs(window.number) == pytest.approx(float(exact / 22050), abs=1e-9)
        last = window
    assert last.number == count - 1
    assert tick_start(last.number, 22050, NTSC) == round(Fraction((count - 1) * 22050) / NTSC)


def test_a_recording_without_sound_gives_silence():
    windows = windows_of(numbered(5), np.zeros(0, np.float32), WindowSpec(Fraction(24), 22050))
    assert [len(window.audio) for window in windows] == [919] * 5
    assert not any(window.audio.any() for window in windows)


def test_window_spec_refuses_sizes_out_of_range():
    with pytest.raises(WyhError, match="got 0 frames per window, wanted 1 to 4096"):
        WindowSpec(Fraction(24), 22050, 0)
    with pytest.raises(WyhError, match="got a hop of -1 frames"):
        WindowSpec(Fraction(24), 22050, 1, -1)


@pytest.mark.parametrize(
    "recording",
    ["seq6_angle1.mp4", "seq6-cam2.mov", "seq6/cam1.mp4", "view3/seq6.mp4", "seq6 Camera 12.mkv"],
)
def test_angles_show_the_same_take(recording):
    assert take_of(recording) == "seq6"


@pytest.mark.parametrize("word", ["interview ", "Interview_", "INTERVIEW", "webcam-", "überview "])
def test_words_that_end_like_an_angle_are_none(word):
    assert take_of(f"{word}1.mp4") == f"{word}1" != take_of(f"{word}2.mp4")
    assert take_of(f"{word}1_cam2.mp4") == take_of(f"cam3/{word}1.mp4") == f"{word}1"


@pytest.mark.parametrize("recording", ["seq61.mp4", "campus6.mp4", "seq6_camp1.mp4", "b/seq6.mp4"])
def test_other_recordings_are_other_takes(recording):
    assert take_of(recording) != "seq6"


def test_every_fifth_take_is_test():
    names = [f"seq{i:02d}_angle{angle}.mp4" for i in range(11) for angle in (1, 2)]
    splits = assign_splits(names[::-1], 0.2)
    test = sorted(name for name, split in splits.items() if split == "test")
    assert test == [f"seq{i:02d}_angle{angle}.mp4" for i in (4, 9) for angle in (1, 2)]
    assert len(splits) == 22


def test_of_two_takes_one_is_test():
    assert assign_splits(["b.mp4", "a.mp4"], 0.2) == {"a.mp4": "train", "b.mp4": "test"}


def test_one_take_is_split_by_blocks_and_holdout_0_keeps_nothing_back():
    assert assign_splits(["seq6_cam1.mp4", "seq6_cam2.mp4"], 0.2) is None
    assert assign_splits(["a.mp4"], 0.0) == {"a.mp4": "train"}
    assert set(assign_splits(["a.mp4", "b.mp4"], 0.0).values()) == {"train"}
    assert every_nth(["a"], 0.2) == {"a": "train"}


@pytest.mark.parametrize("holdout", [-0.1, 0.6, math.nan])
def test_holdout_out_of_range(holdout):
    with pytest.raises(WyhError, match=r"wanted 0 \(none\) to 0.5 \(half\)"):
        holdout_every(holdout)


def counts_of(spec, frames, every):
    splits = [
        block_split(i, spec, every)
        for i in range((frames - spec.frames_per_window) // spec.hop_frames + 1)
    ]
    return {split: splits.count(split) for split in ("train", "test", None)}


def test_block_split_of_30_s_at_24_hz():
    # 6 test blocks of 24 frames. Of the 6 frames each side within 0.25 s of them, all 11 sides
    # that exist are dropped (the last block ends with the recording).
    assert counts_of(WindowSpec(Fraction(24), 22050), 720, 5) == {
        "train": 720 - 144 - 11 * 6,
        "test": 144,
        None: 66,
    }


@settings(deadline=None, max_examples=25)
@given(
    rate=st.sampled_from([Fraction(24), NTSC, Fraction(25), Fraction(2)]),
    length=st.integers(1, 60),
    hop=st.integers(0, 5),
    every=st.integers(2, 6),
)
def test_block_split_keeps_its_rules(rate, length, hop, every):
    spec = WindowSpec(rate, 22050, length, hop)
    for i in range(0, 400, 3):
        start, end = i * spec.hop_frames / rate, (i * spec.hop_frames + length) / rate
        first = math.floor(start / (spec.block_secs * every)) - 1
        blocks = [
            ((n * every + every - 1) * spec.block_secs, (n * every + every) * spec.block_secs)
            for n in range(max(first, 0), first + 25 if rate == 2 else first + 4)
        ]
        if any(a <= start and end <= b for a, b in blocks):
            expected = "test"
        elif all(end + Fraction(1, 4) <= a or start >= b + Fraction(1, 4) for a, b in blocks):
            expected = "train"
        else:
            expected = None
        assert block_split(i, spec, every) == expected
        assert block_of(i, spec) == start // spec.block_secs


def test_long_windows_still_find_test_blocks():
    spec = WindowSpec(Fraction(24), 22050, 36)  # 1.5 s
    assert spec.block_secs == 3
    counts = counts_of(spec, 24 * 60, 5)
    assert counts["test"] >= 4
    assert counts["train"] >= 20


def test_short_takes_have_fewer_blocks():
    spec = WindowSpec(Fraction(24), 22050)
    assert fit_every(5, 30.0, spec) == 5
    assert fit_every(5, 3.5, spec) == 3
    assert fit_every(5, 0.1, spec) == 2
    assert fit_every(5, None, spec) == 5
