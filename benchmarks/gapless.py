"""Whether sound reaches the speaker without a gap.

    python -m benchmarks.gapless                 # a minute, by the best sound library
    python -m benchmarks.gapless --hog           # a Python thread that is busy all the time
    python -m benchmarks.gapless --compiling     # JAX compiles small models beside it
    WYH_SOUND=miniaudio python -m benchmarks.gapless --secs 20

A compiled function gives known noise, no two samples of which are the same, through the ring into
a speaker of a PulseAudio server of its own, and its monitor is recorded. Needs the Debian packages
pulseaudio and pulseaudio-utils, and for sounddevice libportaudio2 and libasound2-plugins.
"""

import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import count

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.side_by_side import Row, rounded, show
from tests.media import pulse
from wyh.cli import run as run_command
from wyh.errors import WyhError
from wyh.live.governor import unhindered
from wyh.live.ring import Ring
from wyh.media.speaker import open_speaker

BLOCK = 480  # samples of a hop, 10 ms
SWITCH_SECS = 0.0005  # as `wyh live` sets it
_N_FFT = 1024


@dataclass(frozen=True)
class Options:
    """Play known noise and look for what is missing of it."""

    secs: float = 60.0
    hog: bool = False  # beside a Python thread that never rests
    compiling: bool = False  # beside JAX, which compiles
    buffer_ms: float = 50.0  # of sound kept ahead of the speaker
    device_ms: float = 50.0  # of sound in the speaker's own buffer


class Maker:
    """Keeps a ring full of noise, from a thread of its own."""

    def __init__(self, played: np.ndarray, buffer_ms: float):
        """Make the noise `played`, whose length is a multiple of a hop's."""
        self._table, self._last = jax.device_put(played), len(played) // BLOCK - 1
        self.ahead = round(buffer_ms * pulse.RATE / 1000)
        self._hop = jax.jit(_hop).lower(self._table, np.int32(0)).compile()
        self._stop = threading.Event()
        self.ring = Ring(2 * self.ahead + BLOCK)
        self.pulls: list[tuple[float, float]] = []  # when, and for how long

    def run(self) -> None:
        """Make sound until told to stop."""
        for hop in count():
            while self.ring.fill + BLOCK > self.ahead:
                if self._stop.wait(BLOCK / pulse.RATE / 4):
                    return
            if self._stop.is_set() or hop > self._last:
                return
            self.ring.write(np.asarray(self._hop(self._table, np.int32(hop))))

    def pull(self, samples: int) -> np.ndarray:
        """What the speaker calls."""
        begin = time.perf_counter()
        sound, _ = self.ring.read(samples)
        self.pulls.append((begin, time.perf_counter() - begin))
        return sound

    def stop(self) -> None:
        """End `run`."""
        self._stop.set()


def _hop(table: jax.Array, hop: jax.Array) -> jax.Array:
    """A block of the table, after as much work as a synth has."""
    sound = jax.lax.dynamic_slice(table, (hop * BLOCK,), (BLOCK,))
    spectrum = jnp.fft.rfft(jnp.pad(sound, (0, _N_FFT - BLOCK)))
    other = jnp.fft.irfft(spectrum * jnp.abs(spectrum))[:BLOCK]
    return jnp.where(hop < 0, other, sound)


@contextmanager
def beside(work: Callable[[int], object]) -> Iterator[None]:
    """Do some work again and again, in a thread."""
    stop = threading.Event()

    def repeat() -> None:
        for number in count():
            if stop.is_set():
                return
            work(number)

    thread = threading.Thread(target=repeat, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def hog(number: int) -> int:
    """Pure Python, for about a millisecond."""
    return sum(i * i for i in range(10_000))


def compile_one(number: int) -> object:
    """Compile a small model that was never compiled before."""
    width = 16 + number

    def model(x: jax.Array) -> jax.Array:
        for _ in range(4):
            x = jnp.tanh(x @ jnp.ones((width, width)) + number)
        return jnp.fft.rfft(x)

    return (
        jax.jit(jax.grad(lambda x: jnp.abs(model(x)).sum())).lower(jnp.ones((8, width))).compile()
    )


def compare(heard: np.ndarray, played: np.ndarray) -> dict[str, int]:
    """What is wrong with what was heard, in samples.

    Args:
      heard: `[samples]`, silent before and after.
      played: `[samples]`, all different, none of them 0.

    Raises:
      WyhError: nothing was heard.
    """
    there = np.flatnonzero(heard)
    if not len(there):
        raise WyhError("got silence from the monitor, wanted the sound that was played")
    heard = heard[there[0] : there[-1] + 1]
    at = pulse.places(heard, played)
    # A sample of a bridge may happen to be one of the noise; its neighbour then is not.
    follows = np.diff(at) == 1
    at[~(np.append(follows, False) | np.append(False, follows))] = -1
    known = at[at >= 0]
    steps = np.diff(known)
    return {
        "missing": int(np.maximum(steps - 1, 0).sum()),
        "repeated": int((steps < 1).sum()),
        "bridged": int((at < 0).sum()),
        "silent between": int((heard == 0).sum()),
        "matched": len(known),
    }


def play(options: Options) -> tuple[str, np.ndarray, Maker, int, dict[str, int]]:
    """Play; how, with what, and what was wrong."""
    length = round((options.secs + 5) * pulse.RATE) // BLOCK * BLOCK
    played = pulse.noise(length)
    # Before it takes what it keeps, so much more must be there.
    maker = Maker(played, options.buffer_ms + options.device_ms)
    with ExitStack() as stack:
        server = stack.enter_context(pulse.serve())
        os.environ.update(server.environment)
        recording = stack.enter_context(server.recording())
        maker_thread = threading.Thread(target=maker.run, daemon=True)
        speaker = open_speaker(
            maker.pull,
            device=None,
            sample_rate=pulse.RATE,
            channels=1,
            device_ms=options.device_ms,
            note=lambda line: print(line, file=sys.stderr, flush=True),
        )
        maker_thread.start()
        while maker.ring.fill + BLOCK <= maker.ahead:
            time.sleep(0.001)
        for wanted, work in ((options.hog, hog), (options.compiling, compile_one)):
            if wanted:
                stack.enter_context(beside(work))
        with unhindered(), speaker:
            time.sleep(options.secs)
            backend, xruns = speaker.backend, speaker.xruns
        maker.stop()
        maker_thread.join()
        time.sleep(0.5)  # what is under way to the monitor
        found = compare(recording.samples(), played)
    return backend, np.array(maker.pulls), maker, xruns, found


def main(options: Options) -> None:
    """Print one row a figure."""
    if pulse.MISSING:
        raise WyhError(f"got no {', '.join(pulse.MISSING)}; it {pulse.REASON}")
    sys.setswitchinterval(SWITCH_SECS)
    backend, pulls, maker, xruns, found = play(options)
    what = backend + ", busy Python" * options.hog + ", compiling" * options.compiling
    wanted = {"missing": 0.0, "repeated": 0.0, "silent between": 0.0}
    for name, samples in found.items():
        more = name == "matched"
        label, goal = f"{what}: {name}", wanted.get(name)
        show(Row(label, samples, "samples", goal, "higher" if more else "lower"))
    show(Row(f"{what}: underruns of the ring", maker.ring.underruns, "", better="lower"))
    show(Row(f"{what}: xruns of the device", xruns, "", better="lower"))
    late = np.diff(pulls[:, 0]) * 1000
    for name, times in (("between callbacks", late), ("in a callback", 1000 * pulls[:, 1])):
        for label, q in (("p50", 50), ("p99", 99), ("most", 100)):
            value = rounded(float(np.percentile(times, q)))
            show(Row(f"{what}: {name}, {label}", value, "ms", better="lower"))


if __name__ == "__main__":
    run_command(main, Options, "python -m benchmarks.gapless")
