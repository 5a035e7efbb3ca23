import jax
import jax.numpy as jnp
import numpy as np
import pytest

from wyh.errors import WyhError
from wyh.sound_variation import (
    NO_VARIATION,
    VariationConfig,
    coloured_noise,
    louder,
    masked,
    mixed,
    mixed_in,
    moved,
    with_noise,
)


@pytest.fixture
def sound(rng):
    return jnp.asarray(rng.uniform(-0.5, 0.5, (6, 400)).astype(np.float32))


def rms(x):
    return np.sqrt(np.square(np.asarray(x)).mean(axis=-1))


def test_nothing_varies_where_nothing_is_to(sound, key):
    none = NO_VARIATION
    np.testing.assert_allclose(moved(sound, key, none.shift_secs, none.speed), sound, atol=1e-5)
    np.testing.assert_array_equal(louder(sound, key, none.gain_db), sound)
    np.testing.assert_array_equal(with_noise(sound, key, none.noisy, none.least_snr_db), sound)
    cube = sound.reshape(6, 20, 20)
    np.testing.assert_array_equal(masked(cube, key, none.bands, none.columns), cube)
    np.testing.assert_array_equal(mixed(sound, mixed_in(key, 6, none.mixed)), sound)


def test_moved_in_time_and_silent_where_it_ends(key):
    ramp = jnp.broadcast_to(1.0 + jnp.arange(400.0)[None], (6, 400))
    late = np.asarray(moved(ramp, key, 50.0, 0.0))
    shifts = set()
    for row in late:
        inner = np.flatnonzero((row > 1) & (row < 400))[1:-1]  # at its ends it fades
        away = row[inner] - 1 - inner
        np.testing.assert_allclose(away, away[0], atol=1e-3)
        assert abs(away[0]) <= 50
        shifts.add(round(float(away[0]), 2))
        gap = row[: int(-away[0]) - 1] if away[0] < 0 else row[400 - int(away[0]) + 2 :]
        assert not gap.any()
    assert len(shifts) == 6


def test_another_speed_is_another_pitch(key):
    tone = jnp.sin(2 * jnp.pi * 40 * jnp.arange(2000.0) / 2000)[None]
    quick = np.asarray(moved(jnp.repeat(tone, 8, axis=0), key, 0.0, 0.2))
    crossed = [np.abs(np.diff(np.sign(row[500:1500]))).sum() / 4 for row in quick]
    assert min(crossed) >= 15 and max(crossed) <= 25 and np.ptp(crossed) > 2


def test_louder_by_so_much(sound, key):
    gain_db = 20 * np.log10(rms(louder(sound, key, 12.0)) / rms(sound))
    assert np.abs(gain_db).max() <= 12.001 and np.ptp(gain_db) > 6


@pytest.mark.parametrize("tilt", [0.0, 1.0, 2.0])
def test_noise_falls_by_its_tilt(tilt, key):
    noise = coloured_noise(key, 40, 4096, jnp.full(40, tilt))
    np.testing.assert_allclose(rms(noise), 1, rtol=1e-4)
    power = np.square(np.abs(np.fft.rfft(np.asarray(noise)))).mean(axis=0)
    fall = np.log2(power[200:400].mean() / power[800:1600].mean()) / 2  # an octave
    assert fall == pytest.approx(tilt, abs=0.15)


def test_noise_under_sound_and_in_silence(sound, key):
    loud = jnp.asarray(np.sign(np.random.default_rng(1).standard_normal((60, 2000))), jnp.float32)
    noise = np.asarray(with_noise(loud, key, 1.0, 5.0)) - np.asarray(loud)
    there = [np.flatnonzero(row) for row in noise]
    snr_db = [-20 * np.log10(rms(row[at])) for row, at in zip(noise, there, strict=True) if at.size]
    assert min(snr_db) >= 4 and max(snr_db) <= 41 and np.ptp(snr_db) > 20
    alone = np.asarray(with_noise(jnp.zeros((60, 2000)), key, 1.0, 5.0))
    level = [20 * np.log10(rms(row[row != 0])) for row in alone if row.any()]
    assert min(level) >= -76 and max(level) <= -19 and np.ptp(level) > 30


def test_noise_begins_and_ends_anywhere(key):
    there = np.asarray(with_noise(jnp.zeros((400, 200)), key, 1.0, 5.0)) != 0
    once = np.abs(np.diff(there.astype(int), axis=1)).sum(axis=1)
    assert set(once) == {0, 1, 2}
    begins, ends = there[:, 0], there[:, -1]
    # Both ends are drawn from twice the time, half of it before and after.
    assert np.mean(begins) == pytest.approx(2 * 0.25 * 0.75, abs=0.08)
    assert np.mean(begins & ends) == pytest.approx(2 * 0.25 * 0.25, abs=0.05)
    some = np.asarray(with_noise(jnp.zeros((400, 200)), key, 0.3, 5.0)).any(axis=1)
    assert np.mean(some) == pytest.approx(0.3 * 0.875, abs=0.06)


def test_stripes_are_missing(key):
    whole = np.asarray(masked(jnp.ones((50, 30, 20)), key, 5, 8))
    assert set(np.unique(whole)) == {0, 1}
    bands, columns = (~whole.any(axis=axis) for axis in (1, 2))
    assert bands.any() and columns.any()
    assert bands.sum(axis=1).max() <= 10 and columns.sum(axis=1).max() <= 16
    rebuilt = ~bands[:, None, :] & ~columns[:, :, None]
    np.testing.assert_array_equal(whole, rebuilt)
    # More than there are: all may be missing, and nothing else happens.
    assert np.isfinite(masked(jnp.ones((5, 4, 3)), key, 100, 100)).all()


def test_mixed_with_the_next_one(sound, key):
    parts = mixed_in(key, 200, 0.3)
    assert 0.2 < (np.asarray(parts) > 0).mean() < 0.4 and parts.max() <= 0.5
    some = jnp.array([0.0, 0.5, 0.25, 0.0, 0.0, 0.5])
    found = np.asarray(mixed(sound, some))
    for row, part in enumerate(np.asarray(some)):
        wanted = (1 - part) * sound[row] + part * sound[(row + 1) % 6]
        np.testing.assert_allclose(found[row], wanted, atol=1e-6)
    cube = mixed(sound.reshape(6, 20, 20), some)
    np.testing.assert_array_equal(cube.reshape(6, 400), found)


def test_the_same_key_the_same_sounds(sound, key):
    for vary in (lambda k: moved(sound, k, 9.0, 0.1), lambda k: with_noise(sound, k, 1.0, 0.0)):
        np.testing.assert_array_equal(vary(key), vary(key))
        assert np.abs(np.asarray(vary(key)) - np.asarray(vary(jax.random.key(1)))).max() > 0.01


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ({"shift_secs": 11}, "got shift_secs 11 s, wanted 0 to 10 s"),
        ({"speed": 0.6}, "got speed 0.6, wanted 0 to 0.5"),
        ({"gain_db": -1}, "got gain_db -1 dB, wanted 0 to 40 dB"),
        ({"noisy": 2}, "got noisy 2, wanted 0 to 1"),
        ({"least_snr_db": 50}, "got least_snr_db 50 dB, wanted -20 to 40 dB"),
        ({"bands": -1}, "got bands -1, wanted 0 to 512"),
        ({"columns": -1}, "got columns -1, wanted 0 to 10000"),
        ({"mixed": 1.5}, "got mixed 1.5, wanted 0 to 1"),
    ],
)
def test_bad_options(option, message):
    with pytest.raises(WyhError, match=message):
        VariationConfig(**option)
