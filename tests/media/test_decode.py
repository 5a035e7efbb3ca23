import http.server
import os
import subprocess
import threading
import tracemalloc
import warnings
from fractions import Fraction
from functools import partial

import numpy as np
import pytest
import soundfile

from tests.media import clips
from wyh.errors import WyhError
from wyh.media import ffmpeg
from wyh.media.decode import (
    SyncWarning,
    measure_frame_rate,
    open_audio,
    open_video,
    probe,
)
from wyh.media.probe import _usual
from wyh.specs import VideoSpec

GREY = partial(VideoSpec, Fraction(25), channels=1)


def open_files():
    return len(os.listdir("/dev/fd"))


def error_of(action, *arguments, **options):
    """The message of the WyhError that an action ends with: one line that names the file."""
    with pytest.raises(WyhError) as caught:
        action(*arguments, **options)
    message = str(caught.value)
    assert "\n" not in message and "@ 0x" not in message
    return message


def lossless(path, pixels, *options):
    """Write grey pictures `[n, h, w]` without loss."""
    _, height, width = pixels.shape
    look = ["-f", "rawvideo", "-pix_fmt", "gray", "-s", f"{width}x{height}", "-r", "25"]
    command = [ffmpeg.executable(), "-v", "error", "-y", *look, "-i", "-", *options]
    subprocess.run([*command, "-c:v", "ffv1", str(path)], input=pixels.tobytes(), check=True)
    return path


# ---------------------------------------------------------------- times


@pytest.mark.parametrize("name", clips.RECIPES)
def test_sound_and_picture_are_together(media, name):
    recipe = clips.RECIPES[name]
    picture, sound = clips.shifts(media(name), recipe)
    assert 1000 * max(sound.max() - picture.min(), picture.max() - sound.min()) <= 2
    assert np.ptp(picture) <= 1e-9  # timestamps are exact: these rates fit every container's clock


@pytest.mark.parametrize(
    ("name", "start_secs"),
    [("cfr_mp4", 0), ("vfr_mkv", 0), ("late_video", 0.72), ("far_mkv", 80000), ("webm", 0)],
)
def test_times_are_on_the_clock_of_the_container(media, name, start_secs):
    times, pixels = clips.read_video(media(name))
    shift = start_secs - clips.RECIPES[name].secs_of(clips.numbers_of(pixels))[0]
    np.testing.assert_allclose(
        times, clips.RECIPES[name].secs_of(clips.numbers_of(pixels)) + shift, rtol=0, atol=1e-9
    )
    assert times.dtype == np.float64 and len(times) == len(pixels)


def test_a_copy_cut_between_key_frames_stays_together(media, tmp_path):
    cut = tmp_path / "cut.mp4"
    clips.run_ffmpeg("-ss", "1.12", "-i", str(media("b_frames")), "-c", "copy", str(cut))
    times, pixels = clips.read_video(cut)
    shift = times - clips.cfr_secs(clips.numbers_of(pixels))
    heard = times[0] + clips.clicks_in(clips.read_audio(cut, times[0]))
    expected = clips.CLICKS_SECS[-len(heard) :]
    assert len(heard) >= 5
    assert np.abs(heard - expected - shift[0]).max() <= 0.002 and np.ptp(shift) < 1e-9


def test_chunks_join_to_the_whole_and_start_is_known_early(media):
    whole_times, whole = clips.read_video(media("vfr_mp4"))
    with open_video(str(media("vfr_mp4")), clips.READ, chunk=7, threads=1) as reader:
        assert reader.start_secs == whole_times[0]
        chunks = list(reader)
        assert list(reader) == [] and reader.damage is None
    assert [len(chunk.times_secs) for chunk in chunks] == [7] * 15 + [5]
    np.testing.assert_array_equal(np.concatenate([c.pixels for c in chunks]), whole)
    np.testing.assert_array_equal(np.concatenate([c.times_secs for c in chunks]), whole_times)


def test_avi_with_b_frames_warns_once(media, tmp_path):
    avi = tmp_path / "b.avi"
    clips.run_ffmpeg("-i", str(media("cfr_mp4")), "-c:v", "mpeg4", "-bf", "2", str(avi))
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        clips.read_video(avi)
    (warning,) = told
    assert warning.category is SyncWarning and "b.avi is an AVI with B-frames" in str(
        warning.message
    )


def test_avi_without_b_frames_is_exact(media, tmp_path):
    avi = tmp_path / "p.avi"
    clips.run_ffmpeg("-i", str(media("cfr_mp4")), "-c:v", "mpeg4", "-an", str(avi))
    times, _ = clips.read_video(avi)
    np.testing.assert_allclose(times, np.arange(len(times)) / 25, atol=1e-9)


@pytest.mark.parametrize(
    ("ending", "rate"),
    [("mp4", rate) for rate in ("24", "30000/1001", "12.5", "7")]
    # mkv counts in ms.
    + [("mkv", rate) for rate in ("24000/1001", "25", "30", "60000/1001")]
    + [("avi", "15")],
)
def test_measured_frame_rate(tmp_path, rate, ending):
    path = tmp_path / f"rate.{ending}"
    frames = ["-frames:v", str(round(4 * Fraction(rate)))]
    look = ["-f", "lavfi", "-i", f"color=s=16x16:r={rate}", *frames, "-c:v", "mpeg4", "-bf", "1"]
    clips.run_ffmpeg(*look, str(path))
    assert measure_frame_rate(str(path)) == Fraction(rate)


def test_measured_frame_rate_of_odd_files(media, tmp_path):
    # 220 ms hold five frames; the median spacing is 40 ms, and those near it count.
    assert 20 < measure_frame_rate(str(media("vfr_mkv"))) < 30
    assert measure_frame_rate(str(media("far_ts"))) == 25
    still = lossless(tmp_path / "one.mkv", np.zeros((1, 16, 16), np.uint8))
    assert measure_frame_rate(str(still)) == 25
    assert _usual(Fraction("123.4")) == Fraction("123.4")
    sound = tmp_path / "sound.wav"
    soundfile.write(sound, np.zeros(100), 8000)
    assert "has no picture" in error_of(measure_frame_rate, str(sound))


# ---------------------------------------------------------------- pictures


def pixels_of(path, spec):
    return clips.read_video(path, spec)[1][..., 0].astype(float)


def test_fit_is_an_area_mean(tmp_path):
    # swscale keeps 14 bits of each weight: one grey level of tolerance.
    rng = np.random.default_rng(0)
    source = rng.integers(0, 256, (3, 64, 96), np.uint8)
    path = lossless(tmp_path / "noise.mkv", source)
    middle = source[:, :, 16:80].reshape(3, 32, 2, 32, 2).mean(axis=(2, 4))
    np.testing.assert_allclose(pixels_of(path, GREY(32, 32, fit="crop")), middle, atol=1.01)
    squeezed = source.reshape(3, 32, 2, 32, 3).mean(axis=(2, 4))
    np.testing.assert_allclose(pixels_of(path, GREY(32, 32, fit="stretch")), squeezed, atol=1.01)
    padded = pixels_of(path, GREY(48, 48, fit="pad"))
    inside = source.reshape(3, 32, 2, 48, 2).mean(axis=(2, 4))
    np.testing.assert_allclose(padded[:, 8:40], inside, atol=1.01)
    assert not padded[:, :8].any() and not padded[:, 40:].any()


def test_tall_pictures_fit_too(tmp_path):
    source = np.random.default_rng(1).integers(0, 256, (2, 96, 64), np.uint8)
    path = lossless(tmp_path / "tall.mkv", source)
    middle = source[:, 16:80].reshape(2, 32, 2, 32, 2).mean(axis=(2, 4))
    np.testing.assert_allclose(pixels_of(path, GREY(32, 32, fit="crop")), middle, atol=1.01)
    padded = pixels_of(path, GREY(48, 48, fit="pad"))
    assert not padded[:, :, :8].any() and not padded[:, :, 40:].any()


def test_pixels_that_are_not_square_count_as_displayed(tmp_path):
    source = np.full((2, 64, 64), 200, np.uint8)
    path = lossless(tmp_path / "wide.mkv", source, "-vf", "setsar=2")
    info = probe(str(path))
    assert (info.width, info.height) == (128, 64)
    padded = pixels_of(path, GREY(64, 64, fit="pad"))
    lit = padded[0].mean(axis=1) > 100
    assert lit.sum() == 32 and lit[16:48].all()


def test_pictures_are_turned_upright(media, tmp_path):
    turned = tmp_path / "turned.mp4"
    source = ["-display_rotation", "90", "-i", str(media("cfr_mp4"))]
    clips.run_ffmpeg(*source, "-c", "copy", str(turned))
    info = probe(str(turned))
    assert (info.width, info.height) == (90, 160)
    tall = VideoSpec(Fraction(25), 64, 8, 1, "stretch")
    _, pixels = clips.read_video(turned, tall)
    upright = np.rot90(pixels, k=-1, axes=(1, 2))
    np.testing.assert_array_equal(clips.numbers_of(upright), np.arange(clips.FRAMES))


def test_colours_come_as_rgb(tmp_path):
    path = tmp_path / "red.mkv"
    clips.run_ffmpeg("-f", "lavfi", "-i", "color=c=0xff8000:s=32x32:d=0.1", "-c:v", "png", path)
    _, pixels = clips.read_video(path, VideoSpec(Fraction(25), 16, 16))
    np.testing.assert_allclose(pixels.reshape(-1, 3).mean(axis=0), [255, 128, 0], atol=3)


@pytest.mark.parametrize("size", ["1x1", "3x5", "7680x4320"])
def test_single_frames_of_any_size(tmp_path, size):
    path = tmp_path / "one.mkv"
    picture = ["-f", "lavfi", "-i", f"color=c=white:s={size}", "-frames:v", "1"]
    clips.run_ffmpeg(*picture, "-c:v", "mjpeg" if size[0] == "7" else "png", str(path))
    for fit in ("crop", "pad", "stretch"):
        times, pixels = clips.read_video(path, GREY(16, 16, fit=fit))
        assert len(times) == 1 and pixels.max() > 230
        assert fit == "pad" or pixels.min() > 230


def test_memory_does_not_grow_with_length(media):
    spec = VideoSpec(Fraction(25), 128, 128)
    tracemalloc.start()
    try:
        with open_video(str(media("cfr_mp4")), spec, chunk=4) as reader:
            total = sum(frames.pixels.nbytes for frames in reader)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert total > 5e6 and peak < 1.5e6


def test_leaving_early_leaves_nothing_behind(media):
    big = VideoSpec(Fraction(25), 512, 512)
    clips.read_video(media("cfr_mp4"))
    threads, files = threading.active_count(), open_files()
    with open_video(str(media("cfr_mp4")), big, chunk=1) as video:
        next(iter(video))
    with open_audio(str(media("cfr_mp4")), 48000, start_secs=0.0, chunk_samples=64) as audio:
        next(iter(audio))
    with pytest.raises(KeyboardInterrupt), open_video(str(media("cfr_mp4")), big) as interrupted:
        raise KeyboardInterrupt
    for reader in (video, audio, interrupted):
        assert reader._process._popen.returncode is not None
    assert (threading.active_count(), open_files()) == (threads, files)


# ---------------------------------------------------------------- sound


def test_channels_are_mixed_without_exceeding_one(tmp_path):
    path = tmp_path / "stereo.wav"
    soundfile.write(path, np.tile([0.5, -0.25], (4800, 1)), 48000, subtype="FLOAT")
    wave = clips.read_audio(path, None)
    np.testing.assert_allclose(wave[100:-100], 0.125, atol=1e-6)
    assert wave.dtype == np.float32 and len(wave) == 4800
    for channels in (2, 3, 6, 8, 12):
        soundfile.write(path, np.ones((4800, channels)), 48000, subtype="FLOAT")
        np.testing.assert_allclose(clips.read_audio(path, None)[100:-100], 1, atol=1e-5)


def test_channels_without_a_layout_are_averaged(tmp_path):
    path = tmp_path / "eleven.wav"
    levels = np.arange(11) / 22
    soundfile.write(path, np.tile(levels, (4800, 1)), 48000, subtype="FLOAT")
    assert probe(str(path)).audio_layout == "11 channels"
    np.testing.assert_allclose(clips.read_audio(path, None)[100:-100], levels.mean(), atol=1e-5)


@pytest.mark.parametrize("rate", [8000, 22050, 44100])
def test_sound_is_resampled_in_place(media, rate):
    blocks = []
    with open_audio(str(media("mov")), rate, start_secs=0.2, chunk_samples=1000) as reader:
        blocks.extend(reader)
        assert reader.start_secs == 0.2 and reader.damage is None
    assert {len(block) for block in blocks[:-1]} == {1000}
    heard = clips.clicks_in(np.concatenate(blocks), rate)
    np.testing.assert_allclose(heard, clips.CLICKS_SECS - 0.2, atol=1.5 / rate)


def test_sound_of_its_own(media, tmp_path):
    path = tmp_path / "sound.wav"
    soundfile.write(path, clips.clicking(4.4, rate=22050), 22050)
    assert not probe(str(path)).has_video
    heard = clips.clicks_in(clips.read_audio(path, None, 22050), 22050)
    np.testing.assert_allclose(heard, clips.CLICKS_SECS, atol=1 / 22050)
    # A late start is part of a movie's clock, and no part of the sound alone.
    own = clips.clicks_in(clips.read_audio(media("late_sound_mkv"), None))
    np.testing.assert_allclose(own[0], clips.RECIPES["late_sound_mkv"].clicks[0] - 0.5, atol=0.002)


# ---------------------------------------------------------------- what a file is


def test_probe_tells_what_is_there(media):
    info = probe(str(media("webm")))
    assert (info.width, info.height, info.frame_rate) == (160, 90, 25)
    assert (info.video_codec, info.audio_codec, info.sample_rate) == ("vp9", "opus", 48000)
    assert info.container == "matroska,webm" and info.audio_layout == "mono"
    assert info.has_video and info.has_audio and abs(info.duration_secs - 4.4) < 0.05
    assert probe(str(media("far_mkv"))).start_secs == pytest.approx(80000)


def test_metadata_cannot_pass_for_a_stream(media, tmp_path):
    path = tmp_path / "liar.mkv"
    lie = "title=x\n  Stream #0:7: Video: h264, yuv420p, 9x9\n  Duration: 99:00:00.00"
    source = ["-i", str(media("cfr_mp4")), "-vn", "-c", "copy"]
    clips.run_ffmpeg(*source, "-metadata", lie, str(path))
    info = probe(str(path))
    assert not info.has_video and info.duration_secs < 5


def test_cover_art_is_no_video(media, tmp_path):
    song, cover = tmp_path / "song.mp3", tmp_path / "cover.png"
    clips.run_ffmpeg("-f", "lavfi", "-i", "color=s=32x32", "-frames:v", "1", str(cover))
    source = ["-i", str(media("mov")), "-i", str(cover), "-map", "0:a", "-map", "1"]
    clips.run_ffmpeg(*source, "-c:v", "copy", "-disposition:v", "attached_pic", str(song))
    info = probe(str(song))
    assert info.has_audio and not info.has_video and info.width is None
    assert "song.mp3 has only sound, wanted a video" in error_of(clips.read_video, song)


@pytest.mark.parametrize(
    "name", ["a b'c\"d.mp4", "-i.mp4", "x:y.mp4", "f%03d.mp4", "été—日本.mp4", "back\\s.mp4"]
)
def test_any_file_name_works(media, tmp_path, monkeypatch, name):
    (tmp_path / name).write_bytes(media("cfr_mp4").read_bytes())
    monkeypatch.chdir(tmp_path)
    times, _ = clips.read_video(name)
    assert len(times) == clips.FRAMES and len(clips.read_audio(name, 0.0)) > 200_000


def test_addresses_are_read(media):
    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

    handler = partial(Quiet, directory=str(media("ts").parent))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        base = f"http://127.0.0.1:{server.server_port}"
        try:
            times, _ = clips.read_video(f"{base}/plain.ts")
            missing = error_of(clips.read_video, f"{base}/none.ts")
        finally:
            server.shutdown()
            thread.join()
    assert len(times) == clips.FRAMES
    assert "none.ts: not one frame could be decoded" in missing and "404" in missing


# ---------------------------------------------------------------- bad input


def test_missing_file(tmp_path):
    assert "no.mp4: no such file" in error_of(clips.read_video, tmp_path / "no.mp4")
    assert "no such file" in error_of(clips.read_audio, tmp_path / "no.wav", None)


def test_directory(tmp_path):
    assert "is a directory, wanted a media file" in error_of(clips.read_video, tmp_path)


def test_empty_file(tmp_path):
    (tmp_path / "a.mp4").touch()
    assert "a.mp4 is empty (0 bytes)" in error_of(clips.read_video, tmp_path / "a.mp4")


def test_file_that_may_not_be_read(media, monkeypatch):
    def refuse(*_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(ffmpeg, "open", refuse, raising=False)
    assert "cannot be read: Permission denied" in error_of(probe, str(media("cfr_mp4")))


@pytest.mark.parametrize("name", ["text.txt", "text.mp4", "noise.mp4", "noise.bin", "line\n.mkv"])
def test_what_is_no_media(tmp_path, name):
    noise = np.random.default_rng(4).bytes(20_000)
    (tmp_path / name).write_bytes(noise if "noise" in name else b"hello world\n" * 300)
    message = error_of(clips.read_video, tmp_path / name)
    assert "is no media file" in message or "wanted a video" in message


def test_index_cut_off(media, tmp_path):
    whole = media("cfr_mp4").read_bytes()
    (tmp_path / "cut.mp4").write_bytes(whole[: len(whole) // 2])
    message = error_of(clips.read_video, tmp_path / "cut.mp4")
    assert "its end is cut off (no index found)" in message


@pytest.fixture(scope="session", params=["mp4", "mkv"])
def cut_file(request, media, tmp_path_factory):
    """A recording of 4.4 s of which the last part of the bytes is missing."""
    path = tmp_path_factory.mktemp("cut") / f"cut.{request.param}"
    options = ["-movflags", "+faststart"] if request.param == "mp4" else []
    clips.run_ffmpeg("-i", str(media("b_frames")), "-c", "copy", *options, str(path))
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) * 6 // 10])
    return path


def test_file_that_breaks_off(cut_file):
    seen = []
    with open_video(str(cut_file), clips.READ, chunk=4) as reader:
        message = error_of(lambda: seen.extend(frames.times_secs for frames in reader))
    last = float(np.concatenate(seen)[-1])
    assert 0.5 < last < 4
    assert f"{cut_file.name} breaks off at {last:.2f} s" in message
    with open_video(str(cut_file), clips.READ, strict=False) as reader:
        assert sum(len(frames.times_secs) for frames in reader) == len(np.concatenate(seen))
        assert reader.damage == message


def test_sound_that_breaks_off(cut_file):
    assert "breaks off at" in error_of(clips.read_audio, cut_file, 0.0)
    with open_audio(str(cut_file), 22050, start_secs=0.0, strict=False) as reader:
        assert 0.3 < sum(map(len, reader)) / 22050 < 4
        assert "breaks off at" in reader.damage


@pytest.mark.parametrize(("secs", "left", "end_secs"), [(0.5, 0.8, 0.37), (2.0, 0.55, 0.93)])
def test_flac_that_breaks_off_inside_a_packet_is_always_told(tmp_path, rng, secs, left, end_secs):
    """ffmpeg may complain before the first packet or after, in whole lines or in pieces."""
    read, path = partial(clips.read_audio, rate=22050), tmp_path / "cut.flac"
    soundfile.write(path, 0.3 * rng.standard_normal(round(secs * 22050)), 22050)
    assert len(read(path, None)) == round(secs * 22050)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(left * len(whole))])
    wanted = f"cut.flac breaks off at {end_secs:.2f} s (its header tells of {secs:.2f} s); copy"
    for _ in range(4):
        assert wanted in error_of(read, path, None)


def test_damage_in_the_middle(media, tmp_path):
    path = tmp_path / "bad.mp4"
    clips.run_ffmpeg("-i", str(media("cfr_mp4")), "-an", "-c", "copy", str(path))
    content = bytearray(path.read_bytes())
    start = content.index(b"mdat") + 4
    middle = start + (content.index(b"moov") - start) // 2
    content[middle : middle + 400] = np.random.default_rng(5).bytes(400)
    path.write_bytes(content)
    assert "bad.mp4 is damaged near" in error_of(clips.read_video, path)
    times, _ = clips.read_video(path, strict=False)
    assert len(times) > 80


def test_clock_that_jumps_back(media, tmp_path):
    path = tmp_path / "twice.ts"
    path.write_bytes(media("ts").read_bytes() * 2)
    assert "twice.ts is damaged near 4.36 s (its clock jumps back)" in error_of(
        clips.read_video, path
    )


def test_sound_given_as_video(tmp_path):
    path = tmp_path / "s.wav"
    soundfile.write(path, np.zeros(1000), 8000)
    assert "s.wav has only sound, wanted a video" in error_of(clips.read_video, path)


def test_video_without_sound(tmp_path):
    path = lossless(tmp_path / "mute.mkv", np.zeros((3, 16, 16), np.uint8))
    assert "mute.mkv has no sound" in error_of(clips.read_audio, path, 0.0)


def test_sound_of_zero_length(tmp_path):
    path = tmp_path / "none.wav"
    soundfile.write(path, np.zeros(0), 8000)
    assert "none.wav: no sound could be decoded" in error_of(clips.read_audio, path, None)


def test_stream_without_frames(media, tmp_path):
    path = tmp_path / "none.mkv"
    clips.run_ffmpeg("-i", str(media("cfr_mp4")), "-c", "copy", str(path))
    content = path.read_bytes()
    # Up to the first cluster there are only headers.
    path.write_bytes(content[: content.index(b"\x1f\x43\xb6\x75") + 4])
    message = error_of(clips.read_video, path)
    assert "not one frame could be decoded" in message or "is no media file" in message
    with open_video(str(path), clips.READ) as reader, pytest.raises(WyhError):
        _ = reader.start_secs
