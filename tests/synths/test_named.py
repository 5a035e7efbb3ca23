from dataclasses import replace
from typing import get_args

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.synths.from_variables import BANDS, RATE, noise_recording, notes, play, predicted
from wyh.errors import WyhError
from wyh.specs import SynthName
from wyh.synths.knn import KnnConfig
from wyh.synths.named import ANYTHING, NOTES, synth_named, synths_for
from wyh.synths.reference import corpus

HZ = (737.5, 2012.5)  # in the middle of the second and fifth of the bands of 100 to 3500 Hz
HELD = predicted()
OF_NOTES = replace(HELD, notes_hz=HZ)
AMPLITUDE = 0.2


def variables_for(synth):
    if "reference" not in synth.needs:
        return {}
    known = corpus(noise_recording(4.0), OF_NOTES)
    return {"reference": jax.tree.map(jnp.asarray, known)}


def lasting(note, pictures=50):
    """One note, sounding all along."""
    values = np.zeros((1, pictures, len(HZ)))
    values[..., note] = AMPLITUDE
    return notes(values)


def near(sound, hz):
    """The share of its power within so many Hz of a note: a band is 425 Hz wide."""
    power = np.abs(np.fft.rfft(sound * np.hanning(len(sound)))) ** 2
    apart = np.abs(np.fft.rfftfreq(len(sound), 1 / RATE) - hz)
    return power[apart < 425 / 2 + 60].sum() / power.sum()


@pytest.mark.parametrize("name", ANYTHING)
def test_every_synth_plays_notes(name):
    synth = synth_named(name, OF_NOTES)
    sound = play(synth, OF_NOTES, lasting(1), variables_for(synth))[0][RATE // 2 :]
    level_db = 20 * np.log10(np.sqrt(np.mean(sound**2)) / (AMPLITUDE / np.sqrt(2)))
    assert abs(level_db) < 1.5
    if name != "exemplar":  # white noise is all that its recording has
        assert near(sound, HZ[1]) > 0.95 and near(sound, HZ[0]) < 0.02


def test_a_sine_for_each_note():
    synth = synth_named("additive", OF_NOTES)
    sound = play(synth, OF_NOTES, lasting(0))[0][RATE // 2 :]
    assert np.sqrt(np.mean(sound**2)) == pytest.approx(AMPLITUDE / np.sqrt(2), rel=0.01)
    spectrum = np.abs(np.fft.rfft(sound * np.hanning(len(sound))))
    assert abs(np.argmax(spectrum) * RATE / len(sound) - HZ[0]) < 1
    assert synth.needs == {"gain_db"}


@pytest.mark.parametrize("name", ["noise", "overlap", "exemplar"])
def test_streaming_notes_is_the_same_as_offline(name, rng):
    synth, controls = synth_named(name, OF_NOTES), notes(0.2 * rng.random((1, 12, len(HZ))))
    whole = play(synth, OF_NOTES, controls, variables_for(synth))
    found = play(synth, OF_NOTES, controls, variables_for(synth), at_once=1)
    np.testing.assert_allclose(found, whole, rtol=0, atol=1e-5)
    assert np.abs(whole).max() > 0.05


def test_strikes_are_seen_however_fast_pictures_come():
    fast = replace(OF_NOTES, frame_rate=120.0)
    assert synth_named("additive", fast).block == 66
    assert synth_named("additive", OF_NOTES).block == 256


def test_real_strikes_are_those_of_the_notes(monkeypatch):
    told, synth = [], synth_named("additive", OF_NOTES)
    monkeypatch.setattr("wyh.synths.knn.knn", lambda *given: told.append(given) or synth)
    quieter = replace(OF_NOTES, noise=replace(OF_NOTES.noise, ceiling_db=-3.0), frame_rate=120.0)
    assert synth_named("knn", quieter) is synth
    ((notes_hz, *rates, config),) = told
    np.testing.assert_array_equal(notes_hz, HZ)
    assert rates == [120.0, RATE]
    assert config == KnnConfig(block=66, ceiling_db=-3.0)


def test_which_synths_can_play_what():
    assert synths_for(HELD) == synths_for(replace(HELD, column=BANDS)) == ANYTHING
    assert synths_for(OF_NOTES) == get_args(SynthName) == ANYTHING + NOTES


@pytest.mark.parametrize("name", NOTES)
def test_notes_are_made_of_nothing_else(name):
    message = f"got --synth {name}, which plays notes, but this run predicts none: choose another"
    with pytest.raises(WyhError, match=message) as told:
        synth_named(name, HELD)
    assert "\n" not in str(told.value)
