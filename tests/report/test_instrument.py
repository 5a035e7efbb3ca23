"""Sounds of a report are those that `render` makes."""

import jax
import jax.numpy as jnp
import numpy as np

from tests.report.conftest import SOUND, VIDEO, moving_pictures
from wyh import knobs
from wyh.models.autoencoder import Autoencoder, encode
from wyh.report.instrument import CodePlayer, Instrument, coded
from wyh.report.live_cost import live_ms
from wyh.report.playing import flash_offset_ms, smoothness
from wyh.signal.levels import integrated_loudness
from wyh.synths.noise import NoiseSynth
from wyh.transducers.autoencoder import amplitudes
from wyh.transducers.kinds import load_player
from wyh.transducers.offline import sonify


def test_it_plays_what_render_plays_as_often_as_one_likes(run):
    player, frames = load_player(run), moving_pictures(30)
    instrument = Instrument(player.transducer, player.variables)
    for turned in (knobs.defaults(), knobs.defaults(phase="random"), knobs.defaults()):
        expected = sonify(player.transducer, player.variables, [frames], turned)
        np.testing.assert_allclose(
            instrument.play(frames, turned), np.concatenate(list(expected)), atol=1e-6
        )


def test_codes_sound_as_the_pictures_they_are_of(run):
    player, frames = load_player(run), moving_pictures(30)
    model = Autoencoder(SOUND.model, VIDEO.shape)
    codes = np.asarray(
        jax.jit(encode, static_argnums=0)(
            model, player.variables["params"], frames.astype(np.float32) / 255
        )
    )
    instrument = Instrument(player.transducer, player.variables)
    expected = instrument.play(frames, knobs.defaults(gain_db=-20))
    quiet = instrument.emit(coded(codes, SOUND), knobs.defaults(gain_db=-20))
    np.testing.assert_allclose(quiet, expected, atol=1e-5)
    sound, gain_db = CodePlayer(SOUND, VIDEO, 8).play(codes, -45.0)  # too quiet to be limited
    scale = 10 ** ((gain_db + 20 - float(player.variables["gain_db"])) / 20)
    np.testing.assert_allclose(sound, expected * scale, atol=1e-5)


def test_codes_of_any_size_have_the_loudness_asked_for(rng):
    codes = rng.uniform(size=(50, 5)).astype(np.float32)
    player = CodePlayer(SOUND, VIDEO, 5)
    sound, _ = player.play(codes, -23.0)
    assert len(sound) == 40_000
    assert abs(float(integrated_loudness(jnp.asarray(sound), 8000)) + 23) < 1.5
    assert player.config.model.code_size == 5
    value = amplitudes(jnp.asarray(codes), SOUND)
    controls = coded(codes, SOUND)
    np.testing.assert_allclose(controls.value[0], value, rtol=1e-6)
    np.testing.assert_allclose(controls.previous[0, 1:], value[:-1], rtol=1e-6)


def test_playing_is_measured(run):
    player, picture = load_player(run), moving_pictures(1)[0]
    instrument = Instrument(player.transducer, player.variables)
    smooth = smoothness(instrument, NoiseSynth(SOUND.synth, 8), picture)
    assert set(smooth) == set(knobs.PHASES)
    for phase in ("random", "continuous"):
        assert smooth[phase].click < 1
        assert smooth[phase].harmonics < 4
    assert abs(flash_offset_ms(instrument, picture)) < 5
    taken = live_ms(player)
    assert taken.shape[1] == 2
    assert np.all(taken > 0)
