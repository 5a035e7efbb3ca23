"""A stream that flashes and beeps every seventh tick, and how far apart the two are in a file."""

from fractions import Fraction

import numpy as np

from tests.media.clips import read_audio, read_video
from wyh.specs import AudioSpec, StreamSpec, VideoSpec, tick_start

RATE, EVERY = 22050, 7


def stream(frame_rate=Fraction(30), channels=1) -> StreamSpec:
    """Its spec, with a latency that is no whole number of ticks or blocks."""
    video = VideoSpec(Fraction(frame_rate), 16, 16)
    return StreamSpec("see-hear", video, AudioSpec(RATE, channels), 256, 1424)


def picture(tick: int) -> np.ndarray:
    """White at each flash, else black."""
    return np.full((16, 16, 3), 255 if tick % EVERY == 0 else 0, np.uint8)


def sound(spec: StreamSpec, ticks: int) -> np.ndarray:
    """A tone as long as each flash, the latency in front."""
    end = tick_start(ticks, RATE, spec.video.frame_rate) + spec.latency_samples
    at = np.arange(end) - spec.latency_samples
    starts = [tick_start(tick, RATE, spec.video.frame_rate) for tick in range(ticks + 1)]
    tick = np.searchsorted(starts, at, side="right") - 1
    loud = (at >= 0) & (tick % EVERY == 0)
    return (0.5 * np.sin(at * 2 * np.pi * 2000 / RATE) * loud).astype(np.float32)


def measured(path, spec: StreamSpec, **how) -> tuple[int, int, np.ndarray]:
    """Pictures, samples, and by how many ms each beep of a file comes after its flash."""
    times, pixels = read_video(path, VideoSpec(spec.video.frame_rate, 8, 8, 1), **how)
    wave = read_audio(path, times[0], RATE, **how)
    white = pixels.mean(axis=(1, 2, 3)) > 128
    loud = np.convolve(np.abs(wave), np.ones(40) / 40, "same") > 0.16
    flashes = (times - times[0])[1:][np.diff(white.astype(int)) == 1]
    beeps = (np.flatnonzero(np.diff(loud.astype(int)) == 1) + 1) / RATE
    beeps = beeps[beeps > 0.02]  # as of the flashes: not one that the file begins with
    beeps = beeps[np.diff(beeps, prepend=-1.0) > 0.05]  # AAC lets the first ones flutter
    count = min(len(flashes), len(beeps))
    assert count >= 2 and abs(len(flashes) - len(beeps)) <= 1
    return len(times), len(wave), 1000 * (beeps[:count] - flashes[:count])
