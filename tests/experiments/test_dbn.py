import contextlib
import io
import json
import shutil
from dataclasses import replace
from fractions import Fraction

import jax
import numpy as np
import pytest
from PIL import Image

from experiments import dbn
from experiments.dbn import PRESETS, Config, main
from tests.conftest import TINY_SYNTH, ended, make_dataset
from tests.media.clips import run_ffmpeg
from tests.report.talkies import RATE, VIDEO, pictures, write_film
from wyh import knobs
from wyh.cli import parse
from wyh.plain import from_plain, to_plain
from wyh.runs import load_run, load_variables
from wyh.specs import VideoSpec
from wyh.training import FitOptions, FitResult
from wyh.transducers.dbn import foley, target_of
from wyh.transducers.kinds import load_player
from wyh.transducers.offline import sonify

pytestmark = pytest.mark.usefixtures("quickly")

SECS = 40


@pytest.fixture(scope="module")
def film(tmp_path_factory):
    """Noise that is the louder the brighter the picture, which is of one grey."""
    return write_film(tmp_path_factory.mktemp("films") / "film.mkv", 10 * SECS)


def tiny(preset, data=None, out=None, **changes):
    """A preset at reduced sizes: its units, what it sees, its target and its synth as they are."""
    config = PRESETS[preset]
    whole = config.sound
    model = replace(whole.model, widths=(16, 16)[: len(whole.model.widths)])
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
    long = FitOptions(steps=60, log_every=30, evaluate_every=30, save_every=60)
    return trained_by(tiny("default", film, out, learning_rate=1e-2, batch_size=32, fit=long))


def figures_of(run):
    lines = (run.directory / "metrics.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines]


def assert_same(mine, other):
    for one, another in zip(jax.tree.leaves(mine), jax.tree.leaves(other), strict=True):
        np.testing.assert_array_equal(one, another)


def plays(run, count=20):
    """Make sure that there is something to hear."""
    player = load_player(run)
    frames = pictures(count, seed=5)[..., : run.stream.video.channels]
    parts = list(sonify(player.transducer, player.variables, [frames], knobs.defaults()))
    heard = np.concatenate(parts)
    assert len(heard) == count * RATE // 10 and 0 < np.abs(heard).max() <= 1


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
    assert figures[-1]["val_skill"] > 0.5 and figures[-1]["val_level_db"] < 3


def test_what_was_trained_is_heard_where_it_is_bright(trained):
    player = load_player(trained[0])
    light = np.where(np.arange(40) < 20, 40, 240).astype(np.uint8)
    frames = np.broadcast_to(light[:, None, None, None], (40, 16, 16, 3)).copy()
    turned = knobs.defaults()
    heard = np.concatenate([*sonify(player.transducer, player.variables, [frames], turned)])
    assert len(heard) == 4 * RATE and np.isfinite(heard).all()
    dark, bright = (np.sqrt(np.mean(heard[a:b] ** 2)) for a, b in [(4000, 14000), (18000, 30000)])
    assert 20 * np.log10(bright / dark) > 6


@pytest.fixture(scope="module")
def basic(film, tmp_path_factory):
    """A run of a seed's network, pretrained by a machine."""
    out = tmp_path_factory.mktemp("runs") / "basic"
    return trained_by(tiny("basic", film, out, schedule="constant", pretrain=3))[0]


def test_a_network_pretrained_by_machines_predicts_samples(basic):
    figures = figures_of(basic)
    assert [line["step"] for line in figures] == [1, 2, 3, 4, 5, 6]
    assert ["reconstruction_error" in line for line in figures] == 3 * [True] + 3 * [False]
    assert "loss" in figures[-1] and np.isfinite(figures[-1]["val_skill"])
    assert "val_level_db" not in figures[-1]  # it predicts no levels
    assert load_variables(basic)["params"]["out"]["bias"].shape == (800,)
    plays(basic)


@pytest.mark.parametrize("preset", ["stft_d", "stft_e"])
def test_networks_that_predict_phases(film, tmp_path, preset):
    """Either pretrained by the sound, or not at all."""
    by = {"stft_d": 0, "stft_e": 2}[preset]
    run, _ = trained_by(tiny(preset, film, tmp_path / "run", pretrain=by))
    figures = figures_of(run)
    assert all("loss" in line for line in figures) and np.isfinite(figures[-1]["val_skill"])
    assert load_variables(run)["params"]["out"]["bias"].shape == (2 * 129,)
    plays(run)


def test_predictions_fed_back_train_and_play(film, tmp_path):
    config = tiny("default", film, tmp_path / "run")
    model = replace(config.sound.model, context_sound=1)
    run, _ = trained_by(replace(config, sound=replace(config.sound, model=model)))
    params = load_variables(run)["params"]
    assert params["layer_0"]["kernel"].shape[0] == model.inputs((16, 16, 3)) + 8
    assert np.isfinite(figures_of(run)[-1]["val_skill"])
    plays(run)


def test_resuming_ends_where_it_would_have_ended(film, basic, tmp_path):
    """From among the steps in which a layer is trained by itself."""
    part = tmp_path / "part"
    config = tiny("basic", film, part, schedule="constant", pretrain=3)
    main(replace(config, fit=replace(config.fit, steps=4, save_every=2)))
    shutil.rmtree(part / "checkpoints" / "4")
    main(Config(out=part, resume=True, fit=FitOptions(steps=6)))
    assert_same(*(load_variables(load_run(run), "latest") for run in (part, basic.directory)))
    assert figures_of(load_run(part))[-1]["step"] == 6


@pytest.fixture
def instead_of_training(monkeypatch):
    """What `main` would have given to `fit`: the state and all else."""
    given = {}

    def fit(state, **rest):
        given.update(rest, state=state)
        return FitResult(state, 0, 0.0, 0, 0.0)

    monkeypatch.setattr(dbn, "fit", fit)
    return given


def test_starting_from_the_parameters_of_another_run(film, trained, tmp_path, instead_of_training):
    main(tiny("default", film, tmp_path / "run", init_from=trained[0].directory))
    assert_same(instead_of_training["state"].params, load_variables(trained[0])["params"])


def test_what_is_learned_from(film, tmp_path, instead_of_training):
    """Sequences as long as predictions are fed back; black and white pictures among them."""
    config = tiny("default", film, tmp_path / "run", silence_anchors=400.0)
    model = replace(config.sound.model, context_sound=2)
    main(replace(config, sound=replace(config.sound, model=model)))
    pairs = instead_of_training["batch_at"](0)
    assert pairs.films.shape == (8 // 4, model.reach + 2 + 4, 16, 16, 3)
    assert pairs.sound.shape == (8 // 4, 2 + 4, 256)
    plain = [
        {int(film.flat[0]) for film, heard in zip(*pairs, strict=True) if not heard.any()}
        for pairs in map(instead_of_training["batch_at"], range(20))
    ]
    assert set.union(*plain) == {0, 255}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--preset huge", "got the preset 'huge', wanted one of default, basic, deep, kungfury"),
        ("--loudness-lufs 0", "got loudness_lufs 0, wanted -60 to -10"),
        ("--silence-anchors -1", "got silence_anchors -1 s, wanted 0 to 3600 s"),
        ("--reference-secs 1", "got reference_secs 1 s, wanted 2 to 3600 s"),
        ("--batch-size 0", "got batch_size 0, wanted 1 to 65536"),
        ("--learning-rate 2", "got learning_rate 2, wanted 0 to 1"),
        ("--pretrain -1", "got pretrain -1, wanted 0 to 1e+06"),
        (
            "--pretrain 9",
            "got --pretrain 9 with relu units, wanted sigmoid, which a Boltzmann machine's are: "
            "add --model.units sigmoid",
        ),
        (
            "--pretrain 9 --model.units sigmoid --rbm.visible bernoulli",
            "got --rbm.visible bernoulli, wanted gaussian, as inputs are standardised",
        ),
        (
            "--preset basic --rbm.visible gaussian",
            "got --rbm.visible gaussian, wanted bernoulli, as inputs are not standardised",
        ),
        (
            "--preset basic --model.context-sound 1",
            "got --pretrain 200 with 1 predictions fed back, wanted one of the two: a layer by "
            "itself predicts nothing to feed back",
        ),
        (
            "--preset basic --init-from gone",
            "got --init-from with --pretrain 200, which begins layers anew: add --pretrain 0",
        ),
        (
            "--preset deep --steps 600",
            "got --pretrain 200 for 3 layers and 600 steps in all, wanted more steps than these",
        ),
        ("--steps 0", "got steps 0, wanted 1 or more"),
        ("--rbm.cd-k 0", "got cd_k 0, wanted 1 to 100"),
        ("--model.widths 0", "got a hidden layer's width 0, wanted 1 to 65536"),
        ("--target.n-fft 255", "got n_fft 255, wanted an even number"),
        ("--noise.hop-length 100", "wanted n_fft a multiple of hop_length"),
        ("--data gone.mp4", "gone.mp4"),
        ("--resume", "got --resume, but there is no run under runs/"),
        ("--resume --out gone", "gone is no run"),
    ],
)
def test_bad_options(tmp_path, capsys, monkeypatch, words, message):
    monkeypatch.chdir(tmp_path)
    assert message in refused(capsys, *words.split())
    assert list(tmp_path.iterdir()) == []


def refused(capsys, *words):
    """The last line of stderr; before it are only those of preparing data."""
    status, said, told = ended(capsys, main, Config, "train", *words, presets=PRESETS)
    lines = told.splitlines()
    assert (status, said) == (2, "") and lines[-1].startswith("train: "), told
    assert not any("train:" in line or "Traceback" in line for line in lines[:-1]), told
    return lines[-1].removeprefix("train: ")


@pytest.fixture
def why(tmp_path, capsys, monkeypatch):
    """Why there can be no training on some data; no run is begun."""
    monkeypatch.chdir(tmp_path)
    quick = ["--size", 16, "--noise.sample-rate", RATE, "--noise.high-hz", 3500]

    def told(*data, **options):
        words = [word for name, value in options.items() for word in (f"--{name}", value)]
        line = refused(capsys, "--data", *data, *quick, *words)
        assert not (tmp_path / "runs").exists()
        return line

    return told


def test_films_without_sound(tmp_path, why):
    mute = tmp_path / "mute.mkv"
    run_ffmpeg("-f", "lavfi", "-i", "testsrc2=size=64x48:rate=10:duration=2", str(mute))
    assert why(mute) == "mute.mkv has no sound to learn from, give films with sound"


def test_silent_films(tmp_path, why):
    silent = write_film(tmp_path / "silent.mkv", 30, heard=np.zeros(3 * RATE, np.float32))
    told = why(silent)
    assert "has no sound to learn from: silent.mkv is silent; give films with sound" in told


def test_photos_alone(tmp_path, why):
    Image.new("RGB", (32, 32)).save(tmp_path / "photo.png")
    photo = tmp_path / "photo.png"
    assert why(photo) == f"{photo}: got photos, wanted pictures with sound: give films"


def test_films_too_short(tmp_path, why):
    short = write_film(tmp_path / "short.mkv", 3)
    told = why(short, **{"model.context-sound": 2})
    assert "no 1.4 s of pictures and sound in a row to learn from: give longer films" in told


@pytest.mark.parametrize(
    ("options", "there", "asked"),
    [
        ({"noise.sample-rate": 11025}, "--sample-rate 8000", "--sample-rate 11025"),
        ({"size": "32x16"}, "--size 16x16", "--size 32x16"),
        ({"frame-rate": 30}, "--frame-rate 10", "--frame-rate 30"),
        (
            {"preset": "basic", "frame-rate": 10, "noise.low-hz": 60},
            "--channels 3",
            "--channels 1",
        ),
    ],
)
def test_a_data_set_of_other_sizes_or_rates(tmp_path, why, options, there, asked):
    data = make_dataset(tmp_path / "set", {"a.mp4": np.zeros((30, 16, 16, 3), np.uint8)}).path
    assert why(data, **options) == (
        f"{data} was prepared with {there}, the run wants {asked}: prepare it so, or run with what "
        f"it has"
    )


def test_bad_runs(film, trained, tmp_path, capsys):
    run = shutil.copytree(trained[0].directory, tmp_path / "run")
    quick = ["--data", film, "--size", 16, "--noise.sample-rate", RATE, "--noise.high-hz", 3500]
    told = refused(capsys, *quick, "--out", run)
    assert "holds a run: add --resume to go on, or choose another --out" in told
    told = refused(capsys, *quick, "--out", tmp_path / "new", "--init-from", run)
    assert "run has other sizes: train it with this preset and --size" in told
    assert not (tmp_path / "new").exists()
    config = run / "config.json"
    config.write_text(config.read_text().replace('"kind": "dbn"', '"kind": "autoencoder"'))
    told = refused(capsys, "--resume", "--out", run)
    assert "is a run of autoencoder, wanted dbn: choose with --out" in told


def test_short_options_reach_what_lies_deeper():
    given = ["--target", "exemplar", "--context-sound", "2"]
    config = parse(Config, "dbn", PRESETS, given)
    assert config.sound.target.kind == config.sound.synth == "exemplar"
    assert config.sound.model.context_sound == 2
    assert from_plain(Config, to_plain(config)) == config
    plain = parse(Config, "dbn", PRESETS, ["--preset", "basic"])
    assert plain.sound.target.kind == "pcm" and plain.sound.synth == "raw"
