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
from PIL import Image

from experiments import dcgan
from experiments.dcgan import (
    PRESETS,
    Batch,
    Config,
    State,
    followed,
    main,
    make_optimizer,
    train_step,
)
from tests.conftest import ended
from tests.dreams import drawn
from wyh.dreaming import VaryConfig
from wyh.errors import WyhError
from wyh.models.dcgan import Gan, GanConfig
from wyh.plain import from_plain, to_plain
from wyh.runs import load_run, load_variables
from wyh.training import FitOptions
from wyh.transducers.kinds import transducer_of

pytestmark = pytest.mark.usefixtures("quickly")

TINY = GanConfig(size=32, channels=1, angles=2, width=1)


def tiny(data=(), out=None, preset="default", **changes):
    """A preset with tiny networks: losses and rates as they are."""
    asked = {
        "data": tuple(data),
        "out": out,
        "model": replace(TINY, design="dcgan" if preset == "dcgan" else "default"),
        "batch_size": 4,
        "fit": FitOptions(steps=4, log_every=1, evaluate_every=2, save_every=2),
    }
    return replace(PRESETS[preset], **(asked | changes))


def trained_by(config):
    with contextlib.redirect_stdout(io.StringIO()) as said:
        main(config)
    return said.getvalue()


@pytest.fixture(scope="module")
def bars(tmp_path_factory):
    """Pictures of upright and of lying bars."""
    folder, rng = tmp_path_factory.mktemp("pictures"), np.random.default_rng(0)
    for name, turned in (("lying", False), ("upright", True)):
        (folder / name).mkdir()
        for number in range(12):
            pixels = np.zeros((32, 32), np.uint8)
            pixels[rng.integers(4, 24) :][:4] = 255
            Image.fromarray(pixels.T if turned else pixels).save(folder / name / f"{number}.png")
    return folder


@pytest.fixture(scope="module")
def trained(bars, tmp_path_factory):
    out = tmp_path_factory.mktemp("runs") / "run"
    return out, trained_by(tiny([bars], out))


def test_presets():
    assert PRESETS["default"] == Config()
    assert all(config.preset == name for name, config in PRESETS.items())
    for config in PRESETS.values():
        assert from_plain(Config, to_plain(config)) == config


def test_a_run_says_what_it_is(trained):
    out, said = trained
    assert said == f"{out}\n"
    run = load_run(out)
    assert (run.kind, run.preset, run.stream) == ("dcgan", "default", None)
    assert run.data["classes"] == ["lying", "upright"]
    assert len(run.data["recordings"]) == 24
    lines = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    wanted = {"discriminator", "generator", "told", "classes", "slope"}
    wanted |= {"val_distance", "val_form", "val_detail"}
    assert wanted <= lines[-1].keys()
    assert all(np.isfinite(lines[-1][name]) for name in wanted)
    gan, variables = Gan(TINY, 2), load_variables(run)
    made = gan.pictures(variables, jnp.ones((1, 4)), jnp.array([[0.5, 0.5]]))
    assert made.shape == (1, 32, 32, 1)
    with pytest.raises(WyhError, match="cannot be played alone"):
        transducer_of(run)


def test_resuming_ends_where_it_would_have_ended(trained, tmp_path):
    part = shutil.copytree(trained[0], tmp_path / "part")
    shutil.rmtree(part / "checkpoints" / "4")
    for file in part.glob("variables*"):
        file.unlink()
    assert trained_by(Config(out=part, resume=True, fit=FitOptions(steps=4))) == f"{part}\n"
    mine, other = (load_variables(load_run(d), "latest") for d in (part, trained[0]))
    for one, another in zip(jax.tree.leaves(mine), jax.tree.leaves(other), strict=True):
        np.testing.assert_array_equal(one, another)


def test_training_moves_both(trained, key):
    """Of the preset `default`; each part that a figure is of."""
    after = load_variables(load_run(trained[0]), "latest")
    before = jax.device_get(jax.jit(Gan(TINY, 2).init)(jax.random.key(0)))
    for name in before:
        same = jax.tree.map(np.array_equal, before[name]["params"], after[name]["params"])
        assert np.mean(jax.tree.leaves(same)) < 0.2


def test_one_step_of_the_papers(key):
    config = tiny(preset="dcgan")
    gan = Gan(config.model, 2)
    variables = drawn(jax.eval_shape(gan.init, key))
    params = {name: each["params"] for name, each in variables.items()}
    stats = {name: {"batch_stats": each["batch_stats"]} for name, each in variables.items()}
    opt_state = make_optimizer(config).init(params)
    state = State(jnp.int32(0), params, stats, params["generator"], opt_state)
    pictures = np.random.default_rng(0).integers(0, 256, (4, 32, 32, 1), np.uint8)
    batch = Batch(pictures, np.array([0, 1, 0, 1], np.int32))
    after, figures = jax.jit(partial(train_step, gan=gan, config=config))(state, batch, key)
    assert all(np.isfinite(value) for value in figures.values()) and "slope" not in figures
    for name in params:
        same = jax.tree.map(np.array_equal, params[name], after.params[name])
        # Biases before a normalisation are of no use.
        assert np.mean(jax.tree.leaves(same)) < 0.2
    moved = after.stats["generator"]["batch_stats"]["norm_0"]["mean"]
    assert not np.array_equal(moved, stats["generator"]["batch_stats"]["norm_0"]["mean"])
    playing, trained = (jax.tree.leaves(p) for p in (after.average, after.params["generator"]))
    for one, other in zip(playing, trained, strict=True):  # without an average
        np.testing.assert_array_equal(one, other)


def test_what_is_played_follows_what_is_trained():
    old, new = {"a": jnp.zeros(2)}, {"a": jnp.ones(2)}
    first = followed(old, new, jnp.int32(0), 0.998)["a"]
    np.testing.assert_allclose(first, 0.9)
    late = followed(old, new, jnp.int32(100_000), 0.998)["a"]
    np.testing.assert_allclose(late, 0.002, rtol=1e-3)
    np.testing.assert_array_equal(followed(old, new, jnp.int32(5), 0.0)["a"], 1)


def test_starting_from_a_run_with_other_classes(bars, trained, tmp_path, monkeypatch):
    class Begun(Exception):
        pass

    def fit(state, **rest):
        raise Begun(state)

    folder = shutil.copytree(bars, tmp_path / "pictures")
    (folder / "lying").rename(folder / "across")
    monkeypatch.setattr(dcgan, "fit", fit)
    with pytest.raises(Begun) as begun:
        main(tiny([folder], tmp_path / "run", init_from=trained[0]))
    before = load_variables(load_run(trained[0]))["generator"]["params"]
    after = begun.value.args[0].average
    np.testing.assert_array_equal(after["first"]["kernel"], before["first"]["kernel"])
    told, was = after["told"]["kernel"], before["told"]["kernel"]
    np.testing.assert_array_equal(told[1], was[1])
    assert not np.array_equal(told[0], was[0])


def test_no_pictures(capsys):
    status, _, told = ended(capsys, main, Config, "dcgan", presets=PRESETS)
    assert status == 2
    assert "got no pictures, wanted --data with a folder of some for each class" in told


def test_a_set_of_another_size(bars, tmp_path):
    from data_prep.images import Config as Images
    from data_prep.images import prepare

    made = prepare(Images((bars,), tmp_path / "set", "64", labelled=True, workers=1))
    with pytest.raises(WyhError, match=r"--size 64x64 --channels 3, the run wants 32 and 1: "):
        main(tiny([made], tmp_path / "run"))


def test_a_set_without_classes(bars, tmp_path):
    from data_prep.images import Config as Images
    from data_prep.images import prepare

    made = prepare(Images((bars,), tmp_path / "set", "32", channels=1, workers=1))
    with pytest.raises(WyhError, match="was prepared without classes: prepare its photos again"):
        main(tiny([made], tmp_path / "run"))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("batch_size", 1),
        ("generator_rate", 2.0),
        ("discriminator_rate", -1.0),
        ("momentum", 1.0),
        ("smoothness", -1.0),
        ("told_weight", 11.0),
        ("classes_weight", 11.0),
        ("mixed", 1.1),
        ("average", 2.0),
    ],
)
def test_out_of_range(field, value):
    with pytest.raises(WyhError, match=field):
        Config(**{field: value})


def test_variation_is_of_the_run():
    assert Config().variation == VaryConfig()
