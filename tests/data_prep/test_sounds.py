import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
import soundfile

from data_prep import sounds
from data_prep.sound_windows import cut, rng_of
from data_prep.sounds import Config, prepare
from tests.conftest import ended
from wyh.errors import WyhError
from wyh.sound_set import open_sound_set

RATE = 8000
DIGITS = Path(__file__).parents[3] / "shared/media/spoken_digits_fsdd.zip"


def save(path, secs=0.4, seed=0, rate=RATE, level=0.1):
    path.parent.mkdir(parents=True, exist_ok=True)
    sound = level * np.random.default_rng(seed).standard_normal(round(secs * rate))
    soundfile.write(path, sound.astype(np.float32), rate)
    return path


@pytest.fixture
def folder(tmp_path):
    for i in range(7):
        save(tmp_path / f"sounds/dog/{i}.wav", 0.3 + 0.7 * i, i)
        save(tmp_path / f"sounds/cat/{i}.wav", 0.01 + 0.05 * i, 10 + i)
    return tmp_path / "sounds"


def config(given, out, **options):
    return Config(given, out, **{"sample_rate": RATE, "workers": 1, **options})


def test_a_folder_becomes_a_set(folder, tmp_path):
    found = open_sound_set(prepare(config(folder, tmp_path / "set", secs=0.5, most=3)))
    assert (found.classes, found.sample_rate, found.samples) == (("cat", "dog"), RATE, RATE // 2)
    assert found.secs == 0.5
    names = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.wav"))
    assert [sound.name for sound in found.sounds] == names
    assert found.folds == (1, 2, 3, 4, 5)
    assert found.test_fold == 5
    at = 0
    for sound in found.sounds:
        wave, _ = soundfile.read(folder / sound.name, dtype="float32")
        rng = rng_of(sound.name, 0)
        expected = cut(wave, RATE // 2, rng, sample_rate=RATE, most=3)
        assert sound.windows == len(expected)
        rows = range(at, at + sound.windows)
        np.testing.assert_allclose(found.waveforms(list(rows)), expected, atol=1e-4)
        assert {found.classes[label] for label in found.labels[at : at + sound.windows]} == {
            sound.name.split("/")[0]
        }
        at += sound.windows
    assert len(found.windows) == at
    # Both classes are in both splits, and there is nothing else.
    train, test = found.rows("train"), found.rows("test")
    assert set(found.labels[train]) == set(found.labels[test]) == {0, 1}
    assert sorted([*train, *test]) == list(range(at))


def test_what_cannot_be_read_is_left_out(folder, tmp_path, capsys):
    (folder / "dog/0.wav").write_text("no sound")
    save(folder / "cat/0.wav", level=0.0)
    (folder / "cat/1.wav").write_bytes((folder / "dog/6.wav").read_bytes()[:3000])
    found = open_sound_set(prepare(config(folder, tmp_path / "set")))
    names = [sound.name for sound in found.sounds]
    assert len(names) == 12
    assert "cat/1.wav" in names  # as far as it goes
    told = capsys.readouterr().err
    assert "left out: cat/0.wav: it is silent" in told
    assert "dog/0.wav" in told
    assert "left out: dog/1.wav" not in told


def test_classes_are_chosen_and_ordered(folder, tmp_path, capsys):
    save(folder / "ant/a.wav")
    out = prepare(config(folder, tmp_path / "set", classes=("dog", "cat", "dog")))
    assert open_sound_set(out).classes == ("dog", "cat")
    assert (
        "left out: class ant: it is not among --classes; sounds left out: 1"
        in capsys.readouterr().err
    )


def test_a_class_of_one_sound_is_told(folder, tmp_path, capsys):
    save(folder / "ant/a.wav")
    prepare(config(folder, tmp_path / "set"))
    assert "nothing to test with of: ant; give more sounds" in capsys.readouterr().err


def test_clips_of_a_hundredth_of_a_second_and_of_ten_minutes(tmp_path):
    for i in range(3):
        save(tmp_path / f"in/short/{i}.wav", 0.01, i)
    save(tmp_path / "in/long/a.wav", 600, 3)
    save(tmp_path / "in/long/b.wav", 1.0, 4)
    found = open_sound_set(prepare(config(tmp_path / "in", tmp_path / "set")))
    assert [sound.windows for sound in found.sounds] == [8, 1, 1, 1, 1]
    assert found.waveforms(range(12)).std(axis=1).min() > 0.05


def test_official_folds_are_kept(tmp_path, capsys):
    lines = ["slice_file_name,fsID,start,end,salience,fold,classID,class"]
    for fold in (1, 2, 4):
        for label, name in enumerate(("siren", "drilling")):
            save(tmp_path / f"audio/fold{fold}/{fold}-{label}-0-0.wav", 0.3, 2 * fold + label)
            lines.append(f"{fold}-{label}-0-0.wav,{fold},58.5,62.5,1,{fold},{label},{name}")
    (tmp_path / "metadata").mkdir()
    (tmp_path / "metadata/UrbanSound8K.csv").write_text("\n".join(lines))
    found = open_sound_set(prepare(config(tmp_path, tmp_path / "set", test_fold=2)))
    assert found.test_fold == 2
    assert found.groups == ("1", "2", "4")
    assert "left out: fold 3: no sounds are in it" in capsys.readouterr().err
    for sound in found.sounds:
        assert sound.name.startswith(f"fold{sound.fold}/{sound.group}-")
    assert [found.sounds[i].fold for i in found.sound_of[found.rows("test")]] == [2, 2]
    assert [found.sounds[i].fold for i in found.sound_of[found.rows("test", 4)]] == [4, 4]


def test_parts_of_recordings_by_a_list(tmp_path):
    path = save(tmp_path / "take.wav", 4.0)
    soundfile.write(path, np.repeat([0.1, 0.2, 0.3, 0.4], RATE), RATE)
    lines = [f"take.wav,{'odd' if k % 2 else 'even'},{k},{k + 1},{k // 2}" for k in range(4)]
    (tmp_path / "a.csv").write_text("path,label,start_secs,end_secs,fold\n" + "\n".join(lines))
    found = open_sound_set(prepare(config(tmp_path / "a.csv", tmp_path / "set", secs=0.5)))
    assert [sound.name for sound in found.sounds] == [f"take.wav@{k}-{k + 1}" for k in range(4)]
    means = found.waveforms(range(len(found.windows))).mean(axis=1)
    np.testing.assert_allclose(means, np.array([0.1, 0.2, 0.3, 0.4])[found.sound_of], atol=1e-4)
    assert found.classes == ("even", "odd")


def test_it_goes_on_where_it_stopped(folder, tmp_path, monkeypatch):
    monkeypatch.setattr(sounds, "CHUNK", 4)
    whole = open_sound_set(prepare(config(folder, tmp_path / "whole")))
    read, original = [], sounds.read_sound

    def interrupted(path, *options):
        read.append(path)
        if len(read) == 10:
            raise KeyboardInterrupt
        return original(path, *options)

    monkeypatch.setattr(sounds, "read_sound", interrupted)
    out = tmp_path / "set"
    with pytest.raises(KeyboardInterrupt):
        prepare(config(folder, out))
    with pytest.raises(WyhError, match="no set of sounds"):
        open_sound_set(out)
    again = open_sound_set(prepare(config(folder, out)))
    assert len(read) == 10 + 6
    np.testing.assert_array_equal(again.windows, whole.windows)
    assert sorted(path.name for path in out.iterdir()) == ["sounds.json", "windows.npy"]
    # And once it is there, nothing is read.
    prepare(config(folder, out))
    assert len(read) == 16
    with pytest.raises(WyhError, match="already holds a set of other sounds or options"):
        prepare(config(folder, out, secs=0.2))


def test_two_workers_give_the_same(folder, tmp_path, monkeypatch):
    monkeypatch.setattr(sounds, "CHUNK", 7)
    one, two = (
        open_sound_set(prepare(config(folder, tmp_path / str(n), workers=n))) for n in (1, 2)
    )
    np.testing.assert_array_equal(one.windows, two.windows)
    assert one.sounds == two.sounds


def one_class(folder):
    for path in (folder / "cat").iterdir():
        path.unlink()


def unreadable(folder):
    for path in (folder / "cat").iterdir():
        path.write_text("no sound")


def nothing(folder):
    for path in folder.rglob("*.wav"):
        path.unlink()


def all_unreadable(folder):
    for path in folder.rglob("*.wav"):
        path.write_text("no sound")


@pytest.mark.parametrize(
    ("change", "words", "message"),
    [
        (one_class, "", "sounds: got one class only, 'dog', wanted two or more to tell apart"),
        (unreadable, "", "of all classes only 'dog' has sounds that can be used, wanted two"),
        (nothing, "", "got no files, wanted sounds, in a folder for each class, or a CSV file"),
        (all_unreadable, "", "none of the 14 files can be used; the first: "),
        (None, "--classes dog catt", "got the class 'catt', of which there are no sounds, wanted"),
        (None, "--test-fold 6", "got test fold 6, wanted one of those there are: 1, 2, 3, 4, 5"),
        (None, "--layout esc50", "esc50.csv: cannot be read as CSV (No such file"),
        (None, "--layout fsdd", "wanted a name like 7_jackson_32.wav"),
        (None, "--secs 0", "got secs 0 s, wanted 0.1 to 60 s"),
        (None, "--most 0", "got most 0 windows, wanted 1 to 1000 windows"),
        (None, "--folds 1", "got folds 1, wanted 2 to 100"),
        (None, "--seed -1", "got seed -1, wanted 0 to"),
        (None, "--workers -1", "got -1 workers, wanted 1 or more, or 0 for one a core"),
        (None, "--sample-rate 100", "got sample rate 100 Hz, wanted 4000 to 192000 Hz"),
    ],
)
def test_bad_input(folder, tmp_path, capsys, change, words, message):
    if change:
        change(folder)
    out = tmp_path / "set"
    given = (folder, "--out", out, *words.split())
    status, said, told = ended(capsys, sounds.main, Config, "data_prep.sounds", *given)
    assert (status, said) == (2, "")
    assert message in told.splitlines()[-1]
    assert not out.exists()


@pytest.mark.skipif(not DIGITS.is_file(), reason=f"{DIGITS.name} is not here; see README.md")
def test_spoken_digits(tmp_path):
    wanted = [f"{d}_{who}_{i}" for d in (3, 7) for who in ("george", "theo") for i in range(3, 8)]
    with zipfile.ZipFile(DIGITS) as archive:
        for name in archive.namelist():
            if Path(name).stem in wanted:
                archive.extract(name, tmp_path)
    given = config(tmp_path, tmp_path / "set", layout="fsdd", fill="silence")
    found = open_sound_set(prepare(given))
    assert found.classes == ("3", "7")
    assert found.groups == ("george", "theo")
    tested = [found.sounds[i].name for i in found.sound_of[found.rows("test")]]
    assert sorted({name.rpartition("_")[2] for name in tested}) == ["3.flac", "4.flac"]
    assert len(tested) == 8
    held_out = found.rows_without("theo", "test")
    assert {found.sounds[i].group for i in found.sound_of[held_out]} == {"theo"}


def test_the_command(folder, tmp_path):
    out = tmp_path / "set"
    words = [sys.executable, "-m", "data_prep.sounds", str(folder), "--out", str(out)]
    words += ["--sample-rate", "16000", "--secs", "1.0", "--workers", "1"]
    told = subprocess.run(words, capture_output=True, text=True, check=False)
    assert told.returncode == 0, told.stderr
    assert told.stdout == f"{out}{os.linesep}"
    assert "14 sounds: cat/0.wav to dog/6.wav" in told.stderr
    assert json.loads((out / "sounds.json").read_text())["samples"] == 16000
