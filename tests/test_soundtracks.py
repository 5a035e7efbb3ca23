from fractions import Fraction

import jax.numpy as jnp
import numpy as np
import pytest

from wyh import parts, shards
from wyh.dataset import DataSpec, Recording, encode_window, open_dataset
from wyh.errors import WyhError
from wyh.frames import FrameBank
from wyh.signal.levels import integrated_loudness
from wyh.soundtracks import SILENT_PEAK, Soundtrack, check_sound
from wyh.specs import AudioSpec, VideoSpec, tick_start
from wyh.windows import WindowSpec, block_split, cut_windows

RATE = 8000
SILENCE = np.zeros(3 * RATE, np.float32)


def noise(secs, seed=0, level=0.5):
    rng = np.random.default_rng(seed)
    return rng.uniform(-level, level, round(RATE * secs)).astype(np.float32)


def prepared(folder, sounds, *, frame_rate=Fraction(10), time=1, every=0, test=()):
    """A data set of these sounds; frames hold their number modulo 256."""
    spec = DataSpec(VideoSpec(frame_rate, 8, 8, 1), AudioSpec(RATE), time)
    window, written = WindowSpec(frame_rate, RATE, time), []
    counts = {(name, split): 0 for name in sounds for split in ("train", "test")}
    for name, sound in sounds.items():
        count = round(len(sound) / RATE * frame_rate)
        frames = np.full((count, 8, 8, 1), 0, np.uint8)
        frames[:] = (np.arange(count) % 256)[:, None, None, None]
        for number, pictures, audio in cut_windows(iter([frames]), iter([sound]), window):
            split = block_split(number, window, every) if every else "train"
            split = "test" if name in test else split
            if split:
                data = encode_window(pictures, audio, window.start_secs(number), name)
                written.append(parts.Entry(split, len(written), data))
                counts[name, split] += 1
    with parts.work_folder(folder, "made up") as work:
        files = parts.write_parts(work, "all", iter(written))
        about = [Recording(name, counts[name, "train"], counts[name, "test"]) for name in sounds]
        shards.finish(folder, work, "made up", spec, files, about)
    return open_dataset(folder)


def middle(frame, frame_rate):
    return round((frame + Fraction(1, 2)) * RATE / frame_rate)


def cut(sound, at, length):
    """`length` samples of a sound around a sample, as 16 bits; silence outside."""
    padded = np.pad(np.rint(sound * 32768), (length + RATE, length + RATE))
    begin = at - length // 2 + length + RATE
    return padded[begin : begin + length].astype(np.int16)


# At 24 Hz windows of 333 samples leave one out now and then, at 29.97 Hz those of 267 overlap.
@pytest.mark.parametrize(
    ("frame_rate", "time"),
    [
        (Fraction(10), 1),
        (Fraction(24), 1),
        (Fraction(30000, 1001), 1),
        (Fraction(24), 5),
        (Fraction(30000, 1001), 4),
    ],
)
def test_windows_of_any_length_are_what_the_recording_has_there(frame_rate, time, tmp_path):
    smooth = np.sin(np.arange(4 * RATE) / 40).astype(np.float32) / 2
    sounds = {"a.mp4": smooth, "b.mp4": smooth[::-1].copy()}
    dataset = prepared(tmp_path, sounds, frame_rate=frame_rate, time=time)
    bank = FrameBank(dataset, "train")
    track = Soundtrack(dataset, "train", bank)
    of = {name: dataset.recordings[i].train * time for i, name in enumerate(sounds)}
    assert bank.size == sum(of.values())
    for length in (1, 2, 100, 333, 801, 5000):
        found = track.windows_at(np.arange(bank.size), length)
        fits = track.fits(length)
        row = 0
        for name, sound in sounds.items():
            stored = tick_start(of[name] - time, RATE, frame_rate)
            stored += dataset.spec.window.window_samples
            for frame in range(of[name]):
                at = middle(frame, frame_rate)
                begin, end = at - length // 2, at - length // 2 + length
                assert fits[row] == (begin >= 0 and end <= stored)
                wanted = cut(sound[:stored], at, length).astype(int)
                # A sample left out is the mean of its neighbours.
                assert np.abs(found[row] - wanted).max() <= 8
                row += 1
    assert track.silent == []
    assert track.secs == pytest.approx(8, abs=2 * time / float(frame_rate))


def test_frames_are_numbered_as_in_the_frame_bank(tmp_path):
    """Whether the pictures are in memory, are read from their shards or were not asked for."""
    sounds = {"a.mp4": noise(2), "b.mp4": noise(3, 1)}
    dataset = prepared(tmp_path, sounds, time=4, every=2)
    for split in ("train", "test"):
        loaded, read = (FrameBank(dataset, split, memory_bytes=most) for most in (1 << 30, 0))
        np.testing.assert_array_equal(loaded.places[0], read.places[0])
        np.testing.assert_array_equal(loaded.places[1], read.places[1])
        numbers = loaded.frames_at(np.arange(loaded.size))[:, 0, 0, 0]
        names = [dataset.recordings[i].name for i in loaded.places[1]]
        for bank in (loaded, read, None):
            track = Soundtrack(dataset, split, bank)
            for i, (name, number) in enumerate(zip(names, numbers, strict=True)):
                heard = track.windows_at(np.array(i), 700)
                np.testing.assert_array_equal(
                    heard, cut(sounds[name], middle(int(number), Fraction(10)), 700)
                )


def test_indices_of_any_shape(tmp_path):
    track = Soundtrack(prepared(tmp_path, {"a.mp4": noise(2)}), "train")
    indices = np.array([[3, 1, 1], [7, 0, 2]])
    found = track.windows_at(indices, 50)
    assert found.shape == (2, 3, 50) and found.dtype == np.int16
    np.testing.assert_array_equal(found[1, 2], track.windows_at(np.array([2]), 50)[0])
    assert track.windows_at(np.array(4), 50).shape == (50,)
    assert track.windows_at(np.zeros((0, 3), int), 50).shape == (0, 3, 50)
    assert track.waveform_at(indices, 50).shape == (2, 3, 50)


def test_nothing_is_heard_of_what_is_held_out(tmp_path):
    """Training frames beside a second held out: silence there, and they do not fit."""
    sound = noise(15)
    dataset = prepared(tmp_path, {"a.mp4": sound}, every=5)
    held = (np.arange(len(sound)) // RATE) % 5 == 4
    for split in ("train", "test"):
        track = Soundtrack(dataset, split)
        starts = FrameBank(dataset, split).places[0]
        length = 2400
        fits = track.fits(length)
        found = track.windows_at(np.arange(len(starts)), length)
        for start, fit, window in zip(starts, fits, found, strict=True):
            at = middle(round(start * 10), Fraction(10))
            places = np.clip(at - length // 2 + np.arange(length), 0, len(sound) - 1)
            other = held[places] if split == "train" else ~held[places]
            assert not window[other].any()
            if fit:
                np.testing.assert_array_equal(window, cut(sound, at, length))
            else:
                assert (window == 0).sum() > 100
        # Stretches of 30 (or 10) frames less the guard; the first and last of each do not fit.
        assert 0 < fits.sum() < len(fits)
        assert track.secs == pytest.approx(len(starts) / 10)


def test_a_whole_recording_has_its_holes(tmp_path):
    """Each from its own first sample on."""
    sounds = {"a.mp4": noise(7), "b.mp4": noise(10, 1)}
    dataset = prepared(tmp_path, sounds, every=5)
    for split in ("train", "test"):
        track = Soundtrack(dataset, split)
        starts, owners = FrameBank(dataset, split).places
        for number, sound in enumerate(sounds.values()):
            found = track.recording(number)
            assert found.dtype == np.float32
            wanted = np.zeros(max(len(sound), len(found)), np.float32)
            for start in starts[owners == number]:
                begin = round(start * RATE)
                wanted[begin : begin + RATE // 10] = sound[begin : begin + RATE // 10]
            np.testing.assert_allclose(found, wanted[: len(found)], atol=2e-5)
            assert not wanted[len(found) :].any()


def test_recordings_are_never_heard_in_one_another(tmp_path):
    sounds = {"a.mp4": noise(1), "b.mp4": noise(1, 1)}
    track = Soundtrack(prepared(tmp_path, sounds), "train")
    found = track.windows_at(np.array([9, 10]), RATE)
    np.testing.assert_array_equal(found[0], cut(sounds["a.mp4"], 7600, RATE))
    np.testing.assert_array_equal(found[1], cut(sounds["b.mp4"], 400, RATE))
    assert not track.fits(802)[[0, 9, 10, 19]].any()
    assert track.fits(800).all()


def test_recordings_are_made_equally_loud(tmp_path):
    sounds = {"a.mp4": noise(12, 0, 0.5), "b.mp4": noise(12, 1, 0.01), "c.mp4": noise(9, 2, 0.1)}
    dataset = prepared(tmp_path, sounds, test=("c.mp4",))
    track = Soundtrack(dataset, "train")
    assert track.gains.shape == (3,) and track.gains.dtype == np.float32
    assert track.gains[0] < 0.5 and track.gains[1] > 3 and track.gains[2] == 1
    for frame in (60, 180):
        heard = track.waveform_at(np.array([frame]), 10 * RATE)
        assert float(integrated_loudness(jnp.asarray(heard), RATE)[0]) == pytest.approx(
            -23, abs=0.2
        )
    plain = track.windows_at(np.array([5, 130]), 64) / np.float32(32768)
    np.testing.assert_allclose(
        track.waveform_at(np.array([5, 130]), 64), plain * track.gains[:2, None], rtol=1e-6
    )


def test_a_divided_recording_is_as_loud_in_its_test_as_in_its_training(tmp_path):
    fading = noise(15) * np.linspace(1, 0.01, 15 * RATE, dtype=np.float32)
    dataset = prepared(tmp_path, {"a.mp4": fading}, every=5)
    train, test = Soundtrack(dataset, "train"), Soundtrack(dataset, "test")
    assert abs(train.gains[0] / test.gains[0] - 1) > 0.01
    heard = test.waveform_at(np.arange(5), 100, train.gains)
    plain = test.windows_at(np.arange(5), 100) / np.float32(32768)
    np.testing.assert_allclose(heard, plain * train.gains[0], rtol=1e-6)


def test_silent_recordings_are_left_out_by_name(tmp_path):
    hiss = np.full(3 * RATE, SILENT_PEAK / 32768, np.float32)
    sounds = {"a.mp4": noise(3), "b.mp4": SILENCE, "c.mp4": hiss, "d.mp4": noise(3, 1, 0.001)}
    dataset = prepared(tmp_path, {**sounds, "e.mp4": SILENCE}, test=("a.mp4", "e.mp4"))
    check_sound(dataset)
    track = Soundtrack(dataset, "train")
    assert track.silent == ["b.mp4", "c.mp4"]
    np.testing.assert_array_equal(track.fits(400), np.repeat([False, False, True], 30))
    assert track.secs == pytest.approx(3)
    assert (track.gains[[0, 1, 2, 4]] == 1).all()
    assert Soundtrack(dataset, "test").silent == ["e.mp4"]


@pytest.mark.parametrize(
    ("count", "named"),
    [
        (1, "0.mp4 is silent"),
        (3, "0.mp4, 1.mp4, 2.mp4 are silent"),
        (5, "0.mp4, 1.mp4, 2.mp4 and 2 more are silent"),
    ],
)
def test_no_sound_at_all(count, named, tmp_path):
    dataset = prepared(tmp_path, {f"{i}.mp4": SILENCE for i in range(count)})
    told = f"{tmp_path} has no sound to learn from: {named}; give films with sound"
    for look in (lambda: Soundtrack(dataset, "train"), lambda: check_sound(dataset)):
        with pytest.raises(WyhError) as error:
            look()
        assert str(error.value) == told


def test_an_empty_split(tmp_path):
    dataset = prepared(tmp_path, {"a.mp4": noise(1)})
    with pytest.raises(WyhError, match="no pictures to train on"):
        Soundtrack(dataset, "test")
