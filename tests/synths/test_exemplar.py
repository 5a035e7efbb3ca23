import functools
from fractions import Fraction

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.synths.from_variables import (
    BANDS,
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
from wyh.specs import tick_start
from wyh.synths.exemplar import Chooser, ExemplarConfig, Wanted, exemplar
from wyh.synths.reference import corpus, grain_sizes

PERIOD = RATE // 25
made = functools.cache(exemplar)
TONES_HZ = 300.0 + 425.0 * np.arange(BANDS)  # in the middle of each linear band of 100 to 3500 Hz


def known(sound, prediction=None):
    """Variables of a recording."""
    return {"reference": jax.tree.map(jnp.asarray, corpus(sound, prediction or predicted()))}


def tones(secs=2.5, level=8000):
    """Each tone for so long, one after the other."""
    along = np.arange(round(secs * RATE)) / RATE
    return np.concatenate([level * np.sin(2 * np.pi * hz * along) for hz in TONES_HZ]).astype(
        np.int16
    )


def levels_of(sound, prediction):
    """Amplitudes that predict the loudest stretch of a sound."""
    levels = corpus(sound, prediction)["levels"]
    return 10 ** (levels[levels.sum(axis=1).argmax()] / 20)


def lasting(amplitude, secs, frame_rate=25):
    return magnitudes(np.broadcast_to(amplitude, (1, round(secs * frame_rate), len(amplitude))))


def test_streaming_is_the_same_as_offline(rng):
    prediction = predicted(Fraction(24))
    synth, variables = made(prediction, ExemplarConfig()), known(noise_recording(), prediction)
    controls = magnitudes(0.1 * rng.random((2, 16, BANDS)))
    whole = play(synth, prediction, controls, variables)
    assert np.abs(whole).max() > 0.1
    found = play(synth, prediction, controls, variables, at_once=1)
    np.testing.assert_allclose(found, whole, rtol=0, atol=1e-5)


@pytest.mark.parametrize("column", [0, 256])
def test_each_picture_plays_the_tone_that_is_predicted(column):
    prediction = predicted(column=column)
    synth, variables = made(prediction, ExemplarConfig()), known(tones(), prediction)
    order, held = [3, 0, 6, 5, 3], 5  # pictures each
    if column:
        along = (np.arange(256) - 128) / RATE
        rows = 0.2 * np.sin(2 * np.pi * TONES_HZ[order][:, None] * along)
        controls = columns(rows.repeat(held, axis=0)[None])
    else:
        rows = 0.2 * np.sqrt(0.5) * np.eye(BANDS)[order]
        controls = magnitudes(rows.repeat(held, axis=0)[None])
    sound = play(synth, prediction, controls, variables)[0]
    for i, tone in enumerate(order[:-1]):
        start = i * held * PERIOD + synth.latency_samples
        part = sound[start + PERIOD // 2 : start + (held - 1) * PERIOD]
        power = np.abs(np.fft.rfft(part * np.hanning(part.size))) ** 2
        hz = np.fft.rfftfreq(part.size, 1 / RATE)
        assert power[np.abs(hz - TONES_HZ[tone]) < 40].sum() > 0.99 * power.sum()
        assert np.std(part) == pytest.approx(0.2 * np.sqrt(0.5), rel=0.1)


def test_it_rather_goes_on_than_jumps():
    """Where all is alike, one stretch of the recording is heard as it is, and follows no other."""
    recording, prediction = noise_recording(), predicted()
    variables = known(recording)
    config = ExemplarConfig(chance_db=0.0, join=10.0)
    synth = made(prediction, config)
    amplitude = np.sqrt(np.mean(10 ** (variables["reference"]["levels"] / 10), axis=0))
    sound = play(synth, prediction, lasting(amplitude, 2.0), variables)[0]
    piece = sound[4000:12000]
    spectrum = np.conj(np.fft.rfft(piece, 1 << 18)) * np.fft.rfft(recording / 32768.0, 1 << 18)
    likeness = np.fft.irfft(spectrum)
    start = likeness.argmax()
    wanted = recording[start : start + 8000] / 32768
    assert np.corrcoef(piece, wanted)[0, 1] > 0.98


@pytest.mark.parametrize("frame_rate", [24, 25])
def test_a_static_picture_does_not_hum(frame_rate):
    prediction = predicted(Fraction(frame_rate))
    variables = known(noise_recording(), prediction)
    synth = made(prediction, ExemplarConfig())
    controls = lasting(np.full(BANDS, 0.03), 20.5, frame_rate)
    sound = play(synth, prediction, controls, variables)[0, RATE // 2 :]
    assert frame_rate_harmonics_db(sound, RATE, Fraction(frame_rate)).largest <= 3.0
    begins = [tick_start(k, RATE, Fraction(frame_rate)) for k in range(20 * frame_rate)]
    sizes = grain_sizes(prediction)
    joins = np.array(begins) + synth.latency_samples - (sizes.length - sizes.body) // 2 - RATE // 2
    for within in (0, sizes.fade // 2, sizes.fade):
        assert click_db(sound, joins[joins > 0] + within) < 1.0


def test_no_grain_is_soon_heard_again():
    """In a recording of a single bang, others are taken in between if that is made dear."""
    recording = noise_recording(level=30.0)
    recording[RATE : RATE + PERIOD] *= 100
    prediction = predicted()
    loud = lasting(levels_of(recording, prediction), 4.0)
    counts = []
    for config in (ExemplarConfig(), ExemplarConfig(repeat_db=60.0, join=0.0)):
        sound = play(made(prediction, config), prediction, loud, known(recording))[0]
        rows = sound[: sound.size // PERIOD * PERIOD].reshape(-1, PERIOD)
        counts.append(np.sum(rows.std(axis=1) > 0.03))
    assert counts[0] > 90 and counts[1] < 40


def test_levels_follow_the_prediction_but_noise_is_not_raised():
    recording, prediction = noise_recording(), predicted()
    synth, variables = made(prediction, ExemplarConfig()), known(recording)
    usual = np.sqrt(np.mean(10 ** (variables["reference"]["levels"] / 10), axis=0))
    inside = np.std(recording / 32768)
    for asked_db, heard_db in ((0, 0), (4, 4), (20, 6), (-12, -12), (-40, -40)):
        controls = lasting(usual * 10 ** (asked_db / 20), 2.0)
        sound = play(synth, prediction, controls, variables, gain_db=-10.0)[0, 4000:]
        assert 20 * np.log10(sound.std() / inside) + 10 == pytest.approx(heard_db, abs=1.5)


def test_black_is_silent():
    prediction = predicted()
    synth = made(prediction, ExemplarConfig())
    assert not play(synth, prediction, lasting(np.zeros(BANDS), 1.0), known(tones())).any()


@pytest.mark.parametrize("frame_rate", [24, 25])
def test_bursts_come_when_they_are_said_to(frame_rate):
    prediction = predicted(Fraction(frame_rate))
    synth = made(prediction, ExemplarConfig())
    controls = magnitudes(bursts(np.full(BANDS, 0.03)))
    late = bursts_are_late(synth, prediction, controls, known(noise_recording(), prediction))
    assert late == pytest.approx(synth.latency_samples, abs=16)  # 2 ms


def test_crossfades_keep_the_power_of_what_is_alike_as_they_should():
    chooser = Chooser(ExemplarConfig(), grain_sizes(predicted()))
    fade, fall = chooser.sizes.fade, chooser.fall
    for alike in (0.0, 0.3, 1.0):
        envelope = np.asarray(chooser.envelope(jnp.float32(alike)))
        rise = envelope[:fade]
        np.testing.assert_allclose(rise**2 + fall**2 + 2 * alike * rise * fall, 1, atol=1e-5)
        np.testing.assert_array_equal(envelope[-fade:], fall)
        assert (np.diff(rise) > -1e-6).all() and (envelope[fade:-fade] == 1).all()


def test_a_grain_is_moved_to_run_in_step_with_the_one_before():
    chooser = Chooser(ExemplarConfig(), grain_sizes(predicted()))
    sound = jnp.asarray((8000 * np.sin(2 * np.pi * 410 / RATE * np.arange(RATE))).astype(np.int16))
    for start in (1000, 1003, 1009, 0, RATE):
        moved, alike = chooser.aligned(sound, jnp.int32(start), jnp.int32(4000), jnp.asarray(False))
        turns = (4000 - int(moved)) * 410 / RATE
        assert abs(turns - round(turns)) < 0.03 and alike > 0.99
        assert 0 <= moved <= RATE - chooser.sizes.length


def test_the_nearest_grain_is_that_of_naive_search(rng):
    """With neither joins nor chance, and levels in dB weighted by the prediction's loudness."""
    prediction, sizes = predicted(), grain_sizes(predicted())
    config = ExemplarConfig(chance_db=0.0, join=0.0, repeat_db=0.0)
    chooser = Chooser(config, sizes)
    reference = known(noise_recording())["reference"]
    levels = np.asarray(reference["levels"])
    never, choose = jnp.full(8, -(1 << 20)), jax.jit(chooser.choose)
    for _ in range(5):
        target = (-40 + 10 * rng.standard_normal(BANDS)).astype(np.float32)
        weights = 10 ** (target / 40)
        naive = np.argmin(((levels - target) ** 2) @ weights)
        like = Wanted(jnp.asarray(target), jnp.float32(1.0))
        start, follows = choose(
            reference["sound"], reference["levels"], like, never, jnp.int32(320), jax.random.key(0)
        )
        assert int(start) == naive * sizes.hop(len(reference["sound"])) and not follows
    assert prediction.n_bands == BANDS


def test_pictures_faster_than_blocks_are_refused():
    with pytest.raises(WyhError) as caught:
        made(predicted(Fraction(200)), ExemplarConfig())
    wanted = "wanted blocks of 1 to 40 samples: lower the frame rate"
    assert str(caught.value) == f"got blocks of 64 samples and 200 pictures a second, {wanted}"


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"candidates": 0}, "got candidates 0, wanted 1 to 256"),
        ({"join": -1.0}, "got join -1, wanted 0 to 10"),
        ({"repeat_db": 70.0}, "got repeat_db 70 dB, wanted 0 to 60 dB"),
        ({"chance_db": 21.0}, "got chance_db 21 dB, wanted 0 to 20 dB"),
        ({"raise_db": 41.0}, "got raise_db 41 dB, wanted 0 to 40 dB"),
    ],
)
def test_a_config_that_cannot_be_played_is_refused(setting, message):
    with pytest.raises(WyhError) as caught:
        ExemplarConfig(**setting)
    assert str(caught.value) == message
