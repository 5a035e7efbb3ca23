import os
import subprocess
import sys
from fractions import Fraction

import numpy as np
import pytest
from PIL import Image

from data_prep import images
from data_prep.images import Config, load_photo, prepare
from wyh.dataset import open_dataset
from wyh.errors import WyhError
from wyh.specs import VideoSpec


def save(path, pixels, **options):
    Image.fromarray(pixels).save(path, **options)
    return path


def noise(height, width, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


def spec(height=8, width=8, channels=3, fit="crop"):
    return VideoSpec(Fraction(24), height, width, channels, fit)


def means(pixels, height, width):
    """The mean of each of `height` x `width` equal areas."""
    step = pixels.shape[0] // height, pixels.shape[1] // width
    split = pixels.reshape(height, step[0], width, step[1], -1)
    return split.mean((1, 3), dtype=np.float64)


def test_each_pixel_is_the_mean_of_those_it_covers(tmp_path):
    pixels = noise(80, 120)
    path = save(tmp_path / "a.png", pixels)
    crop = load_photo(path, spec())
    np.testing.assert_allclose(crop, means(pixels[:, 20:100], 8, 8), atol=1)
    stretched = load_photo(path, spec(fit="stretch"))
    np.testing.assert_allclose(stretched, means(pixels, 8, 8), atol=1)
    padded = load_photo(path, spec(12, 12, fit="pad"))
    assert not padded[:2].any()
    assert not padded[-2:].any()
    np.testing.assert_allclose(padded[2:-2], means(pixels, 8, 12), atol=1)


def test_a_photo_taken_sideways_is_turned_upright(tmp_path):
    pixels = noise(16, 16)
    exif = Image.Exif()
    exif[0x0112] = 6  # the top of the picture is at the right of the file
    path = save(tmp_path / "a.png", np.rot90(pixels).copy(), exif=exif)
    np.testing.assert_array_equal(load_photo(path, spec(16, 16)), pixels)


@pytest.mark.parametrize("name", ["a.jpg", "a.webp", "a.png"])
def test_photos_of_every_kind_and_of_any_size(tmp_path, name):
    grey = np.linspace(0, 255, 900).astype(np.uint8)
    pixels = np.repeat(np.tile(grey, (700, 1))[..., None], 3, -1)
    frame = load_photo(save(tmp_path / name, pixels), spec(fit="stretch"))
    np.testing.assert_allclose(
        frame, np.tile(np.arange(16, 255, 32)[None, :, None], (8, 1, 3)), atol=3
    )
    small = load_photo(save(tmp_path / name, pixels[:1, 450:451]), spec())
    assert small.shape == (8, 8, 3)
    np.testing.assert_allclose(small, 127, atol=3)


def test_grey_photos_transparent_ones_and_those_of_16_bits(tmp_path):
    colour = np.full((9, 9, 3), (200, 100, 50), np.uint8)
    path = save(tmp_path / "a.png", colour)
    grey = load_photo(path, spec(channels=1))
    assert grey.shape == (8, 8, 1)
    np.testing.assert_allclose(grey, 0.299 * 200 + 0.587 * 100 + 0.114 * 50, atol=1)
    half = np.dstack([colour, np.full((9, 9), 128, np.uint8)])
    np.testing.assert_allclose(load_photo(save(tmp_path / "b.png", half), spec())[0, 0] * 2,
                               (200, 100, 50), atol=3)  # fmt: skip
    deep = np.full((9, 9), 40_000, np.uint16)
    np.testing.assert_allclose(load_photo(save(tmp_path / "c.png", deep), spec()), 156, atol=1)


@pytest.fixture
def folder(tmp_path):
    path = tmp_path / "photos"
    (path / "more").mkdir(parents=True)
    for i in range(11):
        save(path / ("more" if i % 2 else ".") / f"{i:02d}.png", noise(20, 30, i))
    return path


def test_a_folder_of_photos_becomes_a_data_set(folder, tmp_path):
    out = prepare(Config((folder,), tmp_path / "set", size="12x10", workers=1))
    dataset = open_dataset(out)
    names = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.png"))
    assert [recording.name for recording in dataset.recordings] == names
    assert [r.name for r in dataset.recordings if r.test] == [names[4], names[9]]
    assert (dataset.count("train"), dataset.count("test")) == (9, 2)
    batch = dataset.decode(list(dataset.split("train")))
    assert batch["frames"].shape == (9, 1, 10, 12, 3)
    assert batch["audio"].shape == (9, 919)
    assert not batch["audio"].any()
    for frame, recording in zip(batch["frames"], batch["recording"], strict=True):
        photo = folder / dataset.recordings[recording].name
        np.testing.assert_array_equal(frame[0], load_photo(photo, dataset.spec.video))


def test_damaged_and_other_files_are_left_out(folder, tmp_path, capsys):
    photo = folder / "00.png"
    photo.write_bytes(photo.read_bytes()[:500])
    (folder / "02.png").write_text("no picture")
    (folder / "notes.txt").touch()
    out = tmp_path / "set"
    prepare(Config((folder,), out, workers=1))
    told = capsys.readouterr().err
    for name in ("00.png: cannot be read as a photo", "02.png: cannot be read as a photo (not a"):
        assert name in told
    assert "notes.txt: not a photo, by its name (.txt)" in told
    dataset = open_dataset(out)
    assert len(dataset.recordings) == 9
    assert dataset.count("test") == 1


def test_an_interrupted_preparation_goes_on_where_it_stopped(folder, tmp_path, monkeypatch):
    monkeypatch.setattr(images, "CHUNK", 5)
    expected = open_dataset(prepare(Config((folder,), tmp_path / "whole", workers=1)))
    (folder / "02.png").write_text("no picture")
    loaded = []

    def load(path, wanted):
        loaded.append(path.name)
        if len(loaded) == 8:
            raise KeyboardInterrupt
        return load_photo(path, wanted)

    monkeypatch.setattr(images, "load_photo", load)
    out = tmp_path / "set"
    with pytest.raises(KeyboardInterrupt):
        prepare(Config((folder,), out, workers=1))
    with pytest.raises(WyhError, match="its preparation was interrupted"):
        open_dataset(out)
    prepare(Config((folder,), out, workers=1))
    assert len(loaded) == 8 + 6
    assert len(open_dataset(out).recordings) == len(expected.recordings) - 1


def test_two_workers_give_the_same_bytes(folder, tmp_path, monkeypatch):
    monkeypatch.setattr(images, "CHUNK", 3)
    one, two = (
        open_dataset(prepare(Config((folder,), tmp_path / str(workers), workers=workers)))
        for workers in (1, 2)
    )
    for left, right in zip(one.paths("train"), two.paths("train"), strict=True):
        assert left.read_bytes() == right.read_bytes()


def test_errors(folder, tmp_path, monkeypatch):
    out = tmp_path / "set"
    text = tmp_path / "a.jpg"
    text.write_text("no picture")
    (tmp_path / "empty").mkdir()
    for message, inputs, options in [
        (r"a.jpg: cannot be read as a photo \(not a picture\)", [text], {}),
        ("got no files, wanted photos", [tmp_path / "empty"], {}),
        ("no such file or directory", [tmp_path / "none"], {}),
        ("wanted 0 .none. to 0.5", [folder], {"holdout": 0.9}),
        ("got -1 workers", [folder], {"workers": -1}),
        ("got the size 'big'", [folder], {"size": "big"}),
    ]:
        with pytest.raises(WyhError, match=message):
            prepare(Config(tuple(inputs), out, **{"workers": 1, **options}))
        assert not out.exists()
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    with pytest.raises(WyhError, match=r"00\.png: has too many pixels"):
        load_photo(folder / "00.png", spec())


def test_the_command(folder, tmp_path):
    told = subprocess.run(
        [sys.executable, "-m", "data_prep.images", str(folder), "--out", str(tmp_path / "set")],
        capture_output=True,
        text=True,
    )
    assert told.returncode == 0, told.stderr
    assert told.stdout == f"{tmp_path / 'set'}{os.linesep}"
    assert "11 photos: 00.png to more/09.png" in told.stderr


def labelled(tmp_path, *names):
    for name in names:
        path = tmp_path / "in" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        save(path, noise(8, 8))
    return Config((tmp_path / "in",), tmp_path / "set", "8", labelled=True, workers=1)


def test_classes_are_folders_however_deep_photos_lie(tmp_path):
    config = labelled(tmp_path, "cat/a.png", "cat/old/b.png", "dog/c.png")
    dataset = open_dataset(prepare(config))
    assert dataset.classes == ("cat", "dog")
    assert dataset.spec.labelled


@pytest.mark.parametrize("names", [("cat/a.png", "cat/b.png"), ("a.png", "b.png")])
def test_one_class_alone(tmp_path, names):
    with pytest.raises(WyhError, match=r"photos of one class, .*wanted a folder for each of two"):
        prepare(labelled(tmp_path, *names))


def test_a_photo_beside_the_folders_of_classes(tmp_path):
    with pytest.raises(WyhError, match=r"a.png beside folders of classes, wanted it in one"):
        prepare(labelled(tmp_path, "a.png", "cat/b.png", "dog/c.png"))
