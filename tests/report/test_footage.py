"""Which pictures a report is made of."""

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from tests.conftest import make_dataset
from tests.report.conftest import VIDEO, moving_pictures
from wyh.errors import WyhError
from wyh.report import footage
from wyh.report.footage import Reel, gather


def of_data(run, dataset):
    config = run.config | {"data": [str(dataset.path)]}
    return replace(run, config=config, data=dataset.describe())


def test_a_film_whose_run_is_without_pictures_is_divided(run, film):
    made = gather(run, (film,), run.directory)
    # At 10 Hz the fifth and the tenth second are held out, with a quarter of a second between.
    assert len(made.held_out.frames) == 20
    assert list(np.unique(made.held_out.seconds)) == [4, 9]
    assert set(made.training.seconds) == {0, 1, 2, 3, 5, 6, 7, 8}
    assert len(made.training.frames) == 80 - 9  # three borders of 2.5 frames
    assert made.source == "blobs.mp4 (references fitted to 4 of 5 seconds of it)"
    apart = np.abs(moving_pictures(100).astype(int) - made.held_out.frames[0]).mean(axis=(1, 2, 3))
    assert np.argmin(apart) == 40


def test_the_run_s_own_data_set_is_found_by_its_fingerprint(run, tmp_path, film):
    frames = moving_pictures(40)
    dataset = make_dataset(tmp_path / "data", {"a.mp4": frames[:20], "b.mp4": frames[20:]})
    own = of_data(run, dataset)
    with pytest.raises(
        WyhError, match="got 0 pictures held out, wanted 2 seconds, or 4 photos, or"
    ):
        gather(own, (), run.directory)  # this one has no test split
    made = gather(own, (film,), run.directory)
    assert np.array_equal(made.training.frames, frames)
    assert list(np.unique(made.training.seconds)) == [0, 1, 2, 3]
    assert len(made.held_out.frames) == 100
    assert made.source == "blobs.mp4"
    other = replace(own, data=own.data | {"fingerprint": "another"})
    assert "4 of 5" in gather(other, (film,), run.directory).source


def test_the_single_film_of_a_run_is_divided_again(run, film):
    own = replace(run, config=run.config | {"data": [str(film)]}, data={"recordings": [film.name]})
    made = gather(own, (), run.directory)
    assert (len(made.held_out.frames), made.source) == (20, "held-out blobs.mp4")
    with pytest.raises(WyhError, match="not here: name films"):
        gather(replace(own, data={"recordings": ["x.mp4"]}), (), run.directory)


def test_a_slower_run_sees_every_other_frame(run, tmp_path):
    frames = moving_pictures(40)
    dataset = make_dataset(tmp_path / "data", {"a.mp4": frames}, kept=lambda s: not 1 <= s < 1.5)
    slow = replace(VIDEO, frame_rate=Fraction(5))
    reel = footage._reel(dataset, "train", slow)
    assert np.array_equal(reel.frames, frames[[*range(0, 10, 2), *range(15, 40, 2)]])


def test_long_films_are_thinned_to_whole_seconds(run, film, monkeypatch):
    monkeypatch.setattr(footage, "MOST", 40)
    reel = footage._films((film,), run.directory, VIDEO)
    assert list(np.unique(reel.seconds)) == [0, 2, 4, 6, 8]
    assert len(footage._thinned(reel).frames) == 40
    assert np.all(np.bincount(footage._thinned(reel).seconds)[[0, 2, 6, 8]] == 10)


def test_short_reels_stay_as_they_are():
    reel = Reel(moving_pictures(5), np.zeros(5, np.int64))
    assert footage._thinned(reel) is reel


def test_no_films(run, tmp_path):
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "read.me").write_text("no film")
    with pytest.raises(WyhError, match="got no video files, wanted at least one"):
        gather(run, (tmp_path / "notes",), run.directory)
