"""Everything that takes part where sound becomes pictures, opened in order and closed again."""

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import partial
from pathlib import Path

from wyh.errors import WyhError
from wyh.knobs import Knobs
from wyh.live.config import Config
from wyh.live.follow import Follower
from wyh.live.hearing import Hearing, MicrophoneHearing
from wyh.live.log import LogWriter
from wyh.live.panel import Panel
from wyh.live.picture_sinks import open_picture_sink
from wyh.live.recorder import Recorder
from wyh.live.scenes import Scene
from wyh.live.show import Show
from wyh.live.sinks import Sink, SpeakerSink
from wyh.live.surfaces import Surfaces
from wyh.live.tune import Tune
from wyh.live.watch import Notes, Spectator
from wyh.media.song import Song
from wyh.runs import Run
from wyh.specs import AudioSpec, StreamSpec, VideoSpec, as_rate
from wyh.transducers.compile import compile_transducer, use_compilation_cache
from wyh.transducers.kinds import load_player


@dataclass(frozen=True)
class Exhibition:
    """What was shown.

    Attributes:
      show: the stream, for its figures.
      failure: why the source ended too early, or None.
    """

    show: Show
    failure: WyhError | None


def video_of(config: Config, run: Run) -> VideoSpec:
    """The pictures to make: the run's, but for what the options say.

    Raises:
      WyhError: no size or rate that pictures can have.
    """
    assert run.stream is not None
    video = run.stream.video
    if config.size is not None:
        width, _, height = config.size.partition("x")
        if not (width.isdecimal() and height.isdecimal()):
            raise WyhError(f"got --size {config.size}, wanted WIDTHxHEIGHT, such as 512x512")
        video = replace(video, width=int(width), height=int(height))
    rate: Fraction | None = None if config.frame_rate is None else as_rate(config.frame_rate)
    return video if rate is None else replace(video, frame_rate=rate)


def exhibit(
    config: Config,
    run: Run,
    knobs: Knobs,
    sound: MicrophoneHearing | Song,
    notes: Notes,
    on_ready: Callable[[Show], None],
) -> Exhibition:
    """Play until the sound, the duration or the player ends it.

    Args:
      config: of the command.
      run: that plays.
      knobs: to begin with.
      sound: the source; it is running already.
      notes: are told what happens.
      on_ready: is given the stream before it plays, to be able to stop it.

    Raises:
      WyhError: something cannot be opened, or a file cannot be written.
    """
    use_compilation_cache()
    with ExitStack() as stack:
        panel = Panel(knobs, direction="hear-see", kind=run.kind)
        hearing: Hearing = Tune(sound, _gain(panel)) if isinstance(sound, Song) else sound
        if isinstance(hearing, Tune) and config.has_window:
            latency_ms = config.device_latency_ms
            speaker = SpeakerSink(config.speaker, _tape(hearing), latency_ms, notes)
            stack.push(partial(_close, speaker))
            hearing.device = speaker
        video = video_of(config, run)
        checkpoint = "latest" if config.follow else config.checkpoint
        player = load_player(run, checkpoint, config.transducer, video=video)
        spec = player.transducer.spec
        assert run.stream is not None
        if (spec.direction, spec.audio, spec.block) != (
            "hear-see",
            run.stream.audio,
            run.stream.block,
        ):
            raise WyhError(
                f"got --transducer {config.transducer}, which hears otherwise than {run.directory} "
                f"says: wanted one that fits it"
            )
        heard = replace(spec, latency_samples=0, audio=_tape(hearing))
        sink = open_picture_sink(config.sink or "screen", heard)
        stack.push(partial(_close, sink))
        compiled = compile_transducer(player.transducer, player.variables, knobs, seed=config.seed)
        scene = Scene(player, compiled)
        log = stack.enter_context(LogWriter(config.log)) if config.log else None
        show = Show(
            scene,
            panel,
            hearing,
            duration_secs=config.duration,
            watched=config.has_window,
            note=notes,
            log=log,
        )
        recorder = _recorder(config, heard, panel, notes)
        stack.push(partial(_close, recorder))
        if config.follow:
            stack.enter_context(Follower(scene, notes))
        surfaces = stack.enter_context(
            Surfaces(config, panel, show, Spectator(show, panel, notes), notes, 1)
        )
        show.warm_up()
        if config.record:
            panel.turn("record", "on")
        if isinstance(sound, Song):
            sound.wait_first()
        if isinstance(hearing, Tune) and hearing.device is not None:
            hearing.device.settle()
        on_ready(show)
        notes(_playing(config, run, spec, knobs, hearing))
        try:
            show.play([sink, recorder], surfaces.refresh)
        except BrokenPipeError:
            pass  # whoever looked at standard output has gone: that is an end like any other
    return Exhibition(show, sound.failure if isinstance(sound, Song) else None)


def _tape(hearing: Hearing) -> AudioSpec:
    return AudioSpec(hearing.tape_rate, hearing.tape_channels)


def _gain(panel: Panel) -> Callable[[], float]:
    def gain() -> float:
        values = panel.values
        return float((1 - values["mute"]) * 10 ** (values["gain_db"] / 20))

    return gain


def _recorder(config: Config, heard: StreamSpec, panel: Panel, notes: Notes) -> Recorder:
    """Takes of the pictures as they are made, turned on and off by the panel's knob."""
    path, size = config.record or Path("take.mp4"), (heard.video.height, heard.video.width)
    recorder = Recorder(path, heard, notes, lambda: panel.turn("record", "off"), size=size)

    def turned(name: str, value: float) -> None:
        if name == "record" and bool(value) != recorder.recording:
            (recorder.begin if value else recorder.end)()

    panel.watch(turned)
    return recorder


def _playing(config: Config, run: Run, spec: StreamSpec, knobs: Knobs, hearing: Hearing) -> str:
    video, into = spec.video, config.sink
    if isinstance(hearing, Tune) and hearing.device is not None:
        into = f"{into} and {getattr(hearing.device, 'name', 'a speaker')}"
    gain = f", auto_gain {knobs['auto_gain']:g}" if knobs["auto_gain"] else ""
    return (
        f"playing {config.source} into {into} with {run.directory}: {video.width}x{video.height} "
        f"at {float(video.frame_rate):g} Hz{gain}; declared latency "
        f"{1000 * spec.latency_secs:.0f} ms; Ctrl-C ends"
    )


def _close(sink: Sink, kind: object, error: object, trace: object) -> None:
    sink.close(keep=kind is None)
