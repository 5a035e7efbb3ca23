import itertools
from dataclasses import replace
from fractions import Fraction

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.conftest import TINY_MODEL, TINY_SYNTH, brightness_follower, untrained
from tests.synths.alone import NoiseAlone
from wyh import knobs
from wyh.knobs import PHASES, SCALES
from wyh.models.autoencoder import Autoencoder, as_picture, encode
from wyh.specs import VideoSpec
from wyh.synths.mixture import MixtureSynth
from wyh.synths.noise import NoiseConfig, NoiseSynth
from wyh.synths.protocol import Magnitudes
from wyh.transducers.autoencoder import (
    SonifierConfig,
    amplitudes,
    sonifier,
    stream_spec,
)
from wyh.transducers.compile import compile_transducer, traced
from wyh.transducers.protocol import tick_keys

CONFIG = SonifierConfig(TINY_MODEL, TINY_SYNTH)
VIDEO = VideoSpec(Fraction(10), 16, 16)
VARIABLES = untrained(CONFIG, VIDEO)
TRANSDUCER = sonifier(CONFIG, VIDEO)
KEY = jax.random.key(0)
encode_jit = jax.jit(encode, static_argnums=0)


def frames(rng, count, batch=1):
    return rng.integers(0, 256, (batch, count, 16, 16, 3), dtype=np.uint8)


def test_amplitudes_of_a_code():
    code = jnp.array([0.0, 0.5, 1.0])
    given = replace(CONFIG, range_db=40.0)
    np.testing.assert_allclose(amplitudes(code, given), [0.01, 0.1, 1.0], rtol=1e-5)
    wide = replace(CONFIG, range_db=120.0)
    np.testing.assert_allclose(amplitudes(code, wide), [1e-6, 1e-3, 1.0], rtol=1e-5)
    np.testing.assert_array_equal(amplitudes(code, replace(CONFIG, loudness="linear")), code)


def test_observe_is_the_encoder_and_remembers_the_picture_before(rng):
    seen = frames(rng, 5)
    carry, _ = TRANSDUCER.init(VARIABLES, KEY, 1)
    observe = jax.jit(TRANSDUCER.observe_many)
    carry, controls = observe(
        VARIABLES, carry, seen, traced(knobs.defaults()), tick_keys(KEY, 0, 5)
    )
    model = Autoencoder(TINY_MODEL, VIDEO.shape)
    code = encode_jit(model, VARIABLES["params"], as_picture(seen[0]))
    expected = amplitudes(code, CONFIG)
    np.testing.assert_allclose(controls.value[0], expected, rtol=1e-5)
    # The first picture glides from itself: there is nothing before it.
    np.testing.assert_array_equal(controls.previous[:, 0], controls.value[:, 0])
    np.testing.assert_array_equal(controls.previous[:, 1:], controls.value[:, :-1])
    _, more = observe(VARIABLES, carry, seen, traced(knobs.defaults()), tick_keys(KEY, 5, 5))
    np.testing.assert_array_equal(more.previous[:, 0], controls.value[:, -1])


def test_the_form_for_one_tick_is_that_for_many(rng):
    seen = frames(rng, 6, batch=2)
    values = traced(knobs.defaults())
    ages = np.linspace(0, 0.1, 6).astype(np.float32)
    keys = tick_keys(KEY, 0, 6)
    begin_in, begin_out = TRANSDUCER.init(VARIABLES, KEY, 2)
    observe_many, observe = jax.jit(TRANSDUCER.observe_many), jax.jit(TRANSDUCER.observe)
    emit_many, emit = jax.jit(TRANSDUCER.emit_many), jax.jit(TRANSDUCER.emit)
    _, controls = observe_many(VARIABLES, begin_in, seen, values, keys)
    _, sound = emit_many(VARIABLES, begin_out, controls, ages, values, keys)
    carry_in, carry_out, blocks = begin_in, begin_out, []
    for tick in range(6):
        carry_in, control = observe(VARIABLES, carry_in, seen[:, tick], values, keys[tick])
        for one, many in zip(control, controls, strict=True):
            assert one.shape == (2, 8)
            np.testing.assert_allclose(one, many[:, tick], rtol=1e-5, atol=1e-7)
        carry_out, block = emit(VARIABLES, carry_out, control, ages[tick], values, keys[tick])
        assert block.shape == (2, TRANSDUCER.spec.block)
        blocks.append(block)
    assert np.abs(sound).max() > 0.01
    np.testing.assert_allclose(np.concatenate(blocks, axis=1), sound, atol=1e-5)


class Played:
    """Stands in for the synth: keeps the amplitudes it is asked to play."""

    def __init__(self, monkeypatch):
        def emit_many(synth, carry, amplitude, gain_db, pan, turned, keys):
            self.amplitude, self.gain_db, self.pan = np.asarray(amplitude), gain_db, pan
            return carry, jnp.zeros((1, amplitude.shape[1] * TINY_SYNTH.hop_length))

        monkeypatch.setattr(MixtureSynth, "emit_many", emit_many)


@pytest.mark.parametrize("glide", [1.0, 0.5, 0.0])
def test_a_picture_glides_into_the_next_by_its_age_alone(monkeypatch, rng, glide):
    played = Played(monkeypatch)
    ages = np.array([0, 0.01, 0.025, 0.049, 0.051, 0.075, 0.09, 0.1, 0.5], np.float32)
    before, value = jnp.asarray(rng.random((2, 1, 9, 8)), jnp.float32)
    _, carry = TRANSDUCER.init(VARIABLES, KEY, 1)
    values = traced(knobs.defaults(glide=glide))
    keys = tick_keys(KEY, 0, 9)
    controls = Magnitudes(value, before)
    TRANSDUCER.emit_many(VARIABLES, carry, controls, jnp.asarray(ages), values, keys)
    # In the middle of the frame period it is half way, whatever the glide.
    along = np.interp(ages / 0.1, [0.5 - glide / 2 - 1e-9, 0.5 + glide / 2 + 1e-9], [0, 1])
    expected = before + (value - before) * along[None, :, None]
    np.testing.assert_allclose(played.amplitude, expected, atol=1e-5)
    assert played.gain_db == VARIABLES["gain_db"]


@pytest.mark.parametrize("channels", [1, 2])
def test_no_knob_recompiles_and_each_is_heard(channels, rng):
    """An executable that is compiled ahead of time cannot recompile: it would refuse."""
    transducer = sonifier(CONFIG, VIDEO, channels)
    compiled = compile_transducer(transducer, VARIABLES, knobs.defaults(), seed=0)
    pictures = np.zeros((6, 1, 1, 16, 16, 3), np.uint8)
    pictures[2:, ..., 8:, :] = 255
    pictures[0, ..., 0] = 60

    def heard(**turned):
        carry_in, carry_out = jax.tree.map(
            lambda leaf: leaf.copy(), (compiled.carry_in, compiled.carry_out)
        )
        values, sounds = traced(knobs.defaults(**turned)), []
        for tick, picture in enumerate(pictures):
            carry_in, control = compiled.observe(
                VARIABLES, carry_in, picture, values, np.int32(tick)
            )
            for block in range(3):
                carry_out, sound = compiled.emit(
                    VARIABLES,
                    carry_out,
                    control,
                    np.array([0.03 * block], np.float32),
                    values,
                    np.int32(3 * tick + block),
                )
                sounds.append(np.asarray(sound)[0])
        return np.concatenate(sounds)

    plain = heard()
    assert plain.shape == (18 * 64,) + (2,) * (channels == 2)
    for turned in (
        {"gain_db": -6},
        {"phase": "random"},
        {"mute": 1},
        {"glide": 0},
        {"timbre": 0.5},
        {"negative": 1},
        {"black": 1},
        {"still": 1},
        *({"width": 0},) * (channels == 2),
    ):
        assert np.abs(heard(**turned) - plain).max() > 1e-4, turned
    tones = [heard(timbre=1, scale=scale) for scale in SCALES]
    for one, other in itertools.combinations(tones, 2):
        assert np.abs(one - other).max() > 1e-4


def test_the_defaults_sound_as_the_noise_synth_alone(rng):
    """The sound of before there were these knobs: encoder, amplitudes, glide, noise bands."""
    seen = frames(rng, 12)[0]
    model = Autoencoder(TINY_MODEL, VIDEO.shape)
    value = np.asarray(amplitudes(encode_jit(model, VARIABLES["params"], as_picture(seen)), CONFIG))
    blocks, spec = 120, TRANSDUCER.spec
    ticks, ages = spec.schedule(0, blocks)
    before = value[np.maximum(ticks - 1, 0)]
    glided = before + (value[ticks] - before) * np.minimum(ages * 10, 1)[:, None]
    synth = NoiseAlone(TINY_SYNTH, 8)
    begin = synth.init(KEY, 1)
    for policy in PHASES:
        values, keys = traced(knobs.defaults(phase=policy)), tick_keys(KEY, 0, blocks)
        _, expected = jax.jit(synth.emit_many)(
            begin, jnp.asarray(glided[None]), jnp.float32(-10), values, keys
        )
        carry_in, carry_out = TRANSDUCER.init(VARIABLES, KEY, 1)
        _, controls = jax.jit(TRANSDUCER.observe_many)(
            VARIABLES, carry_in, seen[None], values, tick_keys(KEY, 0, 12)
        )
        chosen = jax.tree.map(lambda leaf, at=ticks: leaf[:, at], controls)
        _, found = jax.jit(TRANSDUCER.emit_many)(
            VARIABLES, carry_out, chosen, jnp.asarray(ages, jnp.float32), values, keys
        )
        assert np.abs(expected).max() > 0.01
        np.testing.assert_allclose(found, expected, atol=1e-6)


@pytest.mark.parametrize(
    "turned", [{}, {"still": 1, "black": 1}, {"timbre": 0.6, "scale": "just", "negative": 1}]
)
def test_stereo_one_tick_at_a_time_is_that_of_many(turned, rng):
    transducer, values = sonifier(CONFIG, VIDEO, 2), traced(knobs.defaults(**turned))
    seen, keys = frames(rng, 20), tick_keys(KEY, 0, 20)
    seen[:, 5:15] = seen[:, 5:6]
    ages = np.zeros(20, np.float32)
    begin = transducer.init(VARIABLES, KEY, 1)
    observe_many, observe = jax.jit(transducer.observe_many), jax.jit(transducer.observe)
    emit_many, emit = jax.jit(transducer.emit_many), jax.jit(transducer.emit)
    _, controls = observe_many(VARIABLES, begin[0], seen, values, keys)
    _, whole = emit_many(VARIABLES, begin[1], controls, ages, values, keys)
    (carry_in, carry_out), blocks = begin, []
    for tick in range(20):
        carry_in, control = observe(VARIABLES, carry_in, seen[:, tick], values, keys[tick])
        for one, many in zip(control, controls, strict=True):
            np.testing.assert_allclose(one, many[:, tick], rtol=1e-4, atol=1e-6)
        carry_out, block = emit(VARIABLES, carry_out, control, ages[tick], values, keys[tick])
        assert block.shape == (1, 64, 2)
        blocks.append(block)
    np.testing.assert_allclose(np.concatenate(blocks, axis=1), whole, atol=1e-5)


def test_a_negative_sounds_as_the_picture_that_it_is(rng):
    seen = frames(rng, 4)
    observe = jax.jit(TRANSDUCER.observe_many)
    carry, _ = TRANSDUCER.init(VARIABLES, KEY, 1)
    keys = tick_keys(KEY, 0, 4)
    plain, turned = traced(knobs.defaults()), traced(knobs.defaults(negative=1))
    _, found = observe(VARIABLES, carry, seen, turned, keys)
    _, expected = observe(VARIABLES, carry, 255 - seen, plain, keys)
    np.testing.assert_allclose(found.value, expected.value, rtol=1e-4)


def test_the_place_of_bands_comes_with_the_variables_or_is_an_even_spread(monkeypatch):
    played = Played(monkeypatch)
    control = Magnitudes(*jnp.zeros((2, 1, 1, 8)))
    _, carry = TRANSDUCER.init(VARIABLES, KEY, 1)
    given = carry, control, jnp.zeros(1), traced(knobs.defaults()), tick_keys(KEY, 0, 1)
    TRANSDUCER.emit_many(VARIABLES, *given)
    np.testing.assert_allclose(played.pan, np.linspace(-1, 1, 8), atol=1e-6)
    TRANSDUCER.emit_many(VARIABLES | {"pan": jnp.full(8, 0.3)}, *given)
    np.testing.assert_allclose(played.pan, 0.3)


def test_levels_follow_the_knobs(rng):
    compiled = compile_transducer(TRANSDUCER, VARIABLES, knobs.defaults(), seed=0)
    carry = compiled.carry_out
    _, control = compiled.observe(
        VARIABLES, compiled.carry_in, frames(rng, 1), traced(knobs.defaults()), np.int32(0)
    )
    levels = []
    for tick, turned in enumerate([{}, {"gain_db": -6}, {"phase": "random"}, {"mute": 1}, {}]):
        carry, _ = compiled.emit(
            VARIABLES,
            carry,
            control,
            np.zeros(1, np.float32),
            traced(knobs.defaults(**turned)),
            np.int32(tick),
        )
        levels.append(float(carry.output.gains[0]))
    assert levels[3] == 0 and levels[4] == pytest.approx(levels[0])
    assert levels[1] == pytest.approx(levels[0] * 10 ** (-6 / 20), rel=1e-4)


def test_newer_variables_can_be_swapped_in_between_ticks(rng):
    compiled = compile_transducer(TRANSDUCER, VARIABLES, knobs.defaults(), seed=0)
    newer = untrained(CONFIG, VIDEO, seed=1)
    seen, values = frames(rng, 1), traced(knobs.defaults())
    first = compile_transducer(TRANSDUCER, newer, knobs.defaults(), seed=0)
    _, expected = first.observe(newer, first.carry_in, seen, values, np.int32(0))
    _, found = compiled.observe(newer, compiled.carry_in, seen, values, np.int32(0))
    np.testing.assert_array_equal(found.value, expected.value)


def test_a_frame_of_another_shape_is_refused_not_recompiled(rng):
    compiled = compile_transducer(TRANSDUCER, VARIABLES, knobs.defaults(), seed=0)
    for wrong in (frames(rng, 2), frames(rng, 1).astype(np.float32)):
        with pytest.raises(TypeError):
            compiled.observe(
                VARIABLES, compiled.carry_in, wrong, traced(knobs.defaults()), np.int32(0)
            )


@pytest.mark.parametrize("frame_rate", [10, 24, Fraction(24000, 1001), 30])
def test_the_stream_that_is_declared(frame_rate):
    video = VideoSpec(Fraction(frame_rate), 16, 16, 3, "pad")
    spec = stream_spec(CONFIG, video)
    assert spec == sonifier(CONFIG, video).spec
    assert (spec.direction, spec.video) == ("see-hear", video)
    assert (spec.audio.sample_rate, spec.block) == (8000, 64)
    synth = NoiseSynth(TINY_SYNTH, 8)
    half = round(8000 / Fraction(frame_rate) / 2)
    assert spec.latency_samples == 128 + synth.limiter.latency_samples + half


def test_the_default_latency_is_short_enough_to_play():
    latency = stream_spec(SonifierConfig(), VideoSpec(Fraction(30))).latency_secs
    assert latency < 0.05
    assert NoiseConfig().n_fft <= 1024


def test_the_runs_of_these_tests_are_as_loud_as_the_picture_is_bright():
    config = replace(CONFIG, loudness="linear")
    variables = brightness_follower(config, VIDEO)
    model = Autoencoder(TINY_MODEL, VIDEO.shape)
    for grey, expected in [(0, 0), (0.5, 0.5), (1, 1)]:
        code = encode_jit(model, variables["params"], np.full((1, 16, 16, 3), grey, np.float32))
        np.testing.assert_allclose(code, expected, atol=1e-4)
