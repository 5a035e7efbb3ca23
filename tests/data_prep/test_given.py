import shutil
from fractions import Fraction

import numpy as np
import pytest
from PIL import Image

from data_prep import given, video
from data_prep.given import open_data
from tests.conftest import make_dataset
from tests.media.clips import run_ffmpeg
from wyh.errors import WyhError
from wyh.media.decode import probe
from wyh.samples import SAMPLE

HOW = {"size": "16x8", "fit": "stretch", "sample_rate": 8000}


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("WYH_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    path = tmp_path_factory.mktemp("clips") / "film.mkv"
    source = "testsrc2=size=64x48:rate=25:duration=1"
    run_ffmpeg("-f", "lavfi", "-i", source, "-c:v", "mpeg4", str(path))
    return path


@pytest.fixture
def photos(tmp_path):
    folder = tmp_path / "photos"
    folder.mkdir()
    for number, ending in enumerate(("png", "jpg", "webp")):
        Image.new("RGB", (20, 20), (number * 50, 0, 0)).save(folder / f"{number}.{ending}")
    return folder


def test_a_prepared_set_is_opened_as_it_is(tmp_path, cache):
    made = make_dataset(tmp_path / "set", {"a": np.zeros((3, 8, 8, 3), np.uint8)})
    found = open_data([tmp_path / "set"], **HOW)
    assert (found.path, found.fingerprint) == (made.path, made.fingerprint)
    assert not cache.exists()


def test_films_are_prepared_once_into_the_cache(clip, cache, monkeypatch):
    dataset = open_data([clip], **HOW)
    assert cache in dataset.path.parents
    assert dataset.spec.video.shape == (8, 16, 3)
    assert (dataset.spec.video.fit, dataset.spec.audio.sample_rate) == ("stretch", 8000)
    assert dataset.spec.video.frame_rate == 25
    assert dataset.count("train") + dataset.count("test") <= 25
    monkeypatch.setattr(video.inputs, "run_tasks", None)  # no work is done again
    assert open_data([clip], **HOW).path == dataset.path
    monkeypatch.undo()
    monkeypatch.setenv("WYH_CACHE", str(cache))
    assert open_data([clip], **HOW | {"size": "8"}).path != dataset.path
    grey = open_data([clip], **HOW, channels=1)
    assert grey.spec.video.channels == 1


def test_photos_are_pictures_too(photos):
    dataset = open_data([photos], **HOW)
    assert [recording.name for recording in dataset.recordings] == ["0.png", "1.jpg", "2.webp"]
    assert dataset.spec.video.frame_rate == Fraction(24)


def test_films_count_where_there_are_both(photos, clip, capsys):
    shutil.copy(clip, photos / "film.mkv")
    dataset = open_data([photos], **HOW)
    assert [recording.name for recording in dataset.recordings] == ["film.mkv"]
    assert capsys.readouterr().err.count("left out: ") == 3


def test_nothing_means_the_bundled_film(monkeypatch):
    asked = {}

    def prepare_cached(config):
        asked["config"] = config
        raise WyhError("enough")

    monkeypatch.setattr(given.video, "prepare_cached", prepare_cached)
    with pytest.raises(WyhError, match="enough"):
        open_data([], **HOW)
    assert asked["config"].inputs == (SAMPLE,)
    assert (asked["config"].size, asked["config"].sample_rate) == ("16x8", 8000)


def test_the_bundled_film_is_there_with_its_origin():
    info = probe(SAMPLE)
    assert info.has_video and info.has_audio and info.duration_secs == pytest.approx(30, abs=0.1)
    origin = (SAMPLE.parent / "ORIGIN.md").read_text()
    assert "Blender Foundation" in origin and "creativecommons.org/licenses/by/3.0" in origin


def test_bad_data(tmp_path, clip, photos):
    (tmp_path / "empty").mkdir()
    (tmp_path / "text.txt").write_text("hello")
    make_dataset(tmp_path / "set", {"a": np.zeros((3, 8, 8, 3), np.uint8)})
    for paths, message in [
        ([tmp_path / "gone.mp4"], r"gone\.mp4: no such file or directory"),
        ([clip, tmp_path / "gone.mp4"], r"gone\.mp4: no such file or directory"),
        ([tmp_path / "empty"], "wanted video files"),
        ([tmp_path / "text.txt"], "text.txt"),
        ([tmp_path / "set", clip], "got several inputs with a prepared data set among them"),
        ([tmp_path / "set", tmp_path / "set"], "got several inputs with a prepared data set"),
    ]:
        with pytest.raises(WyhError, match=message):
            open_data(paths, **HOW)
    with pytest.raises(WyhError, match="got the size 'big'"):
        open_data([clip], **HOW | {"size": "big"})
    with pytest.raises(WyhError, match="got the size 'big'"):
        open_data([photos], **HOW | {"size": "big"})


def test_a_set_whose_preparation_was_interrupted_is_not_taken_for_footage(tmp_path):
    (tmp_path / "set" / ".preparing-0123").mkdir(parents=True)
    with pytest.raises(WyhError, match="its preparation was interrupted; run it again to finish"):
        open_data([tmp_path / "set"], **HOW)


def test_the_cache_is_never_footage(clip, cache):
    (cache / "data").mkdir(parents=True)
    shutil.copy(clip, cache / "data" / "film.mkv")
    shutil.copy(clip, cache.parent / "other.mkv")
    dataset = open_data([cache.parent], **HOW)
    assert [recording.name for recording in dataset.recordings] == ["other.mkv"]
