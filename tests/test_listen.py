import os
import shutil
from fractions import Fraction

import jax
import numpy as np
import pytest
import soundfile

from tests.conftest import TINY_MODEL, TINY_SYNTH, brightness_follower, ended, make_run
from tests.hearing import make_foley_run
from tests.media.clips import read_audio, read_video, run_ffmpeg
from wyh import knobs, listen
from wyh.listen import Config
from wyh.media.decode import probe
from wyh.models.autoencoder import Autoencoder, as_picture, encode
from wyh.runs import save_variables
from wyh.specs import VideoSpec
from wyh.transducers.autoencoder import SonifierConfig
from wyh.transducers.kinds import load_player
from wyh.transducers.listener import Listener
from wyh.transducers.loop import mean_level
from wyh.transducers.offline import sonify

SOUND = SonifierConfig(TINY_MODEL, TINY_SYNTH)
VIDEO = VideoSpec(Fraction(10), 16, 16)
BRIGHTNESS = np.tile(np.repeat([0.1, 0.9, 0.5], 10), 2)  # 6 s, a new picture every second


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Every value of its code is the picture's brightness, and the other way round."""
    run = make_run(tmp_path_factory.mktemp("runs") / "run", sound=SOUND)
    variables = brightness_follower(SOUND, VIDEO)
    decoder = variables["params"]["decoder"]
    decoder["linear"]["kernel"][:] = 0.1 / SOUND.model.code_size
    decoder["linear"]["bias"][:] = 0.5
    encoder = variables["params"]["encoder"]
    encoder["linear"]["kernel"][:] = 4 / encoder["linear"]["kernel"].shape[0]
    encoder["last"]["bias"][:] = 0  # half of the range for a grey picture
    listener = Listener(SOUND, VIDEO)
    code = encode(Autoencoder(SOUND.model, VIDEO.shape), variables["params"], as_picture(frames()))
    level = mean_level(listener, code[None])
    heard = {"params": listener.init(jax.random.key(0)), "level": level}
    save_variables(run, variables | {"listener": heard, "gain_db": np.float32(-20)}, "variables")
    return run


def frames():
    grey = np.rint(BRIGHTNESS * 255).astype(np.uint8)
    return np.broadcast_to(grey[:, None, None, None], (len(grey), 16, 16, 3)).copy()


@pytest.fixture(scope="module")
def wav(run, tmp_path_factory):
    player = load_player(run)
    sound = np.concatenate(
        list(sonify(player.transducer, player.variables, [frames()], knobs.defaults(phase="fixed")))
    )
    path = tmp_path_factory.mktemp("sounds") / "heard.wav"
    soundfile.write(path, sound, TINY_SYNTH.sample_rate, "FLOAT")
    return path


def listened(capsys, source, out, **options):
    status, said, told = ended(
        capsys, listen.main, Config, "wyh listen", source, out=out, **options
    )
    return status, said.splitlines(), told.splitlines()


def refused(capsys, source, out, **options):
    status, said, told = listened(capsys, source, out, **options)
    assert (status, said, len(told)) == (2, [], 1), told
    return told[0].removeprefix("wyh listen: ")


def middles(film, left=0):
    """Brightness in the middle of each second of a film."""
    shown = read_video(film, VideoSpec(Fraction(10), 32, 64 if left else 32, 1, "stretch"))[1]
    shown = shown[:, :, 32:] if left else shown
    return shown[5::10].mean(axis=(1, 2, 3)) / 255


def test_what_was_seen_can_be_heard_and_seen_again(run, wav, tmp_path, capsys):
    out = tmp_path / "seen.mp4"
    status, said, _ = listened(capsys, wav, out, run=run.directory)
    assert (status, said) == (0, [str(out)])
    dark, bright, grey = middles(out).reshape(2, 3).mean(axis=0)
    assert bright - grey > 0.03 and grey - dark > 0.03
    assert len(read_video(out, VIDEO)[1]) == len(BRIGHTNESS)
    assert abs(len(read_audio(out, 0.0, 8000)) - 6 * 8000) < 8000 / 10


def test_the_level_of_the_recording_does_not_matter(run, wav, tmp_path, capsys):
    sound, rate = soundfile.read(wav)
    quiet = tmp_path / "quiet.wav"
    soundfile.write(quiet, sound / 20, rate, "FLOAT")
    for source in (wav, quiet):
        listened(capsys, source, tmp_path / f"{source.stem}.mp4", run=run.directory)
    seen = [middles(tmp_path / f"{name}.mp4") for name in ("heard", "quiet")]
    np.testing.assert_allclose(*seen, atol=0.01)


def test_the_film_is_shown_beside(run, wav, tmp_path, capsys):
    film = tmp_path / "film.mp4"
    run_ffmpeg("-f", "lavfi", "-i", "color=white:size=64x64:rate=10:duration=3", str(film))
    out = tmp_path / "seen.mkv"
    status, _, _ = listened(capsys, wav, out, run=run.directory, beside=film)
    assert status == 0
    shape = probe(out)
    assert (shape.height, shape.width) == (256, 512)
    pixels = read_video(out, VideoSpec(Fraction(10), 32, 64, 1, "stretch"))[1] / 255
    assert pixels[5, :, :32].mean() > 0.95  # the film
    assert pixels[45, :, :32].mean() < 0.05  # which is over by then
    np.testing.assert_allclose(
        pixels[5::10, :, 32:].mean(axis=(1, 2, 3)), middles(out, left=1), atol=1e-6
    )


def test_a_film_is_listened_to_from_its_first_picture_on(run, wav, tmp_path, capsys):
    film = tmp_path / "late.mkv"
    pictures = ["-f", "lavfi", "-i", "color=white:size=64x64:rate=10:duration=6"]
    shift = ["-itsoffset", "1.5"]
    sound = [*shift, "-i", str(wav), "-c:a", "flac", "-c:v", "libx264"]
    run_ffmpeg(*shift, *pictures, *sound, "-copyts", str(film))
    listened(capsys, film, tmp_path / "seen.mp4", run=run.directory)
    listened(capsys, wav, tmp_path / "straight.mp4", run=run.directory)
    seen = [middles(tmp_path / f"{name}.mp4") for name in ("seen", "straight")]
    np.testing.assert_allclose(seen[0][:6], seen[1], atol=0.03)


def test_what_cannot_be_listened_to(run, wav, tmp_path, capsys):
    def why(source=wav, out=tmp_path / "seen.mp4", **options):
        return refused(capsys, source, out, **{"run": run.directory} | options)

    assert why(out=tmp_path / "seen.wav") == (
        f"got --out {tmp_path}/seen.wav, wanted a name in .mp4, .mkv, .mov"
    )
    assert why(height=4) == "got --height 4, wanted 16 to 2048"
    assert why(duration=3) == (
        f"got --duration, but {run.directory} makes sound, which is turned back into pictures: "
        f"leave it out"
    )
    assert "no such file" in why(source=tmp_path / "nothing.wav").lower()
    silent = tmp_path / "silent.mp4"
    run_ffmpeg("-f", "lavfi", "-i", "color=white:size=64x64:rate=10:duration=1", str(silent))
    assert why(source=silent) == (
        f"{silent} has no sound, but {run.directory} makes sound: give listen such sound"
    )
    assert why(source=silent, out=silent).endswith("is an input itself: choose another --out")
    deaf = make_run(tmp_path / "deaf")
    assert why(run=deaf.directory) == (
        f"{deaf.directory} was trained before runs had listeners: train it again"
    )
    assert not os.path.exists(tmp_path / "seen.mp4")


def test_a_run_that_learned_from_video_has_no_listener(tmp_path, wav, capsys):
    run = make_foley_run(tmp_path / "run").directory
    assert refused(capsys, wav, tmp_path / "seen.mp4", run=run) == (
        f"{run} is of the kind 'dbn', which nothing can listen to: name a run of "
        f"experiments.autoencoder with --run"
    )
    assert not (tmp_path / "seen.mp4").exists()


def test_the_newest_run_with_a_listener_is_taken(tmp_path, run, wav, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shutil.copytree(run.directory, tmp_path / "runs" / "older")
    make_foley_run(tmp_path / "runs" / "newer")
    status, said, told = listened(capsys, wav, "seen.mp4")
    assert (status, said) == (0, ["seen.mp4"])
    assert told[0] == "listening with the newest run, runs/older"
