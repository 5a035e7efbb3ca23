import numpy as np
import pytest
from PIL import Image

from data_prep.images import Config, prepare
from wyh.dataset import open_dataset
from wyh.errors import WyhError
from wyh.picture_classes import ClassPictures


def classes_of(tmp_path, counts, holdout=0.0):
    """Pictures as grey as 10 times their class, and their number in their class in red."""
    for label, (name, count) in enumerate(counts.items()):
        (tmp_path / "in" / name).mkdir(parents=True)
        for number in range(count):
            pixels = np.full((8, 8, 3), 10 * label, np.uint8)
            pixels[..., 0] = number
            Image.fromarray(pixels).save(tmp_path / "in" / name / f"{number:03d}.png")
    config = Config(
        (tmp_path / "in",), tmp_path / "set", "8", holdout=holdout, labelled=True, workers=1
    )
    return ClassPictures.of(open_dataset(prepare(config)), "train")


def test_each_picture_has_the_class_of_its_folder(tmp_path):
    found = classes_of(tmp_path, {"b": 3, "a": 5, "c": 4}, holdout=0.25)
    assert found.classes == ("a", "b", "c")
    pixels = found.bank.frames_at(np.arange(found.bank.size))
    folder = {0: "b", 10: "a", 20: "c"}
    named = [folder[value] for value in pixels[:, 0, 0, 1]]
    assert [found.classes[label] for label in found.labels] == named


def test_a_batch_has_as_many_of_each_class(tmp_path):
    found = classes_of(tmp_path, {"a": 30, "b": 2})
    for step in range(3):
        pictures, labels = found.batch(step, 10, 0)
        assert np.bincount(labels).tolist() == [5, 5]
        np.testing.assert_array_equal(pictures[:, 0, 0, 1], 10 * labels)
    again, _ = found.batch(2, 10, 0)
    np.testing.assert_array_equal(pictures, again)
    assert not np.array_equal(pictures, found.batch(3, 10, 0)[0])


def test_what_chooses_is_not_trained_on(tmp_path):
    found = classes_of(tmp_path, {"a": 25, "b": 10})
    held = found.bank.frames_at(found.held)[:, 0, 0, :2]
    assert held.tolist() == [[9, 0], [19, 0], [9, 10]]
    seen = {tuple(p[0, 0, :2]) for step in range(40) for p in found.batch(step, 20, 0)[0]}
    assert len(seen) == 35 - 3
    assert not seen & {tuple(values) for values in held}


def test_few_pictures_choose_for_themselves(tmp_path):
    found = classes_of(tmp_path, {"a": 4, "b": 3})
    assert found.held.tolist() == list(range(7))
    assert found.others.tolist() == [0, 2, 4, 6]


def test_a_class_of_one_picture(tmp_path):
    found = classes_of(tmp_path, {"a": 4, "b": 1, "c": 3})
    with pytest.raises(
        WyhError, match=r"too few pictures to learn from \(b 1\), wanted 2 or more .* --holdout 0$"
    ):
        found.check()
