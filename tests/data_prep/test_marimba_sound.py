"""Bars are in tune and on time, louder and brighter when struck harder; rooms differ."""

from itertools import pairwise

import numpy as np
import pytest

from data_prep.marimba_score import NOTES_HZ, Score, Strike, make_score
from data_prep.marimba_sound import (
    PEAK_DB,
    SAMPLES,
    Mode,
    Room,
    draw_room,
    fit_mode,
    load_instrument,
    mode_at,
    render,
)
from wyh.errors import WyhError

RATE = 44_100


def score_of(*strikes, secs=2.0):
    return Score(tuple(strikes), secs, 60.0, np.zeros(1), np.zeros((1, 2)))


def rendered(score, seed=0, room=None, rate=RATE):
    return render(score, score.secs, rate, np.random.default_rng(seed), room)


def pitch_hz(sound, rate, near_hz):
    magnitude, hz = np.abs(np.fft.rfft(sound, 1 << 20)), np.fft.rfftfreq(1 << 20, 1 / rate)
    magnitude[np.abs(hz / near_hz - 1) > 0.2] = 0
    return hz[np.argmax(magnitude)]


def decay_secs(stroke, rate):
    """Until 30 dB of the energy's decay, by Schroeder's backward integral."""
    left = np.cumsum(stroke[::-1].astype(float) ** 2)[::-1]
    return np.argmax(left < left[0] * 1e-3) / rate


def level(sound):
    return np.sqrt(np.mean(sound.astype(float) ** 2))


def centroid_hz(sound):
    magnitude = np.abs(np.fft.rfft(sound.astype(float)))
    return np.sum(magnitude * np.fft.rfftfreq(sound.size, 1 / RATE)) / np.sum(magnitude)


@pytest.mark.parametrize("rate", [44_100, 22_050])
def test_every_bar_is_in_tune(rate):
    for note, stroke in enumerate(load_instrument(rate).strokes):
        cents = 1200 * np.log2(pitch_hz(stroke, rate, NOTES_HZ[note]) / NOTES_HZ[note])
        assert abs(cents) < 3
        spectrum = np.abs(np.fft.rfft(stroke.astype(float), 1 << 20))
        strongest = np.fft.rfftfreq(1 << 20, 1 / rate)[np.argmax(spectrum)]
        assert strongest == pytest.approx(NOTES_HZ[note], rel=0.003)


def test_harder_is_louder_and_brighter():
    instrument = load_instrument(RATE)
    for note in range(18):
        strokes = [instrument.stroke(note, velocity) for velocity in (0.1, 0.3, 0.6, 1.0)]
        for softer, harder in pairwise(strokes):
            assert level(harder) > 1.5 * level(softer)
            assert centroid_hz(harder) > 1.002 * centroid_hz(softer)
        assert 0.7 < np.abs(strokes[-1]).max() < 1.3


def test_higher_bars_ring_shorter():
    decays = [decay_secs(stroke, RATE) for stroke in load_instrument(RATE).strokes]
    slope, _ = np.polyfit(np.arange(18), decays, 1)
    assert slope < 0
    assert np.all(np.diff(decays[10:]) < 0)  # the bars of modal synthesis
    assert 0.6 < decays[10] / decays[9] < 1.2  # no break where they begin
    assert 0.2 < decays[17] < decays[0] < 0.8


def test_a_mode_is_measured_as_it_was_made():
    time = np.arange(RATE) / RATE
    for ratio, level_db, decay in ((1.0, -3.0, 50.0), (4.0, -20.0, 120.0)):
        made = 10 ** ((level_db - decay * time) / 20) * np.sin(2 * np.pi * 600 * ratio * time)
        other = 0.3 * np.exp(-8 * time) * np.sin(2 * np.pi * 1500 * time)
        mode = fit_mode(made + other, RATE, 600, ratio)
        assert mode is not None
        assert mode.ratio == pytest.approx(ratio, rel=1e-3)
        assert mode.level_db == pytest.approx(level_db, abs=0.7)
        assert mode.decay_db_per_sec == pytest.approx(decay, rel=0.03)
        assert mode.attack_secs < 0.012
    assert fit_mode(np.zeros(RATE), RATE, 5000, 4.0) is None


def test_modes_follow_their_trend():
    fits = {60: Mode(4.0, -10.0, 40.0, 0.08), 72: Mode(3.9, -16.0, 60.0, 0.04)}
    assert mode_at(84, fits) == pytest.approx((3.95, -22.0, 90.0, 0.02))


@pytest.mark.parametrize("roomy", [False, True])
def test_a_lone_strike_begins_on_time(roomy):
    room = Room((0.01,), (0.1,), 0.5, -20.0, -10.0, -90.0, 2000.0) if roomy else None
    for note, velocity in ((0, 0.2), (4, 1.0), (9, 0.5), (10, 0.2), (17, 1.0)):
        sound = np.abs(rendered(score_of(Strike(0.51234, note, velocity, 0), secs=1.0), room=room))
        begun = np.argmax(sound > 0.1 * sound.max()) / RATE
        assert 0 <= begun - 0.51234 + 0.5 / RATE < 1e-3
    if not roomy:
        at = round(0.51234 * RATE)
        assert not sound[:at].any()
        assert sound[at : at + 2].any()


def test_strikes_add_up_and_those_after_the_end_are_left_out():
    first, second = Strike(0.1, 3, 0.6, 0), Strike(0.1, 7, 0.3, 1)
    both = rendered(score_of(first, second))
    instrument = load_instrument(RATE)
    brightness = np.random.default_rng(0).normal(0, 0.2, 2)
    wanted = np.zeros(2 * RATE)
    for strike, bright in zip((first, second), brightness, strict=True):
        stroke = instrument.stroke(strike.note, strike.velocity, float(bright))[: 2 * RATE - 4410]
        wanted[4410 : 4410 + stroke.size] += stroke
    np.testing.assert_allclose(both, wanted, atol=1e-6)
    assert not rendered(score_of(Strike(2.5, 3, 0.6, 0))).any()


def test_a_bar_struck_again_ends_its_former_sound():
    loud, soft = Strike(0.1, 0, 0.7, 0), Strike(0.3, 0, 0.1, 1)
    sound = rendered(score_of(loud, soft))
    bright = float(np.random.default_rng(0).normal(0, 0.2, 2)[1])
    after = round(0.31 * RATE)
    alone = load_instrument(RATE).stroke(0, 0.1, bright)
    start = after - round(0.3 * RATE)
    np.testing.assert_allclose(sound[after:], alone[start:][: sound.size - after], atol=1e-6)
    # The crossfade is no click: steps around it are no larger than those of the sound before.
    steps, at = np.abs(np.diff(sound)), round(0.3 * RATE)
    assert steps[at - 5 : at + 300].max() < 1.5 * steps[at - 2000 : at - 5].max()


def test_rendering_is_the_same_by_seed_and_stays_under_its_peak():
    score = make_score(np.random.default_rng(1), 8.0)
    rooms = [draw_room(np.random.default_rng(seed)) for seed in range(4)]
    sounds = [rendered(score, seed, room, 22_050) for seed, room in enumerate(rooms)]
    for sound in sounds:
        assert sound.shape == (8 * 22_050,)
        assert sound.dtype == np.float32
        assert np.abs(sound).max() <= 10 ** (PEAK_DB / 20)
    np.testing.assert_array_equal(sounds[2], rendered(score, 2, rooms[2], 22_050))
    assert not np.array_equal(sounds[2], rendered(score, 3, rooms[2], 22_050))
    assert len({room.tail_secs for room in rooms}) == 4
    crowd = score_of(*(Strike(0.1, note, 1.0, 0) for note in range(18)))
    assert np.abs(rendered(crowd)).max() == pytest.approx(10 ** (PEAK_DB / 20), rel=0.002)


def test_a_room_has_its_level_noise_and_reverberation():
    silence = rendered(score_of(), room=Room((), (), 0.3, -20.0, -10.0, -60.0, 3000.0))
    assert 20 * np.log10(level(silence)) == pytest.approx(-60, abs=0.01)
    lone = score_of(Strike(0.0, 17, 1.0, 0), secs=2.0)
    dry = rendered(lone, room=Room((), (), 0.3, -90.0, -20.0, -150.0, 3000.0))
    wet = rendered(lone, room=Room((0.02,), (0.2,), 1.0, -12.0, -20.0, -150.0, 3000.0))
    assert 20 * np.log10(np.abs(dry).max()) == pytest.approx(-20, abs=2)
    late = slice(round(0.8 * RATE), round(1.2 * RATE))
    assert level(wet[late]) > 10 * level(dry[late])


def test_impossible_rates_are_refused():
    with pytest.raises(WyhError, match="got sample_rate 4000 Hz, wanted 8000 to 192000 Hz"):
        load_instrument(4000)


def test_the_samples_come_with_their_licence():
    assert len(list(SAMPLES.glob("*.flac"))) == 5
    assert "MIT" in (SAMPLES / "ORIGIN.md").read_text()
    assert "Frank Wen" in (SAMPLES / "LICENSE-FluidR3-MIT.txt").read_text()
