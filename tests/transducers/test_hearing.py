from functools import cache

import jax
import numpy as np
import pytest

from wyh import knobs
from wyh.signal.features import Extractor, FeatureConfig, window_power
from wyh.transducers.compile import traced
from wyh.transducers.hearing import MOST_GAIN_DB, WANTED_DB, Hearing

RATE = 8000
SIZES = {
    "sample_rate": RATE,
    "win_length": 256,
    "hop_length": 80,
    "n_fft": 512,
    "bands": 16,
    "low_hz": 50.0,
}
FBANK = FeatureConfig(**SIZES)
RAW = FeatureConfig(**SIZES, kind="raw")
BLOCK_SECS = 0.01


@cache
def compiled(config):
    return jax.jit(Hearing(config))


def heard(config, sound, chunks=None, **turned):
    """Features `[ticks, features]`, those before them, and levels, of a sound `[samples]`."""
    variables = {
        "mean": np.linspace(-50, -30, config.size).astype(np.float32),
        "std": np.linspace(10, 20, config.size).astype(np.float32),
    }
    blocks = np.asarray(sound, np.float32).reshape(1, -1, config.hop_length)
    carry, made, first = Hearing(config).init(1), [], 0
    for count in chunks or (blocks.shape[1],):
        chunk = blocks[:, first : first + count]
        carry, features = compiled(config)(
            variables, carry, chunk, traced(knobs.defaults(**turned))
        )
        made.append(features)
        first += count
    return [np.concatenate(each, axis=1)[0] for each in zip(*made, strict=True)]


def in_db(values, config=FBANK):
    """Features as they were before they were normalised with the variables of `heard`."""
    return values * np.linspace(10, 20, config.size) + np.linspace(-50, -30, config.size)


def noise(secs, level=0.1, seed=0):
    rng = np.random.default_rng(seed)
    return (level * rng.standard_normal(round(RATE * secs))).astype(np.float32)


@pytest.mark.parametrize("config", [FBANK, RAW, FeatureConfig(**SIZES, kind="fft")])
def test_defaults_are_neutral(config):
    """What is heard is what the extractor makes, normalised; but for how it is compiled."""
    sound = noise(0.8)
    extractor = Extractor(config)

    @jax.jit
    def plain(sound, mean, std):
        _, windows = extractor.windows(extractor.init(1), sound)
        if config.kind == "raw":
            return (windows - mean) / std
        return (extractor.vectors(extractor.power(windows), window_power(windows)) - mean) / std

    mean = np.linspace(-50, -30, config.size).astype(np.float32)[None, None]
    std = np.linspace(10, 20, config.size).astype(np.float32)[None, None]
    values, previous, _ = heard(config, sound)
    np.testing.assert_allclose(values, plain(sound[None], mean, std)[0], atol=2e-6)
    np.testing.assert_array_equal(previous[1:], values[:-1])
    np.testing.assert_array_equal(previous[0], values[0])


@pytest.mark.parametrize("knob", ["bass", "middle", "treble"])
@pytest.mark.parametrize("turn_db", [-12.0, 6.0, 24.0])
def test_sensitivity_moves_the_levels_of_its_bands(knob, turn_db):
    plain, turned = heard(FBANK, noise(0.8)), heard(FBANK, noise(0.8), **{knob: turn_db})
    moved = in_db(turned[0]) - in_db(plain[0])
    share = Extractor(FBANK).registers[["bass", "middle", "treble"].index(knob)]
    assert share.max() > 0.99 and share.min() == 0
    # As far as nothing is near the floor, which some faint bands of some windows are.
    np.testing.assert_allclose(np.median(moved[:, :-1], axis=0), turn_db * share, atol=0.1)
    np.testing.assert_allclose(moved[:, -1], 0, atol=1e-4)  # the level of the whole
    np.testing.assert_allclose(turned[2], plain[2], atol=1e-5)


@pytest.mark.parametrize("hz", [60, 440, 3000])
def test_the_level_is_that_of_the_sound_itself(hz):
    """Of a sine a tenth of full scale -20 dB, however low: pre-emphasis takes 25 dB from 60 Hz."""
    sound = 0.1 * np.sin(2 * np.pi * hz * np.arange(RATE) / RATE)
    assert np.median(heard(FBANK, sound)[2]) == pytest.approx(-20, abs=0.5)


@pytest.mark.parametrize("level", [0.003, 0.1, 1.0])
def test_automatic_gain_brings_sound_to_one_level(level):
    _, _, plain_db = heard(FBANK, noise(12, level))
    _, _, level_db = heard(FBANK, noise(12, level), auto_gain=1.0)
    assert level_db[1000:].mean() == pytest.approx(WANTED_DB, abs=1.0)
    assert np.median(plain_db) == pytest.approx(20 * np.log10(level) + 3.0, abs=0.5)


def test_automatic_gain_takes_seconds():
    """After one time constant, 3 s, it has gone 63 % of the way."""
    _, _, plain_db = heard(FBANK, noise(6, 0.003))
    _, _, level_db = heard(FBANK, noise(6, 0.003), auto_gain=1.0)
    gain_db = level_db - plain_db
    wanted = WANTED_DB - plain_db[100:].mean()
    assert gain_db[0] < 0.5
    assert gain_db[299] == pytest.approx((1 - np.exp(-1)) * wanted, abs=0.5)


def test_half_of_the_automatic_gain():
    levels = [heard(FBANK, noise(6, 0.01), auto_gain=amount)[2] for amount in (0.0, 0.5, 1.0)]
    np.testing.assert_allclose(levels[1] - levels[0], (levels[2] - levels[0]) / 2, atol=1e-3)


def test_automatic_gain_applies_to_features():
    plain, gained = heard(FBANK, noise(3, 0.03)), heard(FBANK, noise(3, 0.03), auto_gain=1.0)
    gain_db = (gained[2] - plain[2])[-1]
    assert gain_db > 1
    np.testing.assert_allclose((in_db(gained[0]) - in_db(plain[0]))[-1], gain_db, atol=0.2)
    raw, loud = heard(RAW, noise(3, 0.03)), heard(RAW, noise(3, 0.03), auto_gain=1.0)
    factor = 10 ** ((loud[2] - raw[2])[-1] / 20)
    np.testing.assert_allclose(in_db(loud[0], RAW)[-1], in_db(raw[0], RAW)[-1] * factor, atol=2e-4)


def test_automatic_gain_leaves_silence_alone():
    """Neither is silence made loud, nor does a break make what follows loud."""
    silence = np.zeros(5 * RATE, np.float32)
    quiet = heard(FBANK, silence, auto_gain=1.0)
    np.testing.assert_allclose(quiet[2], -80, atol=1e-3)
    np.testing.assert_allclose(in_db(quiet[0]), -80, atol=1e-2)
    song = noise(8, 0.01)
    gap = heard(FBANK, np.concatenate([song, silence, song[:RATE]]), auto_gain=1.0)[2]
    straight = heard(FBANK, np.concatenate([song, song[:RATE]]), auto_gain=1.0)[2]
    np.testing.assert_allclose(gap[-90:], straight[-90:], atol=0.5)


def test_automatic_gain_has_an_end():
    faint = noise(30, 10 ** (-60 / 20))  # 57 dB below full scale: to be heard, yet too faint
    _, _, plain_db = heard(FBANK, faint)
    _, _, level_db = heard(FBANK, faint, auto_gain=1.0)
    assert plain_db.mean() < WANTED_DB - MOST_GAIN_DB + 8
    assert (level_db - plain_db).max() <= MOST_GAIN_DB


@pytest.mark.parametrize(("secs", "turned"), [(0.1, "attack"), (0.5, "attack"), (0.4, "release")])
def test_time_constants(secs, turned):
    """So long after a step, 63 % of it has been made; the other way it is at once."""
    silence, loud = np.zeros(2 * RATE, np.float32), noise(3, 0.3)
    sound = np.concatenate([silence, loud] if turned == "attack" else [loud, silence])
    config = FeatureConfig(**SIZES | {"hop_length": 80, "win_length": 80, "n_fft": 128, "bands": 4})
    values = in_db(heard(config, sound, **{turned: secs})[0], config)[:, -1]
    at = 200 if turned == "attack" else 300
    begin = values[at - 1]
    end = in_db(heard(config, sound)[0], config)[at + 10 :, -1].mean()
    after = values[at - 1 + round(secs / BLOCK_SECS)]
    assert (after - begin) / (end - begin) == pytest.approx(1 - np.exp(-1), abs=0.03)
    back = np.concatenate([loud, silence] if turned == "attack" else [silence, loud])
    plain, slow = heard(config, back), heard(config, back, **{turned: secs})
    turn = 300 if turned == "attack" else 200
    at_once = in_db(slow[0], config)[turn, -1] - in_db(plain[0], config)[turn, -1]
    assert abs(at_once) < 1


@pytest.mark.parametrize(
    "turned",
    [
        {},
        {"bass": 6.0, "treble": -3.0},
        {"auto_gain": 1.0},
        {"attack": 0.05, "release": 0.3},
        {"auto_gain": 0.7, "attack": 0.1, "release": 0.2, "middle": 12.0},
    ],
)
def test_chunks_are_as_one_pass(turned):
    sound = np.concatenate([noise(0.2, 0.01), noise(0.2, 0.3, seed=1)])
    whole = heard(FBANK, sound, **turned)
    for chunks in ((1,) * 40, (7, 1, 7, 25)):
        found = heard(FBANK, sound, chunks=chunks, **turned)
        for one, other in zip(found, whole, strict=True):
            np.testing.assert_allclose(one, other, atol=1e-4)
