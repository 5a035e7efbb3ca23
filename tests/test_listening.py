"""Sound read back from pictures: `wyh.listen` with runs that make pictures."""

from fractions import Fraction

import numpy as np
import pytest
import soundfile
from PIL import Image

from tests.conftest import ended
from tests.media.clips import run_ffmpeg
from tests.reading import brightness_readers
from tests.visual import TINY_VISUAL, make_visual_run
from wyh import listen
from wyh.listen import Config
from wyh.media.encode import MovieWriter
from wyh.models.wave_decoder import WaveDecoder
from wyh.runs import save_variables
from wyh.specs import VideoSpec
from wyh.transducers.kinds import load_player, reader_of

RATE, VIDEO = 8000, VideoSpec(Fraction(24), 16, 16)
LOUD = [0.2, 0.8, 0.5]  # brightness of three seconds


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """It reads how loud each picture is from its brightness."""
    run = make_visual_run(tmp_path_factory.mktemp("runs") / "run")
    save_variables(run, brightness_readers(TINY_VISUAL, VIDEO), "variables")
    return run


def film(path, frame_rate, height, width):
    shades = np.repeat(np.rint(np.array(LOUD) * 255), frame_rate).astype(np.uint8)
    video = VideoSpec(Fraction(frame_rate), height, width)
    frames = np.broadcast_to(shades[:, None, None, None], (len(shades), *video.shape))
    with MovieWriter(path, sample_rate=RATE, video=video) as movie:
        movie.write_audio(np.zeros(3 * RATE, np.float32))
        movie.write_frames(frames.copy())
    return path


def listened(capsys, source, out, **options):
    status, said, told = ended(
        capsys, listen.main, Config, "wyh listen", source, out=out, **options
    )
    assert (status, said.splitlines()) == (0, [str(out)]), told
    sound, rate = soundfile.read(out, dtype="float32")
    assert rate == RATE
    return sound


def level_db(sound):
    return 10 * np.log10(np.mean(np.square(sound.astype(float))))


@pytest.mark.parametrize(
    ("name", "frame_rate", "height", "width"),
    [("same.mp4", 24, 16, 16), ("large.mp4", 24, 96, 160), ("quick.mkv", 50, 64, 64)],
)
def test_the_sound_of_a_film(name, frame_rate, height, width, run, tmp_path, capsys):
    source = film(tmp_path / name, frame_rate, height, width)
    sound = listened(capsys, source, tmp_path / "a" / "heard.wav", run=run.directory)
    assert len(sound) == 3 * RATE
    levels = [level_db(second[800:-800]) for second in np.split(sound, 3)]
    # Features are -60 dB where it is black and -20 dB where it is white.
    np.testing.assert_allclose(np.diff(levels), [24, -12], atol=1.5)
    # The change lies where it is seen, and between two pictures.
    power = np.square(sound[RATE // 2 : 3 * RATE // 2].astype(float)).reshape(-1, 40).mean(axis=1)
    rise = np.flatnonzero(
        np.convolve(power, np.ones(5) / 5, "same") > 10 ** (np.mean(levels[:2]) / 10)
    )[0]
    assert rise * 40 / RATE == pytest.approx(0.5, abs=0.03)


def test_the_same_seed_is_the_same_sound(run, tmp_path, capsys):
    source = film(tmp_path / "film.mp4", 24, 16, 16)
    sounds = [
        listened(capsys, source, tmp_path / "heard.wav", run=run.directory, seed=seed)
        for seed in (3, 3, 4)
    ]
    np.testing.assert_array_equal(sounds[0], sounds[1])
    assert np.abs(sounds[0] - sounds[2]).max() > 0


def test_a_part_of_a_film(run, tmp_path, capsys):
    source = film(tmp_path / "film.mp4", 24, 16, 16)
    sound = listened(capsys, source, tmp_path / "heard.wav", run=run.directory, duration=0.5)
    assert len(sound) == RATE // 2


@pytest.mark.parametrize("ending", ["png", "jpg", "webp", "bmp"])
def test_one_picture_is_held(ending, run, tmp_path, capsys):
    photo = tmp_path / f"photo.{ending}"
    Image.new("RGB", (301, 200), (180, 180, 180)).save(photo)
    sound = listened(capsys, photo, tmp_path / "heard.wav", run=run.directory)
    assert len(sound) == 4 * RATE
    levels = [level_db(second) for second in np.split(sound[800:-800], 8)]
    assert np.ptp(levels) < 2
    short = listened(capsys, photo, tmp_path / "heard.wav", run=run.directory, duration=1.5)
    assert len(short) == 1.5 * RATE


def test_the_waveform_itself(run, tmp_path, capsys, monkeypatch):
    variables = brightness_readers(TINY_VISUAL, VIDEO)
    wave = reader_of(load_player(run)).wave
    variables["params"]["wave"] = {"hum": np.sin(np.pi / 8 * np.arange(2 * wave.period))}

    def shades(self, variables, look):
        return look.mean(axis=(1, 2, 3))[:, None] * variables["params"]["hum"][None]

    monkeypatch.setattr(WaveDecoder, "apply", shades)
    taught = make_visual_run(tmp_path / "run")
    save_variables(taught, variables, "variables")
    for frame_rate in (24, 60):
        source = film(tmp_path / "film.mp4", frame_rate, 64, 64)
        sound = listened(capsys, source, tmp_path / "heard.wav", run=taught.directory, target="raw")
        assert len(sound) == 3 * RATE
        levels = [level_db(second[800:-800]) for second in np.split(sound, 3)]
        louder = 20 * np.log10(np.array(LOUD) / LOUD[0])
        np.testing.assert_allclose(np.array(levels) - levels[0], louder, atol=0.3)


def test_what_cannot_be_listened_to(run, tmp_path, capsys):
    photo, out = tmp_path / "photo.png", tmp_path / "heard.wav"
    Image.new("RGB", (16, 16)).save(photo)

    def why(source=photo, out=out, **options):
        status, said, told = ended(
            capsys,
            listen.main,
            Config,
            "wyh listen",
            source,
            out=out,
            **{"run": run.directory} | options,
        )
        assert (status, said, len(told.splitlines())) == (2, "", 1), told
        assert not out.exists() or out == photo
        return told.strip().removeprefix("wyh listen: ")

    unfit = f"but {run.directory} makes pictures, which is turned back into sound: leave it out"
    assert why(height=64) == f"got --height, {unfit}"
    assert why(beside=photo) == f"got --beside, {unfit}"
    assert why(duration=0) == "got --duration 0 s, wanted 0.05 to 3600 s"
    movie = tmp_path / "heard.mp4"
    assert why(out=movie) == f"got --out {movie}, wanted a name in .wav"
    assert why(target="raw") == (
        "got --target raw, but this run learned no waveforms: train one with --weights.wave 1, or "
        "leave --target out"
    )
    song = tmp_path / "song.wav"
    run_ffmpeg("-f", "lavfi", "-i", "sine=duration=1", str(song))
    assert why(source=song) == (
        f"{song} has only sound, but {run.directory} makes pictures: give listen such pictures"
    )
    bad = tmp_path / "bad.png"
    bad.write_bytes(b"no picture at all")
    assert why(source=bad).startswith(f"{bad}: not one frame could be decoded")
    cut = tmp_path / "cut.png"
    cut.write_bytes(photo.read_bytes()[:40])
    assert str(cut) in why(source=cut)
    assert "no such file" in why(source=tmp_path / "nothing.png")
    empty = tmp_path / "empty.png"
    empty.write_bytes(b"")
    assert why(source=empty).endswith("is empty (0 bytes), wanted a media file")
