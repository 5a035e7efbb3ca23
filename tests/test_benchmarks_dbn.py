"""What is timed of `experiments.dbn`: the same for both frameworks, and ticks with pictures."""

from dataclasses import replace
from fractions import Fraction
from itertools import islice

import jax.numpy as jnp
import numpy as np
import pytest

from benchmarks import dbn_epoch, foley_tick, inputs
from experiments.dbn import PRESETS
from tests.conftest import TINY_SYNTH
from wyh.errors import WyhError
from wyh.frames import shuffled
from wyh.specs import VideoSpec
from wyh.synths.laying import due
from wyh.synths.named import ANYTHING
from wyh.training import FitOptions
from wyh.transducers.dbn import target_of

COUNT = 50
VIDEO = VideoSpec(Fraction(10), 8, 8, 1)


def tiny(preset):
    """A preset with few units, learning little sound."""
    config = PRESETS[preset]
    model = replace(config.sound.model, widths=(12,) * len(config.sound.model.widths))
    target = replace(config.sound.target, n_fft=256, n_bands=min(config.sound.target.n_bands, 8))
    sound = replace(config.sound, model=model, target=target, noise=TINY_SYNTH)
    return replace(
        config,
        sound=sound,
        size="8",
        frame_rate="10",
        pretrain=0,
        batch_size=8,
        reference_secs=2.0,
        fit=FitOptions(steps=20),
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A data set as it is timed, but small."""
    made = tmp_path_factory.mktemp("made") / "data"
    dbn_epoch.made_up(made, VIDEO, TINY_SYNTH.sample_rate, COUNT)
    return made


def test_the_epoch_is_that_of_half_an_hour_and_the_network_that_of_the_preset():
    config, video = dbn_epoch.CONFIG, foley_tick.video_of(dbn_epoch.CONFIG)
    assert video == dbn_epoch.VIDEO and config == replace(PRESETS["basic"], pretrain=0)
    assert dbn_epoch.PICTURES == 30 * 60 * 30 and config.batch_size == 64
    sizes = config.sound.model.inputs(video.shape), *config.sound.model.widths
    assert (*sizes, target_of(config.sound, video).size) == (4096, 1000, 735)


def test_made_up_pictures_are_all_learned(folder):
    bank, _ = dbn_epoch.learning(folder, tiny("basic"))
    np.testing.assert_array_equal(bank.training[:, 0], np.arange(COUNT))
    pairs = bank.at(bank.training)
    assert pairs.films.shape == (COUNT, 1, 8, 8, 1) and len(np.unique(pairs.films, axis=0)) > 40
    assert pairs.sound.std() > 0.01


def test_ours_takes_the_steps_and_batches_of_the_experiment(folder):
    ours = dbn_epoch.Ours(folder, tiny("basic"))
    asked = []
    batch = ours.batch
    ours.batch = lambda number: asked.append(number) or batch(number)
    ours(4)
    ours(1)
    assert asked == [0, 1, 2, 3, 4] and ours.number == 5 == int(ours.state.step)
    found = np.asarray(ours.batch(3).films)[:, 0]
    wanted = ours.bank.bank.frames_at(shuffled(3, 8, COUNT, 0))
    np.testing.assert_array_equal(found, wanted)


def test_torch_learns_the_same(folder):
    pytest.importorskip("torch", reason="needs the extra [bench]")
    ours, theirs = (
        dbn_epoch.Ours(folder, tiny("basic")),
        dbn_epoch.Theirs(folder, tiny("basic"), 1),
    )
    before = np.array(ours.state.params["layer_0"]["kernel"])
    ours(6)
    theirs(6)
    linear = [layer for layer in theirs.network if hasattr(layer, "weight")]
    for layer, (name, part) in zip(linear, ours.state.params.items(), strict=True):
        found = layer.weight.detach().numpy().T
        np.testing.assert_allclose(found, part["kernel"], atol=1e-5, err_msg=name)
        np.testing.assert_allclose(layer.bias.detach().numpy(), part["bias"], atol=1e-5)
    assert np.abs(before - ours.state.params["layer_0"]["kernel"]).max() > 1e-3


def test_epochs_are_told_from_steps(monkeypatch, tmp_path):
    def interleave(jobs, rounds):
        mine, one, two = jobs
        return {mine: [1.0, 2.0], one: [3.0, 5.0], two: [9.0, 9.0]}

    monkeypatch.setattr(dbn_epoch, "cores", lambda: 2)
    monkeypatch.setattr(dbn_epoch, "interleave", interleave)
    monkeypatch.setattr(dbn_epoch, "processes", lambda makers, steps: _Entered(makers, steps))
    ratio, secs = dbn_epoch.compare(tmp_path, dbn_epoch.Options(steps=422))
    assert _Entered.steps == 422
    assert (ratio.value, ratio.peer, ratio.own_ms) == (2.75, "PyTorch, 1 thread", 3000)
    assert (secs.value, secs.range, secs.wanted, secs.reached) == (3.0, (2.0, 4.0), 40.0, True)
    _, secs = dbn_epoch.compare(tmp_path, dbn_epoch.Options(whole=True))
    assert _Entered.steps == 844 and secs.value == 1.5


class _Entered(dict):
    def __init__(self, makers, steps):
        super().__init__(makers)
        _Entered.steps = steps

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass


def test_pictures_come_at_their_rate():
    found = list(islice(foley_tick.ages(Fraction(735), 256), 8))
    assert found == [
        (True, 0),
        (False, 256),
        (False, 512),
        (True, 33),
        (False, 289),
        (False, 545),
        (True, 66),
        (False, 322),
    ]
    often = [new for new, _ in islice(foley_tick.ages(Fraction(256), 256), 4)]
    assert often == [True] * 4


@pytest.mark.parametrize("period", [Fraction(735), Fraction(22050, 24), Fraction(1024)])
def test_a_grain_is_due_wherever_a_picture_comes(period):
    ticks = list(islice(foley_tick.ages(period, 256), 200))
    ages = np.array([float(age) for _, age in ticks], np.float32)
    _, when = due(jnp.float32(jnp.inf), jnp.asarray(ages), period=float(period), block=256)
    np.testing.assert_array_equal(when.laid, [new for new, _ in ticks])


def test_every_preset_is_measured_with_every_synth():
    assert foley_tick.Options().presets == tuple(PRESETS)
    assert foley_tick.Options().synths == ANYTHING
    assert foley_tick.video_of(PRESETS["default"]) == VideoSpec(Fraction(24), 64, 64, 3)


@pytest.mark.parametrize(("preset", "synth"), [("basic", "granular"), ("default", "exemplar")])
def test_a_measured_tick_has_a_picture(preset, synth):
    config = tiny(preset)
    variables = foley_tick.variables_of(config, config.sound, foley_tick.video_of(config))
    ticks = foley_tick.Ticks(config, synth, variables)
    for number in range(1, 4):
        ticks.between()
        before = ticks.ticks
        assert ticks.new
        ticks.observe()
        ticks.emit()
        assert (ticks.pictures, ticks.ticks) == (number, before + 1)
    # The third picture begins at sample 1600 of 8000 Hz, in a block that then begins, or before it.
    block = ticks.made.shape[-1]
    assert (ticks.ticks - 2) * block < 1600 <= (ticks.ticks - 1) * block
    assert np.isfinite(ticks.made).all()


def test_no_ticks():
    with pytest.raises(WyhError, match="got ticks 0, wanted 1 to 1e"):
        foley_tick.Options(ticks=0)


def test_the_slowest_synth_of_a_preset_is_told():
    found = {"noise": (1.0, 2.0), "raw": (0.5, 6.0), "overlap": (1.5, 1.6)}
    (row,) = foley_tick.rows("basic", found, each=False)
    assert row.what == "live tick where a grain is due, basic, raw, p95 (p50 0.5 ms)"
    assert (row.value, row.range, row.reached) == (6.0, (1.6, 6.0), False)
    rows = foley_tick.rows("basic", found, each=True)
    assert [row.value for row in rows] == [2.0, 6.0, 1.6]
    took = {"between": [9.0] * 3, "observe": [0.001] * 3, "emit": [0.001, 0.002, 0.003]}
    assert foley_tick.percentiles(took) == (3.0, 3.9)


def test_without_torch(monkeypatch):
    monkeypatch.setattr(inputs.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(WyhError, match="got no PyTorch to compare with"):
        dbn_epoch.main(dbn_epoch.Options())
