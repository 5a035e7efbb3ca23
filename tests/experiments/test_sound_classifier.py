"""Sounds with names -> a run that tells them: training, resuming, folds, what is refused."""

import contextlib
import io
import json
import shutil
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from experiments import sound_classifier
from experiments.sound_classifier import PRESETS, Batch, Config, main
from tests.conftest import ended
from tests.named_sounds import HZ, RATE, SAMPLES, make_sound_set, tone
from wyh.classifying import Classifying, Figures
from wyh.errors import WyhError
from wyh.models.sound_classifier import Recogniser
from wyh.plain import from_plain, to_plain
from wyh.runs import load_run, load_variables, save_variables
from wyh.sound_variation import NO_VARIATION
from wyh.training import FitOptions
from wyh.transducers.kinds import transducer_of

pytestmark = pytest.mark.usefixtures("quickly")


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return make_sound_set(tmp_path_factory.mktemp("sounds") / "set").path


def tiny(data, out, **changes):
    few = FitOptions(steps=4, log_every=1, evaluate_every=4, save_every=2)
    given = {"data": data, "out": out, "schedule": "constant", "fit": few}
    return replace(PRESETS["tiny"], **(given | changes))


def trained_by(config):
    """What the command wrote to stdout."""
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        main(config)
    return said.getvalue()


@pytest.fixture(scope="module")
def trained(data, tmp_path_factory):
    out = tmp_path_factory.mktemp("runs") / "run"
    return out, trained_by(tiny(data, out))


def assert_same(mine, other):
    for one, another in zip(jax.tree.leaves(mine), jax.tree.leaves(other), strict=True):
        np.testing.assert_array_equal(one, another)


def test_presets():
    assert PRESETS["default"] == Config()
    assert all(config.preset == name for name, config in PRESETS.items())
    for config in PRESETS.values():
        assert from_plain(Config, to_plain(config)) == config
    assert Config().model.tick_secs <= 0.05


def test_a_run_says_what_it_is(trained):
    out, said = trained
    assert said == f"{out}\n"
    run = load_run(out)
    assert (run.kind, run.preset, run.stream) == ("sound_classifier", "tiny", None)
    assert run.best_metric.name == "val_accuracy"
    assert run.data["classes"] == ["low", "middle", "high"]
    assert (run.data["tested"], len(run.data["recordings"])) == ("fold 0", 36)
    assert from_plain(Config, run.config).model == PRESETS["tiny"].model.at_rate(RATE)
    lines = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    wanted = {"loss", "told", "val_accuracy", "val_macro_f1", "val_calibration_error"}
    assert wanted <= lines[-1].keys() and all(np.isfinite(lines[-1][name]) for name in wanted)
    told = json.loads((out / "figures.json").read_text())
    assert (told["tested"], told["sounds"]) == ("fold 0", 12)
    assert np.sum(told["confusion"]) == 12 and 0 <= told["accuracy"] <= 1


def test_a_run_is_heard_with_tick_by_tick_but_not_played_alone(trained):
    run = load_run(trained[0])
    config = from_plain(Config, run.config)
    recogniser, variables = Recogniser(config.model, 3), load_variables(run)
    block = jnp.zeros((1, config.model.block))
    _, likely = jax.jit(recogniser)(variables, recogniser.init(1), block)
    assert likely.shape == (1, 1, 3) and np.isfinite(likely).all()
    with pytest.raises(WyhError, match="is part of a model and cannot be played alone"):
        transducer_of(run)


def test_resuming_ends_where_it_would_have_ended(trained, tmp_path):
    """As a run that was stopped after two steps."""
    part = shutil.copytree(trained[0], tmp_path / "part")
    shutil.rmtree(part / "checkpoints" / "4")
    for file in part.glob("variables*"):
        file.unlink()
    assert trained_by(Config(out=part, resume=True, fit=FitOptions(steps=4))) == f"{part}\n"
    assert_same(*(load_variables(load_run(d), "latest") for d in (part, trained[0])))


def test_starting_from_the_parameters_of_another_run(data, trained, tmp_path, monkeypatch):
    class Begun(Exception):
        pass

    def fit(state, **rest):
        raise Begun(state.params)

    monkeypatch.setattr(sound_classifier, "fit", fit)
    with pytest.raises(Begun) as begun:
        main(tiny(data, tmp_path / "run", init_from=trained[0]))
    assert_same(begun.value.args[0], load_variables(load_run(trained[0]))["params"])


@pytest.mark.parametrize(
    ("option", "names"), [("fold", ("0", "1", "2")), ("without", ("ann", "ben"))]
)
def test_each_fold_or_group_in_turn(option, names, data, tmp_path, capsys, monkeypatch):
    asked, base = [], tmp_path / "base"

    def train(config):
        asked.append((config.fold, config.without, config.out, config.resume))
        share = len(asked) / 10
        found = Figures(share, share, 0.0, 0.0, 1.0, 0.0, np.eye(3, dtype=int))
        run = load_run(config.out) if config.resume else load_run_of(data, config.out)
        return replace(run, data={"tested": f"{option} {config.fold or config.without}"}), found

    monkeypatch.setattr(sound_classifier, "train", train)
    main(tiny(data, base, **{option: "all"}))
    said, rows = capsys.readouterr(), json.loads((base / "folds.json").read_text())
    assert said.out == f"{base}\n"
    given = [(name, "") if option == "fold" else ("", name) for name in names]
    outs = [base / f"{option}_{name}" for name in names]
    assert asked == [(*each, out, False) for each, out in zip(given, outs, strict=True)]
    assert list(rows) == [*(f"{option} {name}" for name in names), "mean"]
    shares = [rows[f"{option} {name}"]["accuracy"] for name in names]
    assert shares == pytest.approx([0.1, 0.2, 0.3][: len(names)])
    assert rows["mean"]["accuracy"] == pytest.approx(np.mean(shares))
    assert f"{option} {names[0]}: accuracy 0.100, macro_f1 0.100" in said.err
    shutil.rmtree(outs[-1])  # as if it had been stopped there
    del asked[:]
    main(tiny(data, base, resume=True, **{option: "all"}))
    assert [resume for *_, resume in asked] == [True] * (len(names) - 1) + [False]


def test_a_run_of_a_group_held_out(data, tmp_path, monkeypatch):
    """It is tested on the group as it stands before training."""

    def fit(state, *, run, playable, **rest):
        save_variables(run, playable(state))

    monkeypatch.setattr(sound_classifier, "fit", fit)
    out = tmp_path / "run"
    assert trained_by(tiny(data, out, without="ben")) == f"{out}\n"
    assert load_run(out).data["tested"] == "group ben"
    assert json.loads((out / "figures.json").read_text())["sounds"] == 18


def load_run_of(data, out):
    """A run that has not been trained."""
    return sound_classifier.open_run(
        out,
        kind="sound_classifier",
        preset="tiny",
        config=tiny(data, out),
        stream=None,
        data={},
        best_metric=sound_classifier.BestMetric("val_accuracy", "higher"),
    )


def test_it_learns_to_tell_tones(key):
    """The loss and its gradient: a few steps on three tones."""
    rng = np.random.default_rng(0)
    config = replace(PRESETS["tiny"], variation=NO_VARIATION, batch_size=12, learning_rate=1e-2)
    config = replace(config, schedule="constant")
    model = replace(config.model.at_rate(RATE), dropout=0.0)
    sound = np.stack([tone(hz, rng) for _ in range(4) for hz in HZ])
    samples = SAMPLES // model.block * model.block
    labels = np.tile(np.arange(3, dtype=np.int32), 4).reshape(6, 2)
    pcm = np.rint(sound[:, :samples] * 32767).astype(np.int16).reshape(6, 2, samples)
    learned = Classifying.of(Recogniser(model, 3), 3, sound[:, :samples])
    params = learned.init(key)
    state = sound_classifier.State(
        jnp.int32(0), params, sound_classifier.make_optimizer(config).init(params)
    )
    step = jax.jit(
        lambda state, key: sound_classifier.train_step(
            state, Batch(pcm, labels), key, learned=learned, config=config
        )
    )
    losses = []
    for number in range(60):
        state, figures = step(state, jax.random.fold_in(key, number))
        losses.append(figures["loss"])
    assert int(state.step) == 60
    assert losses[0] > 1.2 and losses[-1] < 0.6 and figures["told"] > 0.8


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("", "got no sounds, wanted --data with a set of them: make one with python -m data_prep."),
        ("--preset huge", "got the preset 'huge', wanted one of default, tiny"),
        ("--data gone", "gone: no set of sounds (sounds.json is missing); make one with"),
        ("--data SET --fold 7", "got fold 7, wanted one of 0, 1, 2"),
        ("--data SET --fold first", "got --fold first, wanted a number, or all"),
        ("--data SET --without tom", "got group 'tom', wanted one of ann, ben"),
        ("--fold 1 --without ann", "got --fold with --without: leave one of them out"),
        ("--nothing 1", "got nothing 1, wanted 0 to 0.9"),
        ("--batch-size 0", "got batch_size 0, wanted 1 to 65536"),
        ("--in-a-row 0", "got in_a_row 0 windows, wanted 1 to 64 windows"),
        ("--in-a-row 3", "got 3 windows in a row and a batch_size of 64, wanted a multiple of it"),
        ("--learning-rate 2", "got learning_rate 2, wanted 0 to 1"),
        ("--model.memory 0", "got memory 0, wanted 1 to 4096"),
        ("--gain-db 60", "got gain_db 60 dB, wanted 0 to 40 dB"),
        ("--steps 0", "got steps 0, wanted 1 or more"),
        ("--resume", "got --resume, but there is no run under runs/"),
    ],
)
def test_bad_options(data, tmp_path, capsys, monkeypatch, words, message):
    monkeypatch.chdir(tmp_path)
    words = [str(data) if word == "SET" else word for word in words.split()]
    status, said, told = ended(capsys, main, Config, "train", *words, presets=PRESETS)
    assert (status, said) == (2, "") and told.startswith("train: "), told
    assert message in told and told.count("\n") == 1
    assert list(tmp_path.iterdir()) == []
