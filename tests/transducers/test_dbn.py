import functools
from dataclasses import replace
from fractions import Fraction

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.conftest import TINY_SYNTH
from wyh import knobs
from wyh.models.dbn import Dbn, DbnConfig, inputs_of, predict
from wyh.specs import VideoSpec
from wyh.synths.protocol import Magnitudes
from wyh.synths.reference import corpus
from wyh.synths.targets import TargetConfig
from wyh.transducers.compile import compile_transducer, traced
from wyh.transducers.dbn import FoleyConfig, foley, standardised, target_of
from wyh.transducers.offline import sonify
from wyh.transducers.protocol import tick_keys

VIDEO = VideoSpec(Fraction(10), 16, 16)
NET = DbnConfig((12, 8), shrink=4, context=(1, 3), context_shrink=8)
FED_BACK = replace(NET, context=(2,), context_sound=2)
ALONE = replace(NET, context=())
LEVELS = TargetConfig("magnitude", n_fft=512, n_bands=8)
SAMPLES = TargetConfig("pcm")
SPECTRA = TargetConfig("magnitude_phase", n_fft=512)
CONFIG = FoleyConfig(NET, LEVELS, TINY_SYNTH)
CONFIGS = {
    "context": CONFIG,
    "alone": replace(CONFIG, model=ALONE),
    "fed_back": replace(CONFIG, model=FED_BACK),
    "samples": replace(CONFIG, target=SAMPLES, synth="raw"),
    "spectra": FoleyConfig(FED_BACK, SPECTRA, TINY_SYNTH, "overlap"),
}
SYNTHS = (
    "noise",
    "overlap",
    "raw",
    "granular",
    "exemplar",
    "continuous_phase",
    "reference_phase",
)
KEY = jax.random.key(0)


def films(rng, count=6, batch=2):
    return rng.integers(0, 256, (batch, count, 16, 16, 3), dtype=np.uint8)


@functools.cache
def made(name):
    """A transducer of `CONFIGS` with random parameters: levels of about -30 dB, quiet samples."""
    config, rng = CONFIGS[name], np.random.default_rng(1)
    target = target_of(config, VIDEO)
    inputs = config.model.inputs(VIDEO.shape)
    fed = inputs + config.model.context_sound * target.size
    model = Dbn(config.model, target.size)
    shapes = jax.eval_shape(model.init, KEY, np.zeros((1, fed), np.float32))["params"]
    params = jax.tree.map(
        lambda leaf: (rng.standard_normal(leaf.shape) / np.sqrt(leaf.shape[0])).astype(np.float32),
        shapes,
    )
    size = target.size
    level = np.full(size, -30.0) if config.target.kind == "magnitude" else np.zeros(size)
    if config.target.kind == "magnitude_phase":
        level[: size // 2] = -40.0
    spread = np.full(size, 6.0 if config.target.kind == "magnitude" else 0.05)
    scale = {
        "inputs": {"mean": np.full(inputs, 0.5), "spread": np.full(inputs, 0.3)},
        "sound": {"mean": level, "spread": spread},
    }
    scale = jax.tree.map(lambda leaf: leaf.astype(np.float32), scale)
    heard = (3000 * rng.standard_normal(16000)).astype(np.int16)
    variables = {
        "params": params,
        "gain_db": np.float32(0.0),
        "scale": scale,
        "reference": corpus(heard, target.prediction),
    }
    return foley(config, VIDEO), variables


@functools.cache
def observing(name):
    return jax.jit(made(name)[0].observe_many)


def observed(name, pictures, chunks=None, carry=None, **turned):
    """Controls of films, so many pictures at a time; and what is remembered."""
    transducer, variables = made(name)
    carry = transducer.init(variables, KEY, len(pictures))[0] if carry is None else carry
    found, at = [], 0
    for count in chunks or [pictures.shape[1]]:
        carry, control = observing(name)(
            variables,
            carry,
            pictures[:, at : at + count],
            traced(knobs.defaults(**turned)),
            tick_keys(KEY, at, count),
        )
        found.append(control)
        at += count
    return jax.tree.map(lambda *leaves: np.concatenate(leaves, axis=1), *found), carry


@pytest.mark.parametrize("name", CONFIGS)
def test_pictures_one_by_one_are_as_those_all_at_once(name, rng):
    pictures = films(rng)
    pictures[:, 3] = 0
    turned = {"black": 1, "negative": 0.25}
    whole, _ = observed(name, pictures, **turned)
    bits, _ = observed(name, pictures, [1] * 6, **turned)
    for one, other in zip(whole, bits, strict=True):
        assert one.shape == other.shape and one.shape[:2] == (2, 6)
        np.testing.assert_allclose(one, other, atol=1e-5, rtol=1e-4)
        assert one.std() > 1e-3


@pytest.mark.parametrize("name", ["context", "fed_back"])
def test_a_control_is_what_the_network_predicts(name, rng):
    """Told picture by picture in NumPy: what is seen, and the predictions fed back."""
    (_, variables), config = made(name), CONFIGS[name]
    target = target_of(config, VIDEO)
    model, scale = Dbn(config.model, target.size), variables["scale"]
    pictures, reach = films(rng), config.model.reach
    known = np.concatenate([np.repeat(pictures[:, :1], reach, axis=1), pictures], axis=1) / 255
    seen = inputs_of(jnp.asarray(known, jnp.float32), config.model)
    before = [np.zeros(target.size, np.float32)] * config.model.context_sound
    control, _ = observed(name, pictures)
    for place in range(6):
        inputs = standardised(seen[:, place], scale["inputs"])
        x = np.concatenate([inputs[0], *before])
        value = np.asarray(predict(model, variables["params"], jnp.asarray(x[None])))[0]
        before = [*before[1:], value] if before else before
        level = value * scale["sound"]["spread"] + scale["sound"]["mean"]
        np.testing.assert_allclose(control.value[0, place], 10 ** (level / 20), rtol=1e-3)


@pytest.mark.parametrize("name", ["context", "samples"])
def test_the_first_picture_is_as_if_it_had_stood_there_before(name, rng):
    pictures = films(rng)
    again = pictures[:, [0, 0, 0, 0, 1, 2]]
    short, _ = observed(name, pictures)
    long, _ = observed(name, again)
    for one, other in zip(short, long, strict=True):
        np.testing.assert_allclose(one[:, :3], other[:, 3:], atol=1e-6)
    if isinstance(short, Magnitudes):  # it glides from itself
        np.testing.assert_array_equal(short.previous[:, 0], short.value[:, 0])


def test_pictures_glide_from_the_one_before(rng):
    control, carry = observed("context", films(rng))
    np.testing.assert_allclose(control.previous[:, 1:], control.value[:, :-1], rtol=1e-5)
    more, _ = observed("context", films(rng), carry=carry)
    np.testing.assert_allclose(more.previous[:, 0], control.value[:, -1], rtol=1e-5)


@pytest.mark.parametrize("name", ["context", "samples"])
def test_a_negative_sounds_as_the_picture_that_it_is(name, rng):
    pictures = films(rng)
    turned, _ = observed(name, pictures, negative=1)
    plain, _ = observed(name, 255 - pictures)
    for one, other in zip(turned, plain, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize("name", ["context", "samples"])
def test_black_pictures_are_silent_where_the_knob_says_so(name, rng):
    pictures = films(rng)
    pictures[:, 2:4] = 0
    plain, turned = observed(name, pictures)[0], observed(name, pictures, black=1)[0]
    assert np.abs(plain[0][:, 2:4]).max() > 1e-3
    assert np.abs(turned[0][:, 2:4]).max() == 0
    seen = [0, 1, 4, 5]
    np.testing.assert_allclose(turned[0][:, seen], plain[0][:, seen], rtol=1e-6)


def test_a_glide_into_black_begins_where_the_picture_before_was():
    rng = np.random.default_rng(0)
    pictures = films(rng)
    pictures[:, 2:4] = 0
    for chunks in ([6], [1] * 6):
        control, _ = observed("context", pictures, chunks, black=1)
        np.testing.assert_allclose(control.previous[:, 1:], control.value[:, :-1], rtol=1e-5)
        assert control.previous[:, 2].max() > 1e-3 == control.value[:, 2].max() + 1e-3


@pytest.mark.parametrize("name", ["context", "samples"])
def test_what_stands_still_fades_where_the_knob_says_so(name, rng):
    pictures = np.repeat(films(rng, 1), 60, axis=1)
    plain, turned = (observed(name, pictures, [6] * 10, still=still)[0] for still in (0, 1))
    loudness = [np.sqrt(np.mean(each[0] ** 2, axis=(0, 2))) for each in (plain, turned)]
    fallen = loudness[1] / loudness[0]
    assert fallen[0] == pytest.approx(1, abs=0.1)
    assert (np.diff(fallen) < 1e-6).all() and fallen[-1] < 0.05


def played_live(transducer, variables, pictures, blocks):
    """One block at a time, each picture observed when its time comes."""
    compiled = compile_transducer(transducer, variables, knobs.defaults(), seed=0)
    carry_in, carry_out = compiled.carry_in, compiled.carry_out
    values, sounds, newest, control = traced(knobs.defaults()), [], -1, None
    due, ages = transducer.spec.schedule(0, blocks)
    for block in range(blocks):
        while newest < due[block]:
            newest += 1
            carry_in, control = compiled.observe(
                variables, carry_in, pictures[None, newest : newest + 1], values, np.int32(newest)
            )
        age = ages[block : block + 1].astype(np.float32)
        carry_out, sound = compiled.emit(
            variables, carry_out, control, age, values, np.int32(block)
        )
        sounds.append(np.asarray(sound)[0])
    return np.concatenate(sounds)


@pytest.mark.parametrize("synth", SYNTHS)
def test_every_synth_plays_it_and_live_as_offline(synth, rng):
    name = "samples" if synth in ("raw", "granular") else "context"
    _, variables = made(name)
    transducer = foley(replace(CONFIGS[name], synth=synth), VIDEO)
    spec, pictures = transducer.spec, films(rng, 8)[0]
    whole = np.concatenate([*sonify(transducer, variables, [pictures], knobs.defaults())])
    assert whole.shape == (6400,) and np.sqrt(np.mean(whole**2)) > 3e-3
    if synth in ("overlap", "raw"):  # of all others tests/synths tells
        live = played_live(transducer, variables, pictures, 6400 // spec.block)
        live = live[spec.latency_samples :]
        np.testing.assert_allclose(live, whole[: len(live)], atol=1e-5)


def flashing():
    """Variables of a network that is as loud as the picture is bright; black is silent."""
    config = FoleyConfig(replace(ALONE, widths=(1,), dropout=0.0), LEVELS, TINY_SYNTH)
    inputs = config.model.inputs(VIDEO.shape)
    params = {
        "layer_0": {"kernel": np.full((inputs, 1), 1 / inputs), "bias": np.zeros(1)},
        "out": {"kernel": np.full((1, 8), 60.0), "bias": np.full(8, -80.0)},
    }
    scale = {
        "inputs": {"mean": np.zeros(inputs), "spread": np.ones(inputs)},
        "sound": {"mean": np.zeros(8), "spread": np.ones(8)},
    }
    variables = {"params": params, "gain_db": np.zeros(()), "scale": scale}
    return config, jax.tree.map(lambda leaf: leaf.astype(np.float32), variables)


@pytest.mark.parametrize("synth", ["noise", "overlap"])
def test_the_sound_of_a_flash_comes_as_late_as_declared(synth):
    config, variables = flashing()
    transducer = foley(replace(config, synth=synth), VIDEO)
    pictures = np.zeros((250, 16, 16, 3), np.uint8)
    pictures[5::10] = 255
    sound = np.concatenate([*sonify(transducer, variables, [pictures], knobs.defaults())])
    power = np.square(sound).reshape(-1, 8000).mean(axis=0)
    assert power.max() > 1e-4 and power[:2400].max() == 0
    middle = np.sum(power * np.arange(8000)) / np.sum(power)
    assert abs(middle - 5.5 * 800) < transducer.spec.block


def test_what_is_declared():
    for name, config in CONFIGS.items():
        transducer, variables = made(name)
        spec = transducer.spec
        assert (spec.direction, spec.video) == ("see-hear", VIDEO)
        assert (spec.audio.sample_rate, spec.audio.channels) == (8000, 1)
        assert {"params", "gain_db", "scale"} <= transducer.needs <= set(variables)
        assert ("reference" in transducer.needs) == (config.synth == "exemplar")
    chooses = foley(replace(CONFIG, synth="exemplar"), VIDEO)
    assert "reference" in chooses.needs
