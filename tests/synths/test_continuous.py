import functools
from fractions import Fraction

import jax.numpy as jnp
import numpy as np
import pytest
import scipy.signal

from tests.synths.from_variables import (
    BANDS,
    HOP,
    N_FFT,
    RATE,
    bursts,
    bursts_are_late,
    columns,
    magnitudes,
    noise_recording,
    play,
    predicted,
)
from wyh.errors import WyhError
from wyh.metrics.smoothness import click_db, frame_rate_harmonics_db
from wyh.synths import continuous as module
from wyh.synths.continuous import ContinuousConfig, continuous, walk_power, walk_steps

BORROWED = ContinuousConfig(phases="reference")
made = functools.cache(continuous)
ON_BINS = Fraction(RATE, N_FFT)  # a frame rate whose multiples are bins
SETTLED = slice(3 * N_FFT, None)
both = pytest.mark.parametrize("phases", ["walk", "reference"])


def of_noise(**changes):
    return {"reference": {"sound": jnp.asarray(noise_recording(**changes))}}


def steady(secs, batch=1, value=0.03, frame_rate=25):
    return magnitudes(np.full((batch, round(secs * float(frame_rate)), BANDS), value))


@both
def test_streaming_is_the_same_as_offline(phases, rng):
    prediction = predicted()
    synth = made(prediction, ContinuousConfig(phases=phases))
    controls = magnitudes(0.2 * rng.random((8, 8, BANDS)))
    whole = play(synth, prediction, controls, of_noise())
    assert np.abs(whole).max() > 0.1
    found = play(synth, prediction, controls, of_noise(), at_once=1)
    np.testing.assert_allclose(found, whole, rtol=0, atol=1e-5)


@pytest.mark.parametrize(("phases", "layout"), [("walk", "mel"), ("reference", "linear")])
def test_the_level_of_each_band_is_its_amplitude(phases, layout):
    prediction = predicted(layout=layout)
    synth = made(prediction, ContinuousConfig(phases=phases))
    one_each = 0.05 * np.eye(BANDS)[:, None] * np.ones((1, 200, 1))
    sound = play(synth, prediction, magnitudes(one_each), of_noise())[:, SETTLED]
    level_db = 20 * np.log10(np.sqrt(np.mean(sound**2, axis=1)) / 0.05)
    np.testing.assert_allclose(level_db, 0, atol=1.2)
    assert abs(level_db.mean()) < 0.4


def test_what_walking_loses_is_given_back():
    """Averaged over many draws."""
    prediction = predicted()
    synth = made(prediction, ContinuousConfig())
    sound = play(synth, prediction, steady(8, batch=8))[:, SETTLED]
    level_db = 10 * np.log10(np.mean(sound**2) / (BANDS * 0.03**2))
    assert level_db == pytest.approx(0, abs=0.1)


def test_the_power_of_a_walk_is_that_of_walks_laid_by_hand(rng):
    """Of complex partials whose windowed columns are turned by each step and added up."""
    noise, window = predicted().noise, scipy.signal.get_window("hann", N_FFT)
    for step in (0.3, 1.0):
        walks = np.cumsum(step * rng.standard_normal((4000, 4)), axis=1)
        turned = np.exp(1j * walks)[:, :, None] * window.reshape(4, HOP)[::-1][None]
        naive = np.mean(np.abs(turned.sum(axis=1)) ** 2)
        assert walk_power(noise, np.array([step])) == pytest.approx(naive, rel=0.02)


@pytest.mark.parametrize("frame_rate", [Fraction(24), ON_BINS])
def test_a_static_picture_does_not_hum(frame_rate):
    prediction = predicted(frame_rate)
    controls = steady(20.5, frame_rate=frame_rate)
    sound = play(made(prediction, ContinuousConfig()), prediction, controls)[0, SETTLED]
    assert frame_rate_harmonics_db(sound, RATE, frame_rate).largest <= 3.0


def test_with_the_phases_of_noise_a_static_picture_does_not_hum():
    prediction = predicted(ON_BINS)
    controls = steady(20.5, frame_rate=ON_BINS)
    sound = play(made(prediction, BORROWED), prediction, controls, of_noise())
    assert frame_rate_harmonics_db(sound[0, SETTLED], RATE, ON_BINS).largest <= 3.0


def test_with_small_steps_where_harmonics_are_it_would_hum(monkeypatch):
    monkeypatch.setattr(module, "BLUR", 0.0)
    prediction = predicted(ON_BINS)
    controls = steady(20.5, frame_rate=ON_BINS)
    sound = play(continuous(prediction, ContinuousConfig()), prediction, controls)[0, SETTLED]
    assert frame_rate_harmonics_db(sound, RATE, ON_BINS).mean > 6.0


def test_steps_are_as_asked_but_where_harmonics_are():
    hz = np.arange(N_FFT // 2 + 1) * RATE / N_FFT
    steps = walk_steps(predicted(), 0.3)
    assert (steps[hz > 21 * 25] == 0.3).all()
    np.testing.assert_allclose(steps[hz < 20 * 25], np.sqrt(8 / 4))
    assert (walk_steps(predicted(), 2.0) == 2.0).all()


def test_a_walk_without_steps_is_a_pure_tone():
    prediction = predicted(bands=108, high_hz=3499)  # a bin each
    values = np.zeros((1, 100, 108))
    values[0, :, 80] = 0.1
    synth = made(prediction, ContinuousConfig(step=0.0))
    sound = play(synth, prediction, magnitudes(values))[0, SETTLED]
    np.testing.assert_allclose(sound[N_FFT:], sound[:-N_FFT], atol=1e-5)
    power = np.abs(np.fft.rfft(sound[: 32 * N_FFT])) ** 2
    assert power.max() > 0.999 * power.sum()
    assert sound.std() == pytest.approx(0.1, rel=1e-3)


@both
def test_months_of_playing_change_nothing(phases):
    prediction = predicted()
    synth = made(prediction, ContinuousConfig(phases=phases))
    variables = of_noise()
    circle = (variables["reference"]["sound"].size - N_FFT) // HOP  # columns
    soon, late = (
        play(synth, prediction, steady(1), variables, first=n) for n in (0, circle * N_FFT * 1000)
    )
    np.testing.assert_allclose(late, soon, atol=1e-5)


def test_magnitudes_and_phases_of_one_recording_are_that_recording():
    recording = noise_recording(secs=2.0)
    prediction = predicted(Fraction(RATE, HOP), bands=N_FFT // 2 + 1, low_hz=0, high_hz=RATE / 2)
    synth = made(prediction, BORROWED)
    starts = np.arange(len(recording) // HOP - 4) * HOP
    windows = np.stack([recording[start : start + N_FFT] for start in starts]) / 32768
    spectrum = np.fft.rfft(windows * scipy.signal.get_window("hann", N_FFT))
    values = np.abs(spectrum)[None] / N_FFT
    controls = magnitudes(values)._replace(previous=jnp.asarray(values, jnp.float32))
    sound = play(synth, prediction, controls, {"reference": {"sound": jnp.asarray(recording)}})[0]
    delay = synth.latency_samples - N_FFT // 2 - HOP // 2  # that of the limiter
    heard, wanted = sound[N_FFT + delay : 8000 + delay], recording[N_FFT:8000] / 32768
    assert np.corrcoef(heard, wanted)[0, 1] > 0.99


def test_where_a_reference_begins_again_there_is_no_click():
    """As many as there are by chance where it is noise alone, if it jumps from end to beginning."""
    size, delay = 40 * HOP + N_FFT, made(predicted(), BORROWED).latency_samples - N_FFT // 2 - 160
    loops = np.arange(1, 24) * 40 * HOP + delay
    noise, found = noise_recording(size / RATE, 300.0), []
    for ramp in (np.zeros(size), np.linspace(-20000, 20000, size)):
        variables = {"reference": {"sound": jnp.asarray((noise + ramp).astype(np.int16))}}
        sound = play(made(predicted(), BORROWED), predicted(), steady(8), variables)[0]
        found.append(click_db(sound, loops))
    assert abs(found[1] - found[0]) < 1.0


def test_a_reference_with_stretches_of_zeros_does_not_stand_still_there():
    prediction = predicted(ON_BINS)
    silent = {"reference": {"sound": jnp.zeros(20 * RATE, jnp.int16)}}
    controls = steady(10, frame_rate=ON_BINS)
    sound = play(made(prediction, BORROWED), prediction, controls, silent)[0, SETTLED]
    assert 20 * np.log10(sound.std() / (0.03 * np.sqrt(BANDS))) == pytest.approx(0, abs=0.5)
    assert abs(np.corrcoef(sound[N_FFT:], sound[:-N_FFT])[0, 1]) < 0.2


@both
def test_bursts_of_magnitudes_come_when_they_are_said_to(phases):
    prediction, controls = predicted(), magnitudes(bursts(np.full(BANDS, 0.05)))
    synth = made(prediction, ContinuousConfig(phases=phases))
    late = bursts_are_late(synth, prediction, controls, of_noise())
    assert late == pytest.approx(synth.latency_samples, abs=24)  # 3 ms


def test_bursts_of_samples_come_when_they_are_said_to(rng):
    prediction = predicted(Fraction(24), column=320)  # they begin between blocks
    controls = columns(bursts(0.1 * rng.standard_normal(320)))
    synth = made(prediction, ContinuousConfig())
    late = bursts_are_late(synth, prediction, controls)
    assert late == pytest.approx(synth.latency_samples, abs=24)


def test_rows_of_a_batch_walk_apart_and_black_is_silent():
    prediction = predicted()
    synth = made(prediction, ContinuousConfig())
    sound = play(synth, prediction, steady(8, batch=8))
    assert np.abs(np.corrcoef(sound[:, SETTLED]) - np.eye(8)).max() < 0.15
    assert not play(synth, prediction, steady(1, batch=8, value=0.0)).any()


def test_it_says_what_it_needs():
    assert continuous(predicted(), ContinuousConfig()).needs == {"gain_db"}
    assert continuous(predicted(), BORROWED).needs == {"gain_db", "reference"}


def test_steps_of_more_than_half_a_turn_are_refused():
    with pytest.raises(WyhError) as caught:
        ContinuousConfig(step=4.0)
    assert str(caught.value) == "got step 4 rad, wanted 0 to 3.14159 rad"
