import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.synths.alone import NoiseAlone
from wyh import knobs
from wyh.errors import WyhError
from wyh.knobs import PHASES
from wyh.signal.bands import LAYOUTS
from wyh.signal.levels import integrated_loudness, true_peak_db
from wyh.synths.noise import ANCHOR_COLUMNS, LOW_ANCHOR_COLUMNS, NoiseConfig
from wyh.transducers.compile import traced
from wyh.transducers.protocol import tick_keys

RATE, N_FFT, HOP, BANDS = 8000, 256, 64, 8
policies = pytest.mark.parametrize("policy", PHASES)


@functools.cache
def make(layout="linear"):
    config = NoiseConfig(RATE, N_FFT, HOP, layout, low_hz=100, high_hz=3500)
    synth = NoiseAlone(config, BANDS)

    @functools.partial(jax.jit, static_argnames="count")
    def emit(carry, amplitude, gain_db, turned, key, first, count):
        return synth.emit_many(carry, amplitude, gain_db, turned, tick_keys(key, first, count))

    return synth, emit


def play(amplitude, policy, chunks=None, *, layout="linear", gain_db=0.0, turned=(), seed=0):
    """Sound of `[batch, time, bands]`; `turned` are knobs of each chunk, else at their default."""
    synth, emit = make(layout)
    amplitude = jnp.asarray(amplitude, jnp.float32)
    key, carry_key = jax.random.split(jax.random.key(seed))
    carry, at, sounds = synth.init(carry_key, len(amplitude)), 0, []
    for i, count in enumerate(chunks or [amplitude.shape[1]]):
        values = {"phase": policy} | (turned[i] if turned else {})
        carry, sound = emit(
            carry,
            amplitude[:, at : at + count],
            jnp.float32(gain_db),
            traced(knobs.defaults(**values)),
            key,
            at,
            count,
        )
        at += count
        sounds.append(np.asarray(sound))
    assert at == amplitude.shape[1]
    return np.concatenate(sounds, axis=1)


def steady(value=0.05, time=800, batch=1):
    return np.full((batch, time, BANDS), value)


LATENCY = make()[0].limiter.latency_samples
SETTLED = slice(2 * N_FFT + LATENCY, None)


@policies
def test_streaming_is_the_same_as_offline_however_it_is_cut(policy, rng):
    amplitude = rng.random((2, 40, BANDS)) * 0.3
    whole = play(amplitude, policy)
    assert np.abs(whole).max() > 0.1
    for chunks in ([1] * 40, [8] * 5, [1, 8, 1, 1, 8, 8, 1, 1, 8, 1, 1, 1]):
        np.testing.assert_allclose(play(amplitude, policy, chunks), whole, rtol=0, atol=1e-5)


@policies
@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_level_of_each_band_is_its_amplitude(policy, layout):
    one_each = 0.05 * np.eye(BANDS)[:, None] * np.ones((1, 800, 1))
    sound = play(one_each, policy, layout=layout)[:, SETTLED]
    level_db = 20 * np.log10(np.sqrt(np.mean(sound**2, axis=1)) / 0.05)
    # What is random in a band of few bins takes time to average out.
    np.testing.assert_allclose(level_db, 0, atol=0.1 if policy == "fixed" else 0.6)
    assert abs(level_db.mean()) < 0.25


def test_what_drifting_loses_is_given_back_to_fast_and_slow_partials():
    """Averaged over many draws, low and high bands are exactly as loud as if they were steady."""
    many = 0.05 * np.repeat(np.eye(BANDS)[[0, -1]], 24, axis=0)[:, None] * np.ones((1, 800, 1))
    power = np.mean(play(many, "continuous")[:, SETTLED] ** 2, axis=1).reshape(2, 24).mean(axis=1)
    np.testing.assert_allclose(10 * np.log10(power / 0.05**2), 0, atol=0.1)


def test_low_partials_drift_faster():
    """In the columns after which steady ones repeat, low partials have gone elsewhere."""
    one_each = 0.05 * np.eye(BANDS)[:, None] * np.ones((1, 800, 1))
    sound = play(one_each, "continuous")[:, SETTLED]
    kept = [lag_correlation(row, N_FFT) for row in sound]
    assert abs(kept[0]) < 0.15 and min(kept[2:]) > 0.25


@policies
def test_bands_lie_where_the_layout_puts_them(policy):
    one_each = 0.05 * np.eye(BANDS)[:, None] * np.ones((1, 800, 1))
    sound = play(one_each, policy, layout="mel")[:, SETTLED]
    power = np.abs(np.fft.rfft(sound * np.hanning(sound.shape[1]))) ** 2
    hz = np.fft.rfftfreq(sound.shape[1], 1 / RATE)
    bins = make("mel")[0].bins
    for band in range(BANDS):
        members = np.flatnonzero(bins == band) * RATE / N_FFT
        near = (hz > members[0] - 2 * RATE / N_FFT) & (hz < members[-1] + 2 * RATE / N_FFT)
        assert power[band, near].sum() > 0.99 * power[band].sum()


@policies
def test_the_expected_loudness_is_the_measured_one(policy, rng):
    synth, _ = make()
    tilt = np.linspace(0.06, 0.005, BANDS)
    amplitude = tilt * rng.uniform(0.8, 1.2, (1, 800, BANDS))
    expected = float(synth.loudness(jnp.asarray(amplitude[0], jnp.float32)))
    measured = float(integrated_loudness(jnp.asarray(play(amplitude, policy)), RATE)[0])
    assert measured == pytest.approx(expected, abs=0.5)


def test_the_loudness_of_silence_is_finite():
    assert make()[0].loudness(jnp.zeros((3, BANDS))) == pytest.approx(-120.7, abs=0.1)


@policies
def test_all_policies_are_equally_loud(policy):
    level = np.sqrt(np.mean(play(steady(), policy)[:, SETTLED] ** 2))
    assert 20 * np.log10(level / (0.05 * np.sqrt(BANDS))) == pytest.approx(0, abs=0.3)


@policies
def test_true_peaks_stay_under_the_ceiling(policy, rng):
    amplitude = rng.random((1, 800, BANDS)) ** 4 * 2
    sound = play(amplitude, policy, gain_db=10.0)
    assert np.sqrt(np.mean(sound**2)) > 0.1
    assert true_peak_db(jnp.asarray(sound))[0] <= -1 + 0.1


def clicks_db(sound, every, lag):
    """Mean squared first difference within 4 samples of a boundary, against mid-block."""
    steps = np.mean(np.diff(sound) ** 2, axis=0)
    place = (np.arange(len(steps)) - lag) % every
    near = (place < 4) | (place >= every - 4)
    middle = np.abs(place - every // 2) < 8
    return 10 * np.log10(steps[near].mean() / steps[middle].mean())


@pytest.mark.parametrize("policy", ["random", "continuous"])
def test_blocks_cannot_be_heard(policy):
    sound = play(steady(time=800, batch=4), policy)[:, SETTLED]
    for lag in (0, LATENCY):
        assert clicks_db(sound, HOP, lag - SETTLED.start) <= 1.0


def test_blocks_of_fixed_phases_cannot_be_heard():
    """Four blocks are a period, too short a stretch to count clicks: any would be broad-band."""
    sound = play(steady(), "fixed")[0, SETTLED]
    power = np.abs(np.fft.rfft(sound[: 20 * N_FFT])) ** 2
    partials = np.flatnonzero(make()[0].bins >= 0) * 20
    assert power[partials].sum() > (1 - 1e-7) * power.sum()


@policies
def test_a_tick_that_is_changed_changes_nothing_else(policy, rng):
    amplitude = rng.random((1, 40, BANDS)) * 0.03
    dropped = amplitude.copy()
    dropped[:, 20] = 0
    change = np.abs(play(amplitude, policy) - play(dropped, policy))[0]
    first = 20 * HOP + LATENCY
    np.testing.assert_array_less(change[:first], 1e-6)
    np.testing.assert_array_less(change[first + N_FFT :], 1e-6)
    assert change[first : first + N_FFT].max() > 1e-3


def test_random_phases_are_drawn_from_the_keys_of_their_own_ticks(rng):
    synth, _ = make()
    amplitude = jnp.asarray(rng.random((1, 40, BANDS)) * 0.03, jnp.float32)
    keys = tick_keys(jax.random.key(0), 0, 40)
    other = keys.at[20].set(jax.random.key(99))
    emit = jax.jit(synth.emit_many)
    start, turned = synth.init(jax.random.key(1), 1), traced(knobs.defaults(phase="random"))
    before, after = (
        np.asarray(emit(start, amplitude, jnp.float32(0), turned, k)[1])[0] for k in (keys, other)
    )
    changed = np.flatnonzero(np.abs(before - after) > 1e-6)
    assert changed.min() >= 20 * HOP + LATENCY and changed.max() < 20 * HOP + LATENCY + N_FFT


def lag_correlation(sound, lag):
    return np.corrcoef(sound[:-lag], sound[lag:])[0, 1]


def test_fixed_phases_repeat_continuous_ones_drift_and_random_ones_hiss():
    fixed, continuous, random = (
        play(steady(), policy)[0, SETTLED] for policy in ("fixed", "continuous", "random")
    )
    np.testing.assert_allclose(fixed[N_FFT:], fixed[:-N_FFT], atol=1e-4)
    assert abs(lag_correlation(random, N_FFT)) < 0.1
    # Steady from one column to the next, yet no cycle from one anchor to another.
    assert lag_correlation(continuous, N_FFT) > 0.3
    for anchors in (2, 3, 5):
        assert abs(lag_correlation(continuous, anchors * ANCHOR_COLUMNS * HOP)) < 0.2


@pytest.mark.parametrize("policy", ["fixed", "continuous"])
def test_a_partial_is_a_pure_tone(policy):
    """Where a band is a single bin, all its power is near that bin's frequency."""
    synth, _ = make("log")
    assert (synth.bins == 0).sum() == 1
    low = np.zeros((1, 800, BANDS))
    low[..., 0] = 0.05
    sound = play(low, policy, layout="log")[0, SETTLED]
    power = np.abs(np.fft.rfft(sound * np.hanning(len(sound)))) ** 2
    hz = np.fft.rfftfreq(len(sound), 1 / RATE)
    tone = np.flatnonzero(synth.bins == 0)[0] * RATE / N_FFT
    width = 1.0 if policy == "fixed" else RATE / HOP / LOW_ANCHOR_COLUMNS
    assert power[np.abs(hz - tone) < width].sum() > 0.98 * power.sum()


def test_days_of_playing_do_not_blur_fixed_phases():
    synth, emit = make()
    amplitude, turned = jnp.asarray(steady(time=40)), traced(knobs.defaults(phase="fixed"))
    begin = synth.init(jax.random.key(0), 1)
    later = begin._replace(tick=jnp.int32(N_FFT * 8_000_000))
    sounds = [
        emit(c, amplitude, jnp.float32(0), turned, jax.random.key(0), 0, 40)[1]
        for c in (begin, later)
    ]
    np.testing.assert_array_equal(*sounds)


@pytest.mark.parametrize("policy", ["random", "continuous"])
def test_rows_of_a_batch_are_independent(policy):
    one, other = play(steady(batch=2), policy)[:, SETTLED]
    assert abs(np.corrcoef(one, other)[0, 1]) < 0.1


@pytest.mark.parametrize(
    ("turned", "gains"),
    [
        ([{}, {"gain_db": -20.0}, {"gain_db": 6.0}], [1, 0.1, 10**0.3]),
        ([{}, {"mute": 1}, {}], [1, 0, 1]),
        ([{"mute": 1}, {"mute": 0.5}, {"mute": 1}], [0, 0.5, 0]),
    ],
)
def test_gain_and_mute_ramp_over_one_block(turned, gains):
    chunks = [8, 8, 24]
    plain = play(steady(0.02, 40), "fixed", chunks)[0]
    found = play(steady(0.02, 40), "fixed", chunks, turned=turned)[0]
    ramp, now = [np.full(LATENCY, gains[0])], gains[0]
    for count, gain in zip(chunks, gains, strict=True):
        ramp += [now + (gain - now) * np.arange(1, HOP + 1) / HOP]
        ramp += [np.full((count - 1) * HOP, gain)]
        now = gain
    gain = np.concatenate(ramp)[: len(plain)]
    np.testing.assert_allclose(found, plain * gain, rtol=0, atol=1e-5)


def test_changing_the_policy_makes_no_click():
    for before in PHASES:
        for after in PHASES:
            turned = [{"phase": before}, {"phase": after}]
            sound = play(steady(batch=8, time=48), before, [24, 24], turned=turned)
            steps = np.diff(sound) ** 2
            switch = 24 * HOP + LATENCY
            around = steps[:, switch - 8 : switch + N_FFT].mean()
            elsewhere = steps[:, SETTLED.start : switch - N_FFT].mean()
            assert abs(10 * np.log10(around / elsewhere)) < 2.0


@pytest.mark.parametrize("policy", PHASES)
def test_the_latency_is_declared(policy):
    """A column alone sounds in the middle, that much later."""
    alone = np.zeros((64, 40, BANDS))
    alone[:, 20] = 0.05
    power = np.mean(play(alone, policy) ** 2, axis=0)
    centroid = np.sum(power * np.arange(len(power))) / power.sum()
    expected = 20 * HOP + make()[0].latency_samples
    assert abs(centroid - expected) / RATE < 0.002


def test_it_starts_from_silence():
    sound = play(steady(), "random")[0]
    assert np.abs(sound[:LATENCY]).max() == 0
    assert np.abs(np.diff(sound[: LATENCY + 4])).max() < 1e-3


@pytest.mark.parametrize("n_fft_hop", [(256, 100), (256, 256), (256, 0), (256, -64), (64, 256)])
def test_columns_that_do_not_overlap_evenly(n_fft_hop):
    n_fft, hop = n_fft_hop
    message = f"got n_fft {n_fft} and hop_length {hop}, wanted n_fft a multiple of hop_length"
    with pytest.raises(WyhError, match=message):
        NoiseConfig(RATE, n_fft, hop)


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"high_hz": 4001.0}, "got high_hz 4001, wanted at most half the sample rate"),
        ({"low_hz": 3600.0}, "wanted 0 <= low_hz < high_hz"),
        ({"layout": "bark"}, "got the layout 'bark', wanted one of"),
        ({"low_hz": 3300.0}, "wanted at most 7 bands"),
        ({"ceiling_db": 3.0}, "got the limiter's ceiling_db 3, wanted -60 to 0"),
    ],
)
def test_a_config_that_cannot_be_played_is_refused_at_once(setting, message):
    config = {"low_hz": 100.0, "high_hz": 3500.0} | setting
    with pytest.raises(WyhError, match=message):
        NoiseAlone(NoiseConfig(RATE, N_FFT, HOP, **config), BANDS)
