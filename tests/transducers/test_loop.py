from dataclasses import replace
from fractions import Fraction

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.conftest import TINY_MODEL, TINY_SYNTH, untrained
from wyh import knobs
from wyh.errors import WyhError
from wyh.knobs import PHASES
from wyh.models.autoencoder import as_picture, encode
from wyh.models.listener import ListenerConfig, hear
from wyh.specs import VideoSpec
from wyh.transducers import loop
from wyh.transducers.autoencoder import SonifierConfig, sonifier
from wyh.transducers.listener import LOOKS, MIDDLE, Listener
from wyh.transducers.loop import (
    QUIET,
    RoomConfig,
    hear_again,
    heard_codes,
    heard_levels,
    mean_level,
)
from wyh.transducers.offline import sonify

SOUND = SonifierConfig(TINY_MODEL, TINY_SYNTH)
LISTENER = Listener(SOUND, VideoSpec(Fraction(10), 16, 16), ListenerConfig(width=4))
KEY = jax.random.key(0)


@pytest.fixture
def fixed_phases(monkeypatch):
    """Films are played with fixed phases, which no key changes."""
    monkeypatch.setattr(loop, "_policy", lambda key, others: jnp.float32(PHASES.index("fixed")))


@pytest.mark.parametrize("frame_rate", [Fraction(10), Fraction(24000, 1001)])
def test_what_is_trained_on_is_what_is_played(frame_rate, rng, fixed_phases):
    video = VideoSpec(frame_rate, 16, 16)
    variables = untrained(SOUND, video) | {"gain_db": np.float32(-25.0)}
    frames = rng.integers(0, 256, (7, 16, 16, 3), dtype=np.uint8)
    frames[::2] //= 3
    blocks = sonify(sonifier(SOUND, video), variables, [frames], knobs.defaults(phase="fixed"))
    played = np.concatenate(list(blocks)) * 10 ** (25 / 20)
    listener = Listener(SOUND, video)
    codes = jax.jit(encode, static_argnums=0)(
        listener.model, variables["params"], as_picture(frames)
    )
    sound = jax.jit(loop._played, static_argnums=(0, 5))(
        listener, codes[None], KEY, KEY, KEY, QUIET
    )
    assert np.abs(played).max() > 0.1
    # Ages of pictures are rounded to samples while playing.
    np.testing.assert_allclose(sound[0], played, atol=1e-3 * np.abs(played).max())


def codes_of(rng, films=2, time=5):
    return jnp.asarray(rng.uniform(0.1, 0.9, (films, time, 8)), jnp.float32)


def test_slopes_reach_the_codes_through_the_sound(rng):
    codes = codes_of(rng)
    weight = rng.standard_normal((2, 3, 8, len(LOOKS))).astype(np.float32)
    direction = rng.standard_normal(codes.shape).astype(np.float32)

    @jax.jit
    @jax.value_and_grad
    def value(codes):
        return jnp.sum(weight * heard_levels(LISTENER, codes, KEY, QUIET))

    _, slope = value(codes)
    assert np.isfinite(slope).all() and (np.abs(slope).max(axis=(0, 2)) > 0.1).all()
    step = 0.004
    ends = [float(value(codes + sign * step * direction)[0]) for sign in (1, -1)]
    expected = (ends[0] - ends[1]) / (2 * step)
    assert np.sum(slope * direction) == pytest.approx(expected, rel=0.01)
    # Codes at their very ends too.
    for extreme in (0.0, 1.0):
        assert np.isfinite(value(jnp.full_like(codes, extreme))[1]).all()


def test_a_film_that_stands_still_is_heard_as_its_code(rng, fixed_phases):
    still = jnp.broadcast_to(codes_of(rng)[:, :1], (2, 5, 8))
    params = LISTENER.init(KEY)
    heard = jax.jit(heard_codes, static_argnums=(0, 4))(LISTENER, params, still, KEY, QUIET)
    assert heard.shape == (6, 8)
    np.testing.assert_allclose(heard, still[:, 1:-1].reshape(6, 8), atol=0.06)
    assert mean_level(LISTENER, still) == pytest.approx(float(still.mean()), abs=0.04)


def test_models_are_compared_with_the_same_noise_every_time(rng, monkeypatch):
    given = []

    def levels(listener, codes, key, room):
        given.append((jax.random.key_data(key), room))
        return jnp.zeros((2, 3, 8, len(LOOKS)))

    monkeypatch.setattr(loop, "heard_levels", levels)
    params, codes = LISTENER.init(KEY), codes_of(rng)
    expected = hear(LISTENER.config, params, jnp.zeros((6, 8, len(LOOKS))))
    found = hear_again.__wrapped__(LISTENER, params, codes)
    np.testing.assert_allclose(found, expected, atol=1e-6)
    ((key, room),) = given
    np.testing.assert_array_equal(key, jax.random.key_data(jax.random.key(0)))
    assert room == replace(QUIET, snr_low_db=20.0, snr_high_db=20.0)


class Overheard:
    """Stands in for synth and listener: one plays a given sound, the other keeps what it gets."""

    def __init__(self, monkeypatch, sound):
        def levels(listener, heard, middles, looks):
            self.heard, self.middles = np.asarray(heard), np.asarray(middles)
            return jnp.zeros((len(heard), middles.shape[1], 8, len(LOOKS)))

        monkeypatch.setattr(loop, "_played", lambda *given: sound)
        monkeypatch.setattr(Listener, "levels", levels)


def test_the_room_is_noisy_late_and_louder_or_quieter_film_by_film(rng, monkeypatch):
    loud = np.geomspace(0.01, 1, 40)[:, None]
    sound = jnp.asarray(loud * rng.standard_normal((40, 4000)), jnp.float32)
    overheard = Overheard(monkeypatch, sound)
    room = RoomConfig(snr_low_db=5.0, snr_high_db=25.0, late_ms=2.0, level=0.1)
    wrong = np.asarray(heard_levels(LISTENER, codes_of(rng, 40), KEY, room))

    noise = overheard.heard - np.asarray(sound)
    snr_db = 10 * np.log10(np.mean(np.square(sound), axis=1) / np.mean(noise**2, axis=1))
    assert 4.5 < snr_db.min() < 8 and 22 < snr_db.max() < 25.5
    late = overheard.middles - LISTENER.middles(5)[None, 1:-1]
    assert (late == late[:, :1]).all()  # throughout a film
    assert -16 <= late.min() < -10 and 10 < late.max() <= 16
    assert wrong.shape == (40, 3, 8, len(LOOKS))
    np.testing.assert_array_equal(wrong, np.broadcast_to(wrong[:, :1, :1, :1], wrong.shape))
    assert -0.1 <= wrong.min() < -0.07 and 0.07 < wrong.max() <= 0.1


def test_in_a_quiet_room_nothing_happens(rng, monkeypatch):
    sound = jnp.asarray(rng.standard_normal((3, 4000)), jnp.float32)
    overheard = Overheard(monkeypatch, sound)
    wrong = heard_levels(LISTENER, codes_of(rng, 3), KEY, QUIET)
    np.testing.assert_allclose(overheard.heard, sound, atol=1e-4)
    expected = np.broadcast_to(LISTENER.middles(5)[None, 1:-1], (3, 3))
    np.testing.assert_array_equal(overheard.middles, expected)
    assert not np.any(wrong)


def test_other_phase_policies_are_as_frequent_as_asked():
    keys = jax.random.split(KEY, 4000)
    policies = np.asarray(jax.vmap(loop._policy, (0, None))(keys, 0.3))
    default = knobs.KNOBS["phase"].default
    for policy in range(len(PHASES)):
        share = np.mean(policies == policy)
        assert share == pytest.approx(0.7 if policy == default else 0.15, abs=0.03)
    assert (np.asarray(jax.vmap(loop._policy, (0, None))(keys, 0.0)) == default).all()


def test_sounds_are_read_at_the_look_that_their_level_is_measured_by():
    assert MIDDLE.offset == 0 and MIDDLE.window == "hann"


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"snr_low_db": 40.0, "snr_high_db": 30.0}, "got snr_low_db 40 dB, wanted -20 to 30 dB"),
        ({"snr_low_db": 15.0, "snr_high_db": 101.0}, "got snr_high_db 101 dB, wanted 15 to 100 dB"),
        ({"late_ms": -1.0}, "got late_ms -1 ms, wanted 0 to 100 ms"),
        ({"level": 0.6}, "got level 0.6, wanted 0 to 0.5"),
        ({"other_phases": 1.5}, "got other_phases 1.5, wanted 0 to 1"),
    ],
)
def test_rooms_out_of_range(setting, message):
    with pytest.raises(WyhError, match=message):
        RoomConfig(**setting)
