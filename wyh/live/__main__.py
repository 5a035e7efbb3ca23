"""Play a model now, in real time: pictures in, sound out; or sound in, pictures out.

python -m wyh.live                                    # the newest run: camera or microphone
python -m wyh.live --sink screen                      # and a window to play it from
python -m wyh.live --sink web                         # in a browser: its camera, its speaker
python -m wyh.live --source film.mp4 --sink heard.wav
python -m wyh.live --source mic --run runs/SEEN       # see what you hear
python -m wyh.live --source song.mp3 --run runs/SEEN  # it plays, in step with its pictures
python -m wyh.live --run runs/NEW --follow            # hear a model learn
"""

import json
import os
import signal
import sys
import threading
import time
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from wyh import knobs
from wyh.cli import run as run_command
from wyh.errors import WyhError
from wyh.live.config import Config, check, check_for
from wyh.live.meter import Meter, as_text
from wyh.media.camera import FrameSource
from wyh.media.find import kind_by_name
from wyh.media.sources import gives, resolve_sound, resolve_source
from wyh.run_choice import choose_run
from wyh.runs import Run
from wyh.specs import Direction

_IMPORTED = time.perf_counter()
_SWITCH_SECS = 0.0005  # a busy Python thread may hold up the sound no longer than this

Played = tuple[dict[str, Any], WyhError | None]
"""The summary, and why the source ended too early, if it did."""


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
    print(json.dumps(summary) if config.json else _for_people(summary), file=told, flush=True)
    if failure is not None:
        raise failure


def _play(config: Config) -> Played:
    """Play, whichever way the run does."""
    sys.setswitchinterval(_SWITCH_SECS)
    check(config)
    knobs.parse(config.set)  # before anything is waited for
    if config.follow and config.run is not None:
        from wyh.live.follow import wait_for_training

        wait_for_training(config.run, _note)
    page = config.source in (None, "page")
    run, said = choose_run(config.run, direction=_wanted(config.source))
    if said:
        _note(said)
    if run.stream is None:
        from wyh.transducers.kinds import part_of_a_model  # loads JAX

        raise part_of_a_model(run)
    sees = run.stream.direction == "see-hear"
    if not (config.sink == "web" and page):
        config = replace(config, source=config.source or ("0" if sees else "mic"))
        _check_source(config, run)
    check_for(run.stream.direction, run.kind, config)
    turned = knobs.parse(config.set, knobs.begun_with(run.config))
    config = replace(config, sink=config.sink or ("speaker" if sees else "screen"))
    return (_sonify if sees else _visualize)(config, run, turned)


def _wanted(source: str | None) -> Direction | None:
    """The direction that a source asks for, where it can only have one."""
    if source in (None, "page"):
        return None
    given = "sound" if kind_by_name(Path(source)) == "audio" else gives(source)
    return {"sound": "hear-see", "pictures": "see-hear"}.get(given)  # type: ignore[return-value]


def _check_source(config: Config, run: Run) -> None:
    """Refuse a source that gives nothing to this run."""
    assert run.stream is not None and config.source is not None
    given, sees = gives(config.source), run.stream.direction == "see-hear"
    if given == ("sound" if sees else "pictures"):
        makes, wanted = ("sound", "pictures") if sees else ("pictures", "sound")
        raise WyhError(
            f"{run.directory} makes {makes} of {wanted}, and {config.source} gives {given}: choose "
            f"another --run, or a --source that gives {wanted}"
        )


def _sonify(config: Config, run: Run, turned: knobs.Knobs) -> Played:
    """Pictures become sound."""
    assert run.stream is not None
    if config.source in (None, "page"):
        return _serve(config, run, turned, None)
    flasher = None
    if config.measure:
        from wyh.live.flasher import Flasher

        flasher = Flasher()
    if flasher is not None and not config.has_window:
        source = flasher.source()
    else:
        source = resolve_source(
            config.source or "0",
            loop=config.loop,
            size=config.size,
            frame_rate=config.frame_rate,
            paced=config.paced,
        )
    config = replace(config, source=source.name)
    opened = partial(FrameSource, source, run.stream.video, _note)
    if config.sink == "web":
        return _serve(config, run, turned, opened)
    with opened() as frames:  # while JAX is imported and the model compiled
        from wyh.live.stage import perform
        from wyh.live.watch import Notes

        played = perform(
            config,
            run,
            turned,
            frames,
            Notes(_note),
            flasher,
            on_ready=lambda live: _on_signals(lambda *_: live.stop()),
        )
    live = played.live
    summary = live.meter.summary(
        frames=live.frames,
        secs=live.output.played / live.spec.audio.sample_rate,
        underruns=live.output.underruns,
        first_sound_secs=_since_start(live.output.first_sound),
    )
    if played.delays_ms is not None:
        summary["flash_to_sound_ms"] = played.delays_ms
    return summary, played.failure


def _visualize(config: Config, run: Run, turned: knobs.Knobs) -> Played:
    """Sound becomes pictures."""
    assert run.stream is not None
    if config.sink == "web":
        return _serve(config, run, turned, None)
    source = resolve_sound(config.source or "mic")
    set_by_hand = {word.partition("=")[0] for word in config.set}
    useful = knobs.of_run("hear-see", run.kind)
    if source.microphone and "auto_gain" in useful.keys() - set_by_hand:
        turned = turned | {"auto_gain": 1.0}  # rooms and microphones are as loud as they are
    from wyh.live.hearing import open_sound

    with open_sound(source, config, run.stream, _note) as sound:  # while JAX is imported
        from wyh.live.exhibit import exhibit
        from wyh.live.watch import Notes

        shown = exhibit(
            replace(config, source=source.name),
            run,
            turned,
            sound,
            Notes(_note),
            on_ready=lambda show: _on_signals(lambda *_: show.stop()),
        )
    show = shown.show
    summary = show.meter.summary(
        frames=show.frames,
        secs=show.hearing.secs,
        underruns=show.hearing.underruns,
        first_sound_secs=_since_start(show.hearing.first_heard),
    )
    summary["first_picture_secs"] = _since_start(show.first_picture)
    summary["left_out"] = show.left_out
    return summary, shown.failure


def _serve(config: Config, run: Run, turned: knobs.Knobs, opened: Any) -> Played:
    from wyh.live.serving import serve_page

    stop = threading.Event()
    summary = serve_page(
        config, run, turned, opened, _note, stop, lambda: _on_signals(lambda *_: stop.set())
    )
    return summary, None


def _for_people(summary: dict[str, Any]) -> str:
    if "flash_to_sound_ms" not in summary:
        return as_text(summary)
    from wyh.live.measure import as_line

    return as_text(summary, [as_line(summary["flash_to_sound_ms"])])


def _since_start(moment: float | None) -> float | None:
    """From the start of this process to a moment, where there was one; to the millisecond."""
    return None if moment is None else round(moment - _IMPORTED + _import_secs(), 3)


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
