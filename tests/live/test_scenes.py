from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from wyh.errors import WyhError
from wyh.live.scenes import FADE_SECS, SWAP_SECS, Scene, Scenes, powers
from wyh.runs import BestMetric, Run
from wyh.specs import AudioSpec, StreamSpec, VideoSpec
from wyh.transducers.compile import Compiled
from wyh.transducers.kinds import Player
from wyh.transducers.protocol import Transducer

SPEC = StreamSpec("see-hear", VideoSpec(Fraction(10), 16, 16), AudioSpec(8000), 64, 100)
PIXELS = np.zeros((16, 16, 3), np.uint8)
BLOCK_SECS = 64 / 8000


def observe(variables, carry, x, knobs, tick):
    """A control is its variables; the memory counts the pictures."""
    return carry + 1, np.full((1, 1), variables["level"])


def emit(variables, carry, control, ages, knobs, block):
    """Sound is as loud as its control; the memory counts the blocks."""
    return carry + 1, np.full((1, 64), control[0, 0], np.float32)


def scene(level, spec=SPEC):
    compiled = Compiled(observe, emit, np.zeros(1), np.zeros(1), 1, 1)
    transducer = Transducer(spec, print, print, print)
    best = BestMetric("val_gain_db", "higher")
    run = Run(Path(f"runs/{level}"), "autoencoder", "tiny", {}, spec, {}, best, {}, "")
    return Scene(Player(run, transducer, {"level": np.float32(level)}), compiled)


def play(scenes, blocks, position, first=0):
    """The level of each block, looking at a picture before each."""
    levels = []
    for block in range(first, first + blocks):
        seen = scenes.observe(block, PIXELS, {})
        sound = scenes.emit(block, block, seen, lambda tick: 0.0, {}, position)
        assert sound.shape == (64,)
        levels.append(sound)
    return np.concatenate(levels)


def test_one_scene_is_its_own_sound():
    np.testing.assert_array_equal(play(Scenes([scene(0.5)]), 10, 1.0), 0.5)


def test_a_place_between_scenes_shares_their_power():
    np.testing.assert_allclose(powers(1.0, 3), [1, 0, 0])
    np.testing.assert_allclose(powers(2.25, 3), [0, 0.75, 0.25])
    np.testing.assert_allclose(powers(8.0, 3), [0, 0, 1])


def test_scenes_fade_at_equal_power_and_only_those_heard_are_played():
    scenes = Scenes([scene(0.5), scene(0.25)])
    assert scenes.sounding == {0}
    play(scenes, 5, 1.0)
    fading = play(scenes, round(2 * FADE_SECS / BLOCK_SECS), 2.0, 5)
    np.testing.assert_allclose(fading[-64:], 0.25)
    assert scenes.sounding == {1}
    middle = round(FADE_SECS / 2 * 8000)
    assert fading[middle] == pytest.approx((0.5 + 0.25) * np.sqrt(0.5), abs=0.02)
    assert np.abs(np.diff(fading)).max() < 0.05  # the root rises steeply from nothing


def test_half_way_both_are_heard():
    scenes = Scenes([scene(0.5), scene(0.25)])
    sound = play(scenes, 200, 1.5)
    assert sound[-1] == pytest.approx(0.75 * np.sqrt(0.5), rel=1e-5)


def test_a_scene_waits_for_a_picture_and_the_one_before_goes_on():
    scenes = Scenes([scene(0.5), scene(0.25)])
    seen = scenes.observe(0, PIXELS, {})
    for block in range(200):
        sound = scenes.emit(block, 0, seen, lambda tick: 0.0, {}, 2.0)
        np.testing.assert_array_equal(sound, 0.5)
    assert scenes.sounding == {0, 1}
    np.testing.assert_allclose(play(scenes, 200, 2.0, 200)[-1], 0.25)


def test_newer_variables_fade_in_at_a_tick():
    one = scene(0.5)
    scenes = Scenes([one])
    play(scenes, 5, 1.0)
    one.swap({"level": np.float32(0.1)})
    blocks = round(SWAP_SECS / BLOCK_SECS)
    sound = play(scenes, blocks + 3, 1.0, 5)
    expected = np.linspace(0.5, 0.1, 64 * blocks + 1)[1:]
    np.testing.assert_allclose(sound[: 64 * blocks], expected, rtol=1e-5)
    np.testing.assert_allclose(sound[64 * blocks :], 0.1, rtol=1e-6)


def test_swaps_that_come_quickly_follow_each_other():
    one = scene(0.5)
    scenes = Scenes([one])
    play(scenes, 2, 1.0)
    for number, level in enumerate((0.1, 0.9, 0.3)):
        one.swap({"level": np.float32(level)})
        play(scenes, 2, 1.0, 2 + 2 * number)
    np.testing.assert_allclose(play(scenes, 20, 1.0, 8)[-64:], 0.3, rtol=1e-6)


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (replace(SPEC, audio=AudioSpec(16000)), "with audio"),
        (replace(SPEC, video=VideoSpec(Fraction(10), 32, 32)), "with video"),
        (replace(SPEC, block=32), "with block 32, wanted 64 as in the first one"),
    ],
)
def test_scenes_that_cannot_share_a_stream(other, message):
    with pytest.raises(WyhError, match=f"got the scene runs/0.1 {message}"):
        Scenes([scene(0.5), scene(0.1, other)])
