import contextlib
import io
import json
import shutil
from dataclasses import replace
from functools import partial
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import soundfile
from PIL import Image

from experiments import synesthesia
from experiments.synesthesia import (
    PRESETS,
    Batch,
    Config,
    State,
    Weights,
    main,
    make_optimizer,
    train_step,
)
from tests.conftest import ended
from tests.visual import TINY_VISUAL
from wyh import knobs
from wyh.errors import WyhError
from wyh.models.critic import init_critic
from wyh.models.wave_decoder import WaveConfig
from wyh.painting import Painting, figures_of, given_by
from wyh.runs import load_run, load_variables, save_variables
from wyh.signal.features import FeatureConfig
from wyh.sound_augment import NO_AUGMENT
from wyh.specs import as_rate
from wyh.training import FitOptions, FitResult
from wyh.transducers.kinds import load_player
from wyh.transducers.offline import visualize

pytestmark = pytest.mark.usefixtures("quickly")

TINY_WAVE = WaveConfig(hidden=8, atoms=8)


def tiny(data=(), out=None, preset="default", **changes):
    """A preset with tiny networks: losses, views and schedule as they are."""
    return replace(
        PRESETS[preset],
        **{
            "data": tuple(data),
            "out": out,
            "visual": TINY_VISUAL,
            "wave": TINY_WAVE,
            "batch_size": 4,
            "fit": FitOptions(steps=6, log_every=2, evaluate_every=3, save_every=3),
            **changes,
        },
    )


def music(secs=12.0, seed=0):
    """Tones of changing height and loudness."""
    rng = np.random.default_rng(seed)
    count = round(secs * 4)
    hertz = np.repeat(rng.choice([200, 300, 450, 700, 1100, 1700], count), 2000)
    loud = np.repeat(10 ** rng.uniform(-2, -0.5, count), 2000)
    return loud * np.sin(2 * np.pi * np.cumsum(hertz) / 8000)


@pytest.fixture(scope="module")
def song(tmp_path_factory):
    path = tmp_path_factory.mktemp("songs") / "song.wav"
    soundfile.write(path, music(), 8000)
    return path


@pytest.fixture(scope="module")
def trained(song, tmp_path_factory):
    """A run; and what the command wrote to standard output."""
    out = tmp_path_factory.mktemp("runs") / "run"
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        main(tiny([song], out, weights=Weights(wave=1.0)))
    return load_run(out), said.getvalue()


def begun(config, *extra):
    """A painting, what it is given, a state before training, and a batch."""
    painting = Painting(config.visual, as_rate(config.frame_rate), config.time, config.wave)
    sound = music().astype(np.float32)
    rng = np.random.default_rng(1)
    starts = rng.integers(0, len(sound) - painting.samples, 64)
    stretches = sound[starts[:, None] + np.arange(painting.samples)]
    given = given_by(painting, stretches)
    params = jax.jit(painting.model.init)(jax.random.key(0))
    for name, make in extra:
        params[name] = make(painting)
    state = State(jnp.int32(0), params, jax.jit(make_optimizer(config).init)(params))
    return painting, given, state, stretches


def steps(config, painting, given, state, batch, count):
    step = jax.jit(partial(train_step, painting=painting, given=given, config=config))
    for number in range(count):
        state, figures = step(state, batch, jax.random.key(number))
    return state, figures


def test_the_presets_are_the_seeds_and_ours():
    seed, ours = PRESETS["synesthesia"], PRESETS["default"]
    assert ours == Config() and all(c.preset == name for name, c in PRESETS.items())
    assert seed.visual.features.size == 41 and seed.visual.features.cepstra == 40
    assert (seed.weights.sound, seed.weights.base, seed.weights.tolerance) == (1, 0.5, 0.2)
    assert seed.learning_rate == 1e-4 and seed.batch_size * seed.time == 32
    assert seed.view.crop == 0.9 and seed.augment == NO_AUGMENT


def test_training_makes_pictures_tell_their_sound():
    config = tiny(learning_rate=1e-2, schedule="constant", augment=NO_AUGMENT)
    painting, given, state, stretches = begun(config)
    before = figures_of(painting, given, state.params, stretches)
    batch = Batch(np.rint(stretches[:16] * 32767).astype(np.int16), None)
    after, figures = steps(config, painting, given, state, batch, 60)
    assert all(np.isfinite(value) for value in figures.values())
    now = figures_of(painting, given, after.params, stretches)
    assert now["val_r2"] > max(0.2, before["val_r2"] + 0.2)
    moved = jax.tree.map(lambda a, b: bool((a != b).any()), state.params, after.params)
    still = {
        jax.tree_util.keystr(path) for path, did in jax.tree.leaves_with_path(moved) if not did
    }
    assert still == {"['generator']['palette']"}  # colours are chosen, not learned


@pytest.mark.soak
def test_each_weight_leaves_its_loss_out():
    config = tiny(weights=Weights(sound=0, base=0, noise=0, hues=0, flat=0, brightness=0, change=0))
    painting, given, state, stretches = begun(config)
    batch = Batch(np.rint(stretches[:4] * 32767).astype(np.int16), None)
    after, figures = steps(config, painting, given, state, batch, 1)
    assert figures["total"] == 0 and figures["sound"] > 0
    assert all(
        jax.tree.leaves(jax.tree.map(lambda a, b: (a == b).all(), state.params, after.params))
    )


@pytest.mark.soak
def test_a_critic_and_waveforms_are_trained_beside():
    config = tiny(
        weights=Weights(wave=1.0, critic=0.1), style=(Path("likes"),), learning_rate=1e-3, time=4
    )
    painting, given, state, stretches = begun(
        config,
        ("wave", lambda painting: painting.wave.init(jax.random.key(1))),
        ("critic", lambda painting: init_critic(jax.random.key(2), 16, 16)),
    )
    liked = np.random.default_rng(0).integers(0, 255, (4, 16, 16, 3), np.uint8)
    batch = Batch(np.rint(stretches[:4] * 32767).astype(np.int16), liked)
    after, figures = steps(config, painting, given, state, batch, 2)
    assert np.isfinite(figures["critic"]) and np.isfinite(figures["wave"])
    for part in ("wave", "critic"):
        moved = jax.tree.map(lambda a, b: (a != b).any(), state.params[part], after.params[part])
        assert any(jax.tree.leaves(moved))


def test_a_run_plays_and_says_what_it_is(trained, song):
    run, said = trained
    assert said.splitlines()[-1] == str(run.directory)
    assert run.kind == "synesthesia" and run.config["data"] == [str(song)]
    assert run.stream.direction == "hear-see" and run.best_metric.name == "val_r2"
    lines = [
        json.loads(line) for line in (run.directory / "metrics.jsonl").read_text().split("\n")[:-1]
    ]
    assert {"sound", "base", "wave", "total"} <= lines[-1].keys() and lines[-1]["step"] == 6
    variables = load_variables(run)
    assert variables["params"].keys() == {"generator", "decoder", "wave"}
    player = load_player(run)
    blocks = visualize(
        player.transducer, player.variables, [music(2.0).astype(np.float32)], knobs.defaults()
    )
    pictures = np.concatenate(list(blocks))
    assert pictures.shape == (48, 512, 512, 3) and pictures.std() > 5


def test_a_resumed_run_ends_where_a_whole_one_does(song, tmp_path):
    half = FitOptions(steps=3, log_every=2, evaluate_every=3, save_every=3)
    config = tiny([song], tmp_path / "run", weights=Weights(wave=1.0), schedule="constant")
    constant = tiny([song], tmp_path / "whole", weights=Weights(wave=1.0), schedule="constant")
    view = replace(config.view, crop=1.0)  # crops depend on the number of steps
    main(replace(constant, view=view))
    main(replace(config, view=view, fit=half))
    main(replace(config, view=view, resume=True))
    a, b = (load_variables(load_run(tmp_path / name), "latest") for name in ("run", "whole"))
    same = jax.tree.map(lambda x, y: np.asarray(x).tobytes() == np.asarray(y).tobytes(), a, b)
    assert all(jax.tree.leaves(same))


@pytest.mark.soak
def test_pictures_somebody_likes_give_palette_and_bases(song, tmp_path):
    likes = tmp_path / "likes"
    likes.mkdir()
    rng = np.random.default_rng(0)
    for number, colour in enumerate(2 * ((220, 30, 30), (20, 60, 200))):
        pixels = np.clip(rng.normal(colour, 12, (32, 32, 3)), 0, 255).astype(np.uint8)
        Image.fromarray(pixels).save(likes / f"{number}.png")
    main(tiny([song], tmp_path / "run", style=(likes,), weights=Weights(critic=0.1)))
    variables = load_variables(load_run(tmp_path / "run"))
    palette = variables["params"]["generator"]["palette"]
    assert sorted(int(np.argmax(colour)) for colour in palette) == [0, 2]
    assert variables["bases"].shape == (3, 8, 8, 3)  # of four photos, one is held out
    assert "critic" not in variables["params"]


@pytest.mark.soak
@pytest.mark.parametrize("kind", ["fft", "raw"])
def test_other_features_are_trained_with_too(song, tmp_path, kind):
    features = FeatureConfig(
        kind, sample_rate=8000, win_length=64, hop_length=32, n_fft=64, energy=kind == "fft"
    )
    main(tiny([song], tmp_path / "run", visual=replace(TINY_VISUAL, features=features)))
    player = load_player(load_run(tmp_path / "run"))
    assert player.variables["mean"].shape == (features.size,)


@pytest.mark.parametrize("wave", [0.0, 1.0])
def test_starting_from_a_run_with_waveforms_or_without(trained, song, tmp_path, wave, monkeypatch):
    """Parts that a run has take on its parameters, parts that it has not are new."""
    begun = []

    def no_training(state, **rest):
        begun.append(state.params)
        return FitResult(state, 0, 0.0, 0, 0.0)

    monkeypatch.setattr(synesthesia, "fit", no_training)
    source = trained[0]
    if wave:  # one without: what it has of waveforms is taken away
        source = load_run(shutil.copytree(source.directory, tmp_path / "source"))
        variables = load_variables(source)
        del variables["params"]["wave"]
        save_variables(source, variables, "variables")
    weights = Weights(wave=wave)
    main(tiny([song], tmp_path / "run", weights=weights, init_from=source.directory))
    known = load_variables(source)["params"]
    assert begun[0].keys() == {"generator", "decoder"} | ({"wave"} if wave else set())
    for part in ("generator", "decoder"):
        jax.tree.map(np.testing.assert_array_equal, begun[0][part], known[part])
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(begun[0]))


def test_starting_from_a_run_of_other_sizes(trained, song, tmp_path):
    other = {"wave": replace(TINY_WAVE, hidden=9), "weights": Weights(wave=1.0)}
    for changes in (other, {"visual": replace(TINY_VISUAL, height=32)}):
        with pytest.raises(WyhError, match="run has other sizes: train it with this preset"):
            main(tiny([song], tmp_path / "new", init_from=trained[0].directory, **changes))
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("pace", 0, "got weights.pace 0, wanted 0.0001 to 1000"),
        ("pace", -0.1, "got weights.pace -0.1, wanted 0.0001 to 1000"),
        ("sound", -1, "got weights.sound -1, wanted 0 to 1000"),
        ("tolerance", "nan", "got weights.tolerance nan, wanted 0 to 1000"),
        ("wave", "inf", "got weights.wave inf, wanted 0 to 1000"),
    ],
)
def test_weights_out_of_range(capsys, option, value, message):
    words = (f"--weights.{option}", value)
    assert ended(capsys, main, Config, "synesthesia", *words, presets=PRESETS) == (
        2,
        "",
        f"synesthesia: {message}\n",
    )


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"weights": Weights(critic=1.0)}, "got --weights.critic without --style: name pictures"),
        ({"time": 1}, "got time 1, wanted 2 to 16"),
        ({"frame_rate": "often"}, "got the rate 'often', wanted a number"),
    ],
)
def test_what_cannot_be_trained_is_told(song, tmp_path, changes, message):
    with pytest.raises(WyhError, match=message):
        main(tiny([song], tmp_path / "run", **changes))
    assert not (tmp_path / "run").exists()
