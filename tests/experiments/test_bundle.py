from fractions import Fraction

import numpy as np
import pytest
from PIL import Image

from experiments import autoencoder, bundle
from experiments.bundle import REEL, film, panned, write_reel
from tests.conftest import ended, make_run
from tests.media.clips import read_video, run_ffmpeg
from wyh.runs import load_run


@pytest.fixture
def grey_film(tmp_path):
    """2.4 s of film at 10 Hz; picture n is of one grey, 10 * n."""
    path, raw = tmp_path / "film.mkv", tmp_path / "film.raw"
    raw.write_bytes(np.repeat((10 * np.arange(24)).astype(np.uint8), 32 * 32).tobytes())
    look = ["-f", "rawvideo", "-pix_fmt", "gray", "-s", "32x32", "-r", "10"]
    run_ffmpeg(*look, "-i", str(raw), "-c:v", "ffv1", str(path))
    return path


@pytest.fixture
def photos(tmp_path):
    """A wide photo, from black on the left to white on the right, and a high one, upside down."""
    folder = tmp_path / "photos"
    folder.mkdir()
    ramp = np.linspace(0, 255, 400).astype(np.uint8)
    Image.fromarray(np.broadcast_to(ramp, (100, 400)).copy()).save(folder / "a.png")
    Image.fromarray(np.broadcast_to(ramp[::-1, None], (400, 100)).copy()).save(folder / "b.png")
    return folder


def made(capsys, *inputs, **options):
    return ended(
        capsys, bundle.main, bundle.Config, "python -m experiments.bundle", *inputs, **options
    )


def test_a_film_gives_whole_seconds(grey_film):
    seconds = list(film(grey_film))
    assert [second.shape for second in seconds] == [(30, *REEL.shape)] * 2
    shown = np.concatenate(seconds).mean(axis=(1, 2, 3))
    np.testing.assert_allclose(shown, np.repeat(10 * np.arange(20), 3), atol=2)


def test_a_photo_is_panned_over(photos):
    wide = panned(photos / "a.png")
    assert wide.shape == (30, *REEL.shape)
    light = wide.mean(axis=(1, 2, 3))
    assert np.all(np.diff(light) > 0) and light[0] < 60 and light[-1] > 195
    high = panned(photos / "b.png").mean(axis=(1, 2, 3))
    assert np.all(np.diff(high) < 0) and high[0] > 195 and high[-1] < 60


def test_the_reel_has_the_bundled_film_then_the_rest(
    grey_film, photos, tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr(bundle, "SAMPLE", grey_film)
    write_reel((photos, grey_film), tmp_path / "reel.mkv")
    times, pixels = read_video(tmp_path / "reel.mkv", REEL)
    assert len(times) == (2 + 2 + 2) * 30
    np.testing.assert_allclose(np.diff(times), 1 / 30, atol=2e-3)
    light = pixels.mean(axis=(1, 2, 3))
    np.testing.assert_allclose(light[:60], light[60:120], atol=2)
    assert light[120] < 60 < 195 < light[149]


def test_it_trains_on_the_reel_and_packs(grey_film, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(bundle, "SAMPLE", grey_film)
    asked = []

    def train(config):
        asked.append(config)
        make_run(config.out, frame_rate=Fraction(30))

    monkeypatch.setattr(autoencoder, "main", train)
    out, reel = tmp_path / "packed", tmp_path / "data" / "reel.mkv"
    status, said, err = made(capsys, out=out, reel=reel, run=tmp_path / "run", seed=3)
    assert (status, said) == (0, f"{out}\n")
    assert "packed: 0.0" in err
    (config,) = asked
    assert config.data == (reel,) and reel.exists()
    assert (config.size, config.fit.seed, config.sound.model) == ("48x32", 3, bundle.MODEL)
    config.sound.model.check(bundle.HEIGHT, bundle.WIDTH)
    assert load_run(out).kind == "autoencoder"
    status, _, err = made(capsys, out=out, reel=reel, run=tmp_path / "again")
    assert status == 2 and "holds a run already" in err and len(asked) == 1
    status, _, err = made(capsys, out=tmp_path / "other", reel=reel)
    assert status == 2 and "is there already: --reel names a film that is to be made" in err
    monkeypatch.setattr(bundle, "MOST_BYTES", 100)
    reel = tmp_path / "data" / "another.mkv"
    status, _, err = made(capsys, out=tmp_path / "large", reel=reel, run=tmp_path / "again")
    assert status == 2 and "wanted 100 at most" in err


def test_nothing_to_see(tmp_path, capsys):
    (tmp_path / "notes.txt").touch()
    status, _, err = made(capsys, tmp_path / "notes.txt", out=tmp_path / "packed")
    assert status == 2
    assert "notes.txt: got neither films nor photos" in err


def test_a_reel_that_cannot_be_written(tmp_path, capsys):
    (tmp_path / "file").touch()
    reel = tmp_path / "file" / "data" / "reel.mkv"
    status, _, err = made(capsys, out=tmp_path / "packed", reel=reel)
    assert status == 2
    assert "cannot write" in err
