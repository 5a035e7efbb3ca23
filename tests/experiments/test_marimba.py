"""Films of playing -> a run that plays what it sees: every preset, resuming, what is refused."""

import contextlib
import io
import json
import shutil
from dataclasses import replace
from fractions import Fraction

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import soundfile

from data_prep import inputs
from experiments import marimba
from experiments.marimba import PRESETS, Config, loss_fn, main, remembered, shaken
from tests.conftest import TINY_SYNTH, ended, make_dataset, make_run
from tests.playing import NOTES, READER, played_set, strikes_of
from tests.playing import VIDEO as SMALL
from wyh import knobs, render
from wyh.cli import parse
from wyh.errors import WyhError
from wyh.frames import thinned
from wyh.journal import Summaries
from wyh.models.recurrent import Notes, Recurrent, blank
from wyh.plain import from_plain, to_plain
from wyh.played import PlayedBank
from wyh.runs import load_run, load_variables
from wyh.training import FitOptions, FitResult
from wyh.transducers.kinds import load_player
from wyh.transducers.offline import sonify
from wyh.transducers.recurrent import PlayerConfig
from wyh.watching import Watching

RATE = 8000
shaken_jit = jax.jit(shaken, static_argnums=2)


@pytest.fixture(scope="module", autouse=True)
def quickly():
    """Compiling steps, each test its own, is nearly all of the time; then starting processes."""
    jax.config.update("jax_disable_most_optimizations", True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(inputs, "cores", lambda: 1)
        yield
    jax.config.update("jax_disable_most_optimizations", False)


def tiny(preset, data=None, out=None, **changes):
    """A preset at reduced sizes: its kind, what it sees and its synth as they are."""
    config = PRESETS[preset]
    whole = config.sound.model
    model = replace(
        whole,
        gaze=replace(whole.gaze, embed=4, width=8, layers=0, scene=4),
        filters=tuple(replace(filters, channels=4) for filters in whole.filters[:2]),
        dense=(8,) * len(whole.dense),
        memory=(6,),
    )
    return replace(
        config,
        **{
            "data": (data,) if data else (),
            "out": out,
            "size": "32x24",
            "sound": replace(config.sound, model=model, noise=TINY_SYNTH),
            "batch_size": 4,
            "lead": 4,
            "time": 6,
            "schedule": "constant",
            "fit": FitOptions(steps=4, log_every=1, evaluate_every=4, save_every=2),
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
def trained(marimba_films, tmp_path_factory):
    out = tmp_path_factory.mktemp("runs") / "run"
    return trained_by(tiny("default", marimba_films, out))


@pytest.fixture(scope="module")
def codes(tmp_path_factory):
    """A run whose codes can be watched."""
    return make_run(tmp_path_factory.mktemp("runs") / "codes").directory


def figures_of(run):
    lines = (run.directory / "metrics.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines]


def assert_same(mine, other):
    for one, another in zip(jax.tree.leaves(mine), jax.tree.leaves(other), strict=True):
        np.testing.assert_array_equal(one, another)


def plays(run, synth=None, count=20):
    """Make sure that there is something to hear."""
    player = load_player(run, synth=synth)
    frames = np.random.default_rng(0).integers(
        0, 256, (count, *run.stream.video.shape), dtype=np.uint8
    )
    parts = sonify(player.transducer, player.variables, [frames], knobs.defaults())
    heard = np.concatenate([*parts])
    assert len(heard) == count * RATE // 25 and np.isfinite(heard).all()
    return np.abs(heard).max()


def parameters(model, height, width, channels=3):
    network = Recurrent(model, 18)
    x = jax.ShapeDtypeStruct((1, 1, height, width, channels), jnp.float32)
    made = jax.eval_shape(network.init, jax.random.key(0), x, blank(model, 18, 1, height, width))
    return sum(int(np.prod(leaf.shape)) for leaf in jax.tree.leaves(made))


def test_the_seeds_presets_have_its_sizes():
    models = {name: config.sound.model for name, config in PRESETS.items()}
    onsets = 2 * (128 * 18 + 18)  # which strikes, and when: the seed has none
    assert parameters(models["cnn_lstm"], 100, 100) == 2_979_570 + onsets
    assert PRESETS["cnn_lstm"].size == "100"
    gated, x = 0, 3
    for size, channels in ((8, 32), (4, 64), (3, 64)):
        gated += 4 * channels * (size**2 * (x + channels) + 2) + 2 * channels  # a norm after each
        x = channels
    flat = 10 * 10 * 64 * 512 + 512
    assert parameters(models["conv_lstm"], 80, 80) == gated + flat + 3 * (512 * 18 + 18)
    assert PRESETS["conv_lstm"].size == "80"
    assert models["fc_lstm"].memory == (256, 256)
    for name in ("fc_lstm", "cnn_lstm", "conv_lstm"):
        assert (models[name].kind, models[name].view, models[name].dropout) == (name, "motion", 0.2)
        assert models[name].remembers and models[name].onsets


def test_the_presets_are_the_seeds_and_ours():
    assert PRESETS["default"] == Config()
    assert PRESETS.keys() == {"default", "forgetful", "fc_lstm", "cnn_lstm", "conv_lstm"}
    assert all(config.preset == name for name, config in PRESETS.items())
    forgetful = PRESETS["forgetful"].sound.model
    assert not forgetful.remembers
    assert replace(forgetful, remembers=True) == PRESETS["default"].sound.model
    for config in PRESETS.values():
        assert from_plain(Config, to_plain(config)) == config


def test_a_run_says_what_it_is(trained, marimba_films):
    run, said = trained
    assert said == f"{run.directory}\n"
    assert (run.kind, run.preset, run.best_metric.name) == ("marimba", "default", "val_note_f1")
    assert from_plain(Config, run.config).sound == tiny("default").sound
    video = run.stream.video
    assert (video.frame_rate, video.shape) == (Fraction(25), (24, 32, 1))
    assert len(run.data["recordings"]) == 3
    last = figures_of(run)[-1]
    wanted = {"loss", "levels", "strikes", "times", "val_skill", "val_note_f1", "val_recall"}
    assert wanted <= last.keys() and all(np.isfinite(last[name]) for name in wanted)


def test_it_is_played_by_either_synth_and_rendered(trained, marimba_films, tmp_path, capsys):
    run, _ = trained
    for synth in (None, "additive", "knn"):
        assert plays(run, synth) >= 0
    film = next(marimba_films.glob("*.mp4"))
    for number, more in enumerate(({}, {"synth": "knn"})):
        out = tmp_path / f"{number}.wav"
        given = {"out": out, "run": run.directory, **more}
        assert ended(capsys, render.main, render.Config, "render", film, **given)[0] == 0
        sound, rate = soundfile.read(out)
        assert (rate, len(sound)) == (RATE, 4 * RATE) and np.abs(sound).max() <= 1


@pytest.mark.parametrize("preset", ["forgetful", "fc_lstm", "cnn_lstm", "conv_lstm"])
def test_every_preset_trains_and_plays(preset, marimba_films, codes, tmp_path, monkeypatch):
    monkeypatch.setattr(marimba, "summaries_of", lambda *given: Summaries({}, {}))
    features = codes if preset == "fc_lstm" else None
    few = FitOptions(steps=1, log_every=1, evaluate_every=1, save_every=1)
    run, _ = trained_by(tiny(preset, marimba_films, tmp_path / "run", features=features, fit=few))
    last = figures_of(run)[-1]
    assert run.preset == preset and np.isfinite(last["loss"]) and np.isfinite(last["val_skill"])
    if preset == "fc_lstm":  # pictures are as its codes want them
        assert run.stream.video.shape == (16, 16, 3)
        assert {"encoder"} == load_variables(run)["features"].keys()
    plays(run)


def test_resuming_ends_where_it_would_have_ended(trained, tmp_path, monkeypatch):
    """As a run that was stopped after two steps."""
    monkeypatch.setattr(marimba, "summaries_of", lambda *given: Summaries({}, {}))
    part = shutil.copytree(trained[0].directory, tmp_path / "part")
    shutil.rmtree(part / "checkpoints" / "4")
    for file in part.glob("variables*"):
        file.unlink()
    main(Config(out=part, resume=True, fit=FitOptions(steps=4)))
    assert_same(*(load_variables(load_run(d), "latest") for d in (part, trained[0].directory)))
    assert [line["step"] for line in figures_of(load_run(part))] == [1, 2, 3, 4]


@pytest.fixture
def instead_of_training(monkeypatch):
    """What `main` would have given to `fit`: the state and all else."""
    given = {}

    def fit(state, **rest):
        given.update(rest, state=state)
        return FitResult(state, 0, 0.0, 0, 0.0)

    monkeypatch.setattr(marimba, "fit", fit)
    return given


def test_starting_from_the_parameters_of_another_run(
    marimba_films, trained, tmp_path, instead_of_training
):
    start = trained[0].directory
    main(tiny("default", marimba_films, tmp_path / "run", init_from=start))
    assert_same(instead_of_training["state"].params, load_variables(trained[0])["params"])


def test_films_are_moved_and_lit_as_a_whole(rng):
    films = jnp.asarray(rng.integers(0, 256, (3, 4, 12, 16, 1), dtype=np.uint8))
    still = {"shift": 0, "zoom": 0.0, "light": 0.0}
    same = shaken_jit(films, jax.random.key(0), tiny("default", **still))
    np.testing.assert_allclose(same, np.asarray(films) / 255, atol=1e-6)
    lit = tiny("default", **still | {"light": 0.2})
    lit = np.asarray(shaken_jit(films, jax.random.key(0), lit))
    assert lit.min() >= 0 and np.abs(lit - same).max() > 0.01


@pytest.mark.parametrize(("shift", "zoom"), [(3, 0.0), (0, 0.2), (2, 0.1)])
def test_films_are_seen_from_nearby(shift, zoom):
    """Slopes that rise by a pixel's number tell where each pixel came from."""
    down, across = np.meshgrid(np.arange(24.0), np.arange(32.0), indexing="ij")
    slopes = jnp.asarray(np.stack([down, across])[:, None, ..., None].repeat(2, 1), jnp.uint8)
    config = tiny("default", shift=shift, zoom=zoom, light=0.0)
    moves = []
    for number in range(6):
        film = np.asarray(shaken_jit(slopes, jax.random.key(number), config)) * 255
        np.testing.assert_allclose(film[:, 0], film[:, 1], atol=1e-4)  # all pictures alike
        for seen, axis, size in ((film[0, 0, ..., 0], 0, 24), (film[1, 0, ..., 0], 1, 32)):
            inner = np.moveaxis(seen, axis, 0)[8:-8].mean(axis=1)
            steps = np.diff(inner)
            np.testing.assert_allclose(steps, steps[0], atol=1e-3)
            assert 1 / (1 + zoom) - 1e-3 <= steps[0] <= 1 / (1 - zoom) + 1e-3
            middle = inner.mean() - (size - 1) / 2
            assert abs(middle) <= shift / (1 - zoom) + 1e-3
            moves.append((round(float(steps[0]), 4), round(float(middle), 3)))
    assert len(set(moves)) > 6


def test_what_was_seen_before_is_remembered_but_not_by_all(rng):
    config, learned = tiny("default"), _Counting()
    films = jnp.asarray(rng.uniform(size=(64, 6, 2, 2, 1)), jnp.float32)
    memory = remembered({"w": jnp.float32(2.0)}, films, jax.random.key(0), learned)[0]
    seen = np.asarray(films[:, 1:-1].sum(axis=(1, 2, 3, 4)))
    rows = np.asarray(memory).reshape(64, 3)
    kept = rows[:, 0] != 0
    assert 0.6 < kept.mean() < 0.9 and config.lead == 4
    np.testing.assert_allclose(rows, np.where(kept, 2 * seen, 0)[:, None].repeat(3, 1), rtol=1e-5)
    slope = jax.grad(lambda w: remembered({"w": w}, films, KEY, learned)[0].sum())(1.0)
    assert slope == 0
    nothing = remembered({"w": jnp.float32(2.0)}, films[:, :2], KEY, learned)
    assert not nothing[0].any()


KEY = jax.random.key(0)


class _Counting(Watching):
    """Three values a film to remember: the sum of what was seen, times a parameter."""

    def __init__(self):
        pass

    def blank(self, batch_size):
        return (jnp.zeros((3 * batch_size, 1)),)

    def watch(self, params, films, memory, key=None):
        seen = params["w"] * films[:, 1:-1].sum(axis=(1, 2, 3, 4))
        return None, (memory[0] + jnp.repeat(seen, 3)[:, None],)


class Knowing(Watching):
    """Sees what it is given as parameters."""

    def watch(self, params, films, memory, key=None):
        return Notes(*params), memory


def test_the_loss_is_not_won_by_what_is_always_the_same(tmp_path):
    dataset = played_set(tmp_path / "set", {f"{n}.mp4": strikes_of(4.0, n) for n in range(2)})
    bank = PlayedBank.of(dataset, READER, 6)
    config = PlayerConfig(tiny("default").sound.model, NOTES, noise=TINY_SYNTH)
    watching = Knowing.of(config, SMALL, bank, -23.0, None)
    played = bank.at(thinned(bank.training, 20))
    onset, scale = played.truth.onset, watching.scale
    value = (played.truth.amplitude - scale["mean"]) / scale["spread"]
    share = np.broadcast_to(onset.mean(axis=(0, 1)), onset.shape)
    films = jnp.zeros(played.films.shape)

    def loss(*seen):
        seen = [jnp.asarray(each, jnp.float32) for each in seen]
        figures = loss_fn(seen, films, played.truth, None, KEY, watching, 2.0)[1]
        return {name: float(figure) for name, figure in figures.items()}

    known = loss(value, np.where(onset, 15, -15), played.truth.offset)
    constant = loss(0 * value, np.log(share / (1 - share)), 0 * value)
    assert known["loss"] < 1e-3
    assert constant["levels"] > 0.5 and constant["strikes"] > 0.5 and constant["times"] > 0.1
    assert constant["loss"] > constant["levels"] + constant["strikes"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("", "got no films of playing, wanted --data with some: your own, or those that python -m"),
        ("--preset huge", "got the preset 'huge', wanted one of default, "),
        ("--loudness-lufs 0", "got loudness_lufs 0, wanted -60 to -10"),
        ("--batch-size 0", "got batch_size 0, wanted 1 to 65536"),
        ("--time 0", "got time 0 frames, wanted 1 to 4096 frames"),
        ("--learning-rate 2", "got learning_rate 2, wanted 0 to 1"),
        ("--strikes-weight -1", "got strikes_weight -1, wanted 0 to 1000"),
        ("--shift 65", "got shift 65 pixels, wanted 0 to 64 pixels"),
        ("--zoom 1", "got zoom 1, wanted 0 to 0.5"),
        ("--lead 5000", "got lead 5000 frames, wanted 0 to 4096 frames"),
        ("--light 2", "got light 2, wanted 0 to 1"),
        ("--steps 0", "got steps 0, wanted 1 or more"),
        ("--data gone.mp4", "gone.mp4"),
        (
            "--data films --preset fc_lstm",
            "got fc_lstm without --features, wanted --preset fc_lstm and --features RUN, a run of "
            "experiments.autoencoder, together",
        ),
        (
            "--data films --features codes",
            "got gaze_lstm with --features, wanted --preset fc_lstm and --features RUN",
        ),
        ("--data films --preset fc_lstm --features gone", "gone is no run"),
        ("--resume", "got --resume, but there is no run under runs/"),
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


QUICK = ("--size", "32x24", "--noise.sample-rate", RATE, "--noise.high-hz", 3500)


@pytest.fixture
def why(marimba_films, tmp_path, capsys, monkeypatch):
    """Why there can be no training on some data; no run is begun."""
    monkeypatch.chdir(tmp_path)

    def told(*words, data=marimba_films):
        line = refused(capsys, "--data", data, *QUICK, *words)
        assert not (tmp_path / "runs").exists()
        return line

    return told


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--notes", "C4,3950hz"), "got the note B7 at 3950.00 Hz, wanted 17.16 to 3886.13 Hz"),
        (("--notes", "C4,7000hz"), "got the note 7000 Hz at 7000.00 Hz, wanted "),
        (("--notes", "A4,450hz"), "got the notes A4 and 450 Hz, 440.00 and 450.00 Hz, wanted "),
        (("--notes", "H4"), "got the note 'H4', wanted a name such as F#4 or Bb4"),
        (
            ("--notes", "C4,D4"),
            "none of the notes C4 to D4 is struck: name those of the",
        ),
        (("--time", 200), "no 10 s of pictures and sound in a row to learn from: give longer"),
        (
            ("--model.gaze.patch", 7, 2),
            "got pictures of 32x24, wanted a width that is a multiple of 2 and a height of 7",
        ),
    ],
)
def test_films_that_nothing_can_be_learned_from(why, words, message):
    assert message in why(*words)


def copied(marimba_films, folder):
    """Two films, and the truth files of both."""
    films = sorted(marimba_films.glob("*.mp4"))[:2]
    folder.mkdir()
    for film in films:
        for path in (film, film.with_suffix(".truth.csv")):
            shutil.copy(path, folder)
    return [folder / film.with_suffix(".truth.csv").name for film in films]


def test_an_empty_truth(marimba_films, tmp_path, why):
    first, _ = copied(marimba_films, tmp_path / "films")
    first.write_text("time_secs,note,velocity\n")
    said = why(data=first.parent)
    assert f"{first}: got no strikes, wanted a line time_secs,note,velocity for each" in said


def test_the_truth_of_another_film(marimba_films, tmp_path, why):
    first, second = copied(marimba_films, tmp_path / "films")
    mine, other = first.read_text(), second.read_text()
    first.write_text(other)
    second.write_text(mine)
    assert "it is another film's; put its own beside it, or none" in why(data=first.parent)
    first.write_text(mine.replace("time_secs,note,velocity\n", "", 1))
    assert "got the header" in why(data=first.parent)
    first.write_text("time_secs,note,velocity\n9.0,F#4,1\n")
    assert "got a strike at 9 s, wanted none after the 4 s of its recording" in why(
        data=first.parent
    )


def test_films_without_truth_are_listened_to(marimba_films, tmp_path, capsys, instead_of_training):
    first, second = copied(marimba_films, tmp_path / "films")
    first.unlink()
    second.unlink()
    main(tiny("default", first.parent, tmp_path / "run"))
    said = capsys.readouterr().err
    assert "films without truth: their strikes are those heard in them\n" in said
    played = instead_of_training["batch_at"](0)
    assert played.films.shape == (4, 12, 24, 32, 1)
    assert played.truth.amplitude.shape == (4, 10, 18)
    again = instead_of_training["batch_at"](0)
    assert_same(played, again)


def test_a_data_set_of_other_sizes(tmp_path, why):
    data = make_dataset(tmp_path / "set", {"a.mp4": np.zeros((30, 16, 16, 3), np.uint8)}).path
    assert why(data=data) == (
        f"{data} was prepared with --size 16x16 --channels 3, the run wants --size 32x24 "
        f"--channels 1: prepare it so, or run with what it has"
    )


def test_bad_runs(marimba_films, trained, codes, tmp_path, capsys):
    run = shutil.copytree(trained[0].directory, tmp_path / "run")
    with pytest.raises(WyhError, match="holds a run: add --resume to go on, or choose another"):
        main(tiny("default", marimba_films, run))
    other = tiny("cnn_lstm", marimba_films, tmp_path / "new", init_from=run)
    with pytest.raises(WyhError, match="run has other sizes: train it with this preset and --size"):
        main(other)
    told = refused(capsys, "--resume", "--out", codes)
    assert "is a run of autoencoder, wanted marimba: choose with --out" in told
    told = refused(capsys, "--data", marimba_films, "--preset", "fc_lstm", "--features", run)
    assert f"got --features {run}, a run of the kind marimba, wanted one of" in told
    assert not (tmp_path / "new").exists()


def test_short_options_reach_what_lies_deeper():
    given = ["--notes", "C4,E4", "--model.no-remembers", "--model.gaze.order", "falling"]
    config = parse(Config, "marimba", PRESETS, given)
    assert config.sound.notes == "C4,E4"
    assert not config.sound.model.remembers
    assert config.sound.model.gaze.order == "falling"
