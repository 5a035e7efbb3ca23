"""Runs that learned from video, and synths other than a run's own, played live."""

from fractions import Fraction

import numpy as np
import pytest
import soundfile

from tests.hearing import TINY_PCM, heard_sound, make_foley_run
from tests.live.conftest import FRAME_RATE, FRAMES
from tests.live.test_main import play
from tests.visual import make_visual_run
from wyh import knobs
from wyh.errors import WyhError
from wyh.live.__main__ import main
from wyh.live.config import Config
from wyh.live.log import read_log
from wyh.live.replay import replay
from wyh.media.decode import open_video
from wyh.reference import read_reference
from wyh.runs import load_run
from wyh.transducers.compile import compile_transducer
from wyh.transducers.kinds import load_player

pytestmark = pytest.mark.usefixtures("as_it_was")


@pytest.fixture(scope="module")
def foley_dir(tmp_path_factory):
    """A tiny run that has learned from video of 25 pictures a second."""
    folder = tmp_path_factory.mktemp("foley")
    return make_foley_run(folder / "run", frame_rate=Fraction(FRAME_RATE)).directory


@pytest.fixture(scope="module")
def reference(tmp_path_factory):
    path = tmp_path_factory.mktemp("sounds") / "reference.wav"
    soundfile.write(path, heard_sound(1.5, seed=4), 8000)
    return path


def again(run_dir, film, log, **how):
    """What a log says was played, with the declared latency in front."""
    run = load_run(run_dir)
    how["reference"] = read_reference(how.get("reference"), run)
    player = load_player(run, **how)
    with open_video(film, run.stream.video) as reader:
        frames = dict(enumerate(np.concatenate([pixels for _, pixels in reader])))
    turned = knobs.defaults()
    compiled = compile_transducer(player.transducer, player.variables, turned, seed=3)
    sound = replay(compiled, player.variables, frames, read_log(log), turned)
    return sound, player.transducer.spec


@pytest.mark.parametrize("kind", ["own", "exemplar", "autoencoder"])
def test_what_was_played_replays_to_the_same_samples(
    kind, foley_dir, run_dir, reference, film, tmp_path, capsys
):
    run = run_dir if kind == "autoencoder" else foley_dir
    how = {} if kind == "own" else {"synth": "exemplar", "reference": reference}
    wav, log = tmp_path / "heard.wav", tmp_path / "log.jsonl"
    summary = play(run, film, capsys, sink=str(wav), log=log, seed=3, buffer_ms=2000.0, **how)
    assert 0 < summary["frames"] <= FRAMES
    heard, rate = soundfile.read(wav, dtype="float32")
    assert (len(heard), rate) == (round(FRAMES * 8000 / FRAME_RATE), 8000)
    assert np.abs(heard).max() > 1e-3
    sound, spec = again(run, film, log, **how)
    shown = sound[spec.latency_samples :][: len(heard)]
    # The file has 16 bits, cut off.
    np.testing.assert_allclose(heard[: len(shown)], shown, atol=1e-5 + 1 / 32768)


def test_predicted_samples_are_played_too(film, tmp_path, capsys):
    run = make_foley_run(tmp_path / "run", frame_rate=Fraction(FRAME_RATE), sound=TINY_PCM)
    summary = play(run.directory, film, capsys, sink="null", synth="overlap", duration=0.3)
    assert summary["frames"] > 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"synth": "exemplar"}, "has none: name one with --reference"),
        ({"synth": "raw", "stereo": True}, "got --stereo with --synth raw, which is mono"),
        ({"synth": "raw", "transducer": "a:b"}, "got --synth raw with --transducer, which has"),
        ({"reference": "R"}, "got --reference, but nothing is taken from it: leave it out"),
        ({"reference": "R", "follow": True}, "got --reference with --follow or --scene: these"),
        ({"reference": "R", "scene": True}, "got --reference with --follow or --scene: these"),
    ],
)
@pytest.mark.parametrize("sink", ["null", "web"])
def test_options_that_cannot_be(run_dir, film, reference, sink, options, message):
    options = dict(options)
    if "reference" in options:
        options["reference"] = reference
    if "scene" in options:
        options["scene"] = (run_dir,)
    source = None if sink == "web" else str(film)
    with pytest.raises(WyhError, match=message):
        main(Config(source, sink, run=run_dir, browser=False, port=0, **options))


@pytest.mark.parametrize("name", ["synth", "reference"])
def test_a_run_that_makes_pictures_has_no_synth(tmp_path, reference, name):
    run = make_visual_run(tmp_path / "run").directory
    value = {"synth": "raw", "reference": reference}[name]
    with pytest.raises(WyhError, match=f"got --{name} with a run that makes pictures: leave it"):
        main(Config(str(reference), "null", run=run, **{name: value}))
