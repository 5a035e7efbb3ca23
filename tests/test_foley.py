from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.conftest import TINY_SYNTH
from tests.talking import FRAME_RATE, PERIOD, RATE, dataset_of, hissing, talking
from wyh import foley as foley_module
from wyh import knobs
from wyh.errors import WyhError
from wyh.foley import figures_of, foley_of, predictions, summaries_of, tuned
from wyh.frames import FrameBank
from wyh.models.dbn import DbnConfig
from wyh.pairs import PairBank, led
from wyh.signal.levels import integrated_loudness
from wyh.specs import VideoSpec
from wyh.synths.targets import TargetConfig
from wyh.transducers.dbn import FoleyConfig, foley, target_of
from wyh.transducers.offline import sonify
from wyh.transducers.protocol import tick_keys

pytestmark = pytest.mark.usefixtures("quickly")

VIDEO = VideoSpec(FRAME_RATE, 8, 8, 1)
NET = DbnConfig((8,), shrink=4, context=(1, 2), context_shrink=4)
CONFIG = FoleyConfig(NET, TargetConfig("magnitude", n_fft=512, n_bands=8), TINY_SYNTH)
WANTED_LUFS = -23.0


@pytest.fixture(scope="module")
def flickering(tmp_path_factory):
    """Half a minute, one recording: seconds 7, 17 and 27 choose the best."""
    bright = np.random.default_rng(0).uniform(0, 1, 300)
    return dataset_of(tmp_path_factory.mktemp("one") / "set", {"a.mp4": talking(bright)})


@pytest.fixture(scope="module")
def learning(tmp_path_factory):
    """Noise to learn, and a network before training."""
    dataset = dataset_of(tmp_path_factory.mktemp("noise") / "set", {"a.mp4": hissing(200)})
    target = target_of(CONFIG, VIDEO)
    pairs = PairBank.of(dataset, target.length, NET.reach, 2, 1.0)
    learned = foley_of(CONFIG, target, pairs, 4.0, WANTED_LUFS)
    return pairs, learned, learned.init(jax.random.key(0))


def constant(learned, params):
    """Parameters of a network that always predicts the same."""
    params = jax.tree.map(jnp.zeros_like, params)
    return params | {"out": params["out"] | {"bias": jnp.asarray(learned.always)}}


def test_pictures_and_sound_are_of_the_same_time(flickering):
    bank = PairBank.of(flickering, PERIOD, 2, 3, 0.0)
    pairs = bank.step(0, 64, seed=1)
    assert pairs.films.shape == (64, 5, 8, 8, 1) and pairs.films.dtype == np.uint8
    assert pairs.sound.shape == (64, 3, PERIOD)
    bright = pairs.films[:, 2:, 0, 0, 0] / 255
    level = np.sqrt(np.mean(pairs.sound**2, axis=-1))
    share = level[bright > 0.02] / bright[bright > 0.02]
    np.testing.assert_allclose(share, np.median(share), rtol=0.02)
    assert level[bright <= 0.02].max(initial=0) < 0.03 * level.max()


def test_every_epoch_has_every_sequence_once(flickering):
    bank = PairBank.of(flickering, PERIOD, 1, 2, 2.0)
    count = len(bank.training) + bank.anchors
    epoch = np.concatenate([bank.step(step, 10, 3).films[:, 0, 0, 0, 0] for step in range(count)])
    wanted = bank.bank.frames_at(bank.training[:, 0])[:, 0, 0, 0].tolist() + [0, 255] * 10
    assert sorted(epoch.tolist()) == sorted(wanted * 10)
    again = bank.step(5, 10, 3)
    np.testing.assert_array_equal(again.sound, bank.step(5, 10, 3).sound)
    assert not np.array_equal(again.films, bank.step(5, 10, 4).films)


def test_anchors_are_black_or_white_and_silent(flickering):
    bank = PairBank.of(flickering, PERIOD, 1, 2, 2.0)
    assert bank.anchors == 20
    pairs = bank.step(0, len(bank.training) + 20, seed=0)
    silent = ~pairs.sound.any(axis=(1, 2))
    films = pairs.films[silent].reshape(silent.sum(), -1)
    assert silent.sum() == 20  # no frame of this film is quite black twice in a row
    assert (films == films[:, :1]).all()
    assert sorted(films[:, 0].tolist()) == [0] * 10 + [255] * 10
    assert PairBank.of(flickering, PERIOD, 1, 2, 0.0).anchors == 0


@pytest.mark.parametrize(("reach", "time"), [(0, 1), (3, 1), (8, 4)])
def test_sequences_are_led_by_what_came_before_and_never_by_what_is_held_out(
    flickering, reach, time
):
    bank = PairBank.of(flickering, PERIOD, reach, time, 0.0)
    chosen, held = bank.bank.divide()
    assert set(held // 10) == {7, 17, 27}
    for sequences, own, other in ((bank.training, chosen, held), (bank.validation, held, chosen)):
        lead, follow = sequences[:, :reach], sequences[:, reach:]
        assert set(follow.ravel()) <= set(own) and len(sequences)
        assert not set(lead.ravel()) & set(other)
        assert (np.diff(follow, axis=1) == 1).all()
        steps = np.diff(sequences, axis=1)[:, :reach]
        # Frame after frame, but where none is known before the first, which is held.
        assert (
            (steps == 1) | ((steps == 0) & (sequences[:, :1] == sequences[:, :-1][:, :reach]))
        ).all()
    firsts = bank.training[:, reach]
    known = bank.training[firsts == 40]
    np.testing.assert_array_equal(known[0], np.arange(40 - reach, 40 + time))
    if reach:  # the guard before a held-out second is seen before what is learned after it
        begun = bank.training[bank.training[:, reach] == firsts[firsts >= 80].min()][0]
        assert begun[0] >= 80


def test_what_leads_is_held_at_the_beginning_and_not_taken_from_another_film(tmp_path):
    films = {name: talking(np.linspace(0.3, 0.9, 6)) for name in ("a.mp4", "b.mp4")}
    bank = FrameBank(dataset_of(tmp_path / "set", films), "train")
    everything = np.arange(12)
    found = led(bank, everything, everything, 2, 3)
    np.testing.assert_array_equal(
        found,
        [
            *([0, 0, 0, 1, 2], [0, 0, 1, 2, 3], [0, 1, 2, 3, 4], [1, 2, 3, 4, 5]),
            *([6, 6, 6, 7, 8], [6, 6, 7, 8, 9], [6, 7, 8, 9, 10], [7, 8, 9, 10, 11]),
        ],
    )
    np.testing.assert_array_equal(
        led(bank, np.array([3, 4, 8]), np.array([2, 3, 4, 8]), 2, 1),
        [[2, 2, 3], [2, 3, 4], [8, 8, 8]],
    )
    assert led(bank, everything, everything, 2, 7).shape == (0, 9)


def test_held_out_sequences_hardly_overlap(flickering):
    bank = PairBank.of(flickering, PERIOD, 1, 4, 0.0)
    assert len(bank.held(1000, 4).films) == -(-len(bank.validation) // 2)
    assert len(bank.held(3, 4).films) <= 3
    assert len(bank.some(10).films) <= 10


def test_films_too_short_are_one_line(tmp_path):
    dataset = dataset_of(tmp_path / "set", {"a.mp4": talking(np.full(4, 0.5))})
    with pytest.raises(WyhError) as error:
        PairBank.of(dataset, PERIOD, 2, 5, 0.0)
    assert str(error.value) == (
        f"{dataset.path}: no 0.7 s of pictures and sound in a row to learn from: give longer films"
    )
    with pytest.raises(WyhError, match=r"no 0\.3 s of pictures and sound in a row"):
        PairBank.of(dataset, 4 * PERIOD + 1, 2, 1, 0.0)


def test_the_reference_is_real_sound_as_long_as_wanted(flickering, learning):
    _, learned, _ = learning
    assert learned.reference["sound"].dtype == np.int16
    assert len(learned.reference["sound"]) == 4 * RATE
    whole = PairBank.of(flickering, PERIOD, 0, 1, 0.0).reference(learned.target, 6.0)["sound"]
    assert len(whole) == 6 * RATE
    # A tone, but where pieces begin and end: nothing of its power elsewhere.
    power = np.abs(np.fft.rfft(whole.astype(float))) ** 2
    hz = np.fft.rfftfreq(len(whole), 1 / RATE)
    assert power[np.abs(hz - 440) < 40].sum() > 0.95 * power.sum()


def test_of_films_shorter_than_two_seconds_what_there_is_is_the_reference(tmp_path, learning):
    dataset = dataset_of(tmp_path / "set", {"a.mp4": hissing(10)})
    bank = PairBank.of(dataset, PERIOD, 0, 1, 0.0)
    assert len(bank.reference(learning[1].target, 60.0)["sound"]) == 30 * PERIOD


def test_inputs_and_truth_are_standardised(learning):
    pairs, learned, _ = learning
    some = pairs.some(1000)
    inputs = np.asarray(learned.inputs(jnp.asarray(some.films)))
    assert np.abs(inputs.mean(axis=(0, 1))).max() < 1e-3
    assert np.abs(inputs.std(axis=(0, 1)) - 1).max() < 0.01
    np.testing.assert_allclose(
        learned.inputs(jnp.asarray(some.films / np.float32(255))), inputs, atol=1e-5
    )
    truth = learned.truth(jnp.asarray(some.sound))
    assert np.abs(np.asarray(truth).mean(axis=(0, 1))).max() < 1e-3
    np.testing.assert_allclose(
        learned.values(truth), learned.target.values(jnp.asarray(some.sound)), atol=1e-3
    )
    np.testing.assert_allclose(learned.always, np.median(truth, axis=(0, 1)), atol=1e-4)


def test_skill_is_0_for_what_is_always_the_same_and_1_for_the_truth(learning, monkeypatch):
    pairs, learned, params = learning
    held = pairs.held(100, 2)
    figures = figures_of(learned, constant(learned, params), held)
    assert figures["val_skill"] == pytest.approx(0, abs=1e-5)
    truth = np.asarray(learned.truth(jnp.asarray(held.sound)))
    spread = learned.scale["sound"]["spread"]
    off = np.abs(truth - learned.always) * spread
    assert figures["val_level_db"] == pytest.approx(off.mean(), rel=1e-4)
    monkeypatch.setattr(foley_module, "predictions", lambda *given: truth)
    figures = figures_of(learned, params, held)
    assert figures["val_skill"] == pytest.approx(1, abs=1e-5)
    assert figures["val_level_db"] == pytest.approx(0, abs=1e-4)
    monkeypatch.setattr(foley_module, "predictions", lambda *given: (truth + learned.always) / 2)
    half = figures_of(learned, params, held)
    assert half["val_skill"] == pytest.approx(0.5, abs=1e-3)


def test_skill_is_a_number_even_where_all_that_is_held_out_is_silent(learning):
    pairs, learned, params = learning
    held = pairs.held(100, 2)
    held = held._replace(sound=np.zeros_like(held.sound))
    silent = replace(learned, always=np.asarray(learned.truth(jnp.asarray(held.sound)))[0, 0])
    assert 0 <= figures_of(silent, constant(silent, params), held)["val_skill"] <= 1
    assert -1e9 < figures_of(silent, params, held)["val_skill"] < 0


def test_predictions_are_those_of_playing(learning):
    pairs, learned, params = learning
    films = pairs.some(4).films
    found = np.asarray(predictions(learned, params, films))
    assert found.shape == (len(films), 2, 8) and np.ptp(found) > 0.01
    variables = tuned(learned, params, pairs.some(50))
    transducer = foley(CONFIG, VIDEO)
    carry, _ = transducer.init(variables, jax.random.key(0), len(films))
    turned = {name: jnp.float32(value) for name, value in knobs.defaults().items()}
    keys = tick_keys(jax.random.key(0), 0, films.shape[1])
    _, control = jax.jit(transducer.observe_many)(variables, carry, films, turned, keys)
    heard = 20 * np.log10(control.value[:, NET.reach :])
    np.testing.assert_allclose(heard, learned.values(jnp.asarray(found)), atol=0.01)


@pytest.mark.parametrize(("kind", "lufs"), [("magnitude", -23.0), ("magnitude_phase", -30.0)])
def test_a_run_is_as_loud_as_wanted(learning, kind, lufs):
    """Played by noise, a network that predicts the sound of one picture over and over."""
    pairs, _, _ = learning
    config = replace(CONFIG, target=replace(CONFIG.target, kind=kind))
    learned = foley_of(config, target_of(config, VIDEO), pairs, 4.0, lufs)
    truth = learned.truth(jnp.asarray(pairs.some(50).sound))
    learned = replace(learned, always=np.asarray(truth)[0, 0])
    params = constant(learned, learned.init(jax.random.key(0)))
    variables = tuned(learned, params, pairs.some(50))
    transducer = foley(config, VIDEO)
    assert set(variables) >= transducer.needs
    films = pairs.bank.frames_at(np.arange(100))
    sound = np.concatenate([*sonify(transducer, variables, [films], knobs.defaults())])
    assert float(integrated_loudness(sound, RATE)) == pytest.approx(lufs, abs=1)


def test_samples_are_made_louder_so_far_and_no_farther(learning):
    pairs, _, _ = learning
    config = replace(CONFIG, target=replace(CONFIG.target, kind="real"))
    learned = foley_of(config, target_of(config, VIDEO), pairs, 4.0, -23.0)
    params, some = learned.init(jax.random.key(0)), pairs.some(50)
    for lufs, gain_db in ((60.0, 30.0), (-90.0, -20.0)):
        variables = tuned(replace(learned, loudness_lufs=lufs), params, some)
        assert float(variables["gain_db"]) == gain_db


def test_levels_are_played_as_they_are(learning):
    pairs, learned, params = learning
    for lufs, gain_db in ((-23.0, 0.0), (-30.0, -7.0)):
        variables = tuned(replace(learned, loudness_lufs=lufs), params, pairs.some(50))
        assert float(variables["gain_db"]) == gain_db


def test_summaries_show_levels_and_play_sound(learning):
    pairs, learned, params = learning
    held = pairs.held(100, 2)
    variables = tuned(learned, params, held)
    shown = summaries_of(learned, foley(CONFIG, VIDEO), variables, held)
    (picture,) = shown.pictures.values()
    assert picture.shape == (16, 2 * len(held.films), 1) and picture.dtype == np.uint8
    sound, rate = shown.sounds["sound"]
    assert rate == RATE and len(sound) == min(100, len(held.films)) * PERIOD
    assert sound.any() and np.isfinite(sound).all()
