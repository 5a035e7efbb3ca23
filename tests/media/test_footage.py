import os
import threading
import time
from contextlib import closing
from fractions import Fraction

import numpy as np
import pytest

from tests.media import clips
from tests.media.live_sources import Server, hidden_screen, wait_for
from wyh.errors import WyhError
from wyh.media import footage
from wyh.media.cameras import Camera
from wyh.media.footage import Heard, record
from wyh.media.microphone import Microphone
from wyh.media.probe import probe
from wyh.media.sources import Source, resolve_source
from wyh.specs import VideoSpec

RATE = 48000


class Ear(Microphone):
    """Hears a tone for 0.1 s of each second of this machine's clock."""

    latency_secs = 0.02

    def __init__(self, channels=1):
        self.channels, self.count, self.began = channels, 0, time.time()

    def read(self):
        at = self.began + (self.count + np.arange(480)) / RATE
        self.count += 480
        there = self.began + self.count / RATE + self.latency_secs
        time.sleep(max(0.0, there - time.time()))
        block = (0.5 * (at % 1 < 0.1) * np.sin(2 * np.pi * 1000 * at)).astype(np.float32)
        return block if self.channels == 1 else np.stack([block, 0 * block], axis=1)


@pytest.fixture
def stop():
    return threading.Event()


def webcam(*ways):
    return Source("camera 0", ways[0], False, True, ways[1:], Camera(0, "", "/dev/video0"))


def made_up(secs, size="64x48"):
    return ("-re", "-f", "lavfi", "-i", f"testsrc=size={size}:rate=25:duration={secs}")


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "mov"])
def test_a_film_in_part_with_its_own_sound(media, tmp_path, stop, suffix):
    path, out = media("far_mkv"), tmp_path / f"new/out.{suffix}"
    told = record(resolve_source(str(path)), out, 2.0, stop)
    assert told == (pytest.approx(2.0, abs=0.001), 50, None)
    times, pixels = clips.read_video(out)
    np.testing.assert_allclose(times - times[0], np.arange(50) / 25, atol=0.001)
    np.testing.assert_array_equal(clips.numbers_of(pixels), np.arange(50))
    heard = clips.clicks_in(clips.read_audio(out, times[0]))
    expected = clips.CLICKS_SECS[clips.CLICKS_SECS < 2]
    np.testing.assert_allclose(heard[: len(expected)], expected, atol=0.002)
    assert os.listdir(out.parent) == [out.name]


def test_a_film_without_its_sound(media, tmp_path, stop):
    out = tmp_path / "out.mp4"
    record(resolve_source(str(media("cfr_mp4"))), out, 1.0, stop, own_sound=False)
    assert probe(out).has_video and not probe(out).has_audio


def test_a_film_that_is_shorter_is_no_trouble(media, tmp_path, stop):
    told = record(resolve_source(str(media("cfr_mp4"))), tmp_path / "out.mkv", 60, stop)
    assert told == (pytest.approx(clips.FRAMES / 25, abs=0.01), clips.FRAMES, None)


def test_colours_stay(tmp_path, stop):
    colours = ["red", "lime", "blue", "gray", "white", "black"]
    wanted = [(255, 0, 0), (0, 255, 0), (0, 0, 255), (128,) * 3, (255,) * 3, (0,) * 3]
    for colour, rgb in zip(colours, wanted, strict=True):
        look = ("-f", "lavfi", "-i", f"color={colour}:size=64x48:rate=25,format=rgb24")
        out = tmp_path / f"{colour}.mp4"
        record(Source(colour, look, False), out, 0.2, stop)
        _, pixels = clips.read_video(out, VideoSpec(Fraction(25), 8, 8, 3, "stretch"))
        np.testing.assert_allclose(pixels.mean((0, 1, 2)), rgb, atol=3)


def test_pictures_of_odd_size_gain_a_row_and_a_column(tmp_path, stop):
    out = tmp_path / "out.mp4"
    record(webcam(made_up(60, "33x17")), out, 0.2, stop)
    assert (probe(out).width, probe(out).height) == (34, 18)


def test_an_address_is_recorded_at_the_rate_at_which_it_sends(tmp_path, stop):
    """Its pictures have no times: about 50 a second come, and ffmpeg calls them 25."""
    with closing(Server()) as server:
        begin = time.perf_counter()
        told = record(resolve_source(server.url), tmp_path / "out.mkv", 1.5, stop)
        took = time.perf_counter() - begin
    times, pixels = clips.read_video(tmp_path / "out.mkv")
    assert len(pixels) == told.pictures and told.trouble is None
    assert times[-1] - times[0] == pytest.approx(1.5, abs=0.2)
    assert took >= 1.4


def test_flash_and_click_come_together(tmp_path, stop):
    with closing(Server()) as server:
        server.shade = lambda number: 220 if time.time() % 1 < 0.1 else 20
        source, out = resolve_source(server.url), tmp_path / "out.mkv"
        told = record(source, out, 4.0, stop, heard=Heard(Ear(), RATE, 1))
    assert told.trouble is None and told.secs == pytest.approx(4.0, abs=0.1)
    times, pixels = clips.read_video(out)
    assert abs(len(times) - told.pictures) <= 1
    sound = clips.read_audio(out, times[0], RATE)
    assert len(sound) / RATE == pytest.approx(4.0, abs=0.2)
    light = pixels.mean((1, 2, 3)) > 100
    flashes = times[1:][light[1:] & ~light[:-1]] - times[0]
    loud = np.flatnonzero(np.abs(sound) > 0.1)
    clicks = loud[np.r_[True, np.diff(loud) > RATE // 2]] / RATE
    late = [flash - clicks[np.abs(clicks - flash).argmin()] for flash in flashes]
    # A picture of 20 ms is half of that late; a busy machine may send one of them later.
    assert len(late) >= 3 and abs(np.median(late)) < 0.05


def test_two_channels(tmp_path, stop):
    out = tmp_path / "out.mp4"
    record(webcam(made_up(60)), out, 0.5, stop, heard=Heard(Ear(2), RATE, 2))
    assert probe(out).audio_layout == "stereo"


def test_a_film_and_a_microphone(media, tmp_path, stop):
    with pytest.raises(WyhError, match="is a film: no microphone hears what it shows"):
        source = resolve_source(str(media("cfr_mp4")))
        record(source, tmp_path / "out.mp4", 1, stop, heard=Heard(Ear(), RATE, 1))
    with closing(Server(film=media("cfr_mp4"))) as server, pytest.raises(WyhError, match="a film"):
        source = resolve_source(server.url)
        record(source, tmp_path / "out.mp4", 1, stop, heard=Heard(Ear(), RATE, 1))


@pytest.mark.parametrize("with_sound", [False, True])
@pytest.mark.parametrize("suffix", ["mp4", "mkv"])
def test_ending_early_keeps_what_there_is(tmp_path, stop, suffix, with_sound):
    out, seen = tmp_path / f"out.{suffix}", []

    def progress(secs):
        seen.append(secs)
        if secs > 0.5:
            stop.set()

    heard = Heard(Ear(), RATE, 1) if with_sound else None
    told = record(webcam(made_up(60)), out, 60, stop, heard=heard, progress=progress)
    assert 0.5 < told.secs < 30 and told.trouble is None
    assert seen == sorted(seen)
    assert abs(len(clips.read_video(out)[0]) - told.pictures) <= 1
    assert probe(out).has_audio == with_sound


@pytest.mark.parametrize("suffix", ["mp4", "mkv"])
def test_a_file_can_be_played_while_it_is_written(tmp_path, stop, suffix):
    """So it can after a crash."""
    out = tmp_path / f"out.{suffix}"
    work = threading.Thread(target=record, args=(webcam(made_up(60)), out, 60, stop))
    work.start()
    wait_for(lambda: out.exists() and out.stat().st_size > 5_000)
    copy = tmp_path / f"copy.{suffix}"
    copy.write_bytes(out.read_bytes())
    stop.set()
    work.join()
    assert len(clips.read_video(copy, strict=False)[0]) >= 20


def test_a_source_that_goes_leaves_what_came(tmp_path, stop):
    told = record(webcam(made_up(0.4)), tmp_path / "out.mp4", 5, stop)
    assert told == (pytest.approx(0.4, abs=0.001), 10, "camera 0 ended after 0.4 s")
    assert len(clips.read_video(tmp_path / "out.mp4")[0]) == 10


def test_a_source_that_falls_silent_has_ended(tmp_path, stop, monkeypatch):
    monkeypatch.setattr(footage, "SILENT_SECS", 0.5)
    with closing(Server()) as server:
        falling = threading.Timer(1.0, server.silent.set)
        falling.start()
        told = record(resolve_source(server.url), tmp_path / "out.mp4", 60, stop)
        falling.join()
    assert "(nothing came within 0.5 s)" in told.trouble


def test_an_address_that_is_silent(tmp_path, stop, monkeypatch):
    monkeypatch.setattr(footage, "SILENT_SECS", 0.3)
    with closing(Server()) as server:
        server.silent.set()
        with pytest.raises(WyhError, match=r"not one picture .*nothing came within 0\.3 s"):
            record(resolve_source(server.url), tmp_path / "out.mp4", 1, stop)
    assert not list(tmp_path.iterdir())


def test_a_camera_chooses_where_it_refuses_what_is_asked(tmp_path, stop):
    refuses = ("-f", "lavfi", "-i", "nothing_of_that_name")
    source = webcam(refuses, made_up(60))
    assert record(source, tmp_path / "out.mp4", 0.2, stop).pictures == 5
    with pytest.raises(WyhError, match=r"camera 0: not one picture .*nothing_of_that_name"):
        record(webcam(refuses, refuses), tmp_path / "none.mp4", 0.2, stop)
    assert not (tmp_path / "none.mp4").exists()


def test_stopped_before_it_began(tmp_path, stop):
    stop.set()
    with pytest.raises(WyhError, match="not one picture could be read"):
        record(webcam(("-f", "lavfi", "-i", "nothing")), tmp_path / "out.mp4", 1, stop)


def test_a_place_that_cannot_be_written_to(tmp_path, stop):
    (tmp_path / "file").touch()
    with pytest.raises(WyhError, match=r"out\.mp4 cannot be written: "):
        record(webcam(made_up(60)), tmp_path / "file/out.mp4", 0.5, stop)
    with pytest.raises(WyhError, match=r"wanted a name ending in \.mp4, \.mov or \.mkv"):
        record(webcam(made_up(60)), tmp_path / "out.avi", 0.5, stop)


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="this system has no /dev/full")
def test_a_full_disk(tmp_path, stop, monkeypatch):
    full = lambda path, mode, buffering: open("/dev/full", "wb", buffering=0)  # noqa: E731
    monkeypatch.setattr(footage, "open", full, raising=False)
    with pytest.raises(WyhError, match="No space left on device; what was written until then can"):
        record(webcam(made_up(60)), tmp_path / "out.mp4", 5, stop)


def test_the_screen(tmp_path, stop):
    with hidden_screen() as display:
        told = record(resolve_source(f"screen:{display}"), tmp_path / "out.mp4", 0.5, stop)
    assert (probe(tmp_path / "out.mp4").width, told.trouble) == (320, None)
