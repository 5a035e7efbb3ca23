from dataclasses import replace
from fractions import Fraction

import jax
import numpy as np
import pytest

from tests.conftest import make_run
from tests.reading import brightness_readers
from tests.visual import TINY_FEATURES, TINY_VISUAL, make_visual_run
from wyh.errors import WyhError
from wyh.models.wave_decoder import WaveConfig
from wyh.specs import VideoSpec
from wyh.transducers.kinds import load_player, reader_of
from wyh.transducers.reader import CHUNK, FURTHEST, Reader

VIDEO = VideoSpec(Fraction(24), 16, 16)
TINY_WAVE = WaveConfig(hidden=16, atoms=12, high_hz=3000.0)
RATE = TINY_FEATURES.sample_rate


def reading(bright_is_loud=1.0):
    """A reader, and variables whose features are all `bright_is_loud * (2 * brightness - 1)`."""
    made = brightness_readers(TINY_VISUAL, VIDEO)
    made["params"]["decoder"]["Dense_2"]["kernel"] *= bright_is_loud
    return Reader(TINY_VISUAL, VIDEO, TINY_WAVE), made


def with_wave(reader, variables):
    """The same with a decoder of waveforms that has learned nothing."""
    shapes = jax.eval_shape(reader.wave.init, jax.random.key(0))
    rng = np.random.default_rng(0)
    wave = jax.tree.map(lambda leaf: 0.1 * rng.standard_normal(leaf.shape, np.float32), shapes)
    return variables | {"params": variables["params"] | {"wave": wave}}


def grey(*brightness):
    shades = np.rint(np.array(brightness) * 255).astype(np.uint8)
    return np.broadcast_to(shades[:, None, None, None], (len(shades), 16, 16, 3)).copy()


def heard(reader, variables, pictures, frame_rate=VIDEO.frame_rate, **how):
    return np.concatenate(list(reader.sound(variables, pictures, frame_rate, **how)))


def test_features_are_those_before_they_were_normalised():
    reader, variables = reading(2.0)
    read = reader.features(variables, [grey(0.0, 0.5, 1.0)])
    wanted = 2 * np.array([-1, 0, 1]) * 20 - 40
    np.testing.assert_allclose(read, np.tile(wanted[:, None], 9), atol=0.2)


def test_what_is_misread_by_far_is_held_in():
    reader, variables = reading(1000.0)
    read = reader.features(variables, [grey(0.0, 1.0)])
    np.testing.assert_allclose(read[:, 0], [-40 - FURTHEST * 20, -40 + FURTHEST * 20])


def test_bright_pictures_are_loud_while_they_are_shown():
    reader, variables = reading()
    brightness = np.repeat([0.1, 0.8, 0.1, 0.8], 24)
    sound = heard(reader, variables, [grey(*brightness)])
    assert sound.shape == (4 * RATE,) and sound.dtype == np.float32
    level = 10 * np.log10(np.square(sound.astype(float)).reshape(-1, RATE // 8).mean(axis=1))
    loud = level.reshape(4, 8)[:, 1:-1].mean(axis=1)
    assert loud[1] - loud[0] == pytest.approx(1.4 * 20, abs=2)
    assert loud[3] - loud[2] == pytest.approx(1.4 * 20, abs=2)


@pytest.mark.parametrize("target", ["features", "raw"])
def test_a_bright_moment_is_heard_in_its_middle(target):
    """Whatever the rate: picture k belongs to (k + 1/2) / frame_rate."""
    reader, variables = reading(2.0)
    if target == "raw":
        reader._windows = lambda params, pictures: [
            np.concatenate(pictures)[:, 0, 0, :1] / 255 * noise
        ]
        noise = np.random.default_rng(0).standard_normal(2 * reader.wave.period)
    rates = (Fraction(24),) if target == "raw" else (Fraction(24), Fraction(60), Fraction(25, 2))
    for frame_rate in rates:
        middles = (np.arange(round(3 * frame_rate)) + 0.5) / float(frame_rate)
        brightness = np.clip(1 - np.abs(middles - 1.4) / 0.3, 0, 1)
        variables["params"].setdefault("wave", {})
        sound = heard(reader, variables, [grey(*brightness)], frame_rate, target=target)
        power = np.square(sound.astype(float))
        power *= power > power.max() / 1e4
        centre = np.sum(power * np.arange(len(power))) / power.sum() / RATE
        assert centre == pytest.approx(1.4, abs=0.02)


@pytest.mark.parametrize("target", ["features", "raw"])
@pytest.mark.parametrize(
    ("count", "frame_rate"),
    [
        (1, Fraction(24)),
        (7, Fraction(24000, 1001)),
        (CHUNK, Fraction(24)),
        (CHUNK + 1, Fraction(7)),
    ],
)
def test_it_is_exactly_as_long_as_the_pictures(target, count, frame_rate):
    _, variables = reading()
    reader = Reader(TINY_VISUAL, replace(VIDEO, frame_rate=frame_rate), TINY_WAVE)
    variables = with_wave(reader, variables)
    sound = heard(reader, variables, [grey(*[0.5] * count)], frame_rate, target=target)
    assert len(sound) == round(count * RATE / frame_rate)


@pytest.mark.parametrize("target", ["features", "raw"])
def test_runs_of_pictures_may_have_any_length(target, rng):
    reader, variables = reading()
    variables = with_wave(reader, variables)
    pictures = rng.integers(0, 256, (2 * CHUNK + 9, 16, 16, 3)).astype(np.uint8)
    whole = heard(reader, variables, [pictures], target=target)
    pieces = heard(reader, variables, np.split(pictures, [1, 5, 5, 100]), target=target)
    np.testing.assert_allclose(pieces, whole, atol=1e-6)
    # In one go, as it is trained.
    if target == "raw":
        looks = pictures.astype(np.float32)[None] / 255
        looks = looks.reshape(1, -1, 8, 2, 8, 2, 3).mean(axis=(3, 5))
        joined = np.asarray(reader.wave.sound(variables["params"]["wave"], looks))[0]
        np.testing.assert_allclose(whole[100:-100], joined[100:-100], atol=1e-4)


def test_features_that_are_samples_are_laid_down_as_they_are(rng):
    features = replace(TINY_FEATURES, kind="raw", win_length=400, n_fft=400)
    reader = Reader(replace(TINY_VISUAL, features=features), VIDEO, TINY_WAVE)
    sound = (0.1 * rng.standard_normal(4 * RATE)).astype(np.float32)
    middles = reader.wave.middles(96)
    padded = np.pad(sound, 200)
    windows = np.stack([padded[middle : middle + 400] for middle in middles])
    reader._features = lambda variables, pictures: np.split(windows, [10, 11, 50])
    assert reader.samples_of("features")
    again = heard(reader, {}, [])
    np.testing.assert_allclose(again[100:-100], sound[100:-100], atol=1e-5)


def test_a_run_that_learned_no_waveforms():
    reader, variables = reading()
    with pytest.raises(WyhError, match=r"learned no waveforms: train one with --weights.wave 1"):
        heard(reader, variables, [grey(0.5)], target="raw")


def test_the_reader_of_a_run(tmp_path):
    player = load_player(make_visual_run(tmp_path / "run"))
    reader = reader_of(player)
    assert reader.config == TINY_VISUAL and reader.video == player.run.stream.video
    player.run.config["wave"] = {"hidden": 16, "atoms": -1}
    with pytest.raises(WyhError, match=r"run/config.json is damaged: .*atoms -1"):
        reader_of(player)
    del player.variables["params"]["decoder"]
    with pytest.raises(WyhError, match="run is damaged: its variables lack params/decoder"):
        reader_of(player)


def test_what_makes_sound_has_no_reader(tmp_path):
    with pytest.raises(WyhError, match="is of the kind 'autoencoder', wanted synesthesia"):
        reader_of(load_player(make_run(tmp_path / "run")))
