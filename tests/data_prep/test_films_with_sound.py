"""Films whose pictures and sound differ in rate, length or presence, read back for training."""

import subprocess
from fractions import Fraction

import numpy as np
import pytest
import soundfile

from data_prep.video import Config, prepare
from wyh.dataset import open_dataset
from wyh.frames import FrameBank
from wyh.media import ffmpeg
from wyh.soundtracks import Soundtrack

RATE = 22050
SECS = 20
FRAME_RATE = Fraction(30)
# Numbers of frames at 25 Hz, near both ends and between; some start on the grid of 30 Hz.
FLASHES = np.array([2, 10, 13, 35, 116, 251, 259, 340, 419, 475, 486, 497])


def held_for(rate):
    """Frames of a flash."""
    return Fraction(max(1, round(rate / 25)))


def film(path, *, flashes=FLASHES, secs=SECS, rate="25", sound_secs=None, late=0.0, codecs=()):
    """White for 40 ms or so from some frames on, and a click at the middle of that."""
    picture_rate = Fraction(rate)
    frames = np.zeros((round(secs * picture_rate), 16, 16), np.uint8)
    held = held_for(picture_rate)
    for more in range(int(held)):
        frames[flashes + more] = 255
    sound = np.zeros(round((secs if sound_secs is None else sound_secs) * RATE), np.float32)
    clicks = np.array([round((int(k) + held / 2) / picture_rate * RATE) for k in flashes])
    sound[clicks[clicks < len(sound)]] = 0.9
    wav = path.with_suffix(".wav")
    soundfile.write(wav, sound, RATE, subtype="PCM_16")
    raw = ["-f", "rawvideo", "-pix_fmt", "gray", "-s", "16x16", "-r", rate, "-i", "-"]
    delayed = ["-itsoffset", str(late), "-i", str(wav)]
    how = codecs or ["-c:v", "ffv1", "-c:a", "pcm_s16le"]
    command = [ffmpeg.executable(), "-v", "error", "-y", *raw, *delayed, *how, str(path)]
    subprocess.run(command, input=frames.tobytes(), check=True)
    return path


def opened(path, out, **options):
    options = {"frame_rate": str(FRAME_RATE), "size": "8", "channels": 1, "holdout": 0, **options}
    return open_dataset(prepare(Config((path,), out, workers=1, **options)))


def runs_of(numbers):
    """Neighbouring numbers together."""
    return np.split(numbers, np.flatnonzero(np.diff(numbers) > 1) + 1)


@pytest.mark.parametrize("rate", ["25", "24000/1001", "50"])
@pytest.mark.parametrize("time", [1, 4])
def test_footage_of_another_rate_does_not_drift(rate, time, tmp_path):
    """Every click lies within half a frame of the frames of its flash, at both ends alike."""
    source = Fraction(rate)
    flashes = np.round(FLASHES * float(source) / 25).astype(int)
    path = film(tmp_path / "film.mkv", flashes=flashes, rate=rate)
    dataset = opened(path, tmp_path / "set", frames_per_window=time)
    bank = FrameBank(dataset, "train")
    track = Soundtrack(dataset, "train", bank)
    frames = np.arange(bank.size)
    assert abs(bank.size - SECS * FRAME_RATE) <= time
    white = runs_of(np.flatnonzero(bank.frames_at(frames).mean(axis=(1, 2, 3)) > 128))
    assert len(white) == len(flashes)
    assert track.fits(735).mean() > 0.99
    reach, away = 2205, []
    for flash, shown in zip(flashes, white, strict=True):
        begin, end = shown[0] / FRAME_RATE, (shown[-1] + 1) / FRAME_RATE
        assert abs(begin - flash / source) < 1 / FRAME_RATE + Fraction(1, 500)
        heard = track.windows_at(shown[:1], reach)[0]
        assert np.abs(heard).max() > 20_000
        middle = (shown[0] + Fraction(1, 2)) / FRAME_RATE
        click = middle + Fraction(int(np.abs(heard).argmax()) - reach // 2, RATE)
        assert abs(click - (int(flash) + held_for(source) / 2) / source) < Fraction(2, RATE)
        away.append(float(click - (begin + end) / 2))
        outside = max(begin - click, click - end, 0)
        assert outside <= 1 / (2 * FRAME_RATE), (int(flash), float(outside))
    third = len(away) // 3
    # What the nearest frame leaves is no drift: it is the same at the beginning and at the end.
    assert np.abs(away).max() <= 1 / float(FRAME_RATE)
    assert abs(np.mean(away[:third]) - np.mean(away[-third:])) < 0.5 / float(FRAME_RATE)


def test_compressed_footage_does_not_drift_either(tmp_path):
    """With the delay of an AAC encoder, which the container tells."""
    codecs = ["-c:v", "mpeg4", "-q:v", "2", "-c:a", "aac", "-b:a", "128k"]
    path = film(tmp_path / "film.mp4", flashes=FLASHES[::3], codecs=codecs)
    dataset = opened(path, tmp_path / "set")
    track = Soundtrack(dataset, "train")
    frames = np.floor((FLASHES[::3] + 0.5) / 25 * 30).astype(int)
    heard = np.abs(track.windows_at(frames, 735).astype(int)).max(axis=1)
    before = np.abs(track.windows_at(frames - 2, 735).astype(int)).max(axis=1)
    assert (heard > 4 * before).all()


def test_sound_that_ends_before_the_picture_goes_on_as_silence(tmp_path):
    path = film(tmp_path / "film.mkv", flashes=FLASHES[:4], secs=3, sound_secs=1.2)
    dataset = opened(path, tmp_path / "set")
    track = Soundtrack(dataset, "train")
    assert dataset.count("train") == 90
    assert track.windows_at(np.array([12]), 735).any() and track.fits(735).all()
    assert not track.windows_at(np.arange(37, 90), 735).any()


def test_sound_that_goes_on_after_the_picture_is_left_out(tmp_path):
    path = film(tmp_path / "film.mkv", flashes=FLASHES[:3], secs=2, sound_secs=5)
    dataset = opened(path, tmp_path / "set")
    track = Soundtrack(dataset, "train")
    assert dataset.count("train") == 60 and track.secs == pytest.approx(2)
    assert not track.fits(735 + 2)[-1]
    assert track.windows_at(np.array([2]), 735).any()


def test_sound_that_begins_late_keeps_its_time(tmp_path):
    path = film(tmp_path / "film.mkv", flashes=FLASHES[:3], secs=3, late=0.51)
    track = Soundtrack(opened(path, tmp_path / "set"), "train")
    loud = np.abs(track.windows_at(np.arange(90), 735)).max(axis=1) > 20_000
    wanted = np.floor(((FLASHES[:3] + 0.5) / 25 + 0.51) * 30).astype(int)
    np.testing.assert_array_equal(np.flatnonzero(loud), wanted)
