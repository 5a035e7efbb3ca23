import numpy as np
import pytest

from tests.media.clips import run_ffmpeg
from tests.visual import make_visual_run
from wyh.errors import WyhError
from wyh.palette import chosen_colours, palette_of, with_palette
from wyh.specs import LUMA
from wyh.transducers.kinds import load_player

FLAG = np.array([[20, 30, 90], [200, 30, 40], [40, 160, 70], [240, 230, 200]]) / 255


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return make_visual_run(tmp_path_factory.mktemp("runs") / "run")


def test_the_colours_of_flat_areas_are_found_exactly(rng):
    pixels = FLAG[rng.permutation(np.repeat(np.arange(4), [1000, 300, 20, 5]))]
    found = chosen_colours(pixels, 4)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, FLAG[np.argsort(FLAG @ LUMA)], atol=1e-5)


def test_colours_rise_in_light_and_stay_within_the_picture(rng):
    pixels = rng.uniform(0.2, 0.7, (3000, 3))
    found = chosen_colours(pixels, 6)
    assert found.shape == (6, 3)
    assert (np.diff(found @ np.float32(LUMA)) >= 0).all()
    assert found.min() > 0.15 and found.max() < 0.75
    np.testing.assert_array_equal(found, chosen_colours(pixels, 6))


def test_a_small_strong_spot_is_not_lost(rng):
    grey = np.repeat(rng.uniform(0, 1, (9000, 1)), 3, axis=1)
    pixels = np.concatenate([grey, np.broadcast_to([[0.95, 0.5, 0.0]], (90, 3))])
    assert np.abs(chosen_colours(pixels, 6) - [0.95, 0.5, 0.0]).max(axis=1).min() < 0.1


def test_more_colours_than_there_are():
    found = chosen_colours(FLAG[:2], 5)
    assert np.isfinite(found).all() and found.shape == (5, 3)
    assert np.abs(found[:, None] - FLAG[None, :2]).max(axis=2).min(axis=1).max() < 1e-5


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.webp", "a.mp4"])
def test_any_picture_will_do(name, tmp_path):
    both = "color=red:s=60x90[a];color=navy:s=30x90[b];[a][b]hstack"
    run_ffmpeg("-filter_complex", both, "-frames:v", "1", "-pix_fmt", "yuv420p"
               if name != "a.png" else "rgb24", str(tmp_path / name))  # fmt: skip
    dark, light = palette_of(tmp_path / name, 2)
    np.testing.assert_allclose(dark, [0, 0, 0.5], atol=0.06)
    np.testing.assert_allclose(light, [1, 0, 0], atol=0.06)


def test_a_picture_of_one_colour(tmp_path):
    run_ffmpeg("-f", "lavfi", "-i", "color=red:s=32x32", "-frames:v", "1", str(tmp_path / "a.png"))
    with pytest.raises(WyhError, match=r"a.png has a single colour, wanted a picture with several"):
        palette_of(tmp_path / "a.png", 6)


def test_a_run_that_paints_without_a_palette(run, tmp_path):
    player = load_player(run)
    del player.variables["params"]["generator"]["palette"]
    with pytest.raises(WyhError, match=r"run paints without a palette: leave --palette out"):
        with_palette(player, tmp_path / "a.png")


def test_what_was_bright_stays_bright(run, tmp_path):
    player = load_player(run)
    player.variables["params"]["generator"]["palette"][:] = [[0.8, 0.8, 0.8], [0.1, 0, 0]]
    halves = "color=white:s=32x32[a];color=navy:s=32x32[b];[a][b]hstack"
    run_ffmpeg("-filter_complex", halves, "-frames:v", "1", str(tmp_path / "a.png"))
    painted = with_palette(player, tmp_path / "a.png")
    assert "palette" not in player.variables
    palette = painted.variables["palette"]
    assert palette.dtype == np.float32
    np.testing.assert_allclose(palette, [[1, 1, 1], [0, 0, 0.5]], atol=0.02)
