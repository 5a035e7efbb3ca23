"""A sound library of a test's own, whose devices come, go and call as the test says."""

import threading
import time

import numpy as np

from wyh.media.sound_stream import Device, NoSound


def wait_for(condition, secs=30.0):
    """Wait until something is so; a bound for a busy machine."""
    end = time.perf_counter() + secs
    while not condition():
        assert time.perf_counter() < end, "it never came"
        time.sleep(0.005)


class Library:
    """Takes the place of `wyh.media.sound_portaudio`."""

    def __init__(self, name="sounddevice", **names):
        self.name, self.installed = name, True
        self.names = {"speaker": [], "microphone": [], "loopback": []} | names
        self.streams, self.refusals = [], []

    def library(self):
        return self if self.installed else None

    def devices(self, kind):
        names = self.names[kind]
        return [Device(kind, i, name, i == 0, self.name) for i, name in enumerate(names)]

    def open_stream(self, wanted):
        if self.refusals:
            raise NoSound(self.refusals.pop(0))
        there = self.names[wanted.kind]
        if not there or wanted.name not in (None, *there):
            raise NoSound("no device")
        self.streams.append(Stream(wanted, wanted.name or there[0], self.name))
        return self.streams[-1]


class Stream:
    """Calls every few milliseconds until it is unplugged or closed."""

    def __init__(self, wanted, name, backend):
        self.wanted, self.name, self.backend = wanted, name, backend
        self.latency_secs, self.xruns = wanted.device_ms / 1000, 0
        self.blocks, self.fails = [], None
        self.closed = False
        self.unplugged = threading.Event()
        self.thread = threading.Thread(target=self._run, daemon=True)

    def start(self):
        if self.fails:
            raise NoSound(self.fails)
        self.thread.start()

    def _run(self):
        while not self.unplugged.wait(0.005):
            self.call()

    def call(self, count=40, heard=0.25):
        out = self.wanted.kind == "speaker"
        block = np.full((count, self.wanted.channels), 0.0 if out else heard, np.float32)
        self.wanted.serve(block)
        self.blocks.append(block)
        return block

    def close(self):
        self.unplugged.set()
        self.closed = True
        if self.thread.is_alive():
            self.thread.join()
