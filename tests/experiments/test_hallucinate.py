"""A run that hears and one that paints -> one that dreams: by names, or as a file says."""

import json
from fractions import Fraction

import jax
import numpy as np
import pytest

from experiments.hallucinate import Config, joined, main
from tests.conftest import ended, make_run
from tests.dreams import HEARS, SHOWS, make_hearing_run, make_showing_run
from wyh import info, knobs, pack
from wyh.errors import WyhError
from wyh.plain import from_plain
from wyh.run_choice import choose_run
from wyh.runs import load_run, load_variables
from wyh.selection import SelectionConfig
from wyh.specs import VideoSpec
from wyh.transducers.hallucination import HallucinationConfig, hallucination
from wyh.transducers.kinds import load_player
from wyh.transducers.offline import visualize


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """What is heard, what is shown, and pictures of which none is heard."""
    folder = tmp_path_factory.mktemp("runs")
    make_hearing_run(folder / "hears", ["Dog", "cat ", "rain"])
    make_showing_run(folder / "shows", ["cat", "dog", "car", "sun"])
    make_showing_run(folder / "other", ["7", "8"])
    return folder


def dreamt(runs, capsys, *words, shows="shows", **options):
    options = {"classifier": runs / "hears", "generator": runs / shows} | options
    return ended(capsys, main, Config, "dream", *words, **options)


def test_two_runs_become_one_that_hears_and_shows(runs, tmp_path, capsys):
    out = tmp_path / "new" / "run"
    status, said, told = dreamt(runs, capsys, out=out)
    assert (status, said) == (0, f"{out}\n")
    assert told == "heard but never shown: rain\nnever heard: car, sun\n"
    run, variables = load_run(out), load_variables(load_run(out))
    dream = from_plain(HallucinationConfig, run.config["dream"])
    assert (dream.hears, dream.heard, dream.dreams, dream.shown) == (HEARS, 3, SHOWS, 4)
    assert (run.kind, dream.selection) == ("hallucinate", SelectionConfig())
    assert run.config["classifier"] == str(runs / "hears")
    assert run.config["generator"] == str(runs / "shows")
    assert run.stream == hallucination(dream, VideoSpec(Fraction(25), 32, 32)).spec
    assert (run.data["heard"], run.data["shown"]) == (
        ["Dog", "cat ", "rain"],
        ["cat", "dog", "car", "sun"],
    )
    for name, part, folder in (
        ("sounds", "recogniser", "hears"),
        ("pictures", "gan", "shows"),
    ):
        one = load_run(runs / folder)
        assert run.data[name] == one.data
        mine, its = jax.tree.leaves(variables[part]), jax.tree.leaves(load_variables(one))
        assert len(mine) == len(its) and all(map(np.array_equal, mine, its))
    figures = json.loads((out / "metrics.jsonl").read_text())
    assert figures == {"step": 0, "val_accuracy": 0.5}  # how well it hears
    assert variables["shown"].dtype == np.float32
    np.testing.assert_array_equal(variables["shown"], [[0, 1, 0, 0], [1, 0, 0, 0], [0, 0, 0, 0]])


def test_it_is_a_run_like_any_other(runs, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    dreamt(runs, capsys, "--frame-rate", "12.5", "--size", "48x40")
    run, _ = choose_run(None, direction="hear-see")
    assert run.directory.parent.name == "runs" and run.directory.name.startswith("hallucinate-")
    assert "val_accuracy 0.5" in info.line(run)
    assert "shows 48x40 pictures, 12.5 a second" in info.page(run)
    assert json.loads(json.dumps(info.describe(run)))["kind"] == "hallucinate"
    pack.pack(run, tmp_path / "packed")
    player = load_player(load_run(tmp_path / "packed"))
    sound = np.random.default_rng(0).uniform(-0.5, 0.5, 4000).astype(np.float32)
    pictures = [*visualize(player.transducer, player.variables, [sound], knobs.defaults())]
    pictures = np.concatenate(pictures)
    assert pictures.shape[1:] == (40, 48, 3) and len(pictures) >= 6


def test_what_is_turned_is_in_the_run(runs, tmp_path, capsys):
    words = "--most 1 --threshold 0.3 --release-secs 2 --turn-secs 7".split()
    dreamt(runs, capsys, *words, out=tmp_path / "run")
    dream = from_plain(HallucinationConfig, load_run(tmp_path / "run").config["dream"])
    assert dream.selection == SelectionConfig(most=1, threshold=0.3, release_secs=2)
    assert dream.turn_secs == 7


@pytest.mark.parametrize("head", ["", "heard,shown\n"])
def test_a_file_says_what_is_shown_and_equal_names_still_meet(head, runs, tmp_path, capsys):
    names = tmp_path / "names.csv"
    names.write_text(f"{head}\nrain,sun\nDOG, car\n")
    status, _, told = dreamt(runs, capsys, out=tmp_path / "run", names=names)
    assert (status, told) == (0, "never heard: dog\n")
    shown = load_variables(load_run(tmp_path / "run"))["shown"]
    np.testing.assert_array_equal(shown.argmax(axis=1), [2, 0, 3])
    np.testing.assert_array_equal(shown.sum(axis=1), 1)


def test_several_that_are_heard_may_show_the_same(runs, tmp_path, capsys):
    (tmp_path / "names.csv").write_text("rain,7\ncat,7\nDog,8\n")
    names = tmp_path / "names.csv"
    status, _, told = dreamt(runs, capsys, shows="other", out=tmp_path / "run", names=names)
    assert (status, told) == (0, "")
    shown = load_variables(load_run(tmp_path / "run"))["shown"]
    np.testing.assert_array_equal(shown, [[0, 1], [1, 0], [1, 0]])


def test_names_meet_as_they_are_before_they_meet_in_any_case():
    meets = joined(["a", "A", " a"], ["A", "a", "b"])
    np.testing.assert_array_equal(meets.argmax(axis=1), [1, 0, 0])
    with pytest.raises(WyhError, match="got no class that is both heard"):
        joined(["a"], ["aa"])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("dgo,car\n", "names.csv line 1: got 'dgo' as heard, wanted one of Dog, cat , rain"),
        ("rain,snow\n", "names.csv line 1: got 'snow' as shown, wanted one of cat, dog, car, sun"),
        ("rain,sun\nRain,car\n", "names.csv line 2: got Rain again, wanted each class heard once"),
        ("rain\n", "names.csv line 1: got no shown, wanted one in every line"),
        ("a,b,c\n", "names.csv line 1: got 3 values, wanted 2: heard,shown"),
        ("heard,shown\n", "names.csv: names no sounds, wanted a line for each"),
        ("", "names.csv: names no sounds, wanted a line for each"),
        ("\xff", "names.csv: cannot be read as CSV"),
        (None, "names.csv: cannot be read as CSV (No such file or directory)"),
    ],
)
def test_names_that_are_refused(runs, tmp_path, capsys, text, message):
    if text is not None:
        (tmp_path / "names.csv").write_bytes(text.encode("latin-1"))
    out = tmp_path / "run"
    status, said, told = dreamt(runs, capsys, out=out, names=tmp_path / "names.csv")
    assert (status, said) == (2, "") and told.count("\n") == 1
    assert message in told and not out.exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            "--classifier HEARS --generator OTHER",
            "got no class that is both heard (Dog, cat , rain) and shown (7, 8): say which belong "
            "together with --names, a CSV file of heard,shown",
        ),
        (
            "--generator SHOWS",
            "got no --classifier, wanted a run of experiments.sound_classifier; train one with: "
            "python -m experiments.sound_classifier --data SOUNDS",
        ),
        (
            "--classifier HEARS",
            "got no --generator, wanted a run of experiments.dcgan; train one with: "
            "python -m experiments.dcgan --data PICTURES",
        ),
        (
            "--classifier SHOWS --generator SHOWS",
            "SHOWS, a run of dcgan, wanted sound_classifier; train one with: python -m",
        ),
        (
            "--classifier HEARS --generator PLAIN",
            "PLAIN, a run of autoencoder, wanted dcgan; train one with: python -m experiments.dc",
        ),
        ("--classifier GONE --generator SHOWS", "GONE is no run (it has no config.json)"),
        ("--classifier HEARS --generator SHOWS --out PLAIN", "PLAIN holds a run already: remove"),
        ("--classifier HEARS --generator SHOWS --size huge", "got the size 'huge', wanted pixels"),
        ("--classifier HEARS --generator SHOWS --size 4", "got height 4 pixels, wanted 8 to 4096"),
        ("--classifier HEARS --generator SHOWS --frame-rate 0", "got the rate '0', wanted one"),
        ("--classifier HEARS --generator SHOWS --most 0", "got most 0 classes, wanted 1 to 1000"),
        ("--classifier BARE --generator SHOWS", "BARE/config.json is damaged: it lacks the names"),
        ("--classifier ODD --generator SHOWS", "ODD/config.json is damaged: got ClassifierConfig"),
        ("--classifier TORN --generator SHOWS", "the variables do not fit the model (recogniser/"),
    ],
)
def test_bad_options(runs, tmp_path, capsys, options, message):
    make_run(tmp_path / "PLAIN")
    for name, change in (
        ("BARE", {"data": {}}),
        ("ODD", {"config": {}}),
        ("TORN", {"data": {"classes": ["dog", "cat", "rain"]}}),
    ):
        file = make_hearing_run(tmp_path / name, ["dog"]).directory / "config.json"
        file.write_text(json.dumps(json.loads(file.read_text()) | change))
    places = {name.upper(): runs / name for name in ("hears", "shows", "other")}
    places |= {name: tmp_path / name for name in ("GONE", "PLAIN", "BARE", "ODD", "TORN")}
    before = sorted(tmp_path.rglob("*"))
    words = [str(places.get(word, word)) for word in options.split()]
    words += [] if "--out" in words else ["--out", str(tmp_path / "run")]
    status, said, told = ended(capsys, main, Config, "dream", *words)
    assert (status, said) == (2, "") and told.startswith("dream: ") and told.count("\n") == 1
    for word, place in places.items():
        told = told.replace(str(place), word)
    assert message in told, told
    assert sorted(tmp_path.rglob("*")) == before
