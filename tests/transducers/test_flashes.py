from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.media.clips import run_ffmpeg
from wyh.metrics.flashes import general_flashes
from wyh.metrics.flashes import luminance as exact_luminance
from wyh.transducers.flashes import _some, init_flashes, luminance, second_of, unflashed

SIZE = 10


@cache
def compiled(rate):
    return jax.jit(lambda carry, pictures, on: unflashed(carry, pictures, 1 / rate, on))


def limited(pictures, rate, on=1.0, chunks=(None,)):
    """What is shown of pictures `[time, height, width, 3]`, made in so many pictures at a time."""
    pictures = np.asarray(pictures, np.float32)[None]
    carry, shown, first = init_flashes(1, *pictures.shape[2:4], 1 / rate), [], 0
    while first < pictures.shape[1]:
        chunk = pictures[:, first : first + (chunks[len(shown) % len(chunks)] or 1_000_000)]
        carry, made = compiled(rate)(carry, chunk, np.float32(on))
        shown.append(np.asarray(made)[0])
        first += chunk.shape[1]
    return np.concatenate(shown)


def flashes(pictures, rate):
    return general_flashes(np.rint(pictures * 255).astype(np.uint8), rate).most


def flat(values):
    return np.broadcast_to(np.asarray(values)[:, None, None, None], (len(values), SIZE, SIZE, 3))


def strobe(hz, rate, secs=3):
    return flat(np.floor(np.arange(secs * rate) * 2 * hz / rate + 1e-9) % 2)


def noise(rate, secs=3):
    return np.random.default_rng(0).random((secs * rate, SIZE, SIZE, 3))


def checkers(rate, secs=3):
    board = (np.indices((SIZE, SIZE)).sum(axis=0) % 2)[..., None]
    return np.abs(strobe(rate / 2, rate, secs) - board)


def stripes(rate, secs=3):
    place = np.arange(SIZE)[None] + np.arange(secs * rate)[:, None]
    return np.broadcast_to((place % 10 < 5)[:, None, :, None], (secs * rate, SIZE, SIZE, 3)).astype(
        float
    )


def regions(rate, secs=3):
    """Three places, each more than a quarter, that are lit one after the other."""
    pictures = np.zeros((secs * rate, SIZE, SIZE, 3))
    for number in range(3):
        pictures[2 * number :: 6, :, 3 * number : 3 * number + 4] = 1
    return pictures


def staggered(rate, secs=3):
    """Each fifth of the picture flashes a picture later than the one before it."""
    late = np.indices((SIZE, SIZE)).sum(axis=0) % 5
    lit = (np.arange(secs * rate)[:, None, None] + late) // 5 % 2
    return np.repeat(lit[..., None], 3, axis=-1).astype(float)


@pytest.mark.parametrize("rate", [24, 60])
@pytest.mark.parametrize(
    "made",
    [noise, checkers, stripes, regions, staggered]
    + [lambda rate, hz=hz: strobe(hz, rate) for hz in (4, 5, 7.5, 12)],
)
def test_no_strobe_flashes_more_than_three_times_a_second(made, rate):
    pictures = made(rate)
    if rate == 60 or made not in (stripes, staggered):
        assert flashes(pictures, rate) > 3
    assert flashes(limited(pictures, rate), rate) <= 3


@settings(max_examples=60, deadline=None, database=None, derandomize=True)
@given(
    seed=st.integers(0, 2**32 - 1),
    rate=st.sampled_from([10, 24, 60]),
    hold=st.floats(0, 0.95),
    whole=st.floats(0, 12),
    own=st.floats(0, 4),
    blocky=st.booleans(),
)
def test_nothing_that_changes_at_random_does(seed, rate, hold, whole, own, blocky):
    """From still to white noise, as a whole or pixel by pixel, in jumps or gliding."""
    rng, count = np.random.default_rng(seed), 3 * rate
    pictures = np.empty((count, SIZE, SIZE, 3))
    now = np.zeros((SIZE, SIZE, 3))
    for number in range(count):
        new = whole * rng.standard_normal(3) + own * rng.standard_normal((SIZE, SIZE, 3))
        if blocky:
            now = np.where(rng.random((SIZE, SIZE, 1)) < hold, now, new)
        else:
            now = hold * now + np.sqrt(1 - hold**2) * new
        pictures[number] = 1 / (1 + np.exp(-now))
    assert flashes(limited(pictures, rate), rate) <= 3


@pytest.mark.parametrize("rate", [24, 60])
@pytest.mark.parametrize("hz", [1, 2, 3])
def test_what_flashes_three_times_a_second_is_shown_as_it_came(rate, hz):
    pictures = strobe(hz, rate).astype(np.float32)
    np.testing.assert_array_equal(limited(pictures, rate), pictures)


def test_pictures_that_do_not_flash_are_shown_as_they_came(rng):
    fade = np.linspace(0, 1, 60)[:, None, None, None] * rng.random((1, SIZE, SIZE, 3))
    cuts = np.repeat(rng.random((6, SIZE, SIZE, 3)), 12, axis=0)
    faint = 0.5 + 0.03 * rng.standard_normal((60, SIZE, SIZE, 3))
    for pictures in (fade, fade[::-1], cuts, faint.clip(0, 1)):
        pictures = pictures.astype(np.float32)
        np.testing.assert_array_equal(limited(pictures, 24), pictures)


def test_switched_off_it_changes_nothing():
    pictures = noise(24).astype(np.float32)
    np.testing.assert_array_equal(limited(pictures, 24, on=0.0), pictures)


def test_switched_on_it_knows_what_was_shown():
    """Noise has flashed for a second when it is switched on: not once more may it."""
    pictures = noise(24).astype(np.float32)[None]
    carry, before = init_flashes(1, SIZE, SIZE, 1 / 24), pictures[:, :24]
    carry, _ = compiled(24)(carry, before, np.float32(0))
    _, after = compiled(24)(carry, pictures[:, 24:], np.float32(1))
    assert flashes(np.asarray(after)[0], 24) <= 3
    np.testing.assert_array_equal(after[0, 0], before[0, -1])


def test_it_follows_the_mean_and_then_returns():
    """A strobe of half black, half white ends on white."""
    pictures = np.concatenate([strobe(12, 24, 4), np.ones((96, SIZE, SIZE, 3))]).astype(np.float32)
    shown = limited(pictures, 24)
    assert np.ptp(shown[48:96]) < 0.2
    assert 0.3 < shown[48:96].mean() < 0.7
    assert np.abs(np.diff(shown[24:, 0, 0, 0])).max() < 0.1
    np.testing.assert_array_equal(shown[-24:], pictures[-24:])


@pytest.mark.parametrize("made", [noise, staggered, lambda rate: strobe(6, rate)])
def test_streaming_equals_offline(made):
    pictures = made(24)
    whole = limited(pictures, 24)
    np.testing.assert_array_equal(limited(pictures, 24, chunks=(1,)), whole)
    np.testing.assert_array_equal(limited(pictures, 24, chunks=(1, 7, 32)), whole)


@pytest.mark.parametrize("crf", [23, 30])
@pytest.mark.parametrize("seed", [0, 4, 20])
def test_forms_at_random_do_not_flash_after_compression_either(tmp_path, seed, crf):
    rng, now, made = np.random.default_rng(seed), np.zeros((8, 8, 3)), []
    hold = rng.uniform(0, 0.9)
    for _ in range(72):
        new = 3 * rng.standard_normal(3) + 2 * rng.standard_normal((8, 8, 3))
        now = hold * now + np.sqrt(1 - hold**2) * new
        made.append(1 / (1 + np.exp(-now)))
    smooth = jax.image.resize(np.array(made, np.float32), (72, 64, 64, 3), "cubic")
    pictures = np.asarray(smooth).clip(0, 1)
    assert flashes(pictures, 24) > 3
    raw, coded = tmp_path / "pictures.rgb", tmp_path / "coded.mkv"
    raw.write_bytes(np.rint(limited(pictures, 24) * 255).astype(np.uint8).tobytes())
    look = ["-f", "rawvideo", "-pix_fmt", "rgb24", "-s", "64x64", "-r", "24"]
    code = ["-c:v", "libx264", "-crf", str(crf), "-pix_fmt", "yuv420p"]
    run_ffmpeg(*look, "-i", str(raw), *code, str(coded))
    run_ffmpeg("-i", str(coded), "-f", "rawvideo", "-pix_fmt", "rgb24", str(raw))
    seen = np.fromfile(raw, np.uint8).reshape(-1, 64, 64, 3)
    assert len(seen) == 72 and general_flashes(seen, 24).most <= 3


def test_only_what_would_flash_is_eased():
    """Half the picture flashes at 5 Hz, the other changes its colour alone, as often."""
    lit = strobe(5, 24).astype(np.float32)[:, :, : SIZE // 2]
    hues = np.where(lit > 0, np.float32([0.75, 0, 0]), np.float32([0, 0.4, 0.35]))
    pictures = np.concatenate([0.2 + 0.6 * lit, hues], axis=2)
    shown = limited(pictures, 24)
    assert flashes(pictures, 24) == 5 and flashes(shown, 24) <= 3
    np.testing.assert_array_equal(shown[:, :, SIZE // 2 :], pictures[:, :, SIZE // 2 :])
    eased, came = shown[:, 0, 0, 0], pictures[:, 0, 0, 0]
    assert (eased != came).any()
    assert (np.sign(np.diff(eased)) == np.sign(np.diff(came)))[came[1:] != came[:-1]].mean() > 0.9


def test_streams_of_a_batch_know_nothing_of_one_another():
    pictures = np.stack([noise(24), strobe(2, 24), strobe(8, 24)]).astype(np.float32)
    _, shown = compiled(24)(init_flashes(3, SIZE, SIZE, 1 / 24), pictures, np.float32(1))
    for stream, alone in zip(np.asarray(shown), pictures, strict=True):
        np.testing.assert_allclose(stream, limited(alone, 24), atol=1e-6)


def test_luminance_as_defined(rng):
    pictures = rng.integers(0, 256, (4, 64, 64, 3), dtype=np.uint8)
    pictures[0] = np.arange(256, dtype=np.uint8).repeat(48).reshape(64, 64, 3)
    found = luminance(jnp.asarray(pictures / np.float32(255)))
    np.testing.assert_allclose(found, exact_luminance(pictures), atol=1e-6)


@pytest.mark.parametrize(
    ("rate", "count"), [(1, 1), (24, 24), (24000 / 1001, 24), (29.97, 30), (60, 60), (240, 240)]
)
def test_pictures_of_a_second(rate, count):
    assert second_of(1 / rate) == count


@pytest.mark.parametrize("shape", [(8, 8), (64, 48), (256, 256), (1024, 512)])
def test_some_pixels_are_enough_to_see_by(shape):
    height, width = _some(jnp.zeros((1, *shape, 3))).shape[1:3]
    assert min(shape[0], 32) <= height <= 64
    assert min(shape[1], 32) <= width <= 64
