import contextlib
import io
import json
import shutil
import subprocess
from dataclasses import replace
from fractions import Fraction

import jax
import numpy as np
import pytest
import soundfile
from PIL import Image

from experiments import dbn
from experiments.dbn import PRESETS, Config, main
from tests.conftest import TINY_SYNTH, ended, make_dataset
from tests.report.talkies import RATE, VIDEO, pictures, sound, write_film
from wyh import knobs
from wyh.contrastive import RbmConfig
from wyh.errors import WyhError
from wyh.media.encode import MovieWriter
from wyh.models.dbn import DbnConfig
from wyh.plain import from_plain
from wyh.runs import load_run, load_variables
from wyh.specs import VideoSpec
from wyh.training import FitOptions, FitResult
from wyh.transducers.dbn import foley, target_of
from wyh.transducers.kinds import load_player
from wyh.transducers.offline import sonify

SECS = 12


@pytest.fixture(scope="module", autouse=True)
def quickly():
    """Compiling steps, each test its own, is nearly all of the time."""
    jax.config.update("jax_disable_most_optimizations", True)
    yield
    jax.config.update("jax_disable_most_optimizations", False)


@pytest.fixture(scope="module")
def film(tmp_path_factory):
    """Noise that is the louder the brighter the picture, which is of one grey."""
    return write_film(tmp_path_factory.mktemp("films") / "film.mkv", 10 * SECS)


def tiny(preset, data=None, out=None, **changes):
    """A preset at reduced sizes: its units, what it sees, its target and its synth as they are."""
    config = PRESETS[preset]
    whole = config.sound
    model = replace(whole.model, widths=(8, 6, 4)[: min(2, len(whole.model.widths))])
    target = replace(whole.target, n_fft=256, n_bands=min(whole.target.n_bands, 8))
    return replace(
        config,
        **{
            "data": (data,) if data else (),
            "out": out,
            "size": "16",
            "frame_rate": None,
            "sound": replace(whole, model=model, target=target, noise=TINY_SYNTH),
            "batch_size": 8,
            "pretrain": 1 if config.pretrain else 0,
            "reference_secs": 4.0,
            "fit": FitOptions(steps=6, log_every=1, evaluate_every=6, save_every=3),
            **changes,
        },
    )


def trained_by(config):
    """The run that a configuration leaves, and what the command wrote to stdout."""
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        main(config)
    return load_run(config.out), said.getvalue()


@pytest.fixture(scope="module")
def trained(film, tmp_path_factory):
    """A run of the default preset, trained for long enough to have learned something."""
    out = tmp_path_factory.mktemp("runs") / "run"
    long = FitOptions(steps=150, log_every=50, evaluate_every=50, save_every=150)
    return trained_by(tiny("default", film, out, learning_rate=1e-2, batch_size=32, fit=long))


def figures_of(run):
    lines = (run.directory / "metrics.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines]


def assert_same(mine, other):
    for one, another in zip(jax.tree.leaves(mine), jax.tree.leaves(other), strict=True):
        np.testing.assert_array_equal(one, another)


def played(run, count=20):
    player = load_player(run)
    frames = pictures(count, seed=5)[..., : run.stream.video.channels]
    parts = list(sonify(player.transducer, player.variables, [frames], knobs.defaults()))
    return np.concatenate(parts)


@pytest.mark.parametrize(
    ("preset", "widths", "kind", "size", "synth"),
    [
        ("basic", (1000,), "pcm", 735, "raw"),
        ("deep", (1000, 1000, 1000), "pcm", 735, "raw"),
        ("kungfury", (2000, 1500, 1000), "pcm", 735, "raw"),
        ("readme", (2048, 1000, 1000), "pcm", 735, "raw"),
        ("stft_a", (1024, 1024, 1024), "real", 513, "overlap"),
        ("stft_b", (2048, 2048, 2048), "real", 1025, "overlap"),
        ("stft_c", (2048, 2048, 2048), "magnitude", 1024, "overlap"),  # without the constant
        ("stft_d", (2048, 2048, 2048), "magnitude_phase", 2050, "overlap"),
        ("stft_e", (2048, 2048, 2048), "magnitude_phase", 2050, "overlap"),
    ],
)
def test_the_seeds_presets_have_its_sizes(preset, widths, kind, size, synth):
    config = PRESETS[preset]
    model, video = config.sound.model, VideoSpec(Fraction(30), 64, 64, 1)
    assert (config.size, config.grey, config.frame_rate) == ("64", True, "30")
    assert (model.inputs(video.shape), model.widths, model.units) == (4096, widths, "sigmoid")
    target = target_of(config.sound, video)
    assert (config.sound.target.kind, target.size) == (kind, size)
    assert config.sound.noise.sample_rate == (
        30720 if preset in "stft_b stft_c stft_d stft_e" else 22050
    )
    transducer = foley(config.sound, video)  # a synth can play it
    assert transducer.spec.audio.sample_rate == config.sound.noise.sample_rate
    assert config.sound.synth == synth


def test_the_presets_are_the_seeds_and_ours():
    assert PRESETS["default"] == Config()
    assert all(config.preset == name for name, config in PRESETS.items())
    by = {name: (config.pretrain > 0, config.pretrain_by) for name, config in PRESETS.items()}
    assert by.pop("default") == (False, "machines")
    assert by.pop("stft_e") == (True, "sound")
    assert set(by.values()) == {(True, "machines")}
    views = {name for name, config in PRESETS.items() if config.sound.model.view == "waves"}
    assert views == {"stft_e"}


def test_a_whole_training_learns_how_loud_pictures_are(trained):
    run, said = trained
    assert said == f"{run.directory}\n"
    assert (run.kind, run.preset) == ("dbn", "default")
    assert run.data["recordings"] == ["film.mkv"]
    assert from_plain(Config, run.config).sound == tiny("default").sound
    assert run.stream.video == VIDEO
    figures = figures_of(run)
    assert {"loss", "val_skill", "val_level_db"} <= figures[-1].keys()
    assert run.best_metric.name == "val_skill"
    assert figures[-1]["val_skill"] > 0.2 and figures[-1]["val_level_db"] < 8


def test_what_was_trained_is_heard_where_it_is_bright(trained):
    player = load_player(trained[0])
    light = np.where(np.arange(40) < 20, 40, 240).astype(np.uint8)
    frames = np.broadcast_to(light[:, None, None, None], (40, 16, 16, 3)).copy()
    turned = knobs.defaults()
    heard = np.concatenate([*sonify(player.transducer, player.variables, [frames], turned)])
    assert len(heard) == 4 * RATE and np.isfinite(heard).all()
    dark, bright = (np.sqrt(np.mean(heard[a:b] ** 2)) for a, b in [(4000, 14000), (18000, 30000)])
    assert 20 * np.log10(bright / dark) > 6


@pytest.mark.parametrize("preset", ["basic", "stft_d", "stft_e"])
def test_the_seeds_networks_train_and_play(film, tmp_path, preset):
    config = tiny(preset, film, tmp_path / "run")
    run, _ = trained_by(config)
    figures = figures_of(run)
    layers = len(config.sound.model.widths)
    assert [line["step"] for line in figures] == [1, 2, 3, 4, 5, 6]
    first = [set(line) - {"step", "secs"} for line in figures[:layers]]
    wanted = "loss" if preset == "stft_e" else "reconstruction"
    assert all(any(wanted in name for name in names) for names in first), first
    assert "loss" in figures[-1] and np.isfinite(figures[-1]["val_skill"])
    assert run.stream.video.channels == 1
    heard = played(run)
    assert len(heard) == 2 * RATE and 0 < np.abs(heard).max() <= 1


def test_predictions_fed_back_train_and_play(film, tmp_path):
    config = tiny("default", film, tmp_path / "run")
    model = replace(config.sound.model, context_sound=1)
    run, _ = trained_by(replace(config, sound=replace(config.sound, model=model)))
    params = load_variables(run)["params"]
    assert params["layer_0"]["kernel"].shape[0] == model.inputs((16, 16, 3)) + 8
    assert np.isfinite(figures_of(run)[-1]["val_skill"])
    assert np.abs(played(run)).max() > 0


def test_resuming_ends_where_it_would_have_ended(film, tmp_path):
    """Stopped between the machines of the layers and the network as a whole, too."""
    whole = tiny("basic", film, tmp_path / "whole", schedule="constant", pretrain=3)
    main(replace(whole, rbm=RbmConfig(persistent=True, momentum=0.5)))
    part = replace(whole, out=tmp_path / "part", rbm=RbmConfig(persistent=True, momentum=0.5))
    for steps in (4, 6):
        again = FitOptions(steps=steps, log_every=1, evaluate_every=6, save_every=2)
        config = (
            replace(part, fit=again) if steps == 4 else Config(out=part.out, resume=True, fit=again)
        )
        main(config)
    ended_at = [load_variables(load_run(run), "latest") for run in (whole.out, part.out)]
    assert_same(*ended_at)
    assert figures_of(load_run(part.out))[-1]["step"] == 6
