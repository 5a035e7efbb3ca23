import contextlib
import io
import json
import shutil
from dataclasses import replace
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from experiments import autoencoder
from experiments.autoencoder import (
    INNER,
    MISHEARD,
    PRESETS,
    Config,
    State,
    loss_fn,
    main,
    make_optimizer,
    train_step,
)
from tests.conftest import TINY_SYNTH, ended, make_dataset, untrained
from wyh import knobs, principal
from wyh.augment import AugmentConfig
from wyh.losses import uniformity
from wyh.metrics.pictures import gain_db
from wyh.models.autoencoder import as_picture, decode, encode
from wyh.models.listener import ListenerConfig
from wyh.natural import wave_strengths
from wyh.plain import from_plain
from wyh.runs import load_run, load_variables
from wyh.signal.levels import integrated_loudness
from wyh.specs import VideoSpec, as_rate
from wyh.training import FitOptions, FitResult
from wyh.transducers.kinds import listener_of, load_player
from wyh.transducers.listener import Listener
from wyh.transducers.loop import QUIET, heard_codes
from wyh.transducers.offline import sonify

WIDTHS = {"default": (4, 8, 8), "wyhiwys": (2, 2, 4, 4, 8)}


def tiny(preset, data=None, out=None, **changes):
    """A preset at reduced width: everything else, layers, loss and schedule, as it is."""
    config = PRESETS[preset]
    model = replace(config.sound.model, code_size=8, widths=WIDTHS[preset], hidden=16)
    return replace(
        config,
        **{
            "data": (data,) if data else (),
            "out": out,
            "sound": replace(config.sound, model=model, synth=TINY_SYNTH),
            "batch_size": 2 * INNER,
            "listener": ListenerConfig(width=4),
            "fit": FitOptions(steps=6, log_every=2, evaluate_every=3, save_every=3),
            **changes,
        },
    )


def moving_bars(count, size, seed=0):
    """Pictures that differ in a few ways, as footage does."""
    rng = np.random.default_rng(seed)
    place = np.cumsum(rng.normal(0, 1.5, count)) % size
    grey = 100 + 80 * np.sin(np.arange(count) / 7)
    across = np.arange(size)
    bar = np.abs((across - place[:, None] + size / 2) % size - size / 2) < size / 6
    frames = np.where(bar[:, None, :, None], 220, grey[:, None, None, None])
    frames = np.broadcast_to(frames, (count, size, size, 3)) + rng.normal(0, 4, 3)
    return np.clip(frames, 0, 255).astype(np.uint8)


encode_jit, decode_jit = (jax.jit(function, static_argnums=0) for function in (encode, decode))


@pytest.fixture(scope="module", autouse=True)
def quickly():
    """Compiling steps, each test its own, and finding the prior are nearly all of the time."""
    jax.config.update("jax_disable_most_optimizations", True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(principal, "PRIORS", principal.PRIORS[:2])
        yield
    jax.config.update("jax_disable_most_optimizations", False)


@pytest.fixture(scope="module")
def sets(tmp_path_factory):
    """Half of the default's footage is black, as where a film begins."""
    folder = tmp_path_factory.mktemp("sets")
    black = np.zeros((150, 16, 16, 3), np.uint8)
    films = {
        "default": np.concatenate([black, moving_bars(150, 16)]),
        "wyhiwys": moving_bars(60, 64),
    }
    return {name: make_dataset(folder / name, {"a.mp4": film}).path for name, film in films.items()}


def for_six_steps(sets, out, preset="default", **changes):
    changes = {"schedule": "constant", "frame_rate": "23.976"} | changes
    return tiny(preset, sets[preset], out, **changes)


@pytest.fixture(scope="module")
def trained(sets, tmp_path_factory):
    """A run of the default preset; and what the command wrote to stdout."""
    out = tmp_path_factory.mktemp("runs") / "run"
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        main(for_six_steps(sets, out))
    return load_run(out), said.getvalue()


def begun(config, size, seed=0):
    """A listener, and a state before training."""
    video = VideoSpec(as_rate(10), size, size)
    listener = Listener(config.sound, video, config.listener)
    trained = untrained(config.sound, video, seed)["params"], listener.init(jax.random.key(seed))
    return listener, State(jnp.int32(0), *trained, jax.jit(make_optimizer(config).init)(trained))


def films(count, size):
    return moving_bars(count * (INNER + 2), size).reshape(count, INNER + 2, size, size, 3)


def test_the_presets_are_the_seeds_and_ours():
    seed, ours = PRESETS["wyhiwys"], PRESETS["default"]
    assert (seed.batch_size, seed.learning_rate, seed.uniformity) == (64, 1e-3, 0.01)
    assert (seed.code_noise, seed.by_sound, seed.augment) == (0, False, AugmentConfig(0, 0, 0))
    assert (seed.sound.loudness, seed.sound.model.smoothing) == ("linear", 7)
    assert all(config.preset == name for name, config in PRESETS.items())
    assert ours == Config() and ours.by_sound


@pytest.mark.soak
def test_the_seeds_loss_is_of_pictures_decoded_from_their_codes(key):
    config = tiny("wyhiwys", uniformity=0.3, code_noise=0.5)
    listener, state = begun(config, 64)
    shown = as_picture(films(2, 64))
    gradient = jax.jit(
        jax.value_and_grad(partial(loss_fn, listener=listener, config=config), has_aux=True)
    )
    (loss, parts), grads = gradient((state.params, state.listener), shown, key)
    inner = shown[:, 1:-1].reshape(-1, 64, 64, 3)
    code = encode_jit(listener.model, state.params, inner)
    # The noise reaches the decoder, and nothing else.
    noise = 0.5 * jax.random.normal(jax.random.split(key)[1], code.shape)
    decoded = decode_jit(listener.model, state.params, code + noise)
    mse, spread = np.mean((decoded - inner) ** 2), uniformity(code)
    assert parts["mse"] == pytest.approx(float(mse), rel=1e-5)
    assert parts["uniformity"] == pytest.approx(float(spread), rel=1e-5)
    assert parts["total"] == pytest.approx(float(mse + 0.3 * spread), rel=1e-5)
    assert loss == pytest.approx(float(parts["total"] + MISHEARD * parts["misheard"]), rel=1e-5)
    # How well the listener hears is nothing to the autoencoder.
    worse = jax.tree.map(lambda leaf: leaf + 1, state.listener)
    (_, other), apart = gradient((state.params, worse), shown, key)
    assert other["misheard"] > parts["misheard"] and other["total"] == parts["total"]
    assert_same(apart[0], grads[0])
    assert any(jnp.any(leaf != 0) for leaf in jax.tree.leaves(grads[1]))


def test_the_default_loss_is_of_pictures_heard(key):
    config = tiny("default", uniformity=0.0, room=QUIET)
    listener, state = begun(config, 16)
    shown = as_picture(films(2, 16))
    codes = encode_jit(listener.model, state.params, shown.reshape(-1, 16, 16, 3))
    codes = codes.reshape(2, INNER + 2, -1)
    heard = jax.jit(heard_codes, static_argnums=(0, 4))(
        listener, state.listener, codes, jax.random.split(key)[0], QUIET
    )
    assert heard.shape == (2 * INNER, 8)
    decoded = decode_jit(listener.model, state.params, heard)
    inner = shown[:, 1:-1].reshape(-1, 16, 16, 3)
    loss = jax.jit(partial(loss_fn, listener=listener, config=config))
    _, parts = loss((state.params, state.listener), shown, key)
    assert parts["total"] == pytest.approx(float(np.mean((decoded - inner) ** 2)), rel=1e-3)
    code = codes[:, 1:-1].reshape(-1, 8)
    assert parts["misheard"] == pytest.approx(float(np.mean((heard - code) ** 2)), rel=1e-3)


def test_steps_of_training_lessen_the_loss(key):
    """Without the penalty of the codes: all that moves the encoder is what is heard."""
    config = tiny(
        "default", uniformity=0.0, augment=AugmentConfig(0.05, 0.05, 0.05), schedule="constant"
    )
    config = replace(config, learning_rate=5e-3)
    listener, state = begun(config, 16)
    shown = films(2, 16)
    strengths = wave_strengths(shown.reshape(-1, *shown.shape[2:]) / np.float32(255))
    step = jax.jit(partial(train_step, strengths=strengths, listener=listener, config=config))
    before, losses = state, []
    for number in range(30):
        state, metrics = step(state, shown, jax.random.fold_in(key, number))
        losses.append({name: float(value) for name, value in metrics.items()})
    assert int(state.step) == 30
    after, metrics = step(state, np.full_like(shown, 77), key)  # footage that stands still
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves((after, metrics)))
    assert losses[0].keys() == {"mse", "misheard", "uniformity", "total"}
    values = [loss["total"] for loss in losses]
    assert np.mean(values[-5:]) < 0.9 * np.mean(values[:5])
    moved = jax.tree.map(lambda a, b: bool(jnp.any(a != b)), before[1:3], state[1:3])
    assert all(jax.tree.leaves(moved)), moved  # every parameter takes part


def figures_of(run):
    lines = (run.directory / "metrics.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines]


def assert_same(mine, other):
    for one, another in zip(jax.tree.leaves(mine), jax.tree.leaves(other), strict=True):
        np.testing.assert_array_equal(one, another)


def test_a_whole_training_leaves_a_run_that_says_what_it_is(trained):
    run, said = trained
    assert said == f"{run.directory}\n"
    assert (run.kind, run.preset) == ("autoencoder", "default")
    assert run.data["recordings"] == ["a.mp4"]
    assert from_plain(Config, run.config).sound == tiny("default").sound
    assert str(run.stream.video.frame_rate) == "24000/1001"
    figures = figures_of(run)
    assert [line["step"] for line in figures] == [2, 3, 4, 6]
    assert {"total", "val_heard_db", "val_gain_db", "val_ks", "val_dead"} <= figures[-1].keys()
    assert run.best_metric.name == "val_heard_db"
    # It begins as principal component analysis of footage that differs in a few ways.
    assert figures[1]["val_gain_db"] > 10


def test_what_was_trained_plays_at_the_level_asked_for_and_hears_itself(trained):
    run, _ = trained
    player = load_player(run)
    frames = np.concatenate([np.zeros((60, 16, 16, 3), np.uint8), moving_bars(60, 16)])
    sound = np.concatenate(
        list(sonify(player.transducer, player.variables, [frames], knobs.defaults()))
    )
    assert len(sound) == round(120 * 8000 * 1001 / 24000) and np.isfinite(sound).all()
    # The level is set by pictures of the whole footage, not of its beginning.
    assert integrated_loudness(jnp.asarray(sound), 8000) == pytest.approx(-23, abs=1.5)
    # At another volume too.
    listened = listener_of(player).pictures(player.variables, 0.3 * sound, 120)
    seen = np.asarray(as_picture(frames))
    assert gain_db(listened, seen, seen.mean(axis=0)) > 6


@pytest.mark.soak
def test_a_whole_training_of_wyhiwys_plays(sets, tmp_path):
    long = FitOptions(steps=16, log_every=4, evaluate_every=16, save_every=16)
    how = {"frame_rate": "10", "learning_rate": 0.02, "fit": long}
    main(for_six_steps(sets, tmp_path / "run", "wyhiwys", **how))
    run = load_run(tmp_path / "run")
    losses = [line["total"] for line in figures_of(run)]
    assert losses[-1] < 0.9 * losses[0]
    assert run.preset == "wyhiwys" and run.stream.video.frame_rate == 10
    assert run.best_metric.name == "val_gain_db"
    player = load_player(run)
    frames = [moving_bars(10, 64)]
    sound = np.concatenate(
        list(sonify(player.transducer, player.variables, frames, knobs.defaults()))
    )
    assert len(sound) == 8000 and np.sqrt(np.mean(sound**2)) > 0.01


def test_resuming_ends_where_it_would_have_ended(sets, trained, tmp_path):
    begun = for_six_steps(sets, tmp_path / "run")
    main(replace(begun, fit=replace(begun.fit, steps=3)))
    main(Config(out=tmp_path / "run", resume=True, fit=FitOptions(steps=6)))
    assert_same(
        load_variables(load_run(tmp_path / "run"), "latest"), load_variables(trained[0], "latest")
    )
    assert [line["step"] for line in figures_of(load_run(tmp_path / "run"))][-1] == 6


@pytest.fixture
def instead_of_training(monkeypatch):
    """What `main` would have given to `fit`: the state and all else."""
    given = {}

    def fit(state, **rest):
        given.update(rest, state=state)
        return FitResult(state, 0, 0.0, 0, 0.0)

    monkeypatch.setattr(autoencoder, "fit", fit)
    return given


def test_starting_from_the_parameters_of_another_run(sets, trained, tmp_path, instead_of_training):
    main(for_six_steps(sets, tmp_path / "run", init_from=trained[0].directory))
    assert_same(instead_of_training["state"].params, load_variables(trained[0])["params"])


@pytest.mark.parametrize("frames", [1])
def test_footage_that_stands_still(tmp_path, instead_of_training, frames):
    still = np.full((frames, 16, 16, 3), 77, np.uint8)
    data = make_dataset(tmp_path / "set", {"a.mp4": still}).path
    main(tiny("default", data, tmp_path / "run"))
    state = instead_of_training["state"]
    figures = instead_of_training["evaluate"](state)
    variables = instead_of_training["playable"](state)
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves((figures, variables)))
    batch = instead_of_training["batch_at"](0)
    assert batch.shape == (2, INNER + 2, 16, 16, 3) and (batch == 77).all()


def refused(capsys, *words):
    status, said, told = ended(capsys, main, Config, "train", *words, presets=PRESETS)
    assert (status, said, told.count("\n")) == (2, "", 1), told
    return told.removeprefix("train: ").strip()


def test_bad_options(sets, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    data = ["--data", sets["default"]]
    for words, message in [
        (["--preset", "huge"], "got the preset 'huge', wanted one of default, wyhiwys"),
        (["--batch-size", 0], "got batch_size 0, wanted 1 to 65536"),
        (["--loudness-lufs", 0], "got loudness_lufs 0, wanted -60 to -10"),
        (["--learning-rate", -1], "got learning_rate -1, wanted 0 to 1"),
        (["--learning-rate", "nan"], "got learning_rate nan, wanted 0 to 1"),
        (["--camera", 2], "got camera 2, wanted 0 to 1"),
        (["--unseen", -0.5], "got unseen -0.5, wanted 0 to 1"),
        (["--batch-size", 6], "got a batch_size of 6, wanted a multiple of 4"),
        (["--room.late-ms", -1], "got late_ms -1 ms, wanted 0 to 100 ms"),
        (["--listener.reach", 0], "got reach 0, wanted 1 to 31"),
        (["--steps", 0], "got steps 0, wanted 1 or more"),
        (["--model.strides", 3, 2, 2], "got strides (3, 2, 2), wanted 2 or 4 each"),
        (["--model.widths", 3], "wanted one or more, as many of each"),
        (["--synth.hop-length", 100], "wanted n_fft a multiple of hop_length"),
        ([*data, "--synth.high-hz", 99999], "wanted at most half the sample rate"),
        ([*data, "--model.code-size", 500], "wanted at most"),
        ([*data, "--frame-rate", "often"], "got the rate 'often'"),
        ([*data, "--frame-rate", 500], "got frame rate 500 Hz, wanted 1 to 240 Hz"),
        ([*data, "--preset", "wyhiwys"], "got pictures of 16x16, wanted both sides a multiple"),
        (["--data", "gone.mp4"], "gone.mp4"),
        (["--resume"], "got --resume, but there is no run under runs/"),
        (["--resume", "--out", "gone"], "gone is no run"),
        ([*data, "--init-from", "gone"], "gone is no run"),
    ]:
        assert message in refused(capsys, *words)
    assert list(tmp_path.iterdir()) == []  # no run is begun that cannot be trained


def test_bad_runs(sets, trained, tmp_path, capsys):
    run = shutil.copytree(trained[0].directory, tmp_path / "run")
    data = ["--data", sets["default"], "--out"]
    told = refused(capsys, *data, run)
    assert "holds a run: add --resume to go on, or choose another --out" in told
    told = refused(capsys, *data, tmp_path / "new", "--init-from", run)
    assert "run has other sizes: train it with this preset and --size" in told
    assert not (tmp_path / "new").exists()
    config = run / "config.json"
    config.write_text(config.read_text().replace('"kind": "autoencoder"', '"kind": "dbn"'))
    told = refused(capsys, "--resume", "--out", run)
    assert "is a run of dbn, wanted autoencoder: choose with --out" in told
