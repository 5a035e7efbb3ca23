"""Films of a marimba: whole, in sync with their truth, the same by seed, each of its own."""

import json
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from data_prep import marimba, marimba_film, video
from data_prep.marimba import Config, main, prepare
from data_prep.marimba_film import frames, make_film, plan
from data_prep.marimba_sound import render
from tests.conftest import ended
from wyh.dataset import open_dataset
from wyh.errors import WyhError
from wyh.media.decode import measure_frame_rate, open_audio, open_video
from wyh.specs import VideoSpec
from wyh.transcript import read_transcript, transcript_beside

SECS = 4.0
RATE = 44_100
SMALL = VideoSpec(Fraction(25), 48, 64)


def config(out, **options):
    return Config(out, **{"recordings": 2, "test": 1, "secs": SECS, "size": "64x48", **options})


def tasks(out, **options):
    return marimba._tasks(config(out, **options))


@pytest.fixture(scope="module")
def films(tmp_path_factory):
    out = tmp_path_factory.mktemp("films") / "marimba"
    return prepare(config(out, workers=1))


def decoded(path):
    """Pictures, their times, and sound from the first picture on."""
    with open_video(path, SMALL) as reader:
        start = reader.start_secs
        chunks = list(reader)
    with open_audio(path, RATE, start_secs=start) as reader:
        sound = np.concatenate(list(reader))
    times = np.concatenate([chunk.times_secs for chunk in chunks]) - start
    return np.concatenate([chunk.pixels for chunk in chunks]), times, sound


def test_a_directory_holds_films_truths_and_a_manifest(films):
    names = sorted(path.relative_to(films).as_posix() for path in films.rglob("*.*"))
    stems = ["test/test-0000", "train/train-0000", "train/train-0001"]
    wanted = [f"{stem}{end}" for stem in stems for end in (".mp4", ".truth.csv")]
    assert names == ["manifest.json", *wanted]
    manifest = json.loads((films / "manifest.json").read_text())
    assert manifest["settings"] == {
        "secs": SECS,
        "frame_rate": "25",
        "size": "64x48",
        "sample_rate": RATE,
        "seed": 0,
    }
    about = {recording["name"]: recording for recording in manifest["recordings"]}
    assert sorted(about) == [f"{stem}.mp4" for stem in stems]
    for name, recording in about.items():
        truth = read_transcript(transcript_beside(films / name), SECS)
        assert len(truth.times_secs) == recording["strikes"]
    for drawn in ("tempo_bpm", "camera", "look", "room"):
        assert len({json.dumps(recording[drawn]) for recording in about.values()}) == 3


def test_a_film_has_its_rate_length_and_pictures(films):
    for task in tasks(films):
        pixels, times, sound = decoded(task.film)
        assert measure_frame_rate(task.film) == 25
        np.testing.assert_allclose(times, np.arange(100) / 25, atol=1e-6)
        assert abs(len(sound) / RATE - SECS) < 0.03
        drawn = np.concatenate(list(frames(plan(task), task.video))).astype(int)
        assert drawn.shape == pixels.shape
        assert np.mean((drawn - pixels) ** 2, axis=(1, 2, 3)).max() < 120  # 27 dB
        # Where most moves, each decoded frame is the one drawn for its time, not a neighbour.
        moved = np.mean((drawn[1:] - drawn[:-1]) ** 2, axis=(1, 2, 3))
        for number in np.argsort(moved)[-10:]:
            for shown, other in ((number, number + 1), (number + 1, number)):
                apart = np.mean((pixels[shown] - drawn[[shown, other]]) ** 2, axis=(1, 2, 3))
                assert apart[0] < apart[1]


def test_strokes_are_heard_at_the_times_of_the_truth(films):
    """The container's delay is known to the decoder: nothing is left of it."""
    lone = 0
    for task in tasks(films):
        truth, (_, _, sound) = read_transcript(task.truth), decoded(task.film)
        before = np.diff(truth.times_secs, prepend=-1.0)
        after = np.diff(truth.times_secs, append=SECS + 1)
        for time in truth.times_secs[(before > 0.5) & (after > 0.05)]:
            begin = round((time - 0.05) * RATE)
            near = np.abs(sound[begin : begin + round(0.1 * RATE)])
            onset = begin + np.argmax(near > 0.25 * near.max())
            assert abs(onset / RATE - time) < 0.005
            lone += 1
        plain = render(plan(task).score, SECS, RATE, plan(task).sound, plan(task).room)
        size = min(len(plain), len(sound))
        spectra = [np.fft.rfft(wave[:size], 1 << 19) for wave in (sound, plain)]
        lag = int(np.argmax(np.fft.irfft(spectra[0] * np.conj(spectra[1]))))
        assert min(lag, (1 << 19) - lag) <= 2
    assert lone >= 3


def test_recordings_differ_between_splits_and_numbers_and_are_the_same_by_seed(tmp_path):
    first, second, test = (plan(task) for task in tasks(tmp_path))
    for other in (second, test):
        assert other.camera != first.camera
        assert other.look != first.look
        assert other.room != first.room
        assert other.score.tempo_bpm != first.score.tempo_bpm
        assert other.score.strikes != first.score.strikes
    again = tasks(tmp_path)[2]
    assert plan(again).camera == test.camera
    pictures = [next(frames(plan(again), SMALL)) for _ in range(2)]
    np.testing.assert_array_equal(*pictures)
    reseeded = plan(tasks(tmp_path, seed=1)[2])
    assert reseeded.camera != test.camera


def test_cameras_of_both_splits_are_drawn_from_the_same_ranges(tmp_path):
    task = tasks(tmp_path)[0]
    zooms = {
        split: [plan(task._replace(split=split, number=n, secs=2)).camera.pixels_per_m for n in nn]
        for split, nn in (("train", range(20)), ("test", range(20)))
    }
    assert max(zooms["train"]) > min(zooms["test"])
    assert max(zooms["test"]) > min(zooms["train"])
    assert not set(zooms["train"]) & set(zooms["test"])


def test_whole_films_are_kept_and_the_missing_are_made(films):
    stamps = {path: path.stat().st_mtime_ns for path in films.rglob("*.mp4")}
    missing = films / "train/train-0001.truth.csv"
    before = missing.read_text()
    missing.unlink()
    prepare(config(films, workers=1))
    assert missing.read_text() == before
    changed = {path for path in films.rglob("*.mp4") if path.stat().st_mtime_ns != stamps[path]}
    assert changed == {films / "train/train-0001.mp4"}


def test_an_interrupted_film_leaves_nothing(tmp_path, monkeypatch):
    task = tasks(tmp_path, secs=2)[0]
    task.film.parent.mkdir(parents=True)
    whole = marimba_film.frames

    def interrupted(*given):
        yield next(whole(*given))
        raise KeyboardInterrupt

    monkeypatch.setattr(marimba_film, "frames", interrupted)
    with pytest.raises(KeyboardInterrupt):
        make_film(task)
    assert not list(task.film.parent.iterdir())
    monkeypatch.undo()
    assert "strokes" in make_film(task)
    assert len(list(task.film.parent.iterdir())) == 2
    assert "is there already" in make_film(task)


def test_what_killed_runs_left_is_removed_and_nothing_else(films):
    left = films / "train/.wyh-1-0.part"
    left.write_bytes(b"half a film")
    lone = films / "train/train-0099.truth.csv"
    lone.write_text("time_secs,note,velocity\n")
    other = films / "train/mine.csv"
    other.write_text("")
    prepare(config(films, workers=1))
    assert not left.exists() and not lone.exists() and other.exists()
    other.unlink()


def test_two_runs_do_not_write_to_one_directory(films):
    with marimba._alone(films), pytest.raises(WyhError, match="is being written to by another"):
        prepare(config(films))


def test_more_films_can_be_asked_for_and_fewer_lose_none(films):
    prepare(config(films, recordings=1, test=0, workers=1))
    manifest = json.loads((films / "manifest.json").read_text())
    assert len(manifest["recordings"]) == 3
    prepare(config(films, workers=1))


def test_films_become_a_data_set_as_any_footage(films, tmp_path):
    options = video.Config((films / "train",), tmp_path / "set", size="64x48", workers=1)
    dataset = open_dataset(video.prepare(replace(options, channels=1, holdout=0.5)))
    assert dataset.count("train") + dataset.count("test") == 200


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"recordings": 0}, "got --recordings 0, wanted 1 to 10000 films"),
        ({"test": -1}, "got --test -1, wanted 0 to 10000 films"),
        ({"secs": 1.0}, "got secs 1 s, wanted 2 to 300 s"),
        ({"secs": float("nan")}, "got secs nan s, wanted 2 to 300 s"),
        ({"secs": 3600.0}, "got secs 3600 s, wanted 2 to 300 s"),
        ({"seed": -1}, "got the seed -1, wanted 0 or more"),
        ({"workers": -1}, "got -1 workers, wanted 1 or more"),
        ({"frame_rate": "5"}, "got frame rate 5 Hz, wanted 10 to 240 Hz"),
        ({"frame_rate": "fast"}, "got the rate 'fast', wanted a number"),
        ({"size": "big"}, "got the size 'big', wanted pixels as 64"),
        ({"size": "160x30"}, "got the height 30, wanted an even one of 32 to 1920 pixels"),
        ({"size": "161x120"}, "got the width 161, wanted an even one"),
        ({"size": "4096x120"}, "got the width 4096, wanted an even one"),
    ],
)
def test_wishes_out_of_range_are_refused(options, message, tmp_path):
    with pytest.raises(WyhError) as error:
        prepare(config(tmp_path / "out", **options))
    assert message in str(error.value)
    assert "\n" not in str(error.value)
    assert not (tmp_path / "out").exists()


def test_places_that_cannot_be_used_are_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(WyhError, match="file is a file, wanted a directory"):
        prepare(config(tmp_path / "file"))
    with pytest.raises(WyhError, match="holds something else, wanted a new or empty directory"):
        prepare(config(tmp_path))
    with pytest.raises(WyhError, match="cannot be written to: Not a directory; choose another"):
        prepare(config(tmp_path / "file" / "below"))
    damaged = tmp_path / "damaged"
    damaged.mkdir()
    (damaged / "manifest.json").write_text("{")
    with pytest.raises(WyhError, match=r"manifest\.json is damaged; choose another --out"):
        prepare(config(damaged))


def test_films_of_other_settings_are_not_mixed(films):
    with pytest.raises(WyhError, match=r"holds films with secs 4\.0, got 5; give the same"):
        prepare(config(films, secs=5))
    with pytest.raises(WyhError, match="holds films with size 64x48, got 64x64"):
        prepare(config(films, size="64x64"))


def test_the_command_prints_its_directory_and_ends_with_2_for_bad_input(films, capsys):
    words = ["--secs", SECS, "--size", "64x48", "--test", 1, "--workers", 1]
    status, out, _ = ended(capsys, main, Config, "m", "--out", films, "--recordings", 2, *words)
    assert (status, out.strip()) == (0, str(films))
    status, out, told = ended(capsys, main, Config, "m", "--out", films, "--recordings", 0)
    assert (status, out) == (2, "")
    assert told == "m: got --recordings 0, wanted 1 to 10000 films\n"
