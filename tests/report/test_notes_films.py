"""Films of playing are found, read, and refused in one clear line."""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest

from data_prep import video as prepare_video
from tests.report.strikers import (
    RATE,
    READER,
    STRIKES,
    VIDEO,
    make_watching_run,
    write_struck,
    write_truth,
)
from wyh.dataset import open_dataset
from wyh.errors import WyhError
from wyh.played import LOUDEST
from wyh.report import notes_films
from wyh.report.notes_films import gather, take_of
from wyh.transcript import notes_of
from wyh.windows import WindowSpec, block_split


@pytest.fixture
def film(tmp_path):
    (tmp_path / "films").mkdir()
    return write_struck(tmp_path / "films" / "a.mp4")


def test_a_film_with_its_truth(film):
    take = take_of(film, VIDEO, READER)
    assert take.name == "a.mp4" and take.told and take.measured.all()
    assert take.frames.shape == (75, *VIDEO.shape)
    np.testing.assert_array_equal(take.strikes.times_secs, [at for at, _, _ in STRIKES])
    assert take.amplitude.shape == (75, 2)
    assert take.amplitude[[7, 8], 0].max() == pytest.approx(LOUDEST, rel=0.2), "as hard as can be"
    heard = READER.amplitudes_of(take.waveform, 75)
    np.testing.assert_allclose(heard, take.amplitude, atol=1e-5)


def test_another_frame_rate_is_brought_to_the_runs(tmp_path):
    take = take_of(write_struck(tmp_path / "a.mp4", frame_rate=50), VIDEO, READER)
    assert take.frames.shape == (75, *VIDEO.shape)


def test_without_truth_it_is_heard(tmp_path):
    take = take_of(write_struck(tmp_path / "a.mp4", told=False), VIDEO, READER)
    assert not take.told
    wanted = sorted((at, note) for at, note, _ in STRIKES)
    found = sorted(zip(take.strikes.times_secs, notes_of(take.strikes, READER.hz), strict=True))
    np.testing.assert_allclose(found, wanted, atol=0.01)


def test_notes_that_are_not_looked_for_do_not_count(film):
    with film.with_suffix(".truth.csv").open("a") as file:
        file.write("2.5,1500hz,1\n2.9,600hz,1\n9,600hz,1\n")
    take = take_of(film, VIDEO, READER)
    assert take.strikes.times_secs.tolist()[-2:] == [2.22, 2.9]


def test_films_of_no_use(tmp_path, monkeypatch):
    run = make_watching_run(tmp_path / "run")
    silent = write_struck(tmp_path / "silent.mp4", sound=np.zeros(3 * RATE, np.float32))
    with pytest.raises(WyhError, match=r"silent, wanted sound in which .* 600 Hz to 1000 Hz"):
        gather(run, (silent,), VIDEO, READER, tmp_path / "out")
    others = write_struck(tmp_path / "others.mp4")
    others.with_suffix(".truth.csv").write_text("time_secs,note,velocity\n0.3,F#4,1\n")
    with pytest.raises(WyhError, match=r"others.mp4: got none of the notes .* struck in its 3 s"):
        gather(run, (others,), VIDEO, READER, tmp_path / "out")
    wrong = write_struck(tmp_path / "wrong.mp4")
    write_truth(wrong, [(at + 0.25, 1 - note, v) for at, note, v in STRIKES])
    with pytest.raises(WyhError, match=r"wrong.mp4: got a truth file .* it is another film's"):
        gather(run, (wrong,), VIDEO, READER, tmp_path / "out")
    probed = notes_films.probe
    without = partial(replace, has_audio=False)
    monkeypatch.setattr(notes_films, "probe", lambda path: without(probed(path)))
    mute = write_struck(tmp_path / "mute.mp4")
    with pytest.raises(WyhError, match=r"mute.mp4 has no sound, in which .*: name films"):
        gather(run, (mute,), VIDEO, READER, tmp_path / "out")


def test_films_of_no_use_are_left_out_of_others(tmp_path, capsys, film):
    run = make_watching_run(tmp_path / "run")
    silent = write_struck(tmp_path / "films/b.mp4", sound=np.zeros(3 * RATE, np.float32))
    takes, source = gather(run, (tmp_path / "films",), VIDEO, READER, tmp_path / "out")
    assert [take.name for take in takes] == ["a.mp4"] and source == "a.mp4"
    assert capsys.readouterr().err.startswith(f"left out: {silent} is silent")


def test_no_films(tmp_path, film):
    run = make_watching_run(tmp_path / "run", [tmp_path / "gone"])
    with pytest.raises(WyhError, match=r"the films it was trained on are not here: name some"):
        gather(run, (), VIDEO, READER, tmp_path / "out")
    (tmp_path / "text.txt").write_text("no film")
    (tmp_path / "empty").mkdir()
    with pytest.raises(WyhError, match=r"got no video files, wanted films of playing"):
        gather(run, (tmp_path / "empty",), VIDEO, READER, tmp_path / "out")
    run = make_watching_run(tmp_path / "another", [film], ["a.mp4"])
    with pytest.raises(WyhError, match=r"got a.mp4, which it was trained on, wanted other films"):
        gather(run, (film,), VIDEO, READER, tmp_path / "out")


def test_held_out_seconds_of_a_single_film(tmp_path):
    strikes = [(0.3 + 0.5 * k, k % 2, 0.9) for k in range(11)]
    film = write_struck(tmp_path / "a.mp4", strikes, secs=6.0)
    run = make_watching_run(tmp_path / "run", [film], ["a.mp4"])
    (take,), source = gather(run, (), VIDEO, READER, tmp_path / "out")
    assert source == "held-out a.mp4" and len(take.frames) == 150
    window = WindowSpec(VIDEO.frame_rate, 22050)
    wanted = [block_split(tick, window, 5) == "test" for tick in range(150)]
    assert take.measured.tolist() == wanted and 20 <= sum(wanted) <= 25


def test_held_out_films_and_the_data_set_made_of_them(tmp_path):
    films = tmp_path / "films"
    films.mkdir()
    for k in range(2):
        write_struck(films / f"{'ab'[k]}-take.mp4", [(at + 0.1 * k, n, v) for at, n, v in STRIKES])
    names = ["a-take.mp4", "b-take.mp4"]
    run = make_watching_run(tmp_path / "run", [films], names)
    (take,), source = gather(run, (), VIDEO, READER, tmp_path / "out")
    assert source == f"held-out {take.name}"

    data = tmp_path / "data"
    options = {"size": "12x8", "sample_rate": RATE, "channels": 1, "workers": 1}
    prepare_video.prepare(prepare_video.Config((films,), data, **options))
    run = make_watching_run(tmp_path / "again", [data], names)
    run.data["fingerprint"] = open_dataset(data).fingerprint
    (stored,), source = gather(run, (), VIDEO, READER, tmp_path / "out")
    assert source == f"the held-out part of {take.name}" and stored.told
    assert stored.frames.shape == take.frames.shape
    np.testing.assert_array_equal(stored.strikes.times_secs, take.strikes.times_secs)
    np.testing.assert_allclose(stored.amplitude, take.amplitude, atol=0.01)
