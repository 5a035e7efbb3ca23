"""Sound becomes pictures, live: what is made, when, and that a log gives the same again."""

import threading
import time
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
import soundfile

from tests.visual import make_visual_run
from wyh import knobs
from wyh.errors import WyhError
from wyh.live.config import Config
from wyh.live.hearing import MicrophoneHearing, open_sound
from wyh.live.log import Emitted, Observed, Turned
from wyh.live.panel import Panel
from wyh.live.replay import replay_pictures
from wyh.live.scenes import Scene
from wyh.live.show import Show
from wyh.live.tune import Tune
from wyh.media.sources import resolve_sound
from wyh.transducers.compile import compile_transducer
from wyh.transducers.kinds import load_player
from wyh.transducers.offline import visualize

TURNED = knobs.defaults(flash_limit="off")
SEED, RATE, SECS = 3, 8000, 1.5
PICTURES = round(24 * SECS)


class Kept:
    """A sink that keeps everything."""

    def __init__(self):
        self.pictures, self.blocks, self.times = [], [], []

    def write(self, block):
        self.blocks.append(block)

    def show(self, pixels, ticks):
        self.times.append(time.perf_counter())
        self.pictures += [pixels] * ticks

    def close(self, *, keep):
        pass

    @property
    def sound(self):
        return np.concatenate(self.blocks)


@pytest.fixture(scope="module")
def player(tmp_path_factory):
    return load_player(make_visual_run(tmp_path_factory.mktemp("run") / "tiny"))


@pytest.fixture(scope="module")
def compiled(player):
    return compile_transducer(player.transducer, player.variables, TURNED, seed=SEED)


@pytest.fixture(scope="module")
def song(tmp_path_factory):
    """Noise of 1.5 s that grows, at the run's own rate: 16 bits, so exactly known."""
    rng = np.random.default_rng(0)
    sound = np.linspace(0.01, 0.5, round(RATE * SECS)) * rng.uniform(-1, 1, round(RATE * SECS))
    path = tmp_path_factory.mktemp("song") / "song.wav"
    soundfile.write(path, sound, RATE, "PCM_16")
    return path


@pytest.fixture
def showing(player, compiled, song):
    """Shows the song: `showing(sink, **how) -> Show, log, notes`."""

    def show_it(sink, compiled=compiled, source=None, meanwhile=None, refresh=None, **how):
        log, notes, panel = [], [], Panel(TURNED, direction="hear-see")
        spec = player.transducer.spec
        config = Config(loop=how.pop("loop", False))
        found = resolve_sound(str(source or song))
        with open_sound(found, config, spec, notes.append) as sound:
            tuned = not isinstance(sound, MicrophoneHearing)
            hearing = Tune(sound, lambda: 1.0) if tuned else sound
            if "device" in how:
                hearing.device = how.pop("device")
            show = Show(
                Scene(player, compiled), panel, hearing, note=notes.append, log=log.append, **how
            )
            show.warm_up()
            if tuned:
                sound.wait_first()
            if meanwhile:
                threading.Thread(target=meanwhile, args=(show, panel), daemon=True).start()
            show.play([sink], refresh or (lambda: None))
        return show, log, notes

    return show_it


def blocks_of(song, block):
    sound = soundfile.read(song, dtype="float32")[0]
    padded = np.pad(sound, (0, 10 * RATE))
    return {n: padded[n * block : (n + 1) * block] for n in range(len(padded) // block)}


def again(player, compiled, song, log):
    blocks = blocks_of(song, player.transducer.spec.block)
    return dict(replay_pictures(compiled, player.variables, blocks, log, TURNED))


def split(log):
    listened = sorted(event for event in log if isinstance(event, Observed))
    return listened, sorted(event for event in log if isinstance(event, Emitted))


def test_a_song_is_what_render_makes_of_it(player, compiled, song, showing):
    spec, sink = player.transducer.spec, Kept()
    show, log, _ = showing(sink)
    listened, made = split(log)
    assert [event.tick for event in listened] == list(range(len(listened)))
    assert len(sink.pictures) == PICTURES
    assert len(sink.sound) == round(48000 * SECS)
    assert show.frames == len(made) and show.frames + show.left_out >= PICTURES
    replayed = again(player, compiled, song, log)
    shown = {n: p for n, p in enumerate(sink.pictures) if n in replayed}
    assert len(shown) == show.frames
    for number, picture in shown.items():
        np.testing.assert_allclose(picture.astype(int), replayed[number], atol=1)
    if show.left_out == 0:
        blocks, ages = spec.picture_schedule(0, PICTURES, late=spec.latency_samples)
        if [event.tick for event in made] == blocks.tolist():  # none came too late
            np.testing.assert_allclose([event.age_secs for event in made], ages)
            sound = soundfile.read(song, dtype="float32")[0]
            how = player.transducer, player.variables, [sound], TURNED
            offline = np.concatenate(list(visualize(*how, seed=SEED)))
            np.testing.assert_allclose(np.stack(sink.pictures).astype(int), offline, atol=1)


def test_pictures_are_shown_at_their_ticks_and_never_before(showing):
    sink, begun = Kept(), []
    show, _, _ = showing(sink, meanwhile=lambda *_: begun.append(time.perf_counter()))
    assert sink.times[-1] - begun[0] > 0.95 * (PICTURES - 1) / 24
    summary = show.meter.summary(frames=1, secs=1, underruns=0, first_sound_secs=1)
    assert all(stage["p50"] is not None for stage in summary["stages_ms"].values())
    assert summary["offset_ms"] >= 0


def test_a_knob_that_is_turned_is_seen_and_replays(player, compiled, song, showing):
    def turning(show, panel):
        while not show.frames:
            time.sleep(0.01)
        for name, value in (("negative", 1.0), ("bass", 12.0)):
            time.sleep(0.2)
            panel.turn(name, value)

    sink = Kept()
    _, log, _ = showing(sink, meanwhile=turning)
    turned = {(event.side, event.name) for event in log if isinstance(event, Turned)}
    assert turned == {(side, name) for side in ("look", "make") for name in ("negative", "bass")}
    for number, picture in again(player, compiled, song, log).items():
        np.testing.assert_allclose(sink.pictures[number].astype(int), picture, atol=1)


def test_a_frozen_picture_is_held_while_the_sound_goes_on(showing):
    def freezing(show, panel):
        while show.frames < 5:
            time.sleep(0.01)
        panel.turn("freeze", "on")

    sink = Kept()
    show, log, _ = showing(sink, meanwhile=freezing)
    assert 5 <= show.frames < PICTURES and len(sink.pictures) == PICTURES
    last = max(event.block for event in log if isinstance(event, Emitted))
    assert all((picture == sink.pictures[last]).all() for picture in sink.pictures[last:])
    assert len(sink.sound) == round(48000 * SECS)
    assert len(split(log)[0]) > RATE * SECS / 80 - 10  # it was listened to all the time


def test_a_slow_model_leaves_out_pictures_but_no_sound(player, compiled, song, showing):
    def slow(*arguments):
        time.sleep(0.1)
        return compiled.emit(*arguments)

    sink = Kept()
    show, log, notes = showing(sink, replace(compiled, emit=slow))
    assert show.left_out > 10 and show.frames < PICTURES / 2
    assert len(sink.pictures) == PICTURES and len(sink.sound) == round(48000 * SECS)
    assert len([note for note in notes if "cannot keep up" in note]) == 1
    for number, picture in again(player, compiled, song, log).items():
        np.testing.assert_allclose(sink.pictures[number].astype(int), picture, atol=1)


def test_a_song_can_begin_again(showing):
    sink = Kept()
    showing(sink, loop=True, duration_secs=3.5)
    assert len(sink.pictures) == 84 and len(sink.sound) == round(48000 * 3.5)
    first, second = sink.sound[:48000], sink.sound[round(48000 * SECS) :][:48000]
    assert np.corrcoef(first, second)[0, 1] > 0.99


def test_a_duration_that_no_picture_ends_on(showing):
    sink = Kept()
    showing(sink, duration_secs=0.333)
    assert len(sink.pictures) == 8  # 7.99


class Device:
    """Pulls by a clock of its own, a little fast, in pieces that fit nothing."""

    latency_secs, xruns = 0.05, 0

    def __init__(self):
        self.heard, self._stop = [], threading.Event()

    def start(self, pull):
        def run():
            begin, taken = time.perf_counter(), 0
            while not self._stop.wait(0.005):
                due = int((time.perf_counter() - begin) * 48000 * 1.001)
                if due > taken:
                    self.heard.append((time.perf_counter(), pull(due - taken)))
                    taken = due

        self.thread = threading.Thread(target=run, daemon=True)
        self.thread.start()

    def close(self):
        self._stop.set()
        self.thread.join()


def test_a_speaker_is_the_clock(player, compiled, song, showing):
    device, sink = Device(), Kept()
    _, log, _ = showing(sink, device=device)
    device.close()
    played = np.concatenate([block for _, block in device.heard])
    begin = int(np.flatnonzero(played)[0])
    assert len(sink.pictures) == PICTURES
    assert len(sink.sound) == round(48000 * SECS)
    heard = played[begin:][: len(sink.sound) - 1]  # the very first sample may be nothing
    at = int(np.flatnonzero(sink.sound)[0])
    np.testing.assert_array_equal(sink.sound[at:][: len(heard)][:60000], heard[:60000])
    # A picture is never there before its sound is at the ear, by more than the pieces are long.
    first_pull = next(moment for moment, block in device.heard if np.any(block))
    behind = sink.times[-1] - (first_pull + device.latency_secs + (PICTURES - 1) / 24)
    assert behind > -0.05
    for number, picture in again(player, compiled, song, log).items():
        np.testing.assert_allclose(sink.pictures[number].astype(int), picture, atol=1)


def test_a_microphone_is_the_clock_and_its_newest_sound_wins(player, showing):
    sink = Kept()
    show, log, _ = showing(sink, source="mic:null", duration_secs=1.0)
    listened, made = split(log)
    spec = player.transducer.spec
    assert len(sink.pictures) == 24
    assert all(event.age_secs >= 0 for event in made)
    for event in made:  # what had ended by the tick, or what was there by then
        (block,), _ = spec.picture_schedule(event.block, 1)
        assert event.tick <= block
    assert [event.tick for event in listened] == list(range(len(listened)))
    # On tape, sound is later by as much as pictures are.
    assert not sink.sound[: spec.latency_samples].any()
    assert show.hearing.first_heard is None and show.meter.offset_ms > 1000 * spec.latency_secs


def test_what_a_sink_says_is_heard(showing):
    class Full(Kept):
        def show(self, pixels, ticks):
            raise WyhError("the disk is full")

    with pytest.raises(WyhError, match="the disk is full"):
        showing(Full(), loop=True)


def test_stop_ends_it(showing):
    def later(show, panel):
        time.sleep(0.4)
        show.stop()

    show, _, _ = showing(Kept(), loop=True, meanwhile=later)
    assert show.stopped and show.frames < 24 * 60


def test_a_watched_picture_counts_once_it_was_refreshed(showing):
    seen = []
    show, _, _ = showing(Kept(), watched=True, refresh=lambda: seen.append(None))
    assert seen and show.first_picture is not None and show.meter.median_ms("device") is not None


def test_other_rates_than_the_run_was_trained_with(tmp_path, song):
    run = make_visual_run(tmp_path / "run", frame_rate=Fraction(24))
    video = replace(run.stream.video, frame_rate=Fraction(50), width=24)
    player = load_player(run, video=video)
    assert player.transducer.spec.video == video
