from dataclasses import replace
from fractions import Fraction

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.conftest import TINY_MODEL, TINY_SYNTH, left_to_right
from wyh import knobs
from wyh.metrics.pictures import gain_db
from wyh.models.autoencoder import as_picture, encode
from wyh.models.listener import ListenerConfig
from wyh.specs import VideoSpec
from wyh.synths.noise import NoiseConfig
from wyh.transducers.autoencoder import SonifierConfig, amplitudes, sonifier
from wyh.transducers.compile import traced
from wyh.transducers.listener import LEAST, LOOKS, MIDDLE, Listener, Look
from wyh.transducers.offline import sonify
from wyh.transducers.protocol import tick_keys

VIDEO = VideoSpec(Fraction(10), 16, 16)
EXACT = LOOKS.index(Look("rectangular", 1, 0.0))
KEY = jax.random.key(0)


def listening(loudness="db", synth=TINY_SYNTH):
    sound = SonifierConfig(replace(TINY_MODEL, smoothing=0), synth, loudness=loudness)
    return Listener(sound, VIDEO, ListenerConfig(width=4))


LISTENERS = {loudness: listening(loudness) for loudness in ("db", "linear")}
loudnesses = pytest.mark.parametrize("loudness", LISTENERS)


def steadily(listener, codes, frames=8):
    """The sound of pictures that stand still, one for each row of the batch, at full scale."""
    synth, frame_rate = listener.synth, listener.video.frame_rate
    samples = round(frames * synth.config.sample_rate / frame_rate)
    ticks = np.arange(-(-samples // synth.config.hop_length) + 4)
    batch, bands = codes.shape
    amplitude = np.asarray(amplitudes(codes, listener.sound))[:, None]
    _, sound, scale = jax.jit(synth.sound_many)(
        synth.silence(batch),
        ticks,
        KEY,
        np.broadcast_to(amplitude, (batch, ticks.size, bands)),
        traced(knobs.defaults(phase="fixed")),
        tick_keys(KEY, 0, ticks.size),
    )
    return (sound * scale)[:, synth.config.n_fft :][:, :samples]


@loudnesses
def test_the_levels_of_a_steady_sound_are_the_code(loudness, rng):
    listener = LISTENERS[loudness]
    codes = rng.random((3, 8)).astype(np.float32)
    sound = steadily(listener, jnp.asarray(codes))
    levels = listener.levels(sound, listener.middles(8)[None, 1:-1])
    assert levels.shape == (3, 6, 8, len(LOOKS))
    expected = np.broadcast_to(codes[:, None], (3, 6, 8))
    # With the synth's own length and no taper, no partial disturbs another.
    np.testing.assert_allclose(levels[..., EXACT], expected, atol=0.01)
    # With a longer taper, a band leaks into the next by half a bin.
    apart = np.abs(levels[..., LOOKS.index(MIDDLE)] - expected)
    assert apart.mean() < 0.03 and apart.max() < 0.12
    assert MIDDLE.offset == 0


def test_the_levels_of_nothing(rng):
    listener = LISTENERS["db"]
    middles = listener.middles(4)[None]
    silence = jnp.zeros((1, 3200))
    np.testing.assert_allclose(listener.levels(silence, middles), LEAST, atol=1e-6)
    # Beyond either end there is silence, however far.
    sound = steadily(listener, jnp.asarray(rng.random((1, 8)), jnp.float32))
    far = listener.levels(sound, np.array([[-(10**6), 10**6]]))
    near = listener.levels(sound, np.array([[0, sound.shape[1]]]))
    np.testing.assert_allclose(far, near, atol=1e-6)


def test_middles_are_half_a_period_after_the_start_of_each_picture():
    for rate in (Fraction(10), Fraction(24000, 1001)):
        listener = Listener(LISTENERS["db"].sound, VideoSpec(rate, 16, 16))
        expected = [round((k + Fraction(1, 2)) * 8000 / rate) for k in range(50)]
        assert np.abs(listener.middles(50) - expected).max() <= 1


def test_an_odd_length_of_columns(rng):
    listener = listening(synth=NoiseConfig(8000, 255, 51, low_hz=100.0, high_hz=3500.0))
    codes = rng.random((1, 8)).astype(np.float32)
    sound = steadily(listener, jnp.asarray(codes), 3)
    levels = listener.levels(sound, listener.middles(3)[None, 1:-1])
    np.testing.assert_allclose(levels[0, 0, :, EXACT], codes[0], atol=0.02)


def strips(codes):
    """Pictures of strips with these codes, for `left_to_right`."""
    bright = 0.5 + np.log(codes / (1 - codes)) / 12
    rows = np.repeat(np.rint(bright * 255), 2, axis=1)
    return np.broadcast_to(rows[:, None, :, None], (len(codes), 16, 16, 3)).astype(np.uint8)


@pytest.fixture(scope="module", params=LISTENERS)
def heard(request):
    """A listener, its variables, codes, the sound that `render` would write, and the frames."""
    listener, rng = LISTENERS[request.param], np.random.default_rng(1)
    variables = left_to_right(listener.sound, VIDEO) | {"gain_db": np.float32(-25.0)}
    codes = np.repeat(rng.uniform(0.1, 0.9, (20, 8)), 3, axis=0)  # each picture three times
    frames = strips(codes)
    found = jax.jit(encode, static_argnums=0)(
        listener.model, variables["params"], as_picture(frames)
    )
    np.testing.assert_allclose(found, codes, atol=0.01)
    transducer = sonifier(listener.sound, VIDEO)
    blocks = sonify(transducer, variables, [frames], knobs.defaults(phase="fixed"))
    sound = np.concatenate(list(blocks))
    right = sound * 10 ** (25 / 20)
    levels = jax.jit(listener.levels)(jnp.asarray(right)[None], listener.middles(60)[None])
    level = float(jnp.mean(levels[..., LOOKS.index(MIDDLE)]))
    # Before training the net answers with the mean of its looks: one look is exact.
    params = jax.tree.map(np.array, listener.init(KEY))
    params["Dense_0"]["kernel"][:] = np.eye(len(LOOKS))[:, EXACT : EXACT + 1]
    variables["listener"] = {"params": params, "level": np.float32(level)}
    return listener, variables, codes, sound, frames


def test_the_codes_of_a_sound_are_heard(heard):
    listener, variables, codes, sound, _ = heard
    found = listener.codes(variables, sound, 60)
    assert found.shape == (60, 8) and found.dtype == np.float32
    np.testing.assert_allclose(found[1::3], codes[1::3], atol=0.05)


@pytest.mark.parametrize("gain", [0.1, 3.0])
def test_a_file_may_be_at_any_level(heard, gain):
    listener, variables, _, sound, _ = heard
    plain = listener.codes(variables, sound, 60)
    found = listener.codes(variables, (gain * sound).astype(np.float32), 60)
    np.testing.assert_allclose(found, plain, atol=2e-4)


@loudnesses
def test_the_level_is_found_however_many_bands_share_the_sound(loudness, rng):
    """None of them is cut off at the lower end while the level is not known yet."""
    model = replace(TINY_MODEL, code_size=64, smoothing=0)
    sound = SonifierConfig(model, TINY_SYNTH, loudness=loudness)
    listener = Listener(sound, VIDEO, ListenerConfig(width=4))
    made = steadily(listener, jnp.asarray(rng.random((1, 64)), jnp.float32))
    levels = jax.jit(listener.levels)(made, listener.middles(8)[None])
    params = listener.init(KEY)
    level = np.mean(levels[..., LOOKS.index(MIDDLE)])
    variables = {"listener": {"params": params, "level": level}}
    found = listener.codes(variables, np.asarray(0.01 * made[0]), 8)
    np.testing.assert_allclose(found, np.mean(levels[0], axis=-1), atol=1e-3)


def test_a_part_of_the_sound_that_is_louder_than_the_rest_gives_the_level_away_all_the_same(heard):
    """What is measured is the mean of levels, not the power of the whole."""
    listener, variables, codes, sound, _ = heard
    spoiled = sound.copy()
    spoiled[:100] = 0.5
    found = listener.codes(variables, spoiled, 60)
    np.testing.assert_allclose(found[4::3], codes[4::3], atol=0.1)


@pytest.mark.parametrize("late", [-16, 16])
def test_two_ms_early_or_late_matter_little(heard, late):
    listener, variables, codes, sound, _ = heard
    found = listener.codes(variables, np.roll(sound, late), 60)
    np.testing.assert_allclose(found[1::3], codes[1::3], atol=0.06)


def test_more_frames_than_are_heard_at_once(heard):
    """The last chunk is filled up, and what fills it is neither heard nor measured."""
    listener, variables, codes, sound, _ = heard
    found = listener.codes(variables, np.tile(sound, 3), 180)
    assert found.shape == (180, 8)
    np.testing.assert_allclose(found[1::3], np.tile(codes, (3, 1))[1::3], atol=0.06)


def test_silence_is_heard_as_something_finite(heard):
    listener, variables, *_ = heard
    assert np.isfinite(listener.codes(variables, np.zeros(8000, np.float32), 10)).all()


def test_pictures_are_those_of_the_codes_heard(heard):
    listener, variables, _, sound, frames = heard
    # A decoder for `left_to_right`: each strip by its own value, about straight.
    decoder = variables["params"]["decoder"]
    kernel = np.zeros((8, 16, 16, 3), np.float32)
    kernel += (np.arange(16) // 2 == np.arange(8)[:, None])[:, None, :, None] / 12
    decoder = decoder | {
        "linear": {"kernel": kernel.reshape(8, -1), "bias": np.full(768, 0.5, np.float32)}
    }
    params = variables["params"] | {"decoder": decoder}
    found = listener.pictures(variables | {"params": params}, sound, 60)
    assert found.shape == (60, 16, 16, 3) and found.min() >= 0 and found.max() <= 1
    seen = np.asarray(as_picture(frames))
    assert gain_db(found[1::3], seen[1::3], seen.mean(axis=0)) > 12
