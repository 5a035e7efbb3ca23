"""Play a model now: pictures in, sound out, in real time.

python -m wyh.live --source film.mp4 --sink heard.wav
python -m wyh.live --source http://192.168.1.20:8080/video --sink heard.mp4 --duration 60
ffmpeg -i film.mp4 -f yuv4mpegpipe - | python -m wyh.live --source - --sink null --json
"""

import json
import os
import signal
import sys
import threading
import time
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from wyh import knobs
from wyh.cli import run as run_command
from wyh.errors import WyhError
from wyh.live.log import LogWriter
from wyh.live.loop import Live
from wyh.live.meter import Meter, as_text
from wyh.live.sinks import Sink, open_sink
from wyh.media.camera import FrameSource
from wyh.media.sources import resolve_source
from wyh.runs import choose_run
from wyh.transducers.compile import compile_sonifier, use_compilation_cache
from wyh.transducers.kinds import load_player

_IMPORTED = time.perf_counter()
_SWITCH_SECS = 0.0005  # a busy Python thread may hold up the sound no longer than this


@dataclass(frozen=True)
class Config:
    """Play a model live: each picture becomes sound as it comes. Ctrl-C ends it."""

    source: str  # a video file, an address such as http://..., or - for y4m on standard input
    sink: str = "null"  # a .wav, .mp4 or .mkv, - for mono f32le on standard output, or null
    run: Path | None = None  # the run to play; the newest under runs/ unless given
    checkpoint: str = "best"  # best, latest, or a step's number
    duration: float | None = None  # seconds after which to end; with the source unless given
    loop: bool = False  # a film begins again at its end
    json: bool = False  # print the summary as one JSON object
    size: str | None = None  # WIDTHxHEIGHT, where standard input is raw rgb24
    frame_rate: str | None = None  # Hz, where standard input is raw rgb24
    paced: bool = True  # standard input is played by its frame rate; no-paced: as it comes
    buffer_ms: float = 80.0  # of sound kept ahead of the sink, 10 to 2,000: less is quicker
    stereo: bool = False  # two channels, on standard output interleaved, left first
    set: tuple[str, ...] = ()  # knobs as name=value, such as phase=random gain_db=-6
    seed: int = 0  # of the sound's random phases
    log: Path | None = None  # a file for what was played when, so that it can be replayed
    transducer: str | None = None  # module:function, for a kind of your own


def main(config: Config) -> None:
    """Play, then print the summary."""
    summary: dict[str, Any] = Meter().summary(
        frames=0, secs=0.0, underruns=0, first_sound_secs=None
    )
    # The summary has standard output to itself, or shares standard error with all else.
    told = sys.stderr if config.sink == "-" else sys.stdout
    failure = None
    _on_signals(_interrupt)
    try:
        summary, failure = _play(config)
    except KeyboardInterrupt:
        pass  # before there was anything to play
    print(json.dumps(summary) if config.json else as_text(summary), file=told, flush=True)
    if failure is not None:
        raise failure


def _play(config: Config) -> tuple[dict[str, Any], WyhError | None]:
    """Play; the summary, and why the source ended too early, if it did."""
    sys.setswitchinterval(_SWITCH_SECS)
    _check(config)
    turned = knobs.parse(config.set)
    source = resolve_source(
        config.source,
        loop=config.loop,
        size=config.size,
        frame_rate=config.frame_rate,
        paced=config.paced,
    )
    run, said = choose_run(config.run)
    if said:
        _note(said)
    use_compilation_cache()
    player = load_player(run, config.checkpoint, config.transducer, stereo=config.stereo)
    spec = player.transducer.spec
    if spec.direction != "see-hear":
        raise WyhError(f"{run.directory} makes pictures from sound: wyh cannot yet play it live")
    with ExitStack() as stack:
        sink = open_sink(config.sink, spec)
        stack.push(partial(_close, sink))
        log = stack.enter_context(LogWriter(config.log)) if config.log else None
        compiled = compile_sonifier(player.transducer, player.variables, turned, seed=config.seed)
        live = Live(
            compiled,
            player.variables,
            spec,
            turned,
            buffer_secs=config.buffer_ms / 1000,
            duration_secs=config.duration,
            note=_note,
            log=log,
        )
        live.warm_up()
        frames = stack.enter_context(FrameSource(source, spec.video, _note))
        frames.wait_first()
        _on_signals(lambda *_: live.stop())
        _note(
            f"playing {source.name} into {config.sink} with {run.directory}; declared latency "
            f"{1000 * spec.latency_secs:.0f} ms, buffer {config.buffer_ms:.0f} ms; Ctrl-C ends"
        )
        try:
            live.play(frames, sink)
        except BrokenPipeError:
            pass  # whoever listened to standard output has gone: that is an end like any other
    first = None
    if live.first_sound is not None:
        first = live.first_sound - _IMPORTED + _import_secs()
    summary = live.meter.summary(
        frames=live.frames,
        secs=live.played / spec.audio.sample_rate,
        underruns=live.ring.underruns,
        first_sound_secs=first,
    )
    return summary, frames.failure


def _close(sink: Sink, kind: object, error: object, trace: object) -> None:
    sink.close(keep=kind is None)


def _check(config: Config) -> None:
    if config.duration is not None and not 0 < config.duration <= 1e7:
        raise WyhError(f"got --duration {config.duration:g}, wanted a number of seconds above 0")
    if not 10 <= config.buffer_ms <= 2000:
        raise WyhError(f"got --buffer-ms {config.buffer_ms:g}, wanted 10 to 2000")
    here, there = Path(config.source), Path(config.sink)
    if here.exists() and there.exists() and here.samefile(there):
        raise WyhError(f"{there} is the source itself: choose another --sink")


def _import_secs() -> float:
    """From the start of this process to the import of this module, where the system tells."""
    try:
        started = int(Path("/proc/self/stat").read_text().rpartition(")")[2].split()[19])
        age = time.clock_gettime(time.CLOCK_BOOTTIME) - started / os.sysconf("SC_CLK_TCK")
        return age - (time.perf_counter() - _IMPORTED)
    except (OSError, AttributeError, ValueError, IndexError):
        return 0.0  # then the import itself, about a second, is left out


def _on_signals(handler: Any) -> None:
    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, handler)


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def _note(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    run_command(main, Config, "wyh live")
