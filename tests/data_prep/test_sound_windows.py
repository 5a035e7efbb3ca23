import numpy as np
import pytest
import scipy.signal
import soundfile

from data_prep.sound_windows import cut, read_sound, rng_of
from wyh.errors import WyhError

RATE = 8000
SAMPLES = RATE


def noise(rng, secs, level=0.1):
    return (level * rng.standard_normal(round(secs * RATE))).astype(np.float32)


def cut_one(sound, seed=0, **options):
    given = {"sample_rate": RATE, **options}
    return cut(sound, SAMPLES, np.random.default_rng(seed), **given)


def loudness_features(window):
    """Of pieces of 20 ms: what tells silence, edges and fades."""
    db = 10 * np.log10(np.mean(window.reshape(-1, RATE // 50) ** 2, axis=1) + 1e-10)
    crest = np.abs(window).max() / (window.std() + 1e-9)
    return [db.min(), db.max(), db.mean(), db.std(), np.abs(np.diff(db)).max(), crest]


def told_apart(rng, fill, count=240):
    """How well the best threshold tells sounds of 0.15-0.6 s from those of 1.5-4 s."""
    seen = []
    for number in range(count):
        short = number % 2 == 0
        secs = rng.uniform(0.15, 0.6) if short else rng.uniform(1.5, 4.0)
        seen.append(loudness_features(cut_one(noise(rng, secs), number, most=1, fill=fill)[0]))
    features, short = np.array(seen), np.arange(count) % 2 == 0
    first, best = np.arange(count) < count // 2, (0.0, 0.0)
    for column in features.T:
        for edge in column[first]:
            for turned in (False, True):
                right = ((column > edge) ^ turned) == short
                best = max(best, (right[first].mean(), right[~first].mean()))
    return best[1]


def test_length_does_not_give_the_class_away(rng):
    """The same noise, short and long: only what it is padded with could tell one from the other."""
    # What repeats has less in it that differs: 69 % over many seeds, where chance is 50 %.
    assert told_apart(rng, "repeat") < 0.8
    assert told_apart(rng, "silence") > 0.95  # which is why it is not the default


def test_padding_of_others_is_left_off(rng):
    sound = noise(rng, 0.4)
    padded = np.concatenate([np.zeros(RATE, np.float32), sound, np.zeros(3 * RATE, np.float32)])
    np.testing.assert_array_equal(cut_one(padded), cut_one(sound))


def test_a_short_sound_is_repeated_without_a_seam(rng):
    t = np.arange(round(0.3 * RATE)) / RATE
    tone = (0.3 * np.sin(2 * np.pi * 330 * t)).astype(np.float32)
    for seed in range(5):
        (window,) = cut_one(tone, seed)
        assert np.abs(np.diff(window)).max() < 1.5 * np.abs(np.diff(tone)).max()
        pieces = window.reshape(-1, RATE // 50)
        assert np.sqrt((pieces**2).mean(axis=1)).min() > 0.05
    starts = {cut_one(tone, seed)[0, 0].item() for seed in range(5)}
    assert len(starts) == 5


def test_silence_around_a_whole_sound(rng):
    sound = noise(rng, 0.3)
    starts = []
    for seed in range(4):
        (window,) = cut_one(sound, seed, fill="silence")
        starts.append(np.flatnonzero(window)[0])
        np.testing.assert_array_equal(window[starts[-1] :][: len(sound)], sound)
        assert np.count_nonzero(window) <= len(sound)
    assert len(set(starts)) == 4


@pytest.mark.parametrize(("secs", "windows"), [(1.0, 1), (1.2, 1), (3.0, 3), (60.0, 5)])
def test_windows_of_a_long_sound(rng, secs, windows):
    sound = noise(rng, secs)
    found = cut_one(sound, most=5)
    assert found.shape == (windows, SAMPLES)
    at = [int(np.flatnonzero(sound == window[0])[0]) for window in found]
    assert at == sorted(at)
    for begin, window in zip(at, found, strict=True):
        np.testing.assert_array_equal(sound[begin : begin + SAMPLES], window)
    if windows > 1:
        assert max(at) - min(at) > 0.5 * (len(sound) - SAMPLES)


def test_pauses_are_passed_over(rng):
    """One bark in a minute of hiss is what is found."""
    sound = noise(rng, 60, 1e-4)
    sound[RATE * 40 : RATE * 41] += noise(rng, 1, 0.3)
    for seed in range(3):
        found = cut_one(sound, seed)
        assert found.std(axis=1).min() > 3e-3


@pytest.mark.parametrize("samples", [1, 3, 80, 400])
@pytest.mark.parametrize("fill", ["repeat", "silence"])
def test_the_shortest(rng, samples, fill):
    sound = 0.5 * rng.choice([-1, 1], samples).astype(np.float32)
    (window,) = cut_one(sound, fill=fill)
    assert window.shape == (SAMPLES,)
    assert np.abs(window).max() > 0.2
    if fill == "repeat":  # no part of it is empty for longer than 10 ms
        assert np.diff(np.flatnonzero(window)).max() <= 0.01 * RATE


def test_places_depend_on_the_name_and_the_seed_alone():
    first = rng_of("a.wav", 0).random()
    assert first == rng_of("a.wav", 0).random()
    assert len({first, rng_of("b.wav", 0).random(), rng_of("a.wav", 1).random()}) == 3


@pytest.mark.parametrize("level", [0.0, 1e-4])
def test_silence_is_no_sound(level):
    with pytest.raises(WyhError, match=r"^it is silent$"):
        cut_one(np.full(RATE, level, np.float32))
    with pytest.raises(WyhError, match=r"^it is silent$"):
        cut_one(np.zeros(0, np.float32))


def tone(secs, rate, hz=440.0):
    return (0.4 * np.sin(2 * np.pi * hz * np.arange(round(secs * rate)) / rate)).astype(np.float32)


@pytest.mark.parametrize(("rate", "wanted"), [(8000, 8000), (44100, 8000), (8000, 16000)])
def test_a_file_is_read_at_the_rate_wanted(tmp_path, rate, wanted):
    soundfile.write(tmp_path / "a.wav", np.stack([tone(0.5, rate), 0 * tone(0.5, rate)], 1), rate)
    found = read_sound(tmp_path / "a.wav", wanted)
    assert abs(len(found) - wanted / 2) <= 1
    middle = slice(wanted // 10, 4 * wanted // 10)
    np.testing.assert_allclose(found[middle], tone(0.5, wanted)[middle] / 2, atol=2e-3)


def test_a_part_of_a_file(tmp_path):
    sound = tone(2.0, RATE) * np.linspace(0, 1, 2 * RATE, dtype=np.float32)
    soundfile.write(tmp_path / "a.flac", sound, RATE)
    found = read_sound(tmp_path / "a.flac", RATE, 0.5, 0.75)
    np.testing.assert_allclose(found, sound[4000:6000], atol=1e-4)
    assert len(read_sound(tmp_path / "a.flac", RATE, 1.5)) == 4000
    with pytest.raises(WyhError, match=r"a.flac: lasts 2 s, wanted a part of it from 3 s on"):
        read_sound(tmp_path / "a.flac", RATE, 3.0)


def test_ten_minutes(tmp_path, rng):
    """Streamed, and still the same samples as of a short file."""
    sound = np.tile(tone(10, RATE, 441.0), 60)
    soundfile.write(tmp_path / "a.wav", sound, RATE)
    found = read_sound(tmp_path / "a.wav", RATE)
    assert len(found) == 600 * RATE
    np.testing.assert_allclose(found[-RATE:], sound[-RATE:], atol=1e-3)
    assert cut(found, SAMPLES, rng, sample_rate=RATE).shape == (8, SAMPLES)
    part = read_sound(tmp_path / "a.wav", RATE, 100.0, 170.0)
    np.testing.assert_allclose(part, sound[100 * RATE : 170 * RATE], atol=1e-3)


def test_what_cannot_be_read(tmp_path):
    (tmp_path / "a.wav").write_text("no sound")
    (tmp_path / "b.wav").touch()
    for name in ("a.wav", "b.wav"):
        with pytest.raises(WyhError, match=name):
            read_sound(tmp_path / name, RATE)


def test_resampling_keeps_out_what_is_too_high(tmp_path):
    soundfile.write(tmp_path / "a.wav", tone(1, 44100, 6000.0), 44100)
    found = read_sound(tmp_path / "a.wav", 8000)
    _, power = scipy.signal.welch(found[500:-500], 8000)
    assert power.sum() * 8000 / 256 < 1e-4 * 0.08
