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
    PRESETS,
    Config,
    State,
    decode_jit,
    encode_jit,
    loss_fn,
    main,
    make_model,
    make_optimizer,
    playable,
    train_step,
)
from tests.conftest import TINY_SYNTH, make_dataset, untrained
from wyh import cli, knobs
from wyh.losses import uniformity
from wyh.models.autoencoder import as_picture
from wyh.plain import from_plain
from wyh.runs import load_run, load_variables
from wyh.signal.levels import integrated_loudness
from wyh.specs import VideoSpec, as_rate
from wyh.synths.noise import NoiseSynth
from wyh.training import FitOptions
from wyh.transducers.kinds import load_player
from wyh.transducers.offline import sonify

SIZES = {"default": 16, "wyhiwys": 64}
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
            "batch_size": 8,
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


@pytest.fixture(scope="module")
def sets(tmp_path_factory):
    """Half of the default's footage is black, as where a film begins."""
    folder = tmp_path_factory.mktemp("sets")
    black = np.zeros((300, 16, 16, 3), np.uint8)
    films = {
        "default": np.concatenate([black, moving_bars(300, 16)]),
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
    model = make_model(config, VideoSpec(as_rate(10), size, size))
    params = untrained(config.sound, VideoSpec(as_rate(10), size, size), seed)["params"]
    return model, State(jnp.int32(0), params, jax.jit(make_optimizer(config).init)(params))


def test_the_presets_are_the_seeds_and_ours():
    seed, ours = PRESETS["wyhiwys"], PRESETS["default"]
    assert (seed.batch_size, seed.learning_rate, seed.uniformity) == (64, 1e-3, 0.01)
    assert (seed.code_noise, seed.camera, seed.light) == (0, 0, 0)
    assert (seed.sound.loudness, seed.sound.model.smoothing) == ("linear", 7)
    assert all(config.preset == name for name, config in PRESETS.items())
    assert ours == Config()


def test_the_loss_is_mse_and_weighted_uniformity(rng, key):
    config = tiny("wyhiwys", uniformity=0.3)
    model, state = begun(config, 64)
    pictures = jnp.asarray(rng.random((8, 64, 64, 3)), jnp.float32)
    loss = jax.jit(partial(loss_fn, model=model, config=config))
    total, parts = loss(state.params, pictures, key)
    code = encode_jit(model, state.params, pictures)
    mse = np.mean((np.asarray(decode_jit(model, state.params, code)) - pictures) ** 2)
    assert parts["mse"] == pytest.approx(float(mse), rel=1e-5)
    assert parts["uniformity"] == pytest.approx(float(uniformity(code)), rel=1e-5)
    assert total == parts["total"] == pytest.approx(float(mse + 0.3 * uniformity(code)), rel=1e-5)


def test_noise_on_the_code_reaches_the_decoder_only(rng, key):
    config = tiny("default")
    model, state = begun(config, 16)
    pictures = jnp.asarray(rng.random((8, 16, 16, 3)), jnp.float32)
    noisy, clean = (
        jax.jit(partial(loss_fn, model=model, config=replace(config, code_noise=noise)))(
            state.params, pictures, key
        )[1]
        for noise in (0.5, 0.0)
    )
    assert noisy["uniformity"] == clean["uniformity"]
    assert noisy["mse"] != clean["mse"]


@pytest.mark.parametrize("preset", PRESETS)
def test_steps_of_training_lessen_the_loss(preset, key):
    config = tiny(preset, camera=0.05, light=0.05, schedule="constant")
    config = replace(config, learning_rate=5e-3)
    model, state = begun(config, SIZES[preset])
    step = jax.jit(partial(train_step, model=model, config=config))
    frames = jnp.asarray(moving_bars(8, SIZES[preset]))
    before, losses = state.params, []
    for number in range(30):
        state, metrics = step(state, frames, jax.random.fold_in(key, number))
        losses.append(float(metrics["total"]))
    assert int(state.step) == 30
    assert set(metrics) == {"mse", "uniformity", "total"}
    assert np.mean(losses[-5:]) < 0.9 * np.mean(losses[:5])
    moved = jax.tree.map(lambda a, b: bool(jnp.any(a != b)), before, state.params)
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
    assert {"total", "val_gain_db", "val_ks", "val_dead"} <= figures[-1].keys()
    # It begins as principal component analysis of footage that differs in a few ways.
    assert figures[1]["val_gain_db"] > 10


def test_what_was_trained_plays_at_the_level_asked_for(trained):
    run, _ = trained
    player = load_player(run)
    frames = np.concatenate([np.zeros((60, 16, 16, 3), np.uint8), moving_bars(60, 16)])
    sound = np.concatenate(
        list(sonify(player.transducer, player.variables, [frames], knobs.defaults()))
    )
    assert len(sound) == round(120 * 8000 * 1001 / 24000) and np.isfinite(sound).all()
    # The level is set by pictures of the whole footage, not of its beginning.
    assert integrated_loudness(jnp.asarray(sound), 8000) == pytest.approx(-23, abs=1.5)


def test_a_whole_training_of_wyhiwys_plays(sets, tmp_path):
    main(for_six_steps(sets, tmp_path / "run", "wyhiwys", frame_rate="10"))
    run = load_run(tmp_path / "run")
    assert run.preset == "wyhiwys" and run.stream.video.frame_rate == 10
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


def test_starting_from_the_parameters_of_another_run(sets, trained, tmp_path):
    source = trained[0].directory
    main(for_six_steps(sets, tmp_path / "run", init_from=source, learning_rate=0.0))
    found = load_variables(load_run(tmp_path / "run"))["params"]
    assert_same(found, load_variables(trained[0])["params"])


def test_one_step_on_footage_that_stands_still(tmp_path, capsys):
    still = np.full((30, 16, 16, 3), 77, np.uint8)
    data = make_dataset(tmp_path / "set", {"a.mp4": still}).path
    main(tiny("default", data, tmp_path / "run", fit=FitOptions(steps=1)))
    assert np.isfinite(load_variables(load_run(tmp_path / "run"))["gain_db"])
    assert "best val_gain_db" in capsys.readouterr().err


def test_what_is_played_is_as_loud_as_asked(rng):
    config = tiny("default", loudness_lufs=-30.0)
    model, state = begun(config, 16)
    frames = moving_bars(50, 16)
    variables = playable(state, frames, model, config)
    code = encode_jit(model, state.params, as_picture(frames))
    level = NoiseSynth(TINY_SYNTH, 8).loudness(autoencoder.amplitudes(code, config.sound))
    assert level + variables["gain_db"] == pytest.approx(-30, abs=1e-3)


def refused(capsys, *words):
    with pytest.raises(SystemExit) as stop:
        cli.run(main, Config, "train", PRESETS, list(map(str, words)))
    said = capsys.readouterr()
    assert (stop.value.code, said.out) == (2, "")
    assert said.err.count("\n") == 1, said.err
    return said.err.removeprefix("train: ").strip()


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
