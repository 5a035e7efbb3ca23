"""Runs that predict notes: what a command is given of them, and which synths play them."""

from dataclasses import dataclass
from types import SimpleNamespace

import jax.numpy as jnp
import numpy as np
import pytest

import wyh.transducers
from tests.hearing import heard_sound
from wyh import knobs
from wyh.errors import WyhError
from wyh.runs import BestMetric, create_run, load_variables, save_variables
from wyh.specs import AudioSpec, StreamSpec, VideoSpec, as_rate
from wyh.synths.named import ANYTHING, synth_named
from wyh.synths.noise import NoiseConfig
from wyh.synths.prediction import Prediction
from wyh.synths.protocol import NoteAmplitudes
from wyh.synths.strikes import unstruck
from wyh.transducers.kinds import insight_of, listener_of, load_player, prediction_of
from wyh.transducers.offline import samples_of, sonify
from wyh.transducers.protocol import Transducer

RATE, HZ = 8000, (737.5, 2012.5)
VIDEO = VideoSpec(as_rate(25), 8, 8)
PERIOD = 320


@dataclass(frozen=True)
class PlayerConfig:
    """Stands for what a model of notes is made of."""

    notes_hz: tuple[float, ...] = HZ
    synth: str = "additive"


def prediction(config, video):
    noise = NoiseConfig(RATE, 256, 64, low_hz=100.0, high_hz=3500.0)
    return Prediction(noise, 8, float(video.frame_rate), notes_hz=config.notes_hz)


def played(config, video):
    """Each note as loud as a picture is bright, told with the next one."""
    synth = synth_named(config.synth, prediction(config, video))

    def init(variables, key, batch_size):
        return jnp.zeros((batch_size, 2)), synth.init(variables, key, batch_size)

    def observe_many(variables, carry, frames, turned, keys):
        bright = jnp.mean(frames.astype(jnp.float32), axis=(2, 3, 4)) / 510
        known = jnp.concatenate([carry, bright], axis=1)
        count = (*bright.shape, len(config.notes_hz))
        value = jnp.broadcast_to(known[:, 1:-1, None], count)
        before = jnp.broadcast_to(known[:, :-2, None], count)
        return known[:, -2:], NoteAmplitudes(value, before, unstruck(value), unstruck(before))

    late = synth.latency_samples + PERIOD
    spec = StreamSpec("see-hear", video, AudioSpec(RATE), synth.block, late)
    needs = frozenset({"params"}) | synth.needs
    return Transducer(spec, init, observe_many, synth.emit_many, needs, late_samples=PERIOD)


@pytest.fixture(autouse=True)
def model(monkeypatch):
    """The model is tested where it is written."""
    stand_in = SimpleNamespace(PlayerConfig=PlayerConfig, prediction_of=prediction, player=played)
    monkeypatch.setattr(wyh.transducers, "recurrent", stand_in, raising=False)


def make_notes_run(directory, config=None):
    run = create_run(
        directory,
        kind="marimba",
        preset="tiny",
        config={"sound": config or PlayerConfig()},
        stream=played(PlayerConfig(), VIDEO).spec,
        data={"fingerprint": "none", "recordings": ["film.mp4"]},
        best_metric=BestMetric("val_skill", "higher"),
    )
    save_variables(run, {"params": np.zeros(1, np.float32), "gain_db": np.float32(0)}, "variables")
    return run


@pytest.fixture
def run(tmp_path):
    return make_notes_run(tmp_path / "run")


def test_a_run_of_notes_becomes_what_it_says_it_is(run):
    assert load_player(run).transducer.spec == run.stream
    assert prediction_of(run) == prediction(PlayerConfig(), VIDEO)
    assert prediction_of(run).notes_hz == HZ
    assert insight_of(load_player(run)) is None
    with pytest.raises(WyhError, match="kind 'marimba', which nothing can listen to"):
        listener_of(load_player(run))


@pytest.mark.parametrize("synth", [*ANYTHING, "additive"])
def test_every_synth_plays_a_run_of_notes_in_time(run, synth):
    heard = heard_sound(1.0) if synth in ("exemplar", "reference_phase") else None
    player = load_player(run, synth=synth, reference=heard)
    alone = synth_named(synth, prediction_of(run))
    assert player.transducer.spec.block == alone.block
    assert player.transducer.spec.latency_samples == alone.latency_samples + PERIOD
    assert player.transducer.needs <= player.variables.keys()


@pytest.mark.parametrize("synth", ["additive", "noise"])
def test_a_bright_picture_is_heard_while_it_is_seen(run, synth):
    player = load_player(run, synth=synth)
    frames = np.zeros((40, *VIDEO.shape), np.uint8)
    frames[18:23] = 255
    parts = sonify(player.transducer, player.variables, [frames], knobs.defaults())
    sound = np.concatenate(list(parts))
    assert len(sound) == samples_of(40, player.transducer.spec)
    power = np.square(sound)
    middle = np.sum(power * (np.arange(len(sound)) + 0.5)) / np.sum(power)
    assert middle == pytest.approx(20.5 * PERIOD, abs=0.15 * PERIOD)


def test_strikes_are_taken_from_the_training_sound(run):
    message = (
        "got --synth knn, which takes from the sound a run learned from, and .*run keeps none: "
        "train it again, or choose additive"
    )
    with pytest.raises(WyhError, match=message) as told:
        load_player(run, synth="knn")
    assert "\n" not in str(told.value)
    struck = {"note_reference": {"sound": np.zeros(8, np.int16)}}
    save_variables(run, load_variables(run) | struck, "variables")
    player = load_player(run, synth="knn")
    assert "note_reference" in player.transducer.needs
    message = (
        "got --reference with the synth knn, which has to know what is struck in it: leave it out"
    )
    with pytest.raises(WyhError, match=message) as told:
        load_player(run, synth="knn", reference=heard_sound(1.0))
    assert "\n" not in str(told.value)


def test_what_a_run_of_notes_cannot_do(run, tmp_path):
    for options, message in [
        ({"stereo": True}, "got --stereo, but a run of marimba makes mono sound alone"),
        ({"synth": "exemplar"}, "got --synth exemplar, which takes from a recording, and .*run"),
        ({"reference": heard_sound(1.0)}, "got --reference, but nothing is taken from it: leave"),
    ]:
        with pytest.raises(WyhError, match=message):
            load_player(run, **options)
    damaged = make_notes_run(tmp_path / "odd", {"notes_hz": [1e6], "synth": "additive"})
    with pytest.raises(WyhError, match=r"odd/config\.json is damaged: got a note to play at"):
        load_player(damaged)
