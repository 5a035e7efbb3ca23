"""Everything that takes part in a live stream, opened in order and closed again."""

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from wyh.errors import WyhError
from wyh.knobs import Knobs
from wyh.live.config import Config
from wyh.live.flasher import Flasher
from wyh.live.follow import Follower
from wyh.live.log import LogWriter
from wyh.live.loop import Live
from wyh.live.measure import SECS, Ear, Heard
from wyh.live.panel import Panel
from wyh.live.recorder import Recorder
from wyh.live.scenes import Scene
from wyh.live.sinks import Sink, open_sink
from wyh.live.surfaces import Surfaces
from wyh.live.watch import Notes, Watcher
from wyh.media.camera import FrameSource
from wyh.reference import read_reference
from wyh.runs import Run, load_run
from wyh.transducers.compile import compile_transducer, use_compilation_cache
from wyh.transducers.insight import Insight
from wyh.transducers.kinds import Player, insight_of, load_player


@dataclass(frozen=True)
class Performance:
    """What was played.

    Attributes:
      live: the stream, for its figures.
      failure: why the source ended too early or no flash was heard, or None.
      delays_ms: from a flash to its sound, where that was measured.
    """

    live: Live
    failure: WyhError | None
    delays_ms: dict[str, Any] | None = None


def load_players(config: Config, run: Run) -> list[Player]:
    """The runs to play.

    Raises:
      WyhError: one cannot be played, or not from pictures.
    """
    use_compilation_cache()
    players = []
    for number, each in enumerate([run, *map(load_run, config.scene)]):
        checkpoint = "latest" if config.follow and number == 0 else config.checkpoint
        player = load_player(
            each,
            checkpoint,
            config.transducer,
            stereo=config.stereo,
            synth=config.synth,
            reference=read_reference(config.reference, each),
        )
        if player.transducer.spec.direction != "see-hear":
            raise WyhError(
                f"{each.directory} makes pictures from sound, and {config.source} gives pictures: "
                f"choose a run that makes sound"
            )
        players.append(player)
    return players


def compile_scene(config: Config, player: Player, knobs: Knobs, number: int = 0) -> Scene:
    """A run compiled for one tick each. `number` makes its noise that of no other scene.

    Else fading between two would not keep the level.
    """
    seed = config.seed + number
    compiled = compile_transducer(player.transducer, player.variables, knobs, seed=seed)
    return Scene(player, compiled)


def insights_of(config: Config, players: list[Player]) -> list[Insight | None]:
    """What shows the picture that is still in the sound; nothing for code of the user's own."""
    return [None if config.transducer else insight_of(player) for player in players]


def perform(
    config: Config,
    run: Run,
    knobs: Knobs,
    frames: FrameSource,
    notes: Notes,
    flasher: Flasher | None,
    on_ready: Callable[[Live], None],
) -> Performance:
    """Play until the source, the duration or the player ends it.

    Args:
      config: of the command.
      run: the first scene.
      knobs: to begin with.
      frames: the source; it is running already.
      notes: are told what happens.
      flasher: to measure with, or None.
      on_ready: is given the stream before it plays, to be able to stop it.

    Raises:
      WyhError: something cannot be opened, or a file cannot be written.
    """
    with ExitStack() as stack:
        players = load_players(config, run)
        spec = players[0].transducer.spec
        out = config.sink or "speaker"
        sink = open_sink(out, spec, device_ms=config.device_latency_ms, note=notes)
        stack.push(partial(_close, sink))  # a device settles while the models are compiled
        scenes = [
            compile_scene(config, player, knobs, number) for number, player in enumerate(players)
        ]
        panel = Panel(knobs, len(scenes))
        log = stack.enter_context(LogWriter(config.log)) if config.log else None
        live = Live(
            scenes,
            panel,
            buffer_secs=config.ring_ms / 1000,
            device_secs=config.device_latency_ms / 1000,
            duration_secs=SECS if flasher else config.duration,
            note=notes,
            log=log,
        )
        recorder = Recorder(
            config.record or Path("take.mp4"), spec, notes, lambda: panel.turn("record", "off")
        )
        stack.push(partial(_close, recorder))
        panel.watch(partial(_record, recorder))
        if config.follow:
            stack.enter_context(Follower(scenes[0], notes))
        watcher = Watcher(live, panel, insights_of(config, players), notes)
        surfaces = stack.enter_context(
            Surfaces(config, panel, live, watcher, notes, len(scenes), flasher)
        )
        heard, taps = None, list[Sink]([recorder])
        if flasher is not None and config.listen:
            heard = stack.enter_context(Ear(config.listen, spec.audio.sample_rate, notes)).heard
        elif flasher is not None:
            heard = Heard(lambda: live.output.latency_secs)
            taps.append(heard)
        seen = live.warm_up()
        if surfaces.any_out:
            watcher.warm_up(seen)
        if config.record:
            panel.turn("record", "on")
        frames.wait_first()
        on_ready(live)
        notes(_playing(config, run, live, sink))
        try:
            live.play(frames, sink, taps, surfaces.refresh)
        except BrokenPipeError:
            pass  # whoever listened to standard output has gone: that is an end like any other
    failure, delays_ms = frames.failure, None
    if flasher is not None and heard is not None and not live.stopped:
        try:
            delays_ms = heard.delays_ms(flasher.switches, spec.audio.sample_rate)
        except WyhError as error:
            failure = failure or error  # the other figures are good all the same
    return Performance(live, failure, delays_ms)


def _playing(config: Config, run: Run, live: Live, sink: Sink) -> str:
    into = getattr(sink, "name", config.sink)
    return (
        f"playing {config.source} into {into} with {run.directory}; declared latency "
        f"{1000 * live.spec.latency_secs:.0f} ms, buffer {config.ring_ms:.0f} ms; Ctrl-C ends"
    )


def _record(recorder: Recorder, name: str, value: float) -> None:
    if name == "record" and bool(value) != recorder.recording:
        (recorder.begin if value else recorder.end)()


def _close(sink: Any, kind: object, error: object, trace: object) -> None:
    sink.close(keep=kind is None)
