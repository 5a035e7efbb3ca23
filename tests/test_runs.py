import dataclasses
import json
import resource
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from wyh.errors import WyhError
from wyh.runs import BestMetric, create_run, load_run, load_variables, save_variables
from wyh.specs import AudioSpec, StreamSpec, VideoSpec

STREAM = StreamSpec("see-hear", VideoSpec(Fraction(24000, 1001)), AudioSpec(), 256, 512)
ABOUT = {
    "kind": "autoencoder",
    "preset": "default",
    "config": {"width": 3, "rate": Fraction(1, 3)},
    "stream": STREAM,
    "data": {"fingerprint": "abc", "paths": [Path("film.mp4")]},
    "best_metric": BestMetric("val_loss", "lower"),
}
VARIABLES = {"params": {"mix": {"kernel": np.eye(3, dtype=np.float32)}}}


@pytest.fixture
def run(tmp_path):
    return create_run(tmp_path / "run", **ABOUT)


def rewrite(run, **changes):
    file = run.directory / "config.json"
    about = json.loads(file.read_text()) | changes
    file.write_text(json.dumps(about))


def test_what_was_created_is_what_is_loaded(run):
    assert load_run(run.directory) == run
    assert run.stream == STREAM
    assert run.config == {"width": 3, "rate": "1/3"}
    assert run.data["paths"] == ["film.mp4"]
    assert run.versions["numpy"] == np.__version__
    about = json.loads((run.directory / "config.json").read_text())
    assert about["format_version"] == 1
    assert about["best_metric"] == {"name": "val_loss", "better": "lower"}


def test_a_run_may_have_no_stream(tmp_path):
    run = create_run(tmp_path / "run", **ABOUT | {"stream": None})
    assert load_run(run.directory).stream is None


def test_keys_of_a_later_minor_change_are_ignored(run):
    rewrite(run, mood="good")
    assert load_run(run.directory) == run


def test_an_empty_directory_is_filled(tmp_path):
    assert create_run(tmp_path, **ABOUT).directory == tmp_path


def test_resume_gives_the_run_that_is_there_or_begins_one(tmp_path):
    first = create_run(tmp_path / "run", **ABOUT, resume=True)
    again = create_run(tmp_path / "run", **ABOUT | {"preset": "other"}, resume=True)
    assert again == first


def test_a_run_is_not_written_over(run):
    with pytest.raises(WyhError, match="holds a run: add --resume to go on, or choose another"):
        create_run(run.directory, **ABOUT)


def test_a_run_of_another_kind_is_not_resumed(run):
    with pytest.raises(WyhError, match="holds a run of kind autoencoder, not dbn: change --out"):
        create_run(run.directory, **ABOUT | {"kind": "dbn"}, resume=True)


def test_a_directory_of_other_things_is_left_alone(tmp_path):
    (tmp_path / "thesis.txt").write_text("dear to me")
    with pytest.raises(WyhError, match="is no run and not empty: choose another --out"):
        create_run(tmp_path, **ABOUT, resume=True)
    assert [p.name for p in tmp_path.iterdir()] == ["thesis.txt"]


def test_a_file_is_no_run_directory(tmp_path):
    file = tmp_path / "film.mp4"
    file.write_bytes(b"film")
    with pytest.raises(WyhError, match="is no run and not empty"):
        create_run(file, **ABOUT)
    with pytest.raises(WyhError, match=r"film\.mp4 is no run"):
        load_run(file)


def test_a_directory_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(WyhError, match=r"cannot write .*file/run: .*choose another --out"):
        create_run(tmp_path / "file" / "run", **ABOUT)


@pytest.mark.parametrize("content", [b"", b'{"format_version": 1, "kind"', b"\xff\xfe\x00", b"[]"])
def test_a_damaged_config_is_named(run, content):
    (run.directory / "config.json").write_bytes(content)
    with pytest.raises(WyhError, match=r"config\.json (cannot be read|is not the config)"):
        load_run(run.directory)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"format_version": 2}, r"config\.json has format version 2, wanted 1: update wyh"),
        ({"kind": 3}, r"config\.json is damaged: kind is 3"),
        ({"stream": {"video": {}}}, r"config\.json is damaged: the stream description"),
        ({"best_metric": {"name": "a", "better": "up"}}, "(?s)config.json is damaged: .*'up'"),
        ({"best_metric": {}}, "config.json is damaged"),
        ({"created": "yesterday"}, "config.json is damaged: .*yesterday"),
    ],
)
def test_wrong_values_in_the_config_are_named(run, changes, message):
    rewrite(run, **changes)
    with pytest.raises(WyhError, match=message):
        load_run(run.directory)


def test_a_value_that_is_missing_is_named(run):
    about = json.loads((run.directory / "config.json").read_text())
    del about["preset"]
    (run.directory / "config.json").write_text(json.dumps(about))
    with pytest.raises(WyhError, match=r"config.json is damaged: it lacks 'preset'"):
        load_run(run.directory)


def test_a_missing_run_says_how_to_train_one(tmp_path):
    with pytest.raises(WyhError, match=r"train one with: python -m experiments.autoencoder"):
        load_run(tmp_path / "nothing")


def test_best_and_latest_are_two_files(run):
    save_variables(run, VARIABLES)
    save_variables(run, {"params": {"a": np.zeros(2)}}, "variables_latest")
    kernel = load_variables(run)["params"]["mix"]["kernel"]
    np.testing.assert_array_equal(kernel, np.eye(3, dtype=np.float32), strict=True)
    assert load_variables(run, "latest")["params"].keys() == {"a"}


def test_missing_variables_are_named(run):
    with pytest.raises(WyhError, match=r"variables_latest\.safetensors is missing: let the run"):
        load_variables(run, "latest")


def test_damaged_variables_are_named(run):
    save_variables(run, VARIABLES)
    file = run.directory / "variables.safetensors"
    file.write_bytes(file.read_bytes()[:-5])
    with pytest.raises(WyhError, match=r"variables\.safetensors is damaged"):
        load_variables(run)


def test_an_unknown_checkpoint_is_refused(run):
    with pytest.raises(WyhError, match="got checkpoint 'worst', wanted best, latest or a step"):
        load_variables(run, "worst")


def test_a_full_disk_keeps_the_old_file(run):
    save_variables(run, VARIABLES)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))  # writes past it fail
    try:
        with pytest.raises(WyhError, match=r"cannot write .*variables\.safetensors: .*free some"):
            save_variables(run, {"params": {"mix": {"kernel": np.zeros(1000)}}})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert load_variables(run)["params"]["mix"]["kernel"].shape == (3, 3)
    assert {p.name for p in run.directory.iterdir()} == {"config.json", "variables.safetensors"}


def made(root, name, created, **about):
    run = create_run(root / name, **ABOUT | about)
    save_variables(run, VARIABLES)
    rewrite(run, created=created)
    return load_run(run.directory)


@pytest.mark.parametrize(
    ("metric", "value", "best", "improves"),
    [
        (BestMetric("loss", "lower"), 1.0, None, True),
        (BestMetric("loss", "lower"), 0.5, 1.0, True),
        (BestMetric("loss", "lower"), 1.0, 1.0, False),
        (BestMetric("gain", "higher"), 0.5, 1.0, False),
        (BestMetric("gain", "higher"), 2.0, 1.0, True),
        (BestMetric("gain", "higher"), float("nan"), 1.0, False),
        (BestMetric("loss", "lower"), float("nan"), None, False),
    ],
)
def test_what_is_better(metric, value, best, improves):
    assert metric.improves(value, best) is improves


def test_a_run_cannot_be_changed(run):
    with pytest.raises(dataclasses.FrozenInstanceError):
        run.kind = "dbn"


def test_reading_a_run_imports_no_jax():
    code = "import sys, wyh.runs; print({'jax', 'orbax', 'flax'} & set(sys.modules))"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "set()"
