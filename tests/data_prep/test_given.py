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
from wyh.soundtracks import Soundtrack

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


def test_films_are_brought_to_the_rate_that_is_wanted(clip):
    dataset = open_data([clip], **HOW, frame_rate="10")
    assert dataset.spec.video.frame_rate == 10
    assert dataset.count("train") + dataset.count("test") <= 10


def test_photos_have_the_rate_that_is_wanted(photos):
    assert open_data([photos], **HOW, frame_rate="30").spec.video.frame_rate == 30


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


def make_film(path, *, sound="sine=frequency=440:duration=1", secs=1):
    """A film with that sound, or with none."""
    source = ["-f", "lavfi", "-i", f"testsrc2=size=64x48:rate=25:duration={secs}"]
    source += ["-f", "lavfi", "-i", sound, "-c:a", "pcm_s16le"] if sound else []
    run_ffmpeg(*source, "-c:v", "mpeg4", str(path))
    return path


def told_of(given, **how):
    """The one line of why this cannot be learned from."""
    with pytest.raises(WyhError) as error:
        open_data([given], **HOW | {"sound": True, **how})
    assert "\n" not in str(error.value)
    return str(error.value)


def test_pictures_with_sound(tmp_path, capsys):
    made = open_data([make_film(tmp_path / "film.mkv")], **HOW, frame_rate="10", sound=True)
    assert made.spec.video.frame_rate == 10
    how = HOW | {"sound": True, "size": "16x8"}
    assert open_data([made.path], **how).path == made.path
    assert open_data([made.path], **how, frame_rate="10").path == made.path
    assert open_data([made.path], **how, frame_rate="10/1").path == made.path


def test_a_film_without_sound_among_others_is_no_error(tmp_path, clip):
    shutil.copy(clip, tmp_path / "a.mkv")
    make_film(tmp_path / "b.mkv")
    make_film(tmp_path / "c.mkv")
    dataset = open_data([tmp_path], **HOW, sound=True)
    assert Soundtrack(dataset, "train").silent == ["a.mkv"]


def test_films_without_sound_are_told_before_they_are_prepared(tmp_path, clip, cache):
    told = told_of(clip)
    assert told == "film.mkv has no sound to learn from, give films with sound"
    for name in ("a.mkv", "b.mkv"):
        shutil.copy(clip, tmp_path / name)
    told = told_of(tmp_path)
    assert told.startswith("none of the 2 files can be used; the first: a.mkv has no sound")
    assert not (cache / "data").exists()


def test_silent_films(tmp_path):
    film = make_film(tmp_path / "film.mkv", sound="anullsrc=d=1")
    told = told_of(film)
    assert told.endswith("has no sound to learn from: film.mkv is silent; give films with sound")


def test_photos_and_sets_of_photos_have_no_sound(photos, tmp_path):
    assert told_of(photos) == f"{photos}: got photos, wanted pictures with sound: give films"
    dataset = open_data([photos], **HOW)
    told = f"{dataset.path} has no sound to learn from: 0.png, 1.jpg, 2.webp are silent"
    assert told_of(dataset.path) == f"{told}; give films with sound"


@pytest.mark.parametrize(
    ("how", "has", "wants"),
    [
        ({"size": "32"}, "--size 16x8", "--size 32x32"),
        ({"channels": 1}, "--channels 3", "--channels 1"),
        ({"frame_rate": "30"}, "--frame-rate 10", "--frame-rate 30"),
        ({"frame_rate": "29.97"}, "--frame-rate 10", "--frame-rate 30000/1001"),
        ({"sample_rate": 22050}, "--sample-rate 8000", "--sample-rate 22050"),
        (
            {"size": "64", "sample_rate": 44100},
            "--size 16x8 --sample-rate 8000",
            "--size 64x64 --sample-rate 44100",
        ),
    ],
)
def test_a_prepared_set_of_other_sizes_or_rates(how, has, wants, tmp_path):
    path = make_dataset(tmp_path / "set", {"a": np.zeros((3, 8, 16, 3), np.uint8)}).path
    assert told_of(path, **how) == (
        f"{path} was prepared with {has}, the run wants {wants}: prepare it so, or run with what "
        "it has"
    )
    assert open_data([path], **HOW | how).path == path  # of which pictures alone are wanted
