from fractions import Fraction

import numpy as np
import pytest
import soundfile

from tests.conftest import make_run
from tests.media.clips import run_ffmpeg
from tests.visual import make_visual_run
from wyh import reference
from wyh.errors import WyhError
from wyh.loudness import recording_loudness
from wyh.reference import read_reference

RATE = 8000  # of the run


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return make_run(tmp_path_factory.mktemp("runs") / "run", frame_rate=Fraction(25))


def tone(path, secs=3.0, rate=44100, loud=0.02, hertz=440.0, subtype="PCM_16"):
    """A sine in stereo."""
    wave = loud * np.sin(2 * np.pi * hertz * np.arange(round(secs * rate)) / rate)
    soundfile.write(path, np.stack([wave, wave], axis=1), rate, subtype)
    return path


def test_no_file_no_sound(run):
    assert read_reference(None, run) is None


def test_it_comes_at_the_rate_of_the_run(run, tmp_path):
    sound = read_reference(tone(tmp_path / "tone.wav"), run)
    assert sound.dtype == np.int16 and abs(len(sound) - 3 * RATE) <= 2
    spectrum = np.abs(np.fft.rfft(sound[: 2 * RATE] * np.hanning(2 * RATE)))
    assert np.argmax(spectrum) == 2 * 440


@pytest.mark.parametrize("loud", [0.005, 0.3])
def test_it_is_as_loud_as_what_runs_learn_from(run, tmp_path, loud):
    sound = read_reference(tone(tmp_path / "tone.wav", loud=loud), run)
    lufs = recording_loudness(sound.astype(np.float32) / 32768, RATE)
    assert lufs == pytest.approx(-23, abs=0.3)


def test_it_may_be_of_a_film(run, tmp_path):
    film = tmp_path / "film.mkv"
    tone(tmp_path / "tone.wav", secs=1.0)
    look = ["-f", "lavfi", "-i", "color=white:size=32x32:rate=10:duration=1"]
    run_ffmpeg(*look, "-i", str(tmp_path / "tone.wav"), "-c:a", "flac", str(film))
    assert abs(len(read_reference(film, run)) - RATE) <= 100


def test_of_a_long_recording_its_beginning_is_taken(run, tmp_path, monkeypatch):
    monkeypatch.setattr(reference, "MOST_SECS", 1.25)
    assert len(read_reference(tone(tmp_path / "tone.wav"), run)) == 1.25 * RATE


def test_peaks_are_cut_off_and_never_wrap(run, tmp_path):
    clicks = np.zeros(3 * RATE, np.float32)
    clicks[::4000] = 0.9
    soundfile.write(tmp_path / "clicks.wav", clicks, RATE)
    sound = read_reference(tmp_path / "clicks.wav", run)
    assert sound[::4000].min() == 32767 and sound.min() > -2000


def test_what_is_no_reference(run, tmp_path):
    mute = tmp_path / "mute.mkv"
    run_ffmpeg("-f", "lavfi", "-i", "color=white:size=32x32:rate=10:duration=1", str(mute))
    (tmp_path / "words.txt").write_text("la la la")
    soundfile.write(tmp_path / "empty.wav", np.zeros(0, np.float32), RATE)
    for name, message in [
        ("gone.wav", "gone.wav: no such file"),
        ("mute.mkv", "mute.mkv.*no sound"),
        ("words.txt", "words.txt"),
        ("empty.wav", "empty.wav: no sound"),
    ]:
        with pytest.raises(WyhError, match=message) as told:
            read_reference(tmp_path / name, run)
        assert "\n" not in str(told.value)


def test_a_run_that_makes_pictures_takes_none(tmp_path):
    run = make_visual_run(tmp_path / "run")
    with pytest.raises(WyhError, match=r"got --reference, but .*run makes no sound: leave it out"):
        read_reference(tone(tmp_path / "tone.wav"), run)
