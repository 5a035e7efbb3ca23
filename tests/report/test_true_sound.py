"""Which films a report of learned sound is made of."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from data_prep import video
from tests.report.talkies import (
    RATE,
    make_learned_run,
    pictures,
    sound,
    trained_on,
    write_film,
)
from wyh.errors import WyhError
from wyh.report import screening
from wyh.report.true_sound import gather


@pytest.fixture(scope="module")
def films(tmp_path_factory):
    """Four of them, the first long enough to be divided."""
    folder = tmp_path_factory.mktemp("films")
    lengths = {"a.mp4": 150, "b.mp4": 30, "c.mp4": 30, "d.mp4": 30, "e.mp4": 30}
    return [write_film(folder / name, n, seed) for seed, (name, n) in enumerate(lengths.items())]


@pytest.fixture
def run(tmp_path, films):
    return make_learned_run(tmp_path / "run", films[:1])


def alike(one, other):
    """Whether two sounds are the same, coded and as loud as they like."""
    return np.corrcoef(one, other)[0, 1] > 0.9


def test_seconds_that_training_held_out(run, films):
    made = gather(run, (), run.stream, run.directory)
    assert made.source == "held-out a.mp4"
    assert [one.begin_secs for one in made.excerpts] == [4, 9, 14]
    wanted, true = pictures(150), sound(150)
    for one in made.excerpts:
        at = round(10 * one.begin_secs)
        assert np.abs(one.frames.astype(int) - wanted[at : at + 10]).max() < 12
        assert np.abs(one.before.astype(int) - wanted[at - 10 : at]).max() < 12
        assert alike(one.sound, true[at * RATE // 10 :][:RATE])
    trained = np.concatenate([np.arange(len(s.frames)) / 10 + s.begin_secs for s in made.training])
    for begin in (4, 9, 14):
        assert np.maximum(begin - trained, trained - begin - 1).min() >= 0.2


def test_a_run_that_plays_louder_is_compared_with_louder_sound(run, films):
    quiet = gather(run, (), run.stream, run.directory).excerpts[0].sound
    run.config["loudness_lufs"] = -17.0
    loud = gather(run, (), run.stream, run.directory)
    np.testing.assert_allclose(loud.excerpts[0].sound, quiet * 10 ** (6 / 20), rtol=1e-5)
    assert loud.training[0].sound.any()


def test_of_several_films_whole_ones_are_held_out(run, films):
    names = [film.name for film in films]
    own = trained_on(run, films, recordings=names)
    made = gather(own, (), run.stream, run.directory)
    assert {one.name for one in made.excerpts} == {"e.mp4"}
    assert {one.name for one in made.training} == set(names[:4])
    # As a folder they are the same.
    folder = trained_on(run, [films[0].parent], recordings=names)
    assert len(gather(folder, (), run.stream, run.directory).excerpts) == len(made.excerpts) == 3
    with pytest.raises(WyhError, match=r"got b\.mp4, which it was trained on, wanted other films"):
        gather(own, (films[1],), run.stream, run.directory)
    assert len(gather(own, (films[4],), run.stream, run.directory).excerpts) == 3


def test_another_film_is_measured_whole(run, films):
    made = gather(run, (films[1], films[0]), run.stream, run.directory)
    assert made.source == "b.mp4"
    assert [one.name for one in made.excerpts] == ["b.mp4"] * 3
    assert {one.name for one in made.training} == {"a.mp4"}


def test_without_the_run_s_own_film_references_are_made_of_the_input(run, films):
    lost = trained_on(run, [Path("nowhere.mp4")], recordings=["x.mp4"])
    with pytest.raises(WyhError, match=r"trained on are not here: name some .* FILM\.mp4"):
        gather(lost, (), run.stream, run.directory)
    made = gather(lost, (films[0],), run.stream, run.directory)
    assert made.source == "a.mp4 (references made of 4 of 5 seconds of it)"
    assert [one.begin_secs for one in made.excerpts] == [4, 9, 14]
    with pytest.raises(WyhError, match=r"b\.mp4 .*: got 1 seconds held out, wanted 2 or more"):
        gather(lost, (films[1],), run.stream, run.directory)


def test_the_run_s_data_set_has_the_same_excerpts(run, films, tmp_path):
    options = {"size": "16", "sample_rate": RATE, "workers": 1}
    path = video.prepare(video.Config((films[0],), tmp_path / "data", "10", **options))
    from wyh.dataset import open_dataset

    own = trained_on(run, [path], **open_dataset(path).describe())
    made = gather(own, (), run.stream, run.directory)
    films_own = gather(run, (), run.stream, run.directory)
    assert made.source == "the held-out part of a.mp4"
    for one, other in zip(made.excerpts, films_own.excerpts, strict=True):
        assert one.begin_secs == other.begin_secs
        np.testing.assert_array_equal(one.frames, other.frames)
        np.testing.assert_allclose(one.sound, other.sound, atol=2e-3)
        # What came before is not stored.
        np.testing.assert_array_equal(one.before, one.frames[[0] * 10])
    for one, other in zip(made.training, films_own.training, strict=True):
        assert one.begin_secs == pytest.approx(other.begin_secs)
        np.testing.assert_array_equal(one.frames, other.frames)
        np.testing.assert_allclose(one.sound, other.sound, atol=2e-3)
    other_rate = replace(run.stream, audio=replace(run.stream.audio, sample_rate=16000))
    with pytest.raises(WyhError, match="has sound of 8000 Hz, wanted 16000 Hz: prepare it with"):
        gather(own, (), other_rate, run.directory)


def test_of_long_films_seconds_are_spread(run, films, monkeypatch):
    monkeypatch.setitem(screening.LONGEST_SECS, screening.HELD_OUT, 2.0)
    monkeypatch.setitem(screening.LONGEST_SECS, screening.TRAIN, 6.0)
    made = gather(run, (), run.stream, run.directory)
    assert [one.begin_secs for one in made.excerpts] == [4, 14]
    assert sum(len(one.frames) for one in made.training) < 60


def test_films_without_sound(run, films, tmp_path):
    silent = write_film(tmp_path / "silent.mp4", 60, heard=np.zeros(6 * RATE, np.float32))
    with pytest.raises(WyhError, match=r"silent\.mp4 is silent: name films with sound"):
        gather(run, (silent,), run.stream, run.directory)
    (tmp_path / "notes").mkdir()
    with pytest.raises(WyhError, match="got no video files, wanted films with sound"):
        gather(run, (tmp_path / "notes",), run.stream, run.directory)


def test_a_silent_film_among_others_is_left_out(run, films, tmp_path, capsys):
    silent = write_film(tmp_path / "silent.mp4", 60, heard=np.zeros(6 * RATE, np.float32))
    made = gather(run, (silent, films[2]), run.stream, run.directory)
    assert {one.name.rpartition("/")[2] for one in made.excerpts} == {"c.mp4"}
    assert capsys.readouterr().err.endswith("silent.mp4 is silent\n")


def test_held_out_seconds_that_are_all_silent(run, films, tmp_path):
    heard = sound(150)
    for second in (4, 9, 14):
        heard[second * RATE - RATE // 4 : (second + 1) * RATE + RATE // 4] = 0
    film = write_film(tmp_path / "a.mp4", 150, heard=heard)
    own = trained_on(run, [film], recordings=["a.mp4"])
    with pytest.raises(WyhError, match="silent in all seconds held out"):
        gather(own, (), run.stream, run.directory)
