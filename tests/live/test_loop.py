import threading
import time
from dataclasses import replace

import jax
import numpy as np
import pytest

from tests.live.conftest import FRAMES
from tests.media.clips import read_video
from wyh import knobs
from wyh.errors import WyhError
from wyh.live.log import Emitted, Observed, Turned
from wyh.live.loop import Live
from wyh.live.output import FADE_IN_SECS, FADE_OUT_SECS
from wyh.live.panel import Panel
from wyh.live.replay import replay
from wyh.live.scenes import Scene
from wyh.media.camera import FrameSource
from wyh.media.sources import resolve_source
from wyh.runs import load_run
from wyh.transducers.compile import compile_transducer
from wyh.transducers.kinds import load_player
from wyh.transducers.offline import sonify

TURNED = knobs.defaults(phase="random")
SEED = 7


class Kept:
    """A sink that keeps everything."""

    def __init__(self):
        self.blocks, self.ticks, self.times = [], 0, []

    def write(self, block):
        self.blocks.append(block)
        self.times.append(time.perf_counter())

    def show(self, pixels, ticks):
        self.ticks += ticks

    def close(self, *, keep):
        pass

    @property
    def sound(self):
        return np.concatenate(self.blocks)


@pytest.fixture(scope="module")
def player(run_dir):
    return load_player(load_run(run_dir))


def compiled_for(player, **ticks):
    return compile_transducer(player.transducer, player.variables, TURNED, seed=SEED, **ticks)


@pytest.fixture(scope="module")
def compiled(player):
    return compiled_for(player)


@pytest.fixture
def playing(player, compiled, film):
    """Plays the film: `play(sink, **how) -> Live, log, notes`."""

    def play(sink, compiled=compiled, loop=False, meanwhile=None, **how):
        log, notes = [], []
        how = {"buffer_secs": 0.5, "log": log.append, "note": notes.append} | how
        panel = Panel(TURNED)
        live = Live([Scene(player, compiled)], panel, **how)
        live.warm_up()
        source = resolve_source(str(film), loop=loop)
        with FrameSource(source, player.transducer.spec.video, notes.append) as frames:
            if meanwhile:
                threading.Thread(target=meanwhile, args=(live, panel), daemon=True).start()
            live.play(frames, sink)
        return live, log, notes

    return play


def split(log):
    looked = sorted(event for event in log if isinstance(event, Observed))
    return looked, sorted(event for event in log if isinstance(event, Emitted))


def pictures(film, spec):
    return read_video(film, spec.video)[1]


def test_a_live_log_replays_to_the_same_samples(player, film, playing):
    spec, sink = player.transducer.spec, Kept()
    live, log, _ = playing(sink)
    looked, made = split(log)
    end = round(FRAMES * 8000 / 25) + spec.latency_samples
    assert len(sink.sound) == live.output.played == end
    assert [event.block for event in made] == list(range(-(-end // spec.block)))
    assert all(event.age_secs >= 0 for event in made)
    assert [event.tick for event in looked] == sorted({event.tick for event in looked})
    assert sink.ticks == FRAMES

    frames = dict(enumerate(pictures(film, spec)))
    ticks = {"observe_ticks": 1, "emit_ticks": 16}  # other sizes than live's
    again = replay(compiled_for(player, **ticks), player.variables, frames, log, TURNED)
    if live.ring.underruns == 0:
        np.testing.assert_allclose(sink.sound, again[:end], atol=1e-5)
    assert np.abs(again).max() > 0.01

    # What was played late by no tick is what `render` makes of the film.
    offline = sonify(player.transducer, player.variables, [pictures(film, spec)], TURNED, seed=SEED)
    if live.ring.underruns == 0 and [(e.tick, e.frame) for e in looked] == [
        (n, n) for n in range(FRAMES)
    ]:
        due, _ = spec.schedule(0, len(made))
        if [e.tick for e in made] == list(np.minimum(due, FRAMES - 1)):
            np.testing.assert_allclose(
                sink.sound[spec.latency_samples :], np.concatenate(list(offline)), atol=1e-4
            )


def test_sound_is_paced_and_latencies_are_measured(player, playing):
    sink, spec = Kept(), player.transducer.spec
    started = time.perf_counter()
    live, _, _ = playing(sink, duration_secs=0.8, buffer_secs=0.2)
    wanted = round(0.8 * 8000) + spec.latency_samples
    assert live.output.played == wanted
    assert sink.times[-1] - started > 0.9 * wanted / 8000  # never before it is due
    summary = live.meter.summary(frames=live.frames, secs=1, underruns=0, first_sound_secs=1)
    stages = {name: stage["p50"] for name, stage in summary["stages_ms"].items()}
    assert all(value is not None for value in stages.values())
    assert stages["total"] > 0.9 * stages["ring"]
    # The buffer, the declared latency, and at most a picture more before the model looks.
    assert summary["offset_ms"] > 0.9 * (200 + 1000 * spec.latency_secs)


def test_a_duration_that_no_tick_ends_on_is_kept_to_the_sample(player, playing):
    sink = Kept()
    live, _, _ = playing(sink, duration_secs=0.333)
    assert live.output.played == round(0.333 * 8000) + player.transducer.spec.latency_samples
    assert sink.ticks == 9  # 8.3 frames


def test_a_slow_model_leaves_out_pictures_but_no_sound(player, film, compiled, playing):
    def slow(*arguments):
        time.sleep(0.1)
        return compiled.observe(*arguments)

    sink = Kept()
    live, log, notes = playing(sink, replace(compiled, observe=slow))
    looked, made = split(log)
    spec = player.transducer.spec
    assert len(looked) < FRAMES / 2
    assert sink.ticks == FRAMES
    assert live.output.played == round(FRAMES * 8000 / 25) + spec.latency_samples
    assert len([note for note in notes if "cannot keep up" in note]) == 1
    # A control's age grows until the next one comes.
    assert max(event.age_secs for event in made) > 0.08
    frames = dict(enumerate(pictures(film, spec)))
    again = replay(compiled, player.variables, frames, log, TURNED)
    if live.ring.underruns == 0:
        np.testing.assert_allclose(sink.sound, again[: live.output.played], atol=1e-5)


def test_slow_sound_is_counted_bridged_and_stays_in_time(player, compiled, playing):
    calls = []

    def stalling(*arguments):
        calls.append(None)
        if len(calls) == 60:
            time.sleep(0.4)
        return compiled.emit(*arguments)

    sink = Kept()
    live, _, _ = playing(sink, replace(compiled, emit=stalling), buffer_secs=0.1)
    assert live.ring.underruns > 10
    assert live.output.played == round(FRAMES * 8000 / 25) + player.transducer.spec.latency_samples
    assert sink.times[-1] - sink.times[0] < 60


def test_a_sink_that_blocks_sets_the_pace_and_loses_nothing(player, playing):
    class Blocking(Kept):
        def write(self, block):
            super().write(block)
            if len(self.blocks) == 20:
                time.sleep(1.0)

    sink = Blocking()
    live, _, _ = playing(sink, duration_secs=0.8)
    assert live.output.played == round(0.8 * 8000) + player.transducer.spec.latency_samples
    assert live.ring.underruns < 10  # none, but for a machine that stalls by itself


def test_a_film_can_begin_again(playing):
    sink = Kept()
    _, log, _ = playing(sink, loop=True, duration_secs=2.0)
    looked, _ = split(log)
    assert looked[-1].frame >= FRAMES
    assert sink.ticks == 50


def test_stop_ends_it(playing):
    def later(live, panel):
        time.sleep(0.5)
        live.stop()

    live, _, _ = playing(Kept(), loop=True, meanwhile=later)
    assert 0 <= live.output.played < 8000 * 30


def test_what_a_sink_says_is_heard(playing):
    class Full(Kept):
        def write(self, block):
            raise WyhError("the disk is full")

    with pytest.raises(WyhError, match="the disk is full"):
        playing(Full(), loop=True)


def test_knobs_that_are_turned_are_heard_and_replay(player, film, playing):
    def turning(live, panel):
        while not live.frames:
            time.sleep(0.01)
        for name, value in (("gain_db", -20.0), ("phase", "fixed"), ("negative", 1.0)):
            time.sleep(0.3)
            panel.turn(name, value)

    sink = Kept()
    live, log, _ = playing(sink, meanwhile=turning)
    turned = [event for event in log if isinstance(event, Turned)]
    assert {(event.side, event.name) for event in turned} == {
        (side, name) for side in ("look", "make") for name in ("gain_db", "phase", "negative")
    }
    frames = dict(enumerate(pictures(film, player.transducer.spec)))
    again = replay(compiled_for(player), player.variables, frames, log, TURNED)
    if live.ring.underruns == 0:
        np.testing.assert_allclose(sink.sound, again[: live.output.played], atol=1e-5)
    assert np.abs(again[9000:]).max() < 0.3 * np.abs(again[:2000]).max()
    with pytest.raises(ValueError, match="wanted one emit tick at a time"):
        replay(compiled_for(player, emit_ticks=16), player.variables, frames, log, TURNED)


def test_a_frozen_picture_is_heard_and_shown_until_it_is_let_go(playing):
    shown = []

    class Watching(Kept):
        def show(self, pixels, ticks):
            super().show(pixels, ticks)
            shown.extend([int(pixels.mean())] * ticks)

    def freezing(live, panel):
        while live.frames < 10:
            time.sleep(0.01)
        panel.turn("freeze", "on")
        time.sleep(0.6)
        panel.turn("freeze", "off")

    sink = Watching()
    live, log, _ = playing(sink, meanwhile=freezing)
    looked, made = split(log)
    held = np.bincount(shown)
    assert held.max() > 5 and len(looked) < FRAMES - 5
    assert len(shown) == FRAMES and shown[-1] > 200
    assert max(event.age_secs for event in made) > 0.2
    assert live.output.played == len(sink.sound)


class Device(Kept):
    """Pulls by a clock of its own, a little fast, in pieces that fit nothing."""

    latency_secs, xruns = 0.02, 0

    def __init__(self):
        super().__init__()
        self.heard, self._stop = [], threading.Event()

    def settle(self):
        pass

    def start(self, pull):
        def run():
            begin, taken = time.perf_counter(), 0
            while not self._stop.wait(0.005):
                due = int((time.perf_counter() - begin) * 8000 * 1.001)
                if due > taken:
                    self.heard.append(pull(due - taken))
                    taken = due

        self.thread = threading.Thread(target=run, daemon=True)
        self.thread.start()

    def close(self, *, keep):
        self._stop.set()
        self.thread.join()


def test_a_device_takes_the_sound_by_its_own_clock(player, film, playing):
    device = Device()
    live, log, _ = playing(device, buffer_secs=0.3)
    device.close(keep=True)
    frames = dict(enumerate(pictures(film, player.transducer.spec)))
    again = replay(compiled_for(player), player.variables, frames, log, TURNED)
    end = round(FRAMES * 8000 / 25) + player.transducer.spec.latency_samples
    assert live.output.played == end == len(device.sound)
    heard = np.concatenate(device.heard)[:end]
    fade = round(FADE_IN_SECS * 8000)
    if live.ring.underruns == 0:
        np.testing.assert_allclose(device.sound, again[:end], atol=1e-5)
        last = end - round(FADE_OUT_SECS * 8000)
        np.testing.assert_allclose(heard[fade:last], again[fade:last], atol=1e-5)
    assert np.abs(heard).max() > 0.01
    assert live.meter.median_ms("device") == pytest.approx(20, rel=0.01)


def test_a_scene_may_be_chosen_while_the_picture_is_frozen(player, compiled, film):
    panel = Panel(TURNED, 2)
    live = Live([Scene(player, compiled), Scene(player, compiled)], panel, buffer_secs=0.3)
    live.warm_up()

    def turning():
        while live.frames < 5:
            time.sleep(0.01)
        panel.turn("freeze", "on")
        time.sleep(0.2)
        panel.turn("scene", 2.0)

    threading.Thread(target=turning, daemon=True).start()
    with FrameSource(resolve_source(str(film)), live.spec.video, print) as frames:
        live.play(frames, Kept())
    assert live.shown is not None and set(live.shown[1].control) == {0, 1}


def test_a_log_with_gaps_is_refused(player, compiled):
    with pytest.raises(WyhError, match="got a log with blocks missing"):
        replay(compiled, player.variables, {}, [Emitted(1, 0, 0.0)], TURNED)


def test_an_empty_log_is_silence(player, compiled):
    assert replay(compiled, player.variables, {}, [], TURNED).shape == (0,)


def test_playing_leaves_the_compiled_functions_as_they_were(compiled):
    # Their carries are donated: they must have been copied before.
    for leaf in jax.tree.leaves((compiled.carry_in, compiled.carry_out)):
        assert not leaf.is_deleted()
