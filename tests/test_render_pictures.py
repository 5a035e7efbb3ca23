"""`wyh.render` with runs that make pictures of sound."""

import subprocess
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
import soundfile

from tests.conftest import make_run
from tests.dreamers import make_dream_run
from tests.media.clips import read_audio, read_video, run_ffmpeg
from tests.test_render import Config, film, refused, rendered
from tests.visual import make_visual_run
from wyh import knobs, render
from wyh.media import ffmpeg
from wyh.media.decode import probe
from wyh.metrics.timing import offset_ms
from wyh.selection import SelectionConfig
from wyh.specs import VideoSpec

SHOWN = VideoSpec(Fraction(24), 16, 16)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    directory = tmp_path_factory.mktemp("runs") / "run"
    return make_visual_run(directory, loud_is_bright=True).directory


def bursts(secs, rate, seed=0):
    """Tones that swell and fade, at uneven intervals; float64 [samples]."""
    rng, envelope, at = np.random.default_rng(seed), np.zeros(round(secs * rate)), 0.4
    shape = np.hanning(round(0.16 * rate))
    while at < secs - 0.5:
        first = round(at * rate)
        envelope[first : first + len(shape)] = shape
        at += rng.uniform(0.5, 0.9)
    return 0.6 * envelope * np.sin(2 * np.pi * 700 * np.arange(len(envelope)) / rate)


def song(path, secs=2.0, rate=44100, channels=2, more=()):
    """A sound file of any format."""
    wave = np.repeat(bursts(secs, rate)[:, None], channels, axis=1)
    if path.suffix == ".wav" and not more:
        soundfile.write(path, wave, rate)
        return path
    soundfile.write(path.with_suffix(".raw.wav"), wave, rate)
    run_ffmpeg("-i", str(path.with_suffix(".raw.wav")), *more, str(path))
    path.with_suffix(".raw.wav").unlink()
    return path


@pytest.mark.parametrize(
    ("name", "rate", "out_name", "frame_rate"),
    [
        ("a.wav", 44100, "o.mp4", "24"),
        ("a.mp3", 48000, "o.mkv", "30000/1001"),
        ("a.m4a", 44100, "o.mov", "60"),
        ("a.ogg", 8000, "o.mp4", "25"),
        ("a.flac", 192_000, "o.mp4", "12"),
    ],
)
def test_the_middle_of_a_picture_is_the_middle_of_its_sound(
    name, rate, out_name, frame_rate, run, tmp_path, capsys
):
    source, out = song(tmp_path / name, 12.0, rate), tmp_path / out_name
    assert rendered(capsys, source, out=out, run=run, frame_rate=frame_rate) == (0, [str(out)], [])
    spec = replace(SHOWN, frame_rate=Fraction(frame_rate))
    times, pixels = read_video(out, spec)
    np.testing.assert_allclose(np.diff(times), float(1 / spec.frame_rate), atol=1.1e-3)
    sound, wave = read_audio(out, times[0], rate=48000), read_audio(source, None, rate=48000)
    bright = pixels.mean((1, 2, 3))
    assert abs(offset_ms(bright - bright.min(), sound, 48000, spec.frame_rate)) < 2
    assert abs(shift_of(sound, wave)) <= 1
    assert abs(len(pixels) / float(spec.frame_rate) - len(wave) / 48000) < 0.51 / spec.frame_rate
    assert abs(len(sound) - len(wave)) < 100


def shift_of(sound, wave):
    """By how many samples a sound comes after another."""
    size = 2 * max(len(sound), len(wave))
    agree = np.fft.irfft(np.fft.rfft(sound, size) * np.conj(np.fft.rfft(wave, size)), size)
    best = int(agree.argmax())
    return best - size if best > size // 2 else best


def test_sound_that_begins_late_in_a_film_begins_with_the_pictures(run, tmp_path, capsys):
    song(tmp_path / "a.wav", 4.0)
    source, out = tmp_path / "late.mkv", tmp_path / "o.mp4"
    late = ["-f", "lavfi", "-i", "testsrc=d=6:s=32x32", "-itsoffset", "1.3"]
    run_ffmpeg(*late, "-i", str(tmp_path / "a.wav"), "-c:a", "pcm_s16le", str(source))
    assert rendered(capsys, source, out=out, run=run)[0] == 0
    times, pixels = read_video(out, SHOWN)
    sound, wave = read_audio(out, times[0]), read_audio(tmp_path / "a.wav", None)
    assert len(pixels) == 96 and abs(shift_of(sound, wave)) <= 1


def test_size_and_rate_are_what_is_asked_for(run, tmp_path, capsys):
    source, out = song(tmp_path / "a.wav", 1.0), tmp_path / "o.mp4"
    assert rendered(capsys, source, out=out, run=run, size="97x50", frame_rate="23.976")[0] == 0
    info = probe(out)
    assert (info.width, info.height, info.video_codec) == (98, 50, "h264")  # it wants even ones
    assert info.frame_rate == Fraction(24000, 1001)


def test_pictures_are_made_at_that_size_not_enlarged(tmp_path, capsys):
    """The grid's splines are as smooth at any size: no step is as large as a small pixel's."""
    run = make_visual_run(tmp_path / "run").directory
    source, out = song(tmp_path / "a.wav", 0.5), tmp_path / "o.mkv"
    rendered(capsys, source, out=out, run=run, size="128x128")
    pixels = read_video(out, VideoSpec(Fraction(24), 128, 128))[1][-1].astype(float)
    steps = np.abs(np.diff(pixels, axis=1)).max()
    assert np.ptp(pixels) > 60 and steps < np.ptp(pixels) / 4


@pytest.mark.parametrize(
    ("channels", "rate", "ending", "kept"),
    [
        (1, 8000, "mp4", (8000, "mono")),
        (1, 192_000, "mkv", (192_000, "mono")),
        (1, 192_000, "mp4", (96_000, "mono")),
        (6, 48000, "mp4", (48000, "5.1")),
        (8, 48000, "mkv", (48000, "7.1")),
        (8, 44100, "mp4", (44100, "7.1")),
        (12, 48000, "mkv", (48000, "7.1")),  # 7.1.4, which is mixed
        (9, 48000, "mp4", (48000, "mono")),  # of nobody knows where
    ],
)
def test_the_sound_keeps_rate_and_channels(channels, rate, ending, kept, run, tmp_path, capsys):
    source, out = song(tmp_path / "a.wav", 1.0, rate, channels), tmp_path / f"o.{ending}"
    assert rendered(capsys, source, out=out, run=run) == (0, [str(out)], [])
    info = probe(out)
    assert (info.sample_rate, info.audio_layout) == kept
    assert info.audio_codec == {"mp4": "aac", "mkv": "flac"}[ending]
    assert len(read_video(out, SHOWN)[0]) == 24


def test_the_first_of_several_sounds_counts_and_a_cover_is_no_sound(run, tmp_path, capsys):
    song(tmp_path / "a.wav")
    source, out = tmp_path / "a.mka", tmp_path / "o.mp4"
    run_ffmpeg("-f", "lavfi", "-i", "testsrc=s=64x64", "-frames:v", "1", str(tmp_path / "c.png"))
    two = ["-i", str(tmp_path / "a.wav"), "-f", "lavfi", "-i", "anoisesrc=d=5"]
    cover = ["-attach", str(tmp_path / "c.png"), "-metadata:s:t", "mimetype=image/png"]
    run_ffmpeg(*two, "-map", "0:a", "-map", "1:a", *cover, str(source))
    assert rendered(capsys, source, out=out, run=run)[0] == 0
    sound = read_audio(out, 0.0)
    assert abs(shift_of(sound, read_audio(tmp_path / "a.wav", None))) <= 1
    assert len(read_video(out, SHOWN)[0]) == 48


def test_silence_and_a_moment_are_songs_too(run, tmp_path, capsys):
    for name, samples, pictures in (("silence", 44100, 24), ("moment", 300, 1)):
        soundfile.write(tmp_path / f"{name}.wav", np.zeros(samples), 44100)
        out = tmp_path / f"{name}.mp4"
        assert rendered(capsys, tmp_path / f"{name}.wav", out=out, run=run)[0] == 0
        assert len(read_video(out, SHOWN)[0]) == pictures


def test_what_ends_early_is_rendered_as_far_as_it_goes(run, tmp_path, capsys):
    whole = song(tmp_path / "a.mka", 4.0, more=["-c:a", "flac"]).read_bytes()
    source, out = tmp_path / "cut.mka", tmp_path / "o.mp4"
    source.write_bytes(whole[: len(whole) * 2 // 3 - 7])
    status, said, told = rendered(capsys, source, out=out, run=run)
    assert (status, said, len(told)) == (0, [str(out)], 1)
    assert "cut.mka breaks off at" in told[0] and "File ended prematurely" in told[0]
    times, _ = read_video(out, SHOWN)
    wave = read_audio(source, None, strict=False)
    assert 1 < len(times) / 24 < 3.9 and abs(len(times) / 24 - len(wave) / 48000) < 0.021
    assert abs(len(read_audio(out, 0.0)) - len(wave)) < 100


def test_several_songs_folders_and_lists(run, tmp_path, capsys):
    folder = tmp_path / "in"
    (folder / "deep").mkdir(parents=True)
    for name in ("one.wav", "deep/two.wav", "three.wav"):
        song(folder / name, 0.2)
    song(tmp_path / "four.mp3", 0.2)
    (folder / "bad.mp3").write_text("no song")
    (folder / "cover.jpg").write_text("no song")
    (folder / "all.m3u").write_text("#EXTM3U\none.wav\n")  # in a folder, it is none of the songs
    (folder / "some.txt").write_text("# mine\n\none.wav\n../four.mp3\ngone.ogg\n")
    out = tmp_path / "out"
    status, said, told = rendered(capsys, folder, out=out, run=run, format="mkv")
    assert (status, sorted(said)) == (0, [str(out / f"{n}.mkv") for n in ("one", "three", "two")])
    assert len(told) == 1 and told[0].startswith("left out: ") and "bad.mp3" in told[0]
    status, said, told = rendered(capsys, folder / "some.txt", out=tmp_path / "again", run=run)
    assert (status, said) == (0, [str(tmp_path / f"again/{n}.mp4") for n in ("one", "four")])
    assert len(told) == 1 and "gone.ogg: no such file" in told[0]


def test_colours_of_a_picture(run, tmp_path, capsys):
    stripes = np.repeat(np.array([[40, 0, 0], [250, 20, 20]], np.uint8), 32, axis=0)
    raw = np.broadcast_to(stripes, (64, 64, 3)).tobytes()
    look = ["-f", "rawvideo", "-pix_fmt", "rgb24", "-s", "64x64", "-i", "-", tmp_path / "p.png"]
    subprocess.run([ffmpeg.executable(), "-v", "error", "-y", *look], input=raw, check=True)
    source, out = song(tmp_path / "a.wav"), tmp_path / "o.mkv"
    assert rendered(capsys, source, out=out, run=run, palette=tmp_path / "p.png")[0] == 0
    pixels = read_video(out, SHOWN)[1].mean((0, 1, 2))
    assert pixels[0] > 2 * pixels[1:].max()
    told = refused(capsys, source, out=out, run=run, palette=tmp_path / "a.wav")
    assert "a.wav has only sound, wanted a video" in told


def test_options_of_the_other_direction(run, tmp_path, capsys):
    sounds = make_run(tmp_path / "sounds").directory
    source, out = song(tmp_path / "a.wav", 0.2), tmp_path / "o.mp4"
    pictures = film(tmp_path / "f.mp4", 0.2)
    for options, message in (
        ({"run": run, "set": "timbre=1"}, "got the knob 'timbre', wanted one of gain_db, mute"),
        ({"run": sounds, "set": "hue=1"}, "got the knob 'hue', wanted one of gain_db, mute"),
        ({"run": sounds, "size": "64x64"}, "got --size, but"),
        ({"run": sounds, "frame_rate": 25}, "got --frame-rate, but"),
        ({"run": sounds, "palette": pictures}, "paints without a palette: leave --palette out"),
        ({"run": run, "size": "64"}, "got --size 64, wanted WIDTHxHEIGHT in pixels"),
        ({"run": run, "size": "4x64"}, "got width 4 pixels, wanted 8 to"),
        ({"run": run, "frame_rate": "fast"}, "got the rate 'fast', wanted a number"),
        ({"run": run, "frame_rate": "1000"}, "got frame rate 1000 Hz, wanted 1 to 240"),
    ):
        assert message in refused(capsys, source, out=out, **options), options
    words = (source, "--stereo")
    assert "got --stereo, but" in refused(capsys, *words, out=out, run=run)
    assert "has only sound, wanted a video" in refused(capsys, source, out=out, run=sounds)


def test_what_cannot_be_rendered(run, tmp_path, capsys):
    source = song(tmp_path / "a.wav", 0.2)
    soundfile.write(tmp_path / "zero.wav", np.zeros(0), 44100)
    (tmp_path / "text.mp3").write_text("no song\n" * 99)
    (tmp_path / "empty.mp3").touch()
    (tmp_path / "none.m3u").write_text("# nothing\n")
    mute = film(tmp_path / "mute.mp4", 0.2)
    for given, out, message in (
        (source, "o.wav", "o.wav, wanted a name in .mp4, .mkv, .mov: this run makes pictures"),
        (source, "o.gif", "o.gif, wanted a name in .mp4, .mkv, .mov"),
        (tmp_path / "zero.wav", "o.mp4", "its sound is of zero length"),
        (tmp_path / "text.mp3", "o.mp4", "text.mp3 is no media file"),
        (tmp_path / "empty.mp3", "o.mp4", "is empty (0 bytes)"),
        (mute, "o.mp4", "mute.mp4 has no sound"),
        (tmp_path / "none.m3u", "o", "none.m3u names no files"),
        (tmp_path / "gone.mp3", "o", "gone.mp3: no such file or directory"),
    ):
        assert message in refused(capsys, given, out=tmp_path / out, run=run)
    told = refused(capsys, source, out=tmp_path / "o", run=run, format="wav")
    assert "got --format wav, but this run makes pictures" in told
    both = (source, tmp_path / "text.mp3")
    assert "wanted a directory" in refused(capsys, *both, out=tmp_path / "o.mp4", run=run)


def test_an_input_is_never_written_over(run, tmp_path, capsys):
    song(tmp_path / "a.wav", 0.2)
    run_ffmpeg("-i", str(tmp_path / "a.wav"), str(tmp_path / "a.mp4"))
    told = refused(capsys, tmp_path / "a.wav", tmp_path / "a.mp4", out=tmp_path, run=run)
    assert "a.mp4 is an input itself: choose another --out" in told


def test_the_encoder_that_gives_up(run, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("wyh.media.muxing.AAC", ["-c:a", "aac", "-b:a", "no number"])
    told = refused(capsys, song(tmp_path / "a.wav"), out=tmp_path / "o.mp4", run=run)
    assert "o.mp4 cannot be written" in told


def test_the_seed_decides(run, tmp_path):
    run = make_visual_run(tmp_path / "run").directory
    made = []
    for number, seed in enumerate((0, 0, 1)):
        out = tmp_path / f"{number}.mkv"
        render.main(Config((song(tmp_path / "a.wav", 0.5),), out, run, seed=seed))
        made.append(read_video(out, SHOWN)[1])
    assert np.array_equal(made[0], made[1]) and not np.array_equal(made[0], made[2])


def test_a_dream(tmp_path, capsys):
    run = make_dream_run(tmp_path / "run", says=(0.96, 0.01, 0.01)).directory
    source, out = song(tmp_path / "a.wav", 0.7, 16000), tmp_path / "o.mkv"
    how = {"run": run, "frame_rate": 30, "size": "64x40", "refine": 1}
    assert rendered(capsys, source, out=out, **how) == (0, [str(out)], [])
    times, pixels = read_video(out, VideoSpec(Fraction(30), 40, 64))
    assert len(times) == 21
    light = pixels[:, :, 16:48].mean(axis=(1, 2, 3))
    assert (np.diff(light) > -3).all() and light[-1] > 20  # what is heard appears, and stays
    assert pixels[:, :, :8].max() < 10  # beside it is black
    short = song(tmp_path / "b.wav", 0.02)  # than a block
    assert rendered(capsys, short, out=tmp_path / "s.mkv", run=run)[0] == 0
    assert len(read_video(tmp_path / "s.mkv")[0]) == 1


def test_a_runs_own_selection_holds_unless_it_is_set(tmp_path, monkeypatch, capsys):
    selection = SelectionConfig(mode="top_1", release_secs=2.0)
    run, asked = make_dream_run(tmp_path / "run", selection=selection).directory, []

    def take(source, out, player, turned, seed):
        asked.append(turned)

    monkeypatch.setattr("wyh.render.render_pictures", take)
    source = song(tmp_path / "a.wav", 0.1)
    rendered(capsys, source, out=tmp_path / "o.mkv", run=run, set="fade=0.1")
    assert asked == [knobs.defaults(classes=1, fade=0.1)]


def test_options_that_are_of_no_use_for_a_dream(run, tmp_path, capsys):
    dream = make_dream_run(tmp_path / "dream").directory
    source, out = song(tmp_path / "a.wav", 0.1), tmp_path / "o.mkv"
    for options, message in (
        ({"run": dream, "set": "bass=3"}, "got the knob 'bass', wanted one of gain_db, mute"),
        ({"run": run, "set": "zoom=1"}, "got the knob 'zoom', wanted one of gain_db, mute"),
        ({"run": dream, "refine": 1001}, "got --refine 1001 steps, wanted 0 to 1000 steps"),
        ({"run": run, "refine": 8}, "got --refine 8, but a run of synesthesia has nothing to"),
        ({"run": dream, "palette": source}, "paints without a palette: leave --palette out"),
    ):
        assert message in refused(capsys, source, out=out, **options), options
