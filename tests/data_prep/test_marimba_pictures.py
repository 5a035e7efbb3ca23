"""What is drawn is where geometry says it is, and bars show nothing of the music."""

from dataclasses import replace

import numpy as np
import pytest

from data_prep.marimba_camera import draw_camera, draw_look
from data_prep.marimba_motion import Motion
from data_prep.marimba_pictures import BAR_LENGTHS_M, BAR_WIDTH_M, Painter, exposure_secs
from data_prep.marimba_score import BARS_M, make_score
from wyh.specs import LUMA

FAR = np.array([[[-5.0, -5.0, 0.1], [-5.0, -5.0, 0.1]]])
"""Both mallets out of sight."""


def cameras(count, width=160, height=120):
    return [draw_camera(np.random.default_rng(seed), width, height) for seed in range(count)]


def plain(look, **changes):
    """Even light."""
    even = {"sway": 0.0, "vignette": 0.0, "shade": 0.0, "warmth": 0.0, "brightness": 1.0}
    return replace(look, **{**even, **changes})


def painter(seed=0, width=160, height=120, **changes):
    rng = np.random.default_rng(seed)
    camera = replace(draw_camera(rng, width, height), noise=0.0, **changes)
    return Painter(camera, plain(draw_look(rng)), rng)


@pytest.mark.parametrize("size", [(160, 120), (64, 48), (64, 64), (320, 120)])
def test_every_camera_has_all_bars_in_sight(size):
    for camera in cameras(200, *size):
        for end in (-1, 1):
            across = end * BAR_LENGTHS_M / 2
            corners = np.stack([BARS_M, across, np.zeros(BARS_M.size)], axis=1)
            at = camera.to_pixels(corners)
            assert np.all(at > 0)
            assert np.all(at < np.array(size)[None])


def test_pixels_and_places_are_inverse_and_height_moves_outwards(rng):
    for camera in cameras(20):
        points = np.concatenate([rng.uniform(-0.2, 1.2, (9, 2)), np.zeros((9, 1))], axis=1)
        np.testing.assert_allclose(camera.to_bars(camera.to_pixels(points)), points[:, :2])
        lifted = points + np.array([[0, 0, 0.2]])
        middle = np.array([[camera.width, camera.height]]) / 2
        out = np.linalg.norm(camera.to_pixels(lifted) - middle, axis=1)
        assert np.all(out > np.linalg.norm(camera.to_pixels(points) - middle, axis=1))


def test_a_head_is_seen_over_the_bar_that_it_strikes():
    for seed, camera in enumerate(cameras(8)):
        score = make_score(np.random.default_rng(seed), 10.0)
        times = np.array([strike.time_secs for strike in score.strikes])
        heads = Motion(score, np.random.default_rng(seed)).heads_m(times)
        mine = heads[np.arange(len(times)), [strike.mallet for strike in score.strikes]]
        seen = camera.to_bars(camera.to_pixels(mine))
        notes = [strike.note for strike in score.strikes]
        assert np.all(np.abs(seen[:, 0] - BARS_M[notes]) < BAR_WIDTH_M / 2)
        assert np.all(np.abs(seen[:, 1]) < BAR_LENGTHS_M[notes] / 2)


def test_bars_and_heads_are_drawn_where_they_are():
    drawer = painter(width=640, height=480)
    scene = drawer.frame(FAR, 0.0).astype(float)
    for note, length in enumerate(BAR_LENGTHS_M):
        inside = drawer.camera.to_pixels(np.array([BARS_M[note], 0.3 * length, 0.0]))
        column, row = inside.astype(int)
        patch = scene[row - 2 : row + 3, column - 2 : column + 3].mean(axis=(0, 1)) / 255
        assert np.abs(patch - np.array(drawer.look.bars)).max() < 0.3
    head = np.array([[[0.3, 0.05, 0.0], [-5.0, -5.0, 0.1]]])
    shown = drawer.frame(head, 0.0).astype(float)
    column, row = drawer.camera.to_pixels(head[0, 0]).astype(int)
    bare = np.argwhere(np.abs(shown - scene).max(axis=-1) > 2)
    assert [row, column] in bare.tolist()
    radius = 0.017 * drawer.camera.pixels_per_m
    ring = shown[int(row - 0.8 * radius), column] / 255
    assert np.abs(ring - np.array(drawer.look.heads)).max() < 0.25


def test_only_mallets_and_hands_change_in_even_light():
    drawer = painter(seed=3)
    scene = drawer.frame(FAR, 0.0)
    for x in (0.1, 0.6, 1.0):
        head = np.array([[[x, 0.0, 0.02], [x, 0.0, 0.05]]])
        shown = drawer.frame(head, 1.0)
        at = drawer.camera.to_pixels(head[0, 0])[0]
        far = np.abs(np.arange(160) + 0.5 - at) > 0.35 * drawer.camera.pixels_per_m
        np.testing.assert_array_equal(shown[:40, far], scene[:40, far])
        assert not np.array_equal(shown, scene)


def test_shadows_move_away_as_a_mallet_is_lifted():
    """The sum of what is darker than before moves along the light."""
    drawer = painter(seed=1, width=320, height=240)
    light = np.array(drawer.look.light_m)
    scene = drawer.background
    shifts = []
    for height in (0.0, 0.15):
        fallen = drawer._fallen(np.array([[0.5, 0.0, height]]))
        picture = scene.copy()
        drawer._lay(picture, fallen, fallen, 0.02, np.zeros(3), 0.5)
        darker = (scene - picture).mean(axis=-1)
        grid = np.stack(np.meshgrid(np.arange(320) + 0.5, np.arange(240) + 0.5), axis=-1)
        middle = np.sum(grid * darker[..., None], axis=(0, 1)) / darker.sum()
        shifts.append(drawer.camera.to_bars(middle))
    np.testing.assert_allclose(shifts[1] - shifts[0], 0.15 * light, atol=0.006)


def test_what_moves_is_blurred():
    drawer = painter(width=320, height=240)
    still = np.tile(np.array([[[0.4, 0.0, 0.0], [-5.0, -5.0, 0.1]]]), (6, 1, 1))
    moving = still.copy()
    moving[:, 0, 0] += np.linspace(-0.05, 0.05, 6)
    picture, dim = np.zeros((240, 320, 3), np.float32), np.zeros((240, 320, 3), np.float32)
    white = np.ones(3)
    drawer._lay(picture, still[:, 0], still[:, 0], 0.02, white)
    drawer._lay(dim, moving[:, 0], moving[:, 0], 0.02, white)
    assert picture.sum() == pytest.approx(dim.sum(), rel=0.05)
    assert dim.max() < 0.9 * picture.max()
    assert picture.sum() / 3 == pytest.approx(
        np.pi * (0.02 * drawer.camera.pixels_per_m) ** 2, rel=0.1
    )


def test_light_changes_slowly_and_noise_is_as_strong_as_said():
    rng = np.random.default_rng(5)
    camera = replace(draw_camera(rng, 64, 48), noise=0.02)
    look = plain(draw_look(rng), sway=0.08)
    drawer = Painter(camera, look, rng)
    first, second = (drawer.frame(FAR, 3.0).astype(float) for _ in range(2))
    assert 0.5 * 0.02 < np.std(first - second) / np.sqrt(2) / 255 < 1.5 * 0.02
    levels = [drawer.frame(FAR, secs).mean() for secs in np.linspace(0, look.sway_secs[0], 9)]
    assert np.ptp(levels) > 0.02 * np.mean(levels)
    assert np.abs(np.diff([drawer.frame(FAR, s).mean() for s in (1.0, 1.04)])) < 1.0


def test_cameras_and_looks_differ_and_heads_stand_out():
    looks = [draw_look(np.random.default_rng(seed)) for seed in range(100)]
    assert len({look.floor for look in looks}) == 100
    for look in looks:
        apart = abs(np.dot(LUMA, look.heads) - np.dot(LUMA, look.bars))
        assert apart >= 0.25
    seen = np.array([(c.turn_rad, c.pixels_per_m, *c.middle_m, c.shutter) for c in cameras(100)])
    assert np.all(seen.std(axis=0) > 0)
    assert np.ptp(seen[:, 0]) > 0.1
    assert seen[:, 1].max() > 1.15 * seen[:, 1].min()


def test_exposures_are_centred_in_their_frame():
    times = exposure_secs(7, 25.0, 0.5)
    assert np.mean(times) == pytest.approx(7.5 / 25)
    assert 7.25 / 25 < times[0] < times[-1] < 7.75 / 25


def test_a_seed_gives_one_picture():
    first, again, other = (painter(seed).frame(FAR, 0.0) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)
