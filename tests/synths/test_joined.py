import jax.numpy as jnp
import numpy as np
import pytest

from wyh.synths.joined import faded, joined


def middles_of(count, rate, frame_rate):
    return np.array([round((k + 0.5) * rate / frame_rate) for k in range(count)])


@pytest.mark.parametrize("length", [960, 1024, 1400, 1838, 1839, 4000])
def test_windows_cut_out_of_a_sound_join_to_that_sound(length, rng):
    sound = rng.standard_normal(round(12 * 918.75)).astype(np.float32)
    middles = middles_of(12, 22050, 24)
    padded = np.pad(sound, 2000)
    starts = middles - length // 2 + 2000
    windows = np.stack([padded[start : start + length] for start in starts])
    made = np.asarray(joined(windows[None], middles, len(sound), 919)[0])
    np.testing.assert_allclose(made, sound, atol=1e-5)


def test_as_it_would_be_done_by_hand(rng):
    windows, middles = rng.standard_normal((2, 5, 60)).astype(np.float32), np.arange(5) * 40 + 20
    made = np.asarray(joined(jnp.asarray(windows), middles, 200, 40))
    naive, shares = np.zeros((2, 400)), np.zeros(400)
    for k, middle in enumerate(middles):
        at = slice(100 + middle - 30, 100 + middle + 30)
        naive[:, at] += windows[:, k] * faded(60, 40)
        shares[at] += faded(60, 40)
    np.testing.assert_allclose(made, (naive / np.maximum(shares, 0.5))[:, 100:300], atol=1e-6)


def test_windows_shorter_than_pictures_leave_silence_between():
    made = np.asarray(joined(jnp.ones((1, 3, 100)), np.array([150, 450, 750]), 900, 300)[0])
    assert made[[150, 450, 750]] == pytest.approx(1, abs=1e-3)
    assert not made[[0, 300, 600, 899]].any()
    assert np.abs(np.diff(made)).max() < 0.1  # no click
