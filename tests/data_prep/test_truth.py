"""What was played goes into a data set beside its recording, or is refused at once."""

import pytest

from data_prep import video
from data_prep.video import prepare, survey
from tests.data_prep.test_video import config, make_video
from wyh.dataset import open_dataset
from wyh.errors import WyhError
from wyh.transcript import transcript_beside

TRUTH = "time_secs,note,velocity\r\n0.5000,F#4,0.5\n0.9,A#7,1\n"


@pytest.fixture(scope="module")
def film(tmp_path_factory):
    return make_video(tmp_path_factory.mktemp("films") / "film.mkv", secs=1.0)


@pytest.fixture
def films(film, tmp_path):
    """Three films in two folders; the first two have a truth."""
    given = tmp_path / "films"
    for name in ("a/take.mkv", "b/take.mkv", "b/other.mkv"):
        path = given / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(film.read_bytes())
    write(given / "a/take.mkv", TRUTH)
    write(given / "b/take.mkv", TRUTH.replace("F#4", "370 Hz"))
    return given


def write(film, text):
    transcript_beside(film).write_bytes(text.encode())


def test_truths_go_into_the_set_by_the_names_of_their_recordings(films, tmp_path, capsys):
    dataset = open_dataset(prepare(config([films], tmp_path / "set")))
    names = [recording.name for recording in dataset.recordings]
    assert names == ["a/take.mkv", "b/other.mkv", "b/take.mkv"]
    assert dataset.truth("b/other.mkv") is None
    for name in (names[0], names[2]):
        assert dataset.truth(name).read_bytes() == transcript_beside(films / name).read_bytes()
    assert dataset.truth(names[0]).read_bytes() != dataset.truth(names[2]).read_bytes()
    # They are no footage that could not be used.
    assert "truth" not in capsys.readouterr().err


def test_a_set_without_truths_has_none(film, tmp_path):
    dataset = open_dataset(prepare(config([film], tmp_path / "set")))
    assert dataset.truth("film.mkv") is None
    assert not (tmp_path / "set/truth").exists()


def test_another_truth_makes_another_set(films, tmp_path):
    given = config([films], tmp_path / "set")
    prepare(given)
    marks = {survey(given).fingerprint}
    write(films / "a/take.mkv", TRUTH.replace("0.9,A#7,1", "0.9,A#7,0.9"))
    marks.add(survey(given).fingerprint)
    with pytest.raises(WyhError, match="already holds a data set of other inputs or options"):
        prepare(given)
    transcript_beside(films / "a/take.mkv").unlink()
    marks.add(survey(given).fingerprint)
    assert len(marks) == 3


def test_a_truth_that_is_gone_leaves_nothing_of_an_interrupted_set(films, tmp_path, monkeypatch):
    def stops(*given):
        raise KeyboardInterrupt

    out = tmp_path / "set"
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(video.shards, "finish", stops)
        prepare(config([films], out))
    assert (out / "truth/a/take.mkv.csv").exists()
    transcript_beside(films / "a/take.mkv").unlink()
    dataset = open_dataset(prepare(config([films], out)))
    assert dataset.truth("a/take.mkv") is None
    assert dataset.truth("b/take.mkv") is not None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (TRUTH.replace("0.9,", "7.5,"), "got a strike at 7.5 s, wanted none after the 1 s of its"),
        (TRUTH.replace("A#7", "H7"), "line 3: got the note 'H7', wanted a name such as"),
        ("\0", "got the header"),
        ("", "got no strikes"),
    ],
)
def test_a_truth_that_does_not_fit_is_refused_before_anything_is_cut(
    text, message, films, tmp_path, monkeypatch
):
    monkeypatch.setattr(video, "cut_recording", None)
    write(films / "b/take.mkv", text)
    with pytest.raises(WyhError, match=r"take\.truth\.csv") as error:
        prepare(config([films], tmp_path / "set"))
    assert message in str(error.value)
    assert "\n" not in str(error.value)
    assert not (tmp_path / "set").exists()


def test_a_truth_given_by_name_is_no_film(films, tmp_path):
    given = [films / "a/take.mkv", transcript_beside(films / "a/take.mkv")]
    assert survey(config(given, tmp_path / "set")).unusable == {}
    alone = survey(config([films / "b/other.mkv", given[1]], tmp_path / "set"))
    assert list(alone.unusable) == [str(given[1])]
    assert alone.truths == {}
