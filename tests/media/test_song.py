import threading
import time

import numpy as np
import pytest
import soundfile

from tests.media import clips
from wyh.errors import WyhError
from wyh.media.song import PLAYED_HZ, Ahead, Song

RATE = 8000


@pytest.fixture
def stereo(tmp_path):
    """1.3 s: noise on the left, its quarter on the right."""
    left = np.random.default_rng(0).uniform(-0.8, 0.8, round(44100 * 1.3))
    path = tmp_path / "song.wav"
    soundfile.write(path, np.stack([left, left / 4], axis=1), 44100, "PCM_16")
    return path


def all_of(ahead):
    pieces = []
    while ahead.wait(1) and ahead.fill:
        pieces.append(ahead.take(1000))
    return np.concatenate(pieces)


def both(song):
    """What is heard and played, taken side by side."""
    pieces = []
    thread = threading.Thread(target=lambda: pieces.append(all_of(song.played)))
    thread.start()
    heard = all_of(song.heard)
    thread.join()
    return heard, pieces[0]


def test_it_is_heard_as_offline_and_played_as_it_is(stereo):
    with Song(str(stereo), RATE) as song:
        song.wait_first()
        heard, played = both(song)
    np.testing.assert_array_equal(heard, clips.read_audio(stereo, None, RATE))
    assert (song.played_hz, song.channels, song.failure) == (PLAYED_HZ, 2, None)
    assert played.shape == (round(PLAYED_HZ * 1.3), 2)
    levels = np.sqrt(np.mean(played[1000:-1000] ** 2, axis=0))
    assert levels[0] == pytest.approx(4 * levels[1], rel=0.01)
    assert levels[0] == pytest.approx(0.8 / np.sqrt(3), rel=0.06)


def test_mono_is_played_as_mono(tmp_path):
    path = tmp_path / "mono.wav"
    sound = 0.5 * np.sin(0.05 * np.arange(PLAYED_HZ))
    soundfile.write(path, sound, PLAYED_HZ, "PCM_16")
    with Song(str(path), RATE) as song:
        _, played = both(song)
    np.testing.assert_allclose(played, sound, atol=1e-4)


@pytest.mark.parametrize("layout", ["5.1", "7.1", "12 channels"])
def test_many_channels(tmp_path, layout):
    path, count = tmp_path / "many.wav", {"5.1": 6, "7.1": 8}.get(layout, 12)
    noise = np.random.default_rng(0).uniform(-0.5, 0.5, (9600, count))
    soundfile.write(path, noise, PLAYED_HZ, "PCM_16")
    with Song(str(path), RATE) as song:
        heard, played = both(song)
    assert song.failure is None and played.shape == (9600, 2) and len(heard) == 1600
    assert 0.01 < np.abs(played).max() <= 1


def test_passes_of_a_loop_never_part(tmp_path):
    """A click 0.1 s after the begin of the sixth pass is at the same moment on both sides."""
    path, rate = tmp_path / "click.wav", 7919  # a rate that fits nothing
    sound = np.zeros(round(44100 * 1.3))
    sound[4410:4430] = 0.9
    soundfile.write(path, sound, 44100, "PCM_16")
    with Song(str(path), rate, loop=True) as song:
        begin = 5 * round(PLAYED_HZ * 1.3)
        while song.played._taken < begin:
            assert song.played.wait(1)
            song.played.take(min(4800, begin - song.played._taken))
            due = round(song.played._taken * rate / PLAYED_HZ) - song.heard._taken
            assert song.heard.wait(due)
            song.heard.take(due)
        assert song.heard.wait(rate) and song.played.wait(PLAYED_HZ)
        heard, played = song.heard.take(rate // 2), song.played.take(PLAYED_HZ // 2)
    assert np.argmax(played) / PLAYED_HZ == pytest.approx(0.1002, abs=0.001)
    assert np.argmax(heard) / rate == pytest.approx(np.argmax(played) / PLAYED_HZ, abs=0.0005)


def test_nothing_is_decoded_further_than_needed(stereo):
    with Song(str(stereo), RATE, loop=True) as song:
        deadline = time.monotonic() + 60
        while song.played.fill < 4 * PLAYED_HZ and time.monotonic() < deadline:
            time.sleep(0.01)
        time.sleep(0.1)
        assert song.played.fill < 4.2 * PLAYED_HZ and song.heard.fill < 4.2 * RATE


def test_an_address_is_read_once_and_played_as_it_is_heard(stereo, monkeypatch):
    monkeypatch.setattr("wyh.media.song.ffmpeg.is_url", lambda text: True)
    with Song(str(stereo), RATE) as song:
        song.wait_first()
        heard, played = both(song)
    assert (song.played_hz, song.channels) == (RATE, 1)
    np.testing.assert_array_equal(heard, played)


def test_no_sound_at_all(tmp_path):
    empty = tmp_path / "empty.wav"
    soundfile.write(empty, np.zeros(0), RATE)
    with Song(str(empty), RATE) as song, pytest.raises(WyhError, match=r"empty\.wav: no sound"):
        song.wait_first()
    with pytest.raises(WyhError, match="no such file"):
        Song(str(tmp_path / "none.wav"), RATE)


def test_closing_lets_nobody_wait(stereo):
    song = Song(str(stereo), RATE, loop=True)
    song.close()
    assert not song.heard.wait(10**9)
    assert not any(thread.is_alive() for thread in song._threads)


def test_what_is_taken_is_what_was_put_in_any_pieces(rng):
    ahead, sound = Ahead(10**6), rng.standard_normal(5000).astype(np.float32)
    at = 0
    while at < len(sound):
        at += len(piece := sound[at : at + int(rng.integers(1, 300))])
        assert ahead.append(piece)
    taken = [ahead.take(int(rng.integers(0, 400))) for _ in range(200)]
    np.testing.assert_array_equal(np.concatenate(taken), sound)
    assert ahead.fill == 0 and len(ahead.take(10)) == 0
