"""A live page's server in a thread of this process."""

import re
import threading
import time
from contextlib import contextmanager

import numpy as np

from wyh import knobs
from wyh.errors import WyhError
from wyh.live import page

KNOBS = knobs.defaults()
SEED = 5
PATIENCE = 30.0  # seconds for what takes milliseconds


def insight(variables, control):
    """A code, and a picture of one grey: the mean of the amplitudes."""
    value = control.value[0, 0]
    return value, np.full((16, 16, 3), 255 * float(value.mean()), np.uint8)


class Served:
    """A running server: `notes`, `address`, `port`, and after `end` the `summary`."""

    def __init__(self, player, compiled, knobs=KNOBS, **how):
        self.notes, self.summary, self.failure = [], None, None
        self._stop, self._told = threading.Event(), threading.Event()
        options = {
            "port": 0,
            "seed": SEED,
            "source": None,
            "insight": insight,
            "duration_secs": None,
            "log_dir": None,
            "open_browser": False,
        }
        self._arguments = (player, compiled, knobs), options | how
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()
        assert self._told.wait(PATIENCE)

    def _serve(self):
        arguments, options = self._arguments
        try:
            self.summary = page.serve(*arguments, note=self._note, stop=self._stop, **options)
        except WyhError as error:
            self.failure = error
        self._told.set()

    def _note(self, line):
        self.notes.append(line)
        if "the page is at" in line:
            self.address = re.search(r"https?://\S+", line)[0]
            self.port = int(re.search(r":(\d+)/", self.address)[1])
            self._told.set()

    def connect(self, **how):
        from websockets.sync.client import connect

        origin = how.pop("origin", f"http://127.0.0.1:{self.port}")
        where = how.pop("where", f"ws://127.0.0.1:{self.port}/stream")
        return connect(where, origin=origin, compression=None, proxy=None, **how)

    def wait_note(self, text):
        end = time.monotonic() + PATIENCE
        while not any(text in note for note in self.notes):
            assert time.monotonic() < end, self.notes
            time.sleep(0.01)

    def end(self):
        self._stop.set()
        self._thread.join(PATIENCE)
        assert not self._thread.is_alive()


@contextmanager
def serving(player, compiled, knobs=KNOBS):
    """Starts servers, `start(**options) -> Served`, and ends them."""
    running = []

    def start(**how):
        running.append(Served(player, compiled, knobs, **how))
        return running[-1]

    try:
        yield start
    finally:
        for one in running:
            one.end()
