"""What is told of pictures of playing: about the right one, the same in any chunks, in time."""

import functools
from dataclasses import replace
from fractions import Fraction

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.conftest import TINY_MODEL, TINY_SYNTH
from wyh import knobs
from wyh.errors import WyhError
from wyh.models.autoencoder import Autoencoder
from wyh.models.gaze import GazeConfig
from wyh.models.recurrent import Filters, Notes, Recurrent, RecurrentConfig, blank
from wyh.specs import VideoSpec
from wyh.synths.named import synth_named
from wyh.transducers import recurrent
from wyh.transducers.compile import traced
from wyh.transducers.offline import sonify
from wyh.transducers.protocol import tick_keys
from wyh.transducers.recurrent import PlayerConfig, features_of, player, prediction_of, seen, told

RATE, PERIOD = 8000, 320
VIDEO = VideoSpec(Fraction(25), 16, 16, 1)
GAZE = RecurrentConfig(gaze=GazeConfig("rising", (8, 4), 4, 8, 1, 3), memory=(6,))
CODES = RecurrentConfig("fc_lstm", view="grey", memory=(6,))
CONFIG = PlayerConfig(GAZE, "F#4,F#5,F#6", noise=TINY_SYNTH)
CONFIGS = {
    "gaze": CONFIG,
    "forgetful": replace(CONFIG, model=replace(GAZE, remembers=False)),
    "conv": replace(
        CONFIG,
        model=RecurrentConfig("conv_lstm", "grey", filters=(Filters(3, 3, 4),), dense=(6,)),
    ),
    "codes": replace(CONFIG, model=CODES, features=TINY_MODEL),
}
KEY = jax.random.key(0)


def films(rng, count=7, batch=2):
    return rng.integers(0, 256, (batch, count, *VIDEO.shape), dtype=np.uint8)


def drawn(module, *given):
    """Random parameters, larger than those that training begins with."""
    rng = np.random.default_rng(1)
    shapes = jax.eval_shape(module.init, KEY, *given)["params"]
    return jax.tree.map(
        lambda leaf: (0.5 * rng.standard_normal(leaf.shape)).astype(np.float32), shapes
    )


@functools.cache
def made(name):
    """A transducer of `CONFIGS` with random parameters."""
    config = CONFIGS[name]
    memory = blank(config.model, 3, 1, VIDEO.height, VIDEO.width)
    shape = (3 * TINY_MODEL.code_size,) if config.features else (*VIDEO.shape[:2], 3)
    variables = {
        "params": drawn(Recurrent(config.model, 3), np.zeros((1, 1, *shape), np.float32), memory),
        "gain_db": np.float32(0.0),
        "scale": {"mean": np.full(3, 0.1, np.float32), "spread": np.full(3, 0.02, np.float32)},
        "shift": np.float32(0.5),
    }
    if config.features:
        black = np.zeros((1, *VIDEO.shape), np.float32)
        variables["features"] = drawn(Autoencoder(TINY_MODEL, VIDEO.shape), black)
    transducer = player(config, VIDEO)
    return transducer, variables, jax.jit(transducer.observe_many)


def observed(name, pictures, chunks=None, carry=None, **turned):
    """Controls of films, so many pictures at a time; and what is remembered."""
    transducer, variables, observe = made(name)
    carry = transducer.init(variables, KEY, len(pictures))[0] if carry is None else carry
    found, at = [], 0
    for count in chunks or [pictures.shape[1]]:
        carry, control = observe(
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
    turned = {"black": 1, "still": 0.5, "negative": 0.25}
    whole, after = observed(name, pictures, **turned)
    for chunks in ([1] * 7, [2, 2, 2, 1]):
        bits, again = observed(name, pictures, chunks, **turned)
        assert all(leaf.shape == (2, 7, 3) for leaf in jax.tree.leaves(bits))
        jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-5), bits, whole)
        jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-5), again, after)
    assert whole.value.std() > 1e-3 and whole.strikes.onset.std() > 1e-3


def test_a_control_is_told_of_the_picture_before_the_newest(rng):
    """From pictures t - 2 to t: in a memoryless network nothing else matters."""
    pictures = films(rng)
    plain, _ = observed("forgetful", pictures)
    for at in (2, 5):
        other = pictures.copy()
        other[:, at] = 255 - other[:, at]
        changed, _ = observed("forgetful", other)
        for name in ("value", "strikes"):
            one, another = (np.stack(jax.tree.leaves(getattr(c, name))) for c in (changed, plain))
            ticks = np.abs(one - another).max(axis=(0, 1, 3)) > 1e-7
            assert np.flatnonzero(ticks).tolist() == [t for t in (at, at + 1, at + 2) if t < 7]


@pytest.mark.parametrize("name", ["gaze", "codes"])
def test_a_control_is_what_the_network_predicts(name, rng):
    """And in one with memory, all that was before."""
    (_, variables, _), config, pictures = made(name), CONFIGS[name], films(rng)
    known = jnp.asarray(np.concatenate([pictures[:, [0, 0]], pictures], axis=1) / 255, jnp.float32)
    memory = blank(config.model, 3, 2, *VIDEO.shape[:2])
    look = jax.jit(seen, static_argnums=(0, 1))
    found, _ = look(config, Recurrent(config.model, 3), variables, known, memory)
    control, _ = observed(name, pictures)
    value = np.maximum(found.amplitude * 0.02 + 0.1, 0)
    np.testing.assert_allclose(control.value, value, atol=1e-6)
    odds = np.exp(-(np.asarray(found.onset) + 0.5))
    np.testing.assert_allclose(control.strikes.onset, 1 / (1 + odds), atol=1e-6)
    np.testing.assert_allclose(control.strikes.offset, found.offset, atol=1e-6)
    changed = pictures.copy()
    changed[:, 3] = 255 - changed[:, 3]
    other, _ = observed(name, changed)
    ticks = np.abs(other.value - control.value).max(axis=(0, 2)) > 1e-7
    assert ticks.tolist() == 3 * [False] + 4 * [True]


def test_the_picture_before_comes_with_each_and_none_with_the_first(rng):
    pictures = films(rng)
    for chunks in ([7], [1] * 7, [3, 4]):
        control, carry = observed("gaze", pictures, chunks)
        np.testing.assert_array_equal(control.previous[:, 1:], control.value[:, :-1])
        np.testing.assert_array_equal(control.previous[:, 0], control.value[:, 0])
        for earlier, own in zip(control.previous_strikes, control.strikes, strict=True):
            np.testing.assert_array_equal(earlier[:, 1:], own[:, :-1])
            assert not earlier[:, 0].any()
    more, _ = observed("gaze", films(rng), carry=carry)
    np.testing.assert_array_equal(more.previous[:, 0], control.value[:, -1])
    np.testing.assert_array_equal(more.previous_strikes.onset[:, 0], control.strikes.onset[:, -1])


@pytest.mark.parametrize("name", ["conv", "codes"])
def test_a_negative_is_watched_as_the_picture_that_it_is(name, rng):
    pictures = films(rng)
    turned, plain = observed(name, pictures, negative=1)[0], observed(name, 255 - pictures)[0]
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-4), turned, plain)


def test_black_pictures_are_silent_when_they_are_told_of(rng):
    pictures = films(rng)
    pictures[:, 2:4] = 0
    plain, turned = observed("gaze", pictures)[0], observed("gaze", pictures, black=1)[0]
    assert plain.value[:, 3:5].min() > 1e-3 and turned.value[:, 3:5].max() == 0
    rest = [0, 1, 2, 5, 6]
    np.testing.assert_allclose(turned.value[:, rest], plain.value[:, rest], rtol=1e-5)
    np.testing.assert_array_equal(turned.previous[:, 1:], turned.value[:, :-1])
    np.testing.assert_array_equal(turned.strikes.onset, plain.strikes.onset)


def test_codes_are_watched_as_an_autoencoder_has_them_before_their_sigmoid(rng):
    (_, variables, _), pictures = made("codes"), jnp.asarray(films(rng) / np.float32(255))
    found = jax.jit(features_of, static_argnums=0)(TINY_MODEL, variables["features"], pictures)
    assert found.shape == (2, 7, 8)
    model = Autoencoder(TINY_MODEL, VIDEO.shape)
    for row, film in zip(found, pictures, strict=True):
        code = model.apply({"params": variables["features"]}, film, method="encode")
        np.testing.assert_allclose(1 / (1 + np.exp(-row)), code, atol=2e-3)


def test_amplitudes_are_never_less_than_nothing():
    found = Notes(*(jnp.array([[[-9.0, 0.0, 2.0]]]) for _ in range(3)))
    value, strikes = told(found, made("gaze")[1], jnp.full((1, 1), 0.5))
    np.testing.assert_allclose(value, [[[0, 0.05, 0.07]]], atol=1e-6)
    np.testing.assert_allclose(strikes.onset, 1 / (1 + np.exp([[[8.5, -0.5, -2.5]]])), rtol=1e-5)


def test_what_is_declared():
    for name, config in CONFIGS.items():
        transducer, variables, _ = made(name)
        spec, synth = transducer.spec, synth_named("additive", prediction_of(config, VIDEO))
        assert (spec.direction, spec.video, spec.audio.sample_rate) == ("see-hear", VIDEO, RATE)
        assert spec.latency_samples == synth.latency_samples + PERIOD
        assert transducer.late_samples == PERIOD
        assert transducer.needs == set(variables)
    knn = player(replace(CONFIG, synth="knn"), VIDEO)
    assert knn.needs == {"params", "gain_db", "scale", "shift", "note_reference"}
    assert prediction_of(CONFIG, VIDEO).notes_hz == pytest.approx(
        (369.99, 739.99, 1479.98), rel=1e-4
    )


@pytest.fixture
def bright_is_struck(monkeypatch):
    """A network that sees a note struck, late in its time, in each picture that is bright.

    Little of it is read in that picture, all in the next one.
    """

    def watch(model, params, x, memory, key=None):
        before, now = (jnp.mean(x[..., i], axis=(2, 3))[..., None] for i in (0, 1))
        first = jnp.array([[[1.0, 0, 0]]])
        offset = jnp.full((*now.shape[:2], 3), 0.25)
        return Notes((before + 0.4 * now) * first, (40 * now - 20) * first, offset), memory

    monkeypatch.setattr(recurrent, "watch", watch)


def test_a_strike_is_heard_when_it_is_seen(bright_is_struck):
    """The declared latency is that from a picture to its sound, to within a millisecond or two."""
    config = replace(CONFIG, model=replace(GAZE, view="grey"))
    frames = np.zeros((60, *VIDEO.shape), np.uint8)
    frames[[20, 40]] = 255
    scale = {"mean": np.zeros(3, np.float32), "spread": np.full(3, 0.2, np.float32)}
    variables = {"params": {}, "gain_db": np.float32(0), "scale": scale, "shift": np.float32(0)}
    parts = sonify(player(config, VIDEO), variables, [frames], knobs.defaults())
    sound = np.abs(np.concatenate([*parts]))
    assert len(sound) == 60 * PERIOD
    for number in (20, 40):
        at = round((number + 0.75) * PERIOD)
        before, after = sound[at - PERIOD : at - 40], sound[at + 16 : at + 80]
        assert after.max() > 0.15 > 4 * before.max()


def test_bad_sizes_and_notes():
    with pytest.raises(WyhError) as raised:
        player(CONFIG, VideoSpec(Fraction(25), 20, 16, 1))
    assert str(raised.value) == (
        "got pictures of 16x20, wanted a width that is a multiple of 4 and a height of 8: choose "
        "another --size"
    )
    with pytest.raises(WyhError, match="got the note 'H4', wanted a name such as F#4 or Bb4"):
        player(replace(CONFIG, notes="H4"), VIDEO)
