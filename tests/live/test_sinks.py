import time
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
import soundfile

from tests.media.clips import read_audio, read_video, run_ffmpeg
from wyh.errors import WyhError
from wyh.live import sinks
from wyh.specs import AudioSpec, StreamSpec, VideoSpec

SPEC = StreamSpec("see-hear", VideoSpec(Fraction(25), 16, 32), AudioSpec(8000), 64, 100)


def open_sink(text, spec, note=print):
    return sinks.open_sink(text, spec, device_ms=40.0, note=note)


def play(sink, blocks, ticks):
    sound = np.linspace(-0.5, 0.5, blocks * 64, dtype=np.float32)
    for block in sound.reshape(blocks, 64):
        sink.write(block)
    for tick in range(ticks):
        sink.show(np.full((16, 32, 3), 10 * tick, np.uint8), 1)
    return sound


def test_null_takes_everything():
    sink = open_sink("null", SPEC)
    play(sink, 3, 2)
    sink.close(keep=True)


def test_a_wav_has_the_latency_taken_out(tmp_path):
    path = tmp_path / "new" / "heard.wav"
    sink = open_sink(str(path), SPEC)
    sound = play(sink, 10, 1)
    assert not path.exists()
    sink.close(keep=True)
    samples, rate = soundfile.read(path, dtype="float32")
    assert rate == 8000
    np.testing.assert_allclose(samples, sound[100:], atol=1e-4)


def test_a_stereo_wav_has_the_latency_taken_out_of_both_sides(tmp_path):
    path = tmp_path / "heard.wav"
    sink = open_sink(str(path), replace(SPEC, audio=AudioSpec(8000, 2)))
    sound = np.linspace(-0.5, 0.5, 1280, dtype=np.float32).reshape(640, 2)
    for block in sound.reshape(10, 64, 2):
        sink.write(block)
    sink.close(keep=True)
    np.testing.assert_allclose(soundfile.read(path)[0], sound[100:], atol=1e-4)


def test_a_stereo_movie(tmp_path):
    path = tmp_path / "heard.mkv"
    sink = open_sink(str(path), replace(SPEC, audio=AudioSpec(8000, 2)))
    n = np.arange(10 * 640, dtype=np.float32)
    sound = np.stack([0.5 * np.sin(n / 5), 0.1 * np.sin(n / 9)], axis=1)
    sink.write(sound)
    sink.show(np.zeros((16, 32, 3), np.uint8), 20)
    sink.close(keep=True)
    run_ffmpeg("-i", str(path), "-c:a", "pcm_f32le", str(tmp_path / "heard.wav"))
    np.testing.assert_allclose(soundfile.read(tmp_path / "heard.wav")[0], sound[100:], atol=1e-4)


def test_standard_output_is_interleaved(capfdbinary):
    sound = np.arange(128, dtype=np.float32).reshape(64, 2)
    open_sink("-", SPEC).write(sound)
    out, _ = capfdbinary.readouterr()
    np.testing.assert_array_equal(np.frombuffer(out, "<f4"), np.arange(128))


@pytest.mark.parametrize("name", ["heard.wav", "heard.mp4"])
def test_nothing_heard_leaves_no_file(tmp_path, name):
    open_sink(str(tmp_path / name), SPEC).close(keep=True)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["heard.wav", "heard.mp4"])
def test_an_error_leaves_no_file(tmp_path, name):
    sink = open_sink(str(tmp_path / name), SPEC)
    play(sink, 10, 2)
    sink.close(keep=False)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_a_movie_has_every_tick_and_its_sound(tmp_path, suffix):
    path = tmp_path / f"heard{suffix}"
    sink = open_sink(str(path), SPEC)
    play(sink, 127, 20)
    sink.show(np.full((16, 32, 3), 200, np.uint8), 5)
    sink.close(keep=True)
    times, pixels = read_video(path, VideoSpec(Fraction(25), 256, 512))
    assert len(times) == 25
    np.testing.assert_allclose(np.diff(times), 0.04, atol=0.0011)
    shown = pixels.mean(axis=(1, 2, 3))
    np.testing.assert_allclose(shown, [*range(0, 200, 10), *[200] * 5], atol=4)
    assert abs(len(read_audio(path, times[0], 8000)) - (127 * 64 - 100)) < 1100  # AAC pads


def test_a_speaker_pulls_by_its_own_clock():
    notes, pulled = [], []
    sink = open_sink("speaker:null", SPEC, notes.append)
    assert isinstance(sink, sinks.DeviceSink)
    assert "null" in sink.name

    def pull(count):
        pulled.append(count)
        return np.zeros(count, np.float32)

    sink.start(pull)
    until = time.monotonic() + 30
    while sum(pulled) < 800 and time.monotonic() < until:
        time.sleep(0.01)
    sink.close(keep=True)
    assert sum(pulled) >= 800


@pytest.mark.parametrize("sink", ["heard.ogg", "loudspeaker", ""])
def test_unknown_sinks(sink):
    with pytest.raises(WyhError, match="wanted speaker, screen, web, null, a name in"):
        open_sink(sink, SPEC)


def test_a_place_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(WyhError, match="cannot be written"):
        open_sink(str(tmp_path / "file" / "x.wav"), SPEC)


def test_a_terminal_is_no_place_for_samples(monkeypatch):
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    with pytest.raises(WyhError, match="standard output is a terminal"):
        open_sink("-", SPEC)
