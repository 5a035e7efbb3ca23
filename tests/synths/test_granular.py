import functools
from fractions import Fraction

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.synths.laid import (
    limiter_latency,
    of_bands,
    of_rows,
    play,
    predicted,
    starts,
    watching,
)
from wyh import knobs
from wyh.errors import WyhError
from wyh.metrics.smoothness import frame_rate_flutter_db, frame_rate_harmonics_db
from wyh.signal.levels import true_peak_db
from wyh.synths.granular import Cloud, GranularConfig, granular
from wyh.transducers.offline import sonify

# Sample rate, pictures a second, samples predicted: one period, two, none.
SIZES = [(22050, 30, 735), (22050, 24, 1838), (22050, 24, 0)]
ONE_A_PICTURE = GranularConfig(density_hz=24)


@functools.cache
def made(size, config=None):
    prediction = predicted(*size)
    return granular(prediction, config), prediction


def lit(count, every, column, level=0.1):
    """Ones for every so many pictures, from picture 2 on; nothing for the others."""
    rows = np.zeros((1, count, column))
    rows[:, 2::every] = level
    return of_rows(rows), range(2, count, every)


def test_grains_begin_within_their_pictures_time_and_anywhere_in_it():
    """One grain a picture: where its sound begins is where it begins."""
    synth, prediction = made(SIZES[1], ONE_A_PICTURE)
    controls, frames = lit(402, 4, 1838)
    sound = play(synth, prediction, controls, 1472)[0]
    at, begun, lasted = starts(synth, prediction, 402), [], []
    for frame in frames:
        heard = np.flatnonzero(sound[at[frame] - 918 : at[frame] + 2700]) - 918
        begun.append(heard[0])
        lasted.append(heard[-1] - heard[0] + 1)
    assert 0 <= min(begun) < 60 and 860 < max(begun) <= 918
    assert np.mean(begun) == pytest.approx(918.75 / 2, abs=80)
    assert 220 <= min(lasted) < 260 and 730 < max(lasted) <= 772  # 10 to 35 ms


@pytest.mark.parametrize("size", SIZES[:2], ids=str)
def test_no_sound_before_a_picture_nor_long_after_it(size):
    synth, prediction = made(size)
    period, longest = size[0] / size[1], min(772, size[2])
    controls, frames = lit(42, 5, size[2])
    sound, at = play(synth, prediction, controls, 192)[0], starts(synth, prediction, 42)
    for frame in frames[:-1]:
        heard = np.flatnonzero(sound[at[frame] - 700 : at[frame] + 2900]) - 700
        assert 0 <= heard[0] < period / 8 and period < heard[-1] < period + longest


@pytest.mark.parametrize("size", SIZES[:2], ids=str)
def test_grains_are_as_they_should_be_drawn(size):
    config = GranularConfig()
    cloud = Cloud(predicted(*size), config)
    drawn = jax.jit(cloud.draw, static_argnums=1)(jax.random.split(jax.random.key(1), 500), 2)
    onset, length, read, sign = map(np.asarray, drawn)
    period, column, count = size[0] / size[1], size[2], round(240 / size[1])
    assert onset.shape == (2, 500, count) == sign.shape
    part = period / count
    assert onset.min() == 0 and onset.max() == np.ceil(period) - 1
    assert np.all(onset > np.arange(count) * part - 1)  # one in each part of the period
    assert np.all(onset < np.arange(1, count + 1) * part)
    longest = min(772, column)
    assert (length.min(), length.max()) == (220, longest)
    # Never beyond what was predicted, and all of it is used.
    assert read.min() == 0 and (read + length).max() == column
    assert abs(sign.mean()) < 0.05 and set(np.unique(sign)) == {-1, 1}
    assert np.abs(np.corrcoef([x.ravel() for x in (onset, length, sign)]) - np.eye(3)).max() < 0.05
    assert len(np.unique(onset[0, :, 0])) > 50 and not np.array_equal(onset[0], onset[1])


@pytest.mark.parametrize("envelope", ["hann", "triangle"])
def test_a_cloud_is_the_sum_of_its_grains(envelope, rng):
    """Recomputed one grain at a time."""
    cloud = Cloud(predicted(*SIZES[1]), GranularConfig(envelope=envelope))
    rows, keys = rng.standard_normal((2, 3, 1838)), jax.random.split(jax.random.key(2), 3)
    found = np.asarray(jax.jit(cloud.grains)(of_rows(rows), keys))
    wanted, drawn = np.zeros((2, 3, 919 + 772)), cloud.draw(keys, 2)
    for b, t, g in np.ndindex(2, 3, cloud.count):
        onset, length, read, sign = (np.asarray(value)[b, t, g] for value in drawn)
        share = (np.arange(length) + 0.5) / length
        taper = np.sin(np.pi * share) ** 2 if envelope == "hann" else 1 - abs(2 * share - 1)
        wanted[b, t, onset : onset + length] += sign * taper * rows[b, t, read : read + length]
    power = {"hann": 3 / 8, "triangle": 1 / 3}[envelope]
    wanted *= np.sqrt(918.75 / (10 * 496 * power))
    np.testing.assert_allclose(found, wanted, atol=0.02)


def test_one_tick_at_a_time_is_as_all_at_once(rng):
    synth, prediction = made(SIZES[2])
    controls = of_bands(rng.uniform(0, 0.1, (2, 12, 16)))
    whole = play(synth, prediction, controls, 64, [64], held=(5, 7))
    assert np.abs(whole[:, 2000:]).max() > 0.1 and np.abs(whole[0] - whole[1]).max() > 0.1
    found = play(synth, prediction, controls, 64, [1] * 64, held=(5, 7))
    np.testing.assert_allclose(found, whole, rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    ("size", "frozen"), [*((size, False) for size in SIZES), (SIZES[1], True)], ids=str
)
def test_a_still_picture_neither_hums_nor_swells(size, frozen, rng):
    synth, prediction = made(size)
    if prediction.column:
        controls = of_rows(0.1 * rng.standard_normal((1, 1, prediction.column)))
    else:
        controls = of_bands(rng.uniform(0.01, 0.03, (1, 1, 16)))
    frames = 1 if frozen else 21 * size[1]
    controls = type(controls)(*(jnp.repeat(leaf, frames, axis=1) for leaf in controls))
    sound = play(synth, prediction, controls, 28 * 64)[0, 4000:]
    assert len(sound) > 20 * size[0]
    for measure in (frame_rate_harmonics_db, frame_rate_flutter_db):
        found = measure(sound, size[0], Fraction(size[1]))
        assert found.largest <= 3 and abs(found.mean) < 1


@pytest.mark.parametrize(
    "config",
    [
        GranularConfig(),
        GranularConfig(density_hz=60, envelope="triangle"),
        GranularConfig(shortest_secs=0.03, longest_secs=0.06, density_hz=900),
    ],
)
def test_loudness_is_that_of_the_amplitudes_whatever_the_grains(config):
    synth, prediction = made(SIZES[2], config)
    amplitude = np.linspace(0.002, 0.06, 16)
    sound = play(synth, prediction, of_bands(np.tile(amplitude, (1, 420, 1))), 1472, gain_db=-3.0)
    level_db = 10 * np.log10(np.mean(sound[0, 4000:] ** 2) / np.sum(amplitude**2))
    assert level_db == pytest.approx(-3, abs=0.4)


@pytest.mark.parametrize("size", SIZES[:2], ids=str)
def test_grains_keep_the_pitch(size):
    synth, prediction = made(size)
    row = 0.3 * np.sin(2 * np.pi * 997 * np.arange(size[2]) / size[0])
    sound = play(synth, prediction, of_rows(np.tile(row, (1, 200, 1))), 512)[0]
    power = np.abs(np.fft.rfft(sound * np.hanning(len(sound)))) ** 2
    hz = np.fft.rfftfreq(len(sound), 1 / size[0])
    assert np.sum(hz * power) / np.sum(power) == pytest.approx(997, abs=5)


def test_the_latency_is_a_block():
    for size in SIZES:
        synth, prediction = made(size)
        assert synth.latency_samples == 256 + limiter_latency(prediction)


def test_rendered_no_grain_begins_before_its_picture_or_later_than_the_next():
    """Single pictures among black ones: what is heard begins in their time."""
    synth, prediction = made(SIZES[1])
    frames = np.zeros((404, 8, 8, 3), np.uint8)
    frames[2::4] = 255
    transducer = watching(synth, prediction, 0.1 * np.ones(1838))
    variables = {"gain_db": np.float32(0)}
    sound = np.concatenate(list(sonify(transducer, variables, [frames], knobs.defaults())))
    assert len(sound) == round(404 * 918.75)
    longest = round(GranularConfig().longest_secs * 22050)
    heard = np.zeros(len(sound), bool)
    for k in range(2, 404, 4):
        heard[round(k * 918.75) : round((k + 1) * 918.75) + longest + 1] = True
        first = np.flatnonzero(np.abs(sound[round(k * 918.75) :]) > 1e-6)[0]
        assert first <= 919
    assert np.abs(sound[~heard]).max() < 1e-6


def test_ceiling_and_silence(rng):
    synth, prediction = made(SIZES[1])
    loud = play(synth, prediction, of_rows(rng.uniform(-1, 1, (1, 40, 1838))), 128, gain_db=20.0)
    assert -2 < true_peak_db(jnp.asarray(loud))[0] <= -0.9
    assert not play(synth, prediction, of_rows(np.zeros((1, 9, 1838))), 64).any()
    assert synth.name == "granular" and synth.needs == {"gain_db"}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"shortest_secs": 0.0}, "got shortest_secs 0 s, wanted 0.001 to 0.5 s"),
        ({"longest_secs": 0.005}, "got longest_secs 0.005 s, wanted 0.01 to 0.5 s"),
        ({"density_hz": 1e5}, "got density_hz 100000 Hz, wanted 1 to 4000 Hz"),
    ],
)
def test_grains_out_of_range_are_refused(options, message):
    with pytest.raises(WyhError) as error:
        GranularConfig(**options)
    assert str(error.value) == message


def test_pictures_that_come_faster_than_blocks_are_refused():
    with pytest.raises(WyhError, match="wanted blocks of 1 to 183 samples"):
        granular(predicted(22050, 120, 184))
