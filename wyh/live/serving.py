"""The live page from the options of the command, whichever way its run plays."""

import threading
from collections.abc import Callable
from typing import Any

from wyh.errors import WyhError
from wyh.knobs import Knobs
from wyh.live.config import Config
from wyh.media.camera import FrameSource
from wyh.reference import read_reference
from wyh.runs import Run
from wyh.transducers.compile import compile_transducer, use_compilation_cache
from wyh.transducers.kinds import Player, insight_of, load_player


def serve_page(
    config: Config,
    run: Run,
    knobs: Knobs,
    source: Callable[[], FrameSource] | None,
    note: Callable[[str], None],
    stop: threading.Event,
    on_ready: Callable[[], None],
) -> dict[str, Any]:
    """Serve the live page until stopped; the summary of all its guests.

    Args:
      config: of the command.
      run: that all play.
      knobs: to begin with.
      source: opens the source that all see; None for the guests' own cameras, or their own sound.
      note: is told what happens.
      stop: ends it.
      on_ready: is called when `stop` is all that is needed to end it.

    Raises:
      WyhError: the run, the source or the port cannot be used.
    """
    if config.scene or config.record or config.follow:
        raise WyhError("got --sink web with --scene, --record or --follow: it has none of them yet")
    if config.osc is not None or config.osc_to or config.midi is not None:
        raise WyhError("got --sink web with --osc or --midi: each page has knobs of its own")
    from wyh.live.page import serve  # the web is loaded by those alone who play there

    use_compilation_cache()
    player = _loaded(config, run)
    compiled = compile_transducer(player.transducer, player.variables, knobs, seed=config.seed)
    return serve(
        player,
        compiled,
        knobs,
        host=config.host,
        port=config.port,
        seed=config.seed,
        source=source,
        insight=None if config.transducer else insight_of(player),
        duration_secs=config.duration,
        note=note,
        log_dir=config.log,
        open_browser=config.browser,
        stop=stop,
        on_ready=on_ready,
    )


def _loaded(config: Config, run: Run) -> Player:
    if run.stream is None or run.stream.direction == "see-hear":
        return load_player(
            run,
            config.checkpoint,
            config.transducer,
            stereo=config.stereo,
            synth=config.synth,
            reference=read_reference(config.reference, run),
        )
    from wyh.live.exhibit import video_of

    video = video_of(config, run)
    return load_player(run, config.checkpoint, config.transducer, video=video)
