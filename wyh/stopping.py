"""Stopping a training when it is asked to: by Ctrl-C or SIGTERM, all processes at the same step."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import jax
import numpy as np
from jax.experimental import multihost_utils


def agreed(asked: threading.Event, meeting: bool) -> bool:
    """Whether to stop: at once where there is one process, where all meet if there are more."""
    if jax.process_count() == 1:
        return asked.is_set()
    return meeting and bool(multihost_utils.process_allgather(np.array(asked.is_set())).any())


@contextmanager
def stop_signals() -> Iterator[threading.Event]:
    """An event that Ctrl-C and SIGTERM set; a second one acts as it did before."""
    asked = threading.Event()
    before: dict[int, Any] = {}

    def ask(number: int, frame: object) -> None:
        asked.set()
        signal.signal(number, before[number])

    if threading.current_thread() is threading.main_thread():
        for stop in (signal.SIGINT, signal.SIGTERM):
            before[stop] = signal.signal(stop, ask) or signal.SIG_DFL
    try:
        yield asked
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
