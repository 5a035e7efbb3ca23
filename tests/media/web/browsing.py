"""A real browser without a screen, and pages in it."""

import base64
import shutil
from contextlib import contextmanager

import numpy as np

from tests.live.served import PATIENCE

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
FLAGS = (
    "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync --use-fake-device-for-media-stream "
    "--autoplay-policy=no-user-gesture-required"
).split()
LETTER = 1000 * PATIENCE  # playwright counts in ms

# A page's way to hand bytes to a test.
ENCODE = """
const encode = (data) => {
  const bytes = new Uint8Array(data.buffer ?? data, data.byteOffset ?? 0, data.byteLength);
  let text = "";
  for (let i = 0; i < bytes.length; i += 4096) {
    text += String.fromCharCode(...bytes.subarray(i, i + 4096));
  }
  return btoa(text);
};
"""


def joined(parts):
    """What `encode` made of sound."""
    return np.concatenate([np.frombuffer(base64.b64decode(part), "<f4") for part in parts])


@contextmanager
def pages(browser):
    """Opens pages: `show(address) -> page`; whatever a page complains of fails the test."""
    contexts, complaints = [], []

    def show(address, script="", **how):
        context = browser.new_context(bypass_csp=bool(script), **how)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(LETTER)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        if script:
            page.add_init_script(script)
        page.goto(address)
        return page

    yield show
    for context in contexts:
        context.close()
    assert not complaints
