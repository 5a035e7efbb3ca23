"""Live sources for tests: a camera at an address, and a screen that nobody sees."""

import http.server
import io
import os
import shutil
import subprocess
import threading
import time
from contextlib import contextmanager

import numpy as np
import pytest
from PIL import Image


def wait_for(condition, secs=30.0):
    """Wait until something is so; a bound for a busy machine."""
    end = time.perf_counter() + secs
    while not condition():
        assert time.perf_counter() < end, "it never came"
        time.sleep(0.01)


class Server:
    """Serves a picture stream that can fall silent, and files, until it is closed."""

    def __init__(self, port=0, film=None):
        self.silent = threading.Event()
        self.opened, self.size = 0, (48, 64)
        self.shade = lambda number: number * 4 % 256
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def log_message(self, *_):
                pass

            def do_GET(self):
                outer.opened += 1
                self.send_response(200)
                if film is not None:
                    self.send_header("Content-Type", "video/mp4")
                    self.send_header("Content-Length", str(film.stat().st_size))
                    self.end_headers()
                    self.wfile.write(film.read_bytes())
                    return
                self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=next")
                self.end_headers()
                with outer.closing_quietly():
                    outer.send(self.wfile)

        class Quiet(http.server.ThreadingHTTPServer):
            def handle_error(self, *_):
                pass  # a client that hangs up is no error

        self.server = Quiet(("127.0.0.1", port), Handler)
        self.port = self.server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}/stream"
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True)
        self.thread.start()

    @contextmanager
    def closing_quietly(self):
        try:
            yield
        except OSError:
            pass

    def send(self, file):
        number = 0
        while not self.ended.is_set():
            if not self.silent.is_set():
                picture = io.BytesIO()
                grey = np.full((*self.size, 3), self.shade(number), np.uint8)
                Image.fromarray(grey).save(picture, "JPEG")
                data = picture.getvalue()
                about = f"--next\r\nContent-Type: image/jpeg\r\nContent-Length: {len(data)}\r\n\r\n"
                file.write(about.encode() + data + b"\r\n")
                number += 1
            time.sleep(0.02)

    def close(self):
        self.ended.set()
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


@contextmanager
def hidden_screen():
    """Runs Xvfb; the name of its screen of 320 x 240 pixels."""
    if shutil.which("Xvfb") is None:
        pytest.skip("no Xvfb: install the Debian package xvfb")
    reading, writing = os.pipe()
    command = ["Xvfb", "-displayfd", str(writing), "-screen", "0", "320x240x24"]
    server = subprocess.Popen(
        [*command, "-nolisten", "tcp"], pass_fds=(writing,), stderr=subprocess.DEVNULL
    )
    os.close(writing)
    try:
        with open(reading) as told:
            number = told.readline().strip()
        yield f":{number}"
    finally:
        server.terminate()
        server.wait()
