"""Sounds of any length -> windows of one length, so that the length does not give the class away.

How long a file is says how it was cut, more than what is heard, and a model learns it if it can.
So nothing of the length is left in a window:

- The quiet at both ends of a sound (60 dB under its peak), and with it what others have padded it
  with, is left off.
- Of a longer sound, windows are cut at random places, one in each of several equal stretches, the
  same number at most for a sound of seconds as for one of hours. Pauses (30 dB under the loudest
  place) are passed over. No window tells where its sound begins, unless it begins there.
- A shorter one is repeated until the window is full, from a random place on, its ends faded into
  each other. What repeats has a rhythm, which is heard; those under a tenth of a second buzz.

By what is loud and quiet in a window, the same noise of 0.15-0.6 s and of 1.5-4 s is then told
apart in 69 % of windows (a repeat has less in it that differs), and padded with silence in all.

Where sounds are whole, such as words or single strokes, their lengths belong to them: then they
may lie in silence instead, at a random place.
"""

import math
import zlib
from pathlib import Path
from typing import Literal

import numpy as np
import scipy.signal
import soundfile
from jaxtyping import Float32

from wyh.errors import WyhError
from wyh.media.decode import open_audio

Fill = Literal["repeat", "silence"]
"""What a window is filled with that is longer than its sound."""

_WHOLE_SECS = 60.0  # what is longer is decoded as a stream, in little memory
_SILENT_PEAK = 10 / 32768
_QUIET = 1e-3  # of the peak
_PAUSE = 10**-1.5  # of the loudest window
_STEPS = 8  # of a window: how finely its places are looked at
_SHORTEST_SECS = 0.01  # nothing shorter is repeated
_FADE_SECS = 0.01


def read_sound(
    path: Path, sample_rate: int, start_secs: float = 0.0, end_secs: float | None = None
) -> Float32[np.ndarray, " samples"]:
    """A sound of a file, or part of one: all channels mixed to one, at the rate asked for.

    Args:
      path: of the file. Of a damaged one it is what can be decoded.
      sample_rate: in Hz.
      start_secs: of the part.
      end_secs: of it; None for the end of the file.

    Raises:
      WyhError: not a sound, nothing can be decoded, or it ends before `start_secs`.
    """
    try:
        with soundfile.SoundFile(path) as file:
            rate, begin = file.samplerate, round(start_secs * file.samplerate)
            count = (file.frames if end_secs is None else round(end_secs * rate)) - begin
            if 0 <= begin < file.frames and count <= _WHOLE_SECS * rate:
                file.seek(begin)
                found = file.read(count, dtype="float32", always_2d=True).mean(axis=1)
                if len(found):
                    return _resampled(np.nan_to_num(found), rate, sample_rate)
    except (soundfile.SoundFileError, OSError, RuntimeError):
        pass  # ffmpeg knows more kinds of files, and what is wrong with them
    return _streamed(path, sample_rate, start_secs, end_secs)


def _resampled(x: np.ndarray, rate: int, wanted: int) -> Float32[np.ndarray, " samples"]:
    common = math.gcd(rate, wanted)
    if rate == wanted:
        return x.astype(np.float32)
    made = scipy.signal.resample_poly(x, wanted // common, rate // common)
    return np.asarray(made, np.float32)


def _streamed(
    path: Path, sample_rate: int, start_secs: float, end_secs: float | None
) -> Float32[np.ndarray, " samples"]:
    begin = round(start_secs * sample_rate)
    end = math.inf if end_secs is None else round(end_secs * sample_rate)
    parts, at = [np.zeros(0, np.float32)], 0
    with open_audio(path, sample_rate, start_secs=None, strict=False) as reader:
        for block in reader:
            low, high = max(begin - at, 0), min(end - at, len(block))
            if low < high:
                parts.append(np.nan_to_num(block[low : int(high)]))
            at += len(block)
            if at >= end:
                break
    found = np.concatenate(parts)
    if not len(found):
        raise WyhError(
            f"{path}: lasts {at / sample_rate:.3g} s, wanted a part of it from {start_secs:g} s on"
        )
    return found


def cut(
    waveform: Float32[np.ndarray, " n"],
    samples: int,
    rng: np.random.Generator,
    *,
    sample_rate: int,
    most: int = 8,
    fill: Fill = "repeat",
) -> Float32[np.ndarray, "windows samples"]:
    """Windows of a sound, 1 or more; see the top of this file.

    Args:
      waveform: the sound, of any length.
      samples: of a window.
      rng: chooses places.
      sample_rate: in Hz.
      most: windows at most.
      fill: what a window is filled with that is longer.

    Raises:
      WyhError: it is silent.
    """
    if np.abs(waveform).max(initial=0.0) <= _SILENT_PEAK:
        raise WyhError("it is silent")
    sound = _trimmed(waveform, round(_SHORTEST_SECS * sample_rate))
    if len(sound) >= samples:
        return _places(sound, samples, rng, most)
    window = np.zeros(samples, np.float32)
    if fill == "silence":
        begin = int(rng.integers(samples - len(sound) + 1))
        window[begin : begin + len(sound)] = sound
        return window[None]
    loop = _looped(sound, round(_FADE_SECS * sample_rate))
    return np.resize(np.roll(loop, -int(rng.integers(len(loop)))), samples)[None]


def rng_of(name: str, seed: int) -> np.random.Generator:
    """The generator of a sound: the same whichever others there are, and in what order."""
    return np.random.default_rng([seed, zlib.crc32(name.encode())])


def _trimmed(waveform: np.ndarray, shortest: int) -> np.ndarray:
    """Without the quiet at both ends; no shorter than `shortest`, with the sound in the middle."""
    loud = np.flatnonzero(np.abs(waveform) > _QUIET * np.abs(waveform).max())
    beside = max(0, shortest - (loud[-1] + 1 - loud[0])) // 2
    first = max(0, min(loud[0] - beside, len(waveform) - shortest))
    sound = waveform[first : max(loud[-1] + 1, first + shortest)]
    missing = max(0, shortest - len(sound))
    return np.pad(sound, (missing // 2, missing - missing // 2))


def _places(sound: np.ndarray, samples: int, rng: np.random.Generator, most: int) -> np.ndarray:
    """Windows at random places, one in each of equal stretches of what is no pause."""
    step = max(1, samples // _STEPS)
    power = np.add.reduceat(np.square(sound), range(0, len(sound), step), dtype=np.float64)
    places = (len(sound) - samples) // step + 1
    power = np.lib.stride_tricks.sliding_window_view(power, samples // step)[:places].sum(axis=1)
    loud = np.flatnonzero(power > _PAUSE**2 * power.max()) * step
    count = min(most, max(1, round(1 + (len(loud) - 1) * step / samples)))
    edges = np.linspace(0, len(loud), count + 1)
    begins = loud[rng.uniform(edges[:-1], edges[1:]).astype(int)] + rng.integers(step, size=count)
    return np.stack([sound[i : i + samples] for i in np.minimum(begins, len(sound) - samples)])


def _looped(sound: np.ndarray, fade: int) -> np.ndarray:
    """One turn of the sound repeated without an end, its last samples faded into its first."""
    fade = min(fade, len(sound) // 4)
    angle = (np.arange(fade, dtype=np.float32) + np.float32(0.5)) / max(fade, 1) * (np.pi / 2)
    turn = sound[: len(sound) - fade].copy()
    turn[:fade] = np.sin(angle) * turn[:fade] + np.cos(angle) * sound[len(sound) - fade :]
    return turn
