import json
import shutil
import sys
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from tests.conftest import TINY_MODEL, TINY_SYNTH, make_run
from tests.dreamers import make_dream_run
from tests.hearing import TINY_PCM, heard_sound, make_foley_run
from tests.visual import make_visual_run
from wyh import knobs
from wyh.errors import WyhError
from wyh.runs import load_run, load_variables, save_variables
from wyh.specs import VideoSpec
from wyh.synths.mixture import TuningConfig
from wyh.synths.named import ANYTHING, synth_named
from wyh.transducers.autoencoder import SonifierConfig
from wyh.transducers.kinds import (
    insight_of,
    listener_of,
    load_player,
    prediction_of,
    transducer_of,
)
from wyh.transducers.offline import sonify


@pytest.fixture
def run(tmp_path):
    return make_run(tmp_path / "run")


def rewrite(run, change):
    file = run.directory / "config.json"
    about = json.loads(file.read_text())
    change(about)
    file.write_text(json.dumps(about))
    return load_run(run.directory)


def test_a_run_becomes_what_it_says_it_is(run):
    player = load_player(run)
    assert player.run is run
    assert player.transducer.spec == run.stream
    assert player.variables["gain_db"] == np.float32(-10)


def test_a_run_from_before_there_were_scales_still_plays(run):
    def older(about):
        del about["config"]["sound"]["tuning"]
        del about["stream"]["audio"]["channels"]

    assert load_player(rewrite(run, older)).transducer.spec == run.stream


def test_best_and_latest_are_two_files(run):
    save_variables(run, load_variables(run) | {"gain_db": np.float32(3)}, "variables_latest")
    assert load_player(run, "best").variables["gain_db"] == -10
    assert load_player(run, "latest").variables["gain_db"] == 3


def test_what_is_no_checkpoint(run):
    for name in ("newest", "", "-1", "1.5"):
        with pytest.raises(WyhError, match="wanted best, latest or a step's number"):
            load_player(run, name)
    with pytest.raises(WyhError, match="5"):
        load_player(run, "5")


def test_a_kind_that_is_not_known(run):
    odd = rewrite(run, lambda about: about.update(kind="theremin"))
    with pytest.raises(WyhError, match="is of the kind 'theremin', which this version does not"):
        transducer_of(odd)


def test_a_part_of_a_model_cannot_be_played(run):
    part = rewrite(run, lambda about: about.update(stream=None))
    with pytest.raises(WyhError, match="is part of a model and cannot be played alone"):
        load_player(part)


@pytest.mark.parametrize("kind", ["sound_classifier", "dcgan"])
def test_what_a_part_of_a_dream_is_joined_with(run, kind):
    part = rewrite(run, lambda about: about.update(stream=None, kind=kind))
    with pytest.raises(WyhError, match="alone: join one that hears and one that shows with python"):
        load_player(part)


def test_a_run_that_dreams(tmp_path):
    run = make_dream_run(tmp_path / "dream")
    player = load_player(run)
    assert player.transducer.spec == run.stream
    small = VideoSpec(Fraction(12), 40, 24)
    assert load_player(run, video=small, refine=2).transducer.spec.video == small
    damaged = rewrite(run, lambda about: about["config"]["dream"].update(turn_secs=0))
    with pytest.raises(WyhError, match=r"dream/config.json is damaged: .*got turn_secs 0 s"):
        load_player(damaged)
    variables = load_variables(run)
    del variables["shown"]
    save_variables(run, variables)
    with pytest.raises(WyhError, match="is damaged: its variables lack shown; copy it again"):
        load_player(run)


def test_there_is_nothing_to_refine(run, tmp_path):
    with pytest.raises(WyhError, match="got --refine 3, but a run of autoencoder has nothing to"):
        load_player(run, refine=3)
    dream = make_dream_run(tmp_path / "dream")
    with pytest.raises(WyhError, match="got --refine 3, but json:loads has nothing to refine"):
        load_player(dream, custom="json:loads", refine=3)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda a: a["config"].pop("sound"), "got SonifierConfig = None"),
        (lambda a: a["config"].update(sound=3), "wanted SonifierConfig"),
        (lambda a: a["config"]["sound"].update(mood=1), "got the unknown setting .*mood"),
        (lambda a: a["config"]["sound"]["synth"].update(hop_length=100), "wanted n_fft a multiple"),
        (lambda a: a["config"]["sound"]["synth"].update(high_hz=9e9), "wanted at most half"),
        (lambda a: a["config"]["sound"]["model"].update(code_size=-1), "got code_size -1"),
        (lambda a: a["config"]["sound"]["tuning"].update(cents=[]), "got the scale of no notes"),
    ],
)
def test_a_damaged_or_foreign_config(run, change, message):
    with pytest.raises(WyhError, match=f"run/config.json is damaged: .*{message}"):
        load_player(rewrite(run, change))


@pytest.mark.parametrize("missing", ["params", "gain_db"])
def test_variables_that_lack_something(run, missing):
    variables = load_variables(run)
    del variables[missing]
    save_variables(run, variables)
    with pytest.raises(WyhError, match=f"is damaged: its variables lack {missing}; copy it"):
        load_player(run)


def test_ones_own_kind_comes_from_the_command_line_alone(run, tmp_path, monkeypatch):
    (tmp_path / "mine.py").write_text(
        "from wyh.transducers.kinds import transducer_of\n"
        "def make(run):\n    make.run = run\n    return transducer_of(run)\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    player = load_player(run, custom="mine:make")
    assert player.transducer.spec == run.stream
    assert sys.modules["mine"].make.run is run


def test_stereo_is_the_same_run_with_two_channels(run):
    spec = load_player(run, stereo=True).transducer.spec
    assert spec == replace(run.stream, audio=replace(run.stream.audio, channels=2))


def test_ones_own_kind_need_not_know_stereo(run, tmp_path, monkeypatch):
    (tmp_path / "mono.py").write_text("from wyh.transducers.kinds import transducer_of as make\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    message = "got --stereo, but mono:make makes mono sound alone: leave it out"
    with pytest.raises(WyhError, match=message):
        load_player(run, custom="mono:make", stereo=True)


@pytest.mark.parametrize("name", ["nowhere:make", "json:nothing", "json", "", ":", "json:"])
def test_ones_own_kind_that_is_not_there(run, name):
    with pytest.raises(WyhError, match=f"got --transducer '{name}', wanted module:function"):
        load_player(run, custom=name)


@pytest.fixture(scope="module")
def foley_run(tmp_path_factory):
    return make_foley_run(tmp_path_factory.mktemp("runs") / "foley")


def sound_of(player, seed=0, count=8, **turned):
    """Of pictures that change."""
    shape = player.transducer.spec.video.shape
    frames = np.random.default_rng(seed).integers(0, 256, (count, *shape), np.uint8)
    parts = sonify(player.transducer, player.variables, [frames], knobs.defaults(**turned))
    return np.concatenate(list(parts))


def test_a_run_that_learned_from_video_becomes_what_it_says_it_is(foley_run):
    player = load_player(foley_run)
    assert player.transducer.spec == foley_run.stream
    assert player.variables["reference"]["sound"].dtype == np.int16
    prediction = prediction_of(foley_run)
    assert (prediction.n_bands, prediction.column, prediction.frame_rate) == (8, 0, 10.0)


def test_what_runs_predict_is_what_their_synths_are_given(run, tmp_path):
    prediction = prediction_of(run)
    assert (prediction.n_bands, prediction.column, prediction.frame_rate) == (8, 0, 10.0)
    assert prediction.noise.sample_rate == 8000
    samples = prediction_of(make_foley_run(tmp_path / "pcm", sound=TINY_PCM))
    assert samples.column == 800


@pytest.mark.parametrize("synth", ANYTHING)
def test_every_synth_plays_every_run_that_makes_sound(run, foley_run, synth):
    """Their specs alone: `tests/synths` hear them."""
    for each in (run, foley_run):
        player = load_player(each, synth=synth, reference=heard_for(synth))
        spec = player.transducer.spec
        assert replace(spec, block=64, latency_samples=0) == replace(
            each.stream, block=64, latency_samples=0
        )
        assert 0 < spec.latency_samples < 8000 and spec.audio.sample_rate == 8000
        alone = synth_named(synth, prediction_of(each))
        assert (spec.block, spec.latency_samples) == (alone.block, alone.latency_samples)
        assert player.transducer.needs <= player.variables.keys()


def heard_for(synth):
    return heard_sound(1.0, seed=9) if synth in ("exemplar", "reference_phase") else None


def test_the_synth_that_a_run_has_is_the_one_that_is_asked_for(tmp_path):
    """With its own scale, too."""
    sound = SonifierConfig(TINY_MODEL, TINY_SYNTH, TuningConfig(cents=(0, 500)))
    run = make_run(tmp_path / "run", sound=sound)
    own, asked = load_player(run), load_player(run, synth="noise")
    assert asked.transducer.spec == own.transducer.spec
    np.testing.assert_array_equal(sound_of(asked, timbre=1), sound_of(own, timbre=1))
    stereo = load_player(run, synth="noise", stereo=True)
    assert stereo.transducer.spec.audio.channels == 2


def test_a_reference_takes_the_place_of_the_runs_own(foley_run):
    given = heard_sound(1.0, seed=9)
    player = load_player(foley_run, synth="exemplar", reference=given)
    np.testing.assert_array_equal(player.variables["reference"]["sound"], given)
    own = load_player(foley_run, synth="exemplar")
    assert len(own.variables["reference"]["sound"]) == 2 * 8000
    at_once = make_and_name(foley_run, "exemplar")  # a run that is always played so
    player = load_player(at_once, reference=given)
    np.testing.assert_array_equal(player.variables["reference"]["sound"], given)


def make_and_name(run, synth):
    """A copy of a run that has another synth of its own."""
    copy = shutil.copytree(run.directory, run.directory.parent / synth)
    file = copy / "config.json"
    about = json.loads(file.read_text())
    about["config"]["sound"]["synth"] = synth
    file.write_text(json.dumps(about))
    return load_run(copy)


def test_synths_and_references_that_cannot_be(run, foley_run, tmp_path):
    given, painter = heard_sound(1.0), make_visual_run(tmp_path / "painter")
    for each, options, message in [
        (
            run,
            {"custom": "a:b", "synth": "raw"},
            "got --synth raw with --transducer, which has its",
        ),
        (
            run,
            {"custom": "a:b", "reference": given},
            "got --reference with --transducer, which has",
        ),
        (
            run,
            {"synth": "granular", "stereo": True},
            "got --stereo with --synth granular, which is",
        ),
        (foley_run, {"stereo": True}, "got --stereo, but a run of dbn makes mono sound alone"),
        (
            foley_run,
            {"synth": "noise", "stereo": True},
            "got --stereo, but a run of dbn makes mono",
        ),
        (
            run,
            {"synth": "exemplar"},
            "got --synth exemplar, which takes from a recording, and .*run",
        ),
        (run, {"synth": "reference_phase"}, "has none: name one with --reference"),
        (run, {"reference": given}, "got --reference, but nothing is taken from it: leave it out,"),
        (foley_run, {"reference": given}, "or add --synth exemplar or reference_phase"),
        (
            run,
            {"synth": "raw", "reference": given},
            "got --reference, but nothing is taken from it",
        ),
        (
            run,
            {"synth": "additive"},
            "got --synth additive, which plays notes, but this run predicts none: choose another",
        ),
        (foley_run, {"synth": "knn"}, "got --synth knn, which plays notes, but this run predicts"),
        (painter, {"synth": "raw"}, "got --synth, but .*painter makes no sound: leave it out"),
        (
            run,
            {"synth": "exemplar", "reference": given[:900]},
            "got a reference of 0.113 s, wanted",
        ),
        (
            run,
            {"synth": "exemplar", "reference": 0 * given},
            "got a silent reference, wanted sound",
        ),
    ]:
        with pytest.raises(WyhError, match=message) as told:
            load_player(each, **options)
        assert "\n" not in str(told.value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda a: a["config"].pop("sound"), "got FoleyConfig = None"),
        (lambda a: a["config"]["sound"]["model"].update(widths=[]), "got 0 hidden layers"),
        (lambda a: a["config"]["sound"]["noise"].update(high_hz=9e9), "wanted at most half"),
        (lambda a: a["config"]["sound"]["target"].update(kind="smell"), "smell"),
        (lambda a: a["config"]["sound"].update(synth="piano"), "piano"),
    ],
)
def test_a_damaged_run_that_learned_from_video(foley_run, tmp_path, change, message):
    copy = load_run(shutil.copytree(foley_run.directory, tmp_path / "run"))
    with pytest.raises(WyhError, match=f"run/config.json is damaged: .*{message}"):
        load_player(rewrite(copy, change))


def test_nothing_listens_to_a_run_that_learned_from_video(foley_run):
    with pytest.raises(WyhError, match="kind 'dbn', which nothing can listen to: name a run of"):
        listener_of(load_player(foley_run))
    assert insight_of(load_player(foley_run)) is None
