from fractions import Fraction

import jax.numpy as jnp
import numpy as np
import pytest

from tests.synths.from_variables import BANDS, RATE, noise_recording, predicted
from wyh.errors import WyhError
from wyh.synths import reference as module
from wyh.synths.protocol import Column
from wyh.synths.reference import FLOOR_DB, band_levels, compared, corpus, grain_sizes, power_of


@pytest.mark.parametrize("column", [0, 320])
def test_levels_are_those_of_samples_around_the_middle_of_each_grain(column):
    prediction, recording = predicted(column=column), noise_recording(secs=1.0)
    known, sizes = corpus(recording, prediction), grain_sizes(prediction)
    assert known["sound"] is recording and known["levels"].dtype == np.float32
    hop, length = sizes.hop(RATE), column or 256
    assert len(known["levels"]) == (RATE - sizes.length) // hop + 1
    analysed = predicted(column=length)
    for k in (1, 40, len(known["levels"]) - 1):
        first = k * hop + sizes.length // 2 - length // 2
        window = np.pad(recording, length)[first + length : first + 2 * length] / 32768
        amplitude = analysed.amplitudes(
            Column(jnp.asarray(window, jnp.float32)[None, None]), jnp.zeros(1), 1.0
        )
        np.testing.assert_allclose(
            known["levels"][k], 20 * np.log10(np.asarray(amplitude)[0, 0]), atol=1e-3
        )


def test_a_grain_lasts_a_period_and_a_crossfade():
    for frame_rate in (Fraction(24), Fraction(24000, 1001), Fraction(60), Fraction(125)):
        prediction = predicted(frame_rate)
        sizes = grain_sizes(prediction)
        assert sizes.body == round(prediction.period)
        assert sizes.fade == round(prediction.period / 4) == sizes.hop(RATE)
        assert 2 * sizes.reach <= sizes.fade


def test_long_recordings_have_no_more_grains_than_are_quickly_compared(monkeypatch):
    monkeypatch.setattr(module, "MOST", 50)
    known = corpus(noise_recording(secs=8.0), predicted())
    assert 45 <= len(known["levels"]) <= 50


def test_many_bands_are_compared_in_groups_as_wide_as_for_the_ear():
    few = predicted(bands=108, high_hz=3499)
    groups = compared(few)
    assert groups.shape[0] == 108 and groups.shape[1] <= module.COMPARED
    assert (groups.sum(axis=1) == 1).all() and (groups.sum(axis=0) >= 1).all()
    assert (np.diff(groups.argmax(axis=1)) >= 0).all()
    np.testing.assert_array_equal(compared(predicted()), np.eye(BANDS))
    amplitude = jnp.full((1, 108), 0.1)
    levels = np.asarray(band_levels(amplitude, groups))[0]
    np.testing.assert_allclose(levels, 10 * np.log10(0.01 * groups.sum(axis=0)), atol=1e-4)
    assert float(power_of(jnp.asarray(levels))) == pytest.approx(1.08, rel=1e-4)


def test_silent_bands_are_at_the_floor_and_have_no_power():
    levels = band_levels(jnp.zeros((2, BANDS)), compared(predicted()))
    np.testing.assert_allclose(levels, FLOOR_DB, atol=1e-4)
    np.testing.assert_allclose(power_of(levels), 0, atol=1e-12)


def test_too_short_a_recording_is_refused():
    with pytest.raises(WyhError) as caught:
        corpus(noise_recording(secs=0.07), predicted())
    wanted = "wanted two pictures at least, 0.080 s: give a longer one"
    assert str(caught.value) == f"got a reference of 0.070 s, {wanted}"
    assert len(corpus(noise_recording(secs=0.08), predicted())["levels"]) == 4


def test_a_silent_recording_is_refused():
    with pytest.raises(WyhError) as caught:
        corpus(np.zeros(RATE, np.int16), predicted())
    wanted = "wanted sound to take from: give another recording"
    assert str(caught.value) == f"got a silent reference, {wanted}"
