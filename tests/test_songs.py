import subprocess
from fractions import Fraction

import numpy as np
import pytest
import soundfile

from wyh import parts, shards
from wyh.dataset import DataSpec, Recording, encode_window
from wyh.errors import WyhError
from wyh.media import ffmpeg
from wyh.songs import load_songs, to_int16
from wyh.specs import AudioSpec, VideoSpec, tick_start
from wyh.windows import WindowSpec, block_split

RATE = 8000


def noise(secs, seed=0):
    rng = np.random.default_rng(seed)
    return rng.uniform(-0.5, 0.5, round(RATE * secs)).astype(np.float32)


def write(path, waveform, rate=RATE, subtype="PCM_16"):
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, waveform, rate, subtype=subtype)
    return path


def film(path, *arguments):
    """A film of two seconds, or whatever ffmpeg makes of these arguments."""
    path.parent.mkdir(parents=True, exist_ok=True)
    picture = ["-f", "lavfi", "-i", "testsrc=size=32x32:rate=10:duration=2"]
    subprocess.run(
        [ffmpeg.executable(), "-v", "error", "-y", *picture, *map(str, arguments), path],
        check=True,
        stdin=subprocess.DEVNULL,
    )
    return path


def left_out(capsys):
    said = capsys.readouterr()
    assert not said.out
    return said.err.splitlines()


def test_files_folders_and_lists(tmp_path, capsys):
    sounds = [noise(0.5 + number / 10, number) for number in range(5)]
    write(tmp_path / "set/b/song.wav", sounds[1])
    write(tmp_path / "set/a/song.wav", sounds[0])
    write(tmp_path / "set/a/.hidden.wav", sounds[0])
    write(tmp_path / "more.flac", sounds[2])
    write(tmp_path / "set/z.aiff", sounds[3])
    write(tmp_path / "listed/one.wav", sounds[4])
    (tmp_path / "set/cover.jpg").write_bytes(b"no picture, and nobody looks")
    (tmp_path / "set/notes.txt").write_text("not a list, for it lies in a folder")
    (tmp_path / "songs.m3u").write_text("# mine\nlisted\nmore.flac\n")
    bank = load_songs([tmp_path / "set", tmp_path / "more.flac", tmp_path / "songs.m3u"], RATE)
    wanted = ["listed/one.wav", "more.flac", "set/a/song.wav", "set/b/song.wav", "set/z.aiff"]
    assert bank.describe()["recordings"] == wanted
    assert left_out(capsys) == []
    assert bank.unusable == {} and bank.sample_rate == RATE
    for song, sound in zip(bank.songs, (sounds[i] for i in (4, 2, 0, 1, 3)), strict=True):
        assert len(song.waveform) == len(sound)
        np.testing.assert_allclose(song.waveform, np.rint(32768 * sound), atol=1)


def test_sound_is_found_in_films_and_beside_covers(tmp_path, capsys):
    plain = write(tmp_path / "plain.wav", noise(2.0), subtype="FLOAT")
    film(tmp_path / "film.mp4", "-i", plain, "-c:a", "aac", "-b:a", "128k")
    cover = film(tmp_path / "cover.png", "-frames:v", 1)
    film(
        tmp_path / "song.mp3", "-i", plain, "-i", cover, "-map", "1:a", "-map", "2:v",
        "-disposition:v", "attached_pic", "-b:a", "128k",
    )  # fmt: skip
    film(tmp_path / "mute.mp4")
    bank = load_songs([tmp_path], RATE)
    assert [song.name for song in bank.songs] == ["film.mp4", "plain.wav", "song.mp3"]
    whole = bank.songs[1].waveform.astype(float)
    for song in bank.songs:
        assert len(song.waveform) == pytest.approx(2 * RATE, abs=0.1 * RATE)
        sound = song.waveform[: len(whole)].astype(float)
        assert np.corrcoef(sound, whole[: len(sound)])[0, 1] > 0.9
    (line,) = left_out(capsys)
    assert line.startswith("left out: ") and line.endswith("has no sound, wanted a file with sound")
    assert set(bank.unusable) == {tmp_path / "mute.mp4"}


def test_what_is_of_no_use_is_left_out_and_told_once(tmp_path, capsys):
    write(tmp_path / "good.wav", noise(1.0))
    write(tmp_path / "blip.wav", noise(0.05))
    write(tmp_path / "still.wav", np.zeros(RATE, np.float32))
    write(tmp_path / "nothing.wav", np.zeros(0, np.float32))
    (tmp_path / "empty.mp3").write_bytes(b"")
    (tmp_path / "broken.mp3").write_bytes(bytes(range(256)) * 8)
    (tmp_path / "gone.m3u").write_text("gone.wav\n")
    bank = load_songs([tmp_path, tmp_path / "gone.m3u"], RATE, shortest=800)
    assert [song.name for song in bank.songs] == ["good.wav"]
    told = left_out(capsys)
    assert len(told) == len(bank.unusable) == 6
    assert all(line.startswith("left out: ") and line.count(str(tmp_path)) == 1 for line in told)
    assert f"left out: {tmp_path}/blip.wav lasts 0.05 s, wanted 0.1 s or more" in told
    assert f"left out: {tmp_path}/still.wav is silent" in told


def test_a_damaged_file_is_heard_as_far_as_it_goes(tmp_path, capsys):
    plain = write(tmp_path / "plain.wav", noise(4.0))
    song = tmp_path / "song.m4a"
    film(song, "-i", plain, "-map", "1:a", "-c:a", "aac", "-b:a", "64k", "-movflags", "faststart")
    song.write_bytes(song.read_bytes()[: song.stat().st_size // 2])
    plain.unlink()
    bank = load_songs([tmp_path], RATE)
    assert 1 < bank.secs < 3
    (line,) = left_out(capsys)
    assert line.startswith("heard as far as it goes: ") and "song.m4a breaks off at" in line


@pytest.mark.parametrize(
    ("files", "told"),
    [
        ({}, "got no files: give music, speech or films with sound"),
        ({"a.wav": 0}, "{}/a.wav is silent: give music, speech or films with sound"),
        (
            {"a.wav": 0, "b.wav": 0},
            "none of the 2 files can be used; the first: {}/a.wav is silent: give music, speech or "
            "films with sound",
        ),
    ],
)
def test_nothing_to_hear(files, told, tmp_path):
    for name in files:
        write(tmp_path / name, np.zeros(RATE, np.float32))
    with pytest.raises(WyhError) as error:
        load_songs([tmp_path], RATE)
    assert str(error.value) == told.format(tmp_path)


def test_a_path_that_does_not_exist(tmp_path):
    with pytest.raises(WyhError, match="no such file or directory"):
        load_songs([tmp_path / "none.mp3"], RATE)


def test_sixteen_bits_as_in_a_data_set():
    wave = np.array([0, 0.5, -0.5, 1, -1, 7, -7, np.nan, np.inf, 1 / 65536], np.float32)
    wanted = [0, 16384, -16384, 32767, -32768, 32767, -32768, 0, 32767, 0]
    assert to_int16(wave).tolist() == wanted


def prepared(folder, recordings, *, rate=RATE, frame_rate=Fraction(12), time=1, every=5):
    """A data set of these sounds, divided as `data_prep` does it."""
    spec = DataSpec(VideoSpec(frame_rate, 8, 8, 1), AudioSpec(rate), time)
    frames, counts, written = np.zeros((time, 8, 8, 1), np.uint8), {}, []
    window = WindowSpec(frame_rate, rate, time)
    for name, sound in recordings.items():
        for index in range(int(len(sound) / rate * frame_rate) // time):
            split = "train"
            if every:
                split = block_split(index, window, every)
            elif name == max(recordings):
                split = "test"
            start = tick_start(index * time, rate, frame_rate)
            piece = sound[start : start + window.window_samples]
            piece = np.pad(piece, (0, window.window_samples - len(piece)))
            if split:
                data = encode_window(frames, piece, window.start_secs(index), name)
                written.append(parts.Entry(split, len(written), data))
                counts[name, split] = counts.get((name, split), 0) + 1
    with parts.work_folder(folder, "made up") as work:
        about = [
            Recording(n, counts.get((n, "train"), 0), counts.get((n, "test"), 0))
            for n in recordings
        ]
        shards.finish(
            folder, work, "made up", spec, parts.write_parts(work, "all", iter(written)), about
        )
    return folder


# 8000 / 29.97 samples leave one out now and then; four pictures at a time make longer windows.
@pytest.mark.parametrize(
    ("frame_rate", "time"), [(Fraction(12), 1), (Fraction(30000, 1001), 1), (Fraction(12), 4)]
)
def test_a_recording_of_a_data_set_is_joined_again(frame_rate, time, tmp_path):
    sound = np.sin(np.arange(12 * RATE) / 40).astype(np.float32) / 2
    folder = prepared(tmp_path / "set", {"a.mp4": sound}, frame_rate=frame_rate, time=time)
    bank = load_songs([folder], RATE)
    (song,) = bank.songs
    assert song.name == "a.mp4"
    parts_of = {split: bank.moments(split, 1, 10) for split in ("train", "validation", "test")}
    for split, moments in parts_of.items():
        pieces = bank.windows(moments, 20) / 32768
        wanted = sound[moments[:, None] - 10 + np.arange(20)]
        np.testing.assert_allclose(pieces, wanted, atol=2e-4, err_msg=split)
    seconds = {split: set(moments // RATE) for split, moments in parts_of.items()}
    assert seconds["test"] == {4, 9} and seconds["validation"] == {6}
    assert not seconds["train"] & {4, 6, 9}


def test_files_and_a_data_set_divide_one_recording_alike(tmp_path):
    sound = noise(15.0)
    folder = prepared(tmp_path / "set", {"a.wav": sound})
    write(tmp_path / "a.wav", sound)
    stored, heard = load_songs([folder], RATE), load_songs([tmp_path / "a.wav"], RATE)
    for split in ("train", "validation", "test"):
        mine, other = (bank.moments(split, 1, 300) for bank in (stored, heard))
        # Whole windows are kept: where a guard begins they are a little shorter.
        assert set(mine) <= set(other) and len(mine) > 0.85 * len(other)
    assert np.abs(stored.windows(mine, 600) - heard.windows(mine, 600)).max() <= 1


def test_a_data_set_keeps_its_tests_and_silent_recordings_are_left_out(tmp_path, capsys):
    sounds = {"a.mp4": noise(3.0), "b.mp4": np.zeros(3 * RATE, np.float32), "c.mp4": noise(2.0, 1)}
    folder = prepared(tmp_path / "set", sounds, every=0)
    write(tmp_path / "a.mp4.wav", noise(9.0, 2))
    bank = load_songs([folder, tmp_path / "a.mp4.wav"], RATE)
    assert [song.name for song in bank.songs] == ["a.mp4.wav", "a.mp4", "c.mp4"]
    assert left_out(capsys) == [f"left out: {folder}/b.mp4 is silent"]
    test = bank.moments("test", 100, 300)
    assert ((test > 4 * RATE) & (test < 5 * RATE) | (test > 12 * RATE)).all()
    assert {4, 12, 13} == set(test // RATE)


def test_a_data_set_of_another_rate(tmp_path):
    folder = prepared(tmp_path / "set", {"a.mp4": noise(2.0)})
    with pytest.raises(WyhError) as error:
        load_songs([folder], 22050)
    told = f"{folder} has sound of 8000 Hz, wanted 22050 Hz: prepare it with --sample-rate 22050"
    assert str(error.value) == told
