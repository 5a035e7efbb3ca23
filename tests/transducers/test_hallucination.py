from dataclasses import replace
from fractions import Fraction
from functools import lru_cache, partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.dreamers import DREAM, GREY, RATE, dream_variables
from tests.dreams import HEARS
from wyh import knobs
from wyh.errors import WyhError
from wyh.models.dcgan import Gan, latent_at
from wyh.selection import Selected
from wyh.specs import VideoSpec
from wyh.transducers.compile import traced
from wyh.transducers.dreaming import refined, zoomed
from wyh.transducers.hallucination import HallucinationConfig, Recognised, framed, hallucination
from wyh.transducers.protocol import tick_keys

VIDEO = VideoSpec(Fraction(24), 32, 32)
SURE = (0.96, 0.01, 0.01)


def noise(secs, seed=0):
    """Tones of any pitch and noise of any loudness, a fifth of a second each."""
    rng, parts = np.random.default_rng(seed), [np.zeros(0)]
    for number in range(round(5 * secs + 0.5)):
        time = np.arange(RATE // 5) / RATE
        tone = np.sin(2 * np.pi * rng.uniform(100, 3500) * time)
        both = [tone, rng.standard_normal(len(time))]
        parts.append(10 ** rng.uniform(-3, -0.5) * both[number % 2])
    return np.concatenate(parts)[: round(secs * RATE)].astype(np.float32)


def turned(**values):
    return traced(knobs.defaults(flash_limit="off", **values))


@lru_cache
def compiled(dream=DREAM, video=VIDEO):
    """The functions of a transducer, of whatever sizes they are called with."""
    made = hallucination(dream, video)
    return (
        jax.jit(made.init, static_argnums=2),
        jax.jit(made.observe_many),
        jax.jit(made.emit_many),
    )


def controls_of(variables, sound, at_once=None, dream=DREAM, **values):
    """What is observed of a sound, so many ticks at once."""
    init, observe, _ = compiled(dream)
    blocks = sound[: len(sound) // HEARS.block * HEARS.block].reshape(1, -1, HEARS.block)
    at_once = at_once or blocks.shape[1]
    carry, found = init(variables, jax.random.key(0), 1)[0], []
    for first in range(0, blocks.shape[1], at_once):
        some = blocks[:, first : first + at_once]
        keys = tick_keys(jax.random.key(1), first, some.shape[1])
        carry, controls = observe(variables, carry, some, turned(**values), keys)
        found.append(controls)
    return jax.tree.map(lambda *parts: np.concatenate(parts, axis=1), *found)


def emitted(variables, controls, ages=None, at_once=None, dream=DREAM, video=VIDEO, **values):
    """The pictures of some controls, so many at once."""
    init, _, emit = compiled(dream, video)
    ages = np.zeros(controls.now.gate.shape[1]) if ages is None else ages
    at_once = at_once or len(ages)
    carry, made = init(variables, jax.random.key(0), 1)[1], []
    for first in range(0, len(ages), at_once):
        keys = tick_keys(jax.random.key(2), first, at_once)
        some = jax.tree.map(lambda leaf, n=first: leaf[:, n : n + at_once], controls)
        age = jnp.asarray(ages[first : first + at_once], jnp.float32)
        carry, pictures = emit(variables, carry, some, age, turned(**values), keys)
        made.append(pictures)
    return np.concatenate(made, axis=1)[0]


def shown_for(gate=1.0, mixture=(1, 0, 0)):
    """Controls of four ticks at which the same is shown."""
    mixtures = jnp.broadcast_to(jnp.asarray(mixture, jnp.float32), (1, 4, 3))
    same = Selected(mixtures, jnp.full((1, 4), gate, jnp.float32))
    return Recognised(same, same)


@pytest.fixture(scope="module")
def variables():
    return dream_variables()


def test_listening_tick_by_tick_is_listening_to_all_at_once(variables):
    sound = noise(2.0)
    whole = controls_of(variables, sound)
    alone = controls_of(variables, sound, at_once=1)
    for this, that in zip(jax.tree.leaves(whole), jax.tree.leaves(alone), strict=True):
        np.testing.assert_allclose(this, that, atol=1e-5)
    assert np.ptp(whole.now.mixture[0], axis=0).max() > 0.2  # it does change
    np.testing.assert_array_equal(whole.before.mixture[:, 1:], whole.now.mixture[:, :-1])
    np.testing.assert_array_equal(whole.before.gate[:, 1:], whole.now.gate[:, :-1])
    assert whole.before.gate[0, 0] == 0


def test_picture_by_picture_is_all_at_once(variables):
    controls = jax.tree.map(lambda leaf: leaf[:, 10:14], controls_of(variables, noise(1.0)))
    ages = np.linspace(0, 0.04, 4)
    whole = emitted(variables, controls, ages, zoom=0.5)
    alone = emitted(variables, controls, ages, at_once=1, zoom=0.5)
    np.testing.assert_allclose(whole, alone, atol=1e-5)
    assert whole.shape == (4, 32, 32, 3) and np.ptp(whole) > 0.05


@pytest.mark.parametrize("sound", [np.zeros(RATE // 5, np.float32), noise(0.2)])
def test_where_nothing_is_heard_it_is_dark(sound):
    unsure = dream_variables(says=(0.1, 0.1, 0.1))
    controls = controls_of(unsure, sound)
    assert not emitted(unsure, controls).any()
    assert emitted(unsure, controls, negative=1).min() == 1
    assert emitted(unsure, controls_of(unsure, sound, show=1))[-1].any()  # it is shown all the same


def test_what_is_heard_appears_and_fades_as_fast_as_the_knobs_say():
    heard, (init, observe, _) = dream_variables(says=SURE), compiled()
    carry, gates = init(heard, jax.random.key(0), 1)[0], []
    blocks, ticks = np.zeros((1, 20, HEARS.block), np.float32), 1 + np.arange(20)
    for sure in (0.5, 1.0):  # so sure it never is: nothing is heard any more
        values = turned(sure=sure, appear=0.1, fade=0.4)
        carry, controls = observe(heard, carry, blocks, values, tick_keys(jax.random.key(1), 0, 20))
        gates.append(controls.now.gate[0])
    np.testing.assert_allclose(gates[0], 1 - np.exp(-ticks * 0.04 / 0.1), atol=1e-5)
    np.testing.assert_allclose(gates[1], gates[0][-1] * np.exp(-ticks * 0.04 / 0.4), atol=1e-5)
    assert controls.now.mixture[0, -1, 0] > 0.99  # it stays what it was while it fades


def test_classes_are_the_most_likely_ones():
    says = np.array([0.5, 0.3, 0.16])
    variables, sound = dream_variables(says=says), noise(2.0)

    def last(**values):
        return controls_of(variables, sound, appear=0, fade=0, **values).now.mixture[0, -1]

    np.testing.assert_allclose(last(), says / says.sum(), atol=1e-3)
    np.testing.assert_allclose(last(classes=2), [0.625, 0.375, 0], atol=1e-3)
    np.testing.assert_allclose(last(classes=1), [1, 0, 0], atol=1e-3)
    np.testing.assert_allclose(last(threshold=0.2), [0.625, 0.375, 0], atol=1e-3)
    gates = [controls_of(variables, sound, appear=0, sure=s).now.gate[0, -1] for s in (0.9, 0.97)]
    assert gates == [1, 0]


@pytest.mark.parametrize(
    ("show", "mixture"),
    [
        (1.0, [1, 0, 0]),
        (2.5, [0, 0.5, 0.5]),
        (3.0, [0, 0, 1]),
        (64.0, [0, 0, 1]),
        (0.9, [0.979592, 0.010204, 0.010204]),
    ],
)
def test_a_place_along_the_classes_is_shown(show, mixture):
    variables = dream_variables(says=SURE)
    how = {"show": show, "appear": 0, "fade": 0, "threshold": 0}
    found = controls_of(variables, noise(0.2), **how).now
    np.testing.assert_allclose(found.mixture[0, -1], mixture, atol=1e-3)
    assert found.gate[0, -1] == 1


def test_classes_that_are_heard_stand_for_those_that_are_shown():
    two = replace(DREAM, shown=2)
    variables = dream_variables(two, says=(0.2, 0.3, 0.4))
    variables["shown"] = np.array([[0, 1], [0, 1], [0, 0]], np.float32)  # the third is not shown
    found = controls_of(variables, noise(0.2), dream=two, appear=0).now
    np.testing.assert_allclose(found.mixture[0, -1], [0, 1], atol=1e-3)
    assert found.gate[0, -1] == 1
    assert controls_of(variables, noise(0.2), dream=two, appear=0, sure=0.6).now.gate[0, -1] == 0


@pytest.mark.parametrize("dream", [DREAM, GREY], ids=["colour", "grey"])
def test_by_themselves_knobs_leave_the_generators_pictures_as_they_are(dream):
    variables, gan = dream_variables(dream), Gan(dream.dreams, 3)
    mixture = np.array([[0.5, 0.5, 0]] * 4, np.float32)
    made = emitted(variables, shown_for(0.5, mixture[0]), dream=dream)
    _, carry = hallucination(dream, VIDEO).init(variables, jax.random.key(0), 1)
    rates = 2 * np.pi / 90 * np.geomspace(1, 2.5, 2)
    angles = np.asarray(carry.angles) + np.outer(np.arange(1, 5) / 24, rates)
    latent = latent_at(jnp.asarray(angles, jnp.float32))
    wanted = 0.5 * np.asarray(gan.pictures(variables["gan"], latent, jnp.asarray(mixture)))
    np.testing.assert_allclose(made, np.broadcast_to(wanted, made.shape), atol=2e-6)


def test_what_is_shown_glides_from_tick_to_tick():
    one, other = shown_for(1.0).now, shown_for(0.0, (0, 1, 0)).now
    ages = (0.0, 0.02, 1.0, 1.0)
    still = {"speed": 0, "variety": 0}
    made = emitted(dream_variables(), Recognised(other, one), ages, **still)
    half = shown_for(0.5, (0.5, 0.5, 0))
    np.testing.assert_allclose(
        made[1], emitted(dream_variables(), half, ages, **still)[1], atol=1e-6
    )
    assert made[0].any() and not made[2].any()


def test_speed_and_variety(variables):
    still = emitted(variables, shown_for(), speed=0)
    np.testing.assert_allclose(still, np.broadcast_to(still[:1], still.shape), atol=1e-6)
    moving = emitted(variables, shown_for(), speed=8)
    assert np.abs(np.diff(moving, axis=0)).max() > 1e-4
    common = emitted(variables, shown_for(), speed=8, variety=0)
    np.testing.assert_allclose(common, np.broadcast_to(common[:1], common.shape), atol=1e-6)
    none = jnp.zeros((1, 4)), jnp.array([[1.0, 0, 0]])
    wanted = Gan(DREAM.dreams, 3).pictures(variables["gan"], *none)
    np.testing.assert_allclose(common[:1], wanted, atol=1e-6)


def spot(count, size=33):
    """A soft spot beside the middle, and then darkness: `[1, count, size, size, 1]`."""
    at = np.arange(size) - size // 2
    light = np.exp(-(at[:, None] ** 2 + (at - 4) ** 2) / 4)
    pictures = np.zeros((1, count, size, size, 1), np.float32)
    pictures[0, : count // 4, ..., 0] = light
    return jnp.asarray(pictures)


def test_a_zoom_of_nothing_is_no_zoom():
    pictures = jax.random.uniform(jax.random.key(0), (1, 3, 32, 32, 3))
    last, made = zoomed(jnp.ones((1, 32, 32, 3)), pictures, jnp.float32(0), 1 / 24)
    np.testing.assert_array_equal(made, pictures)
    np.testing.assert_array_equal(last, pictures[:, -1])


def test_a_zoom_enlarges_and_fades_alike_at_any_frame_rate():
    found = []
    for rate in (24, 48):
        pictures = spot(rate)
        last, made = zoomed(jnp.zeros_like(pictures[:, 0]), pictures, jnp.float32(0.5), 1 / rate)
        np.testing.assert_array_equal(last, made[:, -1])
        light = np.asarray(made)[0, [rate // 2 - 1, rate - 1], :, :, 0]
        total = light.sum(axis=(1, 2))
        right = (light.sum(axis=1) * (np.arange(33) - 16)).sum(axis=1) / total
        found.append([*total, *right])
    half_a_second = 1.6**0.5
    for total_1, total_2, right_1, right_2 in found:
        assert right_1 > 4 * 1.6**0.2
        assert right_2 / right_1 == pytest.approx(half_a_second, rel=0.05)
        # As much dimmer as time goes by, and as much larger, in both directions.
        assert total_2 / total_1 == pytest.approx(np.exp(-1) * half_a_second**2, rel=0.05)
    np.testing.assert_allclose(found[0], found[1], rtol=0.12)


def test_a_zoom_of_the_same_is_the_same():
    white = jnp.ones((1, 24, 32, 32, 1))
    np.testing.assert_allclose(zoomed(white[:, 0], white, jnp.float32(1), 1 / 24)[1], 1, atol=1e-5)


def test_refining_makes_classes_more_likely_and_is_the_same_again(variables):
    gan, nothing = Gan(DREAM.dreams, 3), jnp.zeros((1, 4))
    params = jax.tree.map(lambda leaf: 2 * leaf, variables["gan"])  # opinions that differ
    walk = latent_at(2 * jnp.pi * jax.random.uniform(jax.random.key(0), (1, 6, 2)))
    mixture = jnp.broadcast_to(jnp.array([0.0, 1.0, 0.0]), (1, 6, 3))
    steps = jax.jit(partial(refined, gan, steps=8))

    def better(seed, offset=nothing, some=slice(None)):
        keys = tick_keys(jax.random.key(seed), 0, 6)[some]
        return steps(params, offset, walk[:, some], mixture[:, some], keys)

    @jax.jit
    @partial(jax.vmap, in_axes=1)
    def likely(latent):
        pictures = gan.pictures(params, latent, mixture[0, :1])  # each by itself
        return jax.nn.log_softmax(gan.opinion(params, pictures, mixture[0, :1]).classes)[0, 1]

    offset, latent = better(0)
    assert (likely(latent) > likely(walk) + 0.1).all()
    np.testing.assert_allclose(latent[:, -1], walk[:, -1] + offset, atol=1e-6)
    np.testing.assert_array_equal(latent, better(0)[1])
    assert np.abs(latent - better(1)[1]).max() > 1e-4
    # The same in two goes.
    offset, early = better(0, nothing, slice(0, 3))
    _, late = better(0, offset, slice(3, 6))
    np.testing.assert_allclose(jnp.concatenate([early, late], axis=1), latent, atol=1e-5)
    lengths = jnp.linalg.norm(latent, axis=-1) / jnp.linalg.norm(walk, axis=-1)
    assert 0.3 < lengths.min() and lengths.max() < 3


@pytest.mark.parametrize(
    ("height", "width", "side", "corner"),
    [(32, 32, 32, (0, 0)), (48, 80, 48, (0, 16)), (20, 16, 16, (2, 0)), (33, 64, 33, (0, 15))],
)
def test_pictures_are_as_large_as_fits_in_the_middle_of_black(height, width, side, corner):
    grey = jax.random.uniform(jax.random.key(0), (2, 32, 32, 1))
    made = np.asarray(framed(grey, height, width))
    assert made.shape == (2, height, width, 3) and 0 <= made.min() and made.max() <= 1
    (top, left), black = corner, np.ones((height, width), bool)
    black[top : top + side, left : left + side] = False
    assert not made[:, black].any()
    inside = made[:, top : top + side, left : left + side]
    np.testing.assert_array_equal(inside[..., 0], inside[..., 2])
    np.testing.assert_allclose(inside.mean((1, 2, 3)), grey.mean((1, 2, 3)), atol=0.01)


def test_any_size_and_rate():
    variables, quick = dream_variables(), VideoSpec(Fraction(48), 40, 64)
    twice = jax.tree.map(lambda leaf: jnp.concatenate([leaf, leaf], axis=1), shown_for())
    small, large = emitted(variables, shown_for()), emitted(variables, twice, video=quick)
    assert small.shape == (4, 32, 32, 3) and large.shape == (8, 40, 64, 3)
    assert not large[:, :, :12].any()
    wanted = framed(jnp.asarray(small), 40, 64)  # every other one is at the same time
    np.testing.assert_allclose(large[1::2], wanted, atol=1e-5)


def test_the_stream_that_is_declared():
    spec = hallucination(DREAM, VIDEO).spec
    assert (spec.direction, spec.block, spec.audio.sample_rate) == ("hear-see", 320, RATE)
    assert spec.latency_samples == 120 + 320 + 167  # of 8,000 a second


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda v: v.update(shown=np.zeros((2, 3), np.float32)), r"shown is \(2, 3\), wanted"),
        (lambda v: v["recogniser"].pop("mean"), r"recogniser/mean is missing, wanted \(9,\)"),
        (
            lambda v: v["recogniser"]["params"]["classes"].update(bias=np.zeros(3, np.float32)),
            r"recogniser/params/classes/bias is \(3,\), wanted \(4,\)",
        ),
        (
            lambda v: v.update(gan=dream_variables(GREY)["gan"]),
            r"gan/discriminator/params/level_0/kernel is \(3, 3, 4, .*wanted \(3, 3, 12, ",
        ),
    ],
)
def test_variables_of_another_model(change, message):
    variables = dream_variables()
    change(variables)
    with pytest.raises(WyhError, match=f"the variables do not fit the model .{message}"):
        hallucination(DREAM, VIDEO).init(variables, jax.random.key(0), 1)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"heard": 0}, "got the classes heard 0, wanted 1 to 100000"),
        ({"shown": 0}, "got the classes shown 0, wanted 1 to 100000"),
        ({"turn_secs": 0.5}, "got turn_secs 0.5 s, wanted 1 to 10000 s"),
    ],
)
def test_sizes_that_cannot_be(changes, message):
    with pytest.raises(WyhError, match=message):
        HallucinationConfig(**changes)
