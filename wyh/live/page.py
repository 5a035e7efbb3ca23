"""`--sink web`: the live page. Each page that comes in plays a session of its own.

The model is compiled once and shared; carries, knobs and log belong to the session.
"""

import asyncio
import threading
import time
import webbrowser
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from wyh.knobs import Knobs
from wyh.live.governor import unhindered
from wyh.live.guests import MOST_CLIENTS, Guests
from wyh.live.picture_guests import PictureGuests
from wyh.live.sound_guests import SoundGuests
from wyh.media.camera import FrameSource
from wyh.media.web.server import Door, make_door, open_server
from wyh.media.web.tls import qr_code
from wyh.transducers.compile import Compiled, cache_dir
from wyh.transducers.insight import Insight
from wyh.transducers.kinds import Player

__all__ = ["MOST_CLIENTS", "serve"]
_THREADS = 4  # that compute, for all pages together
_LINGER_SECS = 1.0  # after a source's end, until the pages have heard it


def serve(
    player: Player,
    compiled: Compiled,
    knobs: Knobs,
    *,
    host: str = "127.0.0.1",
    port: int = 8765,
    seed: int,
    source: Callable[[], FrameSource] | None,
    insight: Insight | None,
    duration_secs: float | None,
    note: Callable[[str], None],
    log_dir: Path | None,
    open_browser: bool,
    stop: threading.Event,
    on_ready: Callable[[], None] = lambda: None,
) -> dict[str, Any]:
    """Serve the live page until told to stop, or the source or the duration is over.

    Args:
      player: what is played.
      compiled: of one tick each.
      knobs: that each session begins with.
      host: 127.0.0.1 for this machine alone; 0.0.0.0 also for others, with TLS and a token.
      port: 0 is any that is free.
      seed: that `compiled` was made with; told to pages, for a replay needs it.
      source: opens a source of this machine that all pages play, where they make sound; None: each
        its own camera, or its own microphone or song.
      insight: tells what the sound still knows of a picture; None: it is not shown.
      duration_secs: after which to end; None: never.
      note: is told where the page is, and what goes wrong.
      log_dir: a folder for the log of each session, `session_1.jsonl` and so on; None: no logs.
      open_browser: show the page at once.
      stop: ends it, from any thread or a signal handler.
      on_ready: is called when `stop` is all that is needed to end it.

    Returns:
      `wyh.live.meter.Meter.summary` of all sessions together; `first_sound_secs` counts from the
      call, `secs` is of sound sent, or heard; `underruns` are those that the pages tell of.

    Raises:
      WyhError: port in use, an absent package, or the source fails.
    """
    door = make_door(host, port, cache_dir() / "tls")
    with ExitStack() as stack:
        if log_dir is not None:
            log_dir.mkdir(parents=True, exist_ok=True)
        shared = player, compiled, knobs, seed, note, log_dir
        frames: FrameSource | None = None
        guests: SoundGuests | PictureGuests
        if player.transducer.spec.direction == "see-hear":
            guests = SoundGuests(*shared, insight=insight)
        else:
            guests = PictureGuests(*shared, here=door.token is None)
        guests.warm_up()
        if source is not None and isinstance(guests, SoundGuests):
            guests.source = frames = stack.enter_context(source())
            frames.wait_first()
        on_ready()
        stack.enter_context(unhindered())
        asyncio.run(_serve(guests, door, duration_secs, open_browser, stop))
        if frames is not None and frames.failure is not None:
            raise frames.failure
    return guests.summary()


async def _serve(
    guests: Guests,
    door: Door,
    duration_secs: float | None,
    open_browser: bool,
    stop: threading.Event,
) -> None:
    end = None if duration_secs is None else time.monotonic() + duration_secs
    with ThreadPoolExecutor(_THREADS, "page") as guests.pool:
        async with open_server(door, guests.longest, guests.welcome, guests.index) as port:
            address = door.address(port)
            guests.note(f"the page is at {address} ; Ctrl-C ends")
            if door.token:
                guests.note("scan this with a phone on the same network, and trust it once:")
                guests.note(qr_code(address))
            if open_browser:
                threading.Thread(target=webbrowser.open, args=(address,), daemon=True).start()
            while not stop.is_set() and not (end and time.monotonic() >= end):
                if guests.is_over():
                    await asyncio.sleep(_LINGER_SECS)
                    break
                await asyncio.sleep(0.05)
