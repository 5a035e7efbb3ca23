from fractions import Fraction

import jax
import numpy as np
import pytest

from tests.visual import TINY_VISUAL, visual_variables
from wyh import knobs
from wyh.specs import VideoSpec
from wyh.transducers.compile import compile_transducer, traced
from wyh.transducers.offline import visualize
from wyh.transducers.visualizer import visualizer

VIDEO = VideoSpec(Fraction(24), 16, 16)
KNOBS = knobs.defaults(flash_limit="off")


def noise(secs, seed=0):
    rng = np.random.default_rng(seed)
    return (0.1 * rng.standard_normal(round(8000 * secs))).astype(np.float32)


def pictures_of(sound, video=VIDEO, turned=KNOBS, **how):
    variables = visual_variables(TINY_VISUAL, VIDEO, **how)
    transducer = visualizer(TINY_VISUAL, video)
    return np.concatenate(list(visualize(transducer, variables, [sound], turned)))


def test_streaming_equals_offline():
    sound = noise(2.0)
    transducer = visualizer(TINY_VISUAL, VIDEO)
    variables, spec = visual_variables(TINY_VISUAL, VIDEO), transducer.spec
    compiled = compile_transducer(transducer, variables, KNOBS, seed=0)
    carry, controls = compiled.carry_in, []
    padded = np.pad(sound, (0, 8000))
    for tick in range(len(padded) // spec.block):
        block = padded[tick * spec.block :][: spec.block]
        carry, control = compiled.observe(
            variables, carry, block[None, None], traced(KNOBS), np.int32(tick)
        )
        controls.append(jax.tree.map(np.asarray, control))
    carry, made = compiled.carry_out, []
    for picture in range(48):
        (block,), age = spec.picture_schedule(picture, 1, late=spec.latency_samples)
        carry, pixels = compiled.emit(
            variables,
            carry,
            controls[block],
            age.astype(np.float32),
            traced(KNOBS),
            np.int32(picture),
        )
        made.append(np.asarray(pixels)[0])
    offline = pictures_of(sound)
    assert offline.shape == (48, 16, 16, 3)
    # A pixel may be rounded the other way.
    np.testing.assert_allclose(np.concatenate(made).astype(int), offline, atol=1)


def test_an_impulse_is_shown_after_the_declared_latency():
    """The brightest moment of a burst is its middle, wherever it falls between ticks."""
    for start in (6000, 6131, 6300):
        sound = np.zeros(16000, np.float32)
        sound[start : start + 1600] = np.hanning(1600) * np.sin(0.9 * np.arange(1600))
        bright = pictures_of(sound, VideoSpec(Fraction(60), 16, 16), loud_is_bright=True)
        level = bright.mean(axis=(1, 2, 3))
        level -= level.min()
        middles = (np.arange(len(level)) + 0.5) / 60
        centre = (level * middles).sum() / level.sum()
        assert centre == pytest.approx((start + 800) / 8000, abs=0.002)


def test_size_and_rate_are_free():
    sound = noise(1.0)
    small, large = pictures_of(sound), pictures_of(sound, VideoSpec(Fraction(24), 64, 48))
    assert large.shape == (24, 64, 48, 3)
    shrunk = large.reshape(24, 16, 4, 16, 3, 3).mean(axis=(2, 4))
    assert np.abs(shrunk - small).mean() < 4
    quick = pictures_of(sound, VideoSpec(Fraction(48), 16, 16))
    assert len(quick) == 48
    assert np.abs(quick[1::2].astype(float) + quick[::2] - 2.0 * small).mean() < 4


@pytest.mark.parametrize(("secs", "count"), [(0.001, 1), (0.5, 12), (0.53, 13), (3.0, 72)])
def test_pictures_last_as_long_as_the_sound(secs, count):
    assert len(pictures_of(noise(secs))) == count


def test_pieces_of_any_length_make_the_same_pictures():
    sound = noise(1.7)
    transducer, variables = visualizer(TINY_VISUAL, VIDEO), visual_variables(TINY_VISUAL, VIDEO)
    whole = pictures_of(sound)
    cuts = [[1, 2, 3, 500, 5120, 5121], [80 * k for k in range(1, 170)], [0, 0, 13000, len(sound)]]
    for places in cuts:
        pieces = np.split(sound, places)
        runs = list(visualize(transducer, variables, iter(pieces), KNOBS))
        assert all(len(run) for run in runs)
        np.testing.assert_array_equal(np.concatenate(runs), whole)


@pytest.mark.parametrize("pieces", [[], [np.zeros(0, np.float32)]])
def test_no_sound_is_one_picture_of_silence(pieces):
    transducer, variables = visualizer(TINY_VISUAL, VIDEO), visual_variables(TINY_VISUAL, VIDEO)
    (run,) = visualize(transducer, variables, pieces, KNOBS)
    np.testing.assert_array_equal(run, pictures_of(np.zeros(80, np.float32)))


def test_pictures_are_made_as_soon_as_their_sound_is_known():
    """So a long song needs little memory, and its first pictures are there at once."""
    given = 0

    def pieces():
        nonlocal given
        for number in range(40):
            given += 1
            yield noise(0.5, number)

    transducer, variables = visualizer(TINY_VISUAL, VIDEO), visual_variables(TINY_VISUAL, VIDEO)
    shown = ahead = 0
    for run in visualize(transducer, variables, pieces(), KNOBS):
        ahead = max(ahead, given * 0.5 - shown / 24)
        shown += len(run)
    assert (given, shown) == (40, 480)
    # 64 blocks of sound, 32 pictures, the latency and a piece.
    assert ahead < 64 * 80 / 8000 + 32 / 24 + 0.1 + 1.0
