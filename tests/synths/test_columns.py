import functools
import itertools
from fractions import Fraction

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
    stream,
    watching,
)
from wyh import knobs
from wyh.errors import WyhError
from wyh.metrics.smoothness import frame_rate_flutter_db, frame_rate_harmonics_db
from wyh.signal.levels import true_peak_db
from wyh.synths.columns import overlap, raw
from wyh.transducers.offline import sonify

SYNTHS = {"raw": raw, "overlap": overlap}
both = pytest.mark.parametrize("name", SYNTHS)
# Sample rate, pictures a second, samples predicted: one period, two, none.
SIZES = [(22050, 30, 735), (22050, 24, 1838), (22050, 24, 0)]


@functools.cache
def made(name, *size):
    prediction = predicted(*size)
    return SYNTHS[name](prediction), prediction


def test_raw_is_the_predicted_rows_one_after_another(rng):
    synth, prediction = made("raw", 22050, 30, 735)
    rows = rng.uniform(-0.3, 0.3, (1, 30, 735)).astype(np.float32)
    sound = play(synth, prediction, of_rows(rows), 128)
    begin, *_, end = starts(synth, prediction, 30)
    np.testing.assert_array_equal(sound[:, :begin], 0)
    np.testing.assert_allclose(
        sound[:, begin:end], rows.reshape(1, -1)[:, : end - begin], atol=1e-6
    )


@pytest.mark.parametrize("column", [919, 1838])
def test_raw_has_no_hole_and_no_sample_twice_where_periods_are_no_whole_samples(column):
    synth, prediction = made("raw", 22050, 24, column)
    frames = 68
    rows = np.arange(frames)[:, None] / 100 + np.arange(column) / column / 1000
    sound = play(synth, prediction, of_rows(rows[None]), 256)[0]
    first = (column - 919 + 1) // 2  # of a picture's own samples, which are in the middle
    at = starts(synth, prediction, frames)
    assert {918, 919} == set(np.diff(at))
    for frame, (begin, end) in enumerate(itertools.pairwise(at)):
        own = rows[frame, first : first + end - begin]
        np.testing.assert_allclose(sound[begin:end], own, atol=1e-6)


@pytest.mark.parametrize(("rate", "frame_rate"), [(22050, 24), (22050, 12)])
def test_raw_plays_a_held_picture_again_and_again(rate, frame_rate):
    synth, prediction = made("raw", rate, frame_rate, 1838 if frame_rate == 24 else 1839)
    rows = np.full((1, 40, prediction.column), 0.5)
    sound = play(synth, prediction, of_rows(rows), 192, held=(7, 20))[0]
    np.testing.assert_allclose(sound[starts(synth, prediction, 1)[0] :], 0.5, atol=1e-6)


def test_raw_leaves_silence_where_too_little_is_predicted():
    synth, prediction = made("raw", 22050, 24, 735)
    sound = play(synth, prediction, of_rows(np.ones((1, 9, 735)) / 2), 64)[0]
    for begin in starts(synth, prediction, 8)[:-1]:
        assert np.count_nonzero(sound[begin : begin + 918]) == 735
        np.testing.assert_allclose(sound[begin + 92 : begin + 92 + 735], 0.5, atol=1e-6)


@pytest.mark.parametrize(
    ("name", "size"), [("raw", SIZES[1]), ("overlap", SIZES[1]), ("overlap", SIZES[2])], ids=str
)
def test_one_tick_at_a_time_is_as_all_at_once(name, size, rng):
    synth, prediction = made(name, *size)
    if prediction.column:
        controls = of_rows(rng.uniform(-0.5, 0.5, (2, 12, prediction.column)))
    else:
        controls = of_bands(rng.uniform(0, 0.1, (2, 12, 16)))
    whole = play(synth, prediction, controls, 64, [64], held=(5, 7))
    assert np.abs(whole[:, 2000:]).max() > 0.1
    assert np.abs(whole[0] - whole[1]).max() > 0.1
    found = play(synth, prediction, controls, 64, [1] * 64, held=(5, 7))
    np.testing.assert_allclose(found, whole, rtol=0, atol=1e-5)


def still(synth, prediction, seed=0, secs=21, **options):
    """The sound of a picture that does not change."""
    rate, rng = prediction.noise.sample_rate, np.random.default_rng(seed)
    if prediction.column:
        controls = of_rows(0.1 * rng.standard_normal((1, 1, prediction.column)))
    else:
        controls = of_bands(rng.uniform(0.01, 0.03, (1, 1, 16)))
    # Each picture is new, though it looks the same: one control a frame, unless it is held.
    frames = 1 if options.pop("frozen", False) else round(secs * prediction.frame_rate)
    controls = type(controls)(*(jnp.repeat(leaf, frames, axis=1) for leaf in controls))
    sound = play(synth, prediction, controls, secs * rate // 256 // 64 * 64, **options)
    return sound[0, 4000:]


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("frozen", [False, True], ids=["new", "held"])
def test_a_still_picture_does_not_hum(size, frozen):
    synth, prediction = made("overlap", *size)
    sound = still(synth, prediction, frozen=frozen)
    assert len(sound) > 20 * size[0]
    found = frame_rate_harmonics_db(sound, size[0], Fraction(size[1]))
    assert found.largest <= 3 and abs(found.mean) < 1


@pytest.mark.parametrize("size", SIZES[:2], ids=str)
def test_raw_hums_and_its_loudness_does_as_well(size):
    sounds = {name: still(*made(name, *size)) for name in SYNTHS}
    hum = {
        name: frame_rate_harmonics_db(x, size[0], Fraction(size[1])) for name, x in sounds.items()
    }
    assert hum["raw"].mean > 20 and hum["raw"].largest > 25
    swell = {
        name: frame_rate_flutter_db(x, size[0], Fraction(size[1])) for name, x in sounds.items()
    }
    assert swell["raw"].largest > 20 and swell["overlap"].largest < 10


@both
def test_the_sound_of_amplitudes_is_as_loud_as_they_say(name):
    synth, prediction = made(name, 22050, 24)
    amplitude = np.linspace(0.002, 0.06, 16)
    sound = play(synth, prediction, of_bands(np.tile(amplitude, (1, 240, 1))), 768, gain_db=-3.0)
    level_db = 10 * np.log10(np.mean(sound[0, 4000:] ** 2) / np.sum(amplitude**2))
    assert level_db == pytest.approx(-3, abs=0.3)


@pytest.mark.parametrize("size", SIZES[:2], ids=str)
def test_overlap_keeps_the_power_of_what_was_predicted(size, rng):
    """Of ones too, which a piece that was read from beyond them would not have."""
    synth, prediction = made("overlap", *size)
    for rows in (0.1 * rng.standard_normal((1, 400, size[2])), 0.1 * np.ones((1, 400, size[2]))):
        sound = play(synth, prediction, of_rows(rows), 1024)[0, 4000:]
        assert 10 * np.log10(np.mean(sound**2) / 0.01) == pytest.approx(0, abs=0.3)


@pytest.mark.parametrize("size", SIZES[:2], ids=str)
def test_overlap_keeps_the_pitch(size):
    synth, prediction = made("overlap", *size)
    row = 0.3 * np.sin(2 * np.pi * 997 * np.arange(size[2]) / size[0])
    sound = play(synth, prediction, of_rows(np.tile(row, (1, 200, 1))), 512)[0]
    power = np.abs(np.fft.rfft(sound * np.hanning(len(sound)))) ** 2
    hz = np.fft.rfftfreq(len(sound), 1 / size[0])
    assert np.sum(hz * power) / np.sum(power) == pytest.approx(997, abs=5)


def test_overlap_keeps_the_order_of_what_was_predicted():
    """What is predicted early is heard before what is predicted late."""
    synth, prediction = made("overlap", 22050, 24, 1838)
    middles = []
    for place in (500, 919, 1338):
        rows = np.zeros((1, 600, 1838))
        rows[:, ::4, place - 20 : place + 20] = 0.5
        power = play(synth, prediction, of_rows(rows), 2112)[0] ** 2
        middles.append(middle_of(power, starts(synth, prediction, 560)[::4]))
    late = synth.latency_samples - synth.block - limiter_latency(prediction)
    assert middles[1] == pytest.approx(918.75 / 2 + late, abs=25)
    assert middles[1] - middles[0] > 250 and middles[2] - middles[1] > 250


def middle_of(power, begins, reach=3000):
    """The middle of the power after each of these samples, all together."""
    around = sum(power[begin : begin + reach] for begin in begins)
    return np.sum(np.arange(reach) * around) / np.sum(around)


def test_the_latency_is_what_it_should_be():
    """To the middle of a picture's sound, from the middle of its own time."""
    # A period of 735 in three pieces of 490, 245 apart: 980 samples, of which the middle is late
    # by half of what they are longer. One of 918.75 in two pieces of 919, 459 apart; and so on.
    for size, longer in (
        ((22050, 30, 735), 980 - 735),
        ((22050, 24, 1838), 459 + 919 - 918.75),
        ((22050, 24, 0), 459 + 919 - 918.75),
        ((22050, 24, 735), 230 * 3 - 1 + 459 - 918.75),
        ((30720, 30, 2048), 512 + 1024 - 1024),
    ):
        late = limiter_latency(predicted(*size))
        assert made("raw", *size)[0].latency_samples == 256 + late
        assert made("overlap", *size)[0].latency_samples == round(256 + longer / 2) + late


def rendered(synth, prediction, column, frames):
    transducer = watching(synth, prediction, column)
    variables = {"gain_db": np.float32(0)}
    return np.concatenate(list(sonify(transducer, variables, [frames], knobs.defaults())))


def flashes(count, every):
    frames = np.zeros((count, 8, 8, 3), np.uint8)
    frames[2::every] = 255
    return frames


def test_rendered_raw_is_in_its_pictures_time_to_the_sample():
    synth, prediction = made("raw", 22050, 24, 919)
    sound = rendered(synth, prediction, np.full(919, 0.5), flashes(40, 5))
    at = np.array([round(k * 918.75) for k in range(41)])
    wanted = np.zeros(at[-1])
    for frame in range(2, 40, 5):
        wanted[at[frame] : at[frame + 1]] = 0.5
    np.testing.assert_allclose(sound, wanted, atol=1e-6)


@pytest.mark.parametrize("size", SIZES[:2], ids=str)
def test_rendered_overlap_is_around_the_middle_of_its_pictures_time(size, rng):
    synth, prediction = made("overlap", *size)
    count = 404
    sound = rendered(synth, prediction, 0.1 * np.ones(size[2]), flashes(count, 4))
    period = size[0] / size[1]
    assert len(sound) == round(count * period)
    begins = [round(k * period) for k in range(2, count - 4, 4)]
    before = round(period / 2)
    middle = middle_of(sound**2, [begin - before for begin in begins], round(2 * period)) - before
    assert middle == pytest.approx(period / 2, abs=12)  # half a millisecond


@both
def test_volume_mute_and_ceiling(name, rng):
    synth, prediction = made(name, 22050, 24, 1838)
    controls = of_rows(rng.uniform(-0.2, 0.2, (1, 40, 1838)))
    plain = play(synth, prediction, controls, 128)
    softer = play(synth, prediction, controls, 128, gain_db=-6.0)
    np.testing.assert_allclose(softer, plain * 10 ** (-6 / 20), atol=1e-6)
    assert not play(synth, prediction, controls, 128, mute=1).any()
    loud = play(synth, prediction, controls, 128, gain_db=30.0)
    assert -2 < true_peak_db(jnp.asarray(loud))[0] <= -0.9


@both
def test_silence_is_silent(name):
    synth, prediction = made(name, 22050, 30, 735)
    assert not play(synth, prediction, of_rows(np.zeros((1, 9, 735))), 64).any()
    assert synth.name == name and synth.needs == {"gain_db"}
    assert stream(synth, prediction).block == 256


@both
def test_pictures_that_come_faster_than_blocks_are_refused(name):
    with pytest.raises(WyhError) as error:
        SYNTHS[name](predicted(22050, 120, 184))
    assert str(error.value) == (
        "got blocks of 256 samples and 120 pictures a second, wanted blocks of 1 to 183 samples: "
        "lower the frame rate"
    )
    SYNTHS[name](predicted(22050, 120, 184), block=128)
