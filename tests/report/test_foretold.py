"""The whole command on a tiny run whose sound is as loud as its pictures are bright."""

import json
import re

import jsonschema
import numpy as np
import pytest
from PIL import Image

import wyh.report.__main__ as command
from tests.report.talkies import make_learned_run, write_film
from tests.report.test_main import SCHEMA
from wyh.errors import WyhError
from wyh.media.decode import probe
from wyh.metrics.intervals import Interval
from wyh.report import foretold
from wyh.report.findings import Figure
from wyh.report.foretold import own_synth
from wyh.report.foretold_rows import Foretold, figures, sentence
from wyh.report.foretold_sample import busiest, joined
from wyh.report.nearness import Nearness
from wyh.report.synth_trial import Trial
from wyh.runs import load_variables
from wyh.transducers.autoencoder import SonifierConfig, sonifier
from wyh.transducers.kinds import Player, from_plain


@pytest.fixture
def run(tmp_path):
    return make_learned_run(tmp_path / "run", [write_film(tmp_path / "film.mp4", 200)])


def stand_in(run, checkpoint, *, synth=None):
    """The same sound for some synths; the others cannot play it."""
    if synth in ("exemplar", "reference_phase", "granular", "raw"):
        raise WyhError(f"{run.directory} has no sound to take grains from")
    sound = from_plain(SonifierConfig, run.config["sound"])
    return Player(run, sonifier(sound, run.stream.video), load_variables(run, checkpoint))


def test_a_report_from_start_to_end(run, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(foretold, "load_player", stand_in)
    other = make_learned_run(tmp_path / "other", [tmp_path / "film.mp4"])
    (other.directory / "report").mkdir()
    metrics = {"stft_distance": {"value": 1.625}}
    (other.directory / "report/report.json").write_text(json.dumps({"metrics": metrics}))
    command.main(command.Config(run=run.directory, beside=(other.directory,)))
    out = run.directory / "report"
    assert capsys.readouterr().out == f"{out / 'index.html'}\n"
    assert not list(out.glob(".*")), "a file of work was left"

    told = json.loads((out / "report.json").read_text())
    jsonschema.validate(told, SCHEMA)
    assert (told["run"], told["kind"]) == (str(run.directory), "dbn")
    metrics = told["metrics"]
    rivals = {"silence", "mean_spectrum", "shuffled", "nearest_picture"}
    for name in (
        "stft_distance",
        "log_spectral_distance_db",
        "loudness_error_lu",
        "centroid_error_octaves",
        "onset_f1_50ms",
    ):
        assert set(metrics[name]["baselines"]) == rivals
        for synth in ("noise", "continuous_phase", "overlap"):
            assert metrics[f"{name}_{synth}"]["value"] == metrics[name]["value"]
        assert f"{name}_exemplar" not in metrics
    distance = metrics["stft_distance"]
    # Pictures of one brightness have noise of one level: so what is nearest is nearly right.
    by = distance["baselines"]
    assert by["nearest_picture"] < by["mean_spectrum"] < by["silence"]
    assert by["nearest_picture"] < by["shuffled"]
    # The run is untrained, but it knows which picture it is shown.
    assert distance["value"] < by["shuffled"]
    assert metrics["onset_f1_50ms"]["value"] > metrics["onset_f1_50ms"]["baselines"]["shuffled"]
    assert metrics["loudness_error_lu"]["baselines"]["silence"] > 20
    best = min(by.values())
    wanted = 100 * (1 - distance["value"] / best)
    assert metrics["ahead_of_best_percent"]["value"] == pytest.approx(wanted, rel=1e-3)
    assert metrics["harmonics_noise_db"]["value"] < 4
    assert metrics["click_noise_db"]["value"] < 1

    page = (out / "index.html").read_text()
    assert not re.search(r'(src|href)="(?!data:)', page), "the page needs nothing from elsewhere"
    assert "url(" not in page and "<script" not in page
    assert page.count("<audio") == 1 + 3 + 2 and page.count("<video") == 1
    assert "$" not in page.partition("</style>")[2], "a placeholder was left"
    assert "trained otherwise" in page.lower() and "1.62" in page
    assert "Not played by grains on time" in page
    for name in ("true", "noise", "overlap", "nearest_picture", "mean_spectrum"):
        assert (out / f"{name}.wav").stat().st_size > 4 * 8000 * 2
    assert probe(out / "film.mp4").duration_secs == pytest.approx(4, abs=0.2)
    for name in ("spectrograms", "seconds"):
        with Image.open(out / f"{name}.png") as image:
            assert min(image.size) > 300


def test_the_synth_a_run_says_is_its_own(run):
    assert own_synth(run) == "noise"
    run.config["sound"]["synth"] = "granular"
    assert own_synth(run) == "granular"


def found(own, best, interval, secs=4.0, harmonics=(1.0, 2.0, 7.0)):
    zero = np.zeros(4)

    def near(value):
        apart = np.zeros((4, 3, 4))
        apart[:, 1], apart[:, 2] = 1.0, value
        return Nearness(apart, zero, zero, zero, zero, zero)

    trial = Trial(np.zeros((4, 100), np.float32), list(harmonics), -0.5)
    rivals = {"silence": near(9.0), "nearest_picture": near(best)}
    trials = dict.fromkeys(("noise", "overlap", "raw"), trial)
    return Foretold("noise", trials, {"noise": near(own)}, rivals, interval, secs)


def test_the_result_in_a_sentence():
    better = found(1.0, 1.25, Interval(20, 10, 30))
    assert sentence(better) == (
        "In 4 s of film that it never trained on, what the run makes of the pictures is 20.0 % "
        "nearer to the true sound than the best of four references, the sound of the nearest "
        "picture (95 % interval 10.0 to 30.0 %)."
    )
    worse = sentence(found(1.3, 1.25, Interval(-4, -9, 1)))
    assert "is 4.0 % further from the true sound" in worse
    assert worse.endswith("that may be chance (95 % interval \N{MINUS SIGN}9.0 to 1.0 %).")


def test_what_is_wanted_of_long_films_and_of_smooth_synths():
    def wanted(told) -> dict[str, Figure]:
        return {one.name: one for one in figures(told) if one.wanted is not None}

    short = found(1.0, 1.25, Interval(3, 1, 5))
    assert set(wanted(short)) == {"harmonics_overlap_db"}
    overlap = wanted(short)["harmonics_overlap_db"]
    assert (overlap.value, overlap.baselines, overlap.met) == (7.0, {"median": 2.0}, False)
    long = wanted(found(1.0, 1.25, Interval(3, 1, 5), secs=120.0))
    assert not long["ahead_of_best_percent"].met


def test_the_sample_is_where_most_begins_and_joined_without_clicks(rng):
    sounds = np.zeros((12, 8000), np.float32)
    sounds[7, [2000, 5000]] = sounds[9, 3000] = 0.9
    assert 4 <= busiest(sounds, 8000) <= 7  # six of them, the eighth to the tenth among these
    few = np.ones((3, 8000), np.float32)
    whole = joined(few, [True, False, True], 8000)
    assert whole[0] < 0.01 and whole[-1] < 0.01
    assert whole[7990:8010].min() == 1  # the second leads on from the first
    assert whole[15999] < 0.01 and whole[16000] < 0.01
    assert few.min() == 1
