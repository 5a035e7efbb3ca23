import dataclasses
import os
import resource
import signal
from fractions import Fraction

import numpy as np
import pytest
import soundfile

from tests.media import clips
from wyh.errors import WyhError
from wyh.media import encode, ffmpeg, whole
from wyh.media.decode import probe
from wyh.media.encode import MovieWriter, WavWriter
from wyh.specs import VideoSpec

pytestmark = pytest.mark.usefixtures("nothing_left_behind")

RATE = 22050
SMALL = VideoSpec(Fraction(25), 16, 64)


def numbered(count=clips.FRAMES, spec=SMALL):
    """Pictures of 0, 1, ... for `write_frames`."""
    pictures = [clips.barcode(n, spec.height, spec.width) for n in range(count)]
    return np.repeat(np.stack(pictures)[..., None], spec.channels, -1)


def one_line(error):
    message = str(error.value)
    assert "\n" not in message and "@ 0x" not in message
    return message


def symlink_to_full_disk(monkeypatch, folder):
    link = folder / "full.part"
    link.symlink_to("/dev/full")
    monkeypatch.setattr(whole, "_reserve", lambda path: link)
    return link


# ---------------------------------------------------------------- sound files


@pytest.mark.parametrize(("bits", "step"), [(16, 2**-15), (24, 2**-23), ("float", 0)])
def test_wav_holds_what_was_written(tmp_path, bits, step):
    wave = np.random.default_rng(0).uniform(-1, 1, 5000).astype(np.float32)
    with WavWriter(tmp_path / "a.wav", RATE, bits=bits) as writer:
        for block in np.array_split(wave, 7):
            writer.write(block)
        assert not (tmp_path / "a.wav").exists()
    read, rate = soundfile.read(tmp_path / "a.wav", dtype="float64")
    assert rate == RATE
    np.testing.assert_allclose(read, wave, rtol=0, atol=step)


def test_wav_clips_instead_of_wrapping(tmp_path):
    with WavWriter(tmp_path / "a.wav", RATE) as writer:
        writer.write(np.array([1.5, -1.5, 0], np.float32))
    np.testing.assert_allclose(soundfile.read(tmp_path / "a.wav")[0], [1, -1, 0], atol=1e-4)


def two_sided(samples=RATE):
    """A tone at the left, another, quieter, at the right."""
    n = np.arange(samples)
    both = np.stack([0.3 * np.sin(0.05 * n), 0.1 * np.sin(0.13 * n)], axis=1)
    return both.astype(np.float32)


def test_stereo_wav_keeps_its_sides_apart(tmp_path):
    sound = two_sided()
    with WavWriter(tmp_path / "a.wav", RATE, channels=2) as writer:
        writer.write(sound[:1000])
        writer.write(sound[1000:])
    np.testing.assert_allclose(soundfile.read(tmp_path / "a.wav")[0], sound, atol=1e-4)


def test_wav_is_dropped_on_error_and_the_old_one_stays(tmp_path):
    (tmp_path / "a.wav").write_bytes(b"old")
    with pytest.raises(KeyboardInterrupt), WavWriter(tmp_path / "a.wav", RATE) as writer:
        writer.write(np.zeros(100, np.float32))
        raise KeyboardInterrupt
    assert (tmp_path / "a.wav").read_bytes() == b"old"


def test_wav_on_a_disk_that_fills(tmp_path):
    # A limit on the size of files stands for the full disk: writing fails midway.
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, before[1]))
    try:
        with pytest.raises(WyhError) as error, WavWriter(tmp_path / "a.wav", RATE) as writer:
            for _ in range(10):
                writer.write(np.zeros(4000, np.float32))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert "a.wav cannot be written: the disk may be full" in one_line(error)
    assert not (tmp_path / "a.wav").exists()


def test_wav_that_cannot_be_opened(tmp_path, monkeypatch):
    link = symlink_to_full_disk(monkeypatch, tmp_path)
    with pytest.raises(WyhError) as error:
        WavWriter(tmp_path / "a.wav", RATE)
    assert "a.wav cannot be written" in one_line(error) and not link.is_symlink()


def test_wav_beyond_four_gigabytes(tmp_path, monkeypatch):
    monkeypatch.setattr(encode, "_WAV_BYTES", 1000)
    with pytest.raises(WyhError) as error, WavWriter(tmp_path / "a.wav", RATE) as writer:
        writer.write(np.zeros(501, np.float32))
    assert "at most 4 GiB" in one_line(error)
    with pytest.raises(WyhError), WavWriter(tmp_path / "a.wav", RATE, channels=2) as writer:
        writer.write(np.zeros((251, 2), np.float32))


@pytest.mark.parametrize("writer", [WavWriter, MovieWriter])
def test_places_that_cannot_be_written(tmp_path, writer):
    options = {"video": SMALL} if writer is MovieWriter else {}
    (tmp_path / "file").touch()
    for path, why in (
        (tmp_path / "no" / "a.mp4", "a.mp4 cannot be written: No such file or directory"),
        (tmp_path / "file" / "a.mp4", "a.mp4 cannot be written: Not a directory"),
    ):
        with pytest.raises(WyhError) as error:
            writer(path, sample_rate=RATE, **options)
        assert why in one_line(error)
    (tmp_path / "dir.mp4").mkdir()
    with pytest.raises(WyhError) as error:
        writer(tmp_path / "dir.mp4", sample_rate=RATE, **options)
    assert "dir.mp4 is a directory" in one_line(error)


# ---------------------------------------------------------------- movies with a file's pictures


def add_clicks(source, recipe, target, rate=RATE, **options):
    """Copy the pictures of `source` and add clicks; the recipe that the result should follow."""
    times, pixels = clips.read_video(source)
    first = float(recipe.secs_of(clips.numbers_of(pixels[:1]))[0])
    audible = clips.CLICKS_SECS[clips.CLICKS_SECS > first + 0.02]
    wave = clips.clicking(clips.FRAMES / clips.RATE - first, audible - first, rate)
    with MovieWriter(target, sample_rate=rate, copy_from=source, **options) as writer:
        for block in np.array_split(wave, 9):
            writer.write_audio(block)
        assert not target.exists()
    return writer.copied, len(times), dataclasses.replace(recipe, clicks=audible)


@pytest.mark.parametrize("ending", ["mp4", "mkv"])
@pytest.mark.parametrize(
    "name",
    "cfr_mp4 vfr_mp4 b_vfr_mkv late_sound late_video late_video_ts ts webm far_ts far_mkv".split(),
)
def test_copied_pictures_and_new_sound_are_together(media, tmp_path, name, ending):
    target = tmp_path / f"out.{ending}"
    copied, frames, recipe = add_clicks(media(name), clips.RECIPES[name], target)
    assert copied and probe(target).video_codec == probe(media(name)).video_codec
    assert probe(target).audio_codec == {"mp4": "aac", "mkv": "flac"}[ending]
    picture, sound = clips.shifts(target, recipe)
    assert len(picture) == frames
    assert 1000 * max(sound.max() - picture.min(), picture.max() - sound.min()) <= 2


@pytest.mark.parametrize(("name", "ending"), [("raw_nut", "mp4"), ("webm", "mov"), ("avi", "mkv")])
def test_pictures_that_cannot_be_copied_are_encoded_anew(media, tmp_path, name, ending):
    if name == "avi":
        # No packet of it says when it is to be shown.
        source, recipe = tmp_path / "in.avi", clips.RECIPES["b_frames"]
        clips.run_ffmpeg("-i", str(media("b_frames")), "-c:v", "copy", "-an", str(source))
        with pytest.warns(UserWarning, match="B-frames"):
            times, _ = clips.read_video(source)
        start = {"start_secs": times[0]}
        with MovieWriter(tmp_path / "o.mkv", sample_rate=RATE, copy_from=source, **start) as writer:
            writer.write_audio(np.zeros(1000, np.float32))
        assert not writer.copied
        np.testing.assert_allclose(
            clips.read_video(tmp_path / "o.mkv")[0], times - times[0], atol=1e-3
        )
        return
    target = tmp_path / f"out.{ending}"
    copied, frames, recipe = add_clicks(media(name), clips.RECIPES[name], target)
    assert not copied and probe(target).video_codec == "h264"
    assert len(clips.read_video(target)[0]) == frames
    assert clips.av_error_ms(target, recipe) <= 2


def test_vfr_survives_encoding_anew(media, tmp_path):
    source = tmp_path / "raw.nut"
    clips.run_ffmpeg("-copyts", "-i", str(media("vfr_mkv")), "-fps_mode", "passthrough",
                     "-enc_time_base", "demux", "-c:v", "rawvideo", "-an", str(source))  # fmt: skip
    target = tmp_path / "out.mp4"
    copied, _, recipe = add_clicks(source, clips.RECIPES["vfr_mkv"], target)
    assert not copied and clips.av_error_ms(target, recipe) <= 2


@pytest.mark.parametrize("rate", [4000, 37_800, 48_000, 192_000])
def test_any_sample_rate(media, tmp_path, rate):
    for ending in ("mp4", "mkv"):
        target = tmp_path / f"out.{ending}"
        _, _, recipe = add_clicks(media("cfr_mp4"), clips.RECIPES["cfr_mp4"], target, rate)
        if rate >= 8000:  # the click's own 2 kHz need some room
            assert clips.av_error_ms(target, recipe) <= 2


def test_index_of_mp4_stands_in_front(media, tmp_path):
    add_clicks(media("cfr_mp4"), clips.RECIPES["cfr_mp4"], tmp_path / "a.mp4")
    content = (tmp_path / "a.mp4").read_bytes()
    assert 0 < content.index(b"moov") < content.index(b"mdat")


def test_odd_sizes_are_made_even(tmp_path):
    source = tmp_path / "odd.nut"
    clips.run_ffmpeg("-f", "lavfi", "-i", "testsrc=s=33x17:d=0.2", "-c:v", "rawvideo", str(source))
    with MovieWriter(tmp_path / "a.mp4", sample_rate=RATE, copy_from=source) as writer:
        writer.write_audio(np.zeros(4000, np.float32))
    info = probe(tmp_path / "a.mp4")
    assert not writer.copied and (info.width, info.height) == (34, 18)


@pytest.mark.parametrize("ending", ["mp4", "mkv"])
def test_stereo_movie_keeps_its_sides_apart(media, tmp_path, ending):
    target, sound = tmp_path / f"a.{ending}", two_sided(4 * RATE)
    how = {"sample_rate": RATE, "channels": 2, "copy_from": media("cfr_mp4")}
    with MovieWriter(target, **how) as writer:
        for block in np.array_split(sound, 7):
            writer.write_audio(block)
    clips.run_ffmpeg("-i", str(target), "-c:a", "pcm_f32le", str(tmp_path / "a.wav"))
    found, rate = soundfile.read(tmp_path / "a.wav")
    assert rate == RATE and found.shape[1] == 2
    settled = slice(RATE // 2, 3 * RATE)
    np.testing.assert_allclose(
        np.sqrt(np.mean(found[settled] ** 2, axis=0)),
        np.sqrt(np.mean(sound[settled] ** 2, axis=0)),
        rtol=1e-3 if ending == "mkv" else 0.02,
    )
    assert abs(np.corrcoef(found[settled].T)[0, 1]) < 0.02


def test_copy_from_what_is_no_video(tmp_path):
    soundfile.write(tmp_path / "s.wav", np.zeros(100), 8000)
    for start_secs in (None, 0.0):
        with pytest.raises(WyhError) as error:
            MovieWriter(
                tmp_path / "a.mp4",
                sample_rate=RATE,
                copy_from=tmp_path / "s.wav",
                start_secs=start_secs,
            )
        assert "wanted a video" in one_line(error)


# ---------------------------------------------------------------- movies of given frames


@pytest.mark.parametrize("ending", ["mp4", "mkv", "mov"])
@pytest.mark.parametrize("order", ["pictures first", "sound first", "in turns"])
def test_given_frames_and_sound_are_together(tmp_path, monkeypatch, order, ending):
    monkeypatch.setattr(encode, "_BOUND_BYTES", 1000)  # every write has to wait where it may
    target, frames = tmp_path / f"a.{ending}", numbered()
    wave = clips.clicking(4.4, rate=RATE)
    with MovieWriter(target, sample_rate=RATE, video=SMALL) as writer:
        if order == "sound first":
            writer.write_audio(wave)
        for n in range(0, clips.FRAMES, 10):
            writer.write_frames(frames[n : n + 10])
            if order == "in turns":
                writer.write_audio(wave[n * 882 : (n + 10) * 882])
        if order == "pictures first":
            writer.write_audio(wave)
        assert not target.exists()
    assert not writer.copied
    times, pixels = clips.read_video(target)
    np.testing.assert_array_equal(clips.numbers_of(pixels), np.arange(clips.FRAMES))
    np.testing.assert_allclose(times - times[0], np.arange(clips.FRAMES) / 25, atol=5.1e-4)
    assert clips.av_error_ms(target, clips.RECIPES["cfr_mp4"]) <= 2


def test_pictures_much_larger_than_the_pipe(tmp_path, monkeypatch):
    monkeypatch.setattr(encode, "_BOUND_BYTES", 1 << 18)
    big = VideoSpec(Fraction(10), 360, 480)
    frames = np.random.default_rng(0).integers(0, 256, (10, *big.shape), np.uint8)
    with MovieWriter(tmp_path / "a.mp4", sample_rate=RATE, video=big) as writer:
        waiting = []
        for _ in range(5):
            writer.write_frames(frames)
            writer.write_audio(np.zeros(RATE, np.float32))
            waiting.append(writer._feeds[1].waiting_bytes)
    assert len(clips.read_video(tmp_path / "a.mp4")[0]) == 50
    # At most what the caller is ahead, the slack of a second and what it just wrote.
    assert max(waiting) <= 3 * frames.nbytes


@pytest.mark.parametrize("channels", [1, 3])
def test_sizes_colours_and_rates(tmp_path, channels):
    spec = VideoSpec(Fraction(24000, 1001), 9, 11, channels)
    colour = np.array([230, 120, 20][:channels], np.uint8)
    frames = np.broadcast_to(colour, (24, *spec.shape)).copy()
    with MovieWriter(
        tmp_path / "a.mp4",
        sample_rate=RATE,
        video=spec,
        scale_to=(90, 111),
        scaling="bicubic" if channels == 3 else "nearest",
    ) as writer:
        writer.write_frames(frames)
        writer.write_audio(np.zeros(RATE, np.float32))
    info = probe(tmp_path / "a.mp4")
    assert (info.width, info.height, info.frame_rate) == (112, 90, Fraction(24000, 1001))
    wanted = VideoSpec(spec.frame_rate, 64, 64)
    times, pixels = clips.read_video(tmp_path / "a.mp4", wanted)
    np.testing.assert_allclose(np.diff(times), 1001 / 24000, atol=1e-4)
    np.testing.assert_allclose(
        pixels[:, 8:56, 8:56].mean(axis=(0, 1, 2)), np.broadcast_to(colour, 3), atol=4
    )


def test_wrong_use(tmp_path):
    with pytest.raises(ValueError, match="either copy_from or video"):
        MovieWriter(tmp_path / "a.mp4", sample_rate=RATE)
    song = {"sound_from": tmp_path / "s.wav"}
    for options in (
        {"video": SMALL},
        {"video": SMALL, "sample_rate": RATE, **song},
        {"copy_from": tmp_path / "a.mov", **song},
    ):
        with pytest.raises(ValueError, match="either sample_rate or, with video, sound_from"):
            MovieWriter(tmp_path / "a.mp4", **options)
    soundfile.write(tmp_path / "s.wav", np.zeros(100), 8000)
    with (
        pytest.raises(ValueError, match="wanted that of sound_from alone"),
        MovieWriter(tmp_path / "a.mp4", video=SMALL, **song) as writer,
    ):
        writer.write_audio(np.zeros(100, np.float32))
    with pytest.raises(WyhError, match="a name ending in") as error:
        MovieWriter(tmp_path / "a.avi", sample_rate=RATE, video=SMALL)
    one_line(error)
    with (
        pytest.raises(ValueError, match="wanted frames of"),
        MovieWriter(tmp_path / "a.mp4", sample_rate=RATE, video=SMALL) as writer,
    ):
        writer.write_frames(np.zeros((1, 9, 9, 3), np.uint8))


# ---------------------------------------------------------------- given frames, a file's sound


def with_sound_of(source, target, pieces=11):
    """All numbered pictures, with the sound of `source`."""
    with MovieWriter(target, sound_from=source, video=SMALL, scaling="bicubic") as writer:
        for frames in np.array_split(numbered(), pieces):
            writer.write_frames(frames)
        assert not target.exists()


@pytest.mark.parametrize("ending", ["mp4", "mkv", "mov"])
@pytest.mark.parametrize("kind", ["wav", "mp3", "ogg", "m4a", "late.mp4", "late.ts"])
def test_given_frames_and_the_sound_of_a_file_are_together(media, tmp_path, kind, ending):
    """Picture 0 is seen when the sound begins, however late it is in its own file."""
    source, target, begin = tmp_path / f"in.{kind}", tmp_path / f"out.{ending}", 0.0
    if kind == "late.mp4":
        source, begin = media("late_sound"), 0.5
    elif kind == "late.ts":
        clips.run_ffmpeg("-i", str(media("late_sound")), "-c", "copy", str(source))
        begin = 0.5
    else:
        soundfile.write(tmp_path / "raw.wav", clips.clicking(4.4), clips.SAMPLE_RATE)
        clips.run_ffmpeg("-i", str(tmp_path / "raw.wav"), str(source))
    with_sound_of(source, target)
    times, pixels = clips.read_video(target)
    np.testing.assert_array_equal(clips.numbers_of(pixels), np.arange(clips.FRAMES))
    heard = clips.clicks_in(clips.read_audio(target, times[0]))
    wanted = clips.CLICKS_SECS[clips.CLICKS_SECS > begin] - begin
    # Where a packet begins is not where the cut was: told by the file's own first sample.
    own = clips.clicks_in(clips.read_audio(source, None))
    np.testing.assert_allclose(heard, own, atol=1e-3)
    np.testing.assert_allclose(heard, wanted, atol=1e-3 if not begin else 0.03)


def test_the_sound_of_a_file_is_untouched_in_mkv(tmp_path):
    wave = np.random.default_rng(0).integers(-(2**15), 2**15, (44100, 2), np.int16)
    soundfile.write(tmp_path / "in.wav", wave, 44100)
    with_sound_of(tmp_path / "in.wav", tmp_path / "a.mkv")
    clips.run_ffmpeg("-i", str(tmp_path / "a.mkv"), "-c:a", "pcm_s16le", str(tmp_path / "out.wav"))
    np.testing.assert_array_equal(soundfile.read(tmp_path / "out.wav", dtype="int16")[0], wave)


def test_a_hole_in_the_sound_stays_one(media, tmp_path):
    with_sound_of(media("hole_1493ms"), tmp_path / "a.mkv")
    heard = clips.clicks_in(clips.read_audio(tmp_path / "a.mkv", 0.0))
    np.testing.assert_allclose(heard, clips.RECIPES["hole_1493ms"].clicks, atol=2e-3)


def test_sound_that_is_much_longer_than_the_pictures(tmp_path):
    """It goes on to its own end; the pictures do not wait for it."""
    soundfile.write(tmp_path / "in.wav", np.zeros(8000 * 300, np.int16), 8000)
    with_sound_of(tmp_path / "in.wav", tmp_path / "a.mp4")
    assert probe(tmp_path / "a.mp4").duration_secs == pytest.approx(300, abs=0.2)
    assert len(clips.read_video(tmp_path / "a.mp4")[0]) == clips.FRAMES


def test_frames_wait_for_an_encoder_that_is_slower(tmp_path, monkeypatch):
    monkeypatch.setattr(encode, "_BOUND_BYTES", 1 << 18)
    soundfile.write(tmp_path / "in.wav", np.zeros(8000 * 5, np.int16), 8000)
    big = VideoSpec(Fraction(10), 360, 480)
    frames = np.random.default_rng(0).integers(0, 256, (2, *big.shape), np.uint8)
    with MovieWriter(tmp_path / "a.mp4", sound_from=tmp_path / "in.wav", video=big) as writer:
        for _ in range(25):
            writer.write_frames(frames)
            assert writer._feeds[0].waiting_bytes <= frames.nbytes + (1 << 18)
    assert len(clips.read_video(tmp_path / "a.mp4")[0]) == 50


def test_sound_from_what_has_none(tmp_path):
    clips.run_ffmpeg("-f", "lavfi", "-i", "testsrc=d=0.2", str(tmp_path / "mute.mp4"))
    with pytest.raises(WyhError) as error:
        MovieWriter(tmp_path / "a.mp4", sound_from=tmp_path / "mute.mp4", video=SMALL)
    assert "mute.mp4 has no sound, wanted a file with sound" in one_line(error)
    assert not (tmp_path / "a.mp4").exists()


# ---------------------------------------------------------------- what goes wrong


def test_movie_without_pictures(tmp_path):
    with (
        pytest.raises(WyhError) as error,
        MovieWriter(tmp_path / "a.mp4", sample_rate=RATE, video=SMALL) as writer,
    ):
        writer.write_audio(np.zeros(RATE, np.float32))
    assert "a.mp4 cannot be written: it was given no pictures" in one_line(error)


@pytest.mark.parametrize("ending", ["mp4", "mkv"])
def test_movie_without_sound(tmp_path, ending):
    with MovieWriter(tmp_path / f"a.{ending}", sample_rate=RATE, video=SMALL) as writer:
        writer.write_frames(numbered(30))
    assert len(clips.read_video(tmp_path / f"a.{ending}")[0]) == 30


def test_movie_on_a_full_disk(tmp_path, monkeypatch):
    symlink_to_full_disk(monkeypatch, tmp_path)
    with (
        pytest.raises(WyhError) as error,
        MovieWriter(tmp_path / "a.mkv", sample_rate=RATE, video=SMALL) as writer,
    ):
        writer.write_frames(numbered())
        writer.write_audio(clips.clicking(4.4, rate=RATE))
    assert "a.mkv cannot be written" in one_line(error)
    assert "No space left on device" in one_line(error)


@pytest.mark.parametrize("given", ["frames", "copy"])
def test_ffmpeg_dies(media, tmp_path, given):
    options = {"video": SMALL} if given == "frames" else {"copy_from": media("cfr_mp4")}
    with (
        pytest.raises(WyhError) as error,
        MovieWriter(tmp_path / "a.mp4", sample_rate=RATE, **options) as writer,
    ):
        os.kill(writer._process._popen.pid, signal.SIGKILL)
        while True:
            writer.write_audio(np.zeros(RATE, np.float32))
    assert "a.mp4 cannot be written: ffmpeg ended with status -9" in one_line(error)


@pytest.mark.parametrize("given", ["frames", "copy"])
def test_interrupted_movie_leaves_the_old_one(media, tmp_path, given):
    (tmp_path / "a.mp4").write_bytes(b"old")
    options = {"video": SMALL} if given == "frames" else {"copy_from": media("cfr_mp4")}
    with (
        pytest.raises(KeyboardInterrupt),
        MovieWriter(tmp_path / "a.mp4", sample_rate=RATE, **options) as writer,
    ):
        writer.write_audio(np.zeros(RATE, np.float32))
        if given == "frames":
            writer.write_frames(numbered())
        raise KeyboardInterrupt
    assert (tmp_path / "a.mp4").read_bytes() == b"old"
    assert writer._process._popen.returncode is not None


@pytest.mark.parametrize("given", ["frames", "copy"])
def test_interrupted_while_it_begins(media, tmp_path, monkeypatch, given):
    """The ffmpeg that has just been started is not lost, or it would write the file again."""
    started = []

    class Interrupted(ffmpeg.Process):
        def __init__(self, *arguments, **how):
            super().__init__(*arguments, **how)
            if how.get("stdin"):
                started.append(self)
                os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(ffmpeg, "Process", Interrupted)
    source = media("cfr_mp4")
    options = {"copy_from": source, "sample_rate": RATE}
    if given == "frames":
        options = {"video": SMALL, "sound_from": source}
    with pytest.raises(KeyboardInterrupt):
        MovieWriter(tmp_path / "a.mp4", **options)
    assert [process._popen.returncode for process in started] == [-signal.SIGKILL]
